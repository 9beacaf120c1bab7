"""One picture file, as a network takes it."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnncli.data.datasets import Reading
from cnncli.data.resizing import resized
from cnncli.data.scale import find_factor
from cnncli.errors import DataError, ImageError
from cnncli.images import Frame, open_image

Array = NDArray[Any]

_ARRAYS = ("NPY", "NPZ", "TXT")
"""Formats whose numbers mean what their owner means; those of pictures say what is white."""


def read_picture(
    source: str | BinaryIO,
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
) -> Array:
    """Read a picture file's first frame, upright, on the scale 0 to 255; of a path or a stream.

    What is transparent is shown on white. What is no byte keeps its fine steps as float32, on the scale that
    `cnncli.data.scale` tells.

    Returns:
        (H, W, C), uint8 or float32; C is 1 for grey unless `reading.channels` says otherwise.

    Raises:
        ImageError: it cannot be read, or has other channels or numbers than asked for.
    """
    with open_image(source, gray=reading.channels == 1, max_pixels=reading.max_pixels) as image:
        frame = next(image.frames())
        pixels = _on_white(frame)
        is_array = image.format in _ARRAYS
    name = str(getattr(source, "name", source))
    pixels = _scaled(pixels if pixels.ndim == 3 else pixels[..., np.newaxis], reading.scale, name, picture=not is_array)
    if reading.size is not None:
        pixels = resized(pixels, reading.size, reading.resize)
    if reading.channels in (None, pixels.shape[2]):
        return np.ascontiguousarray(pixels)
    if pixels.shape[2] != 1:
        raise ImageError(f"{name}: has {pixels.shape[2]} channels where {reading.channels} are asked for")
    return np.repeat(pixels, reading.channels or 1, axis=2)


def _on_white(frame: Frame) -> Array:
    pixels, alpha = frame.array(), frame.alpha()
    if alpha is None:
        return pixels
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    if (alpha == white).all():
        return pixels
    share = (alpha.astype(np.float64) / white).reshape(*alpha.shape, *(1,) * (pixels.ndim - 2))
    mixed = pixels * share + white * (1 - share)
    return (mixed if pixels.dtype.kind == "f" else np.rint(mixed)).astype(pixels.dtype)


def _scaled(pixels: Array, scale: str | None, name: str, *, picture: bool) -> Array:
    """Pixels on the scale that a network takes: uint8 as they are, everything finer as float32."""
    try:
        factor = find_factor(pixels, scale, name, picture=picture)
    except DataError as error:
        raise ImageError(str(error)) from error
    if factor == 1 and pixels.dtype.kind in "iu" and pixels.min() >= 0:
        return pixels.astype(np.uint8, copy=False)
    floats: Array = pixels.astype(np.float32)
    return floats if factor in (None, 1) else floats * np.float32(factor)
