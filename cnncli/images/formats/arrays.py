"""Arrays and matrices as files: .npy and .npz hold any numbers exactly, .txt and .csv one matrix as text."""

import ast
import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.matrices import format_matrix, parser_of
from cnncli.images.formats import Format
from cnncli.images.frames import ArrayFrame, Frame, OpenedImage, Picture, computing_dtype, gray_shape
from cnncli.images.memory import working_bytes
from cnncli.images.sources import check_pixels, decoding

_PIXEL = 8  # bytes that count as a pixel where there are more of them than pixels: 16-bit colour with alpha is as large
_TEXT_PIXEL, _PARSING = 2, 12  # bytes of text that a pixel has at least; and what each takes as one of Python's numbers
_HEADER_LIMIT = 1 << 14


class _Stored(NamedTuple):
    """An array that is still in its file, of shape (H, W), (H, W, C) or (N, H, W, C)."""

    shape: tuple[int, ...]
    dtype: DType
    load: Callable[[], Array]

    @property
    def frames(self) -> int:
        """The number of frames."""
        return self.shape[0] if len(self.shape) == 4 else 1

    @property
    def frame(self) -> tuple[int, ...]:
        """The shape of a frame."""
        return self.shape[-3:]

    @property
    def size(self) -> int:
        """The size of all numbers in bytes."""
        return prod(self.shape) * self.dtype.itemsize


class ArraysImage(OpenedImage):
    """The arrays of an .npy or .npz file as frames, each read when its turn comes.

    An array of shape (H, W) or (H, W, C) is one frame, one of shape (N, H, W, C) is N frames.
    """

    def _begin(self) -> int:
        self._arrays = _STORED[self.kind.name](self._stream)
        for array in self._arrays:
            computing_dtype(array.dtype)
            if len(array.shape) not in (2, 3, 4) or not prod(array.shape):
                raise ImageError(
                    f"an array of shape {array.shape} is not a picture; expected (H, W), (H, W, C) or (N, H, W, C)"
                )
            if self._gray:
                gray_shape(array.frame)
        self._check_size(self._max_pixels)
        return sum(array.frames for array in self._arrays)

    def frames(self) -> Iterator[Frame]:
        for stored in self._arrays:
            with decoding(self._name, self.kind.name):
                array = stored.load()
            for pixels in array if array.ndim == 4 else [array]:
                yield ArrayFrame(pixels, gray=self._gray)

    @property
    def pixels(self) -> int:
        return max(prod(array.frame[:2]) for array in self._arrays)

    def decoded_bytes(self) -> int:
        return max(
            array.size + working_bytes(prod(array.frame), computing_dtype(array.dtype).itemsize, array.frame[1])
            for array in self._arrays
        )

    def _check_size(self, max_pixels: int | None) -> None:
        """Refuse frames that are too large, alone or together, before any is read."""
        for array in self._arrays:
            check_pixels(self._name, array.frame[1], array.frame[0], max_pixels)
        size = sum(array.size for array in self._arrays)
        counted = max(sum(array.frames * prod(array.frame[:2]) for array in self._arrays), size // _PIXEL)
        if max_pixels is not None and counted > max_pixels:
            raise ImageError(
                f"{self._name}: holds {size:,} bytes, which count as {counted:,} pixels ({_PIXEL} bytes each at most), "
                f"over the limit of {max_pixels:,}; raise it with --max-pixels {counted}"
            )


class TextImage(OpenedImage):
    """The matrix of a text as a frame."""

    def _begin(self) -> int:
        self._size, most = self._stream.seek(0, io.SEEK_END), self._max_pixels
        self._stream.seek(0)
        if most is not None and self._size > _TEXT_PIXEL * most:
            raise ImageError(
                f"{self._name}: {self._size:,} bytes of text, over the limit of {_TEXT_PIXEL} for each of {most:,} "
                f"pixels; raise it with --max-pixels {self._size // _TEXT_PIXEL + 1}"
            )
        return 1

    def _frame(self, index: int) -> Frame:
        text = self._stream.read().decode("utf-8-sig")
        suffix = Path(self._name).suffix.lower() or (".json" if text.lstrip().startswith("[") else ".txt")
        try:
            matrix = np.array(parser_of(suffix)(text, what=f"{self._name}:"))
        except (ArgumentError, OverflowError) as error:
            raise ImageError(str(error)) from error
        frame = ArrayFrame(matrix, gray=self._gray)
        frame.typed = True
        return frame

    def decoded_bytes(self) -> int:
        return self._size * _PARSING


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write arrays: .npy (several frames of one shape stacked on a new first axis), .npz, or a matrix as text."""
    _WRITERS[form.name](file, frames)


def _stored_npy(stream: BinaryIO) -> list[_Stored]:
    header = read_npy_header(stream)
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return [_Stored(header.shape, header.dtype, lambda: np.load(name, mmap_mode="r", allow_pickle=False))]

    def load() -> Array:
        stream.seek(0)
        array: Array = np.load(stream, allow_pickle=False)
        return array

    return [_Stored(header.shape, header.dtype, load)]


def _stored_npz(stream: BinaryIO) -> list[_Stored]:
    archive = zipfile.ZipFile(stream)
    return [_stored_member(archive, member) for member in archive.infolist()]


def _stored_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Stored:
    """Return an array of an archive; its size is read from its own beginning, for the directory may lie."""
    with archive.open(member) as file:
        header = read_npy_header(file)

    def load() -> Array:
        with archive.open(member) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
            file.read(1)  # at its end the archive checks its sum
        return array

    return _Stored(header.shape, header.dtype, load)


_STORED = {"NPY": _stored_npy, "NPZ": _stored_npz}


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


def _write_bands(file: IO[bytes], shape: tuple[int, ...], dtype: DType, bands: Iterator[Array]) -> None:
    header: dict[str, Any] = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for band in bands:
        file.write(np.ascontiguousarray(band).data)


def _write_npz(file: BinaryIO, frames: Iterator[Picture]) -> None:
    """Write an archive of arrays, each compressed band by band."""
    first, second = next(frames), next(frames, None)
    pictures = [first] if second is None else chain([first, second], frames)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, picture in enumerate(pictures):
            name = f"{picture.name or ('image' if second is None else f'frame{index}')}.npy"
            if name in archive.namelist():
                raise ImageError("two arrays of one .npz file have the same name")
            with archive.open(name, "w", force_zip64=True) as member:
                _write_bands(member, picture.shape, picture.dtype, (band for _, band in picture.placed()))


def _write_text(file: BinaryIO, frames: Iterator[Picture], separator: str | None = None) -> None:
    picture = next(frames)
    matrix = picture.array().reshape(picture.shape[:2])
    text = format_matrix(matrix)
    if separator:
        text = "\n".join(separator.join(line.split()) for line in text.splitlines())
    file.write(f"{text}\n".encode())


_WRITERS: dict[str, Callable[[BinaryIO, Iterator[Picture]], None]] = {
    "npy": _write_npy,
    "npz": _write_npz,
    "txt": _write_text,
    "csv": partial(_write_text, separator=","),
}


class NpyHeader(NamedTuple):
    """The header of an array of numbers, never of Python objects; in Fortran's order the first axis is the fastest."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: DType

    @property
    def size(self) -> int:
        """Bytes of the numbers, as an unbounded integer."""
        return prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: Any) -> NpyHeader:
    """Read the header of an array, at most 16 KB, and leave the stream at the numbers.

    NumPy's own reader would first read a header of up to 4 GB, and then say that it is too long.

    Raises:
        ValueError: there is no header, or it is not that of an array of numbers.
    """
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError("is not an array")
    length = int.from_bytes(stream.read(2 if start[6] == 1 else 4), "little")
    if length > _HEADER_LIMIT:
        raise ValueError(f"is damaged: a header of {length:,} bytes")
    header = _parse(stream.read(length))
    if header.dtype.hasobject:
        raise ValueError("holds Python objects, which are never loaded; save numbers")
    return header


def _parse(header: bytes) -> NpyHeader:
    """Read the dictionary of literals that a header is."""
    try:
        fields = ast.literal_eval(header.decode("utf-8").strip())
        shape, dtype = fields["shape"], np.lib.format.descr_to_dtype(fields["descr"])
        if type(shape) is tuple and all(type(length) is int and length >= 0 for length in shape):
            return NpyHeader(shape, fields["fortran_order"] is True, dtype)
        reason = f"a shape of {shape!r}"
    except Exception as error:  # over broken text, Python's parser and NumPy's types raise errors of every class
        reason = " ".join(str(error).split()) or type(error).__name__
    raise ValueError(f"is damaged: {reason}")
