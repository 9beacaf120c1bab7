"""Small pictures for pages: of an image, of many tiles together."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from cnncli.arrays import Array
from cnncli.drawing.pages import JPEG, PNG, Page

_GAP = 3  # transparent pixels between tiles


class Thumbnail(NamedTuple):
    """A picture as a page holds it: its file, the kind of it, and its width there in pixels."""

    content: bytes
    kind: str
    width: int

    def put(self, page: Page, alt: str, *captions: str) -> None:
        """Add it to a page."""
        page.picture(self.content, alt, kind=self.kind, width=self.width, captions=captions)


def thumbnail(pixels: Array, side: int) -> Thumbnail:
    """Return a picture whose longer edge has at most `side` pixels; a smaller one is enlarged by the page.

    Args:
        pixels: (H, W, C) numbers from 0 to 255, of 1 or 3 channels.
        side: pixels on the page.
    """
    image = Image.fromarray(as_bytes(pixels))
    longest = max(image.size)
    if longest <= side:
        return Thumbnail(_file(image, PNG), PNG, round(side * image.width / longest))
    image.thumbnail((side, side))
    return Thumbnail(_file(image.convert("RGB"), JPEG), JPEG, image.width)


def as_bytes(pixels: Array) -> Array:
    """Return numbers (H, W, C) from 0 to 255 as bytes, of one channel (H, W)."""
    rounded: Array = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return rounded if rounded.shape[2] == 3 else rounded[:, :, 0]


def mosaic(tiles: Array, side: int) -> Thumbnail:
    """Return tiles (number, h, w) or (number, h, w, 3) of bytes in rows, each about `side` pixels.

    Example:
        >>> mosaic(np.zeros((6, 3, 3), np.uint8), 24).width
        105
    """
    number, high, wide = tiles.shape[:3]
    factor = max(1, side // max(high, wide))
    if max(high, wide) > side:
        tiles = np.stack([_smaller(tile, side) for tile in tiles])
        high, wide = tiles.shape[1:3]
    cell = high * factor + _GAP, wide * factor + _GAP
    columns = min(number, max(4, math.ceil(math.sqrt(number * 2)), 1))
    sheet = np.zeros((math.ceil(number / columns) * cell[0], columns * cell[1], 4), np.uint8)
    for place, tile in enumerate(tiles):
        y, x = place // columns * cell[0], place % columns * cell[1]
        large = tile.repeat(factor, axis=0).repeat(factor, axis=1)
        part = sheet[y : y + cell[0] - _GAP, x : x + cell[1] - _GAP]
        part[..., :3], part[..., 3] = large if large.ndim == 3 else large[..., np.newaxis], 255
    sheet = sheet[:-_GAP, :-_GAP]
    return Thumbnail(_file(Image.fromarray(sheet), PNG), PNG, sheet.shape[1])


def _smaller(tile: Array, side: int) -> Array:
    image = Image.fromarray(tile)
    image.thumbnail((side, side))
    return np.asarray(image)


def _file(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind.removeprefix("image/"), **({"quality": 82} if kind == JPEG else {"compress_level": 6}))
    return file.getvalue()
