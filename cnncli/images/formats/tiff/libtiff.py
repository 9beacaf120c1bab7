"""libtiff, which comes with Pillow, as a decompressor.

It is never asked what a page looks like: segments are handed to it as the strips of a page that is made for it.
"""

import ctypes
import struct
import threading
import zlib
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.formats.pillow import raise_pillows_limit
from cnncli.images.formats.tiff.page import LZW, PACKBITS, YCBCR, Page, name_of
from cnncli.images.sources import no_warnings

_SUBSAMPLING, _YCBCR_TAGS = 530, (529, 532)
_DIVISOR = 1_000_000

_complaints = threading.local()


def _complain(*_: object) -> None:
    """Record an error of libtiff, which continues after some errors with made-up pixels."""
    _complaints.any = True


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(_complain)


@cache
def libtiff() -> Any:
    """Return the libtiff that Pillow has loaded, kept from writing to standard error; None if it cannot be reached."""
    from PIL import _imaging

    try:
        library = ctypes.CDLL(_imaging.__file__)
        for setter, handler in ((library.TIFFSetErrorHandler, _HANDLER), (library.TIFFSetWarningHandler, None)):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(handler)
        library.TIFFIsCODECConfigured.argtypes = [ctypes.c_uint16]
    except (OSError, AttributeError):  # linked into Pillow without its names
        return None
    return library


def libtiff_has(compression: int) -> bool:
    """Return whether Pillow's libtiff was built with a codec; if unknown, assume the codecs of every build."""
    from PIL import features

    if not features.check("libtiff"):
        return False
    library = libtiff()
    return bool(library.TIFFIsCODECConfigured(compression)) if library else compression in (LZW, PACKBITS)


class Tag(NamedTuple):
    """A field of a page made for libtiff: its number, the type of its values, and their bytes."""

    number: int
    kind: int
    content: bytes


def shorts(number: int, *values: int) -> Tag:
    """Make a field of 16-bit numbers."""
    return Tag(number, 3, struct.pack(f"<{len(values)}H", *values))


def longs(number: int, *values: int) -> Tag:
    """Make a field of 32-bit numbers."""
    return Tag(number, 4, struct.pack(f"<{len(values)}I", *values))


def _rationals(number: int, *values: float) -> Tag:
    fractions = [part for value in values for part in (round(value * _DIVISOR), _DIVISOR)]
    return Tag(number, 5, struct.pack(f"<{len(fractions)}I", *fractions))


def decode_strips(
    compression: int, segment: tuple[int, int], tags: list[Tag], data: Sequence[bytes], last: int
) -> Array:
    """Decode a page whose strips are these segments, of the full height even where the last has fewer rows."""
    from PIL.TiffImagePlugin import TiffImageFile

    libtiff()
    _complaints.any = False
    height, width = segment
    rows = height * (len(data) - 1) + last
    tags = [*tags, longs(256, width), longs(257, rows), shorts(259, compression), longs(278, height)]
    raise_pillows_limit(width * rows)
    try:
        with TiffImageFile(BytesIO(_one_page(tags, data))) as image:
            found = np.asarray(image)
    except (OSError, ValueError) as error:
        raise ImageError(f"its {name_of(compression)} data are damaged") from error
    if _complaints.any:
        raise ImageError(f"its {name_of(compression)} data are damaged")
    missing = height * len(data) - rows
    return np.pad(found, [(0, missing), *[(0, 0)] * (found.ndim - 1)]) if missing else found


def _one_page(tags: list[Tag], strips: Sequence[bytes]) -> bytes:
    """Put together a TIFF file of one page."""
    lengths = [len(strip) for strip in strips]
    tags = sorted([*tags, longs(279, *lengths), longs(273, *lengths)])
    start = 8 + 2 + 12 * len(tags) + 4
    start += sum(len(tag.content) for tag in tags if len(tag.content) > 4)
    offsets = np.cumsum([start, *lengths])[:-1]
    if offsets[-1] >= 1 << 32:
        raise ImageError("segments of 4 GB and more are not read")
    entries, behind = [], b""
    for number, kind, content in tags:
        content = offsets.astype("<u4").tobytes() if number == 273 else content
        count = len(content) // {3: 2, 4: 4, 5: 8, 7: 1}[kind]
        if len(content) > 4:
            place = struct.pack("<I", 8 + 2 + 12 * len(tags) + 4 + len(behind))
            behind += content
        else:
            place = content.ljust(4, b"\0")
        entries.append(struct.pack("<HHI", number, kind, count) + place)
    return b"".join([b"II*\0\x08\0\0\0", struct.pack("<H", len(tags)), *entries, bytes(4), behind, *strips])


def ycbcr_to_rgb(samples: Array, page: Page) -> Array:
    """Convert 8-bit samples (H, W, 3) as libtiff does, with the coefficients and the range that a page's tags give."""
    height, width = samples.shape[:2]
    tags = [shorts(258, 8, 8, 8), shorts(262, YCBCR), shorts(277, 3), shorts(_SUBSAMPLING, 1, 1)]
    tags += [_rationals(tag, *page.tags.reals(tag)) for tag in _YCBCR_TAGS if tag in page.tags]
    # Pillow asks libtiff only where there is a compression.
    stored = zlib.compress(np.ascontiguousarray(samples).tobytes(), 0)
    return decode_strips(8, (height, width), tags, [stored], height)


def decode_old_jpeg(page: Page, data: Sequence[bytes], last: int) -> Array:
    """Decode a page of JPEG before its redesign; libtiff needs the whole file for it."""
    from PIL.TiffImagePlugin import TiffImageFile

    libtiff()
    (file,) = data
    if file[2:4] not in (b"*\0", b"\0*"):
        raise ImageError("old-style JPEG in a BigTIFF is not read")
    offset = struct.pack(page.order + "I", page.tags.offset)
    raise_pillows_limit(last * page.segment[1])
    with no_warnings(), TiffImageFile(BytesIO(file[:4] + offset + file[8:])) as image:
        # Pillow turns a page as its tag says; here that comes last.
        found = turned(np.asarray(image), {6: 8, 8: 6}.get(page.orientation, page.orientation))
    return found.reshape(1, *page.size, -1)[..., : page.samples]
