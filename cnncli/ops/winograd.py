"""Kernels of three rows by Winograd's minimal filtering, along the height.

F(m, 3) makes m outputs of a correlation with 3 taps from m + 2 inputs with m + 2 multiplications instead of 3 m
(Winograd 1980; Lavin and Gray, arXiv:1509.09308): y = A [(G w) * (B x)]. Channels last, a row of an image is one vector
of W * C numbers, so A, B and G act on whole rows as small matrix products; along the width three neighbours are laid
side by side. A net of 3x3 layers trains 1.6 to 1.8 times as fast. In both directions it would save more
multiplications, and spend the gain on transforms.

Its rounding differs from a plain sum of products: some 3e-6 of the result in float32.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.ops.rows import copy_runs, strided
from cnncli.ops.tiled import Geometry
from cnncli.ops.workspaces import Memory

Array = npt.NDArray[Any]

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

# With fewer channels the transforms cost more than the products that they save.
_FEWEST_CHANNELS = 8


@lru_cache
def matrices(rows: int, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
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

    def __init__(self, geometry: Geometry) -> None:
        self.window = geometry.window
        height, self.width = self.window.output_size
        # Rows past the end are computed and dropped: 7 rows as 2 x 4 are 12 products, and 21 without Winograd.
        self.rows = 2 if height <= 2 else 4
        self.tiles = -(-height // self.rows)
        self.inputs, self.outputs = geometry.in_channels, geometry.out_channels
        self.taps = self.window.kernel_size[1]
        self.corner = self.window.padding[0], self.window.padding[2]
        self.extent = self.tiles * self.rows + 2, self.window.reach[1]

    @staticmethod
    def suits(geometry: Geometry) -> bool:
        """Return whether it can do the work, and pays."""
        window = geometry.window
        simple = window.kernel_size[0] == 3 and window.stride == window.dilation == (1, 1) and geometry.groups == 1
        return simple and geometry.in_channels >= _FEWEST_CHANNELS and window.output_size[0] > 1

    @property
    def numbers(self) -> int:
        """How many numbers the columns of one image are."""
        return (self.rows + 2) * self.tiles * self.width * self.taps * self.inputs

    def prepare(self, weight: Array) -> Array:
        """Return the transformed weights (m + 2, f_w * C_in, C_out)."""
        transform = matrices(self.rows, weight.dtype)[1]
        return (transform @ weight.reshape(3, -1)).reshape(self.rows + 2, -1, self.outputs)

    def columns(self, pixels: Array, memory: Memory, name: object = "columns") -> Array:
        """Return the transformed patches (m + 2, positions, f_w * C_in) of padded images."""
        transform = matrices(self.rows, pixels.dtype)[0]
        number, (image, down, _, deep) = len(pixels), pixels.strides
        row_shape = (number, self.tiles, self.rows + 2, pixels.shape[2] * self.inputs)
        tiles = strided(pixels, row_shape, (image, self.rows * down, down, deep))
        rows = np.matmul(transform, tiles, out=memory.take("winograd rows", row_shape, pixels.dtype))
        image, tile, row, deep = rows.strides
        shape = (self.rows + 2, number, self.tiles, self.width, self.taps * self.inputs)
        result = memory.take(name, shape, pixels.dtype)
        copy_runs(result, strided(rows, shape, (row, image, tile, self.inputs * deep, deep)))
        return result.reshape(self.rows + 2, -1, self.taps * self.inputs)

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory) -> None:
        """Write the convolution (N, H_out, W_out, C_out) of images given as columns."""
        products = memory.take("winograd products", (*columns.shape[:2], self.outputs), columns.dtype)
        np.matmul(columns, matrix, out=products)
        whole = self._whole(out, memory)
        np.matmul(matrices(self.rows, out.dtype)[2], self._rows(products, len(out)), out=self._tiles(whole))
        if whole is not out:
            out[:] = whole[:, : out.shape[1]]

    def weight_gradient(self, columns: Array, grad: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (3, f_w, C_in, C_out) of the weights."""
        _, weights, outputs = matrices(self.rows, grad.dtype)
        whole = self._whole(grad, memory)
        if whole is not grad:
            whole[:, : grad.shape[1]], whole[:, grad.shape[1] :] = grad, 0
        products = memory.take("winograd products", (*columns.shape[:2], self.outputs), columns.dtype)
        np.matmul(outputs.T, self._tiles(whole), out=self._rows(products, len(grad)))
        shape = (self.rows + 2, self.taps * self.inputs, self.outputs)
        total = memory.take("weight products", shape, grad.dtype)
        np.matmul(columns.transpose(0, 2, 1), products, out=total)
        np.matmul(weights.T, total.reshape(self.rows + 2, -1), out=out.reshape(3, -1))

    def _whole(self, y: Array, memory: Memory) -> Array:
        """Return an array of outputs with all the rows of all tiles: `y` itself where it has them."""
        rows = self.tiles * self.rows
        return y if y.shape[1] == rows else memory.take("winograd outputs", (len(y), rows, *y.shape[2:]), y.dtype)

    def _tiles(self, y: Array) -> Array:
        return y.reshape(len(y), self.tiles, self.rows, self.width * self.outputs)

    def _rows(self, products: Array, number: int) -> Array:
        return products.reshape(self.rows + 2, number, self.tiles, self.width * self.outputs).transpose(1, 2, 0, 3)
