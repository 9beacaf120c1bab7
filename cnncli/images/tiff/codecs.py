"""The one choice of what decompresses a page's segments, made from its tags: this module, libtiff or imagecodecs.

libtiff, which comes with Pillow, is never asked what a page looks like. Segments are handed to it as those of a page
made for it, for the byte codecs a grey one as wide as a row has bytes: so no layout is too rare for it.
"""

import ctypes
import lzma
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from cnncli.errors import ImageError
from cnncli.images.exif import turned
from cnncli.images.frames import Array
from cnncli.images.pillow_reading import raise_pillows_limit
from cnncli.images.sources import no_warnings
from cnncli.images.tiff.page import BLACK_IS_ZERO, CMYK, FAX, JPEG, OLD_JPEG, RGB, UNCOMPRESSED, YCBCR, Page
from cnncli.images.tiff.samples import byte_rows, row_bytes, unpacker

_LZW, _PACKBITS, _THUNDERSCAN, _WEBP = 5, 32773, 32809, (50001, 34927)
_BYTES = (_LZW, _PACKBITS, 50000, 34926)  # these two are Zstandard
_NAMES = {
    2: "CCITT RLE",
    3: "CCITT Group 3",
    4: "CCITT Group 4",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    32773: "PackBits",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "JPEG",
    34926: "Zstandard",
    34927: "WebP",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
# Codecs of whole pictures, which imagecodecs has: JPEG 2000, LERC, PNG, JPEG XR, WebP and JPEG XL.
_PICTURES = (33003, 33004, 33005, 34712, 34887, 34933, 34934, 22610, *_WEBP, 50002, 52546)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_T4_OPTIONS, _T6_OPTIONS, _SUBSAMPLING, _JPEG_TABLES, _YCBCR_TAGS = 292, 293, 530, 347, (529, 532)
_DIVISOR = 1_000_000

# Segments and their height in pixels, of which the last may have fewer: (segments, height, width, samples).
Decoder = Callable[[Sequence[bytes], int], Array]


def decoder(page: Page) -> Decoder:
    """Choose what decodes a page's segments.

    Raises:
        ImageError: nothing that is installed does; the message says what would help.
    """
    compression = page.compression
    if page.planar and page.subsampling != (1, 1):
        raise ImageError("YCbCr of which planes differ in size is not read")
    if compression == OLD_JPEG:
        return partial(_by_old_jpeg, page)
    if compression in FAX and page.bits == page.samples == 1:
        return partial(_by_libtiff, page, _fax_tags(page))
    if compression == _THUNDERSCAN and (page.bits, page.samples) == (4, 1):
        return partial(_by_libtiff, page, [_shorts(262, BLACK_IS_ZERO)])
    if compression == JPEG and page.bits == 8 and page.contiguous <= 4:
        return partial(_by_libtiff, page, _jpeg_tags(page))
    if compression == JPEG or compression in _PICTURES:
        return partial(_by_imagecodecs, page, _imagecodecs(page))
    unpack = unpacker(page)
    if compression in _BUILT_IN:
        return partial(_by_bytes, page, _BUILT_IN[compression], unpack)
    if compression not in _BYTES:
        raise ImageError(f"{name_of(compression)} compression of {page.samples} x {page.bits} bits is not read")
    if libtiff_has(compression):
        return partial(_bytes_by_libtiff, page, unpack)
    return partial(_by_bytes, page, _imagecodecs(page), unpack)


def most_bytes(page: Page, stored: int) -> int | None:
    """Return how much data of this length can hold, decompressed; None where there is no telling."""
    ratio = {UNCOMPRESSED: 1, _PACKBITS: 64, 8: 1032, 32946: 1032, _LZW: 2600}.get(page.compression)
    return None if ratio is None else ratio * stored


def name_of(compression: int) -> str:
    """Name a compression for a message."""
    return f"{_NAMES[compression]} ({compression})" if compression in _NAMES else f"unknown ({compression})"


@cache
def libtiff() -> Any:
    """The libtiff that Pillow has loaded, kept from writing to standard error; None where it cannot be reached."""
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


_complaints = threading.local()


def _complain(*_: object) -> None:
    """Note an error of libtiff: it goes on after some, and makes up the pixels."""
    _complaints.any = True


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(_complain)


def libtiff_has(compression: int) -> bool:
    """Whether Pillow's libtiff was built with a codec; without an answer, what every build has."""
    from PIL import features

    if not features.check("libtiff"):
        return False
    library = libtiff()
    return bool(library.TIFFIsCODECConfigured(compression)) if library else compression in (_LZW, _PACKBITS)


def _by_bytes(
    page: Page,
    decompress: Callable[[bytes, int], Any],
    unpack: Callable[[Array], Array],
    data: Sequence[bytes],
    last: int,
) -> Array:
    rows = [page.segment[0]] * (len(data) - 1) + [last]
    decoded = np.zeros((len(data), byte_rows(page, page.segment[0]), row_bytes(page)), np.uint8)
    for place, segment, height in zip(decoded, data, rows, strict=True):
        size = byte_rows(page, height) * row_bytes(page)
        found = np.frombuffer(decompress(_ordered(segment, page), size), np.uint8)[:size]
        if len(found) < size:
            raise ImageError(f"a segment has {len(found):,} of {size:,} bytes")
        place.reshape(-1)[:size] = found
    return unpack(decoded)[:, : page.segment[0]]


def _cut(data: bytes, size: int) -> bytes:
    return data[:size]


def _inflate(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size)


def _unxz(data: bytes, size: int) -> bytes:
    return lzma.LZMADecompressor().decompress(data, size)


_BUILT_IN = {UNCOMPRESSED: _cut, 8: _inflate, 32946: _inflate, 34925: _unxz}


def _ordered(data: bytes, page: Page) -> bytes:
    return data.translate(_REVERSED) if page.reversed_bits else data


class _Tag(NamedTuple):
    """A field of a page made for libtiff: its number, the type of its values, and their bytes."""

    number: int
    kind: int
    content: bytes


def _shorts(number: int, *values: int) -> _Tag:
    return _Tag(number, 3, struct.pack(f"<{len(values)}H", *values))


def _longs(number: int, *values: int) -> _Tag:
    return _Tag(number, 4, struct.pack(f"<{len(values)}I", *values))


def _rationals(number: int, *values: float) -> _Tag:
    fractions = [part for value in values for part in (round(value * _DIVISOR), _DIVISOR)]
    return _Tag(number, 5, struct.pack(f"<{len(fractions)}I", *fractions))


def _bytes_by_libtiff(page: Page, unpack: Callable[[Array], Array], data: Sequence[bytes], last: int) -> Array:
    """Decompress bytes as the pixels of a grey page."""
    height, width = byte_rows(page, page.segment[0]), row_bytes(page)
    tags = [_shorts(258, 8), _shorts(262, BLACK_IS_ZERO)]
    data = [_ordered(segment, page) for segment in data]
    found = _through_libtiff(page.compression, (height, width), tags, data, byte_rows(page, last))
    return unpack(found.reshape(len(data), height, width))[:, : page.segment[0]]


def _by_libtiff(page: Page, tags: list[_Tag], data: Sequence[bytes], last: int) -> Array:
    """Decode segments whose codec knows what pixels are."""
    if page.compression != JPEG:
        data = [_ordered(segment, page) for segment in data]
    tags = [*tags, _shorts(258, *[page.bits] * page.contiguous), _shorts(277, page.contiguous)]
    found = _through_libtiff(page.compression, page.segment, tags, data, last)
    if page.compression == _THUNDERSCAN:
        found = found // np.uint8(17)  # Pillow makes 8-bit levels of 4-bit ones
    return found.astype(np.uint8, copy=False).reshape(len(data), *page.segment, page.contiguous)


def _by_old_jpeg(page: Page, data: Sequence[bytes], last: int) -> Array:
    """Decode a page of JPEG before its redesign, of which libtiff needs the whole file."""
    from PIL.TiffImagePlugin import TiffImageFile

    libtiff()
    (file,) = data
    if file[2:4] not in (b"*\0", b"\0*"):
        raise ImageError("old JPEG in a BigTIFF is not read")
    offset = struct.pack(page.order + "I", page.tags.offset)
    raise_pillows_limit(last * page.segment[1])
    with no_warnings(), TiffImageFile(BytesIO(file[:4] + offset + file[8:])) as image:
        # Pillow turns a page as its tag says; here that comes last.
        found = turned(np.asarray(image), {6: 8, 8: 6}.get(page.orientation, page.orientation))
    return found.reshape(1, *page.size, -1)[..., : page.samples]


def ycbcr_to_rgb(samples: Array, page: Page) -> Array:
    """Convert 8-bit samples (H, W, 3) as libtiff does, with the coefficients and the range that a page's tags give."""
    height, width = samples.shape[:2]
    tags = [_shorts(258, 8, 8, 8), _shorts(262, YCBCR), _shorts(277, 3), _shorts(_SUBSAMPLING, 1, 1)]
    tags += [_rationals(tag, *page.tags.reals(tag)) for tag in _YCBCR_TAGS if tag in page.tags]
    # Pillow asks libtiff only where there is a compression.
    stored = zlib.compress(np.ascontiguousarray(samples).tobytes(), 0)
    return _through_libtiff(8, (height, width), tags, [stored], height)


def _fax_tags(page: Page) -> list[_Tag]:
    options = [_longs(tag, page.tags.integer(tag, 0)) for tag in (_T4_OPTIONS, _T6_OPTIONS) if tag in page.tags]
    return [_shorts(262, BLACK_IS_ZERO), *options]


def _jpeg_tags(page: Page) -> list[_Tag]:
    """YCbCr is made RGB by the decoder; any other colours it leaves as they are."""
    made = YCBCR if page.photometric == YCBCR else RGB
    photometric = {1: BLACK_IS_ZERO, 2: BLACK_IS_ZERO, 3: made, 4: CMYK}[page.contiguous]
    tags = [_shorts(262, photometric)]
    if page.contiguous == 2:
        tags.append(_shorts(338, 2))
    if photometric == YCBCR and _SUBSAMPLING in page.tags:
        tags.append(_shorts(_SUBSAMPLING, *page.subsampling))
    if _JPEG_TABLES in page.tags:
        tags.append(_Tag(_JPEG_TABLES, 7, page.tags.raw(_JPEG_TABLES)))
    return tags


def _through_libtiff(
    compression: int, segment: tuple[int, int], tags: list[_Tag], data: Sequence[bytes], last: int
) -> Array:
    """Decode a page whose strips are these segments, of the full height even where the last has fewer rows."""
    from PIL.TiffImagePlugin import TiffImageFile

    libtiff()
    _complaints.any = False
    height, width = segment
    rows = height * (len(data) - 1) + last
    tags = [*tags, _longs(256, width), _longs(257, rows), _shorts(259, compression), _longs(278, height)]
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


def _one_page(tags: list[_Tag], strips: Sequence[bytes]) -> bytes:
    """Put together a TIFF file of one page."""
    lengths = [len(strip) for strip in strips]
    tags = sorted([*tags, _longs(279, *lengths), _longs(273, *lengths)])
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


def _imagecodecs(page: Page) -> Callable[..., Any]:
    """Find the codec of imagecodecs that tifffile would take.

    Raises:
        ImageError: it is not installed.
    """
    if page.photometric == YCBCR and page.compression != JPEG:
        raise ImageError(f"YCbCr colours in {name_of(page.compression)} are not read")
    try:
        import imagecodecs
        from tifffile import TIFF

        decode = TIFF.DECOMPRESSORS[page.compression]
        codec = getattr(imagecodecs, decode.__name__.removesuffix("_decode").upper())
    except (ImportError, KeyError):
        codec = None
    if codec is None or not codec.available:
        raise ImageError(
            f"{name_of(page.compression)} compression of {page.bits}-bit samples is not built in; "
            "install it with: pip install 'cnncli[codecs]'"
        )
    return _with_options(decode, page)


def _with_options(decode: Callable[..., Any], page: Page) -> Callable[..., Any]:
    """The codec, told what segments alone do not say."""
    if page.compression in _BYTES:
        return lambda data, size: decode(data, out=size)
    if page.compression in _WEBP:
        return partial(decode, hasalpha=page.samples == 4)
    if page.compression != JPEG:
        return decode
    colours = {YCBCR: {"outcolorspace": RGB}, RGB: {"colorspace": RGB, "outcolorspace": RGB}}
    options = {} if page.planar else colours.get(page.photometric, {})
    return partial(decode, bitspersample=page.bits, tables=page.tags.raw(_JPEG_TABLES) or None, **options)


def _by_imagecodecs(page: Page, decode: Callable[..., Any], data: Sequence[bytes], last: int) -> Array:
    height, width = page.segment
    decoded = np.zeros((len(data), height, width, page.contiguous), page.dtype)
    for number, segment in enumerate(data):
        found = np.asarray(decode(segment))
        rows = last if number == len(data) - 1 else height
        found = found.reshape(*found.shape[:2], -1)
        if found.dtype != page.dtype or found.shape[1:] != decoded.shape[2:] or not rows <= len(found) <= height:
            raise ImageError(
                f"{name_of(page.compression)} data of {found.dtype} {found.shape} do not fit the page, "
                f"{page.dtype} {decoded.shape[1:]}"
            )
        decoded[number, : len(found)] = found
    return decoded
