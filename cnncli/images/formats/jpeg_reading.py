"""Reading JPEG files: what the file stores, the luma plane alone where that is asked for, and more than 8 bits."""

import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.formats.pillow import PillowImage, metadata_of, orientation_of
from cnncli.images.frames import Array, ArrayFrame, Frame

if TYPE_CHECKING:
    from PIL import ImageFile

_ALONE = {0x01, *range(0xD0, 0xDA)}  # markers that no content follows
_SCAN, _APP0, _APP14 = 0xDA, 0xE0, 0xEE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the others are tables
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}


class Header(NamedTuple):
    """What the segments in front of a JPEG's pixels say of them.

    Attributes:
        start: where the frame's content starts in the file.
        precision: bits of a sample.
        lossless: whether samples are stored as they are, for which decoders convert no colours.
        components: the names of the components, a byte each.
        is_jfif: whether there is a JFIF segment, which stands for luma and chroma.
        transform: what an Adobe segment says of the colours, 0 for none; None without such a segment.
    """

    start: int
    precision: int
    lossless: bool
    components: bytes
    is_jfif: bool
    transform: int | None

    @property
    def stores_luma(self) -> bool:
        """Whether the first component is luma, by the rules of libjpeg."""
        if len(self.components) != 3:
            return len(self.components) == 1
        if self.is_jfif:
            return True
        if self.transform is not None:
            return self.transform != 0
        return self.components != b"RGB" and not self.lossless


def read_header(stream: BinaryIO) -> Header:
    """Read the segments in front of a JPEG's pixels.

    Raises:
        ImageError: there is no frame among them.
        struct.error: a segment is too short.
    """
    frame, is_jfif, transform = None, False, None
    for marker, start, content in _segments(stream):
        if marker in _FRAMES:
            frame = marker, start, content
        elif marker == _APP0:
            is_jfif |= content.startswith(b"JFIF\0") and len(content) >= 14
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12:
            transform = content[11]
    if frame is None:
        raise ImageError("no frame in front of the pixels")
    marker, start, content = frame
    precision, count = struct.unpack_from(">B4xB", content)
    return Header(start, precision, marker in _LOSSLESS, content[6 : 6 + 3 * count : 3], is_jfif, transform)


def _segments(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield the marker of each segment, where its content starts, and its content, up to the pixels."""
    stream.seek(2)
    while byte := stream.read(1):
        if byte != b"\xff":
            continue  # bytes that belong to nothing are skipped, as libjpeg does
        while (byte := stream.read(1)) == b"\xff":
            pass
        marker = byte[0] if byte else 0
        if marker == _SCAN:
            return
        if marker and marker not in _ALONE:
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

    def _frame(self, index: int) -> Frame:
        header, image = self._header, self._image
        pixels = None
        if header.precision != 8:
            pixels = self._deep_pixels()
        elif header.stores_luma and header.lossless and image.mode == "RGB":
            image.draft("YCbCr", image.size)  # no scaling at its own size
        elif header.stores_luma and self._gray:
            pixels = self._stored_luma()
            image.draft("L", image.size)  # the same plane, where Pillow has to decode it
        if pixels is None:
            return super()._frame(index)
        return ArrayFrame(turned(pixels, orientation_of(image)), metadata=metadata_of(image), gray=self._gray)

    def _content(self) -> bytes:
        self._stream.seek(0)
        return self._stream.read()

    def _stored_luma(self) -> Array | None:
        """The luma plane, decoded straight into an array; None where Pillow has to do it.

        It is the plane that Pillow's draft mode gives, without the copies out of Pillow's memory: 15 % of the time of
        filtering a photograph.
        """
        try:
            from simplejpeg import decode_jpeg
        except ImportError:
            return None
        try:
            plane: Array = decode_jpeg(self._content(), "GRAY")
        except ValueError:  # damaged: Pillow says how
            return None
        finally:
            self._stream.seek(0)
        return plane[:, :, 0]

    def _deep_pixels(self) -> Array:
        """Samples of another number of bits than 8, as levels of 8 or 16."""
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
        return _as_levels(samples, self._header.precision)


def _as_levels(samples: Array, bits: int) -> Array:
    """Samples from 0 to 2 ** bits - 1 as levels of the whole range of their dtype."""
    most, full = (1 << bits) - 1, np.iinfo(samples.dtype).max
    if most == full:
        return samples
    levels = np.array([round(level * full / most) for level in range(most + 1)], samples.dtype)
    converted: Array = levels[np.minimum(samples, most)]
    return converted
