"""`rank_filter`: the median, the minimum or the maximum of every window, strip by strip."""

from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError
from cnncli.ops.loading import Border, Loader
from cnncli.ops.ranks.networks import extreme_network, median_network
from cnncli.ops.ranks.orders import as_integers
from cnncli.ops.ranks.schedules import NetworkStrip, Schedule, schedule
from cnncli.ops.ranks.strips import Strip, run
from cnncli.ops.ranks.thresholds import ThresholdStrip
from cnncli.shapes import IntOrPair, Padding, Pair, Window, pair

MODES = ("median", "min", "max")


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
    if mode not in MODES:
        raise ArgumentError(f"unknown mode {mode!r}: {did_you_mean(mode, MODES)}")
    height, width = pair(kernel_size, "kernel_size")
    if padding == "same":
        padding = (height // 2, (height - 1) // 2, width // 2, (width - 1) // 2)
    window = Window.over((image.shape[0], image.shape[1]), (height, width), padding=padding)
    out = np.empty((*window.output_size, *image.shape[2:]), image.dtype.newbyteorder("="))
    if out.size:
        _filter(_as_volume(image), _as_volume(out), window, Border.around(window, padding_mode), mode)
    if image.dtype.kind == "f" and np.isnan(image.max(initial=0)):
        lost = rank_filter(np.isnan(image), kernel_size, "max", padding=padding, padding_mode=padding_mode)
        out[lost] = np.nan
    return out


def _filter(image: Array, out: Array, window: Window, border: Border, mode: str) -> None:
    """Filter (H, W, C) into (H_out, W_out, C)."""
    pixels, results = as_integers(image), as_integers(out)
    if window.kernel_size == (1, 1):
        Loader(border, (1, 1), out.shape[1]).load(pixels, 0, (0, 0), results)
    else:
        strip = _strip(window.kernel_size, mode, results)
        run(strip, pixels, border, results, floats=image.dtype.kind == "f")


def _strip(kernel_size: Pair, mode: str, out: Array) -> Strip:
    # Measured in ns a pixel: a network takes 25 for 15x15 bytes, 58 for 21x21 and 118 for 31x31; thresholds 20 to 140,
    # on photographs about 70, for any size. With 16 bits, a network of 51x51 takes 440, and thresholds 10,000.
    if mode == "median" and prod(kernel_size) > (450 if out.itemsize == 1 else 4000):
        return ThresholdStrip(kernel_size, out.shape, out.dtype)
    return NetworkStrip(_schedule(kernel_size, mode), out.shape, out.dtype)


@lru_cache(maxsize=16)
def _schedule(kernel_size: Pair, mode: str) -> Schedule:
    if mode != "median":
        return schedule(extreme_network(kernel_size, greatest=mode == "max"))
    # Measured: with more phases there are fewer nodes, but more planes than the cache holds.
    height = kernel_size[0]
    phases = 1 if kernel_size == (3, 3) else 1 << min(height, 16, max(2, height // 3)).bit_length() - 1
    return schedule(median_network(kernel_size, phases))


def _as_volume(image: Array) -> Array:
    return image if image.ndim == 3 else image[:, :, None]
