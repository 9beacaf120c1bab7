"""The rows of a page, decoded a row of segments (tiles or strips) at a time."""

import threading
from collections.abc import Iterator

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.formats.tiff.codecs import decoder, most_bytes
from cnncli.images.formats.tiff.colours import colours
from cnncli.images.formats.tiff.directories import TiffFile
from cnncli.images.formats.tiff.page import OLD_JPEG, UNCOMPRESSED, Page, with_segments
from cnncli.images.formats.tiff.samples import byte_rows, row_bytes
from cnncli.images.frames import ArrayFrame, Frame, computing_dtype, for_computing, gray_shape, luma
from cnncli.images.memory import hidden_bytes, working_bytes
from cnncli.images.metadata import Metadata
from cnncli.images.sources import decoding

# Rows of segments that are kept: a band and its border seldom need more than three.
_KEPT = 4
_PIXELS_AT_ONCE = 1 << 18


class PageRows:
    """A page's pixels, by rows of segments.

    Attributes:
        colours: the conversion to colours.
        down: number of rows of segments.
        at_once: number of these rows decoded at once if all are needed.
    """

    def __init__(self, file: TiffFile, page: Page) -> None:
        self._file, self.page = file, with_segments(page, file)
        self._decode, self.colours = decoder(page), colours(page)
        self.down, self._across = page.grid
        self._check_claims()
        self.at_once = max(1, _PIXELS_AT_ONCE // (page.segment[0] * page.size[1]))

    def _check_claims(self) -> None:
        """Refuse a small file that claims to be a large page before anything is made for it."""
        page = self.page
        stored = np.minimum(page.counts, self._file.size - page.offsets)
        most = most_bytes(page, int(stored[stored > 0].sum()))
        rows = np.full(len(page.counts), byte_rows(page, page.segment[0]))
        rows[self.down - 1 :: self.down] = byte_rows(page, self._height(last=True))  # of tiles no fewer
        needed = int(rows[page.counts > 0].sum()) * row_bytes(page)
        if most is not None and needed > most:
            raise ImageError(
                f"is truncated or damaged: its pixels need {needed:,} bytes, but its data hold at most {most:,}"
            )

    def decoded_bytes(self, *, gray: bool) -> int:
        """Return the bytes of the pixels and of the segments that are decoded at once."""
        height, width = self.page.size
        dtype = computing_dtype(self.colours.dtype)
        pixel, has_alpha = (1 if gray else self.colours.channels) * dtype.itemsize, self.colours.alpha is not None
        hidden = hidden_bytes(pixel) * height * width if has_alpha else 0
        # Bytes, samples, and the pixels made of them, all freed before hidden pixels are filled.
        rows = min(height, self.at_once * self.page.segment[0])
        decoded = 3 * rows * width * self.page.samples * self.page.dtype.itemsize
        return height * width * (pixel + has_alpha * dtype.itemsize) + max(decoded, hidden)

    def working_bytes(self) -> int:
        """Return the memory of the page's bands."""
        height, width = self.page.size
        return working_bytes(height * width, computing_dtype(self.colours.dtype).itemsize, width)

    def samples(self, first: int, last: int) -> Array:
        """Decode the rows of segments from `first` up to `last`: (rows, width, samples)."""
        height, width = self.page.size
        planes = [self._plane(plane, first, last) for plane in range(self.page.samples if self.page.planar else 1)]
        samples = np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]
        return samples[: height - first * self.page.segment[0], :width]

    def _plane(self, plane: int, first: int, last: int) -> Array:
        """Decode the samples of one plane, (rows, width, samples), whole segments."""
        begin = plane * self.down * self._across
        numbers = np.arange(begin + first * self._across, begin + last * self._across)
        stored = self.page.counts[numbers] > 0  # a segment that a sparse file leaves out is zero
        height, width = self.page.segment
        segments = np.zeros((len(numbers), height, width, self.page.contiguous), self.page.dtype)
        if stored.any():
            found = numbers[stored]
            is_last = found[-1] == begin + self.down * self._across - 1
            segments[stored] = self._decode([self._segment(at) for at in found], self._height(last=bool(is_last)))
        grid = segments.reshape(last - first, self._across, height, width, -1).swapaxes(1, 2)
        return grid.reshape((last - first) * height, self._across * width, -1)

    def _height(self, *, last: bool) -> int:
        """Return the pixel rows of a segment: the last strip may have fewer, tiles are whole."""
        height = self.page.segment[0]
        return height if self.page.tiled or not last else self.page.size[0] - (self.down - 1) * height

    def _segment(self, number: int) -> bytes:
        size = byte_rows(self.page, self.page.segment[0]) * row_bytes(self.page)
        # Nothing that is compressed well is longer: many that claim a whole file would make it long to read.
        most = {UNCOMPRESSED: size, OLD_JPEG: self._file.size}.get(self.page.compression, 2 * size + 65536)
        return self._file.read(int(self.page.offsets[number]), min(most, int(self.page.counts[number])))


def whole_frame(rows: PageRows, metadata: Metadata, *, gray: bool) -> Frame:
    """Decode a page as a viewer sees it."""
    page, shown = rows.page, rows.colours
    shape = page.size if shown.channels == 1 else (*page.size, shown.channels)
    pixels = np.empty(gray_shape(shape) if gray else shape, computing_dtype(shown.dtype))
    alpha = None if shown.alpha is None else np.empty(page.size, pixels.dtype)
    for top, band in _bands(rows):
        place = slice(top, top + len(band))
        colours, transparency = shown.picture(band)
        pixels[place] = luma(for_computing(colours)) if gray else colours
        if alpha is not None:
            alpha[place] = transparency
    return ArrayFrame(
        turned(pixels, page.orientation),
        alpha=None if alpha is None else turned(alpha, page.orientation),
        metadata=metadata,
        opaque=shown.opaque,
    )


def _bands(rows: PageRows) -> Iterator[tuple[int, Array]]:
    """Yield a page's samples, as many rows at a time as stay in the cache, each band with its first row's number."""
    step = max(1, _PIXELS_AT_ONCE // rows.page.size[1])
    for first in range(0, rows.down, rows.at_once):
        samples = rows.samples(first, min(first + rows.at_once, rows.down))
        for top in range(0, len(samples), step):
            yield first * rows.page.segment[0] + top, samples[top : top + step]


class SegmentFrame(Frame):
    """A page whose segments (tiles or strips) are decoded when their rows are asked for.

    Memory does not grow with the page, if it is neither turned nor has transparency.
    """

    def __init__(self, rows: PageRows, name: str, metadata: Metadata, *, gray: bool) -> None:
        self._rows, self._name, self._gray = rows, name, gray
        size, channels = rows.page.size, rows.colours.channels
        self._height = rows.page.segment[0]
        self._decoded: dict[int, Array] = {}
        self._lock = threading.Lock()
        shape = size if channels == 1 else (*size, channels)
        self.shape = gray_shape(shape) if gray else shape
        self.dtype = computing_dtype(rows.colours.dtype)
        self.metadata = metadata.for_channels(1 if len(self.shape) == 2 else 3)

    def rows(self, start: int, stop: int) -> Array:
        first, last = start // self._height, -(-stop // self._height)
        parts = []
        for row in range(first, last):
            top = row * self._height
            parts.append(self._segment_row(row)[max(0, start - top) : stop - top])
        band = for_computing(parts[0] if len(parts) == 1 else np.concatenate(parts))
        return luma(band) if self._gray else band

    def alpha(self) -> None:
        return None  # pages with any transparency are read whole

    def _segment_row(self, row: int) -> Array:
        # One thread decodes at a time, so that two that need the same row do not both decode it.
        with self._lock:
            if row not in self._decoded:
                while len(self._decoded) >= _KEPT:
                    del self._decoded[next(iter(self._decoded))]
                with decoding(self._name, "TIFF"):
                    self._decoded[row] = self._rows.colours.picture(self._rows.samples(row, row + 1))[0]
            return self._decoded[row]
