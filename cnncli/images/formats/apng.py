"""The parts of an animated PNG file, found without decoding a pixel."""

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from cnncli.errors import ImageError
from cnncli.images.formats.parts import Disposal, Part, is_gray
from cnncli.images.formats.png import SIGNATURE, write_chunk

_HEADER, _PALETTE, _TRANSPARENCY, _ANIMATION = b"IHDR", b"PLTE", b"tRNS", b"acTL"
_CONTROL, _FIRST_DATA, _DATA, _END = b"fcTL", b"IDAT", b"fdAT", b"IEND"
_INDEXED, _COLOUR, _ALPHA = 1, 2, 4  # bits of the colour type

Span = tuple[int, int]


def read_parts(stream: BinaryIO) -> Iterator[Part]:
    """Yield the parts of a PNG file; none where it is not animated.

    Raises:
        ImageError: there are fewer frames than the file says, or their pieces are not in order.
        struct.error: a chunk is too short.
    """
    kept: dict[bytes, bytes] = {}
    control, data = b"", list[Span]()
    parts = number = 0
    for name, start, length in _chunks(stream):
        if name in (_HEADER, _PALETTE, _TRANSPARENCY, _ANIMATION):
            kept[name] = stream.read(length)
        elif name == _FIRST_DATA and _ANIMATION not in kept:
            return
        if name in (_CONTROL, _DATA):
            number = _check_number(stream, number)
        if name in (_CONTROL, _END) and control:
            yield _part(stream, kept, control, data)
            parts += 1
        if name == _CONTROL:
            stream.seek(start)
            control, data = stream.read(length), []
        elif name in (_FIRST_DATA, _DATA) and control:  # data in front of any control are a still for other viewers
            skipped = 4 * (name == _DATA)
            data.append((start + skipped, length - skipped))
    announced = struct.unpack(">I4x", kept[_ANIMATION])[0] if _ANIMATION in kept else 0
    if parts != announced:
        raise ImageError(f"{announced:,} frames are announced, and {parts:,} found")


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, and where its content starts and how long it is; the stream stands there."""
    at = len(SIGNATURE)
    name = b""
    while name != _END:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        yield name, at + 8, length
        at += length + 12


def _check_number(stream: BinaryIO, expected: int) -> int:
    (found,) = struct.unpack(">I", stream.read(4))
    if found != expected:
        raise ImageError(f"piece {found} of the animation stands where {expected} should be")
    return expected + 1


def _part(stream: BinaryIO, kept: dict[bytes, bytes], control: bytes, data: list[Span]) -> Part:
    width, height, left, top, numerator, denominator, disposal, blend = struct.unpack(">4xIIIIHHBB", control)
    screen_width, screen_height, colour_type = struct.unpack(">IIxB3x", kept[_HEADER])
    if not (0 < width <= screen_width - left and 0 < height <= screen_height - top):
        raise ImageError(f"a frame of {width} x {height} at {left},{top} does not fit {screen_width} x {screen_height}")
    palette = kept.get(_PALETTE, b"") if colour_type & _INDEXED else b""
    return Part(
        left,
        top,
        width,
        height,
        Disposal(disposal),
        over=bool(blend),
        see_through=bool(colour_type & _ALPHA) or _TRANSPARENCY in kept,
        gray=not colour_type & _COLOUR or (bool(palette) and is_gray(palette)),
        duration=1000 * numerator / (denominator or 100),
        still=partial(_still, stream, kept, (width, height), data),
    )


def _still(stream: BinaryIO, kept: dict[bytes, bytes], size: tuple[int, int], data: list[Span]) -> bytes:
    """A PNG file of one frame."""
    file = io.BytesIO()
    file.write(SIGNATURE)
    write_chunk(file, _HEADER, struct.pack(">II", *size) + kept[_HEADER][8:])
    for name in (_PALETTE, _TRANSPARENCY):
        if name in kept:
            write_chunk(file, name, kept[name])
    pieces = []
    for start, length in data:
        stream.seek(start)
        pieces.append(stream.read(length))
    write_chunk(file, _FIRST_DATA, b"".join(pieces))
    write_chunk(file, _END, b"")
    return file.getvalue()
