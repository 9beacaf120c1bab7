"""Networks as ONNX graphs, layer by layer: the registry `WRITERS`, by the class of the layer.

ONNX puts channels first: pictures are (N, C, H, W) there and (N, H, W, C) here, and kernels are turned accordingly.
What is flattened keeps our order, so that fully connected weights stay as they were trained. Rounding up (`ceil`) and
unequal `same` paddings are written as explicit amounts, which every runtime reads the same way.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.formats.onnx.graph import Node
from cnncli.networks.layers import (
    blocks,
    connected,
    convolution,
    norms,
    pointwise,
    pooling,
    rearranging,
    resampling,
    sequences,
)
from cnncli.networks.layers.base import Layer
from cnncli.ops.batches.norms import neighbours
from cnncli.shapes import Shape, Window

OPSET = 17
"""The version of ONNX's operations: of 2022, which older runtimes read, before later changes of operations."""


class OnnxGraph:
    """Nodes and constants that are added one after the other.

    Args:
        arrays: the network's parameters and buffers by name.
        taken: names that nothing in the graph may have: its inputs.
    """

    def __init__(self, arrays: Mapping[str, Array], *, taken: tuple[str, ...] = ()) -> None:
        self.arrays = arrays
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._names = set(taken)

    def constant(self, name: str, array: ArrayLike) -> str:
        """Add a constant, and return its name."""
        name = self._unused(name)
        self.take(name, np.asarray(array, order="C"))
        return name

    def take(self, name: str, array: Array) -> None:
        """Keep a constant."""
        self.constants[name] = array

    def node(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        output = self._unused(name)
        self.nodes.append(Node(output, op, "", inputs, (output,), attributes))
        return output

    def protos(self) -> tuple[list[Any], list[Any]]:
        """Return the nodes and the constants as onnx's `NodeProto` and `TensorProto`."""
        from onnx import helper, numpy_helper

        nodes = []
        for each in self.nodes:
            settings: dict[str, Any] = each.attributes
            nodes.append(helper.make_node(each.op, each.inputs, each.outputs, name=each.name, **settings))
        return nodes, [numpy_helper.from_array(array, name) for name, array in self.constants.items()]

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
            x: the input.
            shape: its shape, `(H, W, C)` or `(N,)`.

        Raises:
            ModelError: a layer that cannot be written.
        """
        layer = layer.meaning(shape)
        for kind in type(layer).__mro__:
            if kind in WRITERS:
                return WRITERS[kind](Site(self, prefix, x, shape), layer)
        raise ModelError(f"{layer}: cannot be written as ONNX: no writer is known for this layer")


class Site(NamedTuple):
    """The place in a graph where a layer is written: the beginning of its names, and the name and shape of its input.

    Nodes and constants that are added get the layer's prefix before their names.
    """

    graph: OnnxGraph
    prefix: str
    x: str
    shape: Shape

    def node(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        return self.graph.node(op, self.prefix + name, *inputs, **attributes)

    def constant(self, name: str, array: ArrayLike, dtype: type | None = None) -> str:
        """Add a constant, and return its name."""
        return self.graph.constant(self.prefix + name, array if dtype is None else np.asarray(array, dtype))

    def array(self, name: str) -> Array:
        """Return a parameter or buffer of the layer."""
        return self.graph.arrays[self.prefix + name]

    def arrays(self, *names: str) -> list[str]:
        """Add parameters and buffers as they are."""
        return [self.constant(name, self.array(name)) for name in names]

    def per_channel(self, name: str) -> str:
        """Add a parameter of one number a channel, such that it is repeated over positions."""
        array = self.array(name)
        return self.constant(name, array[:, np.newaxis, np.newaxis] if len(self.shape) == 3 else array)

    def reshape(self, name: str, x: str, shape: Sequence[int]) -> str:
        """Add the same numbers in another shape, the batch's own size before it."""
        return self.node("Reshape", name, x, self.constant(f"{name}_shape", [0, *shape], np.int64))

    def slice(self, name: str, x: str, bounds: Mapping[int, tuple[int, int]]) -> str:
        """Add a slice between bounds along some axes."""
        starts, stops = zip(*bounds.values(), strict=True)
        numbers = {"starts": starts, "stops": stops, "axes": tuple(bounds)}
        return self.node(
            "Slice", name, x, *(self.constant(f"{name}_{key}", value, np.int64) for key, value in numbers.items())
        )

    def flat(self) -> str:
        """Add the input as one row of numbers, in our order."""
        if len(self.shape) == 1:
            return self.x
        x = self.x
        if self.shape[2] > 1 and prod(self.shape[:2]) > 1:  # else both orders are the same
            x = self.node("Transpose", "channels_last", x, perm=(0, 2, 3, 1))
        return self.node("Flatten", "flat", x, axis=1)

    def padded(self, padding: tuple[int, ...], value: float, channels: int = 0) -> str:
        """Add the input with a number around it, and with channels of it at the end."""
        top, bottom, left, right = padding
        pads = self.constant("pads", [0, 0, top, left, 0, channels, bottom, right], np.int64)
        return self.node("Pad", "padded", self.x, pads, self.constant("fill", value, np.float32))

    def scaled(self, x: str) -> str:
        """Add the product with the weight and the sum with the bias of each channel."""
        weight, bias = self.per_channel("weight"), self.per_channel("bias")
        return self.node("Add", "output", self.node("Mul", "scaled", x, weight), bias)


def _channels_first(shape: Shape) -> Shape:
    return (*shape[-1:], *shape[:-1])


def _compound(at: Site, layer: sequences.Compound) -> str:
    x = at.x
    for prefix, inner, shape in layer.parts(at.shape):
        x = at.graph.layer(inner, at.prefix + prefix, x, shape)
    return x


def _branches(at: Site, layer: blocks.Block) -> list[str]:
    return [at.graph.layer(inner, at.prefix + name, at.x, before) for name, inner, before in layer.parts(at.shape)]


def _product(at: Site, layer: blocks.Product) -> str:
    factors = _branches(at, layer)
    shapes = [branch.output_shape(at.shape) for _, _, branch in layer.branches]
    if any(len(each) == 3 for each in shapes):
        factors = [
            factor if len(each) == 3 else at.reshape("picture", factor, (*each, 1, 1))
            for factor, each in zip(factors, shapes, strict=True)
        ]
    found = factors[0]
    for factor in factors[1:]:
        found = at.node("Mul", "product", found, factor)
    return found


def _geometry(window: Window, padding: tuple[int, ...]) -> dict[str, Any]:
    top, bottom, left, right = padding
    return {"kernel_shape": window.kernel_size, "strides": window.stride, "pads": (top, left, bottom, right)}


def _bias(at: Site, layer: convolution.Conv | convolution.TransposedConv | connected.FullyConnected) -> list[str]:
    return at.arrays("bias") if layer.bias else []


def _conv(at: Site, layer: convolution.Conv) -> str:
    weight = at.array("weight")
    if layer.table:
        weight = convolution.dense_table(weight)
    window = layer.window(at.shape)
    inputs = [at.x, at.constant("weight", weight.transpose(3, 2, 0, 1)), *_bias(at, layer)]
    geometry = _geometry(window, window.padding)
    return at.node("Conv", "output", *inputs, group=layer.groups, **geometry, dilations=window.dilation)


def _transposed(at: Site, layer: convolution.TransposedConv) -> str:
    (top, bottom, left, right), extra = layer.paddings()
    weight = _ungrouped(at.array("weight"), layer.groups).transpose(2, 3, 0, 1)
    return at.node(
        "ConvTranspose",
        "output",
        *(at.x, at.constant("weight", weight), *_bias(at, layer)),
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
    """Return the paddings with which rounding down gives the size of rounding up."""
    top, bottom, left, right = window.padding
    (height, width), (reach_down, reach_across) = window.size, window.reach
    return top, max(bottom, reach_down - height - top), left, max(right, reach_across - width - left)


def _max(at: Site, layer: pooling.MaxPool) -> str:
    window = layer.window(at.shape)
    x, padding = at.x, _reaching(window)
    even = padding[0] == padding[1] and padding[2] == padding[3]
    if not even or padding[0] >= window.kernel_size[0] or padding[2] >= window.kernel_size[1]:
        # Runtimes refuse paddings as large as a (dilated) kernel; onnx's evaluator (of 1.23) mixes uneven ones up.
        x, padding = at.padded(padding, -np.inf), (0, 0, 0, 0)
    return at.node("MaxPool", "output", x, **_geometry(window, padding), dilations=window.dilation)


def _avg(at: Site, layer: pooling.AvgPool) -> str:
    window = layer.window(at.shape)
    x, padding = at.x, _reaching(window)
    if layer.count_include_pad and any(padding):
        # Padding that counts; positions of a partial window beyond it do not count.
        x = at.padded(window.padding, 0)
        top, bottom, left, right = (amount - own for amount, own in zip(padding, window.padding, strict=True))
        padding = (top, bottom, left, right)
    return at.node("AveragePool", "means", x, count_include_pad=0, **_geometry(window, padding))


def _sub(at: Site, layer: pooling.Subsampling) -> str:
    return at.scaled(at.node("AveragePool", "means", at.x, **_geometry(layer.window(at.shape), (0, 0, 0, 0))))


def _global_average(at: Site, layer: pooling.GlobalAvgPool) -> str:
    if layer.output_size == (1, 1):
        return at.node("GlobalAveragePool", "output", at.x)
    rows, columns = layer.matrices(at.shape)
    across = at.node("MatMul", "across", at.x, at.constant("columns", columns.T, np.float32))
    return at.node("MatMul", "output", at.constant("rows", rows, np.float32), across)


def _global_max(at: Site, layer: pooling.GlobalMaxPool) -> str:
    if layer.output_size == (1, 1):
        return at.node("GlobalMaxPool", "output", at.x)
    x = at.x
    for axis, bounds in zip((2, 3), layer.bounds(at.shape), strict=True):
        runs = [at.slice("run", x, {axis: run}) for run in bounds]
        maxima = [at.node("ReduceMax", "maximum", run, axes=[axis]) for run in runs]
        x = at.node("Concat", "output" if axis == 3 else "down", *maxima, axis=axis)
    return x


def _crop(at: Site, layer: rearranging.Crop) -> str:
    top, bottom, left, right = layer.margins
    return at.slice("output", at.x, {2: (top, at.shape[0] - bottom), 3: (left, at.shape[1] - right)})


def _split(at: Site, layer: rearranging.Split) -> str:
    number, size = layer.part[0], layer.output_shape(at.shape)[-1]
    return at.slice("output", at.x, {1: ((number - 1) * size, number * size)})


def _shuffle(at: Site, layer: rearranging.Shuffle) -> str:
    size = at.shape[:-1]
    grouped = at.reshape("groups", at.x, (layer.groups, at.shape[-1] // layer.groups, *size))
    turned = at.node("Transpose", "turned", grouped, perm=(0, 2, 1, *range(3, 3 + len(size))))
    return at.reshape("output", turned, _channels_first(at.shape))


def _space_to_depth(at: Site, layer: rearranging.SpaceToDepth) -> str:
    """Add blocks in PyTorch's order: ONNX's own operation has another."""
    (height, width, channels), size = at.shape, layer.block_size
    cut = at.reshape("blocks", at.x, (channels, height // size, size, width // size, size))
    turned = at.node("Transpose", "turned", cut, perm=(0, 1, 3, 5, 2, 4))
    return at.reshape("output", turned, _channels_first(layer.output_shape(at.shape)))


def _reshape(at: Site, layer: rearranging.Reshape) -> str:
    if len(layer.shape) == 1:
        return at.flat()
    return at.node("Transpose", "output", at.reshape("pictures", at.flat(), layer.shape), perm=(0, 3, 1, 2))


def _upsampling(at: Site, layer: resampling.Upsampling) -> str:
    if layer.mode == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        places = "align_corners" if layer.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": places}
    return at.node("Resize", "output", at.x, "", at.constant("scales", (1, 1, *layer.scale_factor), np.float32), **how)


def _radial(at: Site, layer: connected.RadialBasis) -> str:
    flat = at.flat()
    codes = at.constant("weight", at.array("weight")[np.newaxis])
    last, inner = (at.constant("axis", [axis], np.int64) for axis in (2, 1))
    apart = at.node("Sub", "apart", at.node("Unsqueeze", "column", flat, last), codes)
    return at.node("ReduceSum", "output", at.node("Mul", "squares", apart, apart), inner, keepdims=0)


def _batch_norm(at: Site, layer: norms.BatchNorm) -> str:
    arrays = at.arrays("weight", "bias", "running_mean", "running_var")
    return at.node("BatchNormalization", "output", at.x, *arrays, epsilon=layer.eps)


def _group_norm(at: Site, layer: norms.GroupNorm | norms.InstanceNorm) -> str:
    groups = layer.group_count(at.shape[-1])
    one, zero = (at.constant(name, np.full(groups, n), np.float32) for name, n in (("ones", 1), ("zeros", 0)))
    grouped = at.reshape("groups", at.x, (groups, -1))
    normal = at.node("InstanceNormalization", "normal", grouped, one, zero, epsilon=layer.eps)
    back = at.reshape("standardized", normal, _channels_first(at.shape))
    return at.scaled(back) if layer.affine else back


def _layer_norm(at: Site, layer: norms.LayerNorm) -> str:
    """Add the operations one by one: ONNX's own takes the last axes together, and channels are the first."""
    centred = at.node("Sub", "centred", at.x, at.node("ReduceMean", "mean", at.x, axes=[1]))
    squares = at.node("Mul", "squares", centred, centred)
    variance = at.node("ReduceMean", "variance", squares, axes=[1])
    raised = at.node("Add", "raised", variance, at.constant("eps", layer.eps, np.float32))
    standardized = at.node("Div", "standardized", centred, at.node("Sqrt", "deviation", raised))
    return at.scaled(standardized) if layer.affine else standardized


def _local_response(at: Site, layer: norms.LocalResponseNorm) -> str:
    """Add x / (k + alpha / size * sums)^beta, the sums a 1x1 convolution of x^2 with a banded matrix of ones.

    ONNX's own operation is for pictures alone, in some runtimes for odd sizes alone, and its reference evaluator (of
    1.23) computes it for as many channels as there are pictures.
    """
    band = neighbours(at.shape[-1], layer.size, np.dtype(np.float32))
    squares = at.node("Mul", "squares", at.x, at.x)
    if len(at.shape) == 3:
        banded = at.constant("band", band.T[:, :, np.newaxis, np.newaxis])
        sums = at.node("Conv", "sums", squares, banded, kernel_shape=(1, 1))
    else:
        sums = at.node("MatMul", "sums", squares, at.constant("band", band))
    settings = (("share", layer.alpha / layer.size), ("k", layer.k), ("beta", layer.beta))
    share, k, beta = (at.constant(name, value, np.float32) for name, value in settings)
    divisor = at.node("Add", "divisor", at.node("Mul", "shares", sums, share), k)
    return at.node("Div", "output", at.x, at.node("Pow", "power", divisor, beta))


def _relu6(at: Site, layer: pointwise.ReLU6) -> str:
    return at.node("Clip", "output", at.x, *(at.constant(f"output_{end}", end, np.float32) for end in (0, 6)))


def _gelu(at: Site, layer: pointwise.GELU) -> str:
    root, half, one = (at.constant("output_constant", value, np.float32) for value in (0.5**0.5, 0.5, 1))
    error = at.node("Erf", "output_erf", at.node("Mul", "output_scaled", at.x, root))
    share = at.node("Mul", "output_share", at.node("Add", "output_raised", error, one), half)
    return at.node("Mul", "output", at.x, share)


def _mish(at: Site, layer: pointwise.Mish) -> str:
    share = at.node("Tanh", "output_share", at.node("Softplus", "output_softplus", at.x))
    return at.node("Mul", "output", at.x, share)


def _hard_swish(at: Site, layer: pointwise.HardSwish) -> str:
    return at.node("Mul", "output", at.x, at.node("HardSigmoid", "output_share", at.x, alpha=1 / 6, beta=0.5))


Writer = Callable[[Site, Any], str]


def _one_node(op: str, **settings: float) -> Writer:
    return lambda at, layer: at.node(op, "output", at.x, **settings)


WRITERS: dict[type[Layer], Writer] = {
    sequences.Compound: _compound,
    blocks.Add: lambda at, layer: at.node("Add", "sum", *_branches(at, layer)),
    blocks.Residual: lambda at, layer: at.node("Relu", "relu", at.node("Add", "sum", *_branches(at, layer))),
    blocks.Concat: lambda at, layer: at.node("Concat", "joined", *_branches(at, layer), axis=1),
    blocks.Product: _product,
    convolution.Conv: _conv,
    convolution.TransposedConv: _transposed,
    pooling.MaxPool: _max,
    pooling.AvgPool: _avg,
    pooling.Subsampling: _sub,
    pooling.GlobalAvgPool: _global_average,
    pooling.GlobalMaxPool: _global_max,
    rearranging.Crop: _crop,
    rearranging.Split: _split,
    rearranging.Shuffle: _shuffle,
    rearranging.SpaceToDepth: _space_to_depth,
    rearranging.DepthToSpace: lambda at, layer: at.node(
        "DepthToSpace", "output", at.x, blocksize=layer.block_size, mode="CRD"
    ),
    rearranging.Reshape: _reshape,
    resampling.Upsampling: _upsampling,
    rearranging.ZeroPad: lambda at, layer: at.padded((0, 0, 0, 0), 0, layer.out_channels - at.shape[2]),
    pointwise.Flatten: lambda at, layer: at.flat(),
    pointwise.Dropout: lambda at, layer: at.x,
    pointwise.Linear: lambda at, layer: at.x,
    connected.FullyConnected: lambda at, layer: at.node(
        "Gemm", "output", at.flat(), *at.arrays("weight"), *_bias(at, layer)
    ),
    connected.RadialBasis: _radial,
    norms.BatchNorm: _batch_norm,
    norms.GroupNorm: _group_norm,
    norms.InstanceNorm: _group_norm,
    norms.LayerNorm: _layer_norm,
    norms.LocalResponseNorm: _local_response,
    pointwise.Scale: lambda at, layer: at.node("Mul", "output", at.x, at.per_channel("weight")),
    pointwise.PReLU: lambda at, layer: at.node("PRelu", "output", at.x, at.per_channel("weight")),
    pointwise.ReLU6: _relu6,
    pointwise.SiLU: lambda at, layer: at.node("Mul", "output", at.x, at.node("Sigmoid", "output_share", at.x)),
    pointwise.GELU: _gelu,
    pointwise.Mish: _mish,
    pointwise.HardSwish: _hard_swish,
    pointwise.ReLU: _one_node("Relu"),
    pointwise.LeakyReLU: lambda at, layer: at.node("LeakyRelu", "output", at.x, alpha=layer.negative_slope),
    pointwise.ELU: _one_node("Elu"),
    pointwise.HardSigmoid: _one_node("HardSigmoid", alpha=1 / 6, beta=0.5),
    pointwise.Tanh: _one_node("Tanh"),
    pointwise.Sigmoid: _one_node("Sigmoid"),
    pointwise.Softmax: _one_node("Softmax", axis=1),
}
"""The writer of each kind of layer; a kind without an entry is written as the class that it derives from."""
