"""Pictures in another size, and where their pixels come to lie."""

from collections.abc import Callable
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError

Size = tuple[int, int]
Box = tuple[float, float, float, float]


class Placement(NamedTuple):
    """Where a resized picture's pixels lie: x becomes x * scale_x + left, y becomes y * scale_y + top."""

    scale_x: float
    scale_y: float
    left: float
    top: float

    @classmethod
    def of(cls, given: Size, size: Size, how: str) -> "Placement":
        """Return where `resized` puts a picture of one size in another.

        Example:
            >>> Placement.of((2, 4), (4, 4), "crop")
            Placement(scale_x=2.0, scale_y=2.0, left=-2.0, top=0.0)
        """
        (height, width), (new_height, new_width) = given, size
        if how == "pad":
            inner = _padded_size(given, size)
            top, left = _margins(inner, size)
            return cls(inner[1] / width, inner[0] / height, left, top)
        if how == "crop":
            factor = max(new_height / height, new_width / width)
            return cls(factor, factor, (new_width - width * factor) / 2, (new_height - height * factor) / 2)
        return cls(new_width / width, new_height / height, 0, 0)

    def forward(self, boxes: Array) -> Array:
        """Return boxes (N, 4) of x, y, width, height in the resized picture."""
        placed: Array = boxes * self._scale + self._offset
        return placed

    def back(self, boxes: Array) -> Array:
        """Return boxes (N, 4) of the resized picture in the picture as it was."""
        placed: Array = (boxes - self._offset) / self._scale
        return placed

    @property
    def _scale(self) -> Array:
        return np.array([self.scale_x, self.scale_y] * 2)

    @property
    def _offset(self) -> Array:
        return np.array([self.left, self.top, 0, 0])


def resized(picture: Array, size: Size, how: str = "stretch") -> Array:
    """Return a picture in another size.

    It is filtered bilinearly over all pixels that an output pixel covers (Pillow's BILINEAR).

    Args:
        picture: (H, W, C), uint8 or float32.
        size: (height, width) in pixels.
        how: `stretch`, `crop` (the largest part of the right proportions, from the middle) or `pad` (made smaller if
            it does not fit, never larger, and centred on black).

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


def _stretch(picture: Array, size: Size) -> Array:
    height, width = picture.shape[:2]
    return picture if (height, width) == size else _resampled(picture, size, (0, 0, width, height))


def _crop(picture: Array, size: Size) -> Array:
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1])
    part_height, part_width = size[0] * scale, size[1] * scale
    left, top = (width - part_width) / 2, (height - part_height) / 2
    return _resampled(picture, size, (left, top, min(width, left + part_width), min(height, top + part_height)))


def _pad(picture: Array, size: Size) -> Array:
    height, width, channels = picture.shape
    inner = _padded_size((height, width), size)
    top, left = _margins(inner, size)
    whole = np.zeros((*size, channels), picture.dtype)
    whole[top : top + inner[0], left : left + inner[1]] = _stretch(picture, inner)
    return whole


def _padded_size(given: Size, size: Size) -> Size:
    """Return the size of a picture inside the margins that bring it to another size."""
    scale = min(1, size[0] / given[0], size[1] / given[1])
    return max(1, round(given[0] * scale)), max(1, round(given[1] * scale))


RESIZES: dict[str, Callable[[Array, Size], Array]] = {"stretch": _stretch, "crop": _crop, "pad": _pad}
"""The ways to resize a picture; `resized` describes them."""


def put_back(numbers: Array, given: Size, how: str = "stretch") -> Array:
    """Return a map of a resized picture as one of the picture as it was: 0 where `crop` has cut it off.

    Args:
        numbers: (H, W), float32.
        given: (height, width) of the picture before `resized`.
        how: the way in which it was resized.

    Example:
        >>> put_back(np.ones((2, 2), np.float32), (2, 4), "crop").tolist()
        [[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    """
    size, (height, width) = (numbers.shape[0], numbers.shape[1]), given
    if size == given:
        return numbers
    if how == "pad":
        inner = _padded_size(given, size)
        top, left = _margins(inner, size)
        return _resampled(numbers[..., np.newaxis], given, (left, top, left + inner[1], top + inner[0]))[..., 0]
    if how == "stretch":
        return resized(numbers[..., np.newaxis], given)[..., 0]
    scale = min(height / size[0], width / size[1])
    part = min(height, max(1, round(size[0] * scale))), min(width, max(1, round(size[1] * scale)))
    whole, (top, left) = np.zeros(given, np.float32), _margins(part, given)
    whole[top : top + part[0], left : left + part[1]] = resized(numbers[..., np.newaxis], part)[..., 0]
    return whole


def resized_all(pictures: Array, size: Size, how: str = "stretch") -> Array:
    """Return pictures (N, H, W, C) in another size, as `resized` does each."""
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
    """Return the (top, left) of a picture centred in another size."""
    return (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2


def resized_part(picture: Array, size: Size, box: Box) -> Array:
    """Return a part of a picture in another size: the pixels that `resized` gives there, of the whole picture.

    Args:
        picture: (H, W, C), uint8 or float32.
        size: (height, width) in pixels.
        box: (left, top, right, bottom) of the part, in pixels of the picture.

    Example:
        >>> picture = np.arange(32, dtype=np.uint8).reshape(4, 8, 1)
        >>> bool((resized_part(picture, (1, 3), (2, 2, 8, 4)) == resized(picture, (2, 4))[1:, 1:]).all())
        True
    """
    sides = ((box[1], box[3], size[0], picture.shape[0]), (box[0], box[2], size[1], picture.shape[1]))
    (top, bottom), (left, right) = (_seen(*side) for side in sides)
    inner = box[0] - left, box[1] - top, min(box[2], right) - left, min(box[3], bottom) - top
    return _resampled(picture[top:bottom, left:right], size, inner)


def _seen(first: float, last: float, pixels: int, given: int) -> tuple[int, int]:
    """Return the range of an axis that a resampled part of it depends on, and a few pixels more."""
    reach = 2 + max(1, (last - first) / pixels)
    return max(0, floor(first - reach)), min(given, ceil(last + reach))


def _resampled(picture: Array, size: Size, box: Box) -> Array:
    """Return the part of a picture in a box (left, top, right, bottom), in another size."""
    from PIL import Image

    def plane_resampled(plane: Array) -> Array:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box))

    channels = picture.shape[2]
    if picture.dtype == np.uint8 and channels == 3:
        return plane_resampled(picture)
    return np.stack([plane_resampled(picture[..., channel]) for channel in range(channels)], axis=2)
