"""Pooling: the maximum, minimum or mean of each window, channel by channel.

All three are separable: windows are reduced down the columns first, where whole rows are combined, and then along the
rows, where a stride has already made them fewer. Done band by band, so that what lies between stays in the cache.
"""

from math import prod

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.borders import OUTSIDE
from cnncli.ops.convolution.correlation import as_batch, restored
from cnncli.ops.loading import Border, Loader, Scratch
from cnncli.shapes import IntOrPair, Padding, Window

BAND_BYTES = 400_000

_FEW_CHANNELS = 8


def max_pool2d(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the maximum of each window; padding never wins.

    y[i, j, c] = max over a, b of x[i s + a d - p, j s + b d - p, c] (Dumoulin and Visin, arXiv:1603.07285, section 3).

    Args:
        x: (H, W), (H, W, C) or (N, H, W, C).
        kernel_size: window size in pixels, an int or a (vertical, horizontal) pair.
        stride: pixels between windows; the window's size unless given.
        padding: as in `conv2d`.
        dilation: pixels between the window's taps.
        ceil_mode: keep the last, partial windows instead of dropping them (PyTorch's rule).

    Returns:
        An array of the type (uint8 for bool) and the number of dimensions of `x`. A NaN in a window is its maximum.

    Raises:
        ArgumentError: an argument that cannot be used, or a window that sees nothing but padding.

    Example:
        >>> max_pool2d([[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], 2).tolist()
        [[9, 2], [6, 3]]
    """
    images, window = _prepare(x, kernel_size, stride, padding, dilation, ceil_mode)
    return restored(_reduce(images, window, np.maximum, _limits(images.dtype)[0], images.dtype), np.ndim(x))


def min_pool2d(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the minimum of each window; padding never wins. Arguments and result are those of `max_pool2d`.

    Example:
        >>> min_pool2d([[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], 2).tolist()
        [[1, 1], [1, 1]]
    """
    images, window = _prepare(x, kernel_size, stride, padding, dilation, ceil_mode)
    return restored(_reduce(images, window, np.minimum, _limits(images.dtype)[1], images.dtype), np.ndim(x))


def avg_pool2d(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Array:
    """Return the mean of each window.

    Args:
        x: (H, W), (H, W, C) or (N, H, W, C).
        kernel_size: window size in pixels, an int or a (vertical, horizontal) pair.
        stride: pixels between windows; the window's size unless given.
        padding: as in `conv2d`.
        dilation: pixels between the window's taps.
        ceil_mode: keep the last, partial windows instead of dropping them (PyTorch's rule).
        count_include_pad: divide by the padded cells too, as PyTorch does by default; what lies past the padding in
            ceil mode is never counted.

    Returns:
        An array of as many dimensions as `x`: float32 for numbers of up to 16 bits and for float32, else float64. The
        sums of integers of up to 32 bits are exact.

    Raises:
        ArgumentError: as `max_pool2d`.

    Example:
        >>> avg_pool2d([[1, 3, 2, 1], [2, 9, 1, 1], [1, 4, 2, 3], [5, 6, 1, 2]], 2).tolist()
        [[3.75, 1.25], [4.0, 2.0]]
    """
    images, window = _prepare(x, kernel_size, stride, padding, dilation, ceil_mode)
    result = np.promote_types(images.dtype, np.float32) if images.dtype.itemsize < 4 else images.dtype
    if result.kind != "f":
        result = np.dtype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        means = _reduce(images, window, np.add, 0, _sum_type(images.dtype, window)).astype(result)
    rows, columns = window_counts(window, include_padding=count_include_pad)
    uniform = all(counts.min() == counts.max() for counts in (rows, columns))
    means /= rows[0] * columns[0] if uniform else np.outer(rows, columns)[:, :, None]
    return restored(means, np.ndim(x))


def _prepare(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: Padding,
    dilation: IntOrPair,
    ceil_mode: bool,
) -> tuple[Array, Window]:
    images = as_batch(as_numbers(x, "an image"))
    window = Window.over(
        images.shape[1:3],
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )
    if any(window.padding) and not all(counts.all() for counts in window_counts(window, include_padding=False)):
        raise ArgumentError(
            f"padding {window.padding} leaves windows of {window.kernel_size} that see no pixel of the "
            f"{window.size[0]}x{window.size[1]} image: use less padding"
        )
    return images, window


def _reduce(images: Array, window: Window, ufunc: np.ufunc, fill: float, dtype: npt.DTypeLike) -> Array:
    """Return (N, H_out, W_out, C): each window reduced by a ufunc."""
    out = np.empty((len(images), *window.output_size, images.shape[3]), dtype)
    border = Border.around(window, fill=fill)
    loader = Loader(border, (1, 1), window.reach[1])
    row_bytes = window.reach[1] * images.shape[3] * out.itemsize * window.stride[0]
    height = min(max(1, BAND_BYTES // row_bytes), window.output_size[0])
    scratch = Scratch(dtype, height * window.reach[1] * images.shape[3])
    for image, result in zip(images, out, strict=True):
        for start in range(0, window.output_size[0], height):
            band = window.rows(start, min(start + height, window.output_size[0]))
            padded = _padded(image, loader, window, start, band.size[0])
            _reduce_band(padded, band, ufunc, result[start : start + height], scratch)
    return out


def _padded(image: Array, loader: Loader, window: Window, start: int, count: int) -> Array:
    """Return padded rows: a view of the image where no padding is."""
    first = start * window.stride[0] - window.padding[0]
    whole_rows = not any(window.padding[2:]) and window.reach[1] <= window.size[1]
    if whole_rows and first >= 0 and first + count <= window.size[0]:
        return image[first : first + count, : window.reach[1]]
    padded = np.empty((count, window.reach[1], image.shape[2]), image.dtype)
    loader.load(image, start * window.stride[0], (0, 0), padded)
    return padded


def _reduce_band(padded: Array, window: Window, ufunc: np.ufunc, out: Array, scratch: Scratch) -> None:
    rows = [padded[window.seen(0, tap)] for tap in range(window.kernel_size[0])]
    down = _combine(rows, ufunc, scratch.plane("down")[: rows[0].size].reshape(rows[0].shape))
    if window.stride[1] == 2 and down.dtype == np.uint8 and down.shape[1] % 2 == 0 and down.shape[2] == 1:
        _reduce_bytes(down[:, :, 0], window, ufunc, out[:, :, 0], scratch.plane("everywhere"))
        return
    # Channel by channel, so that NumPy's innermost loop is a row and not the few channels of a pixel.
    channels = range(down.shape[2]) if down.shape[2] <= _FEW_CHANNELS else [slice(None)]
    for channel in channels:
        plane = down[:, :, channel]
        _combine([plane[:, window.seen(1, tap)] for tap in range(window.kernel_size[1])], ufunc, out[:, :, channel])


def _reduce_bytes(down: Array, window: Window, ufunc: np.ufunc, out: Array, everywhere: Array) -> None:
    """Reduce rows of bytes with stride 2: every position first, and then every second one is kept.

    Whole rows of bytes, and the lower bytes of 16-bit numbers, are read 4 times as fast as every second byte.
    """
    flat, offsets = down.reshape(-1), [number * window.dilation[1] for number in range(window.kernel_size[1])]
    count = flat.size - offsets[-1]
    _combine([flat[offset : offset + count] for offset in offsets], ufunc, everywhere[:count])
    pairs = everywhere[: flat.size].view("<u2").reshape(len(down), -1)
    np.copyto(out, pairs[:, : window.output_size[1]], casting="unsafe")


def _combine(arrays: list[Array], ufunc: np.ufunc, out: Array) -> Array:
    if len(arrays) == 1:
        out[:] = arrays[0]
        return out
    ufunc(arrays[0], arrays[1], out=out, dtype=out.dtype)
    for array in arrays[2:]:
        ufunc(out, array, out=out, dtype=out.dtype)
    return out


def window_counts(window: Window, *, include_padding: bool) -> list[Array]:
    """Return how many rows of each window count, (H_out,), and how many columns, (W_out,)."""
    border = Border.around(window)
    lines = []
    for axis, index in enumerate((border.rows, border.columns)):
        padded_size = window.size[axis] + sum(window.padding[2 * axis : 2 * axis + 2])
        counted = np.arange(len(index)) < padded_size if include_padding else index != OUTSIDE
        lines.append(np.sum([counted[window.seen(axis, tap)] for tap in range(window.kernel_size[axis])], axis=0))
    return lines


def _limits(dtype: DType) -> tuple[float, float]:
    if dtype.kind == "f":
        return -np.inf, np.inf
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _sum_type(dtype: DType, window: Window) -> DType:
    """Return a type that holds the sums of windows exactly, or float64 if there is none."""
    if dtype.kind == "f":
        return np.promote_types(dtype, np.float32)
    low, high = _limits(dtype)
    most = max(-low, high) * prod(window.kernel_size)
    kinds = (kind for kind in (np.int16, np.int32, np.int64) if most <= np.iinfo(kind).max)
    return np.dtype(next(kinds, np.float64))
