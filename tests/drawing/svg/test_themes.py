"""Themes: text and lines stand out from what is behind them, and series differ without their hues."""

import re
from itertools import combinations, product

import pytest

from cnncli.drawing.svg.theme import DARK, DASHES, LIGHT, Theme, style_sheet

THEMES = {Theme.LIGHT: LIGHT, Theme.DARK: DARK}
WORDS, EDGES = ("ink", "faint", "mark"), ("edge", "soft", "line-mark")


def luminance(colour):
    """The relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def used(theme):
    """The colours of a theme as its style sheet gives them: (class, property) to colour."""
    rules = re.findall(r"(?:text)?\.([\w-]+) \{(fill|stroke): (#\w+)\}", style_sheet(theme))
    return {(name, kind): colour for name, kind, colour in rules}


def areas(colours):
    return [
        colour for (name, kind), colour in colours.items() if kind == "fill" and name.startswith(("paper", "fill-"))
    ]


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_paper_and_from_every_area(theme):
    colours = used(theme)
    behind = areas(colours)
    assert len(behind) == 7
    found = {(word, area): contrast(colours[word, "fill"], area) for word, area in product(WORDS, behind)}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_lines_stand_out_from_paper_and_edges_from_areas(theme):
    colours = used(theme)
    paper = colours["paper", "fill"]
    strokes = {name: colour for (name, kind), colour in colours.items() if kind == "stroke" and name != "grid"}
    assert {"edge", "soft", "line-mark", *(f"line-{number}" for number in range(1, 9))} == set(strokes)
    assert {name for name, colour in strokes.items() if contrast(colour, paper) < 3} == set()
    found = {(name, area): contrast(strokes[name], area) for name, area in product(EDGES, areas(colours))}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 3} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_series_differ_in_grey(theme):
    sheet = style_sheet(theme)
    dashes = dict(re.findall(r"\.line-(\d) \{stroke-dasharray: ([\d ]+)\}", sheet))
    patterns = [dashes.get(str(number), "") for number in range(1, len(DASHES) + 1)]
    colours = [used(theme)[f"line-{number}", "stroke"] for number in range(1, len(DASHES) + 1)]
    for (pattern, colour), (other, second) in combinations(zip(patterns, colours, strict=True), 2):
        assert pattern != other or contrast(colour, second) > 1.5


def test_auto_is_light_and_in_the_dark_dark():
    sheet = style_sheet(Theme.AUTO)
    light, _, dark = sheet.partition("@media (prefers-color-scheme: dark)")
    assert f".paper {{fill: {LIGHT['paper']}}}" in light
    assert f".paper {{fill: {DARK['paper']}}}" in dark
    assert not re.search(r"var\(|:not\(", sheet)
