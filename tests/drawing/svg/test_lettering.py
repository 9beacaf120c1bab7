"""The room for text: an upper bound of what a browser takes, in every script; lines that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.lettering import shortened, text_width, wrapped
from cnncli.networks.drawing import draw_network

TEXTS = (
    "conv3-64,same,bn,relu",
    "37,752,832 … 16,781,312 params",
    "224x224x3",
    "WWWW MMMM @@@@ %%%%",
    "illicit fjord, {a|b}",
    "the quick brown fox jumps over the lazy dog",
    "THE QUICK BROWN FOX",
    "Äöü ñ é ß æ œ",
    "γάτα και ΣΚΥΛΟΣ",
    "Широкая электрификация",
    "Щетина ЖЮШ щука",
    "貓與犬ねこ고양이",
    "🐈 🐕",
    "".join(map(chr, range(33, 127))),
    "قطة وكلب",
    "x" + "̈" * 3,
    "\u22120.5 \u00d7 3 \u2192 1.5 \u2264 2",
)


def measured(page, tmp_path, drawing):
    """The texts of a drawing with what the browser says: left, top, right, bottom, length."""
    file = tmp_path / "drawn.svg"
    drawing.save(file)
    page.goto(file.as_uri())
    return page.evaluate(
        """[...document.querySelectorAll("text")].map(text => {
            const box = text.getBBox();
            return [text.textContent, box.x, box.x + box.width, text.getComputedTextLength()];
        })"""
    )


@pytest.mark.parametrize("size", [11, 18])
@pytest.mark.parametrize("bold", [False, True])
def test_no_text_is_wider_than_its_room(browser_page, tmp_path, size, bold):
    drawing = Svg(900, 40 * len(TEXTS) + 40, title="texts")
    for number, text in enumerate(TEXTS):
        drawing.text(20, 40 + 40 * number, text, size=size, bold=bold)
    found = measured(browser_page, tmp_path, drawing)
    assert [text for text, *_ in found] == list(TEXTS)
    for label, (text, *_, length) in zip(drawing.labels, found, strict=True):
        assert 0 < length <= label.right - label.left, text


@pytest.mark.parametrize("style", ["volumes", "boxes", "table"])
@pytest.mark.parametrize("name", ["alexnet", "densenet121", "mobilenet-v3-small", "unet"])
def test_drawings_keep_their_texts_in_their_rooms(browser_page, tmp_path, name, style):
    drawing = draw_network(name, style=style)
    found = measured(browser_page, tmp_path, drawing)
    assert len(found) == len(drawing.labels) > 10
    for label, (text, left, right, _) in zip(drawing.labels, found, strict=True):
        assert text == label.text
        assert left >= label.left - 1.5, text  # a j reaches beyond its room
        assert right <= label.right + 1.5, text


words = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]) | st.sampled_from(" ,-1"), max_size=60
)


@given(words, st.integers(30, 300))
def test_lines_fit_and_keep_every_word(text, room):
    lines = wrapped(text, 12, room)
    assert all(text_width(line, 12) <= room for line in lines)
    if not any(line.endswith("…") for line in lines):
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(words)
def test_numbers_are_never_broken(text):
    assert wrapped(f"{text} 1,234,567", 12, 90)[-1].endswith("1,234,567")


@given(words, st.integers(20, 200), st.integers(1, 4))
def test_no_more_lines_than_asked(text, room, most):
    assert len(wrapped(text, 12, room, most)) <= most


@given(words, st.integers(20, 200))
def test_what_is_cut_ends_in_an_ellipsis(text, room):
    found = shortened(text, 12, room)
    assert text_width(found, 12) <= room
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))


@given(words, st.sampled_from("wI猫"), st.integers(20, 200))
def test_as_many_letters_are_kept_as_fit(text, letter, room):
    found = shortened(text + letter * 40, 12, room)
    longer = (text + letter * 40)[: len(found)] + "…"
    assert text_width(longer, 12) > room - 1e-6


def test_a_text_of_any_length_is_cut_at_once():
    assert shortened("w" * 1_000_000, 13, 100) == shortened("w" * 100, 13, 100)
