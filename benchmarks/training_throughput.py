"""Images a second of `cnncli train`, as its metrics.jsonl has them, beside those of the bare step on the same batches.

The command reads, orders, normalises and, where asked to, augments the pictures while another batch is learnt from, and
draws its display. Command and step run in turn; the ratio is the median of those of the rounds.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `cnncli` does

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from cnncli.engines.initialization import initialize
from cnncli.engines.losses import CrossEntropy
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.optimizers import Momentum
from cnncli.networks import parse_network

LENET = "conv5-6,relu max2 conv5-16,relu max2 fc-120,relu fc-84,relu fc-10"
CIFAR = "2xconv3-32,same,relu max2 2xconv3-64,same,relu max2 fc-128,relu fc-10"
CASES = {
    "lenet-64": ((32, 32, 1), LENET, 64, []),
    "lenet-128": ((32, 32, 1), LENET, 128, []),
    "lenet-64, augmented": ((32, 32, 1), LENET, 64, ["--augment", "shift:2,rotate:10"]),
    "cifar-128": ((32, 32, 3), CIFAR, 128, []),
}
TARGET = 0.9


def command_speed(data, folder, text, batch, more):
    """Return the images a second of the last epoch."""
    words = ["train", data, "--network", text, "--batch-size", str(batch), "--epochs", "2", "--val", "0", "-o", folder]
    recipe = ["--optimizer", "momentum", "--lr", "0.001", "--augment", "none", "--force"]
    command = [sys.executable, "-m", "cnncli", *words, *recipe, *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    last = Path(folder, "metrics.jsonl").read_text().splitlines()[-1]
    return json.loads(last)["images_per_second"]


def step_speed(shape, text, batch, seconds):
    """Return the images a second of forward, backward and update, and nothing else."""
    network = parse_network(f"{'x'.join(map(str, shape))} {text}")
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(batch, *shape)).astype(np.float32), rng.integers(0, 10, batch)
    with NumpyEngine(network, *initialize(network, seed=0)) as engine:
        engine.use(Momentum(momentum=0.9))
        count, begin = 0, time.perf_counter()
        while count < 3 or time.perf_counter() - begin < seconds:
            if count == 3:
                begin = time.perf_counter()
            count += 1
            engine.step(images, labels, CrossEntropy(), step=count)
            engine.update(count, lr=0.001)
        return (count - 3) * batch / (time.perf_counter() - begin)


def measure(name, pictures, rounds):
    shape, text, batch, more = CASES[name]
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data.npz"
        images = rng.integers(0, 256, (pictures, *shape), np.uint8)
        np.savez(data, x=images, y=np.arange(pictures) % 10)
        speeds = [
            (command_speed(data, f"{folder}/run", text, batch, more), step_speed(shape, text, batch, seconds=3))
            for _ in range(rounds)
        ]
    command, step = (median(column) for column in zip(*speeds, strict=True))
    ratio = median(ours / bare for ours, bare in speeds)
    print(f"{name:20} command {command:8,.0f} images/s  bare step {step:8,.0f}  ratio {ratio:.2f} (at least {TARGET})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name in options.names or CASES:
        measure(name, options.pictures, options.rounds)


if __name__ == "__main__":
    main()
