"""Operations with a window that slides: convolutions and pooling."""

from math import prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions
from cnncli.formats.onnx.operations.base import Call, Result, Sliding, operation
from cnncli.formats.tensor_shapes import Dimensions, written
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
        raise ModelError(f"its auto_pad {mode!r} is none of NOTSET, SAME_UPPER, SAME_LOWER and VALID")
    pads = (call.integers("pads") if mode == "NOTSET" else None) or (0,) * 2 * len(size)
    if len(pads) != 2 * len(size):
        raise ModelError(f"its pads {pads[:8]} do not fit an input of {len(size)} spatial dimensions")
    return tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))


def picture(call: Call, index: int = 0) -> Dimensions:
    """Return the shape of an input that must be a batch of pictures, or of signals or volumes."""
    shape = call.shape(index)
    if len(shape) < 3:
        raise ModelError(f"needs an input of (N, C, H, W), got {written(shape)}")
    return shape


def _channels(call: Call, shape: Dimensions, weight: Dimensions, groups: int, axis: int) -> None:
    """Check the channels that come in against the weight, whose own are along an axis."""
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


def _bias(call: Call, index: int, channels: int) -> None:
    if call.has(index) and prod(call.shape(index)) != channels:
        raise ModelError(f"its bias has {prod(call.shape(index))} numbers, needs {channels}")


def _convolution(call: Call, weight_index: int, bias_index: int | None) -> Result:
    shape, weight = picture(call), call.shape(weight_index)
    if len(weight) != len(shape):
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    _channels(call, shape, weight, call.integer("group", 1), 1)
    if bias_index is not None:
        _bias(call, bias_index, weight[0])
    sliding = _sliding(call, shape[2:], weight[2:])
    size = _positions(call, shape[2:], sliding)
    # Each output position of each filter multiplies the filter's weights once.
    return Result(((shape[0], weight[0], *size),), macs=shape[0] * prod(size) * prod(weight), sliding=sliding)


@operation("Conv", "com.microsoft.FusedConv", multiplies=True)
def _conv(call: Call) -> Result:
    return _convolution(call, 1, 2)


@operation("ConvInteger", multiplies=True)
def _conv_integer(call: Call) -> Result:
    return _convolution(call, 1, None)


@operation("QLinearConv", multiplies=True)
def _qlinear_conv(call: Call) -> Result:
    return _convolution(call, 3, 8)


@operation("DeformConv", multiplies=True)
def _deformable(call: Call) -> Result:
    """A convolution whose taps move by offsets, input 2, which come before the bias."""
    return _convolution(call, 1, 3)


@operation("ConvTranspose", multiplies=True)
def _conv_transpose(call: Call) -> Result:
    """s(n - 1) + output_padding + d(f - 1) + 1 - p_before - p_after along each axis, unless output_shape says it."""
    shape, weight = picture(call), call.shape(1)
    if len(weight) != len(shape):
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    groups = call.integer("group", 1)
    _channels(call, shape, weight, groups, 0)
    _bias(call, 2, weight[1] * groups)
    sliding = _sliding(call, shape[2:], weight[2:])
    size = _transposed_size(call, shape[2:], sliding)
    result = dimensions((shape[0], weight[1] * groups, *size), "the output", 1)
    # Each input position of each channel multiplies that channel's weights once.
    return Result((result,), macs=shape[0] * prod(shape[2:]) * prod(weight[1:]) * shape[1], sliding=sliding)


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


@operation("MaxPool", "AveragePool", "LpPool", "com.microsoft.QLinearAveragePool")
def _pool(call: Call) -> Result:
    shape = picture(call)
    kernel = call.integers("kernel_shape")
    if kernel is None:
        raise ModelError("has no kernel_shape")
    sliding = _sliding(call, shape[2:], dimensions(kernel, "its kernel_shape", 1))
    result = (*shape[:2], *_positions(call, shape[2:], sliding))
    return Result((result, result), sliding=sliding)


@operation("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "com.microsoft.QLinearGlobalAveragePool")
def _global_pool(call: Call) -> Result:
    shape = picture(call)
    if call.node.attributes.get("channels_last") == 1:
        return Result(((shape[0], *(1,) * len(shape[2:]), shape[-1]),))
    return Result(((*shape[:2], *(1,) * len(shape[2:])),))


@operation("RoiAlign", "MaxRoiPool")
def _regions(call: Call) -> Result:
    """Cut regions of one size out of a picture, as many as input 1 has."""
    shape, regions = picture(call), call.shape(1)
    size = call.integers("pooled_shape") or (call.integer("output_height", 1), call.integer("output_width", 1))
    return Result((dimensions((*regions[:1], shape[1], *size), "the output"),))


@operation("Col2Im")
def _columns(call: Call) -> Result:
    shape, size, block = call.shape(), call.settled(1), call.settled(2)
    if len(shape) != 3 or not prod(block) or shape[1] % prod(block):
        raise ModelError(f"its blocks {written(block)} do not fit {written(shape)}")
    return Result((dimensions((shape[0], shape[1] // prod(block), *size), "the output"),))


@operation("GridSample")
def _grid_sample(call: Call) -> Result:
    shape, grid = picture(call), call.shape(1)
    return Result(((*shape[:2], *grid[1:-1]),))
