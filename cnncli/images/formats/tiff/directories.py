"""The directories of a TIFF file; some of them are pages."""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _LENGTH, _SUB_DIRECTORIES = 254, 255, 256, 257, 330
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
# NumPy's letters for the types of fields; a rational is two numbers, text and "undefined" are bytes.
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_RATIONALS = {5: "u4", 10: "i4"}
_REALS = {11: "f4", 12: "f8"}
# Directories below others that are looked at.
_MOST_BELOW = 1000
_LETTERS = {2: "u1", **_INTEGERS, **_RATIONALS, **_REALS}


class TiffFile:
    """The header of a TIFF or BigTIFF file, and its directories.

    Attributes:
        order: "<" or ">", the byte order; `endianness` is the same in Python's words.
        size: the file's length in bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        self.order: Literal["<", ">"] = "<" if self.read(0, 2) == b"II" else ">"
        self.endianness: Literal["little", "big"] = "little" if self.order == "<" else "big"
        is_big = self.integer(2, "H") == 43
        if is_big and self.integer(4, "H") != 8:
            raise ImageError("a BigTIFF header with offsets that are not 8 bytes long")
        # A directory's number of entries, an entry (tag, type, count, value or its offset), and an offset.
        self._count, self._entry, self._offset = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
        self._first = self.integer(8 if is_big else 4, self._offset)

    def read(self, start: int, length: int) -> bytes:
        """Read bytes of the file.

        Raises:
            ImageError: the file ends before.
        """
        if start + length > self.size:
            raise ImageError(f"is truncated: refers to data at byte {start:,}, but is only {self.size:,} bytes long")
        self._stream.seek(start)
        return self._stream.read(length)

    def integer(self, start: int, letter: str) -> int:
        """Read one number, of `struct`'s type `letter`."""
        form = self.order + letter
        return int(struct.unpack(form, self.read(start, struct.calcsize(form)))[0])

    def directory(self, offset: int) -> "Directory":
        """Read the directory at an offset; its values are read when they are asked for."""
        start = offset + struct.calcsize(self.order + self._count)
        form = self.order + self._entry
        length = struct.calcsize(form) * self.integer(offset, self._count)
        entries = list(struct.iter_unpack(form, self.read(start, length)))
        following = self.integer(start + length, self._offset)
        # Of a tag that is there twice the first counts, as in libtiff.
        return Directory(self, offset, {tag: TiffField(*rest) for tag, *rest in reversed(entries)}, following, length)

    def pages(self, most: int | None = None) -> dict[int, int]:
        """Find the offset of each page, and its number of pixels: reduced copies and masks are not pages.

        A raw photograph may keep its preview in front and the picture in a directory below it. A file of nothing but
        copies shows those.

        Args:
            most: the directories that are looked at; more are an ImageError.
        """
        kinds: dict[int, int] = {}
        pixels: dict[int, int] = {}
        for offset, directory in self._chain():
            if len(kinds) == most:
                raise ImageError(f"has more than {most:,} pages; read it all with --max-pixels 0")
            kinds[offset], pixels[offset] = directory.subfile, directory.pixels
        full = [offset for offset, kind in kinds.items() if not kind & (_REDUCED | _MASK)]
        below = {} if full else self._below(kinds)
        shown = full or [offset for offset, kind in kinds.items() if not kind & _MASK] or list(kinds)
        return below or {offset: pixels[offset] for offset in shown}

    def _below(self, offsets: Iterable[int]) -> dict[int, int]:
        below = (int(at) for offset in offsets for at in self.directory(offset).integers(_SUB_DIRECTORIES))
        directories = map(self.directory, islice(below, _MOST_BELOW))
        return {found.offset: found.pixels for found in directories if not found.subfile & (_REDUCED | _MASK)}

    def _chain(self) -> Iterator[tuple[int, "Directory"]]:
        seen: set[int] = set()
        offset, left = self._first, self.size
        while offset and offset not in seen:
            seen.add(offset)
            directory = self.directory(offset)
            yield offset, directory
            offset = directory.following
            # Those of a sound file do not overlap; ones that do make a small file as long to read as they like.
            left -= directory.length
            if left < 0:
                raise ImageError("its directories claim to be longer than the file")


class TiffField(NamedTuple):
    """An entry of a directory: its type, its number of values, and their bytes, or the offset of more than fit in."""

    kind: int
    length: int
    content: bytes


class Directory:
    """The fields of one directory.

    Attributes:
        offset: where it begins.
        following: the offset of the next directory; 0 for none.
        length: bytes of its entries.
    """

    def __init__(self, file: TiffFile, offset: int, fields: dict[int, TiffField], following: int, length: int) -> None:
        self._file, self._fields = file, fields
        self.offset, self.following, self.length = offset, following, length

    def __contains__(self, tag: int) -> bool:
        return tag in self._fields

    @property
    def subfile(self) -> int:
        """The bits of NewSubfileType, also where only its predecessor says that this is a reduced copy."""
        return self.integer(_NEW_SUBFILE_TYPE, 0) or int(self.integer(_SUBFILE_TYPE, 0) == _OLD_REDUCED)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.integer(_WIDTH, 0) * self.integer(_LENGTH, 0)

    def integer(self, tag: int, default: int) -> int:
        """Return the first of a field's whole numbers, of any integer type; the default where there are none."""
        field = self._fields.get(tag)
        if field is None or field.kind not in _INTEGERS or not field.length:
            return default
        letter, size = _INTEGERS[field.kind][0], int(_INTEGERS[field.kind][1])
        if field.length * size > len(field.content):
            return int(self._values(field)[0])
        return int.from_bytes(field.content[:size], self._file.endianness, signed=letter == "i")

    def integers(self, tag: int) -> Array:
        """Return a field's whole numbers; none where it is missing or of a type that is not of integers."""
        field = self._fields.get(tag)
        return self._values(field) if field and field.kind in _INTEGERS else np.zeros(0, np.int64)

    def reals(self, tag: int) -> list[float]:
        """Return a field's numbers, fractions worked out (0 where the divisor is); none where it is missing."""
        field = self._fields.get(tag)
        if field is None:
            return []
        values = self._values(field).astype(np.float64)
        if field.kind in _RATIONALS:
            over, under = values[::2], values[1::2]
            values = np.divide(over, under, out=np.zeros_like(over), where=under != 0)
        return [float(value) for value in values]

    def raw(self, tag: int) -> bytes:
        """Return the bytes of a field of bytes; none where it is missing."""
        field = self._fields.get(tag)
        return self._values(field).tobytes() if field else b""

    def _values(self, field: TiffField) -> Array:
        dtype = np.dtype(_LETTERS.get(field.kind, "u1")).newbyteorder(self._file.order)
        count = field.length * (2 if field.kind in _RATIONALS else 1)
        content = field.content
        if count * dtype.itemsize > len(content):
            start = int.from_bytes(content, self._file.endianness)
            content = self._file.read(start, count * dtype.itemsize)
        return np.frombuffer(content, dtype, count)
