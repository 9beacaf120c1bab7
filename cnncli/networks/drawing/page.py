"""A whole drawing: its title, the diagram in the middle, and the notes below it."""

from collections.abc import Callable, Sequence

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.lettering import text_width, wrapped
from cnncli.drawing.svg.theme import Theme
from cnncli.networks.drawing import naming
from cnncli.networks.drawing.pieces import SMALL, Piece
from cnncli.networks.summary import Summary

MARGIN, USUAL = 20, 560
STYLE = ".shade {fill: #000; fill-opacity: .14}"
"""Of the sides of a body, which are darker than its front."""


def page(
    summary: Summary,
    draw: Callable[[Svg, float, float], None],
    size: tuple[float, float],
    notes: Sequence[str],
    swatches: Sequence[tuple[str, str]],
    *,
    key: Callable[[float], Piece] | None = None,
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
        key: makes the piece that explains the shapes, in so much room.
        width: pixels that a small network's page may have, up to `USUAL`; it grows with the diagram.
        theme: what it is drawn on.
    """
    room = max(min(width, USUAL) - 2 * MARGIN, size[0])
    heading = summary.title or summary.name or "Network"
    titles = wrapped(heading, 18, room, most=3, bold=True)
    facts = wrapped(_facts(summary), 12, room)
    below = [line for note in notes for line in wrapped(note, SMALL, room)]
    keys = _placed(swatches, room)
    explained = key(room) if key else Piece(0, 0, 0)
    top = MARGIN + 22 * len(titles) + 16 * len(facts) + 18
    swatch_top = top + size[1] + 26
    key_top = swatch_top + 20 * (1 + max((row for row, *_ in keys), default=-1))
    notes_top = key_top + explained.above + explained.below
    height = notes_top + 16 * len(below) + MARGIN - 8
    svg = Svg(room + 2 * MARGIN, height, title=heading, description=_facts(summary), theme=theme, extra_style=STYLE)
    for number, line in enumerate(titles):
        svg.text(MARGIN, MARGIN + 16 + 22 * number, line, size=18, bold=True)
    for number, line in enumerate(facts):
        svg.text(MARGIN, MARGIN + 16 + 22 * len(titles) + 16 * number, line, size=12, style="faint")
    draw(svg, MARGIN, top)
    for row, left, fill, word in keys:
        svg.rect(MARGIN + left, swatch_top + 20 * row - 2, 14, 10, style=f"{fill} edge", rounded=2)
        svg.text(MARGIN + left + 20, swatch_top + 20 * row + 7, word, size=SMALL, style="faint")
    if key:
        explained.draw(svg, MARGIN, key_top + explained.above)
    for number, line in enumerate(below):
        svg.text(MARGIN, notes_top + 16 * number + 8, line, size=SMALL, style="faint")
    return svg


def _facts(summary: Summary) -> str:
    """Return a network's input and totals."""
    totals = f"{naming.total(summary, 'params')} params, {naming.total(summary, 'macs')} multiply-adds"
    return f"input {naming.shown(summary.input_shape)}, {totals}"


def _placed(swatches: Sequence[tuple[str, str]], room: float) -> list[tuple[int, float, str, str]]:
    """Return the row and the left edge of each swatch."""
    found: list[tuple[int, float, str, str]] = []
    row, left = 0, 0.0
    for fill, word in swatches:
        width = 40 + text_width(word, SMALL)
        if left and left + width > room:
            row, left = row + 1, 0.0
        found.append((row, left, fill, word))
        left += width
    return found
