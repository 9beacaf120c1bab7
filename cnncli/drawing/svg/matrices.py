"""Confusion matrices in SVG: shades with numbers that can be read on them."""

import math
from collections.abc import Sequence

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.lettering import shortened, text_width
from cnncli.drawing.svg.theme import Theme

_MARGIN, _LEVELS = 24, 20
_MOST_CELLS = 30_000  # of more, the faintest are left out, so that a file stays small
_RIGHT, _WRONG = "heat-1", "heat-2"

Matrix = Sequence[Sequence[int]]


def draw_matrix(
    names: Sequence[str],
    counts: Matrix,
    *,
    title: str,
    note: str,
    across: str,
    down: str,
    titled: bool = True,
    theme: Theme = Theme.AUTO,
) -> Svg:
    """Draw counts as shades of their shares of a row; those on the diagonal are right, and have a colour of their own.

    Args:
        names: of the rows and of the columns.
        counts: whole numbers, a row for each name.
        title: above all, and for those who hear it.
        note: below the title.
        across: what the columns are.
        down: what the rows are.
        titled: whether title and note are written.
        theme: what it is drawn on.

    Example:
        >>> said = {"title": "Confusion", "note": "", "across": "predicted", "down": "true"}
        >>> drawing = draw_matrix(["cat", "dog"], [[3, 1], [0, 4]], **said)
        >>> [label.text for label in drawing.labels if label.text.isdigit()]
        ['3', '1', '4']
    """
    cell = max(1.0, min(52.0, 640 / len(names)))
    # Of many classes only every second, fifth, ... gets its name.
    named = range(0, len(names), math.ceil(17 / cell))
    room = min(170.0, max(text_width(names[place]) for place in named))
    is_flat = room <= cell * named.step - 4
    head, words = (66, max(text_width(title, 16, bold=True), text_width(note))) if titled else (10, 0.0)
    left, top, side = _MARGIN + 30 + room, head + 30 + (18 if is_flat else room), cell * len(names)
    width = max(left + side + 110, words + 2 * _MARGIN, left + text_width(across))
    svg = Svg(width, top + side + _MARGIN, title=title, description=note, theme=theme)
    if titled:
        svg.text(_MARGIN, 32, title, size=16, bold=True)
        svg.text(_MARGIN, 54, note, style="faint")
    svg.text(left, head + 12, across, style="faint")
    svg.text(_MARGIN + 8, top, down, anchor="end", upright=True, style="faint")
    _draw_shades(svg, left, top, cell, counts)
    if cell >= 14:
        _draw_counts(svg, left, top, cell, counts)
    svg.rect(left, top, side, side, style="soft open")
    for place in named:
        middle, name = (place + 0.5) * cell, shortened(names[place], 13, room)
        svg.text(left - 8, top + middle + 5, name, anchor="end")
        if is_flat:
            svg.text(left + middle, top - 8, name, anchor="middle")
        else:
            svg.text(left + middle + 5, top - 8, name, upright=True)
    _draw_scale(svg, left + side + 24, top, min(side, 160.0))
    return svg


def _draw_shades(svg: Svg, left: float, top: float, cell: float, counts: Matrix) -> None:
    """Draw all cells of a shade as one path, those beside each other as one rectangle."""
    totals, runs = [sum(row) or 1 for row in counts], dict[tuple[str, int], list[str]]()
    shares = sorted(count / total for row, total in zip(counts, totals, strict=True) for count in row if count)
    faintest = shares[-_MOST_CELLS - 1] if len(shares) > _MOST_CELLS else 0.0
    least = 1 if cell >= 14 else 6  # of a small cell a faint shade is not seen
    for y, row in enumerate(counts):
        start = 0
        kinds = [_kind(x == y, count / totals[y], faintest, least) for x, count in enumerate(row)]
        while start < len(kinds):
            end = next((x for x in range(start, len(kinds)) if kinds[x] != kinds[start]), len(kinds))
            if kinds[start][1]:
                runs.setdefault(kinds[start], []).append(f"M{start} {y}h{end - start}v1h-{end - start}z")
            start = end
    place = f"translate({left:g} {top:g}) scale({cell:g})"
    with svg.group(transform=place, shape_rendering="crispEdges"):
        for (style, level), cells in sorted(runs.items()):
            svg.path("".join(cells), style=style, fill_opacity=level / _LEVELS)


def _kind(is_right: bool, share: float, faintest: float, least: int) -> tuple[str, int]:
    """Return the colour of a share and its level, with which even small shares are seen."""
    level = max(least, round(_LEVELS * share**0.6)) if share > faintest else 0
    return (_RIGHT if is_right else _WRONG), level


def _draw_counts(svg: Svg, left: float, top: float, cell: float, counts: Matrix) -> None:
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            size = next((size for size in (14, 12, 10, 8) if text_width(f"{count:,}", size) <= cell - 2), 0)
            if count and size:
                place = left + (x + 0.5) * cell, top + (y + 0.5) * cell + 0.36 * size
                svg.text(*place, f"{count:,}", size=size, anchor="middle")


def _draw_scale(svg: Svg, x: float, y: float, height: float) -> None:
    step = height / 10
    for place, style in enumerate((_RIGHT, _WRONG)):
        for number in range(10):
            share = 1 - (number + 0.5) / 10
            svg.rect(x + 16 * place, y + number * step, 14, step, style=style, fill_opacity=share**0.6)
    for words, along in (("100%", 0.0), ("of row", 0.5), ("0%", 1.0)):
        svg.text(x + 36, y + along * height + 5, words, size=12, style="faint")
