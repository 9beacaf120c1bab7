"""Recognition of files without a signature, by a consistent header."""

import struct
from typing import BinaryIO

_TGA_DEPTHS = {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16)}
_TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")


def is_spider(stream: BinaryIO, beginning: bytes, suffix: str) -> bool:
    """Return whether a file begins with the consistent whole numbers of a SPIDER header of 2-D images."""
    if len(beginning) < 108:
        return False
    for order in "<>":
        numbers = struct.unpack_from(f"{order}27f", beginning)
        rows, columns, records, size, record = counts = [numbers[at] for at in (1, 11, 12, 21, 22)]
        if not all(0 < count < 1 << 24 and count == int(count) for count in counts):
            continue
        is_first_image = numbers[4] == 1 and numbers[26] == 0
        if is_first_image and size == records * record and size + 4 * rows * columns <= stream.seek(0, 2):
            return True
    return False


def is_tga(stream: BinaryIO, beginning: bytes, suffix: str) -> bool:
    """Return whether a file is a Targa file: its 18-byte header is consistent, and its suffix or its end agrees.

    The header alone could match by chance. The end agrees if it is the format's footer (version 2) or the last pixel.
    """
    if len(beginning) < 18:
        return False
    length, mapped, form, _, colours, map_depth, _, _, width, height, depth, flags = struct.unpack_from(
        "<BBBHHBHHHHBB", beginning
    )
    map_fits = colours > 0 and map_depth in (15, 16, 24, 32) if mapped else form & 7 != 1
    may_be = bool(
        mapped in (0, 1)
        and form & ~8 in _TGA_DEPTHS
        and depth in (*_TGA_DEPTHS[form & ~8], 1 if form == 3 else 8)
        and map_fits
        and width * height > 0
        and not flags & 0xC0
        and flags & 15 <= 8
    )
    if not may_be or suffix in _TGA_SUFFIXES:
        return may_be
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 18))
    expected = 18 + length + mapped * colours * (map_depth // 8) + width * height * (depth // 8)
    return stream.read(18) == b"TRUEVISION-XFILE.\0" or bool(form <= 3 and size == expected)
