"""What each ONNX operation makes of its inputs' shapes: the registry `OPERATIONS`.

The rules are those of ONNX's operator reference (https://onnx.ai/onnx/operators). An operation that is not here is
no error: the shape of what it puts out is not known.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from math import ceil, floor, isfinite, prod
from typing import NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_DIMENSION, dimension, dimensions
from cnncli.formats.onnx_graph import Constant, Node
from cnncli.formats.tensors import (
    MAX_VALUES,
    Dimensions,
    Number,
    Tensor,
    axis_index,
    broadcast,
    concatenated,
    product_of_matrices,
    reshaped,
    sliced,
    written,
)
from cnncli.shapes import Pair, effective_size, output_size, same_padding


class Unsettled(Exception):  # noqa: N818 - no error: a shape that only running the model would tell
    """A shape depends on what is not in the file."""


class Call(NamedTuple):
    """A node with the tensors that come in; None for an input that is left out."""

    node: Node
    inputs: tuple[Tensor | None, ...]

    def tensor(self, index: int) -> Tensor:
        """Return an input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ModelError(f"needs at least {index + 1} inputs, got {len([each for each in self.inputs if each])}")
        return found

    def shape(self, index: int = 0) -> Dimensions:
        """Return the shape of an input that must be there."""
        shape = self.tensor(index).shape
        if shape is None:
            raise Unsettled
        return shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def integer(self, name: str, default: int) -> int:
        """Return a setting that is an integer."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise ModelError(f"its {name} must be an integer")
        return value

    def integers(self, name: str, index: int = -1) -> Dimensions | None:
        """Return a setting that is a list of integers: an attribute, or an input in newer files."""
        value = self.node.attributes.get(name)
        if value is not None:
            if not isinstance(value, list) or not all(isinstance(each, int) for each in value):
                raise ModelError(f"its {name} must be a list of integers")
            return tuple(int(each) for each in value)
        if index < 0 or not self.has(index):
            return None
        settled = self.tensor(index).integers
        if settled is None:
            raise Unsettled
        return settled


class Sliding(NamedTuple):
    """A window's way over an input, axis by axis: padding is (before, after)."""

    kernel_size: Dimensions
    stride: Dimensions
    padding: tuple[Pair, ...]
    dilation: Dimensions


class Result(NamedTuple):
    """What a node puts out.

    Attributes:
        shapes: of its outputs.
        values: of its first output, where they are settled.
        macs: multiply-adds of a convolution or a product with weights.
        sliding: how the window of a convolution or pooling goes.
        keeps_layout: the dimensions mean what the first input's mean.
        channels_last: how the first output lies, where the layout is not kept.
        in_place: it can overwrite its input.
    """

    shapes: tuple[Dimensions | None, ...]
    values: tuple[Number, ...] | None = None
    macs: int = 0
    sliding: Sliding | None = None
    keeps_layout: bool = True
    channels_last: bool = False
    in_place: bool = False


Operation = Callable[[Call], Result]

OPERATIONS: dict[str, Operation] = {}
"""The operations by ONNX's names for them."""


def _operation(*names: str) -> Callable[[Operation], Operation]:
    def register(function: Operation) -> Operation:
        OPERATIONS.update(zip(names, repeat(function)))
        return function

    return register


# Windows


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


def _picture(call: Call, index: int = 0) -> Dimensions:
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
    shape, weight = _picture(call), call.shape(weight_index)
    if len(weight) != len(shape):
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    _channels(call, shape, weight, call.integer("group", 1), 1)
    if bias_index is not None:
        _bias(call, bias_index, weight[0])
    sliding = _sliding(call, shape[2:], weight[2:])
    size = _positions(call, shape[2:], sliding)
    # Each output position of each filter multiplies the filter's weights once.
    return Result(((shape[0], weight[0], *size),), macs=shape[0] * prod(size) * prod(weight), sliding=sliding)


@_operation("Conv")
def _conv(call: Call) -> Result:
    return _convolution(call, 1, 2)


@_operation("ConvInteger")
def _conv_integer(call: Call) -> Result:
    return _convolution(call, 1, None)


@_operation("QLinearConv")
def _qlinear_conv(call: Call) -> Result:
    return _convolution(call, 3, 8)


@_operation("ConvTranspose")
def _conv_transpose(call: Call) -> Result:
    """s(n - 1) + output_padding + d(f - 1) + 1 - p_before - p_after along each axis, unless output_shape says it."""
    shape, weight = _picture(call), call.shape(1)
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
        s * (n - 1) + extra + effective_size(f, d) - sum(p)
        for n, extra, f, s, p, d in zip(size, more, *sliding, strict=True)
    )


@_operation("MaxPool", "AveragePool", "LpPool")
def _pool(call: Call) -> Result:
    shape = _picture(call)
    kernel = call.integers("kernel_shape")
    if kernel is None:
        raise ModelError("has no kernel_shape")
    sliding = _sliding(call, shape[2:], dimensions(kernel, "its kernel_shape", 1))
    result = (*shape[:2], *_positions(call, shape[2:], sliding))
    return Result((result, result), sliding=sliding)


@_operation("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(call: Call) -> Result:
    shape = _picture(call)
    return Result(((*shape[:2], *(1,) * len(shape[2:])),))


# Products with weights


@_operation("Gemm")
def _gemm(call: Call) -> Result:
    left, right = call.shape(0), call.shape(1)
    if len(left) != 2 or len(right) != 2:
        raise ModelError(f"needs two matrices, got {written(left)} and {written(right)}")
    left = left[::-1] if call.integer("transA", 0) else left
    right = right[::-1] if call.integer("transB", 0) else right
    result = product_of_matrices(left, right)
    if call.has(2) and broadcast([result, call.shape(2)]) != result:
        raise ModelError(f"its bias {written(call.shape(2))} does not fit {written(result)}")
    return Result((result,), macs=prod(left) * right[1])


@_operation("MatMul", "MatMulInteger")
def _matmul(call: Call) -> Result:
    return _matrices(call, 0, 1)


@_operation("QLinearMatMul")
def _qlinear_matmul(call: Call) -> Result:
    return _matrices(call, 0, 3)


def _matrices(call: Call, first: int, second: int) -> Result:
    result = product_of_matrices(call.shape(first), call.shape(second))
    weighs = call.tensor(first).constant or call.tensor(second).constant
    return Result((result,), macs=prod(result) * call.shape(first)[-1] if weighs else 0, keeps_layout=False)


# One number in, one number out


@_operation(
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitwiseNot", "Celu", "Clip", "Cos"),
    *("Cosh", "CumSum", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "IsInf", "IsNaN"),
    *("LRN", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not"),
    *("QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax"),
    *("Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu", "DequantizeLinear"),
)
def _pointwise(call: Call) -> Result:
    return Result((call.shape(),), in_place=True)


@_operation("Identity", "Dropout")
def _unchanged(call: Call) -> Result:
    return Result((call.shape(), call.shape()), values=call.tensor(0).values, in_place=True)


@_operation("Cast", "CastLike", "Floor", "Ceil")
def _rounded(call: Call) -> Result:
    values = call.tensor(0).values
    rounding = {"Floor": floor, "Ceil": ceil}.get(call.node.op, int)
    whole = call.node.op != "CastLike" and call.node.attributes.get("to", 7) in (6, 7)
    if values is not None and whole and all(isfinite(value) for value in values):
        values = tuple(rounding(value) for value in values)
    return Result((call.shape(),), values=values, in_place=True)


@_operation("BatchNormalization", "InstanceNormalization", "GroupNormalization")
def _normalization(call: Call) -> Result:
    shape = call.shape()
    channels = shape[1] if len(shape) > 1 else 1
    for index in range(1, len(call.inputs)):
        if call.has(index) and call.shape(index) not in ((channels,), (call.integer("num_groups", channels),)):
            raise ModelError(f"got {channels} channels ({written(shape)}), needs {written(call.shape(index))}")
    return Result((shape,), in_place=True)


@_operation("LayerNormalization", "RMSNormalization")
def _layer_normalization(call: Call) -> Result:
    shape = call.shape()
    if call.has(1) and broadcast([shape, call.shape(1)]) != shape:
        raise ModelError(f"got {written(shape)}, needs {written(call.shape(1))} at its end")
    return Result((shape,), in_place=True)


# Several numbers in, one number out


@_operation(
    *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "And", "Or", "Xor", "Pow", "Mod", "Max", "Min", "Mean"),
    *("Sum", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
)
def _broadcast(call: Call) -> Result:
    shapes = [call.shape(index) for index in range(len(call.inputs)) if call.has(index)]
    if not shapes:
        raise ModelError("has no inputs")
    return Result((_together(call, shapes),))


def _together(call: Call, shapes: Sequence[Dimensions]) -> Dimensions:
    """Return the shape that inputs have together; the oldest files (before opset 7) ask for it, at an axis."""
    return shapes[0] if call.node.attributes.get("broadcast") == 1 else broadcast(shapes)


@_operation("PRelu")
def _prelu(call: Call) -> Result:
    shape, slope = call.shape(0), call.shape(1)
    if slope not in (shape[1:2], (1,)) and broadcast([shape, slope]) != shape:
        raise ModelError(f"its slope {written(slope)} does not fit {written(shape)}")
    return Result((shape,), in_place=True)


_ARITHMETIC: dict[str, Callable[[Number, Number], Number]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else a / b,
    "Equal": lambda a, b: int(a == b),
}


@_operation(*_ARITHMETIC)
def _arithmetic(call: Call) -> Result:
    shape = _together(call, [call.shape(0), call.shape(1)])
    columns = [_spread(call.tensor(index), shape) for index in (0, 1)]
    if columns[0] is None or columns[1] is None:
        return Result((shape,))
    try:
        values = tuple(map(_ARITHMETIC[call.node.op], columns[0], columns[1]))
    except (ZeroDivisionError, OverflowError):
        return Result((shape,))
    return Result((shape,), values=values)


@_operation("Where")
def _where(call: Call) -> Result:
    shape = broadcast([call.shape(index) for index in range(3)])
    columns = [_spread(call.tensor(index), shape) for index in range(3)]
    settled = [column for column in columns if column is not None]
    values = tuple(b if a else c for a, b, c in zip(*settled, strict=True)) if len(settled) == 3 else None
    return Result((shape,), values=values)


def _spread(tensor: Tensor, shape: Dimensions) -> tuple[Number, ...] | None:
    """Return settled values broadcast to a shape, where that is plain: the same shape, or a single number."""
    if tensor.values is None or prod(shape) > MAX_VALUES:
        return None
    if len(tensor.values) == prod(shape):
        return tensor.values
    return tensor.values * prod(shape) if len(tensor.values) == 1 else None


# Places


@_operation("Concat")
def _concat(call: Call) -> Result:
    tensors = [call.tensor(index) for index in range(max(1, len(call.inputs)))]
    shape = concatenated([call.shape(index) for index in range(len(tensors))], call.integer("axis", 0))
    parts = [tensor.values for tensor in tensors if tensor.values is not None]
    settled = len(parts) == len(tensors) and len(shape) == 1 and shape[0] <= MAX_VALUES
    return Result((shape,), values=tuple(value for part in parts for value in part) if settled else None)


@_operation("Split")
def _split(call: Call) -> Result:
    shape = call.shape()
    axis = axis_index(call.integer("axis", 0), len(shape))
    count = max(1, len(call.node.outputs))
    even = -(-shape[axis] // count)
    sizes = call.integers("split", 1) or (*(even,) * (count - 1), shape[axis] - even * (count - 1))
    if sum(sizes) != shape[axis] or min(sizes) < 0 or len(sizes) != count:
        raise ModelError(f"cannot split {written(shape)} along axis {axis} into {written(sizes[:8])}")
    return Result(tuple((*shape[:axis], size, *shape[axis + 1 :]) for size in sizes))


@_operation("Flatten")
def _flatten(call: Call) -> Result:
    shape = call.shape()
    axis = call.integer("axis", 1)
    at = len(shape) if axis == len(shape) else axis_index(axis, max(1, len(shape)))
    return Result(((prod(shape[:at]), prod(shape[at:])),), keeps_layout=False, in_place=True)


@_operation("Reshape")
def _reshape(call: Call) -> Result:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    shape = reshaped(call.shape(), target, keep_zeros=bool(call.integer("allowzero", 0)))
    return Result((shape,), values=call.tensor(0).values, keeps_layout=False, in_place=True)


@_operation("Transpose")
def _transpose(call: Call) -> Result:
    shape = call.shape()
    order = call.integers("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise ModelError(f"cannot reorder {written(shape)} by {order[:8]}")
    last = call.tensor(0).channels_last
    channels_last = order == (0, 2, 3, 1) or (last and order == (0, 1, 2, 3))
    return Result((tuple(shape[axis] for axis in order),), keeps_layout=False, channels_last=channels_last)


@_operation("Squeeze")
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
    return Result((kept,), values=call.tensor(0).values, keeps_layout=False, in_place=True)


@_operation("Unsqueeze")
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
    return Result((result,), values=call.tensor(0).values, keeps_layout=False, in_place=True)


@_operation("Shape")
def _shape(call: Call) -> Result:
    shape = call.shape()
    end = call.node.attributes.get("end")
    values = shape[call.integer("start", 0) : end if isinstance(end, int) else None]
    return Result(((len(values),),), values=values, keeps_layout=False)


@_operation("Size")
def _size(call: Call) -> Result:
    return Result(((),), values=(prod(call.shape()),), keeps_layout=False)


@_operation("Gather")
def _gather(call: Call) -> Result:
    shape, indices = call.shape(0), call.shape(1)
    axis = axis_index(call.integer("axis", 0), len(shape))
    result = dimensions((*shape[:axis], *indices, *shape[axis + 1 :]), "the output")
    values, places = call.tensor(0).values, call.tensor(1).integers
    if values is None or places is None or len(shape) != 1:
        return Result((result,), keeps_layout=False)
    picked = tuple(values[axis_index(place, len(values))] for place in places)
    return Result((result,), values=picked, keeps_layout=False)


@_operation("Slice")
def _slice(call: Call) -> Result:
    shape = call.shape()
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise ModelError("has no starts and ends that belong together")
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    if len(axes) != len(starts) or len(steps) != len(starts):
        raise ModelError("its starts, axes and steps differ in number")
    result = list(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = axis_index(axis, len(shape))
        result[at] = sliced(shape[at], start, end, step)
    values = call.tensor(0).values
    one = values is not None and len(shape) == len(starts) == 1
    return Result((tuple(result),), values=values[slice(starts[0], ends[0], steps[0])] if values and one else None)


@_operation("Pad")
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


@_operation("Expand")
def _expand(call: Call) -> Result:
    target = call.integers("shape", 1)
    if target is None:
        raise ModelError("has no shape to take")
    shape = broadcast([call.shape(), dimensions(target, "the new shape")])
    return Result((shape,), values=_spread(call.tensor(0), shape))


@_operation("Tile")
def _tile(call: Call) -> Result:
    shape, repeats = call.shape(), call.integers("repeats", 1)
    if repeats is None or len(repeats) != len(shape):
        raise ModelError(f"its repeats do not fit {written(shape)}")
    return Result((dimensions([size * times for size, times in zip(shape, repeats, strict=True)], "the output"),))


@_operation("ConstantOfShape")
def _constant_of_shape(call: Call) -> Result:
    sizes = call.tensor(0).integers
    if sizes is None:
        raise Unsettled
    shape = dimensions(sizes, "the new tensor")
    value = call.node.attributes.get("value")
    number = value.values[0] if isinstance(value, Constant) and value.values else 0
    few = prod(shape) <= MAX_VALUES
    return Result((shape,), values=(number,) * prod(shape) if few else None, keeps_layout=False)


@_operation("Range")
def _range(call: Call) -> Result:
    bounds = [call.tensor(index).integers for index in range(3)]
    if any(bound is None or len(bound) != 1 for bound in bounds):
        raise Unsettled
    start, stop, step = (bound[0] for bound in bounds if bound is not None)
    count = dimension(sliced_range(start, stop, step), "the range")
    values = tuple(range(start, stop, step)) if count <= MAX_VALUES else None
    return Result(((count,),), values=values, keeps_layout=False)


def sliced_range(start: int, stop: int, step: int) -> int:
    """Return how many numbers a range has, however many they are."""
    if step == 0:
        raise ModelError("its step is 0")
    return max(0, -((start - stop) // step))


@_operation("Resize", "Upsample")
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


@_operation("DepthToSpace", "SpaceToDepth")
def _blocks(call: Call) -> Result:
    shape, block = _picture(call), call.integer("blocksize", 0)
    down = call.node.op == "SpaceToDepth"
    divided = (*shape[2:],) if down else (shape[1],)
    unit = block if down else block * block
    if len(shape) != 4 or block < 1 or any(size % unit for size in divided):
        raise ModelError(f"its blocks of {block} do not fit {written(shape)}")
    if down:
        return Result(((shape[0], shape[1] * block * block, shape[2] // block, shape[3] // block),))
    return Result(((shape[0], shape[1] // unit, shape[2] * block, shape[3] * block),))


@_operation(
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum"),
    *("ReduceLogSumExp", "ReduceSumSquare"),
)
def _reduce(call: Call) -> Result:
    shape = call.shape()
    axes = call.integers("axes", 1)
    if axes is None and call.integer("noop_with_empty_axes", 0):
        return Result((shape,))
    gone = set(range(len(shape))) if not axes else {axis_index(axis, len(shape)) for axis in axes}
    return _reduced(call, shape, gone)


@_operation("ArgMax", "ArgMin")
def _position(call: Call) -> Result:
    shape = call.shape()
    return _reduced(call, shape, {axis_index(call.integer("axis", 0), len(shape))})


def _reduced(call: Call, shape: Dimensions, gone: set[int]) -> Result:
    keep = bool(call.integer("keepdims", 1))
    result = tuple(1 if index in gone else size for index, size in enumerate(shape) if keep or index not in gone)
    values = call.tensor(0).values
    product = (prod(values),) if values is not None and call.node.op == "ReduceProd" and len(shape) == 1 else None
    return Result((result,), values=product, keeps_layout=keep)


@_operation("Constant")
def _constant(call: Call) -> Result:
    for name in ("value", "value_int", "value_float", "value_ints", "value_floats"):
        value = call.node.attributes.get(name)
        if isinstance(value, Constant):
            return Result((value.shape,), values=value.values)
        if isinstance(value, int | float):
            return Result(((),), values=(value,))
        if isinstance(value, list):
            return Result(((len(value),),), values=tuple(value) if len(value) <= MAX_VALUES else None)
    raise Unsettled
