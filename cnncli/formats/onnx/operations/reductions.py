"""Reductions of several numbers to one, and sorting and searching."""

from collections.abc import Callable
from functools import partial
from itertools import product
from math import prod, sqrt

from cnncli.errors import ModelError
from cnncli.formats.files import dimension
from cnncli.formats.onnx.graph import Number
from cnncli.formats.onnx.operations.base import OPERATIONS, Call, Operation, Outcome, UnknownShape, operation
from cnncli.formats.onnx.tensors import Values, groups
from cnncli.formats.tensor_shapes import Dimensions, axis_index

Reduction = Callable[[Values], Number] | None


def _reduce(function: Reduction, call: Call) -> Outcome:
    shape = call.shape()
    axes = call.integers("axes", 1)
    if not axes and call.integer("noop_with_empty_axes", 0):
        return Outcome((shape,), (call.tensor(0).values,))
    gone = set(range(len(shape))) if not axes else {axis_index(axis, len(shape)) for axis in axes}
    return _reduced(function, call, shape, gone)


def _position(function: Reduction, call: Call) -> Outcome:
    shape = call.shape()
    return _reduced(function, call, shape, {axis_index(call.integer("axis", 0), len(shape))})


def _reduced(function: Reduction, call: Call, shape: Dimensions, gone: set[int]) -> Outcome:
    keep = bool(call.integer("keepdims", 1))
    result = tuple(1 if index in gone else size for index, size in enumerate(shape) if keep or index not in gone)
    found = groups(call.tensor(0).values, shape, gone)
    return Outcome((result,), (tuple(map(function, found)) if function and found else None,), keeps_layout=keep)


def _of(function: Reduction) -> Operation:
    return Operation(partial(_reduce, function))


OPERATIONS |= {
    "ReduceProd": _of(prod),
    "ReduceSum": _of(sum),
    "ReduceMin": _of(min),
    "ReduceMax": _of(max),
    "ReduceMean": _of(lambda values: sum(values) / len(values)),
    "ReduceL1": _of(lambda values: sum(map(abs, values))),
    "ReduceL2": _of(lambda values: sqrt(sum(value * value for value in values))),
    "ReduceSumSquare": _of(lambda values: sum(value * value for value in values)),
    "ReduceLogSum": _of(None),
    "ReduceLogSumExp": _of(None),
    "ArgMax": Operation(partial(_position, lambda values: values.index(max(values)))),
    "ArgMin": Operation(partial(_position, lambda values: values.index(min(values)))),
}


@operation("TopK")
def _largest(call: Call) -> Outcome:
    shape = call.shape()
    count = call.known_integers(1)[0] if call.has(1) else call.integer("k", 0)
    axis = axis_index(call.integer("axis", -1), len(shape))
    if dimension(count, "its k") > shape[axis]:
        raise ModelError(f"asks for {count} of {shape[axis]} numbers")
    result = (*shape[:axis], count, *shape[axis + 1 :])
    values = call.tensor(0).values
    if values is None or len(shape) != 1:
        return Outcome((result, result))
    sign = -1 if call.integer("largest", 1) else 1
    places = sorted(range(len(values)), key=lambda at: (sign * values[at], at))[:count]
    return Outcome((result, result), (tuple(values[at] for at in places), tuple(places)))


@operation("NonZero", facts=Operation(fresh=True))
def _places(call: Call) -> Outcome:
    """Return the indices of non-zero numbers, an axis a row; only the numbers tell how many there are."""
    shape, values = call.shape(), call.tensor(0).values
    if values is None:
        raise UnknownShape
    found = [place for place, value in zip(product(*map(range, shape)), values, strict=True) if value]
    return Outcome(((len(shape), len(found)),), (tuple(place[axis] for axis in range(len(shape)) for place in found),))


@operation("NonMaxSuppression", facts=Operation(settings=(2, 3, 4)))
@operation("Unique", "Compress")
def _as_many_as_found(call: Call) -> Outcome:
    raise UnknownShape
