"""One picture file, as a network takes it."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import ImageError
from cnncli.images import Frame, open_image
from cnncli.training.datasets.base import Reading
from cnncli.training.datasets.resizing import resized

Array = NDArray[Any]


def read_picture(
    source: str | BinaryIO,
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
) -> Array:
    """Read a picture file's first frame, upright, on the scale 0 to 255; of a path or a stream.

    What is transparent is shown on white. 16-bit pixels are divided by 257 and keep their fine steps as float32; other
    numbers (of float TIFF and .npy files) are taken as they are.

    Returns:
        (H, W, C), uint8 or float32; C is 1 for grey unless `reading.channels` says otherwise.

    Raises:
        ImageError: it cannot be read, or has other channels than asked for.
    """
    with open_image(source, gray=reading.channels == 1, max_pixels=reading.max_pixels) as image:
        frame = next(image.frames())
        pixels = _on_white(frame)
    pixels = _to_bytes(pixels if pixels.ndim == 3 else pixels[..., np.newaxis])
    if reading.size is not None:
        pixels = resized(pixels, reading.size, reading.resize)
    if reading.channels in (None, pixels.shape[2]):
        return np.ascontiguousarray(pixels)
    if pixels.shape[2] != 1:
        name = getattr(source, "name", source)
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


def _to_bytes(pixels: Array) -> Array:
    """Pixels on the scale 0 to 255: uint8 as they are, everything finer as float32."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) / np.float32(257)
    return pixels.astype(np.float32)
