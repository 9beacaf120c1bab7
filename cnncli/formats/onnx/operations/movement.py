"""Operations that move, repeat or join numbers."""

from collections.abc import Sequence
from functools import partial
from math import floor, isfinite, prod

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_DIMENSION, dimensions
from cnncli.formats.onnx.graph import MAX_VALUES
from cnncli.formats.onnx.operations.base import Call, Operation, Outcome, UnknownShape, operation
from cnncli.formats.onnx.operations.windows import image_shape
from cnncli.formats.onnx.tensors import Values, picked, spread, strides
from cnncli.formats.tensor_shapes import Dimensions, axis_index, broadcast, concatenated, reshaped, written
from cnncli.networks.layers import Flatten, Layer, Upsampling
from cnncli.networks.layers.rearranging import DepthToSpace

Picks = list[range]


def _whole(shape: Dimensions) -> Picks:
    return [range(size) for size in shape]


def _part(call: Call, picks: Picks) -> tuple[Dimensions, Values | None]:
    """Return the shape and the numbers of a part of the first input."""
    tensor = call.tensor(0)
    return tuple(map(len, picks)), picked(tensor.values, tensor.shape or (), picks)


@operation("Concat")
def _concat(call: Call) -> Outcome:
    shapes = [call.shape(index) for index in range(max(1, len(call.inputs)))]
    axis = call.integer("axis", 0)
    shape, known = concatenated(shapes, axis), call.known()
    if known is None or prod(shape) > MAX_VALUES:
        return Outcome((shape,))
    outer = prod(shape[: axis_index(axis, len(shape))])
    runs = [
        part[index * len(part) // outer : (index + 1) * len(part) // outer] for index in range(outer) for part in known
    ]
    return Outcome((shape,), (tuple(value for run in runs for value in run),))


_PAIRS = tuple(index for index in range(1024) if index < 2 or index % 3 != 2)  # scales and zero points


@operation("com.microsoft.QLinearConcat", facts=Operation(settings=_PAIRS))
def _quantized_concat(call: Call) -> Outcome:
    """Join tensors that each come with a scale and a zero point, after those of the output."""
    shapes = [call.shape(index) for index in range(2, len(call.inputs), 3)]
    if not shapes:
        raise ModelError("has no inputs")
    return Outcome((concatenated(shapes, call.integer("axis", 0)),))


@operation("Split")
def _split(call: Call) -> Outcome:
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
    return Outcome(tuple(part for part, _ in parts), tuple(values for _, values in parts))


def _flatten_layer(call: Call, outcome: Outcome) -> Layer | None:
    before, after = call.shape(), outcome.shape
    return Flatten() if len(before) == 4 and after == (before[0], after[-1]) else None


@operation("Flatten", facts=Operation(layer=_flatten_layer))
def _flatten(call: Call) -> Outcome:
    shape = call.shape()
    axis = call.integer("axis", 1)
    at = len(shape) if axis == len(shape) else axis_index(axis, max(1, len(shape)))
    result = (prod(shape[:at]), prod(shape[at:]))
    return Outcome((result,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Reshape", facts=Operation(layer=_flatten_layer))
def _reshape(call: Call) -> Outcome:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    shape = reshaped(call.shape(), target, keep_zeros=bool(call.integer("allowzero", 0)))
    return Outcome((shape,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Transpose", facts=Operation(passes=True))
def _transpose(call: Call) -> Outcome:
    shape = call.shape()
    order = call.integers("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise ModelError(f"cannot reorder {written(shape)} by {order[:8]}")
    tensor = call.tensor(0)
    channels_last = order == (0, 2, 3, 1) or (tensor.channels_last and order == (0, 1, 2, 3))
    values = picked(tensor.values, shape, _whole(shape), order)
    result = tuple(shape[axis] for axis in order)
    return Outcome((result,), (values,), keeps_layout=False, channels_last=channels_last)


@operation("Squeeze")
def _squeeze(call: Call) -> Outcome:
    shape = call.shape()
    axes = call.integers("axes", 1)
    gone = {index for index, size in enumerate(shape) if size == 1}
    if axes is not None:
        asked = {axis_index(axis, len(shape)) for axis in axes}
        if asked - gone:
            raise ModelError(f"cannot drop the dimensions {sorted(asked)} of {written(shape)}: not all are 1")
        gone = asked
    kept = tuple(size for index, size in enumerate(shape) if index not in gone)
    return Outcome((kept,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Unsqueeze")
def _unsqueeze(call: Call) -> Outcome:
    shape, axes = call.shape(), call.integers("axes", 1)
    if axes is None:
        raise ModelError("has no axes")
    rank = len(shape) + len(axes)
    new = {axis_index(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise ModelError(f"its axes {axes[:8]} are not all different")
    rest = iter(shape)
    result = dimensions([1 if index in new else next(rest) for index in range(rank)], "the new shape")
    return Outcome((result,), (call.tensor(0).values,), keeps_layout=False, in_place=True)


@operation("Gather", facts=Operation(weights=(0,), table=True))
def _gather(call: Call) -> Outcome:
    shape, indices = call.shape(0), call.shape(1)
    axis = axis_index(call.integer("axis", 0), len(shape))
    result = dimensions((*shape[:axis], *indices, *shape[axis + 1 :]), "the output")
    tensor, places = call.tensor(0), call.tensor(1).integers
    if tensor.values is None or places is None:
        return Outcome((result,), keeps_layout=False)
    along = [axis_index(place, shape[axis]) for place in places]
    picks = [*_whole(shape[:axis]), along, *_whole(shape[axis + 1 :])]
    return Outcome((result,), (picked(tensor.values, shape, picks),), keeps_layout=False)


@operation("GatherND")
def _gather_places(call: Call) -> Outcome:
    shape, indices = call.shape(0), call.shape(1)
    batch = call.integer("batch_dims", 0)
    if not indices or indices[-1] + batch > len(shape):
        raise ModelError(f"its indices {written(indices)} do not fit {written(shape)}")
    rest = shape[batch + indices[-1] :]
    result = dimensions((*indices[:-1], *rest), "the output")
    values, places = call.tensor(0).values, call.tensor(1).integers
    if values is None or places is None or batch or prod(result) > MAX_VALUES:
        return Outcome((result,), keeps_layout=False)
    size = prod(rest)
    starts = [start * size for start in _starts(shape, indices, places)]
    return Outcome((result,), (tuple(values[at] for start in starts for at in range(start, start + size)),))


def _starts(shape: Dimensions, indices: Dimensions, places: Dimensions) -> list[int]:
    """Return which of the parts of a tensor, in C order, each row of indices means."""
    known = shape[: indices[-1]]
    steps = strides(known)
    return [
        sum(axis_index(places[row + at], size) * steps[at] for at, size in enumerate(known))
        for row in range(0, len(places), max(1, len(known)))
    ]


operation("GatherElements")(lambda call: Outcome((call.shape(1),)))


@operation("ScatterND")
def _scatter_places(call: Call) -> Outcome:
    """Replace parts of a tensor, as an assignment to a slice does."""
    shape, indices = call.shape(0), call.shape(1)
    known, places = call.known(), call.tensor(1).integers
    if not indices or indices[-1] > len(shape):
        raise ModelError(f"its indices {written(indices)} do not fit {written(shape)}")
    plain = call.node.attributes.get("reduction") in (None, "none")
    if known is None or places is None or not plain:
        return Outcome((shape,))
    result, updates, size = list(known[0]), known[2], prod(shape[indices[-1] :])
    starts = _starts(shape, indices, places)
    if len(updates) != len(starts) * size:
        raise ModelError(f"{len(updates)} updates do not fit {len(starts)} places of {size} numbers")
    for number, start in enumerate(starts):
        result[start * size : (start + 1) * size] = updates[number * size : (number + 1) * size]
    return Outcome((shape,), (tuple(result),))


operation("ScatterElements", "Scatter")(lambda call: Outcome((call.shape(),)))


@operation("Slice")
def _slice(call: Call) -> Outcome:
    shape = call.shape()
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise ModelError("has starts and ends that do not match")
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
    return Outcome((result,), (values,))


@operation("Pad", facts=Operation(settings=(1, 2, 3)))
def _pad(call: Call) -> Outcome:
    shape = call.shape()
    pads = call.integers("pads", 1)
    axes = call.integers("axes", 3) or tuple(range(len(shape)))
    if pads is None or len(pads) != 2 * len(axes):
        raise ModelError(f"its pads do not fit {written(shape)}")
    result = list(shape)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        result[axis_index(axis, len(shape))] += before + after
    return Outcome((dimensions(result, "the padded tensor"),))


@operation("CenterCropPad")
def _center(call: Call) -> Outcome:
    shape, sizes = list(call.shape()), call.known_integers(1)
    for axis, size in zip(call.integers("axes") or range(len(shape)), sizes, strict=False):
        shape[axis_index(axis, len(shape))] = size
    return Outcome((dimensions(shape, "the output"),))


@operation("Expand")
def _expand(call: Call) -> Outcome:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    own = call.shape()
    shape = broadcast([own, dimensions(target, "the new shape")])
    return Outcome((shape,), (spread(call.tensor(0).values, own, shape),))


@operation("Tile")
def _tile(call: Call) -> Outcome:
    shape, repeats = call.shape(), call.integers("repeats", 1)
    if repeats is None or len(repeats) != len(shape):
        raise ModelError(f"its repeats do not fit {written(shape)}")
    result = dimensions([size * times for size, times in zip(shape, repeats, strict=True)], "the output")
    values = call.tensor(0).values
    if values is not None and prod(result) <= MAX_VALUES:
        picks = [[at % size for at in range(size * times)] for size, times in zip(shape, repeats, strict=True)]
        values = picked(values, shape, picks)
    return Outcome((result,), (values if prod(result) <= MAX_VALUES else None,))


def _upsampling(call: Call, outcome: Outcome) -> Layer | None:
    """Return the layer where each side becomes so many times as long, in one of the two ways that it knows."""
    before, after, given = call.shape(), outcome.shape, call.node.attributes
    kind = {"nearest": "nearest", "linear": "bilinear"}.get(str(given.get("mode", "nearest")))
    ways = ("half_pixel", "pytorch_half_pixel", *(("asymmetric",) if kind == "nearest" else ()))
    plain = given.get("coordinate_transformation_mode", "half_pixel") in ways
    if kind is None or not plain or len(before) != 4 or before[:2] != after[:2] or 0 in before:
        return None
    (rows, more), (columns, rest) = map(divmod, after[2:], before[2:])
    exact = not more and not rest and min(rows, columns) > 0
    return Upsampling((rows, columns), kind) if exact else None


@operation("Upsample", facts=Operation(layer=_upsampling, settings=(1,)))
def _upsample(call: Call) -> Outcome:
    return _resized(call, _scaled(call, 1))


@operation("Resize", facts=Operation(layer=_upsampling, settings=(1, 2, 3)))
def _resize(call: Call) -> Outcome:
    sizes = call.integers("sizes", 3)
    return _resized(call, sizes if sizes is not None else _scaled(call, 2 if len(call.inputs) > 2 else 1))


def _resized(call: Call, sizes: Sequence[int]) -> Outcome:
    shape, result = call.shape(), dimensions(sizes, "the resized tensor")
    axes = call.integers("axes")
    if axes is not None and len(result) == len(axes):
        at = {axis_index(axis, len(shape)): size for axis, size in zip(axes, result, strict=True)}
        result = tuple(at.get(index, size) for index, size in enumerate(shape))
    if len(result) != len(shape):
        raise ModelError(f"cannot resize {written(shape)} to {written(result)}")
    return Outcome((result,))


def _scaled(call: Call, index: int) -> list[int]:
    """Return sizes times the scales that an input gives, or an attribute in the oldest files."""
    shape, given = call.shape(), call.node.attributes.get("scales")
    scales = given if isinstance(given, list) else call.tensor(index).values
    if scales is None:
        raise UnknownShape
    ends = shape[-len(scales) :] if scales else ()
    if len(scales) > len(shape) or not all(isfinite(scale) and 0 <= scale <= MAX_DIMENSION for scale in scales):
        raise ModelError(f"its scales do not fit {written(shape)}")
    return [*shape[: len(shape) - len(ends)], *(floor(size * scale) for size, scale in zip(ends, scales, strict=True))]


def _blocks(down: bool, call: Call) -> Outcome:
    shape, block = image_shape(call), call.integer("blocksize", 0)
    unit = block if down else block * block
    if len(shape) != 4 or block < 1 or any(size % unit for size in (shape[2:] if down else shape[1:2])):
        raise ModelError(f"its blocks of {block} do not fit {written(shape)}")
    batch, channels, height, width = shape
    if down:
        return Outcome(((batch, channels * block * block, height // block, width // block),))
    return Outcome(((batch, channels // unit, height * block, width * block),))


def _depth_to_space(call: Call, outcome: Outcome) -> Layer | None:
    return DepthToSpace(call.integer("blocksize", 2)) if call.node.attributes.get("mode") == "CRD" else None


operation("DepthToSpace", facts=Operation(layer=_depth_to_space))(partial(_blocks, False))
operation("SpaceToDepth")(partial(_blocks, True))
