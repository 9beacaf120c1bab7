"""Integers that are ordered as numbers of another type: integers are compared faster, and each has its place."""

from collections.abc import Callable

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError
from cnncli.ops.ranks.extremes import maxima
from cnncli.ops.ranks.strips import Strip


def as_integers(array: Array) -> Array:
    """Return a view of an array as integers of the same size: of bool and floating point, the bits.

    Raises:
        ArgumentError: a floating-point type of more than 64 bits.
    """
    if array.dtype.kind in "iu":
        return array
    if array.itemsize > 8:
        raise ArgumentError(f"ranks are taken of numbers of up to 64 bits, got {array.dtype}: convert it to float64")
    kind = "u" if array.dtype.kind == "b" else "i"
    return array.view(np.dtype(f"{kind}{array.itemsize}").newbyteorder(array.dtype.byteorder))


def of_floats(strip: Strip, dtype: DType, rank: Callable[[Strip], Array]) -> Array:
    """Return the bits of the floating-point numbers of some rank in each window of a strip of bits."""
    _turn(strip.pixels)
    results = rank(strip).copy()
    _turn(results)
    infinity, nan = (np.array(value, dtype).view(strip.pixels.dtype) for value in (np.inf, np.nan))
    lost = (strip.pixels > infinity) | (strip.pixels < ~infinity)
    if lost.any():
        seen = maxima(strip._replace(pixels=lost.astype(strip.pixels.dtype)))
        results[seen.astype(bool)] = nan
    return results


def _turn(bits: Array) -> None:
    """Turn the bits of floats into integers in their order, or back: the magnitude of negative ones is complemented."""
    bits ^= (bits >> (8 * bits.itemsize - 1)) & np.iinfo(bits.dtype).max
