"""A TIFF file that is open for reading."""

import math
from math import prod

from cnncli.errors import ImageError
from cnncli.images.formats.tiff.directories import TiffFile
from cnncli.images.formats.tiff.page import OLD_JPEG, Page, read_page
from cnncli.images.formats.tiff.segments import PageRows, SegmentFrame, whole_frame
from cnncli.images.frames import Frame, OpenedImage
from cnncli.images.metadata import Metadata
from cnncli.images.sources import FRAME_PIXELS, TOGETHER, check_frames, check_pixels, decoding

_ACROSS, _DOWN, _UNIT, _INCH, _CENTIMETRE, _ICC_PROFILE = 282, 283, 296, 2, 3, 34675
_SAMPLES_OF_A_PIXEL = 4  # that the limit allows
# From here on a page is read by segments: 64 MB of grey.
LARGE_PIXELS = 1 << 26


class TiffImage(OpenedImage):
    """A TIFF file: its frames are its pages, without the reduced copies and masks beside them."""

    def _begin(self) -> int:
        self._file, most = TiffFile(self._stream), self._max_pixels
        pages = self._file.pages(None if most is None else max(1, TOGETHER * most // FRAME_PIXELS))
        if not pages:
            raise ImageError("has no pages")
        self._pages = list(pages)
        check_frames(self._name, len(pages), sum(max(FRAME_PIXELS, pixels) for pixels in pages.values()), most)
        self._first = self._page(0)
        return len(pages)

    @property
    def pixels(self) -> int:
        return prod(self._first.size)

    def decoded_bytes(self) -> int:
        with decoding(self._name, self.kind.name):
            rows = PageRows(self._file, self._first)
            bands = rows.working_bytes()
            return bands if _by_segments(rows) else bands + rows.decoded_bytes(gray=self._gray)

    def _page(self, index: int) -> Page:
        page = read_page(self._file, self._pages[index])
        height, width = page.size
        check_pixels(self._name, width, height, self._max_pixels)
        needed = -(-width * height * page.samples // _SAMPLES_OF_A_PIXEL)
        if self._max_pixels is not None and needed > self._max_pixels:
            raise ImageError(
                f"{self._name}: {width} x {height} pixels of {page.samples} samples are as many as {needed:,} of "
                f"{_SAMPLES_OF_A_PIXEL}, over the limit of {self._max_pixels:,}; raise it with --max-pixels {needed}"
            )
        return page

    def _frame(self, index: int) -> Frame:
        page = self._page(index)
        rows, metadata = PageRows(self._file, page), _metadata(page)
        if _by_segments(rows):
            return SegmentFrame(rows, self._name, metadata, gray=self._gray)
        return whole_frame(rows, metadata, gray=self._gray)


def _by_segments(rows: PageRows) -> bool:
    """Return whether to read a page by segments: it is large, and neither rotated nor transparent."""
    page = rows.page
    is_large = page.size[0] * page.size[1] > LARGE_PIXELS
    return is_large and page.orientation == 1 and rows.colours.alpha is None and page.compression != OLD_JPEG


def _metadata(page: Page) -> Metadata:
    """Return the metadata in the page's tags; a resolution without a unit is in inches, as in libtiff."""
    per_inch = {_INCH: 1, _CENTIMETRE: 2.54}.get(page.tags.integer(_UNIT, _INCH), 0)
    dpi = [value * per_inch for tag in (_ACROSS, _DOWN) for value in page.tags.reals(tag)[:1]]
    is_plain = len(dpi) == 2 and all(1 < value < math.inf for value in dpi)
    return Metadata(icc_profile=page.tags.raw(_ICC_PROFILE) or None, dpi=(dpi[0], dpi[1]) if is_plain else None)
