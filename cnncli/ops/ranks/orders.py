"""Integers in the order of floating-point numbers: they are compared faster, and -0.0 has its place before 0.0."""

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError


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


def turn(bits: Array) -> None:
    """Turn the bits of floats into integers in their order, or back: the magnitude of negative ones is complemented."""
    bits ^= (bits >> (8 * bits.itemsize - 1)) & np.iinfo(bits.dtype).max
