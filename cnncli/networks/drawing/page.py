"""A whole drawing: its title, the diagram in the middle, and the notes below it."""

from collections.abc import Callable, Sequence

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.lettering import text_width, wrapped
from cnncli.drawing.svg.theme import Theme
from cnncli.networks.drawing import naming
from cnncli.networks.summary import Summary

MARGIN, NARROWEST = 20, 420
STYLE = ".shade {fill: #000; fill-opacity: .14}"
"""Of the sides of a body, which are darker than its front."""


def page(
    summary: Summary,
    draw: Callable[[Svg, float, float], None],
    size: tuple[float, float],
    notes: Sequence[str],
    swatches: Sequence[tuple[str, str]],
    *,
    width: float,
    theme: Theme,
) -> Svg:
    """Return a drawing with the network's name above and notes below.

    Args:
        summary: the network's.
        draw: draws the diagram from a place on.
        size: the width and the height of the diagram.
        notes: sentences for below.
        swatches: fills of the diagram, and what they stand for.
        width: pixels that it may take; more if the diagram does.
        theme: what it is drawn on.
    """
    room = max(NARROWEST - 2 * MARGIN, min(width - 2 * MARGIN, size[0]), size[0])
    heading = summary.title or summary.name or "Network"
    titles = wrapped(heading, 18 * 1.08, room, most=3)
    facts = wrapped(_facts(summary), 12, room)
    below = [line for note in notes for line in wrapped(note, 11, room)]
    keys = _placed(swatches, room)
    top = MARGIN + 22 * len(titles) + 16 * len(facts) + 18
    end = top + size[1] + 26
    key_height = 20 * (1 + max((row for row, *_ in keys), default=-1))
    height = end + key_height + 16 * len(below) + MARGIN - 8
    svg = Svg(room + 2 * MARGIN, height, title=heading, description=_facts(summary), theme=theme, extra_style=STYLE)
    for number, line in enumerate(titles):
        svg.text(MARGIN, MARGIN + 16 + 22 * number, line, size=18, bold=True)
    for number, line in enumerate(facts):
        svg.text(MARGIN, MARGIN + 16 + 22 * len(titles) + 16 * number, line, size=12, style="faint")
    draw(svg, MARGIN, top)
    for row, left, fill, word in keys:
        svg.rect(MARGIN + left, end + 20 * row - 2, 14, 10, style=f"{fill} edge", rounded=2)
        svg.text(MARGIN + left + 20, end + 20 * row + 7, word, size=11, style="faint")
    for number, line in enumerate(below):
        svg.text(MARGIN, end + key_height + 16 * number + 8, line, size=11, style="faint")
    return svg


def _facts(summary: Summary) -> str:
    """Return a network's input and totals; a total that leaves something out is a lower bound."""
    least = {name: "at least " if name in summary.unknown else "" for name in ("params", "macs")}
    totals = summary.totals
    return (
        f"input {naming.shown(summary.input_shape)}, {least['params']}{totals.params:,} params, "
        f"{least['macs']}{totals.macs:,} multiply-adds"
    )


def _placed(swatches: Sequence[tuple[str, str]], room: float) -> list[tuple[int, float, str, str]]:
    """Return the row and the left edge of each swatch."""
    found: list[tuple[int, float, str, str]] = []
    row, left = 0, 0.0
    for fill, word in swatches:
        width = 40 + text_width(word, 11)
        if left and left + width > room:
            row, left = row + 1, 0.0
        found.append((row, left, fill, word))
        left += width
    return found
