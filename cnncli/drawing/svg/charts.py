"""Charts in SVG: curves that differ in dashes and markers too, so that they do in grey print."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.svg.document import Point, Svg
from cnncli.drawing.svg.lettering import shortened, text_width
from cnncli.drawing.svg.theme import DASHES

_MOST_MARKERS = 25  # on a curve of more points, some dozen of them are marked
_LEGEND, _SWATCH = 12, 28


class Area(NamedTuple):
    """A rectangle of a drawing, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Curve(NamedTuple):
    """A line of a chart: its name in the legend, and its points (across, up).

    `style` is a class of the theme; empty for the next of `line-1`, `line-2`, ...
    """

    label: str
    points: Sequence[Point]
    style: str = ""


class Mark(NamedTuple):
    """A place across a chart with a line and words of its own: the epoch that was kept."""

    place: float
    label: str


def line_chart(
    svg: Svg,
    area: Area,
    curves: Sequence[Curve],
    *,
    title: str,
    across: ChartAxis | None = None,
    up: ChartAxis | None = None,
    below: str = "epoch",
    percent: bool = False,
    mark: Mark | None = None,
) -> None:
    """Draw curves into an area, with everything that belongs to them: title, legend, axes.

    Args:
        svg: drawing.
        area: of the whole chart.
        curves: drawn one after another; points that are not finite are left out.
        title: above all.
        across: the axis below; None for one over the epochs.
        up: the axis on the left; None for one from 0 to the largest value, or to 1 where `percent` is set.
        below: name of the axis below.
        percent: whether values are shares, at most 1, written as percentages.
        mark: a place with a line and words.

    Example:
        >>> drawing = Svg(480, 320, title="loss")
        >>> line_chart(drawing, Area(0, 0, 480, 320), [Curve("training", [(1, 0.9), (2, 0.4)])], title="Loss")
        >>> [label.text for label in drawing.labels][:2]
        ['Loss', 'training']
    """
    curves = [_finite(curve, place) for place, curve in enumerate(curves)]
    across = across or ChartAxis.epochs(max([2.0, *(x for curve in curves for x, _ in curve.points)]))
    up = up or _upward([y for curve in curves for _, y in curve.points], percent=percent)
    numbers = [f"{100 * tick:.4g}%" if percent else f"{tick:.4g}" for tick in up.ticks]
    svg.text(area.left + 10, area.top + 24, title, size=16, bold=True)
    top = _draw_legend(svg, area, curves) + (26 if mark else 16)
    left = area.left + 18 + max(text_width(number, 12) for number in numbers)
    right = area.right - max([22, *(text_width(f"{tick:g}", 12) / 2 + 2 for tick in across.ticks[-1:])])
    plot = Area(left, top, right, area.bottom - 46)
    _draw_axes(svg, plot, across, up, numbers)
    svg.text((plot.left + plot.right) / 2, plot.bottom + 38, below, size=12, anchor="middle", style="faint")
    if mark:
        _draw_mark(svg, plot, across, mark)
    for place, curve in enumerate(curves):
        points = [(across.place(x, plot.left, plot.right), up.place(y, plot.bottom, plot.top)) for x, y in curve.points]
        _draw_curve(svg, points, curve.style, place)


def _finite(curve: Curve, place: int) -> Curve:
    points = [point for point in curve.points if all(map(math.isfinite, point))]
    return Curve(curve.label, points, curve.style or f"line-{place % len(DASHES) + 1}")


def _upward(values: Sequence[float], *, percent: bool) -> ChartAxis:
    return ChartAxis.over(min([0, *values]) if percent else 0, 1 if percent else max([*values, 0]) or 1)


def _draw_legend(svg: Svg, area: Area, curves: Sequence[Curve]) -> float:
    """Draw the names of the curves in rows, and return where they end."""
    x, y, room = area.left + 10, area.top + 46, area.right - area.left - 20
    for place, curve in enumerate(curves):
        words = shortened(curve.label, _LEGEND, room - _SWATCH - 8)
        width = _SWATCH + 8 + text_width(words, _LEGEND)
        if x > area.left + 10 and x + width > area.left + 10 + room:
            x, y = area.left + 10, y + 20
        _draw_curve(svg, [(x, y - 4), (x + _SWATCH, y - 4)], curve.style, place, markers=[(x + _SWATCH / 2, y - 4)])
        svg.text(x + _SWATCH + 8, y, words, size=_LEGEND)
        x += width + 22
    return y if curves else area.top + 32


def _draw_axes(svg: Svg, plot: Area, across: ChartAxis, up: ChartAxis, numbers: Sequence[str]) -> None:
    for tick, number in zip(up.ticks, numbers, strict=True):
        y = up.place(tick, plot.bottom, plot.top)
        svg.line([(plot.left, y), (plot.right, y)], style="grid")
        svg.text(plot.left - 8, y + 4, number, size=12, anchor="end", style="faint")
    free = -math.inf
    for tick in across.ticks:
        x, number = across.place(tick, plot.left, plot.right), f"{tick:g}"
        svg.line([(x, plot.bottom), (x, plot.bottom + 5)], style="soft")
        if x - text_width(number, 12) / 2 > free:
            svg.text(x, plot.bottom + 19, number, size=12, anchor="middle", style="faint")
            free = x + text_width(number, 12) / 2 + 4
    svg.line([(plot.left, plot.bottom), (plot.right, plot.bottom)], style="soft")


def _draw_mark(svg: Svg, plot: Area, across: ChartAxis, mark: Mark) -> None:
    x, words = across.place(mark.place, plot.left, plot.right), shortened(mark.label, 12, plot.right - plot.left)
    half = text_width(words, 12) / 2
    svg.line([(x, plot.top - 4), (x, plot.bottom)], style="line-mark", width=1.5)
    middle = min(max(x, plot.left + half), plot.right - half)
    svg.text(middle, plot.top - 8, words, size=12, anchor="middle", style="mark")


def _draw_curve(
    svg: Svg, points: Sequence[Point], style: str, place: int, *, markers: Sequence[Point] | None = None
) -> None:
    if len(points) > 1:
        svg.line(points, style=style, width=2)
    step = 1 if len(points) <= _MOST_MARKERS else math.ceil(len(points) / 12)
    for x, y in points[::step] if markers is None else markers:
        _draw_marker(svg, x, y, style, place)


def _draw_marker(svg: Svg, x: float, y: float, style: str, place: int) -> None:
    """Draw a circle, a square, or another corner: with eight dashes, two of forty curves look alike."""
    style = f"{style} paper solid"
    shape = place % len(_CORNERS)
    if _CORNERS[shape]:
        svg.polygon([(x + dx, y + dy) for dx, dy in _CORNERS[shape]], style=style, stroke_width=1.5)
    else:
        svg.circle(x, y, 3, style=style, stroke_width=1.5)


_CORNERS: tuple[tuple[Point, ...], ...] = (
    (),
    ((-2.8, -2.8), (2.8, -2.8), (2.8, 2.8), (-2.8, 2.8)),
    ((0, -4), (3.6, 2.6), (-3.6, 2.6)),
    ((0, -4), (4, 0), (0, 4), (-4, 0)),
    ((0, 4), (3.6, -2.6), (-3.6, -2.6)),
)
"""Corners of the markers of the curves, one kind after another; none for a circle."""
