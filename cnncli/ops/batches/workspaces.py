"""Where arrays that are needed again and again come from.

Fresh memory is handed out by the operating system in pages of zeros, and touching them first costs more than the
arithmetic of a small layer: a training step that reuses its arrays takes three quarters of the time.
"""

from collections.abc import Hashable
from math import prod

import numpy as np

from cnncli.arrays import Array, DType

Shape = tuple[int, ...]


class Memory:
    """Gives a fresh array each time: always safe."""

    def take(self, name: Hashable, shape: Shape, dtype: DType) -> Array:
        """Return an array of that shape, whose numbers are to be written before they are read."""
        return np.empty(shape, dtype)

    def bordered(self, name: Hashable, shape: Shape, dtype: DType, fill: float = 0) -> Array:
        """Return an array filled with one number; whoever writes into it writes the same part every time."""
        return np.full(shape, fill, dtype)


FRESH = Memory()
"""The memory of whoever has no workspace."""


class Workspace(Memory):
    """Gives the array that it gave under that name before, larger if need be: one thread's, and one use at a time.

    Example:
        >>> workspace = Workspace()
        >>> first = workspace.take("columns", (4, 3), np.dtype(np.float32))
        >>> np.shares_memory(first, workspace.take("columns", (2, 5), np.dtype(np.float32)))
        True
    """

    def __init__(self) -> None:
        self._flat: dict[Hashable, Array] = {}
        self._views: dict[Hashable, Array] = {}

    def take(self, name: Hashable, shape: Shape, dtype: DType) -> Array:
        """Return the array of that name, in any shape."""
        view = self._views.get((name, shape, dtype))
        return self._grow(name, shape, dtype) if view is None else view

    def _grow(self, name: Hashable, shape: Shape, dtype: DType) -> Array:
        flat = self._flat.get((name, dtype))
        if flat is None or flat.size < prod(shape):
            flat = self._flat[name, dtype] = np.empty(prod(shape), dtype)
            self._views = {key: view for key, view in self._views.items() if key[:1] != (name,)}  # type: ignore[index]
        view = self._views[name, shape, dtype] = flat[: prod(shape)].reshape(shape)
        return view

    def bordered(self, name: Hashable, shape: Shape, dtype: DType, fill: float = 0) -> Array:
        """Return the array of that name and shape, filled when it was made: its border stays as it was."""
        view = self._views.get((name, shape, dtype, fill))
        if view is None:
            view = self._views[name, shape, dtype, fill] = np.full(shape, fill, dtype)
        return view


def padded(x: Array, corner: tuple[int, int], extent: tuple[int, int], memory: Memory, fill: float = 0) -> Array:
    """Return images (N, H, W, C) with their first pixel at a corner of a larger picture; themselves where that is all.

    Args:
        x: the images.
        corner: (row, column) of their first pixel.
        extent: the least (height, width) of the result.
        memory: where a copy is made.
        fill: what stands outside.
    """
    if is_whole(x.shape, corner, extent):
        return x
    result = memory.bordered(("padded", corner, x.shape), padded_shape(x.shape, corner, extent), x.dtype, fill)
    result[:, corner[0] : corner[0] + x.shape[1], corner[1] : corner[1] + x.shape[2]] = x
    return result


def is_whole(shape: Shape, corner: tuple[int, int], extent: tuple[int, int]) -> bool:
    """Return whether images have all the pixels of a picture of that extent."""
    return corner == (0, 0) and extent[0] <= shape[1] and extent[1] <= shape[2]


def padded_shape(shape: Shape, corner: tuple[int, int], extent: tuple[int, int]) -> Shape:
    """Return the shape of what `padded` gives where it copies."""
    return shape[0], max(extent[0], corner[0] + shape[1]), max(extent[1], corner[1] + shape[2]), shape[3]
