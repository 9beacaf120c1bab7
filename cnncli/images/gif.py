"""What the blocks of a GIF file say, read without decoding a pixel."""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class GifFacts(NamedTuple):
    """What holds for every frame as a viewer shows it, so that all frames can be read alike.

    Attributes:
        gray: every palette holds greys alone.
        has_alpha: some frame may leave part of the canvas transparent.
    """

    gray: bool
    has_alpha: bool


def read_facts(stream: BinaryIO) -> GifFacts:
    """Read the palettes and the transparency of all frames.

    Raises:
        struct.error: the file ends too early.
    """
    stream.seek(6)
    canvas_width, canvas_height, flags = struct.unpack("<HHB2x", stream.read(7))
    palette = _palette(stream, flags)
    gray, has_alpha, first = True, False, True
    transparent = clears = False
    for block in iter(lambda: stream.read(1), b""):
        if block == b"!":
            label, data = stream.read(1), b"".join(_sub_blocks(stream))
            if label == b"\xf9" and data:
                transparent, clears = bool(data[0] & 1), (data[0] >> 2) & 7 == 2
        elif block == b",":
            left, top, width, height, flags = struct.unpack("<HHHHB", stream.read(9))
            gray &= _is_gray(_palette(stream, flags) or palette)
            covers = (left, top, width, height) == (0, 0, canvas_width, canvas_height)
            has_alpha |= clears or (first and (transparent or not covers))
            stream.seek(1, io.SEEK_CUR)
            for _ in _sub_blocks(stream):
                pass
            first = transparent = clears = False
        else:
            break
    return GifFacts(gray, has_alpha)


def _palette(stream: BinaryIO, flags: int) -> bytes:
    return stream.read(3 << ((flags & 7) + 1)) if flags & 0x80 else b""


def _sub_blocks(stream: BinaryIO) -> Iterator[bytes]:
    while size := stream.read(1):
        if size == b"\0":
            return
        yield stream.read(size[0])


def _is_gray(palette: bytes) -> bool:
    return palette[0::3] == palette[1::3] == palette[2::3]
