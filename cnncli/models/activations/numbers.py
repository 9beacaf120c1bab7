"""Numbers of a forward pass as they are printed: whole ones in all their digits."""

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.text import number_text

_EXACT = 2.0**53


def plain(number: float) -> str:
    """Return a number as text: a whole one in all its digits, others in at most six.

    Example:
        >>> plain(16777216.0), plain(2 / 3)
        ('16777216', '0.666667')
    """
    whole = float(number).is_integer() and abs(number) < _EXACT
    return number_text(int(number) if whole else float(number))


def as_text(numbers: Array) -> Array:
    """Return numbers as integers if all are whole, so that they print as such."""
    with np.errstate(invalid="ignore"):
        whole = numbers.astype(np.int64)
    return whole if np.array_equal(whole, numbers) else numbers


def in_type(numbers: Array, dtype: npt.DTypeLike, what: str) -> Array:
    """Return finite numbers in a type.

    Raises:
        ArgumentError: one is too large for the type.
    """
    with np.errstate(over="ignore"):
        found = numbers.astype(dtype)
    if not np.isfinite(found).all():
        raise ArgumentError(f"{what}: {plain(np.abs(numbers).max())} is too large for {found.dtype}: use float64")
    return found
