"""The canvases among the samples: digits among clutter, for a first detector."""

import json
import runpy
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cnncli.data import open_dataset
from cnncli.images.reading import read_image
from cnncli.ops.boxes import areas, intersections

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def script():
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    yield runpy.run_path(str(SAMPLES / "make_canvases.py"))
    sys.dont_write_bytecode = before


def labels(folder, part):
    return json.loads((folder / part / "annotations.json").read_text())


def test_the_script_draws_them_again(script, tmp_path):
    script["main"](tmp_path)
    for part, count in (("train", 120), ("val", 30)):
        pictures = sorted((SAMPLES / "canvases" / part).glob("*.png"))
        assert len(pictures) == count
        assert labels(tmp_path, part) == labels(SAMPLES / "canvases", part)
        drawn, kept = (
            np.stack([read_image(folder / path.name).astype(int) for path in pictures])
            for folder in (tmp_path / part, SAMPLES / "canvases" / part)
        )
        assert kept.shape == (count, 96, 128)
        assert np.abs(drawn - kept).mean() < 1  # another version of Pillow may round otherwise


@pytest.mark.parametrize("part", ["train", "val"])
def test_each_box_holds_a_digit_and_nothing_of_another(part):
    described = labels(SAMPLES / "canvases", part)
    assert [each["name"] for each in described["categories"]] == list("0123456789")
    assert len({each["id"] for each in described["annotations"]}) == len(described["annotations"])
    counts = Counter(each["category_id"] for each in described["annotations"])
    assert min(counts.values()) > 0.6 * max(counts.values())
    assert len(counts) == 10
    for image in described["images"]:
        boxes = np.array([each["bbox"] for each in described["annotations"] if each["image_id"] == image["id"]])
        assert 1 <= len(boxes) <= 5
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= (image["width"], image["height"])).all()
        assert (intersections(boxes, boxes) == np.diag(areas(boxes))).all()
        pixels = read_image(SAMPLES / "canvases" / part / image["file_name"])
        for x, y, width, height in boxes:
            assert pixels[y : y + height, x : x + width].max() >= 112


def test_no_digit_is_in_both_parts(script, monkeypatch):
    globals_, seen = script["part"].__globals__, {}

    def noted(digit, number):
        seen[part].add((digit, number))
        return ink(digit, number)

    ink = globals_["ink"]
    monkeypatch.setitem(globals_, "ink", noted)
    for part in ("train", "val"):
        seen[part] = set()
        list(script["part"](part))
    assert min(map(len, seen.values())) >= 70
    assert not seen["train"] & seen["val"]


def test_they_are_small():
    files = [path for path in (SAMPLES / "canvases").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000


def test_crops_are_a_folder_of_classes_with_background(script, tmp_path):
    script["crops"](tmp_path / "crops")
    crops = open_dataset(tmp_path / "crops")
    assert crops.findings == ()
    counts = dict(zip(crops.train.class_names, crops.train.counts().tolist(), strict=True))
    assert list(counts) == [*"0123456789", "background"]
    digits = len(labels(SAMPLES / "canvases", "train")["annotations"])
    assert sum(counts.values()) - counts["background"] == digits
    assert counts["background"] > digits
    assert crops.train.shape == (28, 28, 1)


def test_canvases_without_digits_have_clutter(script, tmp_path):
    script["empty"](tmp_path, count=6)
    pictures = [read_image(path) for path in sorted(tmp_path.iterdir())]
    assert {picture.shape for picture in pictures} == {(96, 128)}
    assert all(np.ptp(picture) > 60 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 6
