"""Loading: pixels and their border, copied into scratch memory in the type to compute in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.ops.borders import OUTSIDE, Index, border_index
from cnncli.shapes import Pair, Window

_CACHE_LINE = 64


class Border(NamedTuple):
    """The pixels at the padded positions of an image (see `cnncli.ops.borders`)."""

    rows: Index
    columns: Index
    fill: float

    @classmethod
    def around(cls, window: Window, mode: str = "zeros", fill: float = 0) -> "Border":
        """Return the border of an image under a window."""
        top, bottom, left, right = window.padding
        return cls(
            border_index(window.size[0], top, bottom, mode, window.reach[0]),
            border_index(window.size[1], left, right, mode, window.reach[1]),
            fill,
        )


class Scratch:
    """Flat buffers of one size, made once and used for every strip."""

    def __init__(self, dtype: npt.DTypeLike, size: int) -> None:
        self.dtype = np.dtype(dtype)
        self.size = size
        self.buffers: dict[object, Array] = {}

    def plane(self, name: object) -> Array:
        """Return the buffer of that name."""
        if name not in self.buffers:
            self.buffers[name] = _aligned_zeros(self.size, self.dtype)
        return self.buffers[name]


def _aligned_zeros(size: int, dtype: DType) -> Array:
    """Return zeros, since the pixels past the end of a row are computed too; 10 % faster aligned to a cache line."""
    memory = np.zeros(size * dtype.itemsize + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size * dtype.itemsize].view(dtype)


class Loader:
    """Copies rows of an image (H, W) or (H, W, C), or of one phase of a strided one, border included."""

    def __init__(self, border: Border, stride: Pair, width: int) -> None:
        self.border = border
        self.stride = stride
        self.width = width
        self.columns: dict[int, list[_Run]] = {}

    def load(self, image: Array, start: int, phase: Sequence[int], out: Array) -> None:
        """Fill `out` (rows, at least width[, C]) with the rows of a (vertical, horizontal) phase from `start` on."""
        if phase[1] not in self.columns:
            self.columns[phase[1]] = _runs(self.border.columns, phase[1], self.stride[1], self.width)
        for rows in _runs(self.border.rows, start * self.stride[0] + phase[0], self.stride[0], len(out)):
            for columns in self.columns[phase[1]]:
                inside = rows.source and columns.source
                out[rows.target, columns.target] = image[rows.source, columns.source] if inside else self.border.fill


class _Run(NamedTuple):
    """Positions that repeat the pixels of one slice of the image, or, without a source, those outside."""

    target: slice
    source: slice | None


def _runs(index: Index, first: int, stride: int, count: int) -> list[_Run]:
    """Take `count` entries of a border index, every `stride`-th from `first` on; past its end lies the outside."""
    line = index[first::stride][:count]
    if len(line) == count and line[0] >= 0 and line[-1] - line[0] == (count - 1) * stride:
        return [_Run(slice(0, count), slice(int(line[0]), int(line[-1]) + 1, stride))]
    line = np.concatenate([line, np.full(count - len(line), OUTSIDE)])
    outside, steps = line == OUTSIDE, np.diff(line)
    turns = np.flatnonzero(steps[1:] != steps[:-1]) + 2
    ends = np.flatnonzero(outside[1:] != outside[:-1]) + 1
    starts = sorted({0, *turns.tolist(), *ends.tolist()})  # `np.unique` would load 7 ms of NumPy's masked arrays
    return [
        _Run(
            slice(start, stop), None if outside[start] else _slice(int(line[start]), int(line[stop - 1]), stop - start)
        )
        for start, stop in zip(starts, [*starts[1:], count], strict=True)
    ]


def _slice(first: int, last: int, count: int) -> slice:
    """Return `count` places from the first to the last, at equal steps; the same place repeated is taken once."""
    if first == last:
        return slice(first, first + 1)
    step = (last - first) // (count - 1)
    return slice(first, last + step if last + step >= 0 else None, step)
