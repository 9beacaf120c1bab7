"""Large TIFF pages, read a row of tiles or strips at a time: memory does not grow with the page."""

import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from cnncli.errors import ImageError
from cnncli.images.frames import Array, Frame, computing_dtype, for_computing, gray_shape, luma
from cnncli.images.metadata import Metadata
from cnncli.images.sources import decoding

if TYPE_CHECKING:
    from tifffile import TiffPage

# Rows of segments that are kept: a band and its border seldom need more than three.
_KEPT = 4

_MIN_IS_BLACK, _RGB, _CONTIGUOUS, _UNTURNED = 1, 2, 1, 1


class SegmentFrame(Frame):
    """A page of which segments (tiles or strips) are decoded when their rows are asked for."""

    def __init__(self, page: "TiffPage", stream: BinaryIO, name: str, metadata: Metadata, *, gray: bool) -> None:
        self._page, self._stream, self._name, self._gray = page, stream, name, gray
        self._size = (page.imagelength, page.imagewidth)
        self._samples = page.samplesperpixel
        self._height, self._width = (
            (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        )
        self._across = -(-self._size[1] // self._width)
        self._decoded: dict[int, Array] = {}
        self._lock = threading.Lock()
        shape = self._size if self._samples == 1 else (*self._size, self._samples)
        self.shape = gray_shape(shape) if gray else shape
        self.dtype = computing_dtype(np.dtype(page.dtype))
        self.has_alpha = False
        self.metadata = metadata.for_channels(1 if len(self.shape) == 2 else 3)

    def rows(self, start: int, stop: int) -> Array:
        """The pixel rows from `start` up to `stop`."""
        first, last = start // self._height, -(-stop // self._height)
        parts = []
        for row in range(first, last):
            top = row * self._height
            parts.append(self._segment_row(row)[max(0, start - top) : stop - top])
        band = for_computing(parts[0] if len(parts) == 1 else np.concatenate(parts))
        return luma(band) if self._gray else band

    def alpha(self) -> None:
        """No transparency: pages with any are read whole."""

    def _segment_row(self, row: int) -> Array:
        # One thread decodes at a time, so that two that need the same row do not both decode it.
        with self._lock:
            if row not in self._decoded:
                while len(self._decoded) >= _KEPT:
                    del self._decoded[next(iter(self._decoded))]
                with decoding(self._name, "TIFF"):
                    self._decoded[row] = self._decode(row)
            return self._decoded[row]

    def _decode(self, row: int) -> Array:
        height = min(self._height, self._size[0] - row * self._height)
        pixels = np.zeros((height, self._size[1], self._samples), self._page.dtype)
        for column in range(self._across):
            index = row * self._across + column
            if not self._page.databytecounts[index]:
                continue  # a segment that a sparse file leaves out is black
            self._stream.seek(self._page.dataoffsets[index])
            data = self._stream.read(self._page.databytecounts[index])
            segment = self._page.decode(data, index)[0]
            if segment is None:
                continue
            left = column * self._width
            place = pixels[:, left : left + self._width]
            place[:] = segment[0, : place.shape[0], : place.shape[1]]
        return pixels[:, :, 0] if self._samples == 1 else pixels


def reads(page: "TiffPage") -> bool:
    """Whether a page is of the plain kind that is read by segments; others are read whole."""
    kinds = {1: (_MIN_IS_BLACK,), 3: (_RGB,)}
    orientation = page.tags.get("Orientation")
    return (
        int(page.photometric) in kinds.get(page.samplesperpixel, ())
        and int(page.planarconfig) == _CONTIGUOUS
        and page.imagedepth == 1
        and page.dtype is not None
        and page.bitspersample == 8 * page.dtype.itemsize
        and page.axes in ("YX", "YXS")
        and (orientation is None or int(orientation.value) == _UNTURNED)
        and _can_decode(page)
    )


def _can_decode(page: "TiffPage") -> bool:
    """Whether the compression is built in: tifffile puts an error in place of a decoder that is missing."""
    try:
        page.decode(b"", 0)
    except (ValueError, ImageError) as error:
        return "imagecodecs" not in str(error)
    except Exception:
        return True
    return True


def decoded_bytes(page: Any) -> int:
    """Return the size of a page in memory."""
    itemsize = page.dtype.itemsize if page.dtype is not None else 1
    return int(page.imagelength * page.imagewidth * page.samplesperpixel * itemsize)
