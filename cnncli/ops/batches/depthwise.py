"""Depthwise convolutions: one filter, or a few, for each channel.

There is nothing to sum over the channels, so a matrix product has no work: each tap is one multiplication of shifted
images by a vector of weights.
"""

from collections.abc import Iterator

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.tiled import Geometry
from cnncli.ops.batches.workspaces import Memory, crop, padded, scatter_target, taps


class Depthwise:
    """A convolution of as many groups as channels, tap by tap."""

    copies = False

    def __init__(self, geometry: Geometry) -> None:
        self.window, self.channels = geometry.window, geometry.in_channels
        self.filters = geometry.out_channels // geometry.in_channels

    @staticmethod
    def suits(geometry: Geometry) -> bool:
        """Return whether it can do the work, and pays."""
        return geometry.groups == geometry.in_channels > 1

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image: the products of one tap."""
        return self.window.output_size[0] * self.window.output_size[1] * self.channels * self.filters

    def prepare(self, weight: Array) -> Array:
        """Return the weights (f_h, f_w, C_in, filters a channel)."""
        return weight.reshape(*weight.shape[:2], self.channels, self.filters)

    def columns(self, x: Array, memory: Memory, name: object = "columns") -> Array:
        """Return the images, padded: each tap sees them shifted, without a copy."""
        return padded(x, self.window, memory)

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory, bias: Array | None = None) -> None:
        """Write the convolution (N, H_out, W_out, C_out) of padded images."""
        total = self._by_channel(out)
        product = memory.take("columns", total.shape, out.dtype)
        total[:] = 0 if bias is None else bias.reshape(self.channels, self.filters)
        for pixels, weights in self._taps(columns, matrix):
            total += np.multiply(pixels, weights, out=product)

    def weight_gradient(self, columns: Array, grad: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (f_h, f_w, 1, C_out) of the weights."""
        by_channel = self._by_channel(grad)
        result = out.reshape(*self.window.kernel_size, self.channels, self.filters)
        product = memory.take("columns", by_channel.shape, grad.dtype)
        ones = np.ones(product.size // (self.channels * self.filters), grad.dtype)
        for pixels, weights in self._taps(columns, result):
            np.multiply(pixels, by_channel, out=product)
            # As a product 6 times as fast as a sum along the first axis.
            weights[:] = (ones @ product.reshape(len(ones), -1)).reshape(weights.shape)

    def input_gradient(self, grad: Array, matrix: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (N, H, W, C_in) of the images."""
        padded_out = scatter_target(out, self.window, memory)
        padded_out[:] = 0
        by_channel = self._by_channel(grad)
        for pixels, weights in self._taps(padded_out, matrix):
            pixels += (by_channel * weights).sum(axis=4, keepdims=True) if self.filters > 1 else by_channel * weights
        crop(padded_out, self.window, out)

    def _by_channel(self, y: Array) -> Array:
        return y.reshape(*y.shape[:3], self.channels, self.filters)

    def _taps(self, pixels: Array, weights: Array) -> Iterator[tuple[Array, Array]]:
        """Yield the inputs (N, H_out, W_out, C, 1) and weights (C, filters) of each tap."""
        for at, tap in zip(np.ndindex(self.window.kernel_size), taps(self.window), strict=True):
            yield pixels[tap][..., None], weights[at]
