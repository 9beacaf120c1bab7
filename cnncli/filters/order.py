"""The numbers at some ranks among many, found without holding the many.

Numbers are ordered by their bits, which are counted 16 at a time, from the highest on: a pass over all numbers finds
the 16 highest bits at each rank, the next those below, until the numbers are known exactly, whatever the bands.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cnncli.arrays import Array, DType

_DIGIT = 16  # bits that are counted in a pass


class Order:
    """The numbers at some ranks: counted once, then looked for in as many passes as their type has 16 bits.

    Args:
        dtype: the type of the numbers; of floating point, only finite numbers count.

    Example:
        >>> numbers = np.array([[8.0, np.nan], [-1.0, 4.0]])
        >>> order = Order(numbers.dtype)
        >>> order.count(numbers)
        >>> order.begin([0, 2])
        >>> order.finish(lambda: [numbers])
        >>> order.numbers()
        [-1.0, 8.0]
    """

    def __init__(self, dtype: DType) -> None:
        bits = 8 * dtype.itemsize
        self.number = 0
        self._known = False
        self._dtype = dtype
        self._width = min(bits, _DIGIT)
        self._shift = self._highest = bits - self._width
        self._counts = {0: np.zeros(1 << self._width, np.int64)}
        # For each rank the bits that are known of its number, and its rank among the numbers with these bits.
        self._wanted: list[tuple[int, int]] = []

    @property
    def is_done(self) -> bool:
        """True if the numbers are known to the last bit."""
        return self._known

    def count(self, rows: Array) -> None:
        """Count the next bits of the finite numbers."""
        finite = np.isfinite(rows) if rows.dtype.kind == "f" else None
        keys = _keys(rows.ravel() if finite is None or finite.all() else rows[finite])
        is_first = self._shift == self._highest
        self.number += len(keys) if is_first else 0
        for known, counts in self._counts.items():
            within = keys if is_first else keys[keys >> (self._shift + self._width) == known]
            digits = (within >> self._shift) & ((1 << self._width) - 1)
            counts += np.bincount(digits.astype(np.intp), minlength=len(counts))

    def begin(self, ranks: Sequence[int]) -> None:
        """Look for the numbers at some ranks from 0, after all numbers were counted once."""
        self._wanted = [(0, rank) for rank in ranks]
        self.descend()

    def descend(self) -> None:
        """Take up the bits that were counted, and begin to count the next."""
        sums = {known: np.cumsum(counts) for known, counts in self._counts.items()}
        self._wanted = [self._next(sums[known], known, rank) for known, rank in self._wanted]
        self._known = self._shift == 0
        if not self._known:
            self._shift -= self._width
            self._counts = {known: np.zeros(1 << self._width, np.int64) for known, _ in self._wanted}

    def finish(self, blocks: Callable[[], Iterable[Array]]) -> None:
        """Count all numbers again for as long as there are bits that are not known."""
        while not self._known:
            for rows in blocks():
                self.count(rows)
            self.descend()

    def _next(self, sums: Array, known: int, rank: int) -> tuple[int, int]:
        digit = int(np.searchsorted(sums, rank, side="right"))
        return known << self._width | digit, rank - (int(sums[digit - 1]) if digit else 0)

    def numbers(self) -> list[float]:
        """Return the number at each rank, after the last pass."""
        keys = np.array([known for known, _ in self._wanted], _unsigned(self._dtype))
        found: list[float] = _from_keys(keys, self._dtype).tolist()
        return found

    def counted(self) -> tuple[Array, Array]:
        """Return all numbers of a type of up to 16 bits, in float64, and how often each was counted."""
        (counts,) = self._counts.values()
        values = _from_keys(np.arange(len(counts)).astype(_unsigned(self._dtype)), self._dtype)
        return values.astype(np.float64), counts


def _unsigned(dtype: DType) -> DType:
    return np.dtype(f"u{dtype.itemsize}")


def _sign(dtype: DType) -> "np.unsignedinteger[Any]":
    """Return the sign bit of a type."""
    bit: np.unsignedinteger[Any] = _unsigned(dtype).type(1 << (8 * dtype.itemsize - 1))
    return bit


def _keys(numbers: Array) -> Array:
    """Return unsigned integers that are in the order of the numbers."""
    dtype = numbers.dtype
    if dtype.kind == "u":
        return numbers
    keys, sign = numbers.view(_unsigned(dtype)), _sign(dtype)
    if dtype.kind == "i":
        shifted: Array = keys ^ sign
        return shifted
    # Of a negative number, a larger magnitude is a smaller number.
    ordered: Array = np.where(keys & sign, ~keys, keys | sign)
    return ordered


def _from_keys(keys: Array, dtype: DType) -> Array:
    """Return the numbers whose `_keys` these are; no zero is negative."""
    if dtype.kind == "u":
        return keys
    sign = _sign(dtype)
    bits = keys ^ sign if dtype.kind == "i" else np.where(keys & sign, keys ^ sign, ~keys)
    numbers: Array = bits.view(dtype) + dtype.type(0)
    return numbers
