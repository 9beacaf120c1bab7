"""Estimates, from a file's header, of the memory that a frame takes while it is read and processed.

Batches rely on them: if they are too low, more images are started than fit into memory. Measured for each kind of file
as the peak of a process, minus its memory before the file is opened.
"""

from typing import Any

_BAND_PIXELS = 4_000_000  # numbers that a command works on at a time (see `cnncli.filters.bands`)

# Bytes that Pillow holds for a pixel, where it is not four.
_PILLOW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_ROW = 12  # for each row a pointer, and what its end is filled up with
_WITH_ALPHA = ("LA", "RGBA", "PA", "La", "RGBa")


def working_bytes(pixels: int, itemsize: int, width: int = 0) -> int:
    """Return the memory of a frame's bands: 11, 22, 24 or 28 bytes for each number of `itemsize` 1, 2, 4 or 8.

    A row that is longer than a band is worked on as a whole, in 32 bytes for each pixel.
    """
    banded = min(pixels, _BAND_PIXELS) * (10 * min(itemsize, 2) + itemsize)
    return banded + 32 * max(0, width - _BAND_PIXELS)


def writing_bytes(pixels: int, held: int, *, exact: bool) -> int:
    """Return the bytes held while a frame is written, beside its bands: `held` a pixel, and bands of 8-byte numbers."""
    return pixels * held + (8 * min(pixels, _BAND_PIXELS) if exact else 0)


def hidden_bytes(pixel: int) -> int:
    """Return the bytes that each pixel takes while hidden ones are filled, in a frame of `pixel` bytes each.

    The nearest visible pixel is found with a mask, its copy, and a row and a column of 32 bits each.
    """
    return 10 + 2 * pixel


def pillow_bytes(
    image: Any, raw: str, *, gray: bool, turned: bool, decoder: tuple[int, int], held: int | None = None
) -> int:
    """Return the bytes that a frame takes which Pillow decodes.

    Args:
        image: as Pillow opened it.
        raw: the name that Pillow has for the samples in the file.
        gray: whether only luma is wanted.
        turned: whether the frame is turned by its EXIF orientation.
        decoder: extra bytes per pixel of the decoder, while it decodes and afterwards.
        held: bytes that Pillow holds for each pixel, if they differ from those of its mode.
    """
    itemsize = 2 if ";16" in raw else 1
    channels = 1 if gray or image.mode in ("1", "L", "LA", "I;16") else 3
    pillow, pixel = held or _PILLOW.get(image.mode, 4), itemsize * channels
    if itemsize == 2 and pillow == 4:  # decoded twice, for two bytes
        decoding, kept = pillow + 2 * len(raw.partition(";")[0]), pixel
    else:
        decoding, kept = pillow + decoder[0], pillow * (2 if turned else 1)
    if image.mode == "P":
        kept += pixel  # the colours of the palette
    kept += decoder[1]
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        kept += itemsize + hidden_bytes(pixel)
    pixels = int(image.width * image.height)
    return pixels * max(decoding, kept) + _ROW * int(image.height) + working_bytes(pixels, itemsize, int(image.width))
