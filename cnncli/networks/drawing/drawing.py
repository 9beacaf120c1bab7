"""A network as a drawing, in one of several styles."""

from collections.abc import Sequence
from pathlib import Path

from cnncli.choices import DRAWING_STYLES, check_choice
from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.theme import Theme
from cnncli.errors import ArgumentError
from cnncli.networks.drawing.boxes import KINDS, Boxes, fill_of
from cnncli.networks.drawing.fields import Sight, sight
from cnncli.networks.drawing.layout import sequence
from cnncli.networks.drawing.naming import find_layers
from cnncli.networks.drawing.page import MARGIN, page
from cnncli.networks.drawing.table import Table
from cnncli.networks.drawing.tree import Item, Repeat, tree
from cnncli.networks.drawing.volumes import Key, Scale, Volumes
from cnncli.networks.layers import BLOCKS, LAYERS
from cnncli.networks.loading import load_network
from cnncli.networks.network import Network
from cnncli.networks.summary import IDENTITY, Row, Summary, are_layers

WIDTHS = range(320, 20_001)
DEEP, LARGE_MAPS, SMALL_MAPS = 60, 96.0, 64.0
"""Layers from which on maps are drawn smaller, and the pixels of the largest edge."""


def draw_network(
    network: str | Path | Network | Summary,
    *,
    style: str = "volumes",
    unfold: bool = False,
    highlight: Sequence[str] = (),
    receptive_field: str | None = None,
    theme: str = "auto",
    width: int = 1000,
) -> Svg:
    """Return a drawing of a network, in which every number is its summary's.

    Args:
        network: a network, its summary (`summarize_network` reads model files), or its name, TOML file or text.
        style: `volumes` (maps as bodies to scale), `boxes` (a box for each layer) or `table`.
        unfold: draw each of the layers and blocks that repeat.
        highlight: layers, by name (`0.conv`) or word (`conv3-64`).
        receptive_field: `LAYER:X,Y`, a unit whose part of the input, and of the maps between, is drawn.
        theme: `auto` (as the viewer's), `light` or `dark`.
        width: pixels; a network that is longer goes on in the next row.

    Raises:
        ArgumentError: a style, theme, layer or unit that there is not.

    Example:
        >>> drawing = draw_network("6x6x3 conv3-10,relu")
        >>> [label.text for label in drawing.labels if label.text.endswith("params")]
        ['280 params']
    """
    check_choice("style", style, DRAWING_STYLES)
    colours = Theme.of(theme)
    if width not in WIDTHS:
        raise ArgumentError(f"width must be from {WIDTHS.start} to {WIDTHS.stop - 1} pixels, got {width}")
    loaded = network if isinstance(network, Network | Summary) else load_network(network)
    summary = loaded.summary() if isinstance(loaded, Network) else loaded
    if not summary.name and not summary.title:
        summary = summary._replace(name=str(loaded) if isinstance(loaded, Network) else "")
    marked = {row.name for word in highlight for row in find_layers(summary, word)}
    seen = None if receptive_field is None else sight(summary, receptive_field)
    items = tree(summary.rows, marked | ({seen.row.name} if seen else set()), fold=not unfold)
    known = any(shape is not None for shape in (summary.input_shape, *(row.output_shape for row in summary.rows)))
    make = _table if style == "table" or not known else _diagram
    return make(summary, items, style, seen, width=width, theme=colours)


def _diagram(
    summary: Summary, items: Sequence[Item], style: str, seen: Sight | None, *, width: float, theme: Theme
) -> Svg:
    """Return the drawing of the styles whose layers follow each other along arrows."""
    regions = {} if seen is None else seen.regions
    volumes = style == "volumes"
    scale = Scale.of(summary, SMALL_MAPS if len(summary.rows) > DEEP else LARGE_MAPS)
    maker = Volumes(scale, regions) if volumes else Boxes(regions)
    body = sequence(items, maker, width - 2 * MARGIN, [maker.start(summary)])
    notes = [*_notes(summary, items, len(body.rows)), *([str(seen)] if seen else ())]

    def draw(svg: Svg, x: float, y: float) -> None:
        body.draw(svg, x, y + body.above)

    size = body.width, body.above + body.below
    return page(
        summary, draw, size, notes, _swatches(summary.rows), key=Key if volumes else None, width=width, theme=theme
    )


def _table(
    summary: Summary, items: Sequence[Item], style: str, seen: Sight | None, *, width: float, theme: Theme
) -> Svg:
    """Return the drawing of the style `table`."""
    table = Table(summary, items, {} if seen is None else seen.regions, width - 2 * MARGIN)
    notes = [*_notes(summary, items, 1), *([str(seen)] if seen else ())]
    if style != "table":
        notes.append(f"A table, because no shapes are known that {style} could show.")
    return page(summary, table.draw, table.size, notes, _swatches(summary.rows), width=width, theme=theme)


def _swatches(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the fills of a drawing, and what they stand for."""
    layers = zip(rows, are_layers(rows), strict=True)
    fills = {fill_of(row) if leaf else "fill-4" for row, leaf in layers if row.op != IDENTITY}
    return [(fill, word) for fill, word in KINDS.items() if fill in fills]


def _notes(summary: Summary, items: Sequence[Item], rows: int) -> list[str]:
    """Return what a reader must know of a diagram."""
    notes = [f"{rows} rows, to be read one after the other from left to right."] if rows > 1 else []
    if _repeats(items):
        notes.append(
            "2x, 3x: so many times one after the other, drawn once. Numbers are those of each; where they differ, "
            "those of the first and the last."
        )
    if any(row.op == "res" for row in summary.rows):
        notes.append("res: relu(main + shortcut).")
    if any(row.op not in {*LAYERS, *BLOCKS, IDENTITY} for row in summary.rows):
        notes.append("Layers in the order of the file; this drawing does not know which of them feed which.")
    return [*notes, *map(str, summary.omissions)]


def _repeats(items: Sequence[Item]) -> bool:
    return any(isinstance(item, Repeat) or any(_repeats(path.items) for path in item.paths) for item in items)
