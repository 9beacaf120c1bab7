"""Kernels that users bring, typed in a shell or kept in a file."""

import os
from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError, reason
from cnncli.files.matrices import TEXT_SUFFIXES, format_matrix, parse_matrix, read_matrix
from cnncli.files.temporary import open_whole

KERNEL_SUFFIXES = (*TEXT_SUFFIXES, ".npy")


def read_kernel(text: str) -> Array:
    """Return the numbers that a text holds, or a file with one of `KERNEL_SUFFIXES`.

    Raises:
        ArgumentError: it cannot be read; the message says where.

    Example:
        >>> read_kernel("1 0 -1; 2 0 -2").tolist()
        [[1, 0, -1], [2, 0, -2]]
    """
    suffix = os.path.splitext(text)[1].lower()
    if suffix == ".npy":
        return load_array(text, "kernel")
    kernel = np.array((read_matrix if suffix in TEXT_SUFFIXES else parse_matrix)(text, what="kernel"))
    if kernel.dtype.kind == "O":
        raise ArgumentError("the kernel's whole numbers exceed 64 bits: use smaller weights")
    return kernel


def save_kernel(path: str, kernel: Array, *, replace: bool = True) -> None:
    """Write a kernel as a file that `read_kernel` reads back exactly, whole or not at all.

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
        ...     read_kernel(f"{folder}/third.txt").tolist()
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
        raise ArgumentError(f"{path}: the name of a kernel file ends in one of {', '.join(KERNEL_SUFFIXES)}")
    if dimensions > 2 and suffix != ".npy":
        raise ArgumentError(f"{path}: a kernel over several channels needs a name that ends in .npy")


def _as_text(path: str, kernel: Array) -> str:
    if path.lower().endswith(".json"):
        import json

        return json.dumps(kernel.tolist())
    if path.lower().endswith(".csv"):
        return "\n".join(",".join(map(repr, row)) for row in kernel.tolist())
    return format_matrix(kernel)


def load_array(path: str, what: str) -> Array:
    """Return the array of an .npy file, after its header was checked against the file's size.

    Raises:
        ArgumentError: it cannot be read; the message calls it `what`.
    """
    from cnncli.images.formats.arrays import read_npy_header

    try:
        with open(path, "rb") as file:
            header = read_npy_header(file)
            room = os.fstat(file.fileno()).st_size - file.tell()
            if header.size > room:
                raise ValueError(f"{header.size:,} bytes of numbers according to its header, {room:,} found")
            numbers: Array = np.fromfile(file, header.dtype, prod(header.shape))
    except OSError as error:
        raise ArgumentError(f"{what} {path}: {reason(error)}") from error
    except ValueError as error:
        raise ArgumentError(f"{what} {path}: not an .npy array of numbers: {error}") from error
    return numbers.reshape(header.shape, order="F" if header.fortran_order else "C")
