"""Operations that move, repeat or join numbers, and those that make tensors out of shapes."""

from itertools import product
from math import floor, isfinite, prod

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_DIMENSION, dimension, dimensions
from cnncli.formats.onnx.graph import Constant
from cnncli.formats.onnx.operations.base import Call, Result, Unsettled, operation
from cnncli.formats.onnx.operations.windows import picture
from cnncli.formats.onnx.tensors import Values, picked, spread, strides
from cnncli.formats.tensor_shapes import (
    MAX_VALUES,
    Dimensions,
    Number,
    axis_index,
    broadcast,
    concatenated,
    reshaped,
    written,
)

Picks = list[range]


def _whole(shape: Dimensions) -> Picks:
    return [range(size) for size in shape]


def _part(call: Call, picks: Picks) -> tuple[Dimensions, Values | None]:
    """Return the shape and the numbers of a part of the first input."""
    tensor = call.tensor(0)
    return tuple(map(len, picks)), picked(tensor.values, tensor.shape or (), picks)


@operation("Concat")
def _concat(call: Call) -> Result:
    shapes = [call.shape(index) for index in range(max(1, len(call.inputs)))]
    axis = call.integer("axis", 0)
    shape, known = concatenated(shapes, axis), call.known()
    if known is None or prod(shape) > MAX_VALUES:
        return Result((shape,))
    outer = prod(shape[: axis_index(axis, len(shape))])
    runs = [
        part[index * len(part) // outer : (index + 1) * len(part) // outer] for index in range(outer) for part in known
    ]
    return Result((shape,), (tuple(value for run in runs for value in run),))


@operation("Split")
def _split(call: Call) -> Result:
    shape = call.shape()
    axis = axis_index(call.integer("axis", 0), len(shape))
    count = max(1, len(call.node.outputs))
    even = -(-shape[axis] // count)
    sizes = call.integers("split", 1) or (*(even,) * (count - 1), shape[axis] - even * (count - 1))
    if sum(sizes) != shape[axis] or min(sizes) < 0 or len(sizes) != count:
        raise ModelError(f"cannot split {written(shape)} along axis {axis} into {written(sizes[:8])}")
    starts = [sum(sizes[:index]) for index in range(count)] if count <= MAX_VALUES else [0] * count
    parts = [
        _part(call, [*_whole(shape[:axis]), range(start, start + size), *_whole(shape[axis + 1 :])])
        for start, size in zip(starts, sizes, strict=True)
    ]
    return Result(tuple(part for part, _ in parts), tuple(values for _, values in parts))


@operation("Flatten")
def _flatten(call: Call) -> Result:
    shape = call.shape()
    axis = call.integer("axis", 1)
    at = len(shape) if axis == len(shape) else axis_index(axis, max(1, len(shape)))
    result = (prod(shape[:at]), prod(shape[at:]))
    return Result((result,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Reshape")
def _reshape(call: Call) -> Result:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    shape = reshaped(call.shape(), target, keep_zeros=bool(call.integer("allowzero", 0)))
    return Result((shape,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Transpose")
def _transpose(call: Call) -> Result:
    shape = call.shape()
    order = call.integers("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise ModelError(f"cannot reorder {written(shape)} by {order[:8]}")
    tensor = call.tensor(0)
    channels_last = order == (0, 2, 3, 1) or (tensor.channels_last and order == (0, 1, 2, 3))
    values = picked(tensor.values, shape, _whole(shape), order)
    result = tuple(shape[axis] for axis in order)
    return Result((result,), (values,), keeps_layout=False, channels_last=channels_last)


@operation("Squeeze")
def _squeeze(call: Call) -> Result:
    shape = call.shape()
    axes = call.integers("axes", 1)
    gone = {index for index, size in enumerate(shape) if size == 1}
    if axes is not None:
        asked = {axis_index(axis, len(shape)) for axis in axes}
        if asked - gone:
            raise ModelError(f"cannot drop the dimensions {sorted(asked)} of {written(shape)}: not all are 1")
        gone = asked
    kept = tuple(size for index, size in enumerate(shape) if index not in gone)
    return Result((kept,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Unsqueeze")
def _unsqueeze(call: Call) -> Result:
    shape, axes = call.shape(), call.integers("axes", 1)
    if axes is None:
        raise ModelError("has no axes")
    rank = len(shape) + len(axes)
    new = {axis_index(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise ModelError(f"its axes {axes[:8]} are not all different")
    rest = iter(shape)
    result = dimensions([1 if index in new else next(rest) for index in range(rank)], "the new shape")
    return Result((result,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Gather")
def _gather(call: Call) -> Result:
    shape, indices = call.shape(0), call.shape(1)
    axis = axis_index(call.integer("axis", 0), len(shape))
    result = dimensions((*shape[:axis], *indices, *shape[axis + 1 :]), "the output")
    tensor, places = call.tensor(0), call.tensor(1).integers
    if tensor.values is None or places is None:
        return Result((result,), keeps_layout=False)
    along = [axis_index(place, shape[axis]) for place in places]
    picks = [*_whole(shape[:axis]), along, *_whole(shape[axis + 1 :])]
    return Result((result,), (picked(tensor.values, shape, picks),), keeps_layout=False)


@operation("GatherND")
def _gather_places(call: Call) -> Result:
    shape, indices = call.shape(0), call.shape(1)
    batch = call.integer("batch_dims", 0)
    if not indices or indices[-1] + batch > len(shape):
        raise ModelError(f"its indices {written(indices)} do not fit {written(shape)}")
    rest = shape[batch + indices[-1] :]
    result = dimensions((*indices[:-1], *rest), "the output")
    values, places = call.tensor(0).values, call.tensor(1).integers
    if values is None or places is None or batch or prod(result) > MAX_VALUES:
        return Result((result,), keeps_layout=False)
    size = prod(rest)
    starts = [start * size for start in _starts(shape, indices, places)]
    return Result((result,), (tuple(values[at] for start in starts for at in range(start, start + size)),))


def _starts(shape: Dimensions, indices: Dimensions, places: Dimensions) -> list[int]:
    """Return which of the parts of a tensor, in C order, each row of indices means."""
    known = shape[: indices[-1]]
    steps = strides(known)
    return [
        sum(axis_index(places[row + at], size) * steps[at] for at, size in enumerate(known))
        for row in range(0, len(places), max(1, len(known)))
    ]


@operation("GatherElements")
def _gather_elements(call: Call) -> Result:
    return Result((call.shape(1),))


@operation("ScatterND")
def _scatter_places(call: Call) -> Result:
    """Replace parts of a tensor, as an assignment to a slice does."""
    shape, indices = call.shape(0), call.shape(1)
    known, places = call.known(), call.tensor(1).integers
    if not indices or indices[-1] > len(shape):
        raise ModelError(f"its indices {written(indices)} do not fit {written(shape)}")
    plain = call.node.attributes.get("reduction") in (None, "none")
    if known is None or places is None or not plain:
        return Result((shape,))
    result, updates, size = list(known[0]), known[2], prod(shape[indices[-1] :])
    starts = _starts(shape, indices, places)
    if len(updates) != len(starts) * size:
        raise ModelError(f"{len(updates)} updates do not fit {len(starts)} places of {size} numbers")
    for number, start in enumerate(starts):
        result[start * size : (start + 1) * size] = updates[number * size : (number + 1) * size]
    return Result((shape,), (tuple(result),))


@operation("ScatterElements", "Scatter")
def _scatter(call: Call) -> Result:
    return Result((call.shape(),))


@operation("Slice")
def _slice(call: Call) -> Result:
    shape = call.shape()
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise ModelError("has no starts and ends that belong together")
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    if len(axes) != len(starts) or len(steps) != len(starts):
        raise ModelError("its starts, axes and steps differ in number")
    picks = _whole(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise ModelError("a slice has a step of 0")
        at = axis_index(axis, len(shape))
        picks[at] = range(*slice(start, end, step).indices(shape[at]))
    result, values = _part(call, picks)
    return Result((result,), (values,))


@operation("Pad")
def _pad(call: Call) -> Result:
    shape = call.shape()
    pads = call.integers("pads", 1)
    axes = call.integers("axes", 3) or tuple(range(len(shape)))
    if pads is None or len(pads) != 2 * len(axes):
        raise ModelError(f"its pads do not fit {written(shape)}")
    result = list(shape)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        result[axis_index(axis, len(shape))] += before + after
    return Result((dimensions(result, "the padded tensor"),))


@operation("CenterCropPad")
def _center(call: Call) -> Result:
    shape, sizes = list(call.shape()), call.settled(1)
    for axis, size in zip(call.integers("axes") or range(len(shape)), sizes, strict=False):
        shape[axis_index(axis, len(shape))] = size
    return Result((dimensions(shape, "the output"),))


@operation("Expand")
def _expand(call: Call) -> Result:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    own = call.shape()
    shape = broadcast([own, dimensions(target, "the new shape")])
    return Result((shape,), (spread(call.tensor(0).values, own, shape),))


@operation("Tile")
def _tile(call: Call) -> Result:
    shape, repeats = call.shape(), call.integers("repeats", 1)
    if repeats is None or len(repeats) != len(shape):
        raise ModelError(f"its repeats do not fit {written(shape)}")
    result = dimensions([size * times for size, times in zip(shape, repeats, strict=True)], "the output")
    values = call.tensor(0).values
    if values is not None and prod(result) <= MAX_VALUES:
        picks = [[at % size for at in range(size * times)] for size, times in zip(shape, repeats, strict=True)]
        values = picked(values, shape, picks)
    return Result((result,), (values if prod(result) <= MAX_VALUES else None,))


@operation("Shape")
def _shape(call: Call) -> Result:
    shape = call.shape()
    end = call.node.attributes.get("end")
    values = shape[call.integer("start", 0) : end if isinstance(end, int) else None]
    return Result(((len(values),),), (values,), keeps_layout=False)


@operation("Size")
def _size(call: Call) -> Result:
    return Result(((),), ((prod(call.shape()),),), keeps_layout=False)


@operation("ConstantOfShape")
def _constant_of_shape(call: Call) -> Result:
    shape = dimensions(call.settled(0), "the new tensor")
    value = call.node.attributes.get("value")
    number = value.values[0] if isinstance(value, Constant) and value.values else 0.0
    return Result((shape,), (_filled(number, shape),), keeps_layout=False)


def _filled(number: Number, shape: Dimensions) -> Values | None:
    return (number,) * prod(shape) if prod(shape) <= MAX_VALUES else None


@operation("EyeLike")
def _identity_matrix(call: Call) -> Result:
    shape, diagonal = call.shape(), call.integer("k", 0)
    if len(shape) != 2 or prod(shape) > MAX_VALUES:
        return Result((shape,))
    return Result((shape,), (tuple(int(b - a == diagonal) for a, b in product(*map(range, shape))),))


@operation("OneHot")
def _one_hot(call: Call) -> Result:
    shape, depth = call.shape(), call.settled(1)
    axis = axis_index(call.integer("axis", -1), len(shape) + 1)
    return Result((dimensions((*shape[:axis], *depth[:1], *shape[axis:]), "the output"),))


@operation("RandomNormal", "RandomUniform")
def _random(call: Call) -> Result:
    return Result((dimensions(list(call.integers("shape") or ()), "the output"),))


@operation("Range")
def _range(call: Call) -> Result:
    bounds = [call.tensor(index).values for index in range(3)]
    known = [bound[0] for bound in bounds if bound is not None and len(bound) == 1]
    if len(known) < 3:
        raise Unsettled
    start, stop, step = known
    if step == 0:
        raise ModelError("its step is 0")
    if not all(map(isfinite, known)):
        raise Unsettled
    count = dimension(max(0, int(-((start - stop) // step))), "the range")
    values = tuple(start + index * step for index in range(count)) if count <= MAX_VALUES else None
    return Result(((count,),), (values,), keeps_layout=False)


@operation("Resize", "Upsample")
def _resize(call: Call) -> Result:
    shape = call.shape()
    sizes = call.integers("sizes", 3) if call.node.op == "Resize" else None
    if sizes is not None:
        result = dimensions(sizes, "the resized tensor")
    else:
        result = dimensions(_scaled(shape, _scales(call)), "the resized tensor")
    axes = call.integers("axes")
    if axes is not None and len(result) == len(axes):
        at = {axis_index(axis, len(shape)): size for axis, size in zip(axes, result, strict=True)}
        result = tuple(at.get(index, size) for index, size in enumerate(shape))
    if len(result) != len(shape):
        raise ModelError(f"cannot resize {written(shape)} to {written(result)}")
    return Result((result,))


def _scales(call: Call) -> tuple[Number, ...]:
    given = call.node.attributes.get("scales")
    if isinstance(given, list):
        return tuple(given)
    index = 2 if call.node.op == "Resize" and len(call.inputs) > 2 else 1
    values = call.tensor(index).values
    if values is None:
        raise Unsettled
    return values


def _scaled(shape: Dimensions, scales: tuple[Number, ...]) -> list[int]:
    ends = shape[-len(scales) :] if scales else ()
    if len(scales) > len(shape) or not all(isfinite(scale) and 0 <= scale <= MAX_DIMENSION for scale in scales):
        raise ModelError(f"its scales do not fit {written(shape)}")
    return [*shape[: len(shape) - len(ends)], *(floor(size * scale) for size, scale in zip(ends, scales, strict=True))]


@operation("DepthToSpace", "SpaceToDepth")
def _blocks(call: Call) -> Result:
    shape, block = picture(call), call.integer("blocksize", 0)
    down = call.node.op == "SpaceToDepth"
    divided = (*shape[2:],) if down else (shape[1],)
    unit = block if down else block * block
    if len(shape) != 4 or block < 1 or any(size % unit for size in divided):
        raise ModelError(f"its blocks of {block} do not fit {written(shape)}")
    if down:
        return Result(((shape[0], shape[1] * block * block, shape[2] // block, shape[3] // block),))
    return Result(((shape[0], shape[1] // unit, shape[2] * block, shape[3] * block),))


@operation("Constant")
def _constant(call: Call) -> Result:
    for name in ("value", "sparse_value", "value_int", "value_float", "value_ints", "value_floats"):
        value = call.node.attributes.get(name)
        if isinstance(value, Constant):
            return Result((value.shape,), (value.values,))
        if isinstance(value, int | float):
            return Result(((),), ((value,),))
        if isinstance(value, list):
            return Result(((len(value),),), (tuple(value) if len(value) <= MAX_VALUES else None,))
    raise Unsettled
