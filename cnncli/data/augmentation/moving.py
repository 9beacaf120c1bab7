"""Augmentations of places: what is where in a picture."""

from typing import TYPE_CHECKING, Any, ClassVar

from cnncli.data.augmentation.base import Augmentation, as_stored
from cnncli.data.augmentation.sampling import sample
from cnncli.lazy import Lazy

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
    from cnncli.data.randomness import ItemRandom
    from cnncli.data.resizing import Size
else:
    np = Lazy("numpy")


class Shift(Augmentation):
    """Moved by up to `amount` whole pixels in both directions."""

    amount: float = 2

    word: ClassVar[str] = "shift"
    about: ClassVar[str] = "moved by up to N pixels each way (shift:2)"
    limits: ClassVar[tuple[float, float]] = (1, 1000)
    in_pixels: ClassVar[bool] = True

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        reach, (height, width) = int(self.amount), images.shape[1:3]
        wide = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
        down, right = random.integers(0, 0, 2 * reach), random.integers(1, 0, 2 * reach)
        for target, source, top, left in zip(images, wide, down.tolist(), right.tolist(), strict=True):
            target[:] = source[top : top + height, left : left + width]
        return images

    def move(self, places: "Array", size: "Size", random: "ItemRandom") -> "Array":
        reach = int(self.amount)
        down, right = random.integers(0, 0, 2 * reach), random.integers(1, 0, 2 * reach)
        return _stretched(places, 1, 1, reach - right, reach - down)


class Flip(Augmentation):
    """Mirrored, left for right, every other time."""

    word: ClassVar[str] = "flip"
    about: ClassVar[str] = "left for right, every other time"

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        chosen = random.uniform(0) < 0.5
        images[chosen] = images[chosen, :, ::-1]
        return images

    def move(self, places: "Array", size: "Size", random: "ItemRandom") -> "Array":
        chosen, moved = random.uniform(0) < 0.5, places.copy()
        moved[chosen, :, 0] = size[1] - places[chosen, :, 0] - places[chosen, :, 2]
        return moved


class Rotate(Augmentation):
    """Turned about the middle by up to `amount` degrees either way."""

    amount: float = 10

    word: ClassVar[str] = "rotate"
    about: ClassVar[str] = "turned by up to N degrees either way (rotate:10)"
    limits: ClassVar[tuple[float, float]] = (0.1, 180)
    keeps_boxes: ClassVar[bool] = False

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        height, width = images.shape[1:3]
        angle = np.deg2rad((2 * random.uniform(0) - 1) * self.amount)[:, np.newaxis, np.newaxis]
        y, x = (np.arange(height) - (height - 1) / 2)[:, np.newaxis], np.arange(width) - (width - 1) / 2
        rows = np.cos(angle) * y - np.sin(angle) * x + (height - 1) / 2
        columns = np.sin(angle) * y + np.cos(angle) * x + (width - 1) / 2
        return sample(images, rows, columns)


class RandomCrop(Augmentation):
    """A part whose sides are `amount` to 1 of the picture's, from anywhere in it, enlarged to the whole."""

    amount: float = 0.8

    word: ClassVar[str] = "crop"
    about: ClassVar[str] = "a part with at least N of each side, enlarged (crop:0.8)"
    limits: ClassVar[tuple[float, float]] = (0.05, 1)
    is_share: ClassVar[bool] = True

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        part, places = self._part(random)[:, np.newaxis], []
        for axis, size in enumerate(images.shape[1:3]):
            start = self._start(axis, size, random)[:, np.newaxis]
            places.append(start + (np.arange(size) + 0.5) * part - 0.5)
        return sample(images, places[0][:, :, np.newaxis], places[1][:, np.newaxis])

    def move(self, places: "Array", size: "Size", random: "ItemRandom") -> "Array":
        factor = 1 / self._part(random)
        top, left = (self._start(axis, side, random) for axis, side in enumerate(size))
        return _stretched(places, factor, factor, -left * factor, -top * factor)

    def _part(self, random: "ItemRandom") -> "Array":
        """Return the share of each side that is seen, (N,)."""
        parts: Array = self.amount + (1 - self.amount) * random.uniform(0)
        return parts

    def _start(self, axis: int, size: int, random: "ItemRandom") -> "Array":
        """Return the place along an axis, in pixels, where the part begins, (N,)."""
        starts: Array = random.uniform(axis + 1) * (1 - self._part(random)) * size
        return starts


class Zoom(RandomCrop):
    """Enlarged or made smaller, by a factor from 1 / `amount` to `amount`, somewhere in the picture."""

    amount: float = 1.5

    word: ClassVar[str] = "zoom"
    about: ClassVar[str] = "up to N times larger or smaller (zoom:1.5)"
    limits: ClassVar[tuple[float, float]] = (1.01, 10)
    is_share: ClassVar[bool] = False

    def _part(self, random: "ItemRandom") -> "Array":
        parts: Array = self.amount ** (1 - 2 * random.uniform(0))
        return parts


class Cutout(Augmentation):
    """A square of `amount` pixels, anywhere, becomes the picture's mean colour (DeVries, Taylor, arXiv:1708.04552)."""

    amount: float = 8

    word: ClassVar[str] = "cutout"
    about: ClassVar[str] = "a square of N pixels hidden (cutout:8)"
    limits: ClassVar[tuple[float, float]] = (1, 1000)
    in_pixels: ClassVar[bool] = True

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        size, (count, height, width, channels) = int(self.amount), images.shape
        flat = images.reshape(count, height * width, channels).astype(np.float32)
        colours = as_stored(np.full(height * width, 1 / (height * width), np.float32) @ flat, images)
        # Its middle is in the picture, a part of it may be outside.
        tops, lefts = (random.integers(axis, 0, images.shape[axis + 1] - 1) - size // 2 for axis in (0, 1))
        for image, top, left, colour in zip(images, tops.tolist(), lefts.tolist(), colours, strict=True):
            image[max(0, top) : top + size, max(0, left) : left + size] = colour
        return images


def _stretched(places: "Array", across: Any, down: Any, right: Any, below: Any) -> "Array":
    """Return boxes (N, M, 4) scaled and then moved, by a number for each picture or for all."""
    count = len(places)
    factors, offsets = np.ones((count, 1, 4)), np.zeros((count, 1, 4))
    factors[..., ::2], factors[..., 1::2] = np.reshape(across, (-1, 1, 1)), np.reshape(down, (-1, 1, 1))
    offsets[..., 0], offsets[..., 1] = np.reshape(right, (-1, 1)), np.reshape(below, (-1, 1))
    moved: Array = places * factors + offsets
    return moved
