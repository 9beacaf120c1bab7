"""Kernels of three rows by Winograd's minimal filtering, along the height.

F(m, 3) makes m outputs of a correlation with 3 taps from m + 2 inputs with m + 2 multiplications instead of 3 m
(Winograd 1980; Lavin and Gray, arXiv:1509.09308): y = A [(G w) * (B x)]. Channels last, a row of an image is one vector
of W * C numbers, so A, B and G act on whole rows as small matrix products. A net of 3x3 layers trains 1.6 to 1.8 times
as fast. In both directions it would save more multiplications, and spend the gain on transforms.

Along the width nothing is copied. Patches of f neighbours overlap, but every f-th of them begins where the last one
ended: seen from column 0, 1, ..., f - 1 the same memory is f matrices of patches, whose products are the positions
0, f, 2f, ..., then 1, f + 1, ... The rows stand one after the other, with the zeros of the padding between them, and
the few patches that reach from one row into the next are computed and never read.

Its rounding differs from a plain sum of products: some 3e-6 of the result in float32.
"""

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.batches.rows import add_to_channels, copy_runs, strided
from cnncli.ops.batches.tiled import Geometry, Product
from cnncli.ops.batches.workspaces import Memory

_INPUT = {
    2: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    4: [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
}
_WEIGHT = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
}
_OUTPUT = {
    2: [[1, 1, 1, 0], [0, 1, -1, -1]],
    4: [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
}

_ONES = 1  # the column of _OUTPUT

_FEWEST_CHANNELS = 8  # with fewer channels the transforms cost more than the products that they save


@lru_cache
def matrices(rows: int, dtype: DType) -> tuple[Array, Array, Array]:
    """Return B, G and A of F(rows, 3).

    Example:
        >>> B, G, A = matrices(4, np.dtype(np.float64))
        >>> np.allclose(A @ ((G @ [1, 2, 3]) * (B @ [1, 0, 0, 1, 0, 0])), [1, 3, 2, 1])
        True
    """
    return np.array(_INPUT[rows], dtype), np.array(_WEIGHT[rows], dtype), np.array(_OUTPUT[rows], dtype)


class Winograd:
    """A convolution with kernels of three rows, stride 1, m rows of outputs at a time."""

    copies = True

    def __init__(self, geometry: Geometry, product: Product = np.matmul) -> None:
        self.product, window = product, geometry.window
        top, _, self.left, right = window.padding
        self.height, self.width = window.output_size
        # Rows past the end are computed and dropped: 7 rows as 2 x 4 are 12 products, and 21 without Winograd.
        self.rows = 2 if self.height <= 2 else 4
        self.tiles = -(-self.height // self.rows)
        self.inputs, self.outputs = geometry.in_channels, geometry.out_channels
        self.taps = window.kernel_size[1]
        # Zeros at the end of a row are those before the next one, too.
        self.pitch = max(window.size[1] + max(self.left, right), self.width)
        # The places of the zeros between rows.
        self.places = self.pitch, self.left, window.size[1]
        self.read = _bands(self.tiles, self.rows, self.rows + 2, -top, window.size[0])
        self.written = _bands(self.tiles, self.rows, self.rows, 0, self.height)

    @staticmethod
    def suits(geometry: Geometry) -> bool:
        """Return whether it can do the work, and pays."""
        window = geometry.window
        simple = window.kernel_size[0] == 3 and window.stride == window.dilation == (1, 1) and geometry.groups == 1
        return simple and geometry.in_channels >= _FEWEST_CHANNELS and window.output_size[0] > 1

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image: its transformed rows and their products."""
        return (self.rows + 2) * self.tiles * self.pitch * (self.inputs + self.outputs)

    def prepare(self, weight: Array) -> Array:
        """Return the transformed weights (m + 2, f_w * C_in, C_out)."""
        transform = matrices(self.rows, weight.dtype)[1]
        return (transform @ weight.reshape(3, -1)).reshape(self.rows + 2, -1, self.outputs)

    def columns(self, x: Array, memory: Memory, name: object = "columns") -> Array:
        """Return the transformed rows (m + 2, pixels, C_in) of images, with zeros between the rows."""
        transform = matrices(self.rows, x.dtype)[0]
        shape = (self.rows + 2, len(x) * self.tiles * self.pitch + self.taps - 1, self.inputs)
        result = memory.bordered(("winograd", name, *self.places), shape, x.dtype)
        for band in self.read:
            seen, rows = self._image_rows(x, band), self._rows(result, len(x), x.shape[2], self.left)
            np.matmul(transform[:, band.rows], seen, out=rows[:, band.tiles])
        return result

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory, bias: Array | None = None) -> None:
        """Write the convolution (N, H_out, W_out, C_out) of images given as columns."""
        products = memory.take("winograd products", self._products_shape(columns), columns.dtype)
        for first, patches in enumerate(self._patches(columns)):
            self.product(patches, matrix, out=products[:, first :: self.taps])
        self._write(products, self._rows(products, len(out), self.width), out, bias)

    def _write(self, products: Array, rows: Array, out: Array, bias: Array | None) -> None:
        """Write the convolution of products, which are given as they are and as rows (N, tiles, m + 2, width * C)."""
        if bias is not None:  # A has a column of ones: what is added to that row of products is added to all outputs
            add_to_channels(products[_ONES], bias)
        transform = matrices(self.rows, out.dtype)[2]
        for band in self.written:
            np.matmul(transform[band.rows], rows[:, band.tiles], out=self._image_rows(out, band))

    def weight_gradient(self, columns: Array, grad: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (3, f_w, C_in, C_out) of the weights."""
        _, weights, outputs = matrices(self.rows, grad.dtype)
        products = memory.bordered(
            ("winograd gradients", self.pitch, self.width), self._products_shape(columns), grad.dtype
        )
        rows = self._rows(products, len(grad), self.width)
        for band in self.written:
            np.matmul(outputs[band.rows].T, self._image_rows(grad, band), out=rows[:, band.tiles])
        shape = (self.taps, self.rows + 2, self.taps * self.inputs, self.outputs)
        shares = memory.take("weight products", shape, grad.dtype)
        for first, (patches, share) in enumerate(zip(self._patches(columns), shares, strict=True)):
            np.matmul(patches.transpose(0, 2, 1), products[:, first :: self.taps], out=share)
        np.matmul(weights.T, shares.sum(axis=0).reshape(self.rows + 2, -1), out=out.reshape(3, -1))

    def _products_shape(self, columns: Array) -> tuple[int, int, int]:
        """Return the shape of the products of all patches, those between two rows included."""
        return self.rows + 2, columns.shape[1] - self.taps + 1, self.outputs

    def _patches(self, columns: Array) -> list[Array]:
        """Return the patches (m + 2, every f-th position, f_w * C_in) from the first position, the second, ..."""
        positions, (row, deep) = columns.shape[1] - self.taps + 1, columns.strides[::2]
        pixel, length = deep * self.inputs, self.taps * self.inputs
        return [
            strided(
                columns,
                (self.rows + 2, len(range(first, positions, self.taps)), length),
                (row, self.taps * pixel, deep),
                first * pixel,
            )
            for first in range(self.taps)
        ]

    def _rows(self, pixels: Array, number: int, width: int, left: int = 0) -> Array:
        """Return (m + 2, pixels, C) as rows (N, tiles, m + 2, width * C), which begin at a column."""
        row, pixel, deep = pixels.strides
        shape = (number, self.tiles, self.rows + 2, width * pixels.shape[2])
        steps = (self.tiles * self.pitch * pixel, self.pitch * pixel, row, deep)
        return strided(pixels, shape, steps, left * pixel)

    def _image_rows(self, images: Array, band: "Band") -> Array:
        """Return the rows (N, tiles, rows, W * C) of images that some tiles see of them."""
        image, down, _, deep = images.strides
        count = band.tiles.stop - band.tiles.start
        shape = (len(images), count, band.rows.stop - band.rows.start, images.shape[2] * images.shape[3])
        return strided(images, shape, (image, self.rows * down, down, deep), band.first * down)


class GatheredWinograd(Winograd):
    """The same with a copy of each patch: one product for each transformed row instead of one for each tap of it.

    With many channels the weights are large, and reading them again costs more than the copies.
    """

    def columns(self, x: Array, memory: Memory, name: object = "columns") -> Array:
        """Return the patches (m + 2, positions, f_w * C_in) of the transformed rows of images."""
        rows = super().columns(x, memory, name)
        row, pixel, deep = rows.strides
        shape = (self.rows + 2, len(x) * self.tiles, self.width, self.taps * self.inputs)
        patches = memory.take("patches", shape, x.dtype)
        copy_runs(patches, strided(rows, shape, (row, self.pitch * pixel, pixel, deep)))
        return patches.reshape(self.rows + 2, -1, self.taps * self.inputs)

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory, bias: Array | None = None) -> None:
        shape = (self.rows + 2, columns.shape[1], self.outputs)
        products = memory.take("winograd products", shape, columns.dtype)
        self.product(columns, matrix, out=products)
        by_row = products.reshape(self.rows + 2, len(out), self.tiles, self.width * self.outputs)
        self._write(products, by_row.transpose(1, 2, 0, 3), out, bias)


class TurnedWinograd(Winograd):
    """The gradient of a convolution's input as the convolution of the output's gradient with the turned kernel."""

    def prepare(self, weight: Array) -> Array:
        return super().prepare(np.ascontiguousarray(weight[::-1, ::-1].swapaxes(2, 3)))

    def input_gradient(self, grad: Array, matrix: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (N, H, W, C_in) of the images."""
        self.apply(self.columns(grad, memory), matrix, out, memory)


class Band(NamedTuple):
    """Tiles, those rows of each that lie inside the image, and the row of the image where the first tile's begin."""

    tiles: slice
    rows: slice
    first: int


def _bands(tiles: int, step: int, size: int, start: int, height: int) -> list[Band]:
    """Return the bands of tiles of `size` rows, which begin every `step` rows from `start` on, over an image.

    Example:
        >>> [(band.tiles, band.rows, band.first) for band in _bands(2, 4, 6, -1, 8)]
        [(slice(0, 1, None), slice(1, 6, None), 0), (slice(1, 2, None), slice(0, 5, None), 3)]
    """

    def rows(tile: int) -> tuple[int, int]:
        begin = start + step * tile
        return min(size, max(0, -begin)), max(0, min(size, height - begin))

    bands = []
    for (low, high), group in groupby(range(tiles), rows):
        members = list(group)
        first = start + step * members[0] + low if low < high else 0
        bands.append(Band(slice(members[0], members[-1] + 1), slice(low, max(low, high)), first))
    return bands
