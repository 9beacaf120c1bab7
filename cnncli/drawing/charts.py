"""Charts: curves over the epochs of a training, or over learning rates."""

from collections.abc import Sequence
from typing import NamedTuple

from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.canvas import FAINT, GRID, INK, Box, Canvas, text_width

_MOST_DOTS = 40


class Curve(NamedTuple):
    """A line of a chart: its name in the legend, its colour, and its points (epoch or rate, value)."""

    label: str
    colour: tuple[int, int, int]
    points: Sequence[tuple[float, float]]


def draw_chart(
    canvas: Canvas,
    box: Box,
    title: str,
    curves: Sequence[Curve],
    *,
    percent: bool = False,
    across: ChartAxis | None = None,
    below: str = "epoch",
    legend: bool = True,
) -> None:
    """Draw curves into a box, with title and legend above it.

    Args:
        canvas: to draw on.
        box: of the curves; numbers and words are outside.
        title: above all.
        curves: drawn one after another.
        percent: whether values are shares, at most 1.
        across: the axis below; None for one over the epochs.
        below: name of this axis.
        legend: whether to write what the curves are.

    Example:
        >>> canvas = Canvas(480, 320)
        >>> draw_chart(canvas, Box(60, 60, 460, 260), "Loss", [Curve("plain", (0, 0, 200), [(1, 0.9), (2, 0.4)])])
    """
    across = across or ChartAxis.epochs(max([2.0, *(epoch for curve in curves for epoch, _ in curve.points)]))
    values = [value for curve in curves for _, value in curve.points]
    up = ChartAxis.over(min([0, *values]) if percent else 0, 1 if percent else max([*values, 0]) or 1, most=6)
    canvas.text(box.left, box.top - 36, title, size=17)
    if legend:
        _draw_legend(canvas, box, curves)
    _draw_axes(canvas, box, across, up, percent=percent)
    canvas.text((box.left + box.right) / 2, box.bottom + 32, below, anchor="ma", fill=FAINT)
    for curve in curves:
        places = [(across.place(x, box.left, box.right), up.place(y, box.bottom, box.top)) for x, y in curve.points]
        canvas.line(places, fill=curve.colour, width=2)
        for x, y in places if len(places) <= _MOST_DOTS else ():
            canvas.dot(x, y, fill=curve.colour)


def _draw_axes(canvas: Canvas, box: Box, across: ChartAxis, up: ChartAxis, *, percent: bool) -> None:
    for tick in up.ticks:
        y = up.place(tick, box.bottom, box.top)
        canvas.line([(box.left, y), (box.right, y)], fill=GRID)
        canvas.text(box.left - 8, y, f"{100 * tick:.4g}%" if percent else f"{tick:.4g}", anchor="rm", fill=FAINT)
    for tick in across.ticks:
        x = across.place(tick, box.left, box.right)
        canvas.line([(x, box.bottom), (x, box.bottom + 5)], fill=FAINT)
        canvas.text(x, box.bottom + 9, f"{tick:g}", anchor="ma", fill=FAINT)
    canvas.line([(box.left, box.bottom), (box.right, box.bottom)], fill=FAINT)


def _draw_legend(canvas: Canvas, box: Box, curves: Sequence[Curve]) -> None:
    x = box.right
    for curve in reversed(curves):
        canvas.text(x, box.top - 24, curve.label, anchor="rm", fill=INK)
        x -= text_width(curve.label, 13) + 8
        canvas.line([(x - 22, box.top - 24), (x, box.top - 24)], fill=curve.colour, width=2)
        canvas.dot(x - 11, box.top - 24, fill=curve.colour)
        x -= 42
