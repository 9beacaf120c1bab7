"""The input of a network: numbers that are typed or in a file, or a picture."""

import os

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.errors import ArgumentError, reason
from cnncli.files.matrices import TEXT_SUFFIXES, parse_matrices, parser_of
from cnncli.shapes import Shape, show_shape


class Input:
    """An input as it was given: numbers, or the path of a picture.

    Attributes:
        picture: path of a picture; None for numbers.
        numbers: (H, W, C), or (N,) as an array of one axis; None for a picture.
    """

    def __init__(self, given: str | os.PathLike[str] | npt.ArrayLike) -> None:
        """Read numbers; a picture is read when its size is known.

        Raises:
            ArgumentError: a text that is neither a file nor a matrix, or a file of numbers that cannot be read.
        """
        self.picture: str | None = None
        self.numbers: Array | None = None
        if not isinstance(given, str | os.PathLike):
            self.numbers = _volume(as_numbers(given, "an input"))
            return
        text = os.fspath(given)
        suffix = os.path.splitext(text)[1].lower()
        if suffix == ".npy":
            from cnncli.filters.kernel_files import load_array

            self.numbers = _volume(as_numbers(load_array(text, "input"), f"input {text}"))
        elif suffix in TEXT_SUFFIXES:
            self.numbers = _planes(_read(text), f"input {text}", suffix)
        elif os.path.lexists(text):
            self.picture = text
        elif text.strip()[:1] in "-+.0123456789":
            self.numbers = _planes(text, "input")
        else:
            raise ArgumentError(f"{text}: no such file; an input is a file, or a matrix such as '1 2; 3 4'")

    @property
    def shape(self) -> Shape:
        """Its shape; a picture's own, in pixels."""
        if self.numbers is None:
            self.numbers = _pixels(self.picture or "")
        return self.numbers.shape

    def fitted(self, shape: Shape) -> Array:
        """Return the numbers in the shape that a network takes.

        Raises:
            ArgumentError: they have another.
        """
        own, numbers = self.shape, self.numbers
        assert numbers is not None
        if own == shape or (len(shape) == 1 and numbers.size == shape[0] and max(own) == numbers.size):
            return numbers.reshape(shape)
        what = self.picture or "the input"
        hint = "change one of them"
        if self.picture:
            hint = f"resize it to {show_shape(shape[:2])}"
        elif own[:2] == shape[:2]:
            hint = "planes are written one after the other, with | between them"
        raise ArgumentError(f"{what} is {show_shape(own)}, and the network takes {show_shape(shape)}: {hint}")


def _volume(array: Array) -> Array:
    """Return numbers as (H, W, C), or (N,)."""
    if array.ndim not in (1, 2, 3) or not array.size:
        raise ArgumentError(f"an input has the shape (H, W), (H, W, C) or (N,), got {array.shape}")
    if not np.isfinite(array).all():
        raise ArgumentError("an input must hold finite numbers only")
    return array[:, :, None] if array.ndim == 2 else array


def _planes(text: str, what: str, suffix: str = ".txt") -> Array:
    """Return matrices with `|` between them as the channels of a volume."""
    matrices = parse_matrices(text, what=what) if suffix == ".txt" else (parser_of(suffix)(text, what=what),)
    return np.stack([np.array(matrix, np.float64) for matrix in matrices], axis=-1)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise ArgumentError(f"{path}: {reason(error).lower()}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: holds no text, expected rows of numbers") from error


def _pixels(path: str) -> Array:
    """Return the pixels of a picture, (H, W, C): 1 channel for grey, 3 for colour, from 0 to 255."""
    from cnncli.data import read_picture

    return read_picture(path)
