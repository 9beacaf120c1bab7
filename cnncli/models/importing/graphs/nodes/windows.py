"""Windows that slide over pictures, pools of all pixels, and padding."""

from functools import partial
from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs import pieces
from cnncli.models.importing.graphs.nodes.base import Translator, need, word
from cnncli.models.importing.graphs.pieces import Fragment
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.graphs.views import ordered
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.layers import (
    AvgPool,
    Conv,
    Depthwise,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    MaxPool,
    TransposedConv,
    ZeroPad,
)


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
    if word(t, "auto_pad", "NOTSET") not in ("NOTSET", "VALID") or call.integers("output_shape") is not None:
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
    need(dilation == (1, 1), "has dilated means")
    layer = AvgPool(kernel, stride, padding, ceil_mode, counted)
    window = layer.window(t.pieces[x].shape)
    partial_windows = any(
        reach > n + sum(p) for reach, n, p in zip(window.reach, window.size, (padding[:2], padding[2:]), strict=True)
    )
    need(not (counted and partial_windows), "counts padding in windows that reach beyond it: runtimes differ")
    same = kernel == stride == (1, 1) and not any(padding)
    t.give(Volume(x if same else t.add(layer.replace(ceil_mode=partial_windows), x)))


def _global_pool(layer: Layer, t: Translation) -> None:
    """Translate a pooling of all pixels, whatever the layout: what is left is one number for each channel."""
    call, volume = t.step.call, t.whole(t.data())
    places, (*size, channels) = t.places(volume), t.shape(volume)
    gone = tuple(range(2, places.ndim + 1)) if "Global" in t.step.op else call.integers("axes", 1) or ()
    axes = sorted({axis % (places.ndim + 1) - 1 for axis in gone})
    need(bool(axes) and axes[0] >= 0 and len(size) == 2, "reduces the batch, or numbers that are no picture")
    kept = [axis for axis in range(places.ndim) if axis not in axes]
    rows = places.transpose(*kept, *axes).reshape(-1, prod(places.shape[axis] for axis in axes)) % channels
    need(rows.shape[1] == prod(size) and bool((rows == rows[:, :1]).all()), "reduces other axes than height and width")
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
    need(len(shape) == 3 and (not last or t.is_channels_last(volume)), "pads no picture")
    need(word(t, "mode", "constant") == "constant", "pads with pixels of the picture")
    need(call.integers("axes", 3) is None, "pads some axes")
    value = call.number("value", 0.0)
    if call.has(2):
        value = float(t.numbers(2).reshape(()))
    pads = call.integers("pads", 1) or ()
    need(len(pads) == 8 and min(pads) >= 0, "cuts off pixels")
    order = (0, 3, 1, 2) if last else (0, 1, 2, 3)
    begins, ends = ([side[axis] for axis in order] for side in (pads[:4], pads[4:]))
    need(begins[:2] == [0, 0] and ends[0] == 0, "pads the batch or the first channels")
    x = volume.piece
    if any(begins[2:] + ends[2:]):
        amounts = (begins[2], ends[2], begins[3], ends[3])
        after = (shape[0] + begins[2] + ends[2], shape[1] + begins[3] + ends[3], shape[2])
        x = t.add(Fragment(pieces.PAD, amounts, value), x, shape=after)
    if ends[1]:
        need(value == 0, "pads channels with another number than 0")
        x = t.add(ZeroPad(shape[2] + ends[1]), x)
    t.give(Volume(x, ordered(t.pieces[x].shape) if last else None))


TRANSLATORS: dict[str, Translator] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": partial(_global_pool, GlobalAvgPool()),
    "ReduceMean": _mean,
    **dict.fromkeys(("GlobalMaxPool", "ReduceMax"), partial(_global_pool, GlobalMaxPool())),
    "Pad": _pad,
}
