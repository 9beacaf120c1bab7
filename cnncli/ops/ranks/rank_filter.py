"""`rank_filter`: the median, the minimum or the maximum of every window, strip by strip."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError
from cnncli.ops.loading import Border, Loader, Scratch
from cnncli.ops.ranks import orders
from cnncli.ops.ranks.extremes import maxima, minima
from cnncli.ops.ranks.medians import medians
from cnncli.ops.ranks.strips import Strip
from cnncli.shapes import IntOrPair, Padding, Window, pair

RANKS: dict[str, Callable[[Strip], Array]] = {"median": medians, "min": minima, "max": maxima}

# Measured: a strip and the planes made from it stay in the cache.
STRIP_BYTES = 200_000


def rank_filter(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    mode: str,
    *,
    padding: Padding = "same",
    padding_mode: str = "reflect",
) -> Array:
    """Return the median, the minimum or the maximum of each window, channel by channel.

    The same as `scipy.ndimage.median_filter`, `minimum_filter` and `maximum_filter`. Of an even number of pixels, the
    median is the upper one of the two in the middle.

    Args:
        x: (H, W) or (H, W, C).
        kernel_size: window size in pixels, an int or a (vertical, horizontal) pair.
        mode: `median`, `min` or `max`.
        padding: as in `conv2d`, but `"same"` puts the odd pixel of an even window at the top and left, as SciPy, OpenCV
            and libvips do: a window begins kernel_size // 2 pixels before its output pixel.
        padding_mode: as in `conv2d`. SciPy calls `reflect` mirror, `symmetric` reflect, `replicate` nearest,
            `circular` wrap and `zeros` constant.

    Returns:
        An array of the type and the number of dimensions of `x`. A window that holds a NaN gives NaN; a negative zero
        is less than a positive one.

    Raises:
        ArgumentError: an argument that cannot be used, or a window that does not fit.

    Example:
        >>> rank_filter([[1, 2, 90], [3, 4, 5], [6, 7, 8]], 3, "median", padding="valid").tolist()
        [[5]]
    """
    image = as_numbers(x, "an image")
    if image.ndim not in (2, 3):
        raise ArgumentError(f"an image has the shape (H, W) or (H, W, C), got {image.shape}")
    if mode not in RANKS:
        raise ArgumentError(f"unknown mode {mode!r}: {did_you_mean(mode, RANKS)}")
    height, width = pair(kernel_size, "kernel_size")
    if padding == "same":
        padding = (height // 2, (height - 1) // 2, width // 2, (width - 1) // 2)
    window = Window.over((image.shape[0], image.shape[1]), (height, width), padding=padding)
    out = np.empty((*window.output_size, *image.shape[2:]), image.dtype.newbyteorder("="))
    if out.size:
        _filter(_as_volume(image), _as_volume(out), window, Border.around(window, padding_mode), mode)
    return out


def _filter(image: Array, out: Array, window: Window, border: Border, mode: str) -> None:
    """Filter (H, W, C) into (H_out, W_out, C); rows of interleaved channels are filtered as they lie."""
    channels, (height, width) = image.shape[2], window.output_size
    keys, made = orders.as_integers(image), orders.as_integers(out)
    row_length = -(-window.reach[1] // 64) * 64
    rows = max(1, min(height, STRIP_BYTES // (made.itemsize * row_length * channels)))
    steps = (row_length * channels, channels)
    slack = (window.span[0] - 1) * steps[0] + (window.span[1] - 1) * steps[1]
    scratch = Scratch(made.dtype, rows * steps[0] + slack)
    loader = Loader(border, (1, 1), window.reach[1])
    for start in range(0, height, rows):
        count = min(rows, height - start)
        pixels = scratch.plane("pixels")[: count * steps[0] + slack]
        loaded = pixels[: (count + window.span[0] - 1) * steps[0]].reshape(-1, row_length, channels)
        loader.load(keys, start, (0, 0), loaded)
        strip = Strip(pixels, window.kernel_size, steps, scratch)
        results = orders.of_floats(strip, out.dtype, RANKS[mode]) if out.dtype.kind == "f" else RANKS[mode](strip)
        made[start : start + count] = results.reshape(count, row_length, channels)[:, :width]


def _as_volume(image: Array) -> Array:
    return image if image.ndim == 3 else image[:, :, None]
