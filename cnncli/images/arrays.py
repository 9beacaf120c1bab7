"""Arrays and matrices as files: .npy and .npz hold any numbers exactly, .txt and .csv one matrix as text."""

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cnncli.errors import ArgumentError, ImageError
from cnncli.images.formats import Format
from cnncli.images.frames import Array, ArrayFrame, Frame, Picture
from cnncli.images.opened import OpenedImage
from cnncli.images.sources import check_pixels, decoding
from cnncli.matrices import format_matrix, parser_of


class ArraysImage(OpenedImage):
    """Arrays as frames: those of an .npy or .npz file, or the matrix of a text.

    An array of shape (H, W) or (H, W, C) is one frame, one of shape (N, H, W, C) is N frames.
    """

    def __init__(self, stream: BinaryIO, name: str, kind: str, *, gray: bool, max_pixels: int | None) -> None:
        self.format, self.suffix = kind, f".{kind.lower()}"
        self._stream, self._gray = stream, gray
        with decoding(name, kind):
            arrays = chain.from_iterable(map(_frames_of, _LOADERS[kind](stream)))
            self._arrays = list(arrays)
        self.frame_count = len(self._arrays)
        for array in self._arrays:
            if kind != "TXT":  # a text's size is its own limit
                check_pixels(name, array.shape[1], array.shape[0], max_pixels)
            with decoding(name, kind):
                ArrayFrame(array, gray=gray)

    def frames(self) -> Iterator[Frame]:
        """The frames in turn."""
        return (ArrayFrame(array, gray=self._gray) for array in self._arrays)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def parse_text(text: str, name: str, suffix: str) -> Array:
    """The matrix that a text holds: int64 where all numbers are whole, float64 otherwise.

    Raises:
        ImageError: it holds none.
    """
    try:
        parse = parser_of(suffix)
        return np.array(parse(text, what=f"{name}:"))
    except (ArgumentError, OverflowError) as error:
        raise ImageError(str(error)) from error


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write arrays: .npy (several frames of one shape stacked on a new first axis), .npz, or a matrix as text."""
    _WRITERS[form.name](file, frames)


def _load_npy(stream: BinaryIO) -> list[Array]:
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return [np.load(name, mmap_mode="r", allow_pickle=False)]
    return [np.load(stream, allow_pickle=False)]


def _load_npz(stream: BinaryIO) -> list[Array]:
    with np.load(stream, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def _load_text(stream: BinaryIO) -> list[Array]:
    name = str(getattr(stream, "name", "standard input"))
    text = stream.read().decode("utf-8-sig")
    suffix = Path(name).suffix.lower() or (".json" if text.lstrip().startswith("[") else ".txt")
    return [parse_text(text, name, suffix)]


_LOADERS = {"NPY": _load_npy, "NPZ": _load_npz, "TXT": _load_text}


def _frames_of(array: Array) -> list[Array]:
    if array.ndim not in (2, 3, 4) or array.size == 0:
        raise ImageError(
            f"an array of shape {array.shape} is not a picture; expected (H, W), (H, W, C) or (N, H, W, C)"
        )
    return list(array) if array.ndim == 4 else [array]


def _write_npy(file: BinaryIO, frames: Iterator[Picture]) -> None:
    first, second = next(frames), next(frames, None)
    if second is None:
        _write_bands(file, first.shape, first.dtype, (band for _, band in first.placed()))
        return
    pictures = [(picture.shape, picture.dtype, picture.array()) for picture in chain([first, second], frames)]
    if len({(shape, dtype) for shape, dtype, _ in pictures}) > 1:
        raise ImageError("frames of different shapes or types do not stack into one .npy array; write .npz")
    arrays = [array if array.ndim == 3 else array[..., np.newaxis] for _, _, array in pictures]
    _write_bands(file, (len(arrays), *arrays[0].shape), first.dtype, iter(arrays))


def _write_bands(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], bands: Iterator[Array]) -> None:
    header: dict[str, Any] = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for band in bands:
        file.write(np.ascontiguousarray(band).data)


def _write_npz(file: BinaryIO, frames: Iterator[Picture]) -> None:
    pictures = list(frames)
    unnamed = [f"frame{index}" for index in range(len(pictures))] if len(pictures) > 1 else ["image"]
    arrays: dict[str, Any] = {
        picture.name or name: picture.array() for picture, name in zip(pictures, unnamed, strict=True)
    }
    if len(arrays) < len(pictures):
        raise ImageError("two arrays of one .npz file have the same name")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    file.write(buffer.getbuffer())


def _write_text(file: BinaryIO, frames: Iterator[Picture], separator: str | None = None) -> None:
    picture = next(frames)
    matrix = picture.array().reshape(picture.shape[:2])
    text = format_matrix(matrix)
    if separator:
        text = "\n".join(separator.join(line.split()) for line in text.splitlines())
    file.write(f"{text}\n".encode())


def _write_csv(file: BinaryIO, frames: Iterator[Picture]) -> None:
    _write_text(file, frames, ",")


_WRITERS = {"npy": _write_npy, "npz": _write_npz, "txt": _write_text, "csv": _write_csv}
