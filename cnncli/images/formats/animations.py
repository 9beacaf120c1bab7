"""Animations of GIF and PNG files, composed as browsers show them.

Pillow also composes frames, but gets several rules wrong: a GIF's disposal outlasts the frame that states it, and
clears to a colour where it should clear to nothing; frames that reach beyond the canvas enlarge it; the wrong frame of
a PNG is restored, and half-transparent pixels do not add up. So each part is decoded as a file of its own.
"""

import io
from abc import abstractmethod
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.images.exif import turned
from cnncli.images.formats.pillow import PillowImage, metadata_of, orientation_of, raw_mode
from cnncli.images.frames import ArrayFrame, Frame
from cnncli.images.memory import hidden_bytes
from cnncli.images.sources import FRAME_PIXELS, check_frames, decoding

_PIXELS_PER_BAND = 1 << 18  # what is blended at a time, in numbers eight times as wide


class Disposal(IntEnum):
    """The fate of a part's place on the canvas before the next part is put there."""

    KEEP = 0
    CLEAR = 1
    RESTORE = 2


class Part(NamedTuple):
    """A part, known from its header: its pixels are not decoded yet.

    Attributes:
        left: the canvas column of its first column; it may lie beyond the canvas, and so may the other sides.
        top: the canvas row of its first row.
        width: its columns.
        height: its rows.
        disposal: the treatment of its place afterwards.
        over: whether it is laid over what is there, and does not replace it.
        see_through: whether its pixels may be transparent.
        gray: whether it has no colours.
        duration: milliseconds for which it is shown; None where the file does not say.
        still: gives a file of this part alone.
    """

    left: int
    top: int
    width: int
    height: int
    disposal: Disposal
    over: bool
    see_through: bool
    gray: bool
    duration: float | None
    still: Callable[[], bytes]

    def covers(self, width: int, height: int) -> bool:
        """Return whether the part covers a whole canvas of this size."""
        return self.left == self.top == 0 and self.width >= width and self.height >= height


def is_gray(palette: bytes) -> bool:
    """Return whether a palette of red, green and blue levels holds only greys, or nothing.

    Example:
        >>> is_gray(bytes([1, 1, 1, 9, 9, 9])), is_gray(bytes([1, 2, 3]))
        (True, False)
    """
    return palette[0::3] == palette[1::3] == palette[2::3]


class AnimatedImage(PillowImage):
    """A file that may be an animation: its frames are the whole canvas each."""

    @abstractmethod
    def _read_parts(self) -> Iterator[Part]:
        """Yield the parts of the animation; none where the file is not one."""

    def frames(self) -> Iterator[Frame]:
        if not self._is_animated:
            yield from super().frames()
            return
        width, height = self._image.size
        canvas = _Canvas((height, width) if self._is_gray else (height, width, 3), self._dtype)
        with decoding(self._name, self.kind.name):
            for part in self._read_parts():
                canvas.put(part, *self._decoded(part))
                yield self._shown(canvas, part)
                canvas.dispose(part)

    def decoded_bytes(self) -> int:
        if not self._is_animated:
            return super().decoded_bytes()
        pixel, itemsize = (1 if self._is_gray else 3) * self._dtype.itemsize, self._dtype.itemsize
        # A part, and the canvas twice.
        hidden = hidden_bytes(pixel) if self._has_alpha else 0
        return super().decoded_bytes() + self._image.width * self._image.height * (2 * (pixel + itemsize) + hidden)

    def _count_frames(self) -> int:
        """Count the parts, and find the channels and dtype that fit all frames."""
        width, height = self._image.size
        self._dtype = np.dtype(np.uint16 if ";16" in raw_mode(self._image) else np.uint8)
        self._is_gray, self._has_alpha = True, False
        count = pixels = 0
        is_opaque = False  # the whole canvas
        for part in self._read_parts():
            count += 1
            pixels += max(FRAME_PIXELS, width * height, part.width * part.height)
            self._is_gray &= part.gray
            before = is_opaque
            is_opaque = part.over and before if part.see_through else before or part.covers(width, height)
            self._has_alpha |= not is_opaque
            is_opaque = {Disposal.KEEP: is_opaque, Disposal.CLEAR: False, Disposal.RESTORE: before}[part.disposal]
        check_frames(self._name, count, pixels, self._max_pixels)
        self._is_animated = count > 0
        return count or 1

    def _decoded(self, part: Part) -> tuple[Array, Array | None]:
        """Decode a part: its pixels, grey or RGB as the canvas is, and its transparency."""
        if not part.width * part.height:
            return np.zeros((part.height, part.width, 1)[: 2 if self._is_gray else 3], self._dtype), None
        still = io.BytesIO(part.still())
        with PillowImage(still, self._name, self.kind, gray=self._is_gray, max_pixels=self._max_pixels) as image:
            frame = next(image.frames())
            pixels = frame.array()
        return (pixels if self._is_gray or pixels.ndim == 3 else pixels[..., np.newaxis]), frame.alpha()

    def _shown(self, canvas: "_Canvas", part: Part) -> Frame:
        orientation = orientation_of(self._image)
        alpha = turned(canvas.alpha.copy(), orientation) if self._has_alpha else None
        metadata = metadata_of(self._image)._replace(duration=part.duration)
        return ArrayFrame(turned(canvas.pixels.copy(), orientation), alpha=alpha, metadata=metadata, gray=self._gray)


class _Canvas:
    """The canvas of an animation: pixels (H, W) or (H, W, 3) and their transparency (H, W), empty at first."""

    def __init__(self, shape: tuple[int, ...], dtype: DType) -> None:
        self.pixels, self.alpha = np.zeros(shape, dtype), np.zeros(shape[:2], dtype)
        self._before: tuple[Array, Array] | None = None

    def put(self, part: Part, pixels: Array, alpha: Array | None) -> None:
        """Put a part in its place, cut off at the edges of the canvas."""
        shown, opacity = self._place(part)
        if part.disposal == Disposal.RESTORE:
            self._before = shown.copy(), opacity.copy()
        height, width = opacity.shape
        pixels, alpha = pixels[:height, :width], None if alpha is None else alpha[:height, :width]
        if alpha is not None and part.over:
            step = max(1, _PIXELS_PER_BAND // max(1, width))
            for band in (np.s_[start : start + step] for start in range(0, height, step)):
                _lay_over(shown[band], opacity[band], pixels[band], alpha[band])
        else:
            shown[:] = pixels
            opacity[:] = np.iinfo(opacity.dtype).max if alpha is None else alpha

    def dispose(self, part: Part) -> None:
        """Treat the place of the last part as the part asks."""
        if part.disposal == Disposal.KEEP:
            return
        for plane, before in zip(self._place(part), self._before or (0, 0), strict=True):
            plane[:] = before
        self._before = None

    def _place(self, part: Part) -> tuple[Array, Array]:
        place = np.s_[part.top : part.top + part.height, part.left : part.left + part.width]
        return self.pixels[place], self.alpha[place]


def _lay_over(shown: Array, opacity: Array, pixels: Array, alpha: Array) -> None:
    """Lay pixels over the canvas, by the PNG standard's rules for colours that are not multiplied by their alpha."""
    full = int(np.iinfo(alpha.dtype).max)
    mixed = (alpha > 0) & (alpha < full) & (opacity > 0)
    replaced = (alpha > 0) & ~mixed
    shown[replaced] = np.broadcast_to(pixels, shown.shape)[replaced]
    opacity[replaced] = alpha[replaced]
    if not mixed.any():
        return
    above, below = alpha[mixed].astype(np.int64), opacity[mixed].astype(np.int64)
    weights = above * full, (full - above) * below
    total = sum(weights)
    colours = [np.broadcast_to(colour, shown.shape)[mixed].T for colour in (pixels, shown)]
    summed = sum(weight * colour for weight, colour in zip(weights, colours, strict=True))
    shown[mixed] = ((summed + total // 2) // total).T
    opacity[mixed] = (total + full // 2) // full
