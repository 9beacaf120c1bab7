"""Normalisation of batches, images and neighbouring channels, forward and backward, in PyTorch's convention."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.batches.rows import as_rows, channel_sums, chunks, row_repeats, tiled, wide_repeats
from cnncli.ops.batches.workspaces import FRESH, Memory

_FAR = 100  # a mean of ten standard deviations costs seven bits of the variance
_SUMMED = 1_048_576  # numbers whose sums are taken in their own type


class Moments(NamedTuple):
    """Count, mean and sum of squared distances from the mean, the latter two (C,) in float64, of each channel."""

    number: int
    mean: Array
    squares: Array

    @classmethod
    def of(cls, x: Array, memory: Memory = FRESH) -> "Moments":
        """Measure (..., C), contiguous.

        Squares are summed as they are, which is one reading of the numbers; where their mean lies so far from 0 that
        the variance would be a small difference of large sums, they are read again, as distances from that mean.
        """
        moments = cls._about(x, None, memory)
        near = moments.mean**2 <= _FAR * moments.squares / moments.number
        if (near & np.isfinite(moments.squares)).all():
            return moments
        return cls._about(x, moments.mean, memory)

    @classmethod
    def _about(cls, x: Array, middle: Array | None, memory: Memory) -> "Moments":
        repeats, channels = row_repeats(x.shape), x.shape[-1]
        middles = None if middle is None else tiled(middle, repeats, x.dtype)
        sums = np.zeros((2, channels))
        for (part,) in chunks(as_rows(x, repeats), numbers=_SUMMED):
            distance = part
            if middles is not None:
                distance = np.subtract(part, middles, out=memory.take("distance", part.shape, x.dtype))
            sums += channel_sums(distance, channels), _product_sums(distance, distance, channels)
        count = x.size // channels
        shift = sums[0] / count
        mean = shift if middles is None else middles[:channels] + shift
        return cls(count, mean, np.maximum(sums[1] - shift * sums[0], 0))

    @classmethod
    def union(cls, parts: "list[Moments]") -> "Moments":
        """Return the moments of several sets of numbers together.

        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979):
        no large sums are subtracted from each other.
        """
        count = sum(part.number for part in parts)
        mean = sum(part.number * part.mean for part in parts) / count
        squares = sum(part.squares + part.number * (part.mean - mean) ** 2 for part in parts)
        return cls(count, np.asarray(mean), np.asarray(squares))

    @property
    def variance(self) -> Array:
        """The population variance, which normalisation divides by."""
        return self.squares / self.number

    @property
    def unbiased_variance(self) -> Array:
        """The unbiased variance, which running statistics keep."""
        return self.squares / max(1, self.number - 1)


def scale_channels(x: Array, scale: Array, shift: Array, out: Array) -> None:
    """Write x * scale + shift, one scale and shift a channel, of a contiguous (..., C)."""
    repeats = wide_repeats(x.shape)
    scales, shifts = tiled(scale, repeats, x.dtype), tiled(shift, repeats, x.dtype)
    for part, result in chunks(as_rows(x, repeats), as_rows(out, repeats)):
        np.multiply(part, scales, out=result)
        result += shifts


def batch_norm_sums(grad: Array, x: Array, mean: Array) -> Array:
    """Return (2, C) in float64: sums over all positions of the gradient, and of the gradient times x - mean.

    The mean is subtracted from the sum, which is a pass less: it costs no more bits than rounding has cost x.
    """
    repeats, channels = row_repeats(x.shape), x.shape[-1]
    sums = np.zeros((2, channels))
    for part, gradient in chunks(as_rows(x, repeats), as_rows(grad, repeats), numbers=_SUMMED):
        sums += channel_sums(gradient, channels), _product_sums(part, gradient, channels)
    sums[1] -= mean * sums[0]
    return sums


def _product_sums(a: Array, b: Array, channels: int) -> Array:
    """Return the sums over all rows of the products of each channel, without an array of products."""
    by_channel: Array = np.einsum("ij,ij->j", a, b).reshape(-1, channels).sum(axis=0)
    return by_channel


def batch_norm_input_gradient(
    grad: Array, x: Array, moments: Moments, scale: Array, inverse: Array, sums: Array, out: Array
) -> None:
    """Write the gradient of a batch-normalised input.

    dx = scale / sigma (dy - mean(dy) - x_hat mean(dy x_hat)) with x_hat = (x - mu) / sigma (Ioffe and Szegedy,
    arXiv:1502.03167, section 3, put together): a linear function of dy and x for each channel.

    Args:
        grad: the output's gradient.
        x: the input.
        moments: moments of the whole batch.
        scale: (C,), the trained scale.
        inverse: (C,), 1 / sigma.
        sums: `batch_norm_sums` of the whole batch.
        out: array of the shape of `x` for the result; not `grad` itself.
    """
    by_x = -(inverse**2) * sums[1] / moments.number
    constant = -sums[0] / moments.number - by_x * moments.mean
    repeats = wide_repeats(x.shape)
    rows = [tiled(vector, repeats, x.dtype) for vector in (by_x, constant, scale * inverse)]
    for part, gradient, result in chunks(*(as_rows(array, repeats) for array in (x, grad, out))):
        np.multiply(part, rows[0], out=result)
        result += rows[1]
        result += gradient
        result *= rows[2]


def standardize(x: Array, axes: tuple[int, ...], eps: float, out: Array) -> Array:
    """Write (x - mean) / sqrt(variance + eps) to `out`, both measured along some axes, and return the second factor.

    Example:
        >>> out = np.empty((2, 2))
        >>> _ = standardize(np.array([[1.0, 3.0], [5.0, 5.0]]), (1,), 0.01, out)
        >>> out.round(3).tolist()
        [[-0.995, 0.995], [0.0, 0.0]]
    """
    np.subtract(x, _mean(x, axes), out=out)
    inverse: Array = 1 / np.sqrt(_mean(out * out, axes) + x.dtype.type(eps))
    out *= inverse
    return inverse


def standardize_backward(grad: Array, standardized: Array, inverse: Array, axes: tuple[int, ...], out: Array) -> None:
    """Write the gradient of `standardize`'s input: inverse (dy - mean(dy) - y mean(dy y))."""
    np.multiply(standardized, _mean(grad * standardized, axes), out=out)
    np.subtract(grad, out, out=out)
    out -= _mean(grad, axes)
    out *= inverse


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    mean: Array = x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)
    return mean


@lru_cache
def neighbours(channels: int, size: int, dtype: DType) -> Array:
    """Return the (C, C) matrix that sums each channel's neighbours: `size` of them, an even one more before."""
    distance = np.arange(channels)[:, None] - np.arange(channels)
    return ((distance >= -(size // 2)) & (distance <= (size - 1) // 2)).astype(dtype)


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """Return x / d^beta, and d = k + alpha / size * the sum of x^2 over `size` neighbouring channels.

    Krizhevsky et al. 2012, section 3.3; alpha is divided by the size, as in PyTorch and ONNX. The sums are a product
    with a banded matrix: channels come last, so it is one product for all positions.

    Example:
        >>> y, _ = local_response_norm(np.ones((1, 1, 1, 3)), size=3, alpha=3.0, beta=1.0, k=1.0)
        >>> (1 / y).ravel().tolist()
        [3.0, 4.0, 3.0]
    """
    sums = (x * x) @ neighbours(x.shape[-1], size, x.dtype)
    divisor = np.multiply(sums, x.dtype.type(alpha / size), out=sums)
    divisor += x.dtype.type(k)
    return x * divisor ** x.dtype.type(-beta), divisor


def local_response_norm_backward(grad: Array, x: Array, divisor: Array, size: int, alpha: float, beta: float) -> Array:
    """Return the gradient of `local_response_norm`'s input.

    dx_j = dy_j d_j^-beta - 2 alpha beta / size x_j * the sum over the i that see j of dy_i x_i d_i^(-beta - 1).
    """
    power = divisor ** x.dtype.type(-beta)
    seen = (grad * x * power / divisor) @ neighbours(x.shape[-1], size, x.dtype).T
    result: Array = grad * power - x.dtype.type(2 * alpha * beta / size) * x * seen
    return result
