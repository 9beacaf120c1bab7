"""Prediction: `cnncli predict` beside a short script with Pillow, two threads and ONNX Runtime, on the same files.

Each side is a process, from its start to its last line. Weights are random, and the script gets our export of them.
Runs alternate; what is printed are medians, and the medians of the ratios of runs that followed each other, because a
machine's pace changes while this runs. Both sides must name the same classes.
"""

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from timing import Spent, spent

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import onnxruntime
from PIL import Image
def read(path):
    return np.asarray(Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR), np.float32)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(sys.argv[1], options)
size, paths = session.get_inputs()[0].shape[:1:-1], sys.argv[2:]
with ThreadPoolExecutor(2) as pool:
    for start in range(0, len(paths), 64):
        images = np.stack(list(pool.map(read, paths[start : start + 64]))).transpose(0, 3, 1, 2)
        for path, row in zip(paths[start:], session.run(None, {"image": images})[0]):
            print(path, row.argmax(), f"{row.max():.4f}", sep="\\t")
"""
CNNCLI = "from cnncli.__main__ import main; main()"

SMALL = "32x32x3 2xconv3-32,same,relu max2 2xconv3-64,same,relu max2 fc-128,relu fc-10"


class Case(NamedTuple):
    """A network, and the files that it is used on.

    Attributes:
        network: a name of the zoo, or a text.
        input: (height, width) of its input.
        files: number of files.
        size: (height, width) of the pictures in them.
        suffix: kind of the files.
    """

    network: str
    input: tuple[int, int]
    files: int
    size: tuple[int, int]
    suffix: str


CASES = {
    "small": Case(SMALL, (32, 32), 2000, (32, 32), ".png"),
    "resnet20": Case("resnet20", (32, 32), 2000, (32, 32), ".png"),
    "resnet18": Case("resnet18", (128, 128), 400, (128, 128), ".jpg"),
    "photograph": Case("resnet18", (224, 224), 1, (1280, 1920), ".jpg"),
}
MOST_TIME, MOST_MEMORY = 1.0, 1.2


def make(folder: str, name: str) -> None:
    """Write the pictures and both files of the model."""
    import numpy as np
    from PIL import Image

    from cnncli.data.normalization import Normalization
    from cnncli.engines.initialization import initialize
    from cnncli.models.exporting import export_onnx
    from cnncli.models.model import Model, save_model
    from cnncli.networks import load_network, parse_network

    case, rng = CASES[name], np.random.default_rng(0)
    network = parse_network(case.network) if " " in case.network else load_network(case.network)
    network = network.replace(input_shape=(*case.input, 3))
    parameters, buffers = initialize(network, seed=0)
    for array in (*parameters.values(), *buffers.values()):  # as if trained: no scale is 1, no mean 0
        if array.ndim == 1:
            array *= rng.uniform(0.8, 1.2, array.shape)
            array += rng.uniform(0, 0.1, array.shape)
    classes = tuple(map(str, range(network.output_shape[-1])))
    model = Model(network, parameters, buffers, classes, Normalization((120.0,) * 3, (60.0,) * 3))
    save_model(f"{folder}/model.safetensors", model)
    export_onnx(model, f"{folder}/model.onnx")
    for number in range(case.files):
        coarse = Image.fromarray(rng.integers(0, 256, (case.size[0] // 8, case.size[1] // 8, 3), np.uint8))
        pixels = np.asarray(coarse.resize(case.size[::-1]), np.int16) + rng.integers(-6, 7, (*case.size, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(f"{folder}/{number:04}{case.suffix}", quality=90)


def predicted(command: list[str], output: str) -> tuple[Spent, list[str]]:
    """Run a command that prints a tab and a class after each file; return what it took, and the classes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS", "PYTHON"))}
    with open(output, "wb") as file:
        taken = spent(command, file, env=environment, cwd=ROOT)
    return taken, [line.split("\t")[1] for line in Path(output).read_text().splitlines()]


def compare(folder: str, name: str, rounds: int) -> bool:
    """Print what both sides took, and return whether ours is within its limits."""
    paths = sorted(str(path) for path in Path(folder).glob(f"*{CASES[name].suffix}"))
    sides = {
        "cnncli": [CNNCLI, "predict", f"{folder}/model.safetensors", *paths],
        "ONNX Runtime": [SCRIPT, f"{folder}/model.onnx", *paths],
    }
    runs: dict[str, list[Spent]] = {side: [] for side in sides}
    classes: dict[str, list[str]] = {}
    for number in range(rounds + 1):
        for side, words in sides.items():
            taken, classes[side] = predicted([sys.executable, "-c", *words], f"{folder}/lines.txt")
            runs[side] += [taken] if number else []  # the first round warms up
    alike = sum(map(str.__eq__, *classes.values()))
    print(f"{name}: {len(paths):,} files, {alike:,} classes alike")
    for side, values in runs.items():
        seconds, processor, megabytes = (median(run[at] for run in values) for at in range(3))
        print(f"  {side:14} {seconds:6.2f} s  {processor:6.2f} s of processor  {megabytes:5.0f} MB")
    pairs = list(zip(*runs.values(), strict=True))
    ratios = [median(ours[at] / theirs[at] for ours, theirs in pairs) for at in range(3)]
    print(
        f"  {'ratio':14} {ratios[0]:6.2f} (at most {MOST_TIME})  {ratios[1]:.2f} of processor  "
        f"{ratios[2]:.2f} of memory (at most {MOST_MEMORY})"
    )
    return ratios[0] <= MOST_TIME and ratios[2] <= MOST_MEMORY and alike >= 0.99 * len(paths)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(*options.make)
        return 0
    compileall.compile_dir(ROOT / "cnncli", quiet=1)
    met = []
    for name in options.names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            # In a process of its own: Linux counts what this one held when it began the others.
            subprocess.run([sys.executable, __file__, "--make", folder, name], check=True)
            met.append(compare(folder, name, options.rounds))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
