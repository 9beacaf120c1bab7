"""Time whole training steps (forward, backward, momentum) side by side with PyTorch, on two threads.

Run `python benchmarks/training.py`, or with names of networks. PyTorch is timed in its usual layout and in
channels-last; the ratio is to the better. Medians of alternating runs: the figures of one run are comparable, those of
two are not.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `cnncli` does

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from cnncli.engines.initialization import initialize
from cnncli.engines.losses import CrossEntropy
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.optimizers import Momentum
from cnncli.networks import load_network, parse_network
from tests.torch_networks import torch_module

LENET = "32x32x1 conv5-6,relu max2 conv5-16,relu max2 fc-120,relu fc-84,relu fc-10"
CIFAR = "32x32x3 2xconv3-32,same,relu max2 2xconv3-64,same,relu max2 fc-128,relu fc-10"
PLAIN = "32x32x3 7xconv3-16,same,relu max2 6xconv3-32,same,relu max2 6xconv3-64,same,relu max2 fc-10"
CASES = {
    "lenet-64": (LENET, 64, 1.1),
    "lenet-128": (LENET, 128, 1.1),
    "cifar": (CIFAR, 128, 1.0),
    "resnet20": ("resnet20", 128, 1.5),
    "plain20": (PLAIN, 128, 1.5),
}


class Ours:
    """A network in the engine."""

    def __init__(self, network, images, labels, **options):
        self.engine = NumpyEngine(network, *initialize(network, seed=0), **options)
        self.engine.use(Momentum(momentum=0.9))
        self.images, self.labels, self.number = images, labels, 0

    def step(self):
        """Take one step, and return its loss."""
        self.number += 1
        result = self.engine.step(self.images, self.labels, CrossEntropy(), step=self.number)
        self.engine.update(self.number, lr=0.01)
        return result.loss


class PyTorch:
    """The same network in PyTorch."""

    def __init__(self, network, images, labels, layout):
        module = torch_module(network.layers, network.input_shape, *initialize(network, seed=0))
        self.module = module.to(memory_format=layout)
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.images, self.labels = pixels.contiguous(memory_format=layout), torch.from_numpy(labels)
        self.optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def step(self):
        """Take one step, and return its loss."""
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.module(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def seconds(step, least=0.1):
    """Return the seconds of each step of a short series, the first left out."""
    step()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < least:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def compare(name, rounds, **options):
    text, batch, most = CASES[name]
    network = load_network(text) if " " not in text else parse_network(text)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, *network.input_shape)).astype(np.float32)
    labels = rng.integers(0, 10, batch)
    sides = {
        "cnncli": Ours(network, images, labels, **options),
        "pytorch": PyTorch(network, images, labels, torch.contiguous_format),
        "channels-last": PyTorch(network, images, labels, torch.channels_last),
    }
    first = [side.step() for side in sides.values()]
    assert max(first) - min(first) < 1e-4 * max(first), f"{name}: the losses differ, {first}"
    times = {side: [] for side in sides}
    for _ in range(rounds):
        for side, runner in sides.items():
            times[side] += seconds(runner.step)
    medians = {side: 1e3 * median(values) for side, values in times.items()}
    columns = "  ".join(f"{side} {value:7.2f} ms" for side, value in medians.items())
    # A busy machine disturbs the fastest step least.
    fastest = ratio({side: min(values) for side, values in times.items()})
    print(f"{name:10} batch {batch:4}  {columns}  ratio {ratio(medians):.2f} (at most {most})  fastest {fastest:.2f}")
    return ratio(medians) <= most


def ratio(times):
    return times["cnncli"] / min(times["pytorch"], times["channels-last"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; the first four by default")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-winograd", action="store_true")
    parser.add_argument("--as-written", action="store_true", help="do not arrange the network for speed")
    options = parser.parse_args()
    torch.set_num_threads(2)
    names = options.names or list(CASES)[:4]
    engine = {"winograd": not options.no_winograd, "fused": not options.as_written}
    met = [compare(name, options.rounds, **engine) for name in names]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
