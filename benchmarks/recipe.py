"""Accuracy and time of `cnncli train` without options, beside the defaults that it had before, on folders of pictures.

Every folder has the parts train/ and test/, and is learnt once for each seed; what a training chooses, it chooses by
pictures of train/. A line of Markdown for each folder: the mean accuracy on test/ with its 95 % interval over the seeds
(Student's t), and the mean seconds of the process, from reading to charts.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from statistics import fmean, stdev
from typing import NamedTuple

from cnncli.training.configuration import Configuration
from cnncli.training.preparing.preparation import Preparation, prepare

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantiles of Student's t for so many seeds
EARLIER = ["--optimizer", "adam", "--schedule", "constant", "--warmup", "0", "--augment", "none"]
EARLIER += ["--label-smoothing", "0", "--epochs", "20"]


class Result(NamedTuple):
    """What a training reached on the pictures of test/, and the seconds that it took."""

    accuracy: float
    seconds: float


def earlier_layers(height: int, width: int, classes: int) -> str:
    """Return the layers of the network that used to be the default."""
    stages = max(2, math.ceil(math.log2(max(height, width) / 8)))
    convolutions = [f"conv3-{min(16 << stage, 128)},same,relu max2" for stage in range(stages)]
    return " ".join([*convolutions, "fc-64,relu", f"fc-{classes},softmax"])


def recipes(prepared: Preparation) -> dict[str, list[str]]:
    """Return options by name of the recipe."""
    (height, width, _), size = prepared.train.shape, prepared.configuration.size
    earlier = ["--network", earlier_layers(height, width, len(prepared.class_names)), *EARLIER]
    return {"before": earlier + (["--size", f"{size[0]}x{size[1]}"] if size else []), "now": []}


def trained(data: str, seed: int, words: list[str], jobs: int) -> Result:
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = ["train", data, "-o", folder, "--seed", str(seed), "--jobs", str(jobs), "--json", *words]
        done = subprocess.run([sys.executable, "-m", "cnncli", *run], check=True, capture_output=True, text=True)
    end = json.loads(done.stdout.splitlines()[-1])
    return Result(end["test_accuracy"], time.perf_counter() - begin)


def cell(results: list[Result]) -> str:
    accuracies = [100 * result.accuracy for result in results]
    spread = ""
    if len(accuracies) > 1:
        spread = f" ± {STUDENT[len(accuracies)] * stdev(accuracies) / math.sqrt(len(accuracies)):.1f}"
    return f"{fmean(accuracies):.1f}{spread} % | {fmean(result.seconds for result in results):.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", help="folders with train/ and test/")
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, 6), help="trainings of each recipe")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print("| data | before | | now | |\n|---|---:|---:|---:|---:|", flush=True)
    for data in options.data:
        cells = []
        for name, words in recipes(prepare(Configuration(), data, jobs=options.jobs)).items():
            results = [trained(data, seed, words, options.jobs) for seed in range(options.seeds)]
            print(data, name, *results, file=sys.stderr, flush=True)
            cells.append(cell(results))
        print(f"| {data} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
