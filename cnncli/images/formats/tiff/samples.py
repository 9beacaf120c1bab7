"""From the bytes of decompressed segments to samples: byte order, packed bits, predictors, shared chroma."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.formats.tiff.page import YCBCR, Page

_NO_PREDICTOR, _HORIZONTAL, _FLOATING = 1, 2, 3
_UNPACKED_AT_ONCE = 1 << 20  # samples: their bits take a byte each


def row_bytes(page: Page) -> int:
    """Return the bytes of a row of a segment, or of a row of blocks where chroma is shared."""
    across, down = page.subsampling
    samples = page.segment[1] * page.contiguous
    if (across, down) != (1, 1):
        samples = -(-page.segment[1] // across) * (across * down + 2)
    return (samples * page.bits + 7) // 8


def byte_rows(page: Page, rows: int) -> int:
    """Return the number of such rows in a segment of so many pixel rows."""
    return -(-rows // page.subsampling[1])


def unpacker(page: Page) -> Callable[[Array], Array]:
    """Return the function from rows of bytes, (..., rows, bytes), to samples, (..., rows, width, samples).

    Raises:
        ImageError: samples of this kind are not read.
    """
    if page.predictor not in (_NO_PREDICTOR, _HORIZONTAL, _FLOATING):
        raise ImageError(f"predictor {page.predictor} is not known")
    whole = page.bits in (8, 16, 32, 64)
    if page.kind == "f" and page.bits not in (16, 32, 64):
        raise ImageError(f"floating-point samples of {page.bits} bits are not read")
    if not whole and (page.kind != "u" or page.bits > 16):
        raise ImageError(f"integer samples of {page.bits} bits, {_SIGNS[page.kind]}, are not read")
    if page.subsampling != (1, 1):
        return _shared_chroma(page)
    if page.predictor == _FLOATING:
        if page.kind != "f":
            raise ImageError("the floating-point predictor on whole numbers")
        return lambda data: _from_float_planes(data, page)
    if not whole:
        if page.predictor == _HORIZONTAL:
            raise ImageError(f"the horizontal predictor on samples of {page.bits} bits is not read")
        return lambda data: _from_bits(data, page)
    return lambda data: _from_numbers(data, page)


_SIGNS = {"u": "unsigned", "i": "signed"}


def _pixels(rows: Array, page: Page) -> Array:
    return rows.reshape(*rows.shape[:-1], page.segment[1], page.contiguous)


def _from_numbers(data: Array, page: Page) -> Array:
    stored = np.ascontiguousarray(data).view(page.dtype.newbyteorder(page.order))
    samples = _pixels(stored.astype(page.dtype), page)
    if page.predictor == _HORIZONTAL:
        # Differences wrap around as whole numbers do, those of floating point too.
        whole: Any = samples.view(f"u{page.dtype.itemsize}")
        np.cumsum(whole, axis=-2, dtype=whole.dtype, out=whole)
    return samples


def _from_float_planes(data: Array, page: Page) -> Array:
    """Undo differences of bytes; each row stores its highest bytes first (Adobe's TIFF Technical Note 3)."""
    steps = data.reshape(*data.shape[:-1], -1, page.contiguous)
    planes = np.cumsum(steps, axis=-2, dtype=np.uint8).reshape(*data.shape[:-1], page.dtype.itemsize, -1)
    numbers = np.ascontiguousarray(planes.swapaxes(-1, -2)).view(page.dtype.newbyteorder(">"))
    return _pixels(numbers[..., 0].astype(page.dtype), page)


def _from_bits(data: Array, page: Page) -> Array:
    """Unpack samples of a few bits, the highest bit first; each row begins with a byte."""
    count = page.segment[1] * page.contiguous
    flat = data.reshape(-1, data.shape[-1])
    samples = np.empty((len(flat), count), page.dtype)
    step = max(1, _UNPACKED_AT_ONCE // count)
    weights = (1 << np.arange(page.bits)[::-1]).astype(page.dtype)
    for top in range(0, len(flat), step):
        bits = np.unpackbits(flat[top : top + step], axis=1, count=count * page.bits)
        samples[top : top + step] = bits.reshape(len(bits), count, page.bits) @ weights
    return _pixels(samples.reshape(*data.shape[:-1], count), page)


def _shared_chroma(page: Page) -> Callable[[Array], Array]:
    """Return the function that unpacks blocks of luma with one Cb and one Cr, repeated for each pixel of a block."""
    if page.photometric != YCBCR or page.planar or page.bits != 8 or page.samples != 3 or page.predictor != 1:
        raise ImageError("YCbCr with shared chroma is read only with 8 bits, interleaved and without predictor")
    across, down = page.subsampling

    def unpack(data: Array) -> Array:
        blocks = data.reshape(*data.shape[:-1], -1, across * down + 2)
        samples = np.empty((*data.shape[:-1], down, blocks.shape[-2], across, 3), np.uint8)
        luma = blocks[..., : across * down].reshape(*blocks.shape[:-1], down, across)
        samples[..., 0] = np.moveaxis(luma, -2, -3)
        samples[..., 1:] = blocks[..., np.newaxis, :, np.newaxis, across * down :]
        rows = samples.reshape(*data.shape[:-2], -1, blocks.shape[-2] * across, 3)
        return rows[..., : page.segment[1], :]

    return unpack
