"""Harvesting false windows."""

import os

import numpy as np
import pytest
from finders import bright_model, canvas, spot_detector
from PIL import Image

from cnncli import harvest_files
from cnncli.batch.inputs import Input
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.resizing import resized
from cnncli.errors import ArgumentError
from cnncli.models.finding.sliding.harvesting import MOST, Harvest
from cnncli.models.model import save_model


def sorted_names(folder):
    return sorted(os.listdir(folder))


ONE_SCALE = {"scales": (1, 1)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a model and three pictures, in the last of which nothing is found."""
    monkeypatch.chdir(tmp_path)
    save_model("bright.safetensors", bright_model())
    Image.fromarray(canvas((20, 30, 4), (50, 11, 4))).save("a.png")
    (tmp_path / "b").mkdir()
    Image.fromarray(np.repeat(canvas((20, 30, 4))[..., np.newaxis], 3, axis=2)).save("b/a.png")
    Image.fromarray(canvas()).save("dark.png")
    return tmp_path


def test_false_windows_are_written_in_the_size_that_the_classifier_takes(folder):
    found = list(harvest_files(bright_model(), ["a.png", "dark.png", "none.png"], "more", **ONE_SCALE))
    assert [None if each.boxes is None else len(each.boxes.labels) for each in found] == [2, 0, None]
    assert found[2].error == "none.png: no such file"
    assert sorted_names("more") == ["background"]
    assert sorted_names("more/background") == ["a-18-28-8x8-bright.png", "a-48-9-8x8-bright.png"]
    crop = np.asarray(Image.open("more/background/a-18-28-8x8-bright.png"))
    assert (crop == canvas((20, 30, 4))[28:36, 18:26]).all()


@pytest.mark.parametrize("side", [2, 8])
def test_windows_of_other_scales_are_resized_as_the_picture_was(folder, side):
    scale = 4 / side
    picture = canvas((20, 30, side))
    picture[32, 20:30] = 120
    Image.fromarray(picture).save("c.png")
    (found,) = harvest_files(bright_model(), "c.png", "more", scales=(scale, scale), top=1)
    (name,) = sorted_names("more/background")
    x, y, width, height = found.boxes.places[0]
    assert name == f"c-{x:.0f}-{y:.0f}-{width:.0f}x{height:.0f}-bright.png"
    level = resized(picture[..., np.newaxis], tuple(round(n * scale) for n in picture.shape))[..., 0]
    left, top = round(x * scale), round(y * scale)
    crop = np.asarray(Image.open(f"more/background/{name}")).astype(int)
    assert np.abs(crop - level[top : top + 8, left : left + 8]).max() <= 1


def test_colours_stay_and_equal_names_do_not_replace_each_other(folder):
    for _ in range(2):  # the second time changes nothing
        list(harvest_files("bright.safetensors", ["a.png", "b/a.png"], "more", most=1, **ONE_SCALE))
        names = sorted_names("more/background")
        assert len(names) == 2
    arrays = [np.asarray(Image.open(f"more/background/{name}")) for name in names]
    assert sorted(array.shape for array in arrays) == [(8, 8), (8, 8, 3)]


def test_the_best_that_overlap_little_are_written(folder):
    harvest = Harvest.into("more", (8, 8), ("background", "bright"), most=2)
    pixels = np.zeros((60, 80, 1), np.uint8)
    boxes = Boxes.of([[0, 0, 8, 8], [1, 0, 8, 8], [20, 0, 8, 8], [40, 0, 8, 8]], [1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6])
    harvest.write(Input("sub/a.png", "sub/a.png"), pixels, boxes)
    assert sorted_names("more/background") == ["sub-a-0-0-8x8-bright.png", "sub-a-20-0-8x8-bright.png"]


def test_the_class_of_the_background_names_the_folder():
    harvest = Harvest.into("more", (8, 8), ("a/b", "no:thing"), background="no:thing")
    assert (harvest.folder, harvest.names, harvest.most) == ("more/no_thing", ("a_b", "no_thing"), MOST)


def test_what_cannot_be_harvested(folder):
    with pytest.raises(ArgumentError, match="trained on boxes has no windows to harvest"):
        list(harvest_files(spot_detector(), "a.png", "more"))
    for place in ("a.png", "s3://x/y", ""):
        with pytest.raises(ArgumentError, match="windows are harvested into a local folder, got "):
            list(harvest_files(bright_model(), "a.png", place))
