"""Limits of what is computed: kernels and padding take memory and time as pictures do."""

from cnncli.arrays import Array
from cnncli.errors import ArgumentError, CnncliError, ImageError
from cnncli.images.sources import MAX_PIXELS
from cnncli.ops.convolution.separable import Separable
from cnncli.shapes import Window

TAP_PIXELS = 16
"""Pixels that one number of a kernel counts as: with Fourier transforms it takes 125 bytes and 2 microseconds."""


def check_kernel(kernel: Array | Separable, max_pixels: int | None) -> None:
    """Refuse a kernel that takes more memory and time than the largest picture.

    Raises:
        ArgumentError: its numbers, each counted as `TAP_PIXELS`, are more than `max_pixels`, and than the usual limit.
    """
    counted = kernel.size * TAP_PIXELS
    words = f"a kernel of {' x '.join(map(str, kernel.shape))} takes as much as {counted:,} pixels"
    _check_limit(words, counted, max_pixels, ArgumentError)


def check_padding(window: Window, max_pixels: int | None) -> None:
    """Refuse padding that takes more memory than the largest picture; to be called before anything is padded.

    Raises:
        ImageError: it adds more than `max_pixels` pixels, and than the usual limit.
    """
    (height, width), (top, bottom, left, right) = window.size, window.padding
    added = (height + top + bottom) * (width + left + right) - height * width
    words = f"the padding, {top},{bottom},{left},{right}, adds {added:,} pixels to {width} x {height}"
    _check_limit(words, added, max_pixels, ImageError)


def _check_limit(words: str, count: int, max_pixels: int | None, error: type[CnncliError]) -> None:
    if max_pixels is not None and count > (most := max(max_pixels, MAX_PIXELS)):
        raise error(f"{words}, over the limit of {most:,}; raise it with --max-pixels {count}")
