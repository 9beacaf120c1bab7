"""Convolutions that see their input reflected at the borders in place of zeros."""

from typing import Any

import numpy as np

from cnncli.networks.layers import Conv, Layer
from cnncli.networks.layers.context import Array, Context, Gradients, Params
from cnncli.ops.borders import border_index
from cnncli.shapes import Four, Shape


def border_indices(shape: Shape, padding: Four) -> tuple[Array, Array]:
    """Return the row, and the column, of the input that each of the padded input is, for an input (H, W, C)."""
    top, bottom, left, right = padding
    return border_index(shape[0], top, bottom, "reflect"), border_index(shape[1], left, right, "reflect")


class Reflected(Layer):
    """A convolution that sees its input reflected where it would see zeros, without the edge pixel."""

    op = "reflected"

    convolution: Conv
    padding: Four

    @classmethod
    def of(cls, layer: Layer, input_shape: Shape) -> Layer:
        """Return a layer with reflection in place of zeros: itself, unless it is a convolution with padding."""
        padding = layer.window(input_shape).padding if isinstance(layer, Conv) else (0, 0, 0, 0)
        return cls(layer.replace(padding="valid"), padding) if isinstance(layer, Conv) and any(padding) else layer

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        rows, columns = context.plan(x.shape, lambda shape: border_indices(shape, self.padding))
        y, cache = self.convolution.forward(x.take(rows, axis=1).take(columns, axis=2), params, context)
        return y, (cache, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: what came to a reflected pixel is the pixel's own, too."""
        inner, shape = cache
        padded, grads = self.convolution.backward(grad, inner, params, context)
        assert padded is not None
        rows, columns = context.plan(shape, lambda shape: border_indices(shape, self.padding))
        by_row = _folded_back(padded, rows, self.padding[0], shape[1])
        by_column = _folded_back(by_row.swapaxes(1, 2), columns, self.padding[2], shape[2])
        return np.ascontiguousarray(by_column.swapaxes(1, 2)), grads


def _folded_back(x: Array, index: Array, before: int, size: int) -> Array:
    """Return the second axis without its padding, which is added to what it repeats."""
    out = x[:, before : before + size].copy()
    for outside in (*range(before), *range(before + size, len(index))):
        out[:, index[outside]] += x[:, outside]
    return out
