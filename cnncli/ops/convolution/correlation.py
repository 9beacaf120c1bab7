"""A convolution's arguments, checked and brought into one form."""

from math import prod
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError
from cnncli.ops.borders import OUTSIDE
from cnncli.ops.loading import Border
from cnncli.shapes import IntOrPair, Padding, Window


class SlidingOptions(TypedDict, total=False):
    """Options of `conv2d` for the positions of the kernel and the pixels outside the image."""

    stride: IntOrPair
    padding: Padding
    dilation: IntOrPair
    padding_mode: str
    padding_value: float


class Correlation(NamedTuple):
    """A convolution of pictures, its arguments checked and in one form.

    Attributes:
        images: (N, H, W, C_in).
        weight: (f_h, f_w, C_in / groups, C_out), integer or in the type to compute in.
        bias: (C_out,) in the result's type, or None.
        groups: number of groups.
        window: the geometry.
        border: the pixels outside the image.
        dtype: dtype of the result.
        bound: the largest magnitude that a partial sum can have; infinite for floating point.
    """

    images: Array
    weight: Array
    bias: Array | None
    groups: int
    window: Window
    border: Border
    dtype: DType
    bound: float

    @classmethod
    def of(
        cls,
        x: Array,
        weight: Array,
        bias: npt.ArrayLike | None = None,
        stride: IntOrPair = 1,
        padding: Padding = "valid",
        dilation: IntOrPair = 1,
        groups: int = 1,
        padding_mode: str = "zeros",
        padding_value: float = 0,
        flip: bool = False,
    ) -> "Correlation":
        """Check the arguments of `conv2d`, whose names and meanings these are, and bring them into one form."""
        images, kernels = as_batch(x), _as_hwio(weight)
        _check_channels(images.shape[3], kernels.shape, groups)
        window = Window.over(images.shape[1:3], kernels.shape[:2], stride=stride, padding=padding, dilation=dilation)
        if images.dtype.kind in "iu" and not float(padding_value).is_integer():
            raise ArgumentError(f"padding_value must be an integer for an image of {images.dtype}, got {padding_value}")
        border = Border.around(window, padding_mode, padding_value)
        offset = None if bias is None else _as_bias(np.asarray(bias), kernels.shape[3])
        if flip:
            kernels = kernels[::-1, ::-1]
        dtype, bound = _result_type(images, kernels, offset, padding_value)
        if not np.issubdtype(dtype, np.integer):
            kernels = kernels.astype(dtype)
        return cls(
            images, kernels, None if offset is None else offset.astype(dtype), groups, window, border, dtype, bound
        )

    @property
    def exact(self) -> bool:
        """True if the result consists of integers."""
        return bool(np.issubdtype(self.dtype, np.integer))

    @property
    def taps(self) -> int:
        """Number of taps of a kernel in each channel."""
        return prod(self.window.kernel_size)

    @property
    def filters(self) -> int:
        """Number of filters in each group."""
        return int(self.weight.shape[3] // self.groups)

    def channels(self, number: int) -> range:
        """Return the channels of the image that a filter sees."""
        per_group = self.weight.shape[2]
        first = number // self.filters * per_group
        return range(first, first + per_group)

    def waste(self, strip_pixels: float) -> float:
        """Return how many pixels of a strip are loaded for each that it gives.

        The image's height does not count: bands of an image and the whole must be computed alike, to the last bit.
        """
        down, across = ((span - 1) // stride for span, stride in zip(self.window.span, self.window.stride, strict=True))
        width = self.window.output_size[1]
        height = max(1.0, strip_pixels / (width + across))
        return float((height + down) * (width + across) / (height * width))

    def finite(self) -> bool:
        """Return whether all pixels, and those outside, are finite: one that is not may spoil only its own windows."""
        if self.images.dtype.kind != "f" or not self.images.size:
            return bool(np.isfinite(self.border.fill))
        seen = np.unique(self.border.rows[self.border.rows != OUTSIDE])
        in_sequence = seen.size and seen[-1] - seen[0] == seen.size - 1
        images = self.images[:, slice(seen[0], seen[-1] + 1) if in_sequence else seen]
        return bool(np.isfinite([images.min(initial=0), images.max(initial=0), self.border.fill]).all())

    def part(self, start: int, stop: int) -> "Correlation":
        """Return the correlation for the output rows [start, stop)."""
        window = self.window.rows(start, stop)
        first = start * self.window.stride[0]
        return self._replace(
            window=window, border=self.border._replace(rows=self.border.rows[first : first + window.size[0]])
        )


def as_batch(x: Array) -> Array:
    """Return (H, W), (H, W, C) or (N, H, W, C) as (N, H, W, C).

    Raises:
        ArgumentError: another number of dimensions, or numbers that are not real.
    """
    if x.ndim not in (2, 3, 4):
        raise ArgumentError(f"an image has the shape (H, W), (H, W, C) or (N, H, W, C), got {x.shape}")
    x = x.astype(np.uint8) if x.dtype.kind == "b" else x
    return x[None, :, :, None] if x.ndim == 2 else x[None] if x.ndim == 3 else x


def restored(result: Array, dimensions: int) -> Array:
    """Return (N, H, W, C) with the dimensions that `as_batch` was given; a 2-D image gets no axis for one channel."""
    if dimensions == 4:
        return result
    return result[0, ..., 0] if dimensions == 2 and result.shape[3] == 1 else result[0]


def _as_hwio(weight: Array) -> Array:
    if weight.ndim not in (2, 3, 4) or 0 in weight.shape:
        raise ArgumentError(
            f"weight has the shape (f_h, f_w), (f_h, f_w, C_in) or (f_h, f_w, C_in / groups, C_out), got {weight.shape}"
        )
    if weight.dtype.kind != "f":
        if weight.max() > np.iinfo(np.int64).max:
            raise ArgumentError(f"integer weights must fit 64 bits with their sign, got {weight.max()}")
        # Nothing that is computed from them may wrap around.
        weight = weight.astype(np.int64)
    return weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim))


def _as_bias(bias: Array, filters: int) -> Array:
    if bias.dtype.kind not in "biuf" or bias.shape not in ((), (1,), (filters,)):
        raise ArgumentError(f"bias must be one number or {filters} (one a filter), got {bias.dtype} {bias.shape}")
    return np.broadcast_to(bias, (filters,))


def _check_channels(channels: int, weight: tuple[int, ...], groups: int) -> None:
    per_group, filters = weight[2:]
    if not isinstance(groups, int | np.integer) or groups < 1 or channels % groups or filters % groups:
        raise ArgumentError(f"groups must divide the {channels} input and {filters} output channels, got {groups}")
    if per_group * groups != channels:
        raise ArgumentError(
            f"weight {weight} takes {per_group * groups} input channels with groups={groups}, the image has {channels}"
        )


def _result_type(images: Array, weight: Array, bias: Array | None, fill: float) -> tuple[DType, float]:
    """Return the type of a convolution's result and the largest magnitude of its partial sums."""
    if images.dtype.kind == "f":
        return np.promote_types(images.dtype, np.float32), np.inf
    kinds = [array.dtype for array in (weight, bias) if array is not None and array.dtype.kind == "f"]
    if kinds:
        return np.result_type(*kinds, np.float32), np.inf
    limits = np.iinfo(images.dtype)
    low, high = _sums(weight, bias, min(limits.min, int(fill)), max(limits.max, int(fill)))
    if not _fits(low, high, np.int64):
        # The type allows more than int64 holds; the image's own numbers may be smaller.
        least, most = (int(images.min()), int(images.max())) if images.size else (0, 0)
        low, high = _sums(weight, bias, min(least, int(fill)), max(most, int(fill)))
        if not _fits(low, high, np.int64):
            raise ArgumentError(
                f"the sums of an image of {images.dtype} with these weights exceed 64 bits: convert it to float64"
            )
        return np.dtype(np.int64), max(-low, high)
    dtype = next(dtype for dtype in (np.int16, np.int32, np.int64) if _fits(low, high, dtype))
    return np.dtype(dtype), max(-low, high)


def _sums(weight: Array, bias: Array | None, lowest: int, highest: int) -> tuple[int, int]:
    """Return bounds of every partial sum, in Python's unbounded integers."""
    low = high = 0
    for number in range(weight.shape[3]):
        weights = weight[..., number].ravel().tolist()
        positive, negative = sum(w for w in weights if w > 0), sum(w for w in weights if w < 0)
        offset = 0 if bias is None else int(bias[number])
        high = max(high, positive * max(highest, 0) + negative * min(lowest, 0) + max(offset, 0))
        low = min(low, positive * min(lowest, 0) + negative * max(highest, 0) + min(offset, 0))
    return low, high


def _fits(low: int, high: int, dtype: type[np.signedinteger[Any]]) -> bool:
    return np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max
