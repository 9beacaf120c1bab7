"""A drawing that changes step by step, as shapes at places: every player draws the same."""

from typing import NamedTuple

from cnncli.drawing.svg.document import Point


class Rect(NamedTuple):
    """A rectangle; its style holds classes of the theme."""

    x: float
    y: float
    width: float
    height: float
    style: str
    line: float = 1


class Words(NamedTuple):
    """A line of text with its base line at y; anchor is start, middle or end."""

    x: float
    y: float
    text: str
    size: float = 13
    anchor: str = "middle"
    style: str = "ink"
    bold: bool = False


class Strokes(NamedTuple):
    """Straight lines of one style."""

    ends: tuple[tuple[Point, Point], ...]
    style: str
    line: float = 1


class Ring(NamedTuple):
    """A circle that is not filled."""

    x: float
    y: float
    radius: float
    style: str
    line: float = 1


Line = Words | Strokes
Shape = Rect | Line | Ring


class Step(NamedTuple):
    """The shapes that one step adds to the drawing.

    Attributes:
        under: shapes below the numbers, in this step alone.
        kept: shapes from this step on.
        over: shapes above all others, in this step alone.
    """

    under: tuple[Shape, ...]
    kept: tuple[Shape, ...]
    over: tuple[Shape, ...]


class Scene(NamedTuple):
    """A drawing of several steps, its sizes in pixels.

    Attributes:
        width: pixels.
        height: pixels.
        title: name of the drawing.
        ground: shapes below all others, in every step.
        numbers: shapes above those under the numbers, in every step.
        steps: in order.
    """

    width: float
    height: float
    title: str
    ground: tuple[Shape, ...]
    numbers: tuple[Line, ...]
    steps: tuple[Step, ...]
