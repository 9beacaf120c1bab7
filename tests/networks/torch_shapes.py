"""PyTorch modules made from our layers, which check the shape and the numbers of every layer as they run."""

from math import prod

import torch
from torch import nn
from torch.nn import functional

from cnncli.networks.layers import (
    Add,
    AvgPool,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Depthwise,
    Flatten,
    FullyConnected,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    MaxPool,
    PReLU,
    Product,
    RadialBasis,
    Repeat,
    Residual,
    Scale,
    Sequential,
    Subsampling,
    TransposedConv,
    Upsampling,
)
from cnncli.networks.layers.rearranging import Crop, DepthToSpace, Reshape, Shuffle, SpaceToDepth, Split, ZeroPad


def sides(padding, size, kernel_size, stride, dilation):
    """PyTorch's order of padding: left, right, top, bottom; `same` by its definition, ceil(n / s)."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding != "same":
        return (*padding[2:], *padding[:2])
    axes = []
    for n, f, s, d in zip(size, kernel_size, stride, dilation, strict=True):
        total = max(0, ((n + s - 1) // s - 1) * s + d * (f - 1) + 1 - n)
        axes.append((total // 2, total - total // 2))
    return (*axes[1], *axes[0])


class Slid(nn.Module):
    """Padding, then a module without any."""

    def __init__(self, layer, input_shape, module):
        super().__init__()
        dilation = getattr(layer, "dilation", (1, 1))
        self.sides = sides(layer.padding, input_shape[:2], layer.kernel_size, layer.stride, dilation)
        self.module = module

    def forward(self, x):
        return self.module(functional.pad(x, self.sides))


class Pooled(Slid):
    """A pooling layer: PyTorch pads by itself where it can, for that matters in ceil mode."""

    def __init__(self, layer, input_shape, kind, **options):
        super().__init__(layer, input_shape, None)
        left, right, top, bottom = self.sides
        if (left, top) == (right, bottom) and 2 * left <= layer.kernel_size[1] and 2 * top <= layer.kernel_size[0]:
            self.sides, options["padding"] = (0, 0, 0, 0), (top, left)
        self.module = kind(layer.kernel_size, layer.stride, ceil_mode=layer.ceil_mode, **options)


class Cut(nn.Module):
    """A transposed convolution; what its padding cuts off is cut off its full output."""

    def __init__(self, layer, channels):
        super().__init__()
        self.cut, self.extra = layer.paddings()
        self.module = nn.ConvTranspose2d(
            channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            dilation=layer.dilation,
            groups=layer.groups,
            bias=layer.bias,
        )

    def forward(self, x):
        y = functional.pad(self.module(x), (0, self.extra[1], 0, self.extra[0]))
        top, bottom, left, right = self.cut
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


class Symmetric(nn.Module):
    """A transposed convolution by PyTorch's own arithmetic of padding and output padding."""

    def __init__(self, layer, channels):
        super().__init__()
        top, _, left, _ = (0, 0, 0, 0) if layer.padding == "valid" else layer.padding
        self.module = nn.ConvTranspose2d(
            channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            (top, left),
            layer.output_padding,
            layer.groups,
            layer.bias,
            layer.dilation,
        )

    def forward(self, x):
        return self.module(x)


class Scaled(nn.Module):
    def __init__(self, layer, channels):
        super().__init__()
        self.pool = nn.AvgPool2d(layer.kernel_size, layer.stride)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return self.pool(x) * self.weight[:, None, None] + self.bias[:, None, None]


class Distances(nn.Module):
    def __init__(self, layer, inputs):
        super().__init__()
        self.register_buffer("codes", torch.zeros(inputs, layer.out_features))

    def forward(self, x):
        return ((x.flatten(1)[:, :, None] - self.codes) ** 2).sum(1)


class Widened(nn.Module):
    def __init__(self, layer, channels):
        super().__init__()
        self.extra = layer.out_channels - channels

    def forward(self, x):
        return functional.pad(x, (0, 0, 0, 0, 0, self.extra))


class Checked(nn.Module):
    """A sequence of layers; the shape after each is the one predicted, and so are its numbers."""

    def __init__(self, layers: Sequential, input_shape):
        super().__init__()
        self.expected = [step[1:] for step in layers.placed(input_shape)]
        self.steps = nn.ModuleList(module_of(layer, before) for layer, before, _ in self.expected)

    def forward(self, x):
        for module, (layer, before, after) in zip(self.steps, self.expected, strict=True):
            x = module(x)
            shape = (*x.shape[2:], x.shape[1])
            assert shape == after, f"{layer} after {before}: {shape} in PyTorch, {after} predicted"
            assert numbers(module.parameters()) == sum(map(prod, layer.param_shapes(before).values())), str(layer)
            assert numbers(module.buffers()) == sum(map(prod, layer.buffer_shapes(before).values())), str(layer)
        return x


def numbers(arrays):
    return sum(array.numel() for array in arrays if array.ndim)  # batch norm counts its batches in a scalar


class Summed(nn.Module):
    def __init__(self, layer, input_shape):
        super().__init__()
        self.main, self.shortcut = (Checked(branch, input_shape) for _, _, branch in layer.branches)
        self.residual = isinstance(layer, Residual)

    def forward(self, x):
        y = self.main(x) + self.shortcut(x)
        return functional.relu(y) if self.residual else y


class Joined(nn.Module):
    def __init__(self, layer, input_shape):
        super().__init__()
        self.paths = nn.ModuleList(Checked(branch, input_shape) for _, _, branch in layer.branches)

    def forward(self, x):
        return torch.cat([path(x) for path in self.paths], 1)


class Multiplied(Joined):
    def forward(self, x):
        results = [path(x) for path in self.paths]
        most = max(result.ndim for result in results)
        return prod(result[(..., *(None,) * (most - result.ndim))] for result in results)


class Factors(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * self.weight.reshape(-1, *(1,) * (x.ndim - 2))


class Standardized(nn.GroupNorm):
    """Group normalisation, also of one number, which PyTorch's modules refuse."""

    def forward(self, x):
        return torch.group_norm(x, self.num_groups, self.weight, self.bias)


class Rearranged(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def cropped(layer, shape):
    top, bottom, left, right = layer.margins
    return Rearranged(lambda x: x[:, :, top : shape[0] - bottom, left : shape[1] - right])


def reshaped(layer, shape):
    return Rearranged(lambda x: x.flatten(1).reshape(len(x), *layer.shape[-1:], *layer.shape[:-1]))


def upsampled(layer, shape):
    options = {} if layer.mode == "nearest" else {"align_corners": layer.align_corners}
    return nn.Upsample(scale_factor=layer.scale_factor, mode=layer.mode, **options)


def convolution(layer, channels):
    return nn.Conv2d(
        channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
    )


def transposed(layer, channels):
    if layer.padding == "valid" or (layer.padding != "same" and layer.padding[::2] == layer.padding[1::2]):
        return Symmetric(layer, channels)
    return Cut(layer, channels)


MODULES = {
    Chain: lambda layer, shape: Checked(Sequential(layer.layers), shape),
    Repeat: lambda layer, shape: Checked(Sequential((layer,)), shape),
    Depthwise: lambda layer, shape: module_of(layer.meaning(shape), shape),
    Conv: lambda layer, shape: Slid(layer, shape, convolution(layer, shape[2])),
    TransposedConv: lambda layer, shape: transposed(layer, shape[2]),
    MaxPool: lambda layer, shape: Pooled(layer, shape, nn.MaxPool2d, dilation=layer.dilation),
    AvgPool: lambda layer, shape: Pooled(layer, shape, nn.AvgPool2d, count_include_pad=layer.count_include_pad),
    Subsampling: lambda layer, shape: Scaled(layer, shape[2]),
    GlobalAvgPool: lambda layer, shape: nn.AdaptiveAvgPool2d(layer.output_size),
    GlobalMaxPool: lambda layer, shape: nn.AdaptiveMaxPool2d(layer.output_size),
    LayerNorm: lambda layer, shape: Standardized(1, shape[-1], affine=layer.affine),  # of the same parameters
    GroupNorm: lambda layer, shape: Standardized(layer.groups, shape[-1], affine=layer.affine),
    InstanceNorm: lambda layer, shape: Standardized(shape[-1], shape[-1], affine=layer.affine),
    Scale: lambda layer, shape: Factors(shape[-1]),
    PReLU: lambda layer, shape: nn.PReLU(1 if layer.shared else shape[-1]),
    Upsampling: upsampled,
    Crop: cropped,
    Split: lambda layer, shape: Rearranged(lambda x: x.chunk(layer.part[1], 1)[layer.part[0] - 1]),
    Shuffle: lambda layer, shape: Rearranged(
        lambda x: x.unflatten(1, (layer.groups, -1)).transpose(1, 2).flatten(1, 2)
    ),
    SpaceToDepth: lambda layer, shape: nn.PixelUnshuffle(layer.block_size),
    DepthToSpace: lambda layer, shape: nn.PixelShuffle(layer.block_size),
    Reshape: reshaped,
    Product: Multiplied,
    FullyConnected: lambda layer, shape: nn.Sequential(
        nn.Flatten(), nn.Linear(prod(shape), layer.out_features, layer.bias)
    ),
    RadialBasis: lambda layer, shape: Distances(layer, prod(shape)),
    BatchNorm: lambda layer, shape: (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[-1]),
    Flatten: lambda layer, shape: nn.Flatten(),
    ZeroPad: lambda layer, shape: Widened(layer, shape[2]),
    Residual: Summed,
    Add: Summed,
    Concat: Joined,
}


def module_of(layer: Layer, input_shape) -> nn.Module:
    if type(layer) in MODULES:
        return MODULES[type(layer)](layer, input_shape)
    assert layer.follows, f"{layer} has no module here"
    return nn.Identity()  # activations, dropout and LRN keep the shape
