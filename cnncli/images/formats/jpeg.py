"""JPEG files: reading, with the luma plane alone if grey is wanted and more than 8 bits, and writing.

Bands of rows are encoded as JPEGs of their own, whose pixels become the restart intervals of one file: a decoder begins
each of them anew, with the tables of the first. Nothing is held whole, neither the picture nor the file, and the pixels
are those of the picture encoded at once, because blocks of 8 x 8 (in colour 16 x 16) do not depend on each other.

simplejpeg encodes straight from arrays and off the interpreter's lock, colour in four fifths of Pillow's time. Its fast
DCT costs 0.1 dB of some 40 beside Pillow, which stands in where simplejpeg is missing.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.formats import Format
from cnncli.images.formats.pillow import PillowImage, metadata_of, orientation_of
from cnncli.images.frames import ArrayFrame, Frame, Picture, as_levels
from cnncli.images.metadata import Metadata

if TYPE_CHECKING:
    from PIL import ImageFile

_ALONE = {0xFF00, 0xFF01, *range(0xFFD0, 0xFFDA)}  # markers that no content follows
_FRAMES = {*range(0xFFC0, 0xFFD0)} - {0xFFC4, 0xFFC8, 0xFFCC}  # the others are tables
_LOSSLESS = {0xFFC3, 0xFFC7, 0xFFCB, 0xFFCF}
_QUALITY = 90
_LONGEST_CONTENT = 65_533
# Markers that begin segments, or stand alone.
_START, _END, _RESTART = b"\xff\xd8", b"\xff\xd9", 0xFFD0
_APP0, _APP1, _APP2, _APP14 = 0xFFE0, 0xFFE1, 0xFFE2, 0xFFEE
_FRAME, _INTERVAL, _SCAN = 0xFFC0, 0xFFDD, 0xFFDA
_ICC_NAME = b"ICC_PROFILE\0"

# An interval's pixels stay in the cache. It has 4,096 blocks, or one row of them: a file's limit is 65,535.
INTERVAL_PIXELS = 1 << 18


class JpegHeader(NamedTuple):
    """The facts that the segments in front of a JPEG's pixels state.

    Attributes:
        start: start of the frame's content in the file.
        precision: bits of a sample.
        lossless: whether samples are stored as they are, for which decoders convert no colours.
        components: the names of the components, a byte each.
        is_jfif: whether there is a JFIF segment, which stands for luma and chroma.
        transform: the colour transform of an Adobe segment, 0 for none; None without such a segment.
    """

    start: int
    precision: int
    lossless: bool
    components: bytes
    is_jfif: bool
    transform: int | None

    @property
    def stores_luma(self) -> bool:
        """True if the first component is luma, by the rules of libjpeg."""
        if len(self.components) != 3:
            return len(self.components) == 1
        if self.is_jfif:
            return True
        if self.transform is not None:
            return self.transform != 0
        return self.components != b"RGB" and not self.lossless


def read_header(stream: BinaryIO) -> JpegHeader:
    """Read the segments in front of a JPEG's pixels.

    Raises:
        ImageError: there is no frame among them.
        struct.error: a segment is too short.
    """
    frame, is_jfif, transform = None, False, None
    for marker, start, content in _read_segments(stream):
        if marker in _FRAMES:
            frame = marker, start, content
        elif marker == _APP0:
            is_jfif |= content.startswith(b"JFIF\0") and len(content) >= 14
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12:
            transform = content[11]
    if frame is None:
        raise ImageError("no frame header before the pixels")
    marker, start, content = frame
    precision, count = struct.unpack_from(">B4xB", content)
    return JpegHeader(start, precision, marker in _LOSSLESS, content[6 : 6 + 3 * count : 3], is_jfif, transform)


def _read_segments(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield the marker of each segment, where its content starts, and its content, up to the pixels."""
    stream.seek(2)
    while byte := stream.read(1):
        if byte != b"\xff":
            continue  # bytes that belong to nothing are skipped, as libjpeg does
        while (byte := stream.read(1)) == b"\xff":
            pass
        marker = 0xFF00 | (byte[0] if byte else 0)
        if marker == _SCAN:
            return
        if marker not in _ALONE:
            (size,) = struct.unpack(">H", stream.read(2))
            yield marker, stream.tell(), stream.read(max(0, size - 2))


class JpegImage(PillowImage):
    """A JPEG file: the first picture, which in a file of several is the photograph."""

    def _open(self, stream: BinaryIO | None = None) -> "ImageFile.ImageFile":
        self._stream.seek(0)
        self._header = read_header(self._stream)
        if self._header.precision == 8:
            return super()._open()
        content = bytearray(self._content())
        content[self._header.start] = 8  # so that Pillow reads the metadata
        return super()._open(io.BytesIO(content))

    def upright_size(self) -> tuple[int, int]:
        width, height = self.size
        return (width, height) if self.orientation >= 5 else (height, width)

    def decoded_bytes(self) -> int:
        is_luma_alone = self._gray and self._image.mode == "RGB"
        coefficients = 0
        if "progressive" in self._image.info:  # all are needed before the first row is known
            samples = [int(across * down) for _, across, down, _ in self._image.layer]  # type: ignore[attr-defined]
            coefficients = -(-2 * sum(samples) // max(samples))
        return self._estimate((coefficients, 0), held=1 if is_luma_alone else None)

    def _frame(self, index: int) -> Frame:
        header, image = self._header, self._image
        pixels = None
        if header.precision != 8:
            pixels = self._deep_pixels()
        elif header.stores_luma and header.lossless and image.mode == "RGB":
            image.draft("YCbCr", image.size)  # no scaling at its own size
        elif header.stores_luma and self._gray:
            pixels = self._decoded("GRAY")
            image.draft("L", image.size)  # the same plane, where Pillow has to decode it
        elif header.stores_luma and image.mode == "RGB":
            pixels = self._decoded("RGB")
        if pixels is None:
            return super()._frame(index)
        return ArrayFrame(turned(pixels, orientation_of(image)), metadata=metadata_of(image), gray=self._gray)

    def _decoded(self, colors: str) -> Array | None:
        """Decode the luma plane, `GRAY`, or all colours, `RGB`, straight into an array; None where Pillow has to do it.

        The pixels are Pillow's, for the plane those of its draft mode, without the copies out of Pillow's memory: 15 %
        of the time of filtering a photograph in grey, half of the time of reading one in colour.
        """
        try:
            from simplejpeg import decode_jpeg
        except ImportError:
            return None
        try:
            pixels: Array = decode_jpeg(self._content(), colors)
        except ValueError:  # damaged: Pillow says how
            return None
        finally:
            self._stream.seek(0)
        return pixels[:, :, 0] if colors == "GRAY" else pixels

    def _deep_pixels(self) -> Array:
        """Decode samples of another number of bits than 8 to levels of 8 or 16."""
        try:
            from imagecodecs import jpeg8_decode
        except ImportError as error:
            raise ImageError(
                f"{self._name}: JPEGs of {self._header.precision} bits are not built in; "
                "install them with: pip install 'cnncli[codecs]'"
            ) from error
        only_luma = self._gray and self._header.stores_luma and not self._header.lossless
        samples = np.asarray(jpeg8_decode(self._content(), outcolorspace="GRAYSCALE" if only_luma else None))
        if samples.shape[2:] not in ((), (3,)):
            raise ImageError(f"{samples.shape[2]} components of {self._header.precision} bits are not supported")
        return as_levels(samples, self._header.precision)


def write(file: BinaryIO, frames: Iterator[Picture], form: Format, *, quality: int | None = None) -> None:
    """Write one picture, its bands as they come."""
    picture = next(frames)
    height, width = picture.shape[:2]
    bands = (band for _, band in picture.placed())
    first = next(bands)
    block = 8 if picture.channels == 1 else 16
    across = -(-width // block)
    down = max(1, INTERVAL_PIXELS // (across * block * block))
    in_one = len(first) == height
    pieces = _regrouped(chain([first], bands), height if in_one else down * block)
    for number, piece in enumerate(pieces):
        segments, pixels = _taken_apart(_encoded(_with_plain_rows(piece), quality or _QUALITY))
        if number == 0:
            file.write(_header(segments, picture, 0 if in_one else across * down))
        else:
            file.write(struct.pack(">H", _RESTART + (number - 1) % 8))
        file.write(pixels)
    file.write(_END)


def _regrouped(bands: Iterable[Array], height: int) -> Iterator[Array]:
    """Cut bands into pieces of `height` rows, the last one shorter: views, except those across two bands."""
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
    """Return a piece as (H, W) or (H, W, 3), copied unless its bytes and rows follow each other in memory."""
    pixels = piece[..., 0] if piece.shape[2:] == (1,) else piece
    plain = pixels.strides[1:] == (*pixels.shape[2:], 1) and pixels.strides[0] >= pixels[0].size
    return pixels if plain else np.array(pixels, order="C")


def _encoded(piece: Array, quality: int) -> bytes:
    """Encode a piece as a JPEG."""
    try:
        from simplejpeg import encode_jpeg
    except ImportError:
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(piece).save(stream, "jpeg", quality=quality)
        return stream.getvalue()
    colours, pixels = ("GRAY", piece[..., np.newaxis]) if piece.ndim == 2 else ("RGB", piece)
    jpeg: bytes = encode_jpeg(pixels, quality, colours, "420")
    return jpeg


Segment = tuple[int, bytes]


def _taken_apart(jpeg: bytes) -> tuple[list[Segment], memoryview]:
    """Split a JPEG into the segments in front of its pixels, and its pixels."""
    segments = []
    marker, at = 0, len(_START)
    while marker != _SCAN:
        marker, size = struct.unpack_from(">HH", jpeg, at)
        segments.append((marker, jpeg[at + 4 : at + 2 + size]))
        at += 2 + size
    return segments, memoryview(jpeg)[at : -len(_END)]


def _header(segments: Iterable[Segment], picture: Picture, interval: int) -> bytes:
    """Return the header: the segments of the first piece, corrected for the whole picture."""
    metadata = picture.metadata.for_channels(picture.channels)
    header = bytearray(_START)
    for marker, content in segments:
        if marker == _FRAME:
            content = content[:1] + struct.pack(">H", picture.shape[0]) + content[3:]
        elif marker == _APP0 and metadata.dpi is not None:  # as whole numbers
            content = content[:7] + struct.pack(">BHH", 1, *map(round, metadata.dpi)) + content[12:]
        elif marker == _SCAN and interval:
            header += _segment(_INTERVAL, struct.pack(">H", interval))
        header += _segment(marker, content)
        if marker == _APP0:
            header += b"".join(_segment(*kept) for kept in _metadata_segments(metadata))
    return bytes(header)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def _metadata_segments(metadata: Metadata) -> Iterator[Segment]:
    """Yield EXIF, and the colour profile in as many segments as it needs."""
    if metadata.exif:
        yield _APP1, metadata.exif
    profile = metadata.icc_profile or b""
    size = _LONGEST_CONTENT - len(_ICC_NAME) - 2
    parts = [profile[start : start + size] for start in range(0, len(profile), size)]
    for number, part in enumerate(parts, 1):
        yield _APP2, _ICC_NAME + bytes([number, len(parts)]) + part
