"""Networks of the notation as PyTorch's modules, with given parameters; imported only where there is PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

from cnncli.networks.layers import Compound
from cnncli.networks.layers.context import within


class HeightWidthChannels(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


class Joined(nn.Module):
    def __init__(self, op, paths):
        super().__init__()
        self.op, self.paths = op, nn.ModuleList(paths)

    def forward(self, x):
        results = [path(x) for path in self.paths]
        if self.op == "cat":
            return torch.cat(results, dim=1)
        if self.op == "mul":
            return product(results)
        return torch.relu(results[0] + results[1]) if self.op == "res" else results[0] + results[1]


def product(results):
    most = max(result.dim() for result in results)
    y = torch.ones(())
    for result in results:
        y = y * (result if result.dim() == most else result[:, :, None, None])
    return y


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Scaled(nn.Module):
    bias = None

    def forward(self, x):
        return x * (self.weight[:, None, None] if x.dim() == 4 else self.weight)


class OverChannels(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class MoreChannels(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))


def with_parameters(module, params, axes=None):
    """Give a module copies of arrays: the weight with its axes in that order."""
    weight = params["weight"].transpose(axes) if axes else params["weight"]
    module.weight = nn.Parameter(torch.tensor(np.ascontiguousarray(weight)))
    if module.bias is not None:
        module.bias = nn.Parameter(torch.tensor(params["bias"]))
    return module


def convolution(layer, input_shape, params, buffers):
    channels, filters = input_shape[2], layer.output_shape(input_shape)[2]
    top, bottom, left, right = layer.window(input_shape).padding
    groups = channels if layer.op == "dw" else layer.groups
    options = {"stride": layer.stride, "dilation": layer.dilation, "groups": groups, "bias": layer.bias}
    even = top == bottom and left == right
    module = nn.Conv2d(channels, filters, layer.kernel_size, padding=(top, left) if even else 0, **options)
    module = with_parameters(module, params, (3, 2, 0, 1))
    return module if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), module)


def transposed(layer, input_shape, params, buffers):
    (top, _, left, _), output_padding = layer.paddings()
    options = {"stride": layer.stride, "padding": (top, left), "output_padding": output_padding}
    options |= {"dilation": layer.dilation, "bias": layer.bias}
    module = nn.ConvTranspose2d(input_shape[2], layer.out_channels, layer.kernel_size, **options)
    return with_parameters(module, params, (2, 3, 0, 1))


def pool(layer, input_shape, params, buffers):
    top, _, left, _ = layer.window(input_shape).padding
    options = {"stride": layer.stride, "padding": (top, left), "ceil_mode": layer.ceil_mode}
    if layer.op == "max":
        return nn.MaxPool2d(layer.kernel_size, **options, dilation=layer.dilation)
    return nn.AvgPool2d(layer.kernel_size, **options, count_include_pad=layer.count_include_pad)


def fully_connected(layer, input_shape, params, buffers):
    linear = nn.Linear(int(np.prod(input_shape)), layer.out_features, bias=layer.bias)
    return nn.Sequential(HeightWidthChannels(), with_parameters(linear, params, (1, 0)))


def batch_norm(layer, input_shape, params, buffers):
    module = with_parameters(nn.BatchNorm2d(input_shape[-1], eps=layer.eps), params)
    for name, array in buffers.items():
        setattr(module, name, torch.tensor(array))
    return module


def standardized(layer, input_shape, params, buffers):
    channels, options = input_shape[-1], {"eps": layer.eps}
    if layer.op == "in":
        module = nn.InstanceNorm2d(channels, affine=layer.affine, **options)
    elif layer.op == "ln":
        module = OverChannels(channels, elementwise_affine=layer.affine, **options)
    else:
        module = nn.GroupNorm(layer.groups, channels, affine=layer.affine, **options)
    return with_parameters(module, params) if layer.affine else module


def vector(module):
    def build(layer, input_shape, params, buffers):
        module_ = module()
        module_.weight = nn.Parameter(torch.tensor(params["weight"]))
        return module_

    return build


def upsampling(layer):
    options = {} if layer.mode == "nearest" else {"align_corners": layer.align_corners}
    return nn.Upsample(scale_factor=layer.scale_factor, mode=layer.mode, **options)


def cropped(layer):
    top, bottom, left, right = layer.margins
    return Function(lambda x: x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right])


def reshaped(layer):
    flat = HeightWidthChannels()
    if len(layer.shape) == 1:
        return flat
    return Function(lambda x: flat(x).reshape(len(x), *layer.shape).permute(0, 3, 1, 2))


class Shuffled(nn.ChannelShuffle):
    def forward(self, x):
        return super().forward(x) if x.dim() == 4 else super().forward(x[:, :, None, None])[:, :, 0, 0]


def block(layer, input_shape, params, buffers):
    paths = [
        torch_module(branch, input_shape, within(params, f"{name}."), within(buffers, f"{name}."))
        for name, _, branch in layer.branches
    ]
    return Joined(layer.op, paths)


SIMPLE = {
    "relu": lambda layer: nn.ReLU(),
    "relu6": lambda layer: nn.ReLU6(),
    "leaky": lambda layer: nn.LeakyReLU(layer.negative_slope),
    "elu": lambda layer: nn.ELU(),
    "silu": lambda layer: nn.SiLU(),
    "gelu": lambda layer: nn.GELU(),
    "tanh": lambda layer: nn.Tanh(),
    "sigmoid": lambda layer: nn.Sigmoid(),
    "softmax": lambda layer: nn.Softmax(dim=1),
    "linear": lambda layer: nn.Identity(),
    "mish": lambda layer: nn.Mish(),
    "hswish": lambda layer: nn.Hardswish(),
    "hsigmoid": lambda layer: Function(lambda x: nn.functional.relu6(x + 3) / 6),  # PyTorch has float32's sixth
    "gap": lambda layer: nn.AdaptiveAvgPool2d(layer.output_size),
    "gmp": lambda layer: nn.AdaptiveMaxPool2d(layer.output_size),
    "up": upsampling,
    "crop": cropped,
    "split": lambda layer: Function(lambda x: x.chunk(layer.part[1], 1)[layer.part[0] - 1]),
    "shuffle": lambda layer: Shuffled(layer.groups),
    "s2d": lambda layer: nn.PixelUnshuffle(layer.block_size),
    "d2s": lambda layer: nn.PixelShuffle(layer.block_size),
    "reshape": reshaped,
    "lrn": lambda layer: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    "zeropad": lambda layer: MoreChannels(layer.out_channels),
}
BUILT = {
    "conv": convolution,
    "dw": convolution,
    "tconv": transposed,
    "max": pool,
    "avg": pool,
    "fc": fully_connected,
    "bn": batch_norm,
    "ln": standardized,
    "gn": standardized,
    "in": standardized,
    "scale": vector(Scaled),
    "prelu": vector(nn.PReLU),
    "mul": block,
    "res": block,
    "add": block,
    "cat": block,
}


def torch_module(layer, input_shape, params, buffers):
    """Return what PyTorch computes for a layer, with the same parameters.

    A layer that is not known here is skipped: `tests/engines/torch_engine` compares all that the engine knows.
    """
    if isinstance(layer, Compound) and not layer.branches:
        return nn.Sequential(
            *(
                torch_module(part, before, within(params, prefix), within(buffers, prefix))
                for prefix, part, before in layer.parts(input_shape)
            )
        )
    if layer.op in BUILT:
        return BUILT[layer.op](layer, input_shape, params, buffers)
    if layer.op not in SIMPLE:
        pytest.skip(f"no module beside the engine's own for {layer.op}")
    return SIMPLE[layer.op](layer)
