"""`cnncli train --explain-step`: printed sums can be recomputed from printed numbers."""

import re
from math import sqrt

import numpy as np
import pytest
from shell import cnncli, done, json_lines, listing
from small_data import bars_npz

from cnncli.engines.optimizers import OPTIMIZERS

NETWORK = ["--network", "conv3-2,bn,relu max2 fc-3", "-j", 1, "--epochs", 4]
SUM = re.compile(r"    (\w+) += (.*) = (\S+)")


@pytest.fixture
def data(tmp_path):
    return bars_npz(tmp_path / "bars.npz")


def recomputed(text):
    """A sum as a reader does it with the numbers that are printed."""
    return eval(text, {"__builtins__": {}, "sqrt": sqrt, "sign": np.sign, "abs": abs, "max": max, "min": min})


@pytest.mark.parametrize("extra", ["", "--weight-decay 0.1 --clip-norm 0.01"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_printed_sum_is_right(data, name, extra):
    lines = done("train", data, *NETWORK, "--optimizer", name, "--explain-step", 3, *extra.split()).stdout.splitlines()
    formulas = [line.strip() for line in lines if re.fullmatch(r" {10}\w+ = .*", line)]
    sums = [found for found in map(SUM.fullmatch, lines) if found]
    weights = [line for line in lines if re.match(r"  \d\S*\[", line)]
    assert len(weights) == 6
    assert len(sums) == len(weights) * len(formulas)
    for number, found in enumerate(sums):
        assert formulas[number % len(formulas)].startswith(f"{found[1]} = ")
        largest = max(abs(float(word)) for word in re.findall(r"\d[\d.]*(?:e-?\d+)?", found[2]))
        assert recomputed(found[2]) == pytest.approx(float(found[3]), rel=2e-6, abs=2e-7 * min(1, largest)), found[0]
    (rate,) = (line for line in lines if line.startswith("rate "))
    said = re.fullmatch(r"rate +lr = (.*) = (\S+) \(.*\)", rate)
    assert recomputed(said[1]) == pytest.approx(float(said[2]), rel=1e-6)


def test_the_batch_and_the_weights_are_named(data):
    lines = done("train", data, *NETWORK, "--explain-step", 3).stdout.splitlines()
    assert lines[0] == "step      3 of 8: epoch 2, batch 1"
    assert lines[1].startswith("batch     32 images: ")
    assert re.fullmatch(r"labels    0: \d+, 1: \d+, 2: \d+", "".join(line for line in lines if "labels" in line))
    assert [line for line in lines if line.endswith(": the largest gradients")] == [
        f"{layer}: the largest gradients" for layer in ("0.conv", "0.bn", "2.fc")
    ]
    assert max(map(len, lines)) <= 110


def test_programs_get_every_number(data):
    words = ["train", data, *NETWORK, "--optimizer", "momentum", "--explain-step", 2]
    (found,) = json_lines(done(*words, "--json"))
    assert len(found["images"]) == 22
    assert set(found["images"][0]) == {"file", "label"}
    assert found["optimizer"] == {"name": "momentum", "weight_decay": 0.0, "momentum": 0.9}
    for weight in found["weights"]:
        velocity = 0.9 * weight["state_before"]["velocity"] + weight["gradient"]
        assert weight["state_after"]["velocity"] == pytest.approx(velocity, rel=1e-5)
        assert weight["after"] == pytest.approx(weight["before"] - weight["lr"] * velocity, rel=1e-5, abs=1e-7)
        assert [line["name"] for line in weight["lines"]] == ["velocity", "W"]


def test_no_run_is_written(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = done("train", data, *NETWORK, "--explain-step", 1, "-q")
    assert (result.stdout, listing(tmp_path)) == ("", ["bars.npz"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--explain-step 9", "step 9 is after the last: 4 epochs of 2 batches are 8 steps"),
        ("--explain-step 1 -o run", "--explain-step writes no run: leave out -o"),
        ("--explain-step 1 --resume", "write no run: give one of them"),
        ("--explain-step 1 --find-lr", "write no run: give one of them"),
        ("--explain-step 0", "0 is not in the range"),
    ],
)
def test_what_cannot_be_explained_is_refused(data, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cnncli("train", data, *NETWORK, *words.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert listing(tmp_path) == ["bars.npz"]
