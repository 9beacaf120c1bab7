"""HEIC and other HEIF files, as phones write them, read by libheif: the extra `cnncli[heif]`.

libheif applies the rotation, mirroring and cropping of the file. The orientation in the EXIF block is ignored beside
them, as the standard asks: phones write both.
"""

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images import exif as exif_block
from cnncli.images.frames import ArrayFrame, Frame, OpenedImage, as_levels, split_alpha
from cnncli.images.memory import working_bytes
from cnncli.images.metadata import Metadata
from cnncli.images.sources import check_pixels

if TYPE_CHECKING:
    from pillow_heif import HeifImage as Decoder


_PIXELS_PER_BAND = 1 << 18


class HeifImage(OpenedImage):
    """A HEIF file: its primary picture, which in a file of several is the photograph; 8, 10 or 12 bits."""

    def _begin(self) -> int:
        try:
            from pillow_heif import open_heif

            content = self._content()
            _check_end(content)
            # The samples as they are: spread over 16 bits by libheif, white would be less than the largest number.
            opened = open_heif(content, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        except ImportError as error:
            raise ImageError(f"{self._name}: HEIC pictures need the extra: pip install 'cnncli[heif]'") from error
        if not len(opened):
            raise ImageError("holds no still picture")
        self._image: Decoder = opened[opened.primary_index]
        width, height = self._image.size
        check_pixels(self._name, width, height, self._max_pixels)
        self._mode, _, bits = self._image.mode.partition(";")
        self._bits = int(bits or 8)
        return 1

    @property
    def pixels(self) -> int:
        width, height = self._image.size
        return int(width * height)

    def decoded_bytes(self) -> int:
        # The planes, what they are converted to, and what that is spread to.
        (width, _), itemsize = self._image.size, 1 if self._bits == 8 else 2
        return self.pixels * itemsize * (3 * len(self._mode) + 1) + working_bytes(self.pixels, itemsize, width)

    def _frame(self, index: int) -> Frame:
        stated, samples = self._image.size, np.asarray(self._image)
        if self._image.size != stated:
            raise ImageError("states {} x {} pixels, and holds {} x {}".format(*stated, *self._image.size))
        samples = as_levels(samples.reshape(*samples.shape[:2], -1), self._bits)
        pixels, alpha = split_alpha(samples)
        if alpha is not None and self._mode.endswith("a"):
            pixels = _divided(pixels, alpha)
        info: dict[str, Any] = dict(self._image.info)
        exif = exif_block.without(info.get("exif"), [exif_block.ORIENTATION])
        metadata = Metadata(icc_profile=info.get("icc_profile") or None, exif=exif)
        return ArrayFrame(pixels, alpha=alpha, metadata=metadata, gray=self._gray)


def _check_end(content: bytes) -> None:
    """Refuse a file whose pixels are cut off: libheif leaves the missing tiles of a picture black."""
    at = 0
    while at + 16 <= len(content):
        size, name, long = struct.unpack_from(">I4sQ", content, at)
        at += {0: len(content) - at, 1: max(long, 16)}.get(size, max(size, 8))
        if name == b"mdat" and at > len(content):
            raise ImageError(f"ends after {len(content):,} bytes, in the middle of its pixels")


def _divided(pixels: Array, alpha: Array) -> Array:
    """Return colours that were multiplied by their alpha as they were, in bands that stay in the cache."""
    full, whole = int(np.iinfo(pixels.dtype).max), np.empty_like(pixels)
    step = max(1, _PIXELS_PER_BAND // pixels.shape[1])
    for band in (np.s_[top : top + step] for top in range(0, len(pixels), step)):
        opacity = np.maximum(alpha[band], 1).astype(np.uint64).reshape(*alpha[band].shape, *[1] * (pixels.ndim - 2))
        whole[band] = np.minimum((pixels[band] * np.uint64(full) + opacity // 2) // opacity, full)
    return whole
