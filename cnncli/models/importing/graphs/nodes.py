"""The translation of each operation: the registry `TRANSLATORS`, by ONNX's names."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.formats.onnx.operations import Call
from cnncli.models.importing.graphs import pieces
from cnncli.models.importing.graphs.pieces import Fragment
from cnncli.models.importing.graphs.translation import Translation, Volume, joined_places
from cnncli.models.importing.graphs.views import MAX_PLACES, is_same, ordered
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Dropout,
    FullyConnected,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    MaxPool,
    PReLU,
    ReLU,
    TransposedConv,
    Upsampling,
    ZeroPad,
)
from cnncli.networks.layers.pointwise import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from cnncli.shapes import Shape

Translator = Callable[[Translation], None]

ROWS = 128
"""Rows of a matrix that are moved at a time: 64 to 256 are alike."""


def _say(condition: bool, obstacle: str) -> None:
    if not condition:
        raise NotANetworkError(obstacle)


def _word(t: Translation, name: str, default: str) -> str:
    return str(t.step.call.node.attributes.get(name, default))


# Windows


def _conv(t: Translation) -> None:
    x, weight = t.picture(), t.numbers(1)
    kernel, stride, padding, dilation = t.step.outcome.slide()
    groups, channels, filters = t.step.call.integer("group", 1), t.pieces[x].shape[2], len(weight)
    arrays: dict[str, Array] = {"weight": weight.transpose(2, 3, 1, 0)}
    bias = t.step.call.has(2)
    if bias:
        arrays["bias"] = t.numbers(2).reshape(-1)
    layer: Layer = Conv(kernel, filters, stride, padding, dilation, groups, bias)
    if groups == channels > 1:
        layer = Depthwise(kernel, filters if filters != channels else None, stride, padding, dilation, bias)
    t.give(Volume(t.add(layer, x, arrays=arrays)))


def _transposed(t: Translation) -> None:
    call, x, weight = t.step.call, t.picture(), t.numbers(1)
    kernel, stride, padding, dilation = t.step.outcome.slide()
    if _word(t, "auto_pad", "NOTSET") not in ("NOTSET", "VALID") or call.integers("output_shape") is not None:
        raise NotANetworkError("has a padding that depends on the output")
    extra = call.integers("output_padding") or (0, 0)
    groups, bias = call.integer("group", 1), call.has(2)
    _, per_group, height, width = weight.shape
    parts = weight.reshape(groups, -1, per_group, height, width).transpose(3, 4, 1, 0, 2)
    arrays: dict[str, Array] = {"weight": parts.reshape(height, width, -1, groups * per_group)}
    if bias:
        arrays["bias"] = t.numbers(2).reshape(-1)
    layer = TransposedConv(kernel, groups * per_group, stride, padding, (extra[0], extra[1]), dilation, groups, bias)
    t.give(Volume(t.add(layer, x, arrays=arrays)))


def _max_pool(t: Translation) -> None:
    x = t.picture()
    t.give(Volume(t.add(MaxPool(*t.step.outcome.slide(), bool(t.step.call.integer("ceil_mode", 0))), x)))


def _average_pool(t: Translation) -> None:
    x, call = t.picture(), t.step.call
    kernel, stride, padding, dilation = t.step.outcome.slide()
    ceil_mode, counted = bool(call.integer("ceil_mode", 0)), bool(call.integer("count_include_pad", 0)) and any(padding)
    _say(dilation == (1, 1), "has dilated means")
    layer = AvgPool(kernel, stride, padding, ceil_mode, counted)
    window = layer.window(t.pieces[x].shape)
    partial_windows = any(
        reach > n + sum(p) for reach, n, p in zip(window.reach, window.size, (padding[:2], padding[2:]), strict=True)
    )
    _say(not (counted and partial_windows), "counts padding in windows that reach beyond it: runtimes differ")
    same = kernel == stride == (1, 1) and not any(padding)
    t.give(Volume(x if same else t.add(layer.replace(ceil_mode=partial_windows), x)))


def _global_pool(layer: Layer, t: Translation) -> None:
    """Translate a pooling of all pixels, whatever the layout: what is left is one number for each channel."""
    call, volume = t.step.call, t.whole(t.data())
    places, (*size, channels) = t.places(volume), t.shape(volume)
    gone = tuple(range(2, places.ndim + 1)) if "Global" in t.step.op else call.integers("axes", 1) or ()
    axes = sorted({axis % (places.ndim + 1) - 1 for axis in gone})
    _say(bool(axes) and axes[0] >= 0 and len(size) == 2, "reduces the batch, or numbers that are no picture")
    kept = [axis for axis in range(places.ndim) if axis not in axes]
    rows = places.transpose(*kept, *axes).reshape(-1, prod(places.shape[axis] for axis in axes)) % channels
    _say(rows.shape[1] == prod(size) and bool((rows == rows[:, :1]).all()), "reduces other axes than height and width")
    after = t.step.outputs[0].shape or ()
    t.give(t.viewed(t.add(layer, volume.piece), rows[:, 0].reshape(after[1:])))


def _mean(t: Translation) -> None:
    call, volume = t.step.call, t.whole(t.data())
    axes, places, shape = call.integers("axes", 1) or (), t.places(volume), t.shape(volume)
    if len(axes) == 1 and axes[0] % (places.ndim + 1) > 0 and call.integer("keepdims", 1):
        rows = np.moveaxis(places, axes[0] % (places.ndim + 1) - 1, -1)
        if rows.shape[-1] == shape[-1] and bool((rows // shape[-1] == rows[..., :1] // shape[-1]).all()):
            x = t.add(Fragment(pieces.CHANNEL_MEAN), volume.piece, shape=(*shape[:-1], 1))
            t.give(t.viewed(x, np.moveaxis(rows[..., :1] // shape[-1], -1, axes[0] % (places.ndim + 1) - 1)))
            return
    _global_pool(GlobalAvgPool(), t)


def _pad(t: Translation) -> None:
    call, volume = t.step.call, t.data()
    last = volume.places is not None
    shape = t.shape(volume)
    _say(len(shape) == 3 and (not last or t.is_channels_last(volume)), "pads no picture")
    _say(_word(t, "mode", "constant") == "constant", "pads with pixels of the picture")
    _say(call.integers("axes", 3) is None, "pads some axes")
    value = call.number("value", 0.0)
    if call.has(2):
        value = float(t.numbers(2).reshape(()))
    pads = call.integers("pads", 1) or ()
    _say(len(pads) == 8 and min(pads) >= 0, "cuts off pixels")
    order = (0, 3, 1, 2) if last else (0, 1, 2, 3)
    begins, ends = ([side[axis] for axis in order] for side in (pads[:4], pads[4:]))
    _say(begins[:2] == [0, 0] and ends[0] == 0, "pads the batch or the first channels")
    x = volume.piece
    if any(begins[2:] + ends[2:]):
        amounts = (begins[2], ends[2], begins[3], ends[3])
        after = (shape[0] + begins[2] + ends[2], shape[1] + begins[3] + ends[3], shape[2])
        x = t.add(Fragment(pieces.PAD, amounts, value), x, shape=after)
    if ends[1]:
        _say(value == 0, "pads channels with another number than 0")
        x = t.add(ZeroPad(shape[2] + ends[1]), x)
    t.give(Volume(x, ordered(t.pieces[x].shape) if last else None))


# Products


def _gemm(t: Translation) -> None:
    call = t.step.call
    _say(not call.integer("transA", 0), "turns its input round")
    weight = t.numbers(1).T if call.integer("transB", 0) else t.numbers(1)
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    bias = None
    if call.has(2) and beta:
        bias = np.broadcast_to(t.numbers(2), (1, weight.shape[1])).reshape(-1) * np.float32(beta)
    _multiplied(t, weight if alpha == 1 else weight * np.float32(alpha), bias)


def _matmul(t: Translation) -> None:
    _say(t.has_numbers(1), "multiplies two tensors that depend on the picture, or a constant by one")
    _multiplied(t, t.numbers(1), None)


def _multiplied(t: Translation, weight: Array, bias: Array | None) -> None:
    """Add a product with a matrix: of a row of numbers, or of the channels of each pixel."""
    volume = t.data(merged=True)
    _say(weight.ndim == 2, "multiplies by a stack of matrices")
    if not volume.merged and (volume.places is None or volume.places.ndim != 3):
        _connected(t, weight, bias)
        return
    shape, places = t.shape(volume), t.places(volume)
    rows = places.reshape(-1, places.shape[-1])
    _say(len(shape) == 3 and is_same(rows, ordered((rows.shape[0], shape[2]))), "multiplies pixels, not channels")
    arrays = {"weight": weight[np.newaxis, np.newaxis]} | ({} if bias is None else {"bias": bias})
    x = t.add(Conv((1, 1), weight.shape[1], bias=bias is not None), volume.piece, arrays=arrays)
    t.give(Volume(x, ordered(t.pieces[x].shape).reshape(*places.shape[:-1], -1), volume.merged))


def _connected(t: Translation, weight: Array, bias: Array | None) -> None:
    x, places = t.flat()
    if places is not None:
        weight = _moved(weight, places)
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    t.give(Volume(t.add(FullyConnected(weight.shape[1], bias is not None), x, arrays=arrays)))


def _moved(weight: Array, places: Array) -> Array:
    """Return rows at their places; in blocks, as rows of a matrix that is turned round lie far apart."""
    found = np.empty(weight.shape, weight.dtype)
    for start in range(0, len(weight), ROWS):
        block = slice(start, start + ROWS)
        found[places[block]] = weight[block]
    return found


# Sums and products, of constants and of tensors


def _with_constant(t: Translation) -> tuple[Volume, Array, int] | None:
    """Return the input that depends on the picture, the other one and its index; None if both depend on it."""
    for index in (0, 1):
        if t.has_numbers(index):
            volume = t.whole(t.data(1 - index, merged=True))
            return volume, t.per_channel(volume, t.numbers(index).astype(np.float64)), index
    return None


def _arithmetic(t: Translation) -> None:
    op, found = t.step.op, _with_constant(t)
    _say(t.step.call.node.attributes.get("broadcast") is None, "is of an opset before 7")
    if found is None:
        OF_TWO[op](t)
        return
    volume, number, index = found
    _say(not (op == "Div" and index == 0), "divides by what depends on the picture")
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
    if first is not None and all(each.places is not None and is_same(each.places, first) for each in volumes):
        return inputs, lambda x: Volume(x, first)
    if all(each.places is None for each in volumes):
        return inputs, Volume
    return [t.picture(index) for index in range(len(volumes))], Volume


def _add(t: Translation) -> None:
    inputs, as_volume = _alike(t)
    total = inputs[0]
    for other in inputs[1:]:
        _say(t.pieces[total].shape == t.pieces[other].shape, "adds tensors of different shapes")
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
    _say(len({len(shape) for shape in shapes}) == 1, "combines tensors of different rank")
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))


def _power(t: Translation) -> None:
    exponent = 0.5 if t.step.op == "Sqrt" else float(t.numbers(1).reshape(()))
    volume = t.whole(t.data())
    t.give(volume._replace(piece=t.add(Fragment(pieces.POWER, value=exponent), volume.piece)))


def _concat(t: Translation) -> None:
    count = len(t.step.call.inputs)
    volumes = [t.as_row(t.whole(t.data(index))) for index in range(count)]
    shapes = [t.shape(each) for each in volumes]
    _say(len({shape[:-1] for shape in shapes}) == 1, "joins pictures of different sizes")
    rank = len(t.step.outputs[0].shape or ())
    axis = t.step.call.integer("axis", 0) % max(1, rank)
    _say(axis > 0, "joins batches")
    shape = (*shapes[0][:-1], sum(each[-1] for each in shapes))
    inputs = [each.piece for each in volumes]
    x = inputs[0] if count == 1 else t.add(Fragment(pieces.CAT), *inputs, shape=shape)
    if axis == 1 and all(each.places is None for each in volumes):
        return t.give(Volume(x))
    places = joined_places([t.places(each) for each in volumes], [each[-1] for each in shapes], axis - 1)
    return t.give(t.viewed(x, places))


# Views


def _view(change: Callable[[Call, Array], list[Array]], t: Translation) -> None:
    volume = t.data()
    seen = change(t.step.call, t.places(volume)[np.newaxis])
    t.give(*(t.viewed(volume.piece, each[0]) for each in seen))


def _reshape(t: Translation) -> None:
    volume, after, call = t.data(merged=True), t.step.outputs[0].shape or (), t.step.call
    axes = call.integers("axes", 1) if t.step.op in ("Squeeze", "Unsqueeze") else ()
    rank = max(len(after), len(call.shape()))
    _say(axes is not None and 0 not in [axis % rank for axis in axes], "moves the batch")
    _say(t.step.op != "Flatten" or call.integer("axis", 1) % len(call.shape()) != 0, "moves the batch")
    if after[:1] != (1,):
        t.give(Volume(volume.piece, t.places(volume).reshape(after), merged=True))
    else:
        t.give(t.viewed(volume.piece, t.places(volume).reshape(after[1:])))


def _transpose(call: Call, places: Array) -> list[Array]:
    order = call.integers("perm") or ()
    _say(order[:1] == (0,), "moves the batch")
    return [places.transpose(order)]


def _axis(call: Call, places: Array) -> int:
    axis = call.integer("axis", 0) % places.ndim
    _say(axis > 0, "splits the batch")
    return axis


def _split(call: Call, places: Array) -> list[Array]:
    axis, count = _axis(call, places), max(1, len(call.node.outputs))
    even = -(-places.shape[axis] // count)
    sizes = call.integers("split", 1) or (even,) * count
    return np.split(places, np.cumsum(sizes)[: count - 1], axis)


def _slice(call: Call, places: Array) -> list[Array]:
    starts, ends = call.integers("starts", 1) or (), call.integers("ends", 2) or ()
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = axis % places.ndim
        _say(at > 0 or (start == 0 and end >= places.shape[0] and step == 1), "cuts the batch")
        places = places[(slice(None),) * at + (slice(start, end, step),)]
    return [places]


def _gather(call: Call, places: Array) -> list[Array]:
    indices = call.known_integers(1)
    return [np.take(places, np.array(indices).reshape(call.shape(1)), axis=_axis(call, places))]


def _repeated(call: Call, places: Array) -> list[Array]:
    if call.node.op == "Expand":
        after = np.broadcast_shapes(places.shape, call.known_integers(1))
    else:
        after = tuple(n * times for n, times in zip(places.shape, call.known_integers(1), strict=True))
    _say(after[0] == 1 and prod(after) <= MAX_PLACES, "repeats the batch, or too much")
    return [np.broadcast_to(places, after) if call.node.op == "Expand" else np.tile(places, call.known_integers(1))]


def _depth_to_space(call: Call, places: Array) -> list[Array]:
    (_, channels, height, width), size = places.shape, call.integer("blocksize", 1)
    if str(call.node.attributes.get("mode", "DCR")) == "CRD":
        parts = places.reshape(1, -1, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = places.reshape(1, size, size, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
    return [parts.reshape(1, channels // size**2, height * size, width * size)]


def _space_to_depth(call: Call, places: Array) -> list[Array]:
    (_, channels, height, width), size = places.shape, call.integer("blocksize", 1)
    parts = places.reshape(1, channels, height // size, size, width // size, size).transpose(0, 3, 5, 1, 2, 4)
    return [parts.reshape(1, -1, height // size, width // size)]


# One number for each


def _pointwise(make: Callable[[Call], Layer | Fragment], t: Translation) -> None:
    volume = t.whole(t.data(merged=True))
    t.give(volume._replace(piece=t.add(make(t.step.call), volume.piece)))


def _same(t: Translation) -> None:
    t.give(t.data(merged=True))


def _cast(t: Translation) -> None:
    _say(t.step.call.node.attributes.get("to") in (1, 10, 11, 16), "rounds to integers")
    _same(t)


def _dropout(call: Call) -> Layer:
    given = call.tensor(1).values if call.has(1) else None
    rate = float(f"{given[0]:.6g}") if given else call.number("ratio", 0.5)
    _say(not call.has(2) or call.tensor(2).values in ((0,), (False,)), "drops numbers")
    return Dropout(rate)


def _elu(call: Call) -> Layer:
    _say(call.number("alpha", 1.0) == 1, "has another alpha than 1")
    return ELU()


def _gelu(call: Call) -> Layer:
    _say(str(call.node.attributes.get("approximate", "none")) == "none", "is an approximation")
    return GELU()


def _swish(call: Call) -> Layer:
    _say(call.number("alpha", 1.0) == 1, "has another alpha than 1")
    return SiLU()


def _clip(call: Call) -> Layer | Fragment:
    ends = []
    for index, name in ((1, "min"), (2, "max")):
        value = call.node.attributes.get(name)
        known = call.tensor(index).values if call.has(index) else None
        ends.append(value if isinstance(value, int | float) else known[0] if known else None)
    match ends:
        case (0, 6):
            return ReLU6()
        case (0, 1):
            return Fragment(pieces.UNIT_CLIP)
        case (0, None):
            return ReLU()
        case (0, float(high)) if high >= 3e38:
            return ReLU()
    raise NotANetworkError(f"clips to {ends[0]} and {ends[1]}, which is no layer")


def _hard_sigmoid(t: Translation) -> None:
    alpha, beta, volume = t.step.call.number("alpha", 0.2), t.step.call.number("beta", 0.5), t.whole(t.data())
    if (alpha, beta) == (0.166667, 0.5):
        x = t.add(HardSigmoid(), volume.piece)
    else:
        x = t.add(Fragment(pieces.UNIT_CLIP), t.affine(volume.piece, alpha, beta))
    t.give(Volume(x, volume.places))


def _prelu(t: Translation) -> None:
    volume, slopes = t.whole(t.data()), t.numbers(1)
    shape = t.shape(volume)
    if slopes.ndim == 1 and slopes.size == shape[-1] and volume.places is None and len(shape) == 3:
        slopes = slopes[:, np.newaxis, np.newaxis]  # one-way broadcasting of old files begins at the channels
    number = t.per_channel(volume, slopes)
    shared = number.ndim == 0
    x = t.add(PReLU(shared), volume.piece, arrays={"weight": number.reshape(-1)})
    t.give(Volume(x, volume.places))


def _softmax(t: Translation) -> None:
    volume = t.as_row(t.whole(t.data()))
    places, channels, call = t.places(volume), t.shape(volume)[-1], t.step.call
    old = t.opset < 13
    axis = call.integer("axis", 1 if old else -1) % (places.ndim + 1)
    _say(axis > 0, "is taken over the batch")
    if old:  # all axes from this one on are one
        rows = places.reshape(prod(places.shape[: axis - 1]), -1)
    else:
        rows = np.moveaxis(places, axis - 1, -1).reshape(-1, places.shape[axis - 1])
    alike = rows.shape[1] == channels and bool((rows // channels == rows[:, :1] // channels).all())
    _say(alike, "is taken over other numbers than the channels")
    layer = Softmax() if t.step.op == "Softmax" else Fragment(pieces.LOG_SOFTMAX)
    t.give(Volume(t.add(layer, volume.piece), volume.places))


# Norms


def _batch_norm(t: Translation) -> None:
    call, volume = t.step.call, t.whole(t.data())
    _say(not call.integer("training_mode", 0) and call.integer("spatial", 1) == 1, "normalises by each batch")
    _say(t.places(volume).ndim in (1, 3), "normalises no picture")
    names = ("weight", "bias", "running_mean", "running_var")
    one = (1, -1, *(1,) * (t.places(volume).ndim - 1))
    arrays = {}
    for index, name in enumerate(names, 1):
        number = t.per_channel(volume, t.numbers(index).reshape(one))
        arrays[name] = np.broadcast_to(number, t.shape(volume)[-1:]).copy()
    layer = BatchNorm(eps=call.number("epsilon", 1e-5))
    t.give(Volume(t.add(layer, volume.piece, arrays=arrays), volume.places))


def _affine_arrays(t: Translation) -> dict[str, Array]:
    """Return scale and shift; nothing where they change nothing."""
    weight, bias = t.numbers(1).reshape(-1), t.numbers(2).reshape(-1) if t.step.call.has(2) else None
    if (weight == 1).all() and (bias is None or not bias.any()):
        return {}
    return {"weight": weight, "bias": np.zeros_like(weight) if bias is None else bias}


def _instance_norm(t: Translation) -> None:
    eps, arrays, volume = t.step.call.number("epsilon", 1e-5), _affine_arrays(t), t.whole(t.data())
    if volume.places is None:
        t.give(Volume(t.add(InstanceNorm(eps, bool(arrays)), t.picture(), arrays=arrays)))
        return
    places, channels = t.places(volume), t.shape(volume)[-1]
    groups = len(places)
    rows = places.reshape(groups, -1) % channels * groups // channels
    _say(not arrays and bool((rows == np.arange(groups)[:, np.newaxis]).all()), "normalises no groups of channels")
    t.give(Volume(t.add(GroupNorm(eps, False, groups), volume.piece), volume.places))


def _group_norm(t: Translation) -> None:
    call, x = t.step.call, t.picture()
    groups, channels, arrays = call.integer("num_groups", 1), t.pieces[x].shape[-1], _affine_arrays(t)
    arrays = {name: np.repeat(array, channels // len(array)) for name, array in arrays.items()}
    t.give(Volume(t.add(GroupNorm(call.number("epsilon", 1e-5), bool(arrays), groups), x, arrays=arrays)))


def _layer_norm(t: Translation) -> None:
    call, volume = t.step.call, t.whole(t.data())
    places, shape = t.places(volume), t.shape(volume)
    _say(call.integer("axis", -1) in (-1, places.ndim), "normalises several axes together")
    _say(is_same(places, ordered(shape)), "normalises other numbers than the channels")
    arrays = _affine_arrays(t)
    x = t.add(LayerNorm(call.number("epsilon", 1e-5), bool(arrays)), volume.piece, arrays=arrays)
    t.give(Volume(x, volume.places))


def _local_response_norm(t: Translation) -> None:
    call, x = t.step.call, t.picture()
    size = call.integer("size", 1)
    _say(size % 2 == 1, "has an even number of channels")
    layer = LocalResponseNorm(size, call.number("bias", 1.0), call.number("alpha", 1e-4), call.number("beta", 0.75))
    t.give(Volume(t.add(layer, x)))


# Larger pictures


def _resize(t: Translation) -> None:
    x = t.picture()
    (height, width, _), after = t.pieces[x].shape, t.step.outputs[0].shape or ()
    _say(len(after) == 4 and after[2] % height == after[3] % width == 0, "is no whole number of times as large")
    factor = (after[2] // height, after[3] // width)
    scales = _scales(t)
    _say(scales is None or scales[-2:] == factor, "is no whole number of times as large")
    _say(min(factor) > 0 and not t.step.call.integer("antialias", 0), "is no whole number of times as large")
    t.give(Volume(t.add(_upsampling(t, factor), x)))


def _scales(t: Translation) -> tuple[float, ...] | None:
    """Return how many times as long each axis becomes; None where sizes are given."""
    call = t.step.call
    given = call.node.attributes.get("scales")
    if isinstance(given, list):
        return tuple(given)
    index = 2 if t.step.op == "Resize" and len(call.inputs) > 2 else 1
    return call.tensor(index).values if call.has(index) and call.tensor(index).values else None


def _upsampling(t: Translation, factor: tuple[int, int]) -> Upsampling:
    old = t.step.op == "Upsample" or t.opset < 11
    places = "asymmetric" if old else _word(t, "coordinate_transformation_mode", "half_pixel")
    mode = _word(t, "mode", "nearest")
    if mode == "nearest":
        rounding = "floor" if old else _word(t, "nearest_mode", "round_prefer_floor")
        if all(_repeats(each, places, rounding) for each in factor):
            return Upsampling(factor)
    elif mode == "linear" and places in ("half_pixel", "pytorch_half_pixel"):
        return Upsampling(factor, "bilinear")
    elif mode == "linear" and places == "align_corners":
        return Upsampling(factor, "bilinear", True)
    raise NotANetworkError(f"resizes in the way {mode}, {places}")


def _repeats(factor: int, places: str, rounding: str) -> bool:
    """Return whether each pixel is repeated: position i of the output is pixel i // factor."""
    shift = {"asymmetric": 0.0, "half_pixel": 0.5, "pytorch_half_pixel": 0.5}.get(places)
    rounded: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "ceil": np.ceil,
    }
    if shift is None or rounding not in rounded:
        return False
    at = np.arange(4 * factor)
    source = np.maximum(rounded[rounding]((at + shift) / factor - shift), 0)
    return bool((source[: 3 * factor] == (at // factor)[: 3 * factor]).all())


OF_TWO: dict[str, Translator] = {
    "Add": _add,
    "Sub": _subtract,
    "Mul": partial(_of_two, pieces.MUL),
    "Div": partial(_of_two, pieces.DIV),
}
"""The translators of arithmetic where both inputs depend on the picture."""


def _of(layer: Layer | Fragment) -> Translator:
    return partial(_pointwise, lambda call: layer)


TRANSLATORS: dict[str, Translator] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": partial(_global_pool, GlobalAvgPool()),
    "ReduceMean": _mean,
    **dict.fromkeys(("GlobalMaxPool", "ReduceMax"), partial(_global_pool, GlobalMaxPool())),
    "Pad": _pad,
    "Gemm": _gemm,
    "MatMul": _matmul,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    "Sum": _add,
    **dict.fromkeys(("Pow", "Sqrt"), _power),
    "Neg": lambda t: t.give(Volume(t.affine((x := t.whole(t.data())).piece, -1.0), x.places)),
    "Concat": _concat,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": partial(_view, _transpose),
    "Split": partial(_view, _split),
    "Slice": partial(_view, _slice),
    "Gather": partial(_view, _gather),
    **dict.fromkeys(("Tile", "Expand"), partial(_view, _repeated)),
    "DepthToSpace": partial(_view, _depth_to_space),
    "SpaceToDepth": partial(_view, _space_to_depth),
    "Identity": _same,
    "Cast": _cast,
    "Dropout": partial(_pointwise, _dropout),
    "Relu": _of(ReLU()),
    "Sigmoid": _of(Sigmoid()),
    "Tanh": _of(Tanh()),
    "HardSwish": _of(HardSwish()),
    "Mish": _of(Mish()),
    "Erf": _of(Fragment(pieces.ERF)),
    "Softplus": _of(Fragment(pieces.SOFTPLUS)),
    "Elu": partial(_pointwise, _elu),
    **dict.fromkeys(("Gelu", "com.microsoft.Gelu"), partial(_pointwise, _gelu)),
    "Swish": partial(_pointwise, _swish),
    "LeakyRelu": partial(_pointwise, lambda call: LeakyReLU(call.number("alpha", 0.01))),
    "Clip": partial(_pointwise, _clip),
    "HardSigmoid": _hard_sigmoid,
    "PRelu": _prelu,
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LRN": _local_response_norm,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
}
"""The functions that translate a node, by its operation."""
