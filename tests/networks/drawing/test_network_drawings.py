"""Drawings of networks: labels apart and on the paper, and every number that of the summary."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from drawings import check_drawing
from hypothesis import HealthCheck, given, settings
from network_strategies import networks

from cnncli import ArgumentError
from cnncli.choices import DRAWING_STYLES
from cnncli.networks import load_network, parse_network, zoo_names
from cnncli.networks.drawing import draw_network
from cnncli.networks.summary import are_layers

SPACE = "{http://www.w3.org/2000/svg}"
ABOUT = re.compile(r"(\S+)(?: … (\S+))?: (\S+), (.+) to (.+), (\S+)(?: … \S+)? params, (\S+)(?: … \S+)? macs")


NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def whole(text):
    return int(text.replace(",", ""))


def layers_of(root):
    """Yield for each part of a drawing what its title says of its layers, and its texts."""
    for group in root.iter(f"{SPACE}g"):
        found = [ABOUT.fullmatch(title) for title in (group.findtext(f"{SPACE}title") or "").split("; ")]
        if all(found):
            yield found, [text.text for text in group.iter(f"{SPACE}text")]


def numbers_of(row):
    """Every number that a drawing may write of a row."""
    facts = [f"{row.params:,} {row.macs:,}", row.spec, row.name, row.branch, *map(str, row.output_shape)]
    sizes = [number for part in row.filter or () for number in (part if isinstance(part, tuple) else (part,))]
    return {
        number
        for fact in [*facts, *(f"{size:,}" for size in sizes if size is not None)]
        for number in NUMBER.findall(fact)
    }


def check_numbers(network, drawing, *, unfolded):
    """Check every number of a drawing against the summary's rows."""
    summary = network.summary()
    rows = {row.name: row for row in summary.rows}
    drawn = list(layers_of(check_drawing(drawing)))
    assert drawn
    for layers, texts in drawn:
        known = set()
        for found in layers:
            first, last = rows[found[1]], rows[found[2] or found[1]]
            assert (found[3], whole(found[6]), whole(found[7])) == (last.spec, first.params, first.macs)
            known |= numbers_of(first) | numbers_of(last)
        for text in texts:
            words = re.sub(r"(?:^|(?<=: ))\d+x ", "", text)  # 3x, of repeats
            assert set(NUMBER.findall(words)) <= known, text
    if unfolded:
        layers = zip(summary.rows, are_layers(summary.rows), strict=True)
        leaves = {row.name for row, leaf in layers if leaf and row.op != "identity"}
        names = [found[1] for layers, _ in drawn for found in layers]
        assert sorted(name for name in names if name in leaves) == sorted(leaves)


@pytest.mark.parametrize("style", DRAWING_STYLES)
@pytest.mark.parametrize("name", zoo_names())
def test_every_network_of_the_zoo_is_drawn(name, style):
    network = load_network(name)
    check_numbers(network, draw_network(network, style=style), unfolded=False)


@pytest.mark.parametrize("style", DRAWING_STYLES)
@settings(max_examples=50, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=networks())
def test_random_networks_are_drawn(style, network):
    for unfold in (False, True):
        check_numbers(network, draw_network(network, style=style, unfold=unfold), unfolded=unfold)


@pytest.mark.parametrize("style", ["volumes", "boxes"])
@pytest.mark.parametrize("name", zoo_names())
def test_parameters_that_are_written_add_up(name, style):
    network = load_network(name)
    texts = [label.text for label in draw_network(network, style=style, unfold=True).labels]
    numbers = [found[1] for text in texts if (found := re.fullmatch(r"(\S+) params", text))]
    assert sum(map(whole, numbers)) == network.totals.params


def strokes(root):
    """Yield the ends of every stroke of a drawing."""
    for shape in root.iter():
        corners = [tuple(map(float, point.split(","))) for point in shape.get("points", "").split()]
        if shape.tag == f"{SPACE}rect" and shape.get("x"):
            x, y, width, height = (float(shape.get(name)) for name in ("x", "y", "width", "height"))
            corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        if shape.tag != f"{SPACE}polyline" and corners:
            corners.append(corners[0])
        yield from pairwise(corners)


def crossed(labels, lines):
    """The labels that a level or upright stroke goes through; 2 pixels may touch.

    Slanted ones are edges of volumes, which stand between labels.
    """
    ends = np.array(lines)
    low, high = ends.min(axis=1), ends.max(axis=1)
    straight = (low == high).any(axis=1)
    (left, top), (right, bottom) = low[straight].T, high[straight].T
    for label in labels:
        across = (left < label.right - 2) & (right > label.left + 2)
        if (across & (top < label.bottom - 2) & (bottom > label.top + 2)).any():
            yield label.text


@pytest.mark.parametrize("style", DRAWING_STYLES)
@pytest.mark.parametrize("name", zoo_names())
def test_no_line_goes_through_a_label(name, style):
    drawing = draw_network(name, style=style)
    lines = list(strokes(ElementTree.fromstring(str(drawing))))
    assert len(lines) > 4
    assert list(crossed(drawing.labels, lines)) == []


def test_repeats_are_folded():
    texts = {label.text for label in draw_network("8x8x4 3xconv3-4,same max2", style="boxes").labels}
    assert "3x conv3-4,same" in texts
    texts = [label.text for label in draw_network("8x8x4 3xconv3-4,same max2", style="boxes", unfold=True).labels]
    assert texts.count("conv3-4,same") == 3


def test_a_drawing_fits_a_page():
    for style in DRAWING_STYLES:
        assert draw_network("resnet152", style=style).width <= 1000


@pytest.mark.parametrize("word", ["2.conv", "conv5-16,relu"])
@pytest.mark.parametrize("style", DRAWING_STYLES)
def test_a_layer_is_highlighted_by_name_or_word(style, word):
    root = check_drawing(draw_network("lenet5", style=style, highlight=[word]))
    (marked,) = [
        group
        for group in root.iter(f"{SPACE}g")
        if any("line-mark" in shape.get("class", "") for shape in group.iter() if shape is not group)
    ]
    assert marked.findtext(f"{SPACE}title").startswith("2.conv: conv5-16,relu")


def test_an_unknown_layer_lists_those_that_there_are():
    with pytest.raises(ArgumentError, match=r"no layer is called 'conv9'.*0\.conv \(conv5-6,relu\), 1\.max \(max2\)"):
        draw_network("lenet5", highlight=["conv9"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"style": "cubes"}, "style must be one of volumes, boxes, table"),
        ({"theme": "blue"}, "theme must be one of"),
        ({"width": 10}, "width must be from 320"),
        ({"receptive_field": "2.conv"}, "LAYER:X,Y"),
        ({"receptive_field": "2.conv:0,10"}, "10x10x16: it has no row 10"),
        ({"receptive_field": "max2:0,0"}, r"word of 2 layers: .*1\.max, 3\.max"),
        ({"receptive_field": "4.fc:0,0"}, "has no rows and columns"),
        ({"receptive_field": "conf:0,0"}, "no layer is called"),
    ],
)
def test_what_cannot_be_drawn_is_said(option, message):
    with pytest.raises(ArgumentError, match=message):
        draw_network("lenet5", **option)


def test_a_text_names_its_drawing():
    assert draw_network(parse_network("6x6x3 conv3-10")).title == "6x6x3 conv3-10"
