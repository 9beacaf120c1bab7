"""Convolutions as matrix products of columns, tiled along the width where filters are few.

The windows of all output positions, laid out as rows ("im2col"; Chellapilla, Puri and Simard 2006), are multiplied by
the weights. A filter bank of 6 makes that product 6 wide, and the processor idle. So a row may serve t neighbouring
positions: a patch of f + t - 1 columns times a banded matrix that holds the weights t times. That is more
multiplications (8/5 for t = 4 and f = 5), but fewer and longer copies and a wider product: LeNet-5 trains in two thirds
of the time.
"""

from typing import NamedTuple, Protocol

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.rows import add_to_channels, copy_runs, strided
from cnncli.ops.batches.workspaces import Memory, crop, padded, scatter_target
from cnncli.shapes import Window

_MOST = 8


class Product(Protocol):
    """A function that writes the product of two matrices."""

    def __call__(self, a: Array, b: Array, /, *, out: Array) -> object: ...


class Geometry(NamedTuple):
    """The shape of a convolution: a window, and channels in and out."""

    window: Window
    in_channels: int
    out_channels: int
    groups: int = 1


class Tiled:
    """A convolution of any geometry by products, t positions of a row at a time.

    Args:
        geometry: its shape.
        widest: the most columns of a product that tiling may make.
        product: writes the product of two matrices, as `np.matmul` does.
    """

    copies = True

    def __init__(self, geometry: Geometry, widest: int, product: Product = np.matmul) -> None:
        self.product = product
        self.window, self.groups = geometry.window, geometry.groups
        self.inputs, self.outputs = geometry.in_channels // self.groups, geometry.out_channels // self.groups
        self.tile = self._choose_tile(widest)
        self.patch = (self.tile - 1) * self.window.stride[1] + self.window.kernel_size[1]
        rows, columns = self.window.output_size
        self.grid = (rows, columns // self.tile, self.window.kernel_size[0], self.patch, self.inputs)
        self.depth = self.window.kernel_size[0] * self.patch * self.inputs

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image: its columns."""
        return self.groups * self.grid[0] * self.grid[1] * self.depth

    def _choose_tile(self, widest: int) -> int:
        if self.groups > 1 or self.window.dilation[1] > 1 or self.window.kernel_size[1] == 1:
            return 1
        width = self.window.output_size[1]
        fitting = (t for t in range(_MOST, 0, -1) if width % t == 0 and t * self.outputs <= widest)
        return next(fitting, 1)

    def prepare(self, weight: Array) -> Array:
        """Return the banded matrix (groups, depth, t * outputs) of weights (f_h, f_w, C_in / groups, C_out)."""
        matrix = np.zeros((self.groups, *self.grid[2:], self.tile, self.outputs), weight.dtype)
        kernels = weight.reshape(*weight.shape[:3], self.groups, self.outputs)
        for band in self._bands(matrix):
            band[:] = kernels.transpose(3, 0, 1, 2, 4)
        return matrix.reshape(self.groups, self.depth, -1)

    def _bands(self, matrix: Array) -> list[Array]:
        """Return views of a banded matrix where the weights stand, one for each position of a tile."""
        starts = (number * self.window.stride[1] for number in range(self.tile))
        width = self.window.kernel_size[1]
        return [matrix[:, :, start : start + width, :, number] for number, start in enumerate(starts)]

    def columns(self, x: Array, memory: Memory, name: object = "columns") -> Array:
        """Return the patches (groups, positions, depth) of images."""
        pixels = padded(x, self.window, memory)
        if (
            self.window.kernel_size == self.window.stride == (1, 1)
            and self.groups == 1
            and not any(self.window.padding)
        ):
            return pixels.reshape(1, -1, self.depth)
        image, down, right, deep = pixels.strides
        (stride_y, stride_x), (dilation_y, dilation_x) = self.window.stride, self.window.dilation
        shape: tuple[int, ...] = (self.groups, len(pixels), *self.grid)
        steps: tuple[int, ...] = (
            down * stride_y,
            right * stride_x * self.tile,
            down * dilation_y,
            right * dilation_x,
            deep,
        )
        if dilation_x == 1 and self.groups == 1:
            # A patch's pixels in one row are contiguous here, as in the image.
            shape, steps = (*shape[:-2], self.patch * self.inputs), (*steps[:-2], deep)
        result = memory.take(name, shape, pixels.dtype)
        copy_runs(result, strided(pixels, shape, (deep * self.inputs, image, *steps)))
        return result.reshape(self.groups, -1, self.depth)

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory, bias: Array | None = None) -> None:
        """Write the convolution (N, H_out, W_out, C_out) of images given as columns."""
        self.product(columns, matrix, out=self._rows(out))
        if bias is not None:
            add_to_channels(out, bias)

    def _rows(self, y: Array) -> Array:
        """Return outputs (N, H_out, W_out, C_out) as (groups, positions, t * outputs)."""
        return y.reshape(-1, self.groups, self.tile * self.outputs).transpose(1, 0, 2)

    def weight_gradient(self, columns: Array, grad: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (f_h, f_w, C_in / groups, C_out) of the weights."""
        shape = (self.groups, self.depth, self.tile * self.outputs)
        product = np.matmul(
            columns.transpose(0, 2, 1), self._rows(grad), out=memory.take("weight products", shape, grad.dtype)
        )
        matrix = product.reshape(self.groups, *self.grid[2:], self.tile, self.outputs)
        first, *others = self._bands(matrix)
        total = out.reshape(*out.shape[:3], self.groups, self.outputs).transpose(3, 0, 1, 2, 4)
        total[:] = first
        for band in others:
            total += band

    def input_gradient(self, grad: Array, matrix: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (N, H, W, C_in) of the images: each patch's, added where it was taken from ("col2im")."""
        shape = (self.groups, len(grad), *self.grid)
        patches = memory.take("columns", shape, grad.dtype)
        np.matmul(self._rows(grad), matrix.transpose(0, 2, 1), out=patches.reshape(self.groups, -1, self.depth))
        pixels = scatter_target(out, self.window, memory)
        pixels[:] = 0
        by_tile = self.grid[1] < self.patch and self.window.dilation[1] == 1
        (self._add_tiles if by_tile else self._add_taps)(patches, pixels)
        crop(pixels, self.window, out)

    def _add_taps(self, patches: Array, out: Array) -> None:
        """Add the patches tap by tap, for all positions at once; each tile must be one position."""
        grouped = out.reshape(*out.shape[:3], self.groups, self.inputs).transpose(3, 0, 1, 2, 4)
        for a, b in np.ndindex(self.grid[2:4]):
            seen = grouped[:, :, self._taps(0, a, self.grid[0], 1), self._taps(1, b, self.grid[1], self.tile)]
            seen += patches[:, :, :, :, a, b]

    def _add_tiles(self, patches: Array, out: Array) -> None:
        """Add whole rows of patches, whose pixels lie side by side: for few positions with wide patches."""
        grouped = out.reshape(*out.shape[:3], self.groups, self.inputs).transpose(3, 0, 1, 2, 4)
        for a, tile in np.ndindex(self.grid[2], self.grid[1]):
            start = tile * self.tile * self.window.stride[1]
            seen = grouped[:, :, self._taps(0, a, self.grid[0], 1), start : start + self.patch]
            seen += patches[:, :, :, tile, a]

    def _taps(self, axis: int, number: int, count: int, every: int) -> slice:
        """Return the pixels along an axis that a tap sees from `count` positions, `every` positions apart."""
        start, step = number * self.window.dilation[axis], self.window.stride[axis] * every
        return slice(start, start + (count - 1) * step + 1, step)
