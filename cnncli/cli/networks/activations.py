"""The activations of a network as text and as JSON."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.cli.networks.layers import size_sum
from cnncli.files.matrices import format_matrix
from cnncli.filters.explaining.terms import side_by_side
from cnncli.models.activations.arithmetic import Worked
from cnncli.models.activations.forward import INPUT, Forward, LayerOutput
from cnncli.models.activations.numbers import as_text, plain
from cnncli.networks.layers import Activation, Add
from cnncli.shapes import show_shape

MOST_ROWS, MOST_COLUMNS, MOST_CHANNELS, MOST_NUMBERS = 10, 10, 6, 24
"""What is printed of an output: of a larger one these, and how many there are."""

WIDTH = 100
"""Characters of a line of matrices side by side."""


def forward_lines(found: Forward, layer: str | None = None) -> Iterator[str]:
    """Yield what goes in and what each layer puts out; of one layer alone, in full."""
    if layer is not None:
        for number, one in enumerate(found.of_word(layer)):
            yield from [""] * bool(number)
            yield from _layer_lines(found, one, full=True)
        return
    if found.drawn:
        yield f"drawn at random: {', '.join(found.drawn)}"
        yield ""
    yield f"input  {show_shape(found.input.shape)}{found.note and f'  {found.note}'}"
    yield from _matrices(found.input, full=False)
    for one in found.layers:
        yield ""
        yield from _layer_lines(found, one, full=False)


def _layer_lines(found: Forward, one: LayerOutput, *, full: bool) -> Iterator[str]:
    shapes = dict.fromkeys(map(show_shape, (one.input_shape, one.numbers.shape)))
    yield f"{one.name}  {_said(found, one)}  {' -> '.join(shapes)}"
    if size := _size(one):
        yield f"size: {size}"
    if isinstance(one.layer, Add) and one.layer.rectifies:
        yield f"z = {' + '.join(one.inputs)}"
        yield from _matrices(sum(map(found.numbers, one.inputs), np.zeros(1)), full=full)
        yield "a = relu(z)"
    yield from _matrices(one.numbers, full=full)


def _said(found: Forward, one: LayerOutput) -> str:
    """Return what a layer does: its word, with z for what an activation takes."""
    if isinstance(one.layer, Activation):
        return f"a = {one.layer}({'z' if one.inputs[0] != INPUT else 'x'})"
    if any(isinstance(other.layer, Activation) and other.inputs == (one.name,) for other in found.layers):
        return f"z = {one.layer.label}"
    return " of ".join([one.layer.label, *([", ".join(one.inputs)] if len(one.inputs) > 1 else [])])


def _size(one: LayerOutput) -> str:
    """Return the size of the output as a formula with its numbers; empty for a layer without a window."""
    filters = one.layer.filter_shape(one.input_shape) if len(one.input_shape) == 3 else None
    if filters is None:
        return ""
    return size_sum(filters, one.input_shape, one.numbers.shape, transposed=one.layer.transposed)


def _matrices(numbers: Array, *, full: bool) -> Iterator[str]:
    """Yield numbers as matrices, one a channel, beside each other where there is room; a vector as a row."""
    whole = as_text(numbers)
    if whole.ndim == 1 or whole.shape[:2] == (1, 1):
        yield from _vector(whole.reshape(-1), full=full)
        return
    height, width, channels = whole.shape
    rows, columns, planes = whole.shape if full else (MOST_ROWS, MOST_COLUMNS, MOST_CHANNELS)
    blocks = [
        (f"channel {channel}", _cells(whole[..., channel], rows, columns)) for channel in range(min(channels, planes))
    ]
    if channels == 1:
        yield from format_matrix(blocks[0][1], str).splitlines()
    else:
        yield from _beside(blocks)
    left = [f"{channels} channels"] if channels > planes else []
    left += [f"{height}x{width}"] if height > rows or width > columns else []
    if left:
        yield f"(shortened: {', '.join(left)}; --layer prints all)"


def _cells(plane: Array, rows: int, columns: int) -> list[list[str]]:
    """Return a plane as text, its first rows and columns and dots for the others."""
    more = ["..."] if plane.shape[1] > columns else []
    cells = [[*map(plain, row), *more] for row in plane[:rows, :columns].tolist()]
    return [*cells, ["..."] * len(cells[0])] if len(plane) > rows else cells


def _beside(blocks: list[tuple[str, list[list[str]]]]) -> Iterator[str]:
    """Yield blocks side by side, as many as a line holds, and the others below."""
    widths = [max(len(title), *map(len, format_matrix(cells, str).splitlines())) + 3 for title, cells in blocks]
    while blocks:
        count = max(1, sum(sum(widths[: number + 1]) <= WIDTH for number in range(len(widths))))
        yield from side_by_side(*blocks[:count])
        blocks, widths = blocks[count:], widths[count:]


def _vector(numbers: Array, *, full: bool) -> Iterator[str]:
    shown = numbers if full else numbers[:MOST_NUMBERS]
    words = [*map(plain, shown.tolist())]
    width = max(map(len, words)) + 1
    each = max(1, WIDTH // width)
    rows = [words[start : start + each] for start in range(0, len(words), each)]
    yield from (" ".join(row) if len(rows) == 1 else "".join(word.rjust(width) for word in row) for row in rows)
    if len(shown) < len(numbers):
        yield f"(shortened: {len(numbers)} numbers; --layer prints all)"


def forward_facts(found: Forward, layer: str | None = None, worked: Worked | None = None) -> dict[str, Any]:
    """Return a forward pass, one layer of it, or the arithmetic of one number, for JSON."""
    facts: dict[str, Any] = {"network": str(found.network), "drawn": found.drawn}
    if worked is not None:
        own = {"layer": worked.name, "place": worked.place, "value": worked.value, "lines": worked.lines}
        return facts | {"explained": own}
    outputs = found.layers if layer is None else found.of_word(layer)
    layers = [
        {
            "name": one.name,
            "word": one.layer.label,
            "inputs": one.inputs,
            "input_shape": one.input_shape,
            "output_shape": one.numbers.shape,
            "size": _size(one) or None,
            "activations": one.numbers.tolist(),
        }
        for one in outputs
    ]
    return facts | {"input": found.input.tolist(), "layers": layers, "output": found.output.tolist()}
