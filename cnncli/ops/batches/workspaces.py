"""Memory for arrays that are needed again and again.

Fresh memory is handed out by the operating system in pages of zeros, and touching them first costs more than the
arithmetic of a small layer: a training step that reuses its arrays takes three quarters of the time.
"""

from collections.abc import Hashable
from functools import lru_cache
from math import prod

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.shapes import Shape, Window


class Memory:
    """A source of arrays: a fresh one each time, which is always safe."""

    def take(self, name: Hashable, shape: Shape, dtype: DType) -> Array:
        """Return an array of a shape; its numbers are arbitrary until they are written."""
        return np.empty(shape, dtype)

    def bordered(self, name: Hashable, shape: Shape, dtype: DType, fill: float = 0) -> Array:
        """Return an array filled with one number; its user writes to the same part of it every time."""
        return np.full(shape, fill, dtype)


FRESH = Memory()
"""The memory to use without a workspace."""


class Workspace(Memory):
    """Memory that gives the same array for the same name, larger if need be: for one thread, and one use at a time.

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
        if view is not None:
            return view
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


Tap = tuple[slice, slice, slice]


@lru_cache
def taps(window: Window) -> tuple[Tap, ...]:
    """Return, for each position of a window in row-major order, the pixels that it sees in padded images."""
    return tuple((slice(None), window.seen(0, a), window.seen(1, b)) for a, b in np.ndindex(window.kernel_size))


def padded(x: Array, window: Window, memory: Memory, fill: float = 0) -> Array:
    """Return images (N, H, W, C) as a window sees them, `fill` outside; themselves where it sees nothing outside."""
    if _inside(x.shape, window):
        return x
    corner = window.corner
    result = memory.bordered(("padded", corner, x.shape), _padded_shape(x.shape, window), x.dtype, fill)
    result[:, corner[0] : corner[0] + x.shape[1], corner[1] : corner[1] + x.shape[2]] = x
    return result


def scatter_target(out: Array, window: Window, memory: Memory) -> Array:
    """Return where the gradient of padded images is added up: in `out`, where nothing outside is seen."""
    if _inside(out.shape, window):
        return out
    return memory.take("scattered", _padded_shape(out.shape, window), out.dtype)


def crop(pixels: Array, window: Window, out: Array) -> None:
    """Copy to `out` its part of a `scatter_target`."""
    if pixels is not out:
        top, left = window.corner
        out[:] = pixels[:, top : top + out.shape[1], left : left + out.shape[2]]


def _inside(shape: Shape, window: Window) -> bool:
    height, width = window.reach
    return window.corner == (0, 0) and height <= shape[1] and width <= shape[2]


def _padded_shape(shape: Shape, window: Window) -> Shape:
    (top, left), (height, width) = window.corner, window.reach
    return shape[0], max(height, top + shape[1]), max(width, left + shape[2]), shape[3]
