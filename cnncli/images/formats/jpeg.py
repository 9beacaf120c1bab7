"""Writing JPEG files, band by band.

Bands of rows are encoded as JPEGs of their own, whose pixels become the restart intervals of one file: a decoder begins
each of them anew, with the tables of the first. Nothing is held whole, neither the picture nor the file, and the pixels
are those of the picture encoded at once, because blocks of 8 x 8 (in colour 16 x 16) do not depend on each other.

simplejpeg encodes straight from arrays and off the interpreter's lock, colour in four fifths of Pillow's time. Its fast
DCT costs 0.1 dB of some 40 beside Pillow, which stands in where simplejpeg is missing.
"""

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO

import numpy as np

from cnncli.images.formats import Format
from cnncli.images.frames import Array, Picture
from cnncli.images.metadata import Metadata

_QUALITY = 90
_LONGEST_CONTENT = 65_533
# Markers that begin segments, or stand alone.
_START, _END, _RESTART = b"\xff\xd8", b"\xff\xd9", 0xFFD0
_APP0, _APP1, _APP2, _FRAME, _INTERVAL, _SCAN = 0xFFE0, 0xFFE1, 0xFFE2, 0xFFC0, 0xFFDD, 0xFFDA
_ICC_NAME = b"ICC_PROFILE\0"

# An interval's pixels stay in the cache. It has 4,096 blocks, or one row of them: a file's limit is 65,535.
INTERVAL_PIXELS = 1 << 18

Encode = Callable[[Array], bytes]


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one picture, its bands as they come."""
    picture = next(frames)
    height, width = picture.shape[:2]
    encode = _encoder()
    bands = (band for _, band in picture.placed())
    first = next(bands)
    block = 8 if picture.channels == 1 else 16
    across = -(-width // block)
    down = max(1, INTERVAL_PIXELS // (across * block * block))
    in_one = len(first) == height
    pieces = _regrouped(chain([first], bands), height if in_one else down * block)
    for number, piece in enumerate(pieces):
        segments, pixels = _taken_apart(encode(_with_plain_rows(piece)))
        if number == 0:
            file.write(_header(segments, picture, 0 if in_one else across * down))
        else:
            file.write(struct.pack(">H", _RESTART + (number - 1) % 8))
        file.write(pixels)
    file.write(_END)


def _regrouped(bands: Iterable[Array], height: int) -> Iterator[Array]:
    """Cut bands anew into pieces of `height` rows, the last of what is left: views, but for those across two bands."""
    waiting: list[Array] = []
    missing = height
    for band in bands:
        start = 0
        while len(band) - start >= missing:
            piece = band[start : start + missing]
            yield np.concatenate([*waiting, piece]) if waiting else piece
            start += missing
            waiting, missing = [], height
        if start < len(band):
            waiting.append(band[start:].copy())  # so that the band can be given up
            missing -= len(band) - start
    if waiting:
        yield np.concatenate(waiting)


def _with_plain_rows(piece: Array) -> Array:
    """A piece as (H, W) or (H, W, 3), copied unless the bytes of a row follow each other, and the rows each other."""
    pixels = piece[..., 0] if piece.shape[2:] == (1,) else piece
    plain = pixels.strides[1:] == (*pixels.shape[2:], 1) and pixels.strides[0] >= pixels[0].size
    return pixels if plain else np.array(pixels, order="C")


def _encoder() -> Encode:
    """What turns a piece into a JPEG."""
    try:
        from simplejpeg import encode_jpeg
    except ImportError:
        return _encoded_by_pillow

    def encode(piece: Array) -> bytes:
        colours, pixels = ("GRAY", piece[..., np.newaxis]) if piece.ndim == 2 else ("RGB", piece)
        jpeg: bytes = encode_jpeg(pixels, _QUALITY, colours, "420")
        return jpeg

    return encode


def _encoded_by_pillow(piece: Array) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(piece).save(stream, "jpeg", quality=_QUALITY)
    return stream.getvalue()


Segment = tuple[int, bytes]


def _taken_apart(jpeg: bytes) -> tuple[list[Segment], memoryview]:
    """The segments in front of a JPEG's pixels, and its pixels."""
    segments = []
    marker, at = 0, len(_START)
    while marker != _SCAN:
        marker, size = struct.unpack_from(">HH", jpeg, at)
        segments.append((marker, jpeg[at + 4 : at + 2 + size]))
        at += 2 + size
    return segments, memoryview(jpeg)[at : -len(_END)]


def _header(segments: Iterable[Segment], picture: Picture, interval: int) -> bytes:
    """All in front of the pixels: a first piece's segments, made true of the whole picture."""
    metadata = picture.metadata.for_channels(picture.channels)
    header = bytearray(_START)
    for marker, content in segments:
        if marker == _FRAME:
            content = content[:1] + struct.pack(">H", picture.shape[0]) + content[3:]
        elif marker == _APP0:
            content = _with_density(content, metadata.dpi)
        elif marker == _SCAN and interval:
            header += _segment(_INTERVAL, struct.pack(">H", interval))
        header += _segment(marker, content)
        if marker == _APP0:
            header += b"".join(_segment(*kept) for kept in _metadata_segments(metadata))
    return bytes(header)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def _with_density(content: bytes, dpi: tuple[float, float] | None) -> bytes:
    """The JFIF segment with dots per inch, as whole numbers."""
    return content if dpi is None else content[:7] + struct.pack(">BHH", 1, *map(round, dpi)) + content[12:]


def _metadata_segments(metadata: Metadata) -> Iterator[Segment]:
    """EXIF, and the colour profile in as many segments as it needs."""
    if metadata.exif:
        yield _APP1, metadata.exif
    profile = metadata.icc_profile or b""
    size = _LONGEST_CONTENT - len(_ICC_NAME) - 2
    parts = [profile[start : start + size] for start in range(0, len(profile), size)]
    for number, part in enumerate(parts, 1):
        yield _APP2, _ICC_NAME + bytes([number, len(parts)]) + part
