"""The choice of a page's decompressor by its tags: this module, libtiff or imagecodecs.

What compresses bytes is undone as if they were the pixels of a grey page, so that no layout is too rare for libtiff.
"""

import lzma
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.formats.tiff import page as tiff
from cnncli.images.formats.tiff.libtiff import Tag, decode_old_jpeg, decode_strips, libtiff_has, longs, shorts
from cnncli.images.formats.tiff.page import Page
from cnncli.images.formats.tiff.samples import byte_rows, row_bytes, unpacker

_THUNDERSCAN, _WEBP = 32809, (50001, 34927)
_BYTES = (tiff.LZW, tiff.PACKBITS, 50000, 34926)  # these two are Zstandard
# Codecs of whole pictures, which imagecodecs has: JPEG 2000, LERC, PNG, JPEG XR, WebP and JPEG XL. Aperio's 33003 is
# JPEG 2000 of YCbCr that its tags call RGB, and is left out.
_PICTURES = (33004, 33005, 34712, 34887, 34933, 34934, 22610, *_WEBP, 50002, 52546)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_T4_OPTIONS, _T6_OPTIONS, _SUBSAMPLING, _JPEG_TABLES = 292, 293, 530, 347

# From segments, and the pixel rows of the last one, to (segments, height, width, samples).
Decoder = Callable[[Sequence[bytes], int], Array]


def decoder(page: Page) -> Decoder:
    """Choose the function that decodes a page's segments.

    Raises:
        ImageError: nothing that is installed does; the message says what would help.
    """
    compression = page.compression
    if page.planar and page.subsampling != (1, 1):
        raise ImageError("YCbCr with planes of different sizes is not read")
    if compression == tiff.OLD_JPEG:
        return partial(decode_old_jpeg, page)
    if compression in tiff.FAX and page.bits == page.samples == 1:
        options = [longs(tag, page.tags.integer(tag, 0)) for tag in (_T4_OPTIONS, _T6_OPTIONS) if tag in page.tags]
        return partial(_by_libtiff, page, [shorts(262, tiff.BLACK_IS_ZERO), *options])
    if compression == _THUNDERSCAN and (page.bits, page.samples) == (4, 1):
        return partial(_by_libtiff, page, [shorts(262, tiff.BLACK_IS_ZERO)])
    if compression == tiff.JPEG and page.bits == 8 and page.contiguous <= 4:
        return partial(_by_libtiff, page, _jpeg_tags(page))
    if compression == tiff.JPEG or compression in _PICTURES:
        return partial(_by_imagecodecs, page, _imagecodecs(page))
    unpack = unpacker(page)
    if compression in _BUILT_IN:
        return partial(_by_bytes, page, _BUILT_IN[compression], unpack)
    if compression not in _BYTES:
        raise ImageError(f"{tiff.name_of(compression)} compression of {page.samples} x {page.bits} bits is not read")
    if libtiff_has(compression):
        return partial(_bytes_by_libtiff, page, unpack)
    return partial(_by_bytes, page, _imagecodecs(page), unpack)


def most_bytes(page: Page, stored: int) -> int | None:
    """Return the most bytes that data of this length can unpack to; None where no bound is known."""
    ratio = {tiff.UNCOMPRESSED: 1, tiff.PACKBITS: 64, 8: 1032, 32946: 1032, tiff.LZW: 2600}.get(page.compression)
    return None if ratio is None else ratio * stored


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


_BUILT_IN: dict[int, Callable[[bytes, int], bytes]] = {
    tiff.UNCOMPRESSED: lambda data, size: data[:size],
    8: lambda data, size: zlib.decompressobj().decompress(data, size),
    32946: lambda data, size: zlib.decompressobj().decompress(data, size),
    34925: lambda data, size: lzma.LZMADecompressor().decompress(data, size),
}


def _ordered(data: bytes, page: Page) -> bytes:
    return data.translate(_REVERSED) if page.reversed_bits else data


def _bytes_by_libtiff(page: Page, unpack: Callable[[Array], Array], data: Sequence[bytes], last: int) -> Array:
    """Decompress bytes as the pixels of a grey page."""
    height, width = byte_rows(page, page.segment[0]), row_bytes(page)
    tags = [shorts(258, 8), shorts(262, tiff.BLACK_IS_ZERO)]
    data = [_ordered(segment, page) for segment in data]
    found = decode_strips(page.compression, (height, width), tags, data, byte_rows(page, last))
    return unpack(found.reshape(len(data), height, width))[:, : page.segment[0]]


def _by_libtiff(page: Page, tags: list[Tag], data: Sequence[bytes], last: int) -> Array:
    """Decode segments whose codec knows what pixels are."""
    if page.compression != tiff.JPEG:
        data = [_ordered(segment, page) for segment in data]
    tags = [*tags, shorts(258, *[page.bits] * page.contiguous), shorts(277, page.contiguous)]
    found = decode_strips(page.compression, page.segment, tags, data, last)
    if page.compression == _THUNDERSCAN:
        found = found // np.uint8(17)  # Pillow makes 8-bit levels of 4-bit ones
    return found.astype(np.uint8, copy=False).reshape(len(data), *page.segment, page.contiguous)


def _jpeg_tags(page: Page) -> list[Tag]:
    """List the tags of a JPEG page: the decoder makes RGB of YCbCr, and leaves any other colours as they are."""
    made = tiff.YCBCR if page.photometric == tiff.YCBCR else tiff.RGB
    photometric = {1: tiff.BLACK_IS_ZERO, 2: tiff.BLACK_IS_ZERO, 3: made, 4: tiff.CMYK}[page.contiguous]
    tags = [shorts(262, photometric)]
    if page.contiguous == 2:
        tags.append(shorts(338, 2))
    if photometric == tiff.YCBCR and _SUBSAMPLING in page.tags:
        tags.append(shorts(_SUBSAMPLING, *page.subsampling))
    if _JPEG_TABLES in page.tags:
        tags.append(Tag(_JPEG_TABLES, 7, page.tags.raw(_JPEG_TABLES)))
    return tags


def _imagecodecs(page: Page) -> Callable[..., Any]:
    """Find the codec of imagecodecs that tifffile would take, if it is installed."""
    if page.photometric == tiff.YCBCR and page.compression != tiff.JPEG:
        raise ImageError(f"YCbCr colours in {tiff.name_of(page.compression)} are not read")
    try:
        import imagecodecs
        from tifffile import TIFF

        decode = TIFF.DECOMPRESSORS[page.compression]
        codec = getattr(imagecodecs, decode.__name__.removesuffix("_decode").upper())
    except (ImportError, KeyError):
        codec = None
    if codec is None or not codec.available:
        raise ImageError(
            f"{tiff.name_of(page.compression)} compression of {page.bits}-bit samples is not built in; "
            "install it with: pip install 'cnncli[codecs]'"
        )
    return _with_options(decode, page)


def _with_options(decode: Callable[..., Any], page: Page) -> Callable[..., Any]:
    """Return the codec with the options that segments alone do not state."""
    if page.compression in _BYTES:
        return lambda data, size: decode(data, out=size)
    if page.compression in _WEBP:
        return partial(decode, hasalpha=page.samples == 4)
    if page.compression != tiff.JPEG:
        return decode
    colours = {tiff.YCBCR: {"outcolorspace": tiff.RGB}, tiff.RGB: {"colorspace": tiff.RGB, "outcolorspace": tiff.RGB}}
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
                f"{tiff.name_of(page.compression)} data of {found.dtype} {found.shape} do not fit the page, "
                f"{page.dtype} {decoded.shape[1:]}"
            )
        decoded[number, : len(found)] = found
    return decoded
