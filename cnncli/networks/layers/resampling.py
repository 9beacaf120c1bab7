"""Larger pictures of the same numbers."""

from typing import Any

from cnncli.errors import ArgumentError
from cnncli.networks.layers.base import Layer, image_shape
from cnncli.networks.layers.late import Array, Context, Gradients, Params, sampling_ops
from cnncli.networks.summary import ReceptiveField
from cnncli.shapes import Pair, Shape


class Resampling(Layer):
    """A layer whose output is its input, times a matrix along the height and one along the width."""

    keeps = ()

    def matrices(self, input_shape: Shape) -> tuple[Array, Array]:
        """Return the matrices, (H_out, H) and (W_out, W)."""
        raise NotImplementedError

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output((len(x), *context.plan(x.shape, self.output_shape)), x.dtype)
        return sampling_ops.resample(x, *self.matrices(x.shape[1:]), out), x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        rows, columns = self.matrices(cache[1:])
        return sampling_ops.resample(grad, rows.T, columns.T, context.gradient(cache, grad.dtype)), {}


class Upsampling(Resampling):
    """A picture made larger: `up2` repeats each pixel, `up2,bilinear` interpolates; `up` is `up2`.

    Bilinear as PyTorch's `interpolate` does it: pixels are areas, or with `align_corners` points whose corners stay.

    Example:
        >>> Upsampling((2, 2)).output_shape((13, 13, 256)), str(Upsampling(mode="bilinear"))
        ((26, 26, 256), 'up2,bilinear')
    """

    op = "up"
    size_field = "scale_factor"

    scale_factor: Pair = (2, 2)
    mode: str = "nearest"
    align_corners: bool = False

    def validate(self) -> None:
        super().validate()
        if self.align_corners and self.mode != "bilinear":
            raise ArgumentError("align_corners needs bilinear: write up2,bilinear,align_corners")

    def default(self, name: str) -> Any:
        """Return the default; the factor is always written."""
        return None if name == "scale_factor" else super().default(name)

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = image_shape(self, input_shape)
        return height * self.scale_factor[0], width * self.scale_factor[1], channels

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return None where it makes fractions of the stride."""
        return before if self.scale_factor == (1, 1) else None

    def matrices(self, input_shape: Shape) -> tuple[Array, Array]:
        rows, columns = (
            sampling_ops.bilinear_matrix(n, n * factor, align_corners=self.align_corners)
            for n, factor in zip(input_shape[:2], self.scale_factor, strict=True)
        )
        return rows, columns

    def _blocks(self, x: Array) -> Array:
        """Return a picture that comes out as blocks of one pixel that comes in, (N, H, factor, W, factor, C)."""
        (down, across), (count, height, width, channels) = self.scale_factor, x.shape
        return x.reshape(count, height // down, down, width // across, across, channels)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        if self.mode == "bilinear":
            return super().forward(x, params, context)
        out = context.output((len(x), *context.plan(x.shape, self.output_shape)), x.dtype)
        self._blocks(out)[:] = x[:, :, None, :, None]
        return out, x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if self.mode == "bilinear":
            return super().backward(grad, cache, params, context)
        out = context.gradient(cache, grad.dtype)
        return self._blocks(grad).sum(axis=(2, 4), out=out), {}
