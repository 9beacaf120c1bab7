"""Compilation of a network to a module of PyTorch that computes the same, with parameters of the same names.

To add a layer, enter the builder of its module in `BUILDERS`, by its word.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.engines.torch import modules
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.layers import Block, Compound, Layer
from cnncli.networks.layers.context import Context, Shared
from cnncli.shapes import Shape


def compile_network(network: Network, shared: Shared | None = None) -> nn.Module:
    """Return a module that computes the same as a network.

    It takes (N, C, H, W), in channels-last memory where it is to be fast, or (N, features). The names of its state are
    the network's, the axes of its arrays PyTorch's. Its parameters are not set: `weights.set_state` does it. Dropout
    looks at the batch under way in `shared`.

    Raises:
        ArgumentError: a layer that has no counterpart in PyTorch.

    Example:
        >>> from cnncli.networks import parse_network
        >>> module = compile_network(parse_network("28x28x1 conv5-6,relu max2 fc-10"))
        >>> {name: tuple(array.shape) for name, array in module.state_dict().items()}["0.conv.weight"]
        (6, 1, 5, 5)
    """
    return compile_layer(network.layers, network.input_shape, Context(shared))


def compile_layer(layer: Layer, shape: Shape, context: Context) -> nn.Module:
    """Return the module of a layer; the context holds the beginning of its names, such as `4.res.main.0.conv.`."""
    layer = layer.meaning(shape)
    if isinstance(layer, Block):
        branches = {name: compile_layer(path, shape, context.inside(f"{name}.")) for name, _, path in layer.branches}
        return modules.Joined(branches, JOINS[layer.op])
    if isinstance(layer, Compound):
        return _sequence(
            (prefix, compile_layer(part, before, context.inside(prefix))) for prefix, part, before in layer.parts(shape)
        )
    if layer.op not in BUILDERS:
        raise ArgumentError(f"the layer {layer.label} has no counterpart in PyTorch: leave --engine torch out")
    return BUILDERS[layer.op](layer, shape, context)


def _sequence(parts: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    """Return modules one after the other; a name such as `0.conv.` is a module within a module."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for prefix, module in parts:
        first, _, rest = prefix.removesuffix(".").partition(".")
        named[first] = nn.Sequential(OrderedDict([(rest, module)])) if rest else module
    return nn.Sequential(named)


def _convolution(layer: Any, shape: Shape, context: Context) -> nn.Module:
    if layer.table:
        return modules.TableConvolution(layer.window(shape), bias=layer.bias)
    options = layer.window(shape), shape[2], layer.out_channels, layer.groups
    return modules.Convolution(*options, bias=layer.bias)


def _average(layer: Any, shape: Shape, context: Context) -> nn.Module:
    return modules.AvgPool(layer.window(shape), include_padding=layer.count_include_pad)


def _upsampling(layer: Any, shape: Shape, context: Context) -> nn.Module:
    size = layer.output_shape(shape)[:2]
    if layer.mode == "nearest":
        return nn.Upsample(size)
    return nn.Upsample(size, mode="bilinear", align_corners=layer.align_corners)


def _group_norm(layer: Any, shape: Shape, context: Context) -> nn.Module:
    return modules.GroupNorm(layer.group_count(shape[-1]), shape[-1], layer.eps, layer.affine)


Builder = Callable[[Any, Shape, Context], nn.Module]

BUILDERS: dict[str, Builder] = {
    "conv": _convolution,
    "tconv": lambda layer, shape, context: modules.TransposedConvolution(layer, shape[2]),
    "max": lambda layer, shape, context: modules.MaxPool(layer.window(shape)),
    "avg": _average,
    "sub": lambda layer, shape, context: modules.Subsampling(layer.window(shape), shape[2]),
    "gap": lambda layer, shape, context: nn.AdaptiveAvgPool2d(layer.output_size),
    "gmp": lambda layer, shape, context: nn.AdaptiveMaxPool2d(layer.output_size),
    "fc": lambda layer, shape, context: modules.Connected(prod(shape), layer.out_features, bias=layer.bias),
    "rbf": lambda layer, shape, context: modules.Distances(
        shape[-1] if layer.everywhere else prod(shape), layer.out_features, everywhere=layer.everywhere
    ),
    "bn": lambda layer, shape, context: modules.BatchNorm(shape[-1], layer.eps, layer.momentum),
    "ln": lambda layer, shape, context: modules.LayerNorm(shape[-1], layer.eps, layer.affine),
    "gn": _group_norm,
    "in": _group_norm,
    "scale": lambda layer, shape, context: modules.Scale(shape[-1]),
    "up": _upsampling,
    "crop": lambda layer, shape, context: modules.Function(lambda x: modules.cropped(x, layer.margins)),
    "split": lambda layer, shape, context: modules.Function(lambda x: x.chunk(layer.part[1], 1)[layer.part[0] - 1]),
    "shuffle": lambda layer, shape, context: modules.Function(
        lambda x: x.unflatten(1, (layer.groups, -1)).transpose(1, 2).flatten(1, 2)
    ),
    "s2d": lambda layer, shape, context: nn.PixelUnshuffle(layer.block_size),
    "d2s": lambda layer, shape, context: nn.PixelShuffle(layer.block_size),
    "reshape": lambda layer, shape, context: modules.Function(lambda x: modules.reshaped(x, layer.shape)),
    "prelu": lambda layer, shape, context: nn.PReLU(*layer.param_shapes(shape)["weight"]),
    "lrn": lambda layer, shape, context: modules.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    "drop": lambda layer, shape, context: modules.Dropout(layer.rate, context),
    "flatten": lambda layer, shape, context: modules.Function(modules.rows),
    "zeropad": lambda layer, shape, context: modules.Function(
        partial(nn.functional.pad, pad=(0, 0, 0, 0, 0, layer.out_channels - shape[2]))
    ),
    "relu": lambda layer, shape, context: nn.ReLU(),
    "relu6": lambda layer, shape, context: nn.ReLU6(),
    "leaky": lambda layer, shape, context: nn.LeakyReLU(layer.negative_slope),
    "elu": lambda layer, shape, context: nn.ELU(),
    "silu": lambda layer, shape, context: nn.SiLU(),
    "gelu": lambda layer, shape, context: nn.GELU(),
    "mish": lambda layer, shape, context: nn.Mish(),
    "hswish": lambda layer, shape, context: nn.Hardswish(),
    "hsigmoid": lambda layer, shape, context: modules.Function(
        lambda x: nn.functional.relu6(x + 3) / 6  # PyTorch's own multiplies by the sixth of float32 in any type
    ),
    "tanh": lambda layer, shape, context: nn.Tanh(),
    "sigmoid": lambda layer, shape, context: nn.Sigmoid(),
    "softmax": lambda layer, shape, context: nn.Softmax(dim=1),
    "linear": lambda layer, shape, context: nn.Identity(),
}
"""The builder of each layer's module, by the layer's word."""

JOINS: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "res": lambda results: nn.functional.relu(results[0] + results[1]),
    "add": lambda results: results[0] + results[1],
    "cat": lambda results: torch.cat(results, 1),
    "mul": modules.product,
}
"""The function that makes one of the results of a block's branches, by the block's word."""
