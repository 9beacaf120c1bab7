"""Detection: `cnncli detect` beside a script with Pillow, ONNX Runtime and NumPy's suppression, on the same files.

`photograph` is one picture of 640x480 pixels, and `batch` 200 of them: each side is a process, from its start to its
last line, with two threads. The network is what `train` takes for such pictures; its weights are random, with a bias
that gives every picture some forty boxes before suppression, and the script gets our export of them. Runs alternate;
what is printed are medians, and the medians of the ratios of runs that followed each other, because a machine's pace
changes while this runs. Both sides must find the same boxes.

`sliding` is LeNet-5 over a photograph of 640x480: every window in one pass of the network, beside the same windows one
by one and in batches, in one process on one thread.
"""

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from timing import Spent, alternating, spent

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
import onnxruntime
from PIL import Image
def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)), image.size
def decode(cells, size):
    rows, columns, _ = cells.shape
    with np.errstate(over="ignore"):
        objectness = 1 / (1 + np.exp(-cells[..., 0]))
    row, column = np.nonzero(objectness > threshold)
    found = cells[row, column]
    classes = np.exp(found[:, 5:] - found[:, 5:].max(axis=1, keepdims=True))
    score = objectness[row, column] * classes.max(axis=1) / classes.sum(axis=1)
    at = np.flatnonzero(score >= threshold)
    found, score, label = found[at], score[at], classes[at].argmax(axis=1)
    strides = np.array([width / columns, height / rows])
    middle = (np.stack([column[at], row[at]], axis=1) + 0.5 + found[:, 1:3]) * strides
    half = np.exp(found[:, 3:5]) * strides / 2
    limits = np.array([width, height])
    scale = np.array(size) / limits
    low, high = (middle - half).clip(0, limits) * scale, (middle + half).clip(0, limits) * scale
    return low, high, score, label
def suppress(low, high, score, label):
    areas, left, kept = (high - low).prod(axis=1), score.argsort()[::-1], []
    while len(left) and len(kept) < 100:
        best, left = left[0], left[1:]
        kept.append(best)
        shared = (np.minimum(high[best], high[left]) - np.maximum(low[best], low[left])).clip(0).prod(axis=1)
        left = left[(shared <= 0.5 * (areas[best] + areas[left] - shared)) | (label[left] != label[best])]
    return kept
def detect(path):
    pixels, size = read(path)
    (cells,) = session.run(None, {"image": pixels.transpose(2, 0, 1)[None].astype(np.float32)})
    low, high, score, label = decode(cells[0], size)
    return [
        {"class": names[label[at]], "score": float(score[at])}
        | dict(zip(("x", "y", "width", "height"), [*low[at].tolist(), *(high[at] - low[at]).tolist()]))
        for at in suppress(low, high, score, label)
    ]
where, threshold = Path(sys.argv[2]), 0.5
paths = sorted(where.glob("*.jpg")) if where.is_dir() else [where]
threads = min(2, len(paths))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2 // threads  # several pictures at a time, or one on both
session = onnxruntime.InferenceSession(sys.argv[1], options)
names = json.loads(session.get_modelmeta().custom_metadata_map["cnncli.classes"])
height, width = session.get_inputs()[0].shape[2:]
with ThreadPoolExecutor(threads) as pool:
    for path, boxes in zip(paths, pool.map(detect, paths)):
        print(json.dumps({"input": str(path), "boxes": boxes}))
"""
CNNCLI = "from cnncli.__main__ import main; main()"

CLASSES = ("red", "white", "platelet")
CANDIDATES = 40  # boxes of a picture before suppression
SIZE = (480, 640)
MOST_TIME, LEAST_GAIN = 1.2, 30  # in times of the script's; of the time of a call for each window


def make(folder: str, count: int) -> None:
    """Write the pictures, in a folder of their own, and both files of the model."""
    from PIL import Image

    from cnncli.data.normalization import Normalization
    from cnncli.engines.initialization import initialize
    from cnncli.models.detector import Detector
    from cnncli.models.exporting import export_onnx
    from cnncli.models.model import save_model
    from cnncli.networks import parse_network
    from cnncli.training.preparing.box_recipe import STRIDE, box_layers

    rng, network = np.random.default_rng(0), parse_network(f"240x320x3 {box_layers(STRIDE, len(CLASSES))}")
    parameters, buffers = initialize(network, seed=0)
    for array in (*parameters.values(), *buffers.values()):  # as if trained: no scale is 1, no mean 0
        if array.ndim == 1:
            array *= rng.uniform(0.8, 1.2, array.shape)
            array += rng.uniform(0, 0.1, array.shape)
    Path(folder, "photographs").mkdir()
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3), np.uint8))
        pixels = np.asarray(coarse.resize(SIZE[::-1]), np.int16) + rng.integers(-6, 7, (*SIZE, 3))
        path = f"{folder}/photographs/{number:04}.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    weight, bias = list(parameters.values())[-2:]
    bias[3:5] = np.log(4)  # boxes of four cells
    bias[5] = 5  # the first class is nearly certain
    model = Detector(network, parameters, buffers, CLASSES, Normalization((120.0,) * 3, (60.0,) * 3))
    objectness = model.outputs(np.asarray(Image.open(path).resize((320, 240)))[np.newaxis])[..., 0].ravel()
    # Some cells are sure of an object, most are sure of none.
    weight[..., 0] *= 2 / objectness.std()
    bias[0] -= np.sort(objectness)[-CANDIDATES]
    bias[0] *= 2 / objectness.std()
    model = model.replace(parameters=parameters)
    save_model(f"{folder}/model.safetensors", model)
    export_onnx(model, f"{folder}/model.onnx")


def found(command: list[str], output: str) -> tuple[Spent, list[list[dict[str, Any]]]]:
    """Run a command that prints a line of JSON for each file; return what it took, and the boxes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS", "PYTHON"))}
    with open(output, "wb") as file:
        taken = spent([sys.executable, "-c", *command], file, env=environment, cwd=ROOT)
    return taken, [json.loads(line)["boxes"] for line in Path(output).read_text().splitlines()]


def same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> int:
    """Return how many of our boxes the others found too, to a pixel and a hundredth of the score."""
    sides = "x", "y", "width", "height"
    return sum(
        any(
            one["class"] == other["class"]
            and abs(one["score"] - other["score"]) < 0.01
            and all(abs(one[side] - other[side]) < 1 for side in sides)
            for other in theirs
        )
        for one in ours
    )


def processes(count: int, rounds: int) -> bool:
    """Print what `detect` and the script took, and return whether ours is within its limit."""
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: Linux counts what this one held when it began the others.
        subprocess.run([sys.executable, __file__, "--make", folder, str(count)], check=True)
        where = f"{folder}/photographs" if count > 1 else f"{folder}/photographs/0000.jpg"
        options = ["--format", "jsonl", "--threshold", "0.5", *(["-r", "--jobs", "2"] if count > 1 else [])]
        sides = {
            "cnncli": [CNNCLI, "detect", f"{folder}/model.safetensors", where, *options],
            "ONNX Runtime": [SCRIPT, f"{folder}/model.onnx", where],
        }
        runs: dict[str, list[Spent]] = {side: [] for side in sides}
        boxes: dict[str, list[list[dict[str, Any]]]] = {}
        for number in range(rounds + 1):
            for side, command in sides.items():
                taken, boxes[side] = found(command, f"{folder}/lines.txt")
                runs[side] += [taken] if number else []  # the first round warms up
    counts = {side: sum(map(len, each)) for side, each in boxes.items()}
    shared = sum(map(same, *boxes.values()))
    print(f"{count} of 640x480, {' and '.join(map(str, counts.values()))} boxes, {shared} the same")
    for side, values in runs.items():
        seconds, processor, megabytes = (median(run[at] for run in values) for at in range(3))
        print(f"  {side:14} {seconds:6.2f} s  {processor:6.2f} s of processor  {megabytes:5.0f} MB")
    ratio = median(ours.seconds / theirs.seconds for ours, theirs in zip(*runs.values(), strict=True))
    print(f"  {'ratio':14} {ratio:6.2f} (at most {MOST_TIME})")
    return ratio <= MOST_TIME and shared >= 0.98 * max(counts.values())


def sliding(rounds: int) -> bool:
    """Print how long LeNet-5 takes for all windows of a picture, and return whether one pass is fast enough."""
    from cnncli.data.normalization import Normalization
    from cnncli.engines.initialization import initialize
    from cnncli.models.finding.sliding.sliders import OneByOne, OnePass
    from cnncli.models.finding.sliding.tiles import level_scores
    from cnncli.models.model import Model
    from cnncli.networks import load_network

    network = load_network("lenet5")
    classes = tuple(map(str, range(10)))
    model = Model(network, *initialize(network, seed=0), classes, Normalization((120.0,), (60.0,)))
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 1), np.uint8)
    (height, width), (down, across) = (one_pass := OnePass(model)).windows[:2]
    corners = [(y, x) for y in range(0, SIZE[0] - height + 1, down) for x in range(0, SIZE[1] - width + 1, across)]

    def all_at_once() -> np.ndarray:
        tiles = [(row, column, found) for row, column, found in level_scores(picture, SIZE, one_pass)]
        return np.concatenate([found.reshape(-1, len(classes)) for *_, found in tiles])

    def batches() -> np.ndarray:
        slider = OneByOne(model)
        return np.concatenate([found.reshape(-1, len(classes)) for *_, found in level_scores(picture, SIZE, slider)])

    def one_by_one() -> np.ndarray:
        return np.stack([model.probabilities(picture[y : y + height, x : x + width]) for y, x in corners])

    sides: dict[str, Callable[[], np.ndarray]] = {
        "one pass": all_at_once,
        "windows in batches (--exact)": batches,
        "window by window": one_by_one,
    }
    sums = [call().sum(axis=0) for call in sides.values()]
    assert np.allclose(sums, sums[0], rtol=1e-4), "the sides differ"
    seconds = alternating(list(sides.values()), rounds)
    print(f"lenet5 over {SIZE[1]}x{SIZE[0]}: {len(corners):,} windows")
    for side, taken in zip(sides, seconds, strict=True):
        print(f"  {side:29} {taken:8.3f} s  {taken / seconds[0]:6.1f}")
    print(f"  ratio {seconds[-1] / seconds[0]:.1f} (at least {LEAST_GAIN})")
    return seconds[-1] >= LEAST_GAIN * seconds[0]


CASES: dict[str, Callable[[int], bool]] = {
    "photograph": partial(processes, 1),
    "batch": partial(processes, 200),
    "sliding": sliding,
}
"""Functions of a number of rounds that print what both sides took, and return whether ours is fast enough."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.make[0], int(options.make[1]))
        return 0
    compileall.compile_dir(ROOT / "cnncli", quiet=1)
    met = [CASES[name](options.rounds) for name in options.names or CASES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
