"""The scale of pixels: whatever numbers a picture has, a network gets 0 to 255, by one rule for all that is read.

- Bytes are taken as they are; booleans are 0 and 255.
- Fractions, floating-point numbers from 0 to 1, are multiplied by 255.
- 16 bits, in picture files and whole numbers above 255 up to 65,535 in arrays, are divided by 257.
- Other floating-point numbers up to 255 are taken as they are.
- All else, such as numbers from -1 to 1, has no scale that could be told: it is taken as it is, and the model keeps
  that, and takes nothing else.

Interpolation goes beyond the ends of a scale by a little: a tenth is let pass. An array of many pictures has one scale;
a file has its own.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError

Array = NDArray[Any]

BYTES, RAW = SCALES = ("bytes", "raw")
"""What the numbers that a network gets mean: brightness from 0 to 255, or whatever the data has."""

_SLACK = 0.1


def find_factor(pixels: Array, scale: str | None, name: str, *, picture: bool = False) -> float | None:
    """Return what pixels are multiplied by to be on the scale from 0 to 255; None where they have no scale.

    Args:
        pixels: numbers or booleans of any shape.
        scale: what the network takes: a word of `SCALES`; None for either.
        name: what messages call them.
        picture: whether they are of a picture file, whose 16 bits mean 65,535 at most, however dark it is.

    Raises:
        DataError: the network takes other numbers.

    Example:
        >>> find_factor(np.array([0.0, 1.0]), None, "x"), find_factor(np.array([0, 65535]), None, "x") == 1 / 257
        (255.0, True)
        >>> find_factor(np.array([-1.0, 1.0]), None, "x") is None
        True
    """
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    factor = 1 / 257 if picture and pixels.dtype == np.uint16 else _factor(pixels.dtype.kind, low, high)
    if scale == RAW:
        if pixels.dtype in (np.uint8, np.bool_) or (picture and pixels.dtype.kind == "u"):
            raise DataError(f"{name}: holds whole numbers from {low:g} to {high:g}, the network was trained on others")
        return None
    if factor is None and scale == BYTES:
        raise DataError(
            f"{name}: holds numbers from {low:g} to {high:g}, the network was trained on 0 to 255 or 0 to 1"
        )
    return factor


def _factor(kind: str, low: float, high: float) -> float | None:
    if not np.isfinite((low, high)).all():  # whoever learns from them finds them
        return 1.0
    if kind == "b":
        return 255.0
    if low < -_SLACK * high or (kind in "iu" and low < 0):
        return None
    if kind == "f":
        return 255.0 if high <= 1 + _SLACK else 1.0 if high <= 255 * (1 + _SLACK) else None
    return 1.0 if high <= 255 else 1 / 257 if high <= 65535 else None
