import shutil
import subprocess
import sys
from base64 import b64encode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cnncli import ArgumentError, ImageError
from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.saving import check_drawing, save_drawing
from cnncli.drawing.svg.theme import DASHES, LIGHT, Theme

SCRIPTS = {"en": "é ñ ∑ ≤", "el": "γάτα", "ru": "кошка", "zh-tw": "貓與犬", "ja": "ねこ", "ko": "고양이"}
"""A word in each script, by a language for which a machine may have a font."""


def two_pixels():
    content = BytesIO()
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)).save(content, "PNG")
    return f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"


def every_class(theme):
    """A drawing with every area, line and shape, and no text, whose letters differ from font to font."""
    drawing = Svg(400, 200, title="all", theme=theme)
    for number, name in enumerate(name for name in LIGHT if name.startswith("fill-")):
        drawing.rect(10 + 60 * number, 10, 50, 30, style=f"{name} edge", rounded=4)
    for number in range(len(DASHES)):
        drawing.line([(10, 60 + 8 * number), (180, 60 + 8 * number)], style=f"line-{number + 1}", width=2)
    drawing.line([(200, 60), (300, 100)], style="soft", arrow=True)
    drawing.polygon([(320, 60), (390, 70), (350, 110)], style="fill-2 line-mark")
    drawing.path("M200 120 Q 250 60 300 130", style="edge open")
    drawing.circle(220, 150, 12, style="fill-3 grid")
    drawing.image(340, 140, 40, 20, two_pixels())
    with drawing.group(transform="translate(270, 150) rotate(20)", opacity=0.5):
        drawing.rect(0, 0, 40, 20, style="fill-6 edge")
    return drawing


@pytest.mark.parametrize("theme", Theme)
def test_a_png_is_what_a_browser_shows(browser_page, tmp_path, theme):
    pytest.importorskip("vl_convert")
    drawing = every_class(theme)
    save_drawing(drawing, tmp_path / "drawn.svg")
    save_drawing(drawing, tmp_path / "drawn.png", scale=1)
    browser_page.set_viewport_size({"width": 400, "height": 200})
    browser_page.goto((tmp_path / "drawn.svg").as_uri())
    browser_page.screenshot(path=tmp_path / "shown.png")
    drawn, shown = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), int) for name in ("drawn", "shown"))
    assert drawn.shape == shown.shape
    apart = np.abs(drawn - shown).max(axis=2)
    assert np.mean(apart > 48) < 0.01  # edges, which each smooths in its own way
    assert apart.mean() < 1
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20


def ink_of(drawing, path):
    save_drawing(drawing, path)
    pixels = np.asarray(Image.open(path).convert("L"), int)
    return np.argwhere(pixels < 160)


def has_font(language):
    """Whether the machine can show a language; one that cannot be asked can."""
    asked = shutil.which("fc-list")
    return not asked or subprocess.run([asked, f":lang={language}"], capture_output=True, check=True).stdout != b""


@pytest.mark.parametrize("language", SCRIPTS)
def test_text_in_any_script_stays_within_its_label(tmp_path, language):
    pytest.importorskip("vl_convert")
    if language != "en" and not has_font(language):
        pytest.skip(f"needs a font for {language}")
    drawing = Svg(200, 60, title=language)
    drawing.text(100, 40, SCRIPTS[language], size=20, anchor="middle")
    rows, columns = (ink_of(drawing, tmp_path / "text.png") / 2).T
    (label,) = drawing.labels
    assert label.left <= columns.min() < columns.max() <= label.right
    assert label.top - 4 <= rows.min() < rows.max() <= label.bottom + 2
    assert columns.max() - columns.min() > 5 * len(SCRIPTS[language])


@pytest.mark.parametrize(("scale", "size"), [(1, (60, 20)), (2, (120, 40)), (1.5, (90, 30))])
def test_a_png_has_as_many_pixels_as_the_scale_says(tmp_path, scale, size):
    pytest.importorskip("vl_convert")
    save_drawing(Svg(60, 20, title="a"), tmp_path / "a.PNG", scale=scale)
    with Image.open(tmp_path / "a.PNG") as picture:
        assert picture.size == size


def test_a_pdf_has_the_size_of_the_drawing_and_letters_that_can_be_searched(tmp_path):
    pytest.importorskip("vl_convert")
    drawing = Svg(60, 20, title="a")
    drawing.text(5, 15, "conv3")
    save_drawing(drawing, tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/MediaBox [0 0 60 20]" in content
    assert b"/ToUnicode" in content


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_file_is_replaced_only_where_it_may_be(tmp_path, suffix):
    if suffix != ".svg":
        pytest.importorskip("vl_convert")
    path = tmp_path / f"a{suffix}"
    path.write_text("mine")
    with pytest.raises(ImageError, match="exists already"):
        save_drawing(Svg(6, 2, title="a"), path, replace=False)
    assert path.read_text() == "mine"
    save_drawing(Svg(6, 2, title="a"), path)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("path", ["a.jpg", "a", "svg", "folder.svg/a"])
def test_another_kind_of_file_is_refused_before_anything_is_written(tmp_path, path):
    with pytest.raises(ArgumentError, match=r"drawings are written as \.svg, \.png or \.pdf"):
        check_drawing(tmp_path / path)
    with pytest.raises(ArgumentError, match=r"drawings are written as"):
        save_drawing(Svg(6, 2, title="a"), tmp_path / path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_missing_extra_is_named_before_any_work(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ImageError, match=rf"a\{suffix}: .*pip install 'cnncli\[draw\]'"):
        check_drawing(tmp_path / f"a{suffix}")
    check_drawing(tmp_path / "a.svg")


def test_a_picture_larger_than_memory_is_refused_with_its_size(tmp_path):
    pytest.importorskip("vl_convert")
    with pytest.raises(ImageError, match="would have 60000x40000 pixels"):
        save_drawing(Svg(30000, 20000, title="a"), tmp_path / "a.png")
    save_drawing(Svg(14400, 14400, title="a"), tmp_path / "a.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


@pytest.mark.parametrize("size", [(100, 14401), (14401, 100)])
def test_a_page_longer_than_readers_show_is_refused(tmp_path, size):
    pytest.importorskip("vl_convert")
    with pytest.raises(ImageError, match=f"would have {size[0]}x{size[1]} points"):
        save_drawing(Svg(*size, title="a"), tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []
