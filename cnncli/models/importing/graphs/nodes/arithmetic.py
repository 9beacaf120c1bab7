"""Sums, products and quotients, with constants and of tensors; powers; and tensors side by side."""

from collections.abc import Callable
from functools import partial

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs import pieces
from cnncli.models.importing.graphs.nodes.base import Translator, need
from cnncli.models.importing.graphs.pieces import Fragment
from cnncli.models.importing.graphs.translation import Translation, Volume, joined_places
from cnncli.models.importing.graphs.views import is_same, ordered
from cnncli.shapes import Shape


def _with_constant(t: Translation) -> tuple[Volume, Array, int] | None:
    """Return the input that depends on the picture, the other one and its index; None if both depend on it."""
    for index in (0, 1):
        if t.has_numbers(index):
            volume = t.whole(t.data(1 - index, merged=True))
            return volume, t.per_channel(volume, t.numbers(index).astype(np.float64)), index
    return None


def _arithmetic(t: Translation) -> None:
    op, found = t.step.op, _with_constant(t)
    need(t.step.call.node.attributes.get("broadcast") is None, "is of an opset before 7")
    if found is None:
        OF_TWO[op](t)
        return
    volume, number, index = found
    need(not (op == "Div" and index == 0), "divides by what depends on the picture")
    if op in ("Add", "Sub"):
        scale, shift = (1.0, -number) if (op, index) == ("Sub", 1) else (1.0, number)
        x = t.affine(volume.piece, -scale if (op, index) == ("Sub", 0) else scale, shift)
    else:
        with np.errstate(all="ignore"):
            x = t.affine(volume.piece, 1 / number if op == "Div" else number)
    t.give(volume._replace(piece=x))


def _alike(t: Translation) -> tuple[list[int], Callable[[int], Volume]]:
    """Return the inputs of a node in one layout, and what makes a tensor of that layout of a piece."""
    volumes = [t.as_row(t.whole(t.data(index))) for index in range(len(t.step.call.inputs))]
    first, inputs = volumes[0].places, [each.piece for each in volumes]
    if all(each.places is not None and t.is_channels_last(each) for each in volumes):
        return inputs, lambda x: Volume(x, ordered(t.pieces[x].shape))
    alike = len({t.shape(each) for each in volumes}) == 1
    if first is not None and alike and all(each.places is not None and is_same(each.places, first) for each in volumes):
        return inputs, lambda x: Volume(x, first)
    if all(each.places is None for each in volumes):
        return inputs, Volume
    return [t.picture(index) for index in range(len(volumes))], Volume


def _add(t: Translation) -> None:
    inputs, as_volume = _alike(t)
    total = inputs[0]
    for other in inputs[1:]:
        need(t.pieces[total].shape == t.pieces[other].shape, "adds tensors of different shapes")
        total = t.add(Fragment(pieces.ADD), total, other)
    t.give(as_volume(total))


def _subtract(t: Translation) -> None:
    inputs, as_volume = _alike(t)
    shape = _common_shape(t, inputs)
    t.give(as_volume(t.add(Fragment(pieces.ADD), inputs[0], t.affine(inputs[1], -1.0), shape=shape)))


def _of_two(kind: str, t: Translation) -> None:
    inputs, as_volume = _alike(t)
    if kind == pieces.MUL and inputs[0] == inputs[1]:
        x = t.add(Fragment(pieces.POWER, value=2), inputs[0])
    else:
        x = t.add(Fragment(kind), *inputs, shape=_common_shape(t, inputs))
    t.give(as_volume(x))


def _common_shape(t: Translation, inputs: list[int]) -> Shape:
    shapes = [t.pieces[each].shape for each in inputs]
    need(len({len(shape) for shape in shapes}) == 1, "combines tensors of different rank")
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))


def _power(t: Translation) -> None:
    exponent = 0.5 if t.step.op == "Sqrt" else float(t.numbers(1).reshape(()))
    volume = t.whole(t.data())
    t.give(volume._replace(piece=t.add(Fragment(pieces.POWER, value=exponent), volume.piece)))


def _concat(t: Translation) -> None:
    count = len(t.step.call.inputs)
    volumes = [t.as_row(t.whole(t.data(index))) for index in range(count)]
    shapes = [t.shape(each) for each in volumes]
    need(len({shape[:-1] for shape in shapes}) == 1, "joins pictures of different sizes")
    rank = len(t.step.outputs[0].shape or ())
    axis = t.step.call.integer("axis", 0) % max(1, rank)
    need(axis > 0, "joins batches")
    shape = (*shapes[0][:-1], sum(each[-1] for each in shapes))
    inputs = [each.piece for each in volumes]
    x = inputs[0] if count == 1 else t.add(Fragment(pieces.CAT), *inputs, shape=shape)
    if axis == 1 and all(each.places is None for each in volumes):
        return t.give(Volume(x))
    places = joined_places([t.places(each) for each in volumes], [each[-1] for each in shapes], axis - 1)
    return t.give(t.viewed(x, places))


def _negative(t: Translation) -> None:
    volume = t.whole(t.data())
    t.give(volume._replace(piece=t.affine(volume.piece, -1.0)))


OF_TWO: dict[str, Translator] = {
    "Add": _add,
    "Sub": _subtract,
    "Mul": partial(_of_two, pieces.MUL),
    "Div": partial(_of_two, pieces.DIV),
}
"""The translators of arithmetic where both inputs depend on the picture."""

TRANSLATORS: dict[str, Translator] = {
    **dict.fromkeys(OF_TWO, _arithmetic),
    "Sum": _add,
    "Neg": _negative,
    **dict.fromkeys(("Pow", "Sqrt"), _power),
    "Concat": _concat,
}
