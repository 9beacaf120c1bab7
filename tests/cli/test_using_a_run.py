"""A user's path: train, look, predict, evaluate, export, and use the file with another runtime."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawings import drawn_size
from onnx.reference import ReferenceEvaluator
from PIL import Image
from shell import done, json_lines

DIGITS = Path(__file__).parent.parent.parent / "samples" / "digits"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    done("train", DIGITS, "-o", folder, "--epochs", 6, "--network", "conv5-8,relu max2 conv3-16,relu max2 fc-10", "-q")
    return folder


def test_the_run_has_its_pictures(run):
    for name in ("curves.svg", "confusion.svg", "filters.png", "mistakes.png"):
        assert min(drawn_size(run / name)) > 100


def test_what_evaluate_says_is_what_predict_does(run):
    scores = json.loads(done("evaluate", run, DIGITS, "--part", "train", "--json").stdout)
    found = json_lines(done("predict", run, DIGITS, "-r", "--json"))
    right = sum(line["class"] == Path(line["input"]).parent.name for line in found)
    assert len(found) == scores["items"] == 400
    assert right / 400 == pytest.approx(scores["accuracy"])
    assert scores["accuracy"] > 0.5


def test_evaluate_takes_what_the_run_held_out(run):
    result = done("evaluate", run, DIGITS)
    assert "of 40 validation images)" in result.stdout
    assert "the 40 pictures that the run held out" in result.stderr
    assert done("evaluate", run, DIGITS, "--quiet").stderr == ""
    assert "360 of 400 pictures were trained on" in done("evaluate", run, DIGITS, "--part", "train").stderr


def test_another_runtime_reads_what_was_exported(run, tmp_path, recwarn):
    done("export", run, tmp_path / "digits.onnx")
    proto = onnx.load(tmp_path / "digits.onnx")
    classes = json.loads({entry.key: entry.value for entry in proto.metadata_props}["cnncli.classes"])
    paths = [DIGITS / str(digit) / "00.png" for digit in range(10)]
    images = np.stack([np.asarray(Image.open(path), np.float32)[None] for path in paths])
    (probabilities,) = ReferenceEvaluator(proto).run(None, {"image": images})
    ours = json_lines(done("predict", run, *paths, "--json"))
    assert [classes[place] for place in probabilities.argmax(axis=1)] == [line["class"] for line in ours]
    np.testing.assert_allclose(probabilities.max(axis=1), [line["probability"] for line in ours], atol=1e-5)


def test_every_layer_can_be_looked_at(run, tmp_path):
    for layer in ("0.conv", "0.relu", "0", "1", "4"):
        done("predict", run, DIGITS / "3" / "00.png", "--features", layer, "-o", tmp_path / f"{layer}.png", "-q")
        assert (tmp_path / f"{layer}.png").stat().st_size > 500
