"""Checks of drawings: SVG is XML in which no label overlaps another or leaves the paper."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from cnncli.drawing.svg.document import Label, Svg


def overlap(one: Label, other: Label) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 0.01 and down > 0.01


def check_drawing(svg: Svg) -> ElementTree.Element:
    """Return the root of a drawing that is as it should be."""
    assert not [(one.text, other.text) for one, other in combinations(svg.labels, 2) if overlap(one, other)]
    for label in svg.labels:
        assert label.left >= 0, label
        assert label.top >= 0, label
        assert label.right <= svg.width, label
        assert label.bottom <= svg.height, label
    return ElementTree.fromstring(str(svg))


def drawn_size(path) -> tuple[float, float]:
    """Return the width and the height of a file that is the kind of picture that it is called."""
    if Path(path).suffix == ".svg":
        root = ElementTree.fromstring(Path(path).read_text("utf-8"))
        return float(root.get("width")), float(root.get("height"))
    with Image.open(path) as image:
        assert image.format == Path(path).suffix[1:].upper()
        return image.size
