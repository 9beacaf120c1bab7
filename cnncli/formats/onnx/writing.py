"""Networks as ONNX graphs, layer by layer.

ONNX puts channels first: pictures are (N, C, H, W) there and (N, H, W, C) here, and kernels are turned accordingly.
What is flattened keeps our order, so that fully connected weights stay as they were trained. Rounding up (`ceil`) and
unequal `same` paddings are written as explicit amounts, which every runtime reads the same way.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from cnncli.errors import ModelError
from cnncli.networks.layers import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Block,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
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
    Product,
    RadialBasis,
    Residual,
    Scale,
    Subsampling,
    TransposedConv,
    Upsampling,
    ZeroPad,
)
from cnncli.networks.layers.blocks import Compound
from cnncli.networks.layers.convolution import TABLE
from cnncli.networks.layers.rearranging import Crop, DepthToSpace, Reshape, Shuffle, SpaceToDepth, Split
from cnncli.shapes import Shape, Window

Array = NDArray[Any]

OPSET = 17
"""The version of ONNX's operations: of 2022, so that older runtimes read it, and without what later ones changed."""


class OnnxGraph:
    """Nodes and constants that are added one after the other.

    Args:
        arrays: the network's parameters and buffers by name.
        taken: names that nothing in the graph may have: its inputs.
    """

    def __init__(self, arrays: Mapping[str, Array], *, taken: tuple[str, ...] = ()) -> None:
        self._arrays = arrays
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names = set(taken)

    def constant(self, name: str, array: ArrayLike) -> str:
        """Add a constant, and return what nodes call it."""
        name = self._unused(name)
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def array(self, name: str) -> Array:
        """Return a parameter or buffer of the network."""
        return self._arrays[name]

    def node(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        output = self._unused(name)
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def _unused(self, name: str) -> str:
        found, number = name, 2
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found

    def layer(self, layer: Layer, prefix: str, x: str, shape: Shape) -> str:
        """Add a layer, and return the name of its output.

        Args:
            layer: the layer.
            prefix: the beginning of its arrays' names, such as `0.conv.`.
            x: what comes in.
            shape: its shape, `(H, W, C)` or `(N,)`.

        Raises:
            ModelError: a layer that cannot be written.
        """
        for kind in type(layer).__mro__:
            if kind in _WRITERS:
                return _WRITERS[kind](self, layer, prefix, x, shape)
        raise ModelError(f"{layer}: is a layer that cannot be written as ONNX")


Writer = Callable[[OnnxGraph, Any, str, str, Shape], str]


def _compound(graph: OnnxGraph, layer: Compound, prefix: str, x: str, shape: Shape) -> str:
    for inner_prefix, inner, inner_shape in layer.parts(shape):
        x = graph.layer(inner, prefix + inner_prefix, x, inner_shape)
    return x


def _branches(graph: OnnxGraph, layer: Block, prefix: str, x: str, shape: Shape) -> list[str]:
    return [graph.layer(inner, prefix + name, x, before) for name, inner, before in layer.parts(shape)]


def _add(graph: OnnxGraph, layer: Add, prefix: str, x: str, shape: Shape) -> str:
    return graph.node("Add", f"{prefix}sum", *_branches(graph, layer, prefix, x, shape))


def _residual(graph: OnnxGraph, layer: Residual, prefix: str, x: str, shape: Shape) -> str:
    return graph.node("Relu", f"{prefix}relu", _add(graph, layer, prefix, x, shape))


def _concat(graph: OnnxGraph, layer: Concat, prefix: str, x: str, shape: Shape) -> str:
    return graph.node("Concat", f"{prefix}joined", *_branches(graph, layer, prefix, x, shape), axis=1)


def _product(graph: OnnxGraph, layer: Product, prefix: str, x: str, shape: Shape) -> str:
    factors = _branches(graph, layer, prefix, x, shape)
    shapes = [branch.output_shape(shape) for _, _, branch in layer.branches]
    if any(len(each) == 3 for each in shapes):
        factors = [
            factor if len(each) == 3 else _reshape(graph, f"{prefix}picture", factor, (*each, 1, 1))
            for factor, each in zip(factors, shapes, strict=True)
        ]
    found = factors[0]
    for factor in factors[1:]:
        found = graph.node("Mul", f"{prefix}product", found, factor)
    return found


def _reshape(graph: OnnxGraph, name: str, x: str, shape: Sequence[int]) -> str:
    """Add the same numbers in another shape, the batch's own size before it."""
    return graph.node("Reshape", name, x, graph.constant(f"{name}_shape", np.array([0, *shape], np.int64)))


def _per_channel(graph: OnnxGraph, name: str, array: Array, shape: Shape) -> str:
    """Add a vector of one number a channel, such that it is repeated over positions."""
    return graph.constant(name, array[:, np.newaxis, np.newaxis] if len(shape) == 3 else array)


def _channels_first(shape: Shape) -> Shape:
    return (*shape[-1:], *shape[:-1])


def _conv(graph: OnnxGraph, layer: Conv, prefix: str, x: str, shape: Shape) -> str:
    weight = graph.array(f"{prefix}weight")
    if layer.table:
        dense = np.zeros((*layer.kernel_size, 6, len(TABLE)), weight.dtype)
        pairs = [(channel, number) for number, channels in enumerate(TABLE) for channel in channels]
        dense[:, :, [pair[0] for pair in pairs], [pair[1] for pair in pairs]] = weight
        weight = dense
    window = layer.window(shape)
    inputs = [x, graph.constant(f"{prefix}weight", weight.transpose(3, 2, 0, 1)), *_bias(graph, layer, prefix)]
    return graph.node("Conv", f"{prefix}output", *inputs, group=layer.groups, **_geometry(window, window.padding))


def _bias(graph: OnnxGraph, layer: Any, prefix: str) -> list[str]:
    return [graph.constant(f"{prefix}bias", graph.array(f"{prefix}bias"))] if layer.bias else []


def _geometry(window: Window, padding: tuple[int, ...], *, dilated: bool = True) -> dict[str, Any]:
    top, bottom, left, right = padding
    found: dict[str, Any] = {
        "kernel_shape": window.kernel_size,
        "strides": window.stride,
        "pads": (top, left, bottom, right),
    }
    return found | ({"dilations": window.dilation} if dilated else {})


def _depthwise(graph: OnnxGraph, layer: Depthwise, prefix: str, x: str, shape: Shape) -> str:
    return _conv(graph, layer.convolution(shape), prefix, x, shape)


def _transposed(graph: OnnxGraph, layer: TransposedConv, prefix: str, x: str, shape: Shape) -> str:
    weight = graph.array(f"{prefix}weight")
    (top, bottom, left, right), extra = layer.paddings()
    turned = _ungrouped(weight, layer.groups).transpose(2, 3, 0, 1)
    inputs = [x, graph.constant(f"{prefix}weight", turned), *_bias(graph, layer, prefix)]
    return graph.node(
        "ConvTranspose",
        f"{prefix}output",
        *inputs,
        kernel_shape=layer.kernel_size,
        strides=layer.stride,
        dilations=layer.dilation,
        pads=(top, left, bottom, right),
        output_padding=extra,
    )


def _ungrouped(weight: Array, groups: int) -> Array:
    """Return weights (f_h, f_w, C_in / groups, C_out) as (f_h, f_w, C_in, C_out), zero between groups.

    ONNX has groups too, but its reference evaluator (of 1.23) fails on them in transposed convolutions.
    """
    height, width, per_group, filters = weight.shape
    dense = np.zeros((height, width, groups, per_group, groups, filters // groups), weight.dtype)
    for group in range(groups):
        dense[:, :, group, :, group] = weight.reshape(height, width, per_group, groups, -1)[:, :, :, group]
    return dense.reshape(height, width, groups * per_group, filters)


def _reaching(window: Window) -> tuple[int, int, int, int]:
    """The paddings with which rounding down gives what rounding up gives without."""
    top, bottom, left, right = window.padding
    (height, width), (reach_down, reach_across) = window.size, window.reach
    return top, max(bottom, reach_down - height - top), left, max(right, reach_across - width - left)


def _max(graph: OnnxGraph, layer: MaxPool, prefix: str, x: str, shape: Shape) -> str:
    window = layer.window(shape)
    padding = _reaching(window)
    even = padding[0] == padding[1] and padding[2] == padding[3]
    if not even or padding[0] >= window.kernel_size[0] or padding[2] >= window.kernel_size[1]:
        # Runtimes refuse paddings as large as a (dilated) kernel; onnx's evaluator (of 1.23) mixes uneven ones up.
        x, padding = _padded(graph, prefix, x, padding, -np.inf), (0, 0, 0, 0)
    return graph.node("MaxPool", f"{prefix}output", x, **_geometry(window, padding))


def _padded(graph: OnnxGraph, prefix: str, x: str, padding: tuple[int, ...], value: float, channels: int = 0) -> str:
    top, bottom, left, right = padding
    pads = graph.constant(f"{prefix}pads", np.array([0, 0, top, left, 0, channels, bottom, right], np.int64))
    return graph.node("Pad", f"{prefix}padded", x, pads, graph.constant(f"{prefix}fill", np.float32(value)))


def _avg(graph: OnnxGraph, layer: AvgPool, prefix: str, x: str, shape: Shape) -> str:
    window = layer.window(shape)
    padding = _reaching(window)
    if layer.count_include_pad and any(padding):
        # Zeros that count; what a partial window sees beyond them does not.
        x = _padded(graph, prefix, x, window.padding, 0)
        top, bottom, left, right = (amount - own for amount, own in zip(padding, window.padding, strict=True))
        padding = (top, bottom, left, right)
    return graph.node(
        "AveragePool", f"{prefix}means", x, count_include_pad=0, **_geometry(window, padding, dilated=False)
    )


def _sub(graph: OnnxGraph, layer: Subsampling, prefix: str, x: str, shape: Shape) -> str:
    window = layer.window(shape)
    means = graph.node("AveragePool", f"{prefix}means", x, **_geometry(window, (0, 0, 0, 0), dilated=False))
    weight, bias = (
        graph.constant(f"{prefix}{name}", graph.array(f"{prefix}{name}")[:, np.newaxis, np.newaxis])
        for name in ("weight", "bias")
    )
    return graph.node("Add", f"{prefix}output", graph.node("Mul", f"{prefix}scaled", means, weight), bias)


def _global_average(graph: OnnxGraph, layer: GlobalAvgPool, prefix: str, x: str, shape: Shape) -> str:
    if layer.output_size == (1, 1):
        return graph.node("GlobalAveragePool", f"{prefix}output", x)
    rows, columns = layer.matrices(shape)
    across = graph.node("MatMul", f"{prefix}across", x, _float(graph, f"{prefix}columns", columns.T))
    return graph.node("MatMul", f"{prefix}output", _float(graph, f"{prefix}rows", rows), across)


def _float(graph: OnnxGraph, name: str, array: ArrayLike) -> str:
    return graph.constant(name, np.asarray(array, np.float32))


def _global_max(graph: OnnxGraph, layer: GlobalMaxPool, prefix: str, x: str, shape: Shape) -> str:
    if layer.output_size == (1, 1):
        return graph.node("GlobalMaxPool", f"{prefix}output", x)
    for axis, bounds in zip((2, 3), layer.bounds(shape), strict=True):
        runs = [_slice(graph, f"{prefix}run", x, {axis: run}) for run in bounds]
        maxima = [graph.node("ReduceMax", f"{prefix}maximum", run, axes=[axis]) for run in runs]
        x = graph.node("Concat", f"{prefix}output" if axis == 3 else f"{prefix}down", *maxima, axis=axis)
    return x


def _slice(graph: OnnxGraph, name: str, x: str, bounds: Mapping[int, tuple[int, int]]) -> str:
    """Add what lies between bounds along some axes."""
    starts, stops = zip(*bounds.values(), strict=True)
    numbers = {"starts": starts, "stops": stops, "axes": tuple(bounds)}
    return graph.node(
        "Slice",
        name,
        x,
        *(graph.constant(f"{name}_{key}", np.array(value, np.int64)) for key, value in numbers.items()),
    )


def _crop(graph: OnnxGraph, layer: Crop, prefix: str, x: str, shape: Shape) -> str:
    top, bottom, left, right = layer.margins
    return _slice(graph, f"{prefix}output", x, {2: (top, shape[0] - bottom), 3: (left, shape[1] - right)})


def _split(graph: OnnxGraph, layer: Split, prefix: str, x: str, shape: Shape) -> str:
    number, size = layer.part[0], layer.output_shape(shape)[-1]
    return _slice(graph, f"{prefix}output", x, {1: ((number - 1) * size, number * size)})


def _shuffle(graph: OnnxGraph, layer: Shuffle, prefix: str, x: str, shape: Shape) -> str:
    size = shape[:-1]
    grouped = _reshape(graph, f"{prefix}groups", x, (layer.groups, shape[-1] // layer.groups, *size))
    turned = graph.node("Transpose", f"{prefix}turned", grouped, perm=(0, 2, 1, *range(3, 3 + len(size))))
    return _reshape(graph, f"{prefix}output", turned, _channels_first(shape))


def _space_to_depth(graph: OnnxGraph, layer: SpaceToDepth, prefix: str, x: str, shape: Shape) -> str:
    """Add blocks in PyTorch's order: ONNX's own operation has another."""
    (height, width, channels), size = shape, layer.block_size
    blocks = _reshape(graph, f"{prefix}blocks", x, (channels, height // size, size, width // size, size))
    turned = graph.node("Transpose", f"{prefix}turned", blocks, perm=(0, 1, 3, 5, 2, 4))
    return _reshape(graph, f"{prefix}output", turned, _channels_first(layer.output_shape(shape)))


def _depth_to_space(graph: OnnxGraph, layer: DepthToSpace, prefix: str, x: str, shape: Shape) -> str:
    return graph.node("DepthToSpace", f"{prefix}output", x, blocksize=layer.block_size, mode="CRD")


def _reshaped(graph: OnnxGraph, layer: Reshape, prefix: str, x: str, shape: Shape) -> str:
    flat = _flatten(graph, None, prefix, x, shape)
    if len(layer.shape) == 1:
        return flat
    pictures = _reshape(graph, f"{prefix}pictures", flat, layer.shape)
    return graph.node("Transpose", f"{prefix}output", pictures, perm=(0, 3, 1, 2))


def _upsampling(graph: OnnxGraph, layer: Upsampling, prefix: str, x: str, shape: Shape) -> str:
    scales = _float(graph, f"{prefix}scales", (1, 1, *layer.scale_factor))
    if layer.mode == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        places = "align_corners" if layer.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": places}
    return graph.node("Resize", f"{prefix}output", x, "", scales, **how)


def _scale(graph: OnnxGraph, layer: Scale, prefix: str, x: str, shape: Shape) -> str:
    weight = _per_channel(graph, f"{prefix}weight", graph.array(f"{prefix}weight"), shape)
    return graph.node("Mul", f"{prefix}output", x, weight)


def _prelu(graph: OnnxGraph, layer: PReLU, prefix: str, x: str, shape: Shape) -> str:
    weight = _per_channel(graph, f"{prefix}weight", graph.array(f"{prefix}weight"), shape)
    return graph.node("PRelu", f"{prefix}output", x, weight)


def _flatten(graph: OnnxGraph, layer: Layer | None, prefix: str, x: str, shape: Shape) -> str:
    if len(shape) == 1:
        return x
    if shape[2] > 1 and prod(shape[:2]) > 1:  # else both orders are the same
        x = graph.node("Transpose", f"{prefix}channels_last", x, perm=(0, 2, 3, 1))
    return graph.node("Flatten", f"{prefix}flat", x, axis=1)


def _connected(graph: OnnxGraph, layer: FullyConnected, prefix: str, x: str, shape: Shape) -> str:
    flat = _flatten(graph, None, prefix, x, shape)
    weight = graph.constant(f"{prefix}weight", graph.array(f"{prefix}weight"))
    return graph.node("Gemm", f"{prefix}output", flat, weight, *_bias(graph, layer, prefix))


def _radial(graph: OnnxGraph, layer: RadialBasis, prefix: str, x: str, shape: Shape) -> str:
    flat = _flatten(graph, None, prefix, x, shape)
    codes = graph.constant(f"{prefix}weight", graph.array(f"{prefix}weight")[np.newaxis])
    last, inner = (graph.constant(f"{prefix}axis", np.array([axis], np.int64)) for axis in (2, 1))
    apart = graph.node("Sub", f"{prefix}apart", graph.node("Unsqueeze", f"{prefix}column", flat, last), codes)
    squares = graph.node("Mul", f"{prefix}squares", apart, apart)
    return graph.node("ReduceSum", f"{prefix}output", squares, inner, keepdims=0)


def _batch_norm(graph: OnnxGraph, layer: BatchNorm, prefix: str, x: str, shape: Shape) -> str:
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = [graph.constant(f"{prefix}{name}", graph.array(f"{prefix}{name}")) for name in names]
    return graph.node("BatchNormalization", f"{prefix}output", x, *arrays, epsilon=layer.eps)


def _group_norm(graph: OnnxGraph, layer: GroupNorm | InstanceNorm, prefix: str, x: str, shape: Shape) -> str:
    groups = layer.groups if isinstance(layer, GroupNorm) else shape[-1]
    one, zero = (_float(graph, f"{prefix}{name}", np.full(groups, n)) for name, n in (("ones", 1), ("zeros", 0)))
    grouped = _reshape(graph, f"{prefix}groups", x, (groups, -1))
    normal = graph.node("InstanceNormalization", f"{prefix}normal", grouped, one, zero, epsilon=layer.eps)
    back = _reshape(graph, f"{prefix}standardized", normal, _channels_first(shape))
    return _affine(graph, layer, prefix, back, shape)


def _layer_norm(graph: OnnxGraph, layer: LayerNorm, prefix: str, x: str, shape: Shape) -> str:
    """Add the operations one by one: ONNX's own takes the last axes together, and channels are the first."""
    centred = graph.node("Sub", f"{prefix}centred", x, graph.node("ReduceMean", f"{prefix}mean", x, axes=[1]))
    squares = graph.node("Mul", f"{prefix}squares", centred, centred)
    variance = graph.node("ReduceMean", f"{prefix}variance", squares, axes=[1])
    raised = graph.node("Add", f"{prefix}raised", variance, _float(graph, f"{prefix}eps", layer.eps))
    deviation = graph.node("Sqrt", f"{prefix}deviation", raised)
    return _affine(graph, layer, prefix, graph.node("Div", f"{prefix}standardized", centred, deviation), shape)


def _affine(graph: OnnxGraph, layer: Any, prefix: str, x: str, shape: Shape) -> str:
    """Add the scale and the shift of each channel."""
    if not layer.affine:
        return x
    weight, bias = (
        _per_channel(graph, f"{prefix}{name}", graph.array(f"{prefix}{name}"), shape) for name in ("weight", "bias")
    )
    return graph.node("Add", f"{prefix}output", graph.node("Mul", f"{prefix}scaled", x, weight), bias)


def _local_response(graph: OnnxGraph, layer: LocalResponseNorm, prefix: str, x: str, shape: Shape) -> str:
    """Add x / (k + alpha / size * sums)^beta, the sums a 1x1 convolution of x^2 with a banded matrix of ones.

    ONNX's own operation is for pictures alone, in some runtimes for odd sizes alone, and its reference evaluator (of
    1.23) computes it for as many channels as there are pictures.
    """
    distance = np.arange(shape[-1])[:, np.newaxis] - np.arange(shape[-1])
    # As in `cnncli.ops.batches.norms`: of an even size one more before than after.
    band = ((distance <= layer.size // 2) & (-distance <= (layer.size - 1) // 2)).astype(np.float32)
    squares = graph.node("Mul", f"{prefix}squares", x, x)
    if len(shape) == 3:
        banded = graph.constant(f"{prefix}band", band[:, :, np.newaxis, np.newaxis])
        sums = graph.node("Conv", f"{prefix}sums", squares, banded, kernel_shape=(1, 1))
    else:
        sums = graph.node("MatMul", f"{prefix}sums", squares, graph.constant(f"{prefix}band", band.T))
    share, k, beta = (
        graph.constant(f"{prefix}{name}", np.float32(value))
        for name, value in (("share", layer.alpha / layer.size), ("k", layer.k), ("beta", layer.beta))
    )
    divisor = graph.node("Add", f"{prefix}divisor", graph.node("Mul", f"{prefix}shares", sums, share), k)
    return graph.node("Div", f"{prefix}output", x, graph.node("Pow", f"{prefix}power", divisor, beta))


def _zero_pad(graph: OnnxGraph, layer: ZeroPad, prefix: str, x: str, shape: Shape) -> str:
    return _padded(graph, prefix, x, (0, 0, 0, 0), 0, layer.out_channels - shape[2])


def _same(graph: OnnxGraph, layer: Layer, prefix: str, x: str, shape: Shape) -> str:
    return x


def _activation(graph: OnnxGraph, layer: Activation, prefix: str, x: str, shape: Shape) -> str:
    if layer.op not in _ACTIVATIONS:
        raise ModelError(f"{layer}: is an activation that cannot be written as ONNX")
    return _ACTIVATIONS[layer.op](graph, layer, f"{prefix}output", x)


def _plain(op: str, **settings: Any) -> Callable[[OnnxGraph, Any, str, str], str]:
    return lambda graph, layer, name, x: graph.node(op, name, x, **settings)


def _relu6(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    low, high = (graph.constant(f"{name}_{number}", np.float32(number)) for number in (0, 6))
    return graph.node("Clip", name, x, low, high)


def _leaky(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    return graph.node("LeakyRelu", name, x, alpha=layer.negative_slope)


def _silu(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    return graph.node("Mul", name, x, graph.node("Sigmoid", f"{name}_share", x))


def _gelu(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    root, half, one = (graph.constant(f"{name}_constant", np.float32(value)) for value in (0.5**0.5, 0.5, 1))
    error = graph.node("Erf", f"{name}_erf", graph.node("Mul", f"{name}_scaled", x, root))
    share = graph.node("Mul", f"{name}_share", graph.node("Add", f"{name}_raised", error, one), half)
    return graph.node("Mul", name, x, share)


def _mish(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    share = graph.node("Tanh", f"{name}_share", graph.node("Softplus", f"{name}_softplus", x))
    return graph.node("Mul", name, x, share)


def _hard_sigmoid(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    return graph.node("HardSigmoid", name, x, alpha=1 / 6, beta=0.5)


def _hard_swish(graph: OnnxGraph, layer: Any, name: str, x: str) -> str:
    return graph.node("Mul", name, x, _hard_sigmoid(graph, layer, f"{name}_share", x))


_ACTIVATIONS: dict[str, Callable[[OnnxGraph, Any, str, str], str]] = {
    "relu": _plain("Relu"),
    "relu6": _relu6,
    "leaky": _leaky,
    "elu": _plain("Elu"),
    "silu": _silu,
    "gelu": _gelu,
    "mish": _mish,
    "hswish": _hard_swish,
    "hsigmoid": _hard_sigmoid,
    "tanh": _plain("Tanh"),
    "sigmoid": _plain("Sigmoid"),
    "softmax": _plain("Softmax", axis=1),
    "linear": lambda graph, layer, name, x: x,
}

_WRITERS: dict[type[Layer], Writer] = {
    Compound: _compound,
    Add: _add,
    Residual: _residual,
    Concat: _concat,
    Product: _product,
    Conv: _conv,
    Depthwise: _depthwise,
    TransposedConv: _transposed,
    MaxPool: _max,
    AvgPool: _avg,
    Subsampling: _sub,
    GlobalAvgPool: _global_average,
    GlobalMaxPool: _global_max,
    FullyConnected: _connected,
    RadialBasis: _radial,
    BatchNorm: _batch_norm,
    LocalResponseNorm: _local_response,
    LayerNorm: _layer_norm,
    GroupNorm: _group_norm,
    InstanceNorm: _group_norm,
    Scale: _scale,
    PReLU: _prelu,
    Upsampling: _upsampling,
    Crop: _crop,
    Split: _split,
    Shuffle: _shuffle,
    SpaceToDepth: _space_to_depth,
    DepthToSpace: _depth_to_space,
    Reshape: _reshaped,
    Dropout: _same,
    Flatten: _flatten,
    ZeroPad: _zero_pad,
    Activation: _activation,
}
"""What writes each kind of layer; a kind without an entry is written as the class that it derives from."""
