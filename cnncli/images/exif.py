"""EXIF blocks as bytes: read the orientation, take tags out, and leave every other byte where it is.

Pillow can rewrite an EXIF block, but it moves what camera makers address by absolute offsets, and loads its TIFF
code for it. Here entries are taken out of a directory in place.
"""

import struct
from collections.abc import Collection, Iterator

from cnncli.arrays import Array

PREFIX = b"Exif\0\0"

ORIENTATION = 0x0112
PIXEL_SIZE_TAGS = (0x0100, 0x0101, 0xA002, 0xA003)  # ImageWidth, ImageLength, PixelXDimension, PixelYDimension
_EXIF_DIRECTORY = 0x8769
_THUMBNAIL_START, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_ENTRY_SIZE = 12
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I"}  # the types of whole numbers


def orientation(exif: bytes | None) -> int:
    """Return the orientation that a block states, 1 to 8; 1 (upright) where it states none, or another number.

    A block that is damaged behind it still states it.

    Example:
        >>> orientation(None)
        1
    """
    if not exif:
        return 1
    try:
        value = _Block(exif).first_number(ORIENTATION)
    except (struct.error, ValueError):
        return 1
    return value if value is not None and 1 <= value <= 8 else 1


def without(exif: bytes | None, tags: Collection[int]) -> bytes | None:
    r"""Return the block without these tags and without its thumbnail; None for a block that cannot be read.

    Example:
        >>> without(b"Exif\0\0 not a block", [0x0112]) is None
        True
    """
    if not exif:
        return None
    try:
        block = _Block(exif)
        block.drop_thumbnail()
        for directory in block.directories():
            block.drop(directory, tags)
    except (struct.error, ValueError):
        return None
    return PREFIX + bytes(block.data)


def turned(image: Array, value: int) -> Array:
    """Return the image (H, W, ...) as viewers show it that honour orientation `value`; a view, not a copy.

    Example:
        >>> import numpy as np
        >>> turned(np.array([[1, 2]]), 3)
        array([[2, 1]])
    """
    if value >= 5:
        image = image.swapaxes(0, 1)
    if value in (3, 4, 7, 8):
        image = image[::-1]
    if value in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


class _Block:
    """A block's bytes, and the few operations on its directories."""

    FIRST = 4  # where the offset of the first directory is written

    def __init__(self, exif: bytes) -> None:
        while exif.startswith(PREFIX):  # some writers put it there twice
            exif = exif[len(PREFIX) :]
        self.data = bytearray(exif)
        if not self.data.startswith((b"II*\0", b"MM\0*")):
            raise ValueError("not an EXIF block")
        self.order = "<" if self.data[:2] == b"II" else ">"

    def first_number(self, wanted: int) -> int | None:
        """Return the first whole number of a tag of the first directory, of any integer type; None without one."""
        for at, tag, _ in self._entries(self._integer(self.FIRST)):
            if tag == wanted:
                kind, count = struct.unpack_from(self.order + "HI", self.data, at + 2)
                if kind not in _INTEGERS or not count:
                    return None
                form = self.order + _INTEGERS[kind]
                is_inside = count * struct.calcsize(form) <= 4
                return int(struct.unpack_from(form, self.data, at + 8 if is_inside else self._integer(at + 8))[0])
        return None

    def directories(self) -> Iterator[int]:
        """Yield the position of the offset of each directory that holds tags about the picture."""
        for entry, tag, _ in list(self._entries(self._integer(self.FIRST))):
            if tag == _EXIF_DIRECTORY:
                yield entry + 8
        yield self.FIRST

    def drop(self, pointer: int, tags: Collection[int]) -> None:
        """Remove these tags from a directory: the other entries move up, the data that they point at stays."""
        start = self._integer(pointer)
        entries = list(self._entries(start))
        end = start + 2 + _ENTRY_SIZE * len(entries) + 4
        kept = [bytes(self.data[at : at + _ENTRY_SIZE]) for at, tag, _ in entries if tag not in tags]
        following = bytes(self.data[end - 4 : end])
        table = struct.pack(self.order + "H", len(kept)) + b"".join(kept) + following
        self.data[start:end] = table.ljust(end - start, b"\0")

    def drop_thumbnail(self) -> None:
        """Unlink the second directory and blank the small picture that it leads to."""
        first = self._integer(self.FIRST)
        link = first + 2 + _ENTRY_SIZE * sum(1 for _ in self._entries(first))
        if link + 4 > len(self.data) or not self._integer(link):
            return
        second = {tag: value for _, tag, value in self._entries(self._integer(link))}
        start, length = second.get(_THUMBNAIL_START, 0), second.get(_THUMBNAIL_LENGTH, 0)
        struct.pack_into(self.order + "I", self.data, link, 0)
        if not start:
            return
        if start + length >= len(self.data):
            del self.data[start:]
        else:
            self.data[start : start + length] = bytes(length)

    def _integer(self, at: int) -> int:
        return int(struct.unpack_from(self.order + "I", self.data, at)[0])

    def _entries(self, start: int) -> Iterator[tuple[int, int, int]]:
        """Yield (position, tag, value) of each entry; a short is widened, anything else is read as its offset."""
        (count,) = struct.unpack_from(self.order + "H", self.data, start)
        for at in range(start + 2, start + 2 + _ENTRY_SIZE * count, _ENTRY_SIZE):
            tag, kind = struct.unpack_from(self.order + "HH", self.data, at)
            value = struct.unpack_from(self.order + ("H" if kind == 3 else "I"), self.data, at + 8)[0]
            yield at, tag, value
