import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from animated import ANIMATED, still_svg
from PIL import Image, ImageColor

from cnncli.animations.filtering import animate_filter
from cnncli.animations.gif import stills, write_gif
from cnncli.animations.grids import Lettering
from cnncli.animations.layout import scene_of
from cnncli.animations.scene import Rect, Words
from cnncli.animations.svg import moving_svg
from cnncli.drawing.svg.theme import DARK, LIGHT, Theme
from cnncli.files.text import number_text


@pytest.fixture(scope="module", params=ANIMATED)
def animation(request):
    return ANIMATED[request.param]()


def overlapping(labels):
    return [
        (a.text, b.text)
        for number, a in enumerate(labels)
        for b in labels[:number]
        if a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
    ]


def test_labels_neither_overlap_nor_leave_the_drawing(animation):
    scene = scene_of(animation)
    for number in range(len(scene.steps)):
        drawing = still_svg(scene, number)
        assert overlapping(drawing.labels) == []
        for label in drawing.labels:
            assert 0 <= label.left <= label.right <= scene.width, label
            assert 0 <= label.top <= label.bottom <= scene.height, label


def animation_cell(animation, layer):
    """Return the side of a cell of the output (`kept`) or of the input (`under`)."""
    area = getattr(scene_of(animation).steps[0], layer)[0]
    places = animation.frames[0].places
    gaps = max(animation.geometry.dilation) > 1
    return area.width / (1 if layer == "kept" or gaps else places[-1][1] - places[0][1] + 1)


def test_the_last_step_has_every_number(animation):
    drawing = still_svg(scene_of(animation))
    texts = [label.text for label in drawing.labels]
    values = [frame.value for frame in animation.frames if frame.value is not None]
    planes = [number for plane in animation.planes for line in plane for number in line if number is not None]
    for numbers, cell in ((values, animation_cell(animation, "kept")), (planes, animation_cell(animation, "under"))):
        shown = [*map(Lettering.of(numbers, cell).write, numbers)]
        for text in {*shown}:
            assert texts.count(text) >= shown.count(text)
    for line in (animation.title, *animation.formula, *(words for _, words in animation.legend)):
        assert line in texts


def test_each_step_marks_its_window_and_its_output(animation):
    scene = scene_of(animation)
    planes = len(animation.planes)
    for frame, step in zip(animation.frames, scene.steps, strict=True):
        frames = [shape for shape in step.over if isinstance(shape, Rect) and shape.line == 3]
        assert len(frames) == planes + 1
        window, output = frames[0], frames[-1]
        assert (output.x, output.y) == (step.kept[0].x, step.kept[0].y)
        (top, left), (bottom, right) = frame.places[0], frame.places[-1]
        assert window.width / (right - left + 1) == window.height / (bottom - top + 1)
        words = [shape.text for shape in step.over if isinstance(shape, Words)]
        assert f"output at x={frame.column}, y={frame.row}" in words
        for total in frame.sums:
            assert f"sum = {number_text(total)}" in words
        for line in frame.steps:
            assert line in words


def test_the_svg_moves_without_a_script(animation):
    scene = scene_of(animation)
    text = str(moving_svg(scene, delay=0.5))
    root = ET.fromstring(text)
    assert not re.search("<script|javascript|onload|href|url\\(|@import", text)
    assert "prefers-reduced-motion" in text
    hidden = [part for part in root.iter() if part.get("visibility") == "hidden"]
    assert len(hidden) == 2 * (len(scene.steps) - 1)  # all but the last, below and above the numbers
    assert f"animation: {0.5 * (len(scene.steps) + 2):g}s" in text


def test_the_gif_has_its_stills_and_their_time(animation):
    scene, theme = scene_of(animation), Theme.DARK if animation.kernels else Theme.AUTO
    file = io.BytesIO()
    write_gif(file, scene, theme=theme, delay=0.3)
    with Image.open(file) as gif:
        assert gif.n_frames == len(scene.steps)
        assert gif.info["loop"] == 0
        paper = (DARK if theme is Theme.DARK else LIGHT)["paper"]
        for number, still in enumerate(stills(scene, theme=theme)):
            gif.seek(number)
            assert gif.info["duration"] == (300 if number < gif.n_frames - 1 else 900)
            assert np.array_equal(gif.convert("RGB"), still.convert("RGB"))
            assert gif.convert("RGB").getpixel((0, 0)) == ImageColor.getrgb(paper)


def test_a_gif_is_small():
    file = io.BytesIO()
    write_gif(file, scene_of(ANIMATED["published"]()))
    assert len(file.getvalue()) < 150_000
    with Image.open(file) as gif:
        assert len(gif.getpalette()) // 3 <= 32
        assert gif.width > 1000  # letters of twice the size, for a projector


def test_a_still_of_the_gif_is_that_of_the_svg(animation):
    vl_convert = pytest.importorskip("vl_convert")
    scene = scene_of(animation)
    pictures = [*stills(scene, theme=Theme.LIGHT)]
    for number in {0, len(pictures) // 2, len(pictures) - 1}:
        svg = str(still_svg(scene, number, theme=Theme.LIGHT))
        scale = pictures[0].width / round(scene.width)
        drawn = Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=scale))).convert("RGB").resize(pictures[0].size)
        # Letters differ by their fonts, which blocks of some pixels even out.
        blocks = [np.asarray(picture.convert("RGB").reduce(12), float) for picture in (drawn, pictures[number])]
        difference = np.abs(blocks[0] - blocks[1]).max(axis=2)
        assert (difference > 60).mean() < 0.01


def test_letters_fit_and_digits_are_left_out_where_they_must_be():
    assert Lettering.of([1, 22], 30).size == 14
    long = Lettering.of([0.123456, -12.3456], 40)
    assert long.write(-12.3456) in ("-12.35", "-12.3")
    assert Lettering.of([65535], 18).write(65535) == "65535"
    assert Lettering.of([], 30).size == 14
    huge = Lettering.of([2**62, 1], 56)
    assert huge.write(1) == "1"
    assert "e+18" in huge.write(2**62)
    assert float(huge.write(2**62)) == pytest.approx(2**62, rel=0.01)
    assert huge.size >= 9


@pytest.mark.parametrize("image", [[[np.nan, np.inf, -1]], [[2**62, -(2**40), 1]], [[1e300, -1e-300]]])
def test_odd_numbers_are_drawn(image):
    scene = scene_of(animate_filter(image, [[1, -1]], padding="valid"))
    texts = [label.text for label in still_svg(scene).labels]
    assert any(text.startswith("sum = ") for text in texts)
    assert len([*stills(scene)]) == len(scene.steps)
