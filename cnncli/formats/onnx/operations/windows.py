"""Operations with a window that slides: convolutions and pooling."""

from functools import partial
from math import prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions
from cnncli.formats.onnx.operations.base import OPERATIONS, Call, Maker, Operation, Outcome, Sliding, operation
from cnncli.formats.tensor_shapes import Dimensions, written
from cnncli.networks.layers import convolution, pooling
from cnncli.networks.layers.base import Layer
from cnncli.shapes import Pair, output_size, same_padding, transposed_size


def _sliding(call: Call, size: Dimensions, kernel: Dimensions) -> Sliding:
    stride, dilation = _per_axis(call, "strides", len(size)), _per_axis(call, "dilations", len(size))
    if len(kernel) != len(size):
        raise ModelError(f"its kernel {written(kernel)} does not fit an input of {len(size)} spatial dimensions")
    return Sliding(kernel, stride, _padding(call, size, kernel, stride, dilation), dilation)


def _positions(call: Call, size: Dimensions, sliding: Sliding) -> Dimensions:
    ceil_mode = bool(call.integer("ceil_mode", 0))
    return tuple(
        output_size(n, f, padding=p, stride=s, dilation=d, ceil_mode=ceil_mode)
        for n, f, s, p, d in zip(size, *sliding, strict=True)
    )


def _per_axis(call: Call, name: str, rank: int) -> Dimensions:
    values = call.integers(name)
    found = (1,) * rank if values is None else dimensions(values, f"its {name}", 1)
    if len(found) != rank:
        raise ModelError(f"its {name} {written(found)} do not fit an input of {rank} spatial dimensions")
    return found


def _padding(
    call: Call, size: Dimensions, kernel: Dimensions, stride: Dimensions, dilation: Dimensions
) -> tuple[Pair, ...]:
    """Return the padding (before, after) of each axis; SAME_LOWER puts the odd pixel before."""
    mode = call.node.attributes.get("auto_pad") or "NOTSET"
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        axes = zip(size, kernel, stride, dilation, strict=True)
        amounts = tuple(same_padding(n, f, stride=s, dilation=d) for n, f, s, d in axes)
        return amounts if mode == "SAME_UPPER" else tuple((after, before) for before, after in amounts)
    if mode not in ("NOTSET", "VALID"):
        raise ModelError(f"its auto_pad {mode!r} must be NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    pads = (call.integers("pads") if mode == "NOTSET" else None) or (0,) * 2 * len(size)
    if len(pads) != 2 * len(size):
        raise ModelError(f"its pads {pads[:8]} do not fit an input of {len(size)} spatial dimensions")
    return tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))


def image_shape(call: Call, index: int = 0) -> Dimensions:
    """Return the shape of an input that must be a batch of pictures, or of signals or volumes."""
    shape = call.shape(index)
    if len(shape) < 3:
        raise ModelError(f"needs an input of (N, C, H, W), got {written(shape)}")
    return shape


def _filtered(call: Call, weight_index: int, axis: int) -> tuple[Dimensions, Dimensions, int]:
    """Return the shapes of a picture and of the weight that slides over it, and the groups.

    Raises:
        ModelError: they do not fit each other; the weight has the channels that come in along `axis`.
    """
    shape, weight = image_shape(call), call.shape(weight_index)
    if len(weight) != len(shape):
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    groups = call.integer("group", 1)
    needed = weight[axis] * (groups if axis else 1)
    if shape[1] != needed:
        grouped = f" in {groups} groups" if groups > 1 else ""
        raise ModelError(
            f"got {shape[1]} channels ({written(shape)}), needs {needed} (its weight is {written(weight)}{grouped})"
        )
    if groups < 1 or weight[0] % groups:
        raise ModelError(f"its {groups} groups do not divide the {weight[0]} of its weight {written(weight)}")
    kernel = call.integers("kernel_shape")
    if kernel is not None and kernel != weight[2:]:
        raise ModelError(f"its kernel_shape {written(kernel[:8])} is not that of its weight {written(weight)}")
    return shape, weight, groups


def _check_bias(call: Call, index: int, channels: int) -> None:
    if call.has(index) and prod(call.shape(index)) != channels:
        raise ModelError(f"its bias has {prod(call.shape(index))} numbers, needs {channels}")


def _conv_layer(call: Call, outcome: Outcome, bias_index: int = 2) -> Layer:
    kernel, stride, padding, dilation = outcome.slide()
    filters, groups, channels = outcome.shape[1], call.integer("group", 1), call.shape()[1]
    bias = call.has(bias_index)
    if groups == channels > 1:
        return convolution.Depthwise(kernel, filters if filters != channels else None, stride, padding, dilation, bias)
    return convolution.Conv(kernel, filters, stride, padding, dilation, groups, bias)


def _convolution(call: Call, weight_index: int = 1, bias_index: int | None = 2) -> Outcome:
    shape, weight, _ = _filtered(call, weight_index, 1)
    if bias_index is not None:
        _check_bias(call, bias_index, weight[0])
    sliding = _sliding(call, shape[2:], weight[2:])
    size = _positions(call, shape[2:], sliding)
    # Each output position of each filter multiplies the filter's weights once.
    return Outcome(((shape[0], weight[0], *size),), macs=shape[0] * prod(size) * prod(weight), sliding=sliding)


_FILTERS = Operation(multiplies=True, weights=(1, 2, 3), bias_axis=1)

operation("Conv", facts=_FILTERS._replace(layer=_conv_layer))(_convolution)
operation("com.microsoft.FusedConv", facts=_FILTERS)(_convolution)
operation("DeformConv", facts=_FILTERS)(partial(_convolution, bias_index=3))  # input 2 are the offsets of the taps
operation("ConvInteger", facts=Operation(layer=_conv_layer, multiplies=True, quantized=(1,)))(
    partial(_convolution, bias_index=None)
)

_QUANTIZED = Operation(quantized=(3, 8), settings=(1, 2, 4, 5, 6, 7), multiplies=True)

operation("QLinearConv", facts=_QUANTIZED._replace(layer=partial(_conv_layer, bias_index=8)))(
    partial(_convolution, weight_index=3, bias_index=8)
)
OPERATIONS["com.microsoft.QLinearConv"] = Operation(quantized=(3, 8))  # its shapes are of another layout


def _transposed_layer(call: Call, outcome: Outcome) -> Layer | None:
    kernel, stride, padding, dilation = outcome.slide()
    more = call.integers("output_padding") or (0, 0)
    if len(more) != 2 or call.integers("output_shape") is not None:
        return None
    cut = "same" if str(call.node.attributes.get("auto_pad")).startswith("SAME") else padding
    groups = call.integer("group", 1)
    return convolution.TransposedConv(
        kernel, outcome.shape[1], stride, cut, (more[0], more[1]), dilation, groups, call.has(2)
    )


@operation("ConvTranspose", facts=_FILTERS._replace(layer=_transposed_layer))
def _conv_transpose(call: Call) -> Outcome:
    shape, weight, groups = _filtered(call, 1, 0)
    _check_bias(call, 2, weight[1] * groups)
    sliding = _sliding(call, shape[2:], weight[2:])
    size = _transposed_size(call, shape[2:], sliding)
    result = dimensions((shape[0], weight[1] * groups, *size), "the output", 1)
    # Each input position of each channel multiplies that channel's weights once.
    return Outcome((result,), macs=shape[0] * prod(shape[2:]) * prod(weight[1:]) * shape[1], sliding=sliding)


def _transposed_size(call: Call, size: Dimensions, sliding: Sliding) -> Dimensions:
    said = call.integers("output_shape")
    if said is not None:
        return said[-len(size) :]
    if call.node.attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(n * s for n, s in zip(size, sliding.stride, strict=True))
    more = call.integers("output_padding") or (0,) * len(size)
    if len(more) != len(size):
        raise ModelError(f"its output_padding {more[:8]} does not fit an input of {len(size)} spatial dimensions")
    return tuple(
        transposed_size(n, f, stride=s, padding=p, dilation=d, output_padding=extra)
        for n, extra, f, s, p, d in zip(size, more, *sliding, strict=True)
    )


def _max_pool_layer(call: Call, outcome: Outcome) -> Layer:
    return pooling.MaxPool(*outcome.slide(), bool(call.integer("ceil_mode", 0)))


def _average_pool_layer(call: Call, outcome: Outcome) -> Layer | None:
    kernel, stride, padding, dilation = outcome.slide()
    flags = (bool(call.integer(name, 0)) for name in ("ceil_mode", "count_include_pad"))
    return pooling.AvgPool(kernel, stride, padding, *flags) if dilation == (1, 1) else None


@operation("MaxPool", facts=Operation(layer=_max_pool_layer, outputs=1))
@operation("AveragePool", facts=Operation(layer=_average_pool_layer))
@operation("LpPool")
@operation("com.microsoft.QLinearAveragePool", facts=Operation(settings=(1, 2, 3, 4)))
def _pool(call: Call) -> Outcome:
    shape = image_shape(call)
    kernel = call.integers("kernel_shape")
    if kernel is None:
        raise ModelError("has no kernel_shape")
    sliding = _sliding(call, shape[2:], dimensions(kernel, "its kernel_shape", 1))
    result = (*shape[:2], *_positions(call, shape[2:], sliding))
    return Outcome((result, result), sliding=sliding)


def _of_picture(layer: Layer) -> Maker:
    return lambda call, outcome: layer if len(call.shape()) == 4 else None


@operation("GlobalAveragePool", facts=Operation(layer=_of_picture(pooling.GlobalAvgPool())))
@operation("GlobalMaxPool", facts=Operation(layer=_of_picture(pooling.GlobalMaxPool())))
@operation("GlobalLpPool")
@operation("com.microsoft.QLinearGlobalAveragePool", facts=Operation(settings=(1, 2, 3, 4)))
def _global_pool(call: Call) -> Outcome:
    shape = image_shape(call)
    if call.node.attributes.get("channels_last") == 1:
        return Outcome(((shape[0], *(1,) * len(shape[2:]), shape[-1]),))
    return Outcome(((*shape[:2], *(1,) * len(shape[2:])),))


@operation("RoiAlign", "MaxRoiPool")
def _regions(call: Call) -> Outcome:
    """Cut regions of one size out of a picture, as many as input 1 has."""
    shape, regions = image_shape(call), call.shape(1)
    size = call.integers("pooled_shape") or (call.integer("output_height", 1), call.integer("output_width", 1))
    return Outcome((dimensions((*regions[:1], shape[1], *size), "the output"),))


@operation("Col2Im")
def _columns(call: Call) -> Outcome:
    shape, size, block = call.shape(), call.known_integers(1), call.known_integers(2)
    if len(shape) != 3 or not prod(block) or shape[1] % prod(block):
        raise ModelError(f"its blocks {written(block)} do not fit {written(shape)}")
    return Outcome((dimensions((shape[0], shape[1] // prod(block), *size), "the output"),))


@operation("GridSample")
def _grid_sample(call: Call) -> Outcome:
    return Outcome(((*image_shape(call)[:2], *call.shape(1)[1:-1]),))
