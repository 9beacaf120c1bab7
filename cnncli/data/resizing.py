"""Giving pictures of all sizes one size."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import ArgumentError

Array = NDArray[Any]
Size = tuple[int, int]
Box = tuple[float, float, float, float]


def resized(picture: Array, size: Size, how: str = "stretch") -> Array:
    """Return a picture in another size.

    Where it grows or shrinks, it is filtered bilinearly over all pixels that an output pixel covers (Pillow's
    BILINEAR).

    Args:
        picture: (H, W, C), uint8 or float32.
        size: (height, width) in pixels.
        how: `stretch`, `crop` (the largest part of the right proportions, from the middle) or `pad` (made smaller if
            it does not fit, never larger, and set in the middle of black).

    Raises:
        ArgumentError: another word, or a size that is not positive.

    Example:
        >>> resized(np.ones((2, 4, 1), np.uint8), (4, 4), "pad")[..., 0].tolist()
        [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    """
    if how not in RESIZES:
        raise ArgumentError(f"unknown way to resize {how!r}: the ways are {', '.join(RESIZES)}")
    if min(size) < 1:
        raise ArgumentError(f"a size must be positive, got {size[0]}x{size[1]}")
    return picture if picture.shape[:2] == size else RESIZES[how](picture, size)


def stretch(picture: Array, size: Size) -> Array:
    """The whole picture, whatever becomes of its proportions."""
    height, width = picture.shape[:2]
    return picture if (height, width) == size else _scaled(picture, size, (0, 0, width, height))


def crop(picture: Array, size: Size) -> Array:
    """The largest part of the right proportions, from the middle."""
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1])
    part_height, part_width = size[0] * scale, size[1] * scale
    left, top = (width - part_width) / 2, (height - part_height) / 2
    return _scaled(picture, size, (left, top, min(width, left + part_width), min(height, top + part_height)))


def pad(picture: Array, size: Size) -> Array:
    """The whole picture, made smaller if it does not fit, in the middle of black."""
    height, width, channels = picture.shape
    scale = min(1, size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = _margins(inner, size)
    whole = np.zeros((*size, channels), picture.dtype)
    whole[top : top + inner[0], left : left + inner[1]] = stretch(picture, inner)
    return whole


RESIZES: dict[str, Callable[[Array, Size], Array]] = {"stretch": stretch, "crop": crop, "pad": pad}


def resized_all(pictures: Array, size: Size, how: str = "stretch") -> Array:
    """Return pictures (N, H, W, C) in another size."""
    if pictures.shape[1:3] == size:
        return pictures
    whole = np.zeros((len(pictures), *size, pictures.shape[3]), pictures.dtype)
    (height, width), (top, left) = pictures.shape[1:3], _margins(pictures.shape[1:3], size)
    if how == "pad" and min(top, left) >= 0:  # all of MNIST in a tenth of a second
        whole[:, top : top + height, left : left + width] = pictures
        return whole
    for target, picture in zip(whole, pictures, strict=True):
        target[:] = resized(picture, size, how)
    return whole


def _margins(inner: tuple[int, ...], size: Size) -> tuple[int, int]:
    """How far the top and left of a picture in the middle of another size are from the border."""
    return (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2


def _scaled(picture: Array, size: Size, box: Box) -> Array:
    """The part of a picture in a box (left, top, right, bottom), in another size."""
    from PIL import Image

    def scaled(plane: Array) -> Array:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box))

    channels = picture.shape[2]
    if picture.dtype == np.uint8 and channels == 3:
        return scaled(picture)
    return np.stack([scaled(picture[..., channel]) for channel in range(channels)], axis=2)
