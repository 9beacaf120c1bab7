"""Pictures as a network takes them: of one size, with the same channels, on one scale.

Every number that is read is put on the scale 0 to 255, by one rule:

- Bytes are kept as they are; booleans become 0 and 255.
- Fractions, floating-point numbers from 0 to 1, are multiplied by 255.
- 16 bits, in picture files and whole numbers above 255 up to 65,535 in arrays, are divided by 257.
- Other floating-point numbers up to 255 are kept as they are.
- Anything else, such as numbers from -1 to 1, has no scale that could be recognised: it is kept as it is, and a model
  trained on it takes nothing else.

Interpolation overshoots the ends of a scale a little, so a tenth is tolerated. An array of many pictures has one scale;
a file has its own.
"""

from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, TypedDict

import numpy as np

from cnncli.arrays import Array
from cnncli.data.resizing import Size, resized
from cnncli.errors import DataError, ImageError
from cnncli.images.frames import Frame, luma
from cnncli.images.reading import open_image
from cnncli.images.sources import MAX_PIXELS

OnChecked = Callable[[int, int], None]
"""Called with the number of files checked so far, and of all."""

BYTES, RAW = SCALES = ("bytes", "raw")
"""The meaning of the numbers that a network gets: brightness from 0 to 255, or whatever the data holds."""

_SLACK = 0.1
_MIXED = 1 << 18  # pixels whose colours are mixed at a time, in wider numbers


class ReadingOptions(TypedDict, total=False):
    """The fields of `Reading`, as keyword arguments."""

    size: Size | None
    resize: str
    channels: int | None
    strict: bool
    jobs: int
    cache_bytes: int
    max_bytes: int
    max_pixels: int | None
    scale: str | None
    class_names: Sequence[str] | None
    progress: OnChecked | None


class Reading(NamedTuple):
    """Options of reading pictures and their labels.

    Attributes:
        size: (height, width) to resize every picture to; None where all have one size already.
        resize: how to resize: a name in `RESIZES`.
        channels: 1 for grey, 3 for colour; None for grey where every picture is grey, else colour.
        strict: refuse a picture that cannot be read instead of leaving it out.
        jobs: decoding threads.
        cache_bytes: limit of the decoded pictures of a folder that are kept in memory.
        max_bytes: limit of a data set of a kind that is held in memory as a whole.
        max_pixels: largest width x height of a picture file; None for any.
        scale: meaning of the numbers of arrays and float pictures: a word of `SCALES`; None to find out.
        class_names: classes to label by, such as those of a network; None for those of the data.
        progress: called with the files done and all files while a folder is checked.
    """

    size: Size | None = None
    resize: str = "stretch"
    channels: int | None = None
    strict: bool = False
    jobs: int = 1
    cache_bytes: int = 512 << 20
    max_bytes: int = 2 << 30
    max_pixels: int | None = MAX_PIXELS
    scale: str | None = None
    class_names: Sequence[str] | None = None
    progress: OnChecked | None = None


def read_picture(
    source: str | BinaryIO,
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
) -> Array:
    """Read the first frame of a picture file or stream, upright, on the scale 0 to 255.

    Transparency is shown on white. Numbers finer than bytes stay float32.

    Returns:
        (H, W, C), uint8 or float32; C is 1 for grey unless `reading.channels` says otherwise.

    Raises:
        ImageError: it cannot be read, or has other channels or numbers than asked for.
    """
    with open_image(source, gray=reading.channels == 1, max_pixels=reading.max_pixels) as image:
        pixels = on_white(next(image.frames()))
        is_array = image.kind.numeric
    name = str(getattr(source, "name", source))
    return fitted(pixels, reading, name, picture=not is_array)


def fitted(pixels: Array, reading: Reading, name: str, *, picture: bool) -> Array:
    """Return pixels (H, W) or (H, W, C) on the scale, and of the size and channels, that a `Reading` asks for.

    `picture` says whether they come from a picture file, as in `find_factor`.

    Raises:
        ImageError: they have other channels or numbers than asked for.
    """
    if reading.channels == 1 and pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = luma(pixels)
    pixels = _scaled(pixels if pixels.ndim == 3 else pixels[..., np.newaxis], reading.scale, name, picture=picture)
    if reading.size is not None:
        pixels = resized(pixels, reading.size, reading.resize)
    return np.ascontiguousarray(pixels) if reading.channels is None else with_channels(pixels, reading.channels, name)


def with_channels(pixels: Array, channels: int, name: str) -> Array:
    """Return pixels (H, W, C) with so many channels: colours become luma, and grey is repeated.

    Raises:
        ImageError: they have others.

    Example:
        >>> with_channels(np.full((2, 2, 1), 7, np.uint8), 3, "a.png")[0, 0].tolist()
        [7, 7, 7]
    """
    if pixels.shape[2] == channels:
        return np.ascontiguousarray(pixels)
    if channels == 1 and pixels.shape[2] == 3:
        return luma(pixels)[..., np.newaxis]
    if pixels.shape[2] != 1:
        raise ImageError(f"{name}: has {pixels.shape[2]} channels where {channels} are asked for")
    return np.repeat(pixels, channels, axis=2)


def on_white(frame: Frame) -> Array:
    """Return the pixels of a frame as they look on white paper: (H, W) or (H, W, C), of its own type."""
    pixels, alpha = frame.array(), frame.alpha()
    if alpha is None:
        return pixels
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    if (alpha == white).all():
        return pixels
    whole = np.empty_like(pixels)
    step = max(1, _MIXED // max(1, pixels.shape[1]))
    for start in range(0, len(pixels), step):
        band, opacity = pixels[start : start + step], alpha[start : start + step]
        share = (opacity.astype(np.float64) / white).reshape(*opacity.shape, *(1,) * (pixels.ndim - 2))
        mixed = band * share + white * (1 - share)
        whole[start : start + step] = mixed if pixels.dtype.kind == "f" else np.rint(mixed)
    return whole


def _scaled(pixels: Array, scale: str | None, name: str, *, picture: bool) -> Array:
    """Return pixels on the scale that a network takes: bytes as uint8, everything finer as float32."""
    if pixels.dtype == np.uint8 and scale != RAW:
        return pixels
    try:
        factor = find_factor(pixels, scale, name, picture=picture)
    except DataError as error:
        raise ImageError(str(error)) from error
    if factor == 1 and pixels.dtype.kind in "iu" and pixels.min() >= 0:
        return pixels.astype(np.uint8, copy=False)
    floats: Array = pixels.astype(np.float32)
    return floats if factor in (None, 1) else floats * np.float32(factor)


def find_factor(pixels: Array, scale: str | None, name: str, *, picture: bool = False) -> float | None:
    """Return the factor that puts pixels on the scale from 0 to 255; None where they have no scale.

    Args:
        pixels: numbers or booleans of any shape.
        scale: scale that the network takes, a word of `SCALES`; None for either.
        name: name of the pixels in messages.
        picture: whether they come from a picture file, whose 16 bits mean 65,535 at most, however dark it is.

    Raises:
        DataError: the network takes other numbers.

    Example:
        >>> find_factor(np.array([0.0, 1.0]), None, "x"), find_factor(np.array([0, 65535]), None, "x") == 1 / 257
        (255.0, True)
        >>> find_factor(np.array([-1.0, 1.0]), None, "x") is None
        True
    """
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    factor = 1 / 257 if picture and pixels.dtype == np.uint16 else _factor(pixels.dtype.kind, low, high)
    if scale == RAW:
        if pixels.dtype in (np.uint8, np.bool_) or (picture and pixels.dtype.kind == "u"):
            raise DataError(f"{name}: holds whole numbers from {low:g} to {high:g}, the network was trained on others")
        return None
    if factor is None and scale == BYTES:
        raise DataError(
            f"{name}: holds numbers from {low:g} to {high:g}, the network was trained on 0 to 255 or 0 to 1"
        )
    return factor


def _factor(kind: str, low: float, high: float) -> float | None:
    if not np.isfinite((low, high)).all():  # reported where the pixels are used
        return 1.0
    if kind == "b":
        return 255.0
    if low < -_SLACK * high or (kind in "iu" and low < 0):
        return None
    if kind == "f":
        return 255.0 if high <= 1 + _SLACK else 1.0 if high <= 255 * (1 + _SLACK) else None
    return 1.0 if high <= 255 else 1 / 257 if high <= 65535 else None
