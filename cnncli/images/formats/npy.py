"""The beginning of an .npy array, read without trusting it."""

import ast
from typing import Any, NamedTuple

import numpy as np

_HEADER_LIMIT = 1 << 14


class NpyHeader(NamedTuple):
    """What an array says of itself.

    Attributes:
        shape: its axes.
        fortran_order: whether the first axis is the fastest.
        dtype: of its numbers; never of Python objects.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of the numbers, as an unbounded integer."""
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size


def read_npy_header(stream: Any) -> NpyHeader:
    """Read the beginning of an array, never more than 16 KB of it; the stream stands at the numbers then.

    NumPy's own reader would first read a header of up to 4 GB, and then say that it is too long.

    Raises:
        ValueError: there is no header, or one of no array of numbers.
    """
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError("is no array")
    length = int.from_bytes(stream.read(2 if start[6] == 1 else 4), "little")
    if length > _HEADER_LIMIT:
        raise ValueError(f"is damaged: a header of {length:,} bytes")
    header = _parse(stream.read(length))
    if header.dtype.hasobject:
        raise ValueError("holds Python objects, which are never loaded; save numbers")
    return header


def _parse(header: bytes) -> NpyHeader:
    """Read the dictionary of literals that a header is."""
    try:
        fields = ast.literal_eval(header.decode("utf-8").strip())
        shape, dtype = fields["shape"], np.lib.format.descr_to_dtype(fields["descr"])
        if type(shape) is tuple and all(type(length) is int and length >= 0 for length in shape):
            return NpyHeader(shape, fields["fortran_order"] is True, dtype)
        reason = f"a shape of {shape!r}"
    except Exception as error:  # over broken text, Python's parser and NumPy's types raise errors of every class
        reason = " ".join(str(error).split()) or type(error).__name__
    raise ValueError(f"is damaged: {reason}")
