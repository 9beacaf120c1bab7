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
        self.columns: dict[int, _Line] = {}

    def load(self, image: Array, start: int, phase: Sequence[int], out: Array) -> None:
        """Fill `out` (rows, at least width[, C]) with the rows of a (vertical, horizontal) phase from `start` on."""
        if phase[1] not in self.columns:
            self.columns[phase[1]] = _Line.of(self.border.columns, phase[1], self.stride[1], self.width)
        columns = self.columns[phase[1]]
        rows = _Line.of(self.border.rows, start * self.stride[0] + phase[0], self.stride[0], len(out))
        if rows.source:
            self._copy_rows(image[rows.source], columns, out[rows.inner])
        for row, source in rows.others:
            if source == OUTSIDE:
                out[row, : columns.length] = self.border.fill
            else:
                self._copy_rows(image[source : source + 1], columns, out[row : row + 1])

    def _copy_rows(self, source: Array, columns: "_Line", out: Array) -> None:
        if columns.source:
            out[:, columns.inner] = source[:, columns.source]
        for column, at in columns.others:
            out[:, column] = self.border.fill if at == OUTSIDE else source[:, at]


class _Line(NamedTuple):
    """A border index taken apart: its one long slice inside the image, and all other positions."""

    length: int
    inner: slice
    source: slice | None
    others: list[Pair]

    @classmethod
    def of(cls, index: Index, first: int, stride: int, count: int) -> "_Line":
        """Take `count` entries, every `stride`-th from `first` on; past the end of the index lies the outside."""
        taken = index[first::stride][:count]
        if len(taken) == count and taken[0] >= 0 and taken[-1] - taken[0] == (count - 1) * stride:
            return cls(count, slice(0, count), slice(int(taken[0]), int(taken[-1]) + 1, stride), [])
        line = np.concatenate([taken, np.full(count - len(taken), OUTSIDE)])
        inner = _longest_run(line, stride)
        found = inner.stop > inner.start
        source = slice(int(line[inner.start]), int(line[inner.stop - 1]) + 1, stride) if found else None
        edges = (*range(inner.start), *range(inner.stop, count))
        return cls(count, inner, source, [(at, int(line[at])) for at in edges])


def _longest_run(index: Index, step: int) -> slice:
    """Return the longest stretch of entries inside the image that follow each other by `step`."""
    breaks = np.flatnonzero((np.diff(index) != step) | (index[1:] == OUTSIDE) | (index[:-1] == OUTSIDE)) + 1
    starts = np.concatenate([[0], breaks])
    lengths = np.diff(np.concatenate([starts, [len(index)]]))
    lengths[index[starts] == OUTSIDE] = 0
    longest = int(np.argmax(lengths))
    return slice(int(starts[longest]), int(starts[longest] + lengths[longest]))
