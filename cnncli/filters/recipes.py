"""Recipes: filters made ready, by name or from a kernel that users bring, typed in a shell or kept in a file."""

import os
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.choices import DIRECTIONS
from cnncli.errors import ArgumentError
from cnncli.files.matrices import TEXT_SUFFIXES, Matrix, format_matrix, parse_matrix, read_matrix
from cnncli.files.temporary import open_whole
from cnncli.filters.named import FILTERS, get_filter, unit_scale
from cnncli.filters.rendering import Rendering

KERNEL_SUFFIXES = (*TEXT_SUFFIXES, ".npy")


class Recipe(NamedTuple):
    """A filter made ready.

    Attributes:
        name: for file names and reports.
        kernels: one kernel (f_h, f_w) or (f_h, f_w, C), or the (vertical, horizontal) pair of a gradient.
        direction: `magnitude` or `angle` for a pair, else None.
        rendering: how its response becomes a picture unless the user says otherwise.
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
    """Return what a filter's name and a direction, or a kernel, stand for.

    Args:
        filter: a name in `FILTERS`, or a kernel (f_h, f_w) or (f_h, f_w, C).
        direction: `vertical`, `horizontal`, `magnitude` (what a pair gives unless told) or `angle`.
        name: what to call a kernel.

    Raises:
        ArgumentError: an unknown name, a direction for a filter without one, or a kernel that is none.

    Example:
        >>> recipe("sobel", "vertical").kernels[0].tolist()
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    """
    if direction is not None and direction not in DIRECTIONS:
        raise ArgumentError(f"unknown direction {direction!r}: the directions are {', '.join(DIRECTIONS)}")
    known = get_filter(filter) if isinstance(filter, str) else None
    if direction is not None and not (known and known.is_pair):
        pairs = ", ".join(key for key, value in FILTERS.items() if value.is_pair)
        raise ArgumentError(f"direction {direction!r} needs a filter that has directions ({pairs}), got {filter!r}")
    if known is None:
        return Recipe(name, (_as_kernel(filter),))
    kernels = tuple(_as_kernel(kernel) for kernel in known.kernels)
    rendering = Rendering(known.scale, known.signed)
    if not known.is_pair:
        return Recipe(str(filter), kernels, None, rendering)
    if direction in ("vertical", "horizontal"):
        return Recipe(str(filter), (kernels[direction == "horizontal"],), None, rendering)
    return Recipe(str(filter), kernels, direction or "magnitude", rendering)


def _as_kernel(kernel: npt.ArrayLike) -> Array:
    weights = np.asarray(kernel)
    if weights.ndim not in (2, 3) or weights.size == 0 or weights.dtype.kind not in "biuf":
        raise ArgumentError(f"a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise ArgumentError("a kernel is made of finite numbers")
    with np.errstate(invalid="ignore"):
        whole = weights.astype(np.int64)
    return whole if np.array_equal(whole, weights) else weights.astype(np.float64)


def load_kernel(text: str) -> Recipe:
    """Return the kernel that a text holds, or a file with one of `KERNEL_SUFFIXES`.

    Raises:
        ArgumentError: it cannot be read; the message says where.

    Example:
        >>> load_kernel("1 0 -1; 2 0 -2; 1 0 -1").kernels[0].shape
        (3, 3)
    """
    stem, suffix = os.path.splitext(os.path.basename(text))
    if suffix.lower() == ".npy":
        return recipe(_load_array(text), name=stem)
    if suffix.lower() in TEXT_SUFFIXES:
        return recipe(_as_array(read_matrix(text, what="kernel")), name=stem)
    return recipe(_as_array(parse_matrix(text, what="kernel")))


def save_kernel(path: str, kernel: Array, *, replace: bool = True) -> None:
    """Write a kernel as a file that `load_kernel` reads back exactly, whole or not at all.

    Args:
        path: its suffix, one of `KERNEL_SUFFIXES`, says how it is written.
        kernel: (f_h, f_w), or (f_h, f_w, C) for `.npy`.
        replace: whether it may replace a file.

    Raises:
        ArgumentError: another suffix, or a file that cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_kernel(f"{folder}/third.txt", np.full((1, 2), 1 / 3))
        ...     load_kernel(f"{folder}/third.txt").kernels[0].tolist()
        [[0.3333333333333333, 0.3333333333333333]]
    """
    check_kernel_path(path, kernel.ndim)
    with open_whole(path, ArgumentError, replace=replace) as file:
        if path.lower().endswith(".npy"):
            np.save(file, kernel)
        else:
            file.write(f"{_as_text(path, kernel)}\n".encode())


def check_kernel_path(path: str, dimensions: int = 2) -> None:
    """Check that a kernel can be written to a file of that name.

    Raises:
        ArgumentError: its suffix says nothing, or a matrix where the kernel has channels.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in KERNEL_SUFFIXES:
        raise ArgumentError(f"{path}: a kernel is written as {', '.join(KERNEL_SUFFIXES)}")
    if dimensions > 2 and suffix != ".npy":
        raise ArgumentError(f"{path}: a kernel over several channels is written as .npy")


def _as_text(path: str, kernel: Array) -> str:
    if path.lower().endswith(".json"):
        import json

        return json.dumps(kernel.tolist())
    if path.lower().endswith(".csv"):
        return "\n".join(",".join(map(repr, row)) for row in kernel.tolist())
    return format_matrix(kernel)


def _as_array(matrix: Matrix) -> Array:
    array = np.array(matrix)
    if array.dtype.kind == "O":
        raise ArgumentError("the kernel's whole numbers exceed 64 bits: use smaller weights")
    return array


def _load_array(path: str) -> Array:
    """Return the array of an .npy file; what it claims is held against its size before memory is taken."""
    from cnncli.images.formats.npy import read_npy_header

    try:
        with open(path, "rb") as file:
            header = read_npy_header(file)
            room = os.fstat(file.fileno()).st_size - file.tell()
            if header.size > room:
                raise ValueError(f"its header speaks of {header.size:,} bytes, it holds {room:,}")
            numbers: Array = np.fromfile(file, header.dtype, prod(header.shape))
    except OSError as error:
        raise ArgumentError(f"kernel {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ArgumentError(f"kernel {path}: not an .npy array of numbers: {error}") from error
    return numbers.reshape(header.shape, order="F" if header.fortran_order else "C")


def load_recipes(filters: Sequence[str], kernel: str | None, direction: str | None) -> tuple[Recipe, ...]:
    """Return the filters that a user named, and the kernel; `sobel` where neither is given.

    Raises:
        ArgumentError: one of them is unknown or named twice.
    """
    names = list(filters) if filters or kernel is not None else ["sobel"]
    recipes = [recipe(name, direction) for name in names]
    if kernel is not None:
        if direction is not None and not names:
            raise ArgumentError(f"direction {direction!r} needs a named filter, got a kernel")
        recipes.append(load_kernel(kernel))
    names = [item.name for item in recipes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"{twice!r} is named twice: each filter gives one output")
    return tuple(recipes)
