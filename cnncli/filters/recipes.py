"""Recipes: filters ready to apply, from names or from kernels given by users."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.choices import DIRECTIONS
from cnncli.errors import ArgumentError
from cnncli.filters.kernel_files import KERNEL_SUFFIXES, read_kernel
from cnncli.filters.named import DEFAULT, no_directions, parse_filter, unit_scale
from cnncli.filters.rendering import Rendering


class Recipe(NamedTuple):
    """A filter made ready.

    Attributes:
        name: for file names and reports.
        kernels: one kernel (f_h, f_w) or (f_h, f_w, C), or the (vertical, horizontal) pair of a gradient.
        direction: `magnitude` or `angle` for a pair, else None.
        rendering: default rendering of its response.
    """

    name: str
    kernels: tuple[Array, ...]
    direction: str | None = None
    rendering: Rendering = Rendering()

    @property
    def unit(self) -> float:
        """The sum of the positive weights: the response to a full step between 0 and 1."""
        return unit_scale(self.kernels[0].reshape(len(self.kernels[0]), -1).tolist())


def recipe(
    filter: str | npt.ArrayLike,  # noqa: A002
    direction: str | None = None,
    *,
    name: str = "kernel",
) -> Recipe:
    """Return the recipe for a filter's name and a direction, or for a kernel.

    Args:
        filter: a name in `FILTERS`, or a kernel (f_h, f_w) or (f_h, f_w, C).
        direction: `vertical`, `horizontal`, `magnitude` (what a pair gives unless told) or `angle`.
        name: name of a kernel.

    Raises:
        ArgumentError: an unknown name, a direction for a filter without one, or numbers that are not a kernel.

    Example:
        >>> recipe("sobel", "vertical").kernels[0].tolist()
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    """
    if direction is not None and direction not in DIRECTIONS:
        raise ArgumentError(f"unknown direction {direction!r}: the directions are {', '.join(DIRECTIONS)}")
    if isinstance(filter, str):
        named = parse_filter(filter)
        kernels, combined = named.directed(direction)
        rendering = Rendering(named.scale, named.signed)
        return Recipe(named.name, tuple(map(_as_kernel, kernels)), combined, rendering)
    if direction is not None:
        raise no_directions(direction, "a kernel")
    return Recipe(name, (_as_kernel(filter),))


def _as_kernel(kernel: npt.ArrayLike) -> Array:
    weights = np.asarray(kernel)
    if weights.ndim not in (2, 3) or weights.size == 0 or weights.dtype.kind not in "biuf":
        raise ArgumentError(f"a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise ArgumentError("a kernel must hold finite numbers only")
    with np.errstate(invalid="ignore"):
        whole = weights.astype(np.int64)
    return whole if np.array_equal(whole, weights) else weights.astype(np.float64)


def load_kernel(text: str) -> Recipe:
    """Return the kernel that a text holds, or a file, which gives it its name.

    Raises:
        ArgumentError: it cannot be read; the message says where.

    Example:
        >>> load_kernel("1 0 -1; 2 0 -2; 1 0 -1").kernels[0].shape
        (3, 3)
    """
    stem, suffix = os.path.splitext(os.path.basename(text))
    return recipe(read_kernel(text), name=stem if suffix.lower() in KERNEL_SUFFIXES else "kernel")


def load_recipes(filters: Sequence[str], kernel: str | None, direction: str | None) -> tuple[Recipe, ...]:
    """Return the filters that a user named, and the kernel; `DEFAULT` where neither is given.

    Raises:
        ArgumentError: one of them is unknown or named twice.
    """
    words = filters or ([DEFAULT] if kernel is None else [])
    recipes = [recipe(word, direction) for word in words]
    if kernel is not None:
        recipes.append(load_kernel(kernel))
        if direction is not None and not words:
            raise no_directions(direction, "a kernel")
    names = [item.name for item in recipes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"{twice!r} is named twice: each filter gives one output")
    return tuple(recipes)
