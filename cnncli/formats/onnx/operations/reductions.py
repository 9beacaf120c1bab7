"""Several numbers in, one number out; and what is sorted, chosen or found among them."""

from collections.abc import Callable
from itertools import product
from math import prod, sqrt

from cnncli.errors import ModelError
from cnncli.formats.files import dimension
from cnncli.formats.onnx.operations.base import Call, Result, Unsettled, operation
from cnncli.formats.onnx.tensors import Values, groups
from cnncli.formats.tensor_shapes import Dimensions, Number, axis_index

COMPUTED: dict[str, Callable[[Values], Number]] = {
    "ReduceProd": prod,
    "ReduceSum": sum,
    "ReduceMin": min,
    "ReduceMax": max,
    "ReduceMean": lambda values: sum(values) / len(values),
    "ReduceL1": lambda values: sum(map(abs, values)),
    "ReduceL2": lambda values: sqrt(sum(value * value for value in values)),
    "ReduceSumSquare": lambda values: sum(value * value for value in values),
    "ArgMax": lambda values: values.index(max(values)),
    "ArgMin": lambda values: values.index(min(values)),
}
"""What is computed of settled numbers."""


@operation(
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum"),
    *("ReduceLogSumExp", "ReduceSumSquare"),
)
def _reduce(call: Call) -> Result:
    shape = call.shape()
    axes = call.integers("axes", 1)
    if not axes and call.integer("noop_with_empty_axes", 0):
        return Result((shape,), (call.tensor(0).values,))
    gone = set(range(len(shape))) if not axes else {axis_index(axis, len(shape)) for axis in axes}
    return _reduced(call, shape, gone)


@operation("ArgMax", "ArgMin")
def _position(call: Call) -> Result:
    shape = call.shape()
    return _reduced(call, shape, {axis_index(call.integer("axis", 0), len(shape))})


def _reduced(call: Call, shape: Dimensions, gone: set[int]) -> Result:
    keep = bool(call.integer("keepdims", 1))
    result = tuple(1 if index in gone else size for index, size in enumerate(shape) if keep or index not in gone)
    function, found = COMPUTED.get(call.node.op), groups(call.tensor(0).values, shape, gone)
    return Result((result,), (tuple(map(function, found)) if function and found else None,), keeps_layout=keep)


@operation("TopK")
def _largest(call: Call) -> Result:
    shape = call.shape()
    count = call.settled(1)[0] if call.has(1) else call.integer("k", 0)
    axis = axis_index(call.integer("axis", -1), len(shape))
    if dimension(count, "its k") > shape[axis]:
        raise ModelError(f"asks for {count} of {shape[axis]} numbers")
    result = (*shape[:axis], count, *shape[axis + 1 :])
    values = call.tensor(0).values
    if values is None or len(shape) != 1:
        return Result((result, result))
    sign = -1 if call.integer("largest", 1) else 1
    places = sorted(range(len(values)), key=lambda at: (sign * values[at], at))[:count]
    return Result((result, result), (tuple(values[at] for at in places), tuple(places)))


@operation("NonZero")
def _places(call: Call) -> Result:
    """The indices of what is not 0, an axis a row: how many there are, only the numbers tell."""
    shape, values = call.shape(), call.tensor(0).values
    if values is None:
        raise Unsettled
    found = [place for place, value in zip(product(*map(range, shape)), values, strict=True) if value]
    return Result(((len(shape), len(found)),), (tuple(place[axis] for axis in range(len(shape)) for place in found),))


@operation("NonMaxSuppression", "Unique", "Compress")
def _as_many_as_found(call: Call) -> Result:
    raise Unsettled
