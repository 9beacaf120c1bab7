"""Sheets of pictures: in rows, at one scale, with labels, and lines that stay visible."""

import numpy as np
import pytest
from PIL import Image

from cnncli.drawing.sheets import Layout, Sheet, smaller


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 23, 60])
@pytest.mark.parametrize("size", [(1, 1), (6, 6), (96, 96), (480, 640), (3000, 4000), (4000, 300), (20, 9000)])
def test_every_picture_has_a_place_on_a_sheet_that_can_be_viewed(count, size):
    layout = Layout.of([size] * count, 90)
    assert layout.columns * layout.rows >= count > layout.columns * (layout.rows - 1)
    assert layout.cell[0] >= max(layout.scale * size[1], 90)
    assert layout.columns * layout.cell[0] <= 2100
    assert max(layout.scale * size[0], layout.scale * size[1]) <= max(960, 320)
    if layout.scale >= 1:
        assert layout.scale == int(layout.scale)
    else:
        assert round(1 / layout.scale) == pytest.approx(1 / layout.scale)


def test_the_scale_is_said():
    assert Layout.of([(480, 640)]).words() == "all in their own size"
    assert Layout.of([(3000, 4000)] * 3).words() == "all at 1/5 of their size"
    assert Layout.of([(6, 6)]).words() == "all 53 times as large"


def test_pictures_are_where_their_labels_are():
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [90, 90, 0], [0, 90, 90]], np.uint8)
    sheet = Sheet("title", "note", ["a"] * 5, [(100, 100)] * 5)
    for number, colour in enumerate(colours):
        sheet.put(number, np.broadcast_to(colour, (100, 100, 3)))
    pixels = sheet.pixels()
    middles = [np.argwhere((pixels == colour).all(axis=2)).mean(axis=0) for colour in colours]
    rows = [round(row) for row, _ in middles]
    assert rows[0] == rows[1] == rows[2] < rows[3] == rows[4]
    assert middles[0][1] < middles[1][1] < middles[2][1]
    assert middles[0][1] == middles[3][1]


def test_small_pictures_keep_sharp_cells():
    cells = np.array([[0, 255], [255, 0]], np.uint8)
    sheet = Sheet("t", "n", ["cells"], [(2, 2)])
    sheet.put(0, cells)
    assert (sheet.pixels() == 0).all(axis=2).sum() == pytest.approx(2 * 160**2, rel=0.01)


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("shape", [(70, 84), (70, 84, 3)])
def test_areas_keep_their_levels_when_made_smaller(ground, shape):
    for level in (0, 3, 100, 255):
        assert np.unique(smaller(np.full(shape, level, np.uint8), (10, 12), ground)).tolist() == [level]


def test_lines_fade_less_than_in_a_mean():
    lines = np.zeros((70, 70), np.uint8)
    lines[3::7] = 255
    assert np.unique(smaller(lines, (10, 10), 0)).tolist() == [96]
    assert np.unique(smaller(255 - lines, (10, 10), 255)).tolist() == [255 - 96]


def test_long_labels_do_not_overlap():
    sheet = Sheet("t", "n", ["a rather long label of a narrow picture"] * 3, [(300, 9)] * 3)
    bare = Sheet("t", "n", ["a"] * 3, [(300, 9)] * 3)
    assert sheet.pixels().shape[1] > bare.pixels().shape[1] + 2 * 200


@pytest.mark.parametrize("ground", [None, 0])
@pytest.mark.parametrize("shape", [(1, 30_000), (30_000, 1)])
def test_the_thinnest_pictures_are_lines(shape, ground):
    sheet = Sheet("title", "note", ["thin"], [shape])
    empty = sheet.pixels().copy()
    sheet.put(0, np.full(shape, 200, np.uint8), ground=ground)
    assert (sheet.pixels() != empty).any(axis=2).sum() >= 900


@pytest.mark.parametrize("shape", [(1999, 3001), (4001, 1500)])
def test_strips_make_the_mean_squares_of_areas(shape):
    picture = np.add.outer(*(np.linspace(0, 127, side) for side in shape)).astype(np.uint8)
    size = (shape[0] // 5 + 1, shape[1] // 5 + 1)
    whole = Image.fromarray(np.square(picture.astype(np.float32))).resize(size[::-1], Image.Resampling.BOX)
    assert np.abs(smaller(picture, size, 0) - np.sqrt(np.asarray(whole))).max() < 1
