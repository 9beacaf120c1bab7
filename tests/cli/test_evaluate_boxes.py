"""`cnncli evaluate` on boxes: a table, JSON, pictures, and an exit code."""

import csv
import json

import pytest
from box_folders import write_spots
from drawings import drawn_size
from finders import spot_detector
from models import halves_model, write_halves
from shell import cnncli, done

from cnncli.models.model import save_model

PICTURES = [
    [("red", 255, 10, 10, 20, 20), ("green", 200, 60, 30, 30, 20)],
    [("red", 100, 40, 40, 20, 20)],
    [("blue", 250, 5, 50, 40, 30)],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())  # the detector stands in for it
    monkeypatch.setattr("cnncli.cli.training.models.open_model", lambda *args, **options: spot_detector())
    return write_spots(tmp_path / "data", PICTURES, labelled=[PICTURES[0][:1], PICTURES[1], PICTURES[0]])


def test_the_table(folder):
    lines = done("evaluate", "model.safetensors", "data", "--threshold", "0.5").stdout.splitlines()
    assert lines[0] == "mAP        0.3317 (3 images, 4 boxes)"
    assert lines[1].split() == ["0.3317", "at", "an", "overlap", "of", "0.5,", "0.3317", "at", "0.75"]
    assert lines[2] == "by size    0.3317 small, - medium, - large"
    assert lines[3] == "recall     0.3333 with 1 box per image and class, 0.3333 with 10, 0.3333 with 100"
    rows = [line.split() for line in lines]
    assert ["red", "0.6634", "0.6634", "0.6634", "3", "0.39", "1.0000", "0.6667", "0.8000"] in rows
    assert ["blue", "-", "-", "-", "0", "-", "0.0000", "0.0000", "0.0000"] in rows
    assert ["red", "1", "·", "·", "2"] in rows
    assert ["background", "·", "1", "1", "·"] in rows


def test_json_and_quiet(folder):
    found = json.loads(done("evaluate", "model.safetensors", "data", "--json").stdout)
    assert {"map", "map_50", "map_75", "per_class", "confusion", "classes", "items", "part"} < set(found)
    assert found["map_medium"] is None
    assert done("evaluate", "model.safetensors", "data", "-q").stdout == f"{found['map']:.4f}\n"


@pytest.mark.parametrize(("least", "code"), [("0.3", 0), ("30%", 0), ("0.34", 1)])
def test_the_least_map_sets_the_exit_code(folder, least, code):
    result = cnncli("evaluate", "model.safetensors", "data", "--min-map", least, "-q")
    assert result.exit_code == code
    assert result.stderr == (f"cnncli: the mAP 0.3317 is below --min-map {least}\n" if code else "")


def test_pictures_and_mistakes_are_written_and_not_over_others(folder, tmp_path):
    words = ["evaluate", "model.safetensors", "data", "--pictures", "drawn", "--mistakes", "wrong.csv"]
    done(*words)
    for name in ("precision.svg", "confusion.svg", "worst.png"):
        assert min(drawn_size(tmp_path / "drawn" / name)) > 100
    with open("wrong.csv", encoding="utf-8", newline="") as file:
        assert {row["mistake"] for row in csv.DictReader(file)} == {"false", "missed"}
    again = cnncli(*words)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "cnncli: drawn/precision.svg exists already: --force overwrites\n"
    done(*words, "--force")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "--min-accuracy", "0.9"], "--min-accuracy: the labels of data are boxes: use --min-map"),
        (["classes", "--min-map", "0.9"], "--min-map is for data with boxes, which classes has none of: use --min-acc"),
        (["classes", "--nms", "0.4"], "--nms is for data with boxes, which classes has none of"),
        (["classes", "--exact"], "--exact is for data with boxes"),
        (["data", "--threshold", "2"], "--threshold must be from 0 to 1"),
        (["data", "--nms", "x"], "--nms must be from 0 to 1"),
        (["data", "--scales", "2:1"], "--scales must be two factors up to 16"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, words, message):
    write_halves("classes", 4)
    result = cnncli("evaluate", "model.safetensors", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
