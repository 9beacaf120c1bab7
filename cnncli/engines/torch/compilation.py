"""From a network to a module of PyTorch that computes the same, with parameters of the same names.

To add a layer, enter what makes its module in `BUILDERS`, by its word.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import prod
from typing import Any, NamedTuple

from torch import nn

from cnncli.engines.torch import modules
from cnncli.engines.torch.chance import Chance
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.layers import Block, Compound, Layer
from cnncli.shapes import Shape


class Place(NamedTuple):
    """Where a layer is.

    Attributes:
        input_shape: what comes to it, (H, W, C) or (N,).
        path: the beginning of its names, such as `4.res.main.0.conv.`.
        chance: what random numbers depend on.
    """

    input_shape: Shape
    path: str
    chance: Chance


def compile_network(network: Network, chance: Chance | None = None) -> nn.Module:
    """Return a module that computes what a network does.

    It takes (N, C, H, W), in channels-last memory where it is to be fast, or (N, features). The names of its state are
    the network's, the axes of its arrays PyTorch's. Its parameters are not set: `weights.load` does it.

    Raises:
        ArgumentError: a layer that has no counterpart in PyTorch.

    Example:
        >>> from cnncli.networks import parse_network
        >>> module = compile_network(parse_network("28x28x1 conv5-6,relu max2 fc-10"))
        >>> {name: tuple(array.shape) for name, array in module.state_dict().items()}["0.conv.weight"]
        (6, 1, 5, 5)
    """
    return compile_layer(network.layers, Place(network.input_shape, "", chance or Chance()))


def compile_layer(layer: Layer, place: Place) -> nn.Module:
    """Return the module of a layer."""
    if isinstance(layer, Block):
        return _JOINED[layer.op](
            {
                name: compile_layer(branch, place._replace(path=f"{place.path}{name}."))
                for name, _, branch in layer.branches
            }
        )
    if isinstance(layer, Compound):
        return _sequence(
            (prefix, compile_layer(part, place._replace(input_shape=before, path=place.path + prefix)))
            for prefix, part, before in layer.parts(place.input_shape)
        )
    if layer.op not in BUILDERS:
        raise ArgumentError(f"the layer {layer.label} has no counterpart in PyTorch: leave --engine torch out")
    return BUILDERS[layer.op](layer, place)


def _sequence(parts: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    """Return modules one after the other; a name such as `0.conv.` is a module within a module."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for prefix, module in parts:
        first, _, rest = prefix.removesuffix(".").partition(".")
        named[first] = nn.Sequential(OrderedDict([(rest, module)])) if rest else module
    return nn.Sequential(named)


def _convolution(layer: Any, place: Place) -> nn.Module:
    shape = place.input_shape
    if layer.op == "dw":
        layer = layer.convolution(shape)
    if layer.table:
        return modules.TableConvolution(layer.window(shape), bias=layer.bias)
    options = layer.window(shape), shape[2], layer.out_channels, layer.groups
    return modules.Convolution(*options, bias=layer.bias)


def _average(layer: Any, place: Place) -> nn.Module:
    return modules.AvgPool(layer.window(place.input_shape), include_padding=layer.count_include_pad)


def _upsampling(layer: Any, place: Place) -> nn.Module:
    size = layer.output_shape(place.input_shape)[:2]
    if layer.mode == "nearest":
        return nn.Upsample(size)
    return nn.Upsample(size, mode="bilinear", align_corners=layer.align_corners)


def _group_norm(layer: Any, groups: int, place: Place) -> nn.Module:
    return modules.GroupNorm(groups, place.input_shape[-1], layer.eps, layer.affine)


Builder = Callable[[Any, Place], nn.Module]

BUILDERS: dict[str, Builder] = {
    "conv": _convolution,
    "dw": _convolution,
    "tconv": lambda layer, place: modules.TransposedConvolution(layer, place.input_shape[2]),
    "max": lambda layer, place: modules.MaxPool(layer.window(place.input_shape)),
    "avg": _average,
    "sub": lambda layer, place: modules.Subsampling(layer.window(place.input_shape), place.input_shape[2]),
    "gap": lambda layer, place: nn.AdaptiveAvgPool2d(layer.output_size),
    "gmp": lambda layer, place: nn.AdaptiveMaxPool2d(layer.output_size),
    "fc": lambda layer, place: modules.Connected(prod(place.input_shape), layer.out_features, bias=layer.bias),
    "rbf": lambda layer, place: modules.Distances(prod(place.input_shape), layer.out_features),
    "bn": lambda layer, place: modules.BatchNorm(place.input_shape[-1], layer.eps, layer.momentum),
    "ln": lambda layer, place: modules.LayerNorm(place.input_shape[-1], layer.eps, layer.affine),
    "gn": lambda layer, place: _group_norm(layer, layer.groups, place),
    "in": lambda layer, place: _group_norm(layer, place.input_shape[-1], place),
    "scale": lambda layer, place: modules.Scale(place.input_shape[-1]),
    "up": _upsampling,
    "crop": lambda layer, place: modules.Rearranged(lambda x: modules.cropped(x, layer.margins)),
    "split": lambda layer, place: modules.Rearranged(lambda x: x.chunk(layer.part[1], 1)[layer.part[0] - 1]),
    "shuffle": lambda layer, place: modules.Rearranged(
        lambda x: x.unflatten(1, (layer.groups, -1)).transpose(1, 2).flatten(1, 2)
    ),
    "s2d": lambda layer, place: nn.PixelUnshuffle(layer.block_size),
    "d2s": lambda layer, place: nn.PixelShuffle(layer.block_size),
    "reshape": lambda layer, place: modules.Rearranged(lambda x: modules.reshaped(x, layer.shape)),
    "prelu": lambda layer, place: nn.PReLU(*layer.param_shapes(place.input_shape)["weight"]),
    "lrn": lambda layer, place: modules.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    "drop": lambda layer, place: modules.Dropout(layer.rate, place.path, place.chance),
    "flatten": lambda layer, place: modules.Rows(),
    "zeropad": lambda layer, place: modules.ZeroPad(layer.out_channels - place.input_shape[2]),
    "relu": lambda layer, place: nn.ReLU(),
    "relu6": lambda layer, place: nn.ReLU6(),
    "leaky": lambda layer, place: nn.LeakyReLU(layer.negative_slope),
    "elu": lambda layer, place: nn.ELU(),
    "silu": lambda layer, place: nn.SiLU(),
    "gelu": lambda layer, place: nn.GELU(),
    "mish": lambda layer, place: nn.Mish(),
    "hswish": lambda layer, place: nn.Hardswish(),
    "hsigmoid": lambda layer, place: modules.HardSigmoid(),
    "tanh": lambda layer, place: nn.Tanh(),
    "sigmoid": lambda layer, place: nn.Sigmoid(),
    "softmax": lambda layer, place: nn.Softmax(dim=1),
    "linear": lambda layer, place: nn.Identity(),
}
"""What makes the module of each layer of `LAYERS`."""

_JOINED: dict[str, type[modules.Joined]] = {
    "res": modules.Residual,
    "add": modules.Sum,
    "cat": modules.Concatenation,
    "mul": modules.Product,
}
