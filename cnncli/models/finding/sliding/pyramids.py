"""A pyramid: a picture in several sizes, so that windows of one size cover objects of several."""

from math import ceil, log

import numpy as np

from cnncli.arrays import Array
from cnncli.data.resizing import Size, resized_part
from cnncli.networks.sliding import Windows

SCALES = (0.5, 2.0)
"""Smallest and largest factor by which a picture is resized, unless told."""

SMALLEST_STEP, LARGEST_STEP = 2**0.25, 2**0.5
"""Between neighbouring factors of a pyramid."""

_BAND_NUMBERS = 1 << 25


def pyramid(given: Size, windows: Windows, scales: tuple[float, float]) -> list[Size]:
    """Return the sizes in which a picture is looked at, the smallest first.

    Args:
        given: (height, width) of the picture.
        windows: the windows that slide.
        scales: the smallest and the largest factor.

    Example:
        >>> pyramid((480, 640), Windows((32, 32), (4, 4), (0, 0, 0, 0), ""), (1, 2))
        [(480, 640), (571, 761), (679, 905), (807, 1076), (960, 1280)]
    """
    low, high = scales
    growth = min(1 + 2 * s / n for n, s in zip(*windows[:2], strict=True))
    steps = ceil(log(high / low) / log(min(LARGEST_STEP, max(SMALLEST_STEP, growth))) - 1e-9)
    factors = [low * (high / low) ** (number / steps) for number in range(steps)] + [high]
    sizes = [(round(given[0] * factor), round(given[1] * factor)) for factor in factors]
    fitting = [size for size in dict.fromkeys(sizes) if all(map(int.__ge__, size, windows.size))]
    if fitting:
        return fitting
    factor = max(n / side for n, side in zip(windows.size, given, strict=True))
    return [(max(windows.size[0], round(given[0] * factor)), max(windows.size[1], round(given[1] * factor)))]


class Rows:
    """The rows of a resized picture, from the first to the last, of which only some are in memory.

    They are resized in bands that do not depend on which rows are asked for: rounding would differ otherwise.
    """

    def __init__(self, picture: Array, size: Size) -> None:
        self._picture, self._size = picture, size
        self._height = max(1, _BAND_NUMBERS // (size[1] * picture.shape[2]))
        self._bands: dict[int, Array] = {}

    def __call__(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        needed = range(start // self._height, (stop - 1) // self._height + 1)
        self._bands = {
            number: self._bands[number] if number in self._bands else self._resized(number) for number in needed
        }
        first = needed[0] * self._height
        parts = list(self._bands.values())
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return whole[start - first : stop - first]

    def _resized(self, number: int) -> Array:
        """Return a band of the resized picture."""
        start, stop = number * self._height, min((number + 1) * self._height, self._size[0])
        scale = self._picture.shape[0] / self._size[0]
        box = (0, start * scale, self._picture.shape[1], stop * scale)
        return resized_part(self._picture, (stop - start, self._size[1]), box)
