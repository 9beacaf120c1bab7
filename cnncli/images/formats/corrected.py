"""Kinds of file that Pillow reads with mistakes, which are corrected here."""

import io
import re
import struct
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.formats.pillow import PillowImage, check_avif, metadata_of, orientation_of
from cnncli.images.frames import ArrayFrame, Frame, OpenedImage, as_levels, split_alpha
from cnncli.images.memory import working_bytes
from cnncli.images.sources import FRAME_PIXELS, check_frames, check_pixels

if TYPE_CHECKING:
    from PIL import ImageFile


class IconImage(PillowImage):
    """An icon or cursor: its largest picture, whose own header may state another size than the icon's."""

    def _open(self, stream: BinaryIO | None = None) -> "ImageFile.ImageFile":
        content = self._content()
        for width, height in _sizes_inside(content):
            check_pixels(self._name, width, height, self._max_pixels)
        return super()._open(io.BytesIO(_as_icon(content)))


def _as_icon(content: bytes) -> bytes:
    """Make an icon of a cursor: with an icon's number, and bits a pixel in place of the pointer's place."""
    if not content.startswith(b"\0\0\2\0"):
        return content
    icon = bytearray(content)
    icon[2] = 1
    for entry, _, _, bits in _bitmaps(content):
        struct.pack_into("<HH", icon, entry + 4, 1, bits)
    return bytes(icon)


def _sizes_inside(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield (width, height) of each embedded PNG, JPEG 2000 or, in an .ico or .cur, bitmap."""
    for match in re.finditer(rb"\x89PNG\r\n\x1a\n.{4}IHDR(.{8})", content, re.DOTALL):
        yield struct.unpack(">II", match[1])
    for match in re.finditer(rb"\xff\x4f\xff\x51.{4}(.{16})", content, re.DOTALL):
        right, bottom, left, top = struct.unpack(">IIII", match[1])
        yield max(1, right - left), max(1, bottom - top)
    for _, width, height, _ in _bitmaps(content):
        yield max(1, abs(width)), max(1, abs(height) // 2)  # with a mask below


def _bitmaps(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield each bitmap of an .ico or .cur: where its entry starts, its width, height and bits a pixel."""
    if not content.startswith(b"\0\0"):
        return
    (count,) = struct.unpack_from("<H", content, 4)
    for entry in range(6, min(6 + 16 * count, len(content) - 15), 16):
        (start,) = struct.unpack_from("<I", content, entry + 12)
        if content[start : start + 4] == b"\x28\0\0\0" and len(content) >= start + 16:
            yield entry, *struct.unpack_from("<ii2xH", content, start + 4)


class DcxImage(OpenedImage):
    """Pages, each a whole PCX file; Pillow would take every page's palette from the end of the last."""

    def _begin(self) -> int:
        self._pages = self._find_pages()
        sizes = [self._open(page).size for page in self._pages]
        counted = sum(max(FRAME_PIXELS, prod(size)) for size in sizes)
        check_frames(self._name, len(sizes), counted, self._max_pixels)
        return len(sizes)

    def _frame(self, index: int) -> Frame:
        return next(self._open(self._pages[index]).frames())

    def decoded_bytes(self) -> int:
        return max(self._open(page).decoded_bytes() for page in self._pages)

    @property
    def pixels(self) -> int:
        return max(self._open(page).pixels for page in self._pages)

    def _find_pages(self) -> list[tuple[int, int]]:
        """Find where each page starts, and how long it is: up to the next that starts."""
        self._stream.seek(4)
        table = self._stream.read(4 * 1024)
        offsets = [offset for (offset,) in struct.iter_unpack("<I", table[: len(table) // 4 * 4])]
        starts = offsets[: offsets.index(0)] if 0 in offsets else offsets
        ends = [*sorted(set(starts)), self._stream.seek(0, io.SEEK_END)]
        if not starts or max(starts) >= ends[-1]:
            raise ImageError("has no pages, or pages beyond its end")
        return [(start, next(end for end in ends if end > start) - start) for start in starts]

    def _open(self, page: tuple[int, int]) -> PillowImage:
        self._stream.seek(page[0])
        content = io.BytesIO(self._stream.read(page[1]))
        return PillowImage(content, self._name, self.kind, gray=self._gray, max_pixels=self._max_pixels)


class SpiderImage(PillowImage):
    """An image or a stack of images; Pillow forgets how many there are when it opens the second."""

    def _seek(self, image: "ImageFile.ImageFile", index: int) -> None:
        image.n_frames = self.frame_count  # type: ignore[attr-defined]
        super()._seek(image, index)


class ImImage(PillowImage):
    """One image, or several in a mode whose size Pillow knows."""

    def _count_frames(self) -> int:
        image = self._image
        if hasattr(image, "lut"):
            raise ImageError("its lookup table is not supported")
        count = getattr(image, "n_frames", 1)
        known = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
        if not isinstance(count, int) or (count > 1 and image.mode not in known):
            raise ImageError(f"{count} images of mode {image.mode} are not supported")
        return super()._count_frames()


class SgiImage(PillowImage):
    """A picture of 8 or 16 bits; of 16, where not compressed, Pillow reads the high byte alone."""

    def _frame(self, index: int) -> Frame:
        self._stream.seek(2)
        compressed, size = self._stream.read(2)
        if size == 1:
            return super()._frame(index)
        if compressed:
            raise ImageError("compressed samples of 16 bits are not supported")
        width, height = self._image.size
        count = len(self._image.mode)
        self._stream.seek(512)
        planes = np.frombuffer(self._stream.read(2 * width * height * count), ">u2").reshape(count, height, width)
        samples = np.moveaxis(planes[:, ::-1].astype(np.uint16), 0, -1)
        return _frame_of(samples, self._image, gray=self._gray)


class AvifImage(PillowImage):
    """A picture or a sequence; Pillow cuts samples of more than 8 bits to 8, and gives every picture a duration.

    Pillow gives the container's rotation as the EXIF orientation. That of the EXIF block itself is ignored, as the
    standard asks.
    """

    def _open(self, stream: BinaryIO | None = None) -> "ImageFile.ImageFile":
        check_avif()
        content = self._content()
        self._bits = _bits_of(content)
        if b"\0\0\0\x28clap" in content:
            raise ImageError("its container crops it, which Pillow does not: save it cropped")
        return super()._open(stream)

    def decoded_bytes(self) -> int:
        channels = len(self._image.mode)
        if self._bits > 8:  # the samples in planes, side by side, and spread to 16 bits
            return self.pixels * 6 * channels + working_bytes(self.pixels, 2, self.size[0])
        return self._estimate((2 * channels + 1, channels + 1))

    def _frame(self, index: int) -> Frame:
        if self._bits > 8:
            return self._deep(index)
        frame = super()._frame(index)
        if self.frame_count == 1:
            frame.metadata = frame.metadata._replace(duration=None)
        return frame

    def _deep(self, index: int) -> Frame:
        try:
            from imagecodecs import avif_decode
        except ImportError as error:
            raise ImageError(
                f"{self._name}: AVIF pictures of {self._bits} bits are not built in; "
                "install them with: pip install 'cnncli[codecs]'"
            ) from error
        if self.frame_count > 1:  # which tells the duration
            self._seek(self._image, index)
            self._image.load()
        samples = as_levels(np.asarray(avif_decode(self._content(), index=index)), self._bits)
        samples = turned(samples.reshape(*samples.shape[:2], -1), orientation_of(self._image))
        return _frame_of(samples, self._image, gray=self._gray)


def _bits_of(content: bytes) -> int:
    """Return the bits of a sample, which the first description of an AV1 stream states: that of the picture itself.

    A second box states them too. Where the first alone is damaged, imagecodecs writes beyond its memory.
    """
    stream = re.search(rb"av1C\x81.(.)", content, re.DOTALL)
    bits = {0x40: 10, 0x60: 12}.get(stream[1][0] & 0x60, 8) if stream else 8
    pixel = re.search(rb"pixi\0{4}[\1-\4](.)", content, re.DOTALL)
    if pixel and bits > 8 and pixel[1][0] != bits:
        raise ImageError(f"states samples of {bits} bits and of {pixel[1][0]}")
    return bits


class Jpeg2000Image(PillowImage):
    """A picture; Pillow cuts its colours of more than 8 bits to 8."""

    def _frame(self, index: int) -> Frame:
        content = self._content()
        start = content.find(b"\xff\x4f\xff\x51")
        count, precision = struct.unpack_from(">HB", content, start + 40)
        if count == 1 or precision & 0x7F < 8:
            return super()._frame(index)
        try:
            from imagecodecs import jpeg2k_decode
        except ImportError as error:
            raise ImageError(
                f"{self._name}: JPEG 2000 colours of {(precision & 0x7F) + 1} bits are not built in; "
                "install them with: pip install 'cnncli[codecs]'"
            ) from error
        most = (2 << (precision & 0x7F)) - 1
        samples = np.asarray(jpeg2k_decode(content)).astype(np.float64) * (65535 / most)
        return _frame_of(np.rint(samples).astype(np.uint16), self._image, gray=self._gray)


def _frame_of(samples: Array, image: "ImageFile.ImageFile", *, gray: bool) -> Frame:
    """Make a frame of samples (H, W, C) of one to four channels."""
    pixels, alpha = split_alpha(samples)
    return ArrayFrame(pixels, alpha=alpha, metadata=metadata_of(image), gray=gray)
