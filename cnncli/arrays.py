"""Arrays: their types, and arguments that have to be arrays."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.errors import ArgumentError

Array = npt.NDArray[Any]
DType = np.dtype[Any]


def as_numbers(x: object, what: str) -> Array:
    """Return an argument as an array of real numbers.

    Raises:
        ArgumentError: it is a path, has rows of different lengths, or numbers that are not real.

    Example:
        >>> as_numbers("a.jpg", "an image")
        Traceback (most recent call last):
        ...
        cnncli.errors.ArgumentError: an image is an array, got the path 'a.jpg': read it with read_image('a.jpg')
    """
    if isinstance(x, str | os.PathLike):
        path = os.fspath(x)
        raise ArgumentError(f"{what} is an array, got the path {path!r}: read it with read_image({path!r})")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ArgumentError(f"{what} is made of rows of equal length: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{what} is made of real numbers, got {array.dtype}")
    return array
