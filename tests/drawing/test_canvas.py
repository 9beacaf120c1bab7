"""What canvases are drawn with."""

import numpy as np
import pytest

from cnncli.drawing import canvas
from cnncli.drawing.canvas import BLUE, Box, Canvas, diverging, fitting, text_width
from cnncli.errors import ImageError
from cnncli.images.reading import read_image


def test_letters_with_accents_are_drawn_as_letters_with_or_without_fonts_of_the_system(monkeypatch):
    monkeypatch.setattr(canvas, "_SYSTEM_FONTS", ())
    canvas._fonts.cache_clear()
    canvas._best_font.cache_clear()
    assert canvas.one_line("größe\n1") == "große 1"
    monkeypatch.undo()
    canvas._fonts.cache_clear()
    canvas._best_font.cache_clear()
    if len(canvas._fonts(13)) > 1:
        assert canvas.one_line("größe\n1") == "größe 1"
        assert all(canvas._has(canvas.font_of("größe", 13), letter) for letter in "größe")
    assert canvas.font_of("plain", 13) is canvas._fonts(13)[0]


def test_diverging_colours():
    assert diverging(np.array([-1.0, 0, 1]), 1).tolist() == [[33, 102, 172], [255, 255, 255], [178, 24, 43]]
    assert diverging(np.zeros(2), 0).tolist() == [[255] * 3] * 2


def test_text_is_cut_to_its_room():
    for room in (0, 5, 30, 100):
        assert (
            fitting("a rather long text", 13, room) == "..."
            or text_width(fitting("a rather long text", 13, room), 13) <= room
        )


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    canvas = Canvas(10, 10)
    canvas.box(Box(0, 0, 5, 5), fill=BLUE)
    with pytest.raises(ImageError, match="cannot be written"):
        canvas.save(tmp_path / "none" / "x.png")


def test_pixels_are_those_of_the_file(tmp_path):
    sheet = Canvas(30, 20)
    sheet.box(Box(10, 5, 20, 15), fill=BLUE)
    sheet.save(tmp_path / "sheet.png")
    assert sheet.pixels().shape == (20, 30, 3)
    assert np.array_equal(sheet.pixels(), read_image(tmp_path / "sheet.png"))
    assert np.array_equal(np.argwhere((sheet.pixels() == BLUE).all(axis=2)).mean(axis=0), [9.5, 14.5])
