"""Kernels that users bring: typed in a shell, or kept in a file."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.edges import Recipe, recipe
from cnncli.errors import ArgumentError
from cnncli.matrices import TEXT_SUFFIXES, Matrix, parse_matrix, read_matrix

KERNEL_SUFFIXES = (*TEXT_SUFFIXES, ".npy")


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


def _as_array(matrix: Matrix) -> npt.NDArray[Any]:
    array = np.array(matrix)
    if array.dtype.kind == "O":
        raise ArgumentError("the kernel's whole numbers exceed 64 bits: use smaller weights")
    return array


def _load_array(path: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ArgumentError(f"kernel {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise ArgumentError(f"kernel {path}: not an .npy array of numbers: {error}") from error
    return array


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
