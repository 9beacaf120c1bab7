"""Modules that PyTorch lacks, or has in another form than a network needs.

All take (N, C, H, W) in channels-last memory, or (N, features). Their parameters have PyTorch's order of axes.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.layers.context import Context
from cnncli.networks.layers.convolution import TABLE, TABLE_INPUTS, TABLE_OUTPUTS
from cnncli.ops.pooling import window_counts
from cnncli.shapes import Four, Window


def rows(x: Tensor) -> Tensor:
    """Return (N, features) in cnncli's order, height, width, channels: a view in channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x


class Connected(nn.Linear):
    """A fully connected layer that flattens its input: `fc`."""

    def reset_parameters(self) -> None:
        """Do nothing: cnncli sets the first weights."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(rows(x))


class Distances(nn.Module):
    """LeNet-5's output: the squared distance to each code, `rbf`."""

    weight: Tensor

    def __init__(self, in_features: int, out_features: int, *, everywhere: bool = False) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(in_features, out_features))
        self.everywhere = everywhere

    def forward(self, x: Tensor) -> Tensor:
        vectors = x.movedim(1, -1) if self.everywhere else rows(x)
        distances = (vectors[..., None] - self.weight).square().sum(-2)
        return distances.movedim(-1, 1) if self.everywhere else distances


class Convolution(nn.Conv2d):
    """A convolution whose padding may differ on every side."""

    def __init__(self, window: Window, in_channels: int, out_channels: int, groups: int, *, bias: bool) -> None:
        top, bottom, left, right = window.padding
        even = (top, left) == (bottom, right)
        super().__init__(
            in_channels,
            out_channels,
            window.kernel_size,
            window.stride,
            (top, left) if even else 0,
            window.dilation,
            groups,
            bias,
        )
        self.sides: Four | None = None if even else window.padding

    def reset_parameters(self) -> None:
        """Do nothing: cnncli sets the first weights."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(padded(x, self.sides))


class TableConvolution(nn.Module):
    """LeNet-5's C3: one kernel for each pair of an input map and an output map, (pairs, f_h, f_w)."""

    def __init__(self, window: Window, *, bias: bool) -> None:
        super().__init__()
        self.window = window
        self.weight = nn.Parameter(torch.zeros(len(TABLE_INPUTS), *window.kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(TABLE))) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        dense = self.weight.new_zeros(len(TABLE), 6, *self.window.kernel_size)
        dense[TABLE_OUTPUTS, TABLE_INPUTS] = self.weight
        pixels = padded(x, self.window.padding)
        return functional.conv2d(pixels, dense, self.bias, self.window.stride, dilation=self.window.dilation)


class TransposedConvolution(nn.Module):
    """A transposed convolution whose padding may differ on every side.

    Its weight is (in_channels / groups, out_channels, f_h, f_w): PyTorch's own form has the groups on the other axis.
    """

    def __init__(self, layer: Any, in_channels: int) -> None:
        super().__init__()
        self.stride, self.dilation, self.groups = layer.stride, layer.dilation, layer.groups
        self.cut, self.extra = layer.paddings()
        self.weight = nn.Parameter(torch.zeros(in_channels // layer.groups, layer.out_channels, *layer.kernel_size))
        self.bias = nn.Parameter(torch.zeros(layer.out_channels)) if layer.bias else None

    def forward(self, x: Tensor) -> Tensor:
        grouped = self.weight.unflatten(1, (self.groups, -1)).transpose(0, 1).flatten(0, 1)
        full = functional.conv_transpose2d(x, grouped, stride=self.stride, groups=self.groups, dilation=self.dilation)
        top, bottom, left, right = self.cut
        y = padded(full, (-top, self.extra[0] - bottom, -left, self.extra[1] - right))
        return y if self.bias is None else y + self.bias[:, None, None]


class MaxPool(nn.Module):
    """The maximum of each window; padding never wins."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window, self.sides = window, reaching(window)

    def forward(self, x: Tensor) -> Tensor:
        window = self.window
        pixels = padded(x, self.sides, -torch.inf)
        return functional.max_pool2d(pixels, window.kernel_size, window.stride, dilation=window.dilation)


class AvgPool(nn.Module):
    """The mean of each window, over its padding too if that is included."""

    shares: Tensor

    def __init__(self, window: Window, *, include_padding: bool = False) -> None:
        super().__init__()
        self.window, self.sides = window, reaching(window)
        counted_rows, counted_columns = window_counts(window, include_padding=include_padding)
        counts = torch.tensor(counted_rows)[:, None] * torch.tensor(counted_columns)
        self.is_even = bool((counts == window.kernel_size[0] * window.kernel_size[1]).all())
        self.register_buffer("shares", 1 / counts.double(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        window, pixels = self.window, padded(x, self.sides)
        if self.is_even:
            return functional.avg_pool2d(pixels, window.kernel_size, window.stride)
        return functional.avg_pool2d(pixels, window.kernel_size, window.stride, divisor_override=1) * self.shares.to(
            x.dtype
        )


class Subsampling(AvgPool):
    """LeNet-5's `sub`: the mean times a coefficient plus a bias, one of each for a map."""

    def __init__(self, window: Window, channels: int) -> None:
        super().__init__(window)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.weight[:, None, None] + self.bias[:, None, None]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of pictures and of rows, also where a channel has one number alone."""

    def __init__(self, channels: int, eps: float, momentum: float) -> None:
        super().__init__(channels, eps, momentum)
        self.num_batches_tracked = None  # nobody reads it, and it is not an array of the network

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - PyTorch's name
        """Accept any shape."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:  # PyTorch refuses: twice the same number has the same moments
            return super().forward(torch.cat([x, x]))[:1]
        return super().forward(x)


def synchronized(module: nn.Module) -> nn.Module:
    """Return a module whose batch normalisation takes the statistics of all processes' images: on GPUs only."""
    module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for inner in module.modules():
        if isinstance(inner, nn.SyncBatchNorm):  # it counts its batches, come what may
            inner.register_buffer("num_batches_tracked", torch.tensor(0), persistent=False)
    return module


class LocalResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation of pictures and of rows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.ndim == 4 else x[:, :, None]).view_as(x)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class GroupNorm(nn.GroupNorm):
    """Group normalisation, also where a group has one number alone."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class Scale(nn.Module):
    """A trained factor for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.weight[:, None, None] if x.ndim == 4 else self.weight)


class Function(nn.Module):
    """A function without parameters, called with a batch."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the same numbers as (N, features) or, of (height, width, channels), as (N, C, H, W)."""
    return rows(x) if len(shape) == 1 else rows(x).unflatten(1, shape).permute(0, 3, 1, 2)


class Dropout(nn.Module):
    """Dropout by random numbers that belong to the seed, the step, the layer and the image, as NumPy's engine drops.

    The context identifies the layer, the batch and its images.
    """

    def __init__(self, rate: float, context: Context) -> None:
        super().__init__()
        self.rate, self.context = rate, context

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        kept = self._uniform(x) >= self.rate
        return x * kept.to(x.dtype).mul_(1 / (1 - self.rate))

    def _uniform(self, like: Tensor) -> Tensor:
        """Return numbers from 0 to below 1 in the shape (N, C, H, W) or (N, features) of a tensor, on its device."""
        shape = tuple(like.permute(0, 2, 3, 1).shape) if like.ndim == 4 else tuple(like.shape)
        numbers = torch.from_numpy(self.context.uniform(shape).copy()).to(like.device)
        return numbers.permute(0, 3, 1, 2) if like.ndim == 4 else numbers


class Joined(nn.Module):
    """Branches that each see the input, by name; `join` makes one of their results."""

    def __init__(self, branches: Mapping[str, nn.Module], join: Callable[[list[Tensor]], Tensor]) -> None:
        super().__init__()
        self.join = join
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return self.join([branch(x) for branch in self.children()])


def product(results: list[Tensor]) -> Tensor:
    """Return the product of tensors, with smaller ones repeated."""
    if any(result.ndim == 4 for result in results):
        results = [result if result.ndim == 4 else result[:, :, None, None] for result in results]
    return reduce(torch.mul, results)


def padded(x: Tensor, sides: Four | None, value: float = 0.0) -> Tensor:
    """Return pictures with padding of (top, bottom, left, right) pixels; negative numbers crop."""
    if sides is None or not any(sides):
        return x
    top, bottom, left, right = sides
    return functional.pad(x, (left, right, top, bottom), value=value)


def cropped(x: Tensor, margins: Four) -> Tensor:
    """Return pictures without (top, bottom, left, right) pixels at their borders."""
    top, bottom, left, right = margins
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def reaching(window: Window) -> Four:
    """Return the padding with which windows reach exactly the end, so that partial windows become whole ones."""
    top, _, left, _ = window.padding
    axes = zip(window.output_size, window.stride, window.span, window.size, (top, left), strict=True)
    below, beside = ((count - 1) * s + span - n - before for count, s, span, n, before in axes)
    return top, below, left, beside
