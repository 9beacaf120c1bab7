"""Augmentation: every epoch shows each picture a little differently.

Augmentations work on pictures as they are stored, before normalization. Beyond its border a picture repeats its nearest
pixel, so that pages and skies go on. Those of colour compute what torchvision's ColorJitter does, each picture with a
factor of its own; results are rounded, and cut to 0..255.

To add one, write a class with its `amount` and `change`, and enter it in `AUGMENTATIONS`.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy
from cnncli.values import Value

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
    from cnncli.data.pictures import Size
    from cnncli.data.randomness import ItemRandom
else:
    np = Lazy("numpy")


class Augmentation(Value):
    """A random change of pictures.

    Attributes:
        amount: its strength, in a unit of the class.
        word: its name on the command line.
        about: one line for people.
        limits: the least and the largest amount; (0, 0) where it takes none.
        in_pixels: whether amounts are whole pixels.
        is_share: whether the amount is a share, which may be written in percent.
        keeps_boxes: whether boxes around objects are upright boxes afterwards.
    """

    amount: float = 0.0

    word: ClassVar[str]
    about: ClassVar[str]
    limits: ClassVar[tuple[float, float]] = (0, 0)
    in_pixels: ClassVar[bool] = False
    is_share: ClassVar[bool] = False
    keeps_boxes: ClassVar[bool] = True

    def validate(self) -> None:
        low, high = self.limits
        if not low <= self.amount <= high:
            room = f"takes a number from {low:g} to {high:g}" if high else "takes no number"
            raise ArgumentError(f"augmentation {self.word} {room}, got {self.amount:g}")
        if self.in_pixels and self.amount != int(self.amount):
            raise ArgumentError(f"augmentation {self.word} takes whole pixels, got {self.amount:g}")

    def check(self, channels: int, *, has_scale: bool = True) -> None:
        """Check that it can change pictures with some channels, whose numbers may have no scale of 0 to 255.

        Raises:
            ArgumentError: it cannot.
        """

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        """Return changed pictures (N, H, W, C), of the same shape and dtype; the given ones may be written over."""
        raise NotImplementedError

    def move(self, places: "Array", size: "Size", random: "ItemRandom") -> "Array":
        """Return where boxes come to lie when `change` changes their pictures with the same random numbers.

        Args:
            places: (N, M, 4) of x, y, width, height in pixels.
            size: (H, W) of the pictures.
            random: as in `change`.
        """
        return places

    def __str__(self) -> str:
        return f"{self.word}:{self.amount:g}" if self.limits[1] else self.word


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
        colours = _as_stored(np.full(height * width, 1 / (height * width), np.float32) @ flat, images)
        # Its middle is in the picture, a part of it may be outside.
        tops, lefts = (random.integers(axis, 0, images.shape[axis + 1] - 1) - size // 2 for axis in (0, 1))
        for image, top, left, colour in zip(images, tops.tolist(), lefts.tolist(), colours, strict=True):
            image[max(0, top) : top + size, max(0, left) : left + size] = colour
        return images


class _Recolouring(Augmentation):
    """A change of colours by a random number of each picture."""

    limits: ClassVar[tuple[float, float]] = (0.01, 1)
    is_share: ClassVar[bool] = True
    needs_colour: ClassVar[bool] = False

    def check(self, channels: int, *, has_scale: bool = True) -> None:
        if self.needs_colour and channels != 3:
            found = "grey" if channels == 1 else f"of {channels} channels"
            raise ArgumentError(f"augmentation {self.word} changes colours, and the pictures are {found}: leave it out")
        if not has_scale:
            raise ArgumentError(
                f"augmentation {self.word} needs pixels from 0 to 255, and the data holds numbers of no known scale: "
                "leave it out"
            )

    def change(self, images: "Array", random: "ItemRandom") -> "Array":
        drawn = (self.amount * (2 * random.uniform(0) - 1)).astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
        block = max(1, _BLOCK // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), block):
            part = slice(start, start + block)
            numbers = self.recolour(images[part].astype(np.float32), drawn[part])
            images[part] = _as_stored(numbers.clip(0, 255), images)
        return images

    def recolour(self, pixels: "Array", drawn: "Array") -> "Array":
        """Return pixels (n, H, W, C), float32, changed, maybe in place, by numbers (n, 1, 1, 1) up to +-amount."""
        raise NotImplementedError


class Brightness(_Recolouring):
    """All pixels times a factor of 1 - `amount` to 1 + `amount`."""

    amount: float = 0.2

    word: ClassVar[str] = "brightness"
    about: ClassVar[str] = "up to N brighter or darker (brightness:20%)"

    def recolour(self, pixels: "Array", drawn: "Array") -> "Array":
        pixels *= 1 + drawn
        return pixels


class Contrast(_Recolouring):
    """The distance of all pixels from the picture's mean luma times a factor of 1 - `amount` to 1 + `amount`."""

    amount: float = 0.2

    word: ClassVar[str] = "contrast"
    about: ClassVar[str] = "up to N more or less contrast (contrast:20%)"

    def recolour(self, pixels: "Array", drawn: "Array") -> "Array":
        lumas = _lumas(pixels).reshape(len(pixels), -1)
        means = lumas.mean(axis=1, dtype=np.float64).astype(np.float32).reshape(drawn.shape)
        return _spread(pixels, means, 1 + drawn)


class Saturation(_Recolouring):
    """The distance of each pixel from its own luma times a factor of 1 - `amount` to 1 + `amount`."""

    amount: float = 0.2

    word: ClassVar[str] = "saturation"
    about: ClassVar[str] = "up to N more or less colour (saturation:20%)"
    needs_colour: ClassVar[bool] = True

    def recolour(self, pixels: "Array", drawn: "Array") -> "Array":
        return _spread(pixels, _lumas(pixels), 1 + drawn)


class Hue(_Recolouring):
    """The hue turned by up to `amount` of the colour circle either way; value and saturation of HSV stay."""

    amount: float = 0.05

    word: ClassVar[str] = "hue"
    about: ClassVar[str] = "hues turned by up to N of the colour circle (hue:5%)"
    limits: ClassVar[tuple[float, float]] = (0.01, 0.5)
    needs_colour: ClassVar[bool] = True

    def recolour(self, pixels: "Array", drawn: "Array") -> "Array":
        red, green, blue = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
        value = np.maximum(np.maximum(red, green), blue)
        spread = value - np.minimum(np.minimum(red, green), blue)
        apart = np.maximum(spread, np.float32(1e-6))
        # In sixths of the circle from red, by the largest channel (Smith 1978).
        is_red, is_green = value == red, value == green
        difference = np.where(is_red, green - blue, np.where(is_green, blue - red, red - green))
        first = np.where(is_red, 0, np.where(is_green, 2, 4)).astype(np.float32)
        sixth = difference / apart + first
        sixth += 6 * drawn[..., 0]
        turned = np.empty_like(pixels)
        for channel, start in enumerate((5, 3, 1)):
            away = sixth + (start - 2)
            away -= 6 * np.rint(away / 6)
            turned[..., channel] = value - spread * (2 - np.abs(away)).clip(0, 1)
        return turned


def _spread(pixels: "Array", middle: "Array", factor: "Array") -> "Array":
    """Multiply the distance of pixels from numbers in their middle, in place; at these, they stay to the last bit."""
    pixels -= middle
    pixels *= factor
    pixels += middle
    return pixels


def _lumas(pixels: "Array") -> "Array":
    """Return the luma (BT.601) of pixels (n, H, W, C) as (n, H, W, 1); of other than three channels, their mean."""
    if pixels.shape[-1] != 3:
        means: Array = pixels.mean(axis=-1, keepdims=True)
        return means
    red, green, blue = pixels[..., :1], pixels[..., 1:2], pixels[..., 2:]
    lumas: Array = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    return lumas


_KINDS = (Shift, Flip, Rotate, RandomCrop, Zoom, Cutout, Brightness, Contrast, Saturation, Hue)
AUGMENTATIONS: dict[str, type[Augmentation]] = {kind.word: kind for kind in _KINDS}

AUTO = "auto"
"""The word for augmentations that are chosen by the data: `cnncli.training.recipe` does."""

NONE = "none"
"""The word for no augmentations."""

_BLOCK = 1 << 14  # pixels changed at a time, which stay in the cache: three times as fast as all at once
_WORD = re.compile(r"([a-z]+)(?::?(\d+\.?\d*|\.\d+)(%?))?")


def parse_augmentations(text: str | Sequence[str]) -> tuple[Augmentation, ...]:
    """Parse augmentations as they are written on a command line: names, with or without an amount, or `none`.

    Raises:
        ArgumentError: an unknown name, an amount out of range, or the same twice.

    Example:
        >>> [str(each) for each in parse_augmentations("shift3,flip,rotate:15,contrast:30%")]
        ['shift:3', 'flip', 'rotate:15', 'contrast:0.3']
    """
    words = text.split(",") if isinstance(text, str) else [word for part in text for word in part.split(",")]
    if words == [NONE]:
        return ()
    found = tuple(_parse(word.strip()) for word in words if word.strip())
    names = [each.word for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"augmentation {twice[0]} is given twice")
    return found


def _parse(word: str) -> Augmentation:
    match = _WORD.fullmatch(word)
    if match is None or match[1] not in AUGMENTATIONS:
        hint = did_you_mean(match[1] if match else word, AUGMENTATIONS)
        raise ArgumentError(f"unknown augmentation {word!r}: {hint}")
    kind = AUGMENTATIONS[match[1]]
    if match[2] is None:
        return kind()
    if match[3] and not kind.is_share:
        raise ArgumentError(f"augmentation {kind.word} takes no percentage, got {word}")
    return kind(float(match[2]) / 100 if match[3] else float(match[2]))


def augment(
    images: "Array", augmentations: Sequence[Augmentation], *, seed: int, epoch: int, items: "Array"
) -> "Array":
    """Return pictures changed at random, one augmentation after the other.

    The random numbers belong to the items: an item of an epoch is changed in the same way in every batch and on every
    thread.

    Args:
        images: (N, H, W, C), uint8 or float32, before normalization; may be written over.
        augmentations: applied in order.
        seed: of the whole training.
        epoch: number of the epoch.
        items: (N,) numbers of these items in the training data.

    Example:
        >>> images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
        >>> changed = augment(images.copy(), parse_augmentations("flip"), seed=1, epoch=0, items=np.array([0, 1]))
        >>> changed.shape, sorted(changed.ravel().tolist())
        ((2, 2, 2, 1), [0, 1, 2, 3, 4, 5, 6, 7])
    """
    from cnncli.data.randomness import ItemRandom

    for augmentation in augmentations:
        images = augmentation.change(images, ItemRandom(seed, epoch, items, augmentation.word))
    return images


VISIBLE = 0.3
"""Share of a box that has to be left in the picture: with less of it, an object is neither found nor missed."""


def augment_boxes(
    labels: "Array", size: "Size", augmentations: Sequence[Augmentation], *, seed: int, epoch: int, items: "Array"
) -> "Array":
    """Return the boxes of pictures that `augment` changes, as they are afterwards, cut at the pictures' borders.

    Args:
        labels: (N, M, 5) as `BoxDataset.labels`: class, x, y, width, height.
        size: (H, W) of the pictures.
        augmentations: as in `augment`; each keeps boxes.
        seed: as in `augment`.
        epoch: as in `augment`.
        items: as in `augment`.

    Example:
        >>> labels = np.array([[[1, 0, 0, 2, 4]]] * 2, np.float32)
        >>> moved = augment_boxes(labels, (8, 8), parse_augmentations("flip"), seed=1, epoch=0, items=np.array([0, 1]))
        >>> sorted(moved[:, 0, 1].tolist())
        [0.0, 6.0]
    """
    from cnncli.data.boxes.boxes import CROWD, NO_BOX
    from cnncli.data.randomness import ItemRandom

    places = labels[..., 1:].astype(np.float64)
    for augmentation in augmentations:
        places = augmentation.move(places, size, ItemRandom(seed, epoch, items, augmentation.word))
    low = places[..., :2].clip(0, size[::-1])
    sides = (places[..., :2] + places[..., 2:]).clip(0, size[::-1]) - low
    left = sides.prod(axis=-1) / np.maximum(places[..., 2:].prod(axis=-1), 1e-9)
    classes = np.where((left < VISIBLE) & (labels[..., 0] >= 0), CROWD, labels[..., 0])
    classes = np.where(left > 0, classes, NO_BOX)
    return np.concatenate([classes[..., np.newaxis], low, sides], axis=-1).astype(labels.dtype)


def _stretched(places: "Array", across: Any, down: Any, right: Any, below: Any) -> "Array":
    """Return boxes (N, M, 4) scaled and then moved, by a number for each picture or for all."""
    count = len(places)
    factors, offsets = np.ones((count, 1, 4)), np.zeros((count, 1, 4))
    factors[..., ::2], factors[..., 1::2] = np.reshape(across, (-1, 1, 1)), np.reshape(down, (-1, 1, 1))
    offsets[..., 0], offsets[..., 1] = np.reshape(right, (-1, 1)), np.reshape(below, (-1, 1))
    moved: Array = places * factors + offsets
    return moved


def sample(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Return pictures whose pixels are taken from other places, bilinearly; beyond the border, from the nearest pixel.

    Rows and columns count from 0, fractions included, and broadcast to (N, H', W'); so do the pictures returned.
    """
    block = max(1, _BLOCK // (images.shape[1] * images.shape[2]))
    parts = [slice(start, start + block) for start in range(0, len(images), block)]
    sample_block = _sample_crossings if rows.shape[2] == columns.shape[1] == 1 else _sample_block
    sampled = [sample_block(images[part], rows[part], columns[part]) for part in parts]
    return np.concatenate([_as_stored(numbers, images) for numbers in sampled])


def _sample_block(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Sample a few pictures, in float32."""
    count, height, width, channels = images.shape
    pixels = images.reshape(-1, channels).astype(np.float32)
    (above, down, row), (left, right, column) = _split_places(rows, height), _split_places(columns, width)
    at = (np.arange(count)[:, np.newaxis, np.newaxis] * height + above) * width + left

    def between(places: "Array") -> "Array":
        first, second = pixels.take(places, axis=0), pixels.take(places + column, axis=0)
        return _mix(first, second, right)

    return _mix(between(at), between(at + row * width), down)


def _sample_crossings(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Do the same where rows and columns cross everywhere: to the last bit, in half the time.

    A row of the result is a mix of two long rows, and each of these is mixed once, not for every row that needs it.
    """
    count, height, width, channels = images.shape
    pixels, first_rows = images.reshape(-1, channels).astype(np.float32), np.arange(count)[:, np.newaxis] * height
    (above, down, row), (left, right, column) = _split_places(rows, height), _split_places(columns, width)
    at = np.arange(count * height).reshape(count, height, 1) * width + left
    first, second = (pixels.take(places, axis=0).reshape(count, height, -1) for places in (at, at + column))
    # Seen as single channels, the inner loops would be three numbers long.
    across = _mix(first, second, right.repeat(channels, axis=3).reshape(count, 1, -1)).reshape(count * height, -1)
    at = first_rows + above[:, :, 0]
    sampled = _mix(across.take(at, axis=0), across.take(at + row, axis=0), down[:, :, 0])
    return sampled.reshape(count, rows.shape[1], -1, channels)


def _split_places(places: "Array", size: int) -> "tuple[Array, Array, int]":
    """Return places along an axis as the pixel before, the fraction of the way to the next, and the step to that."""
    inside = places.astype(np.float32).clip(0, size - 1)
    before = np.minimum(inside.astype(np.intp), max(0, size - 2))
    return before, (inside - before).astype(np.float32)[..., np.newaxis], min(1, size - 1)


def _mix(first: "Array", second: "Array", part: "Array") -> "Array":
    """Go a fraction of the way from first to second, in place; so an even picture stays even to the last bit."""
    second -= first
    second *= part
    first += second
    return first


def _as_stored(numbers: "Array", like: "Array") -> "Array":
    return np.rint(numbers).astype(np.uint8) if like.dtype == np.uint8 else numbers.astype(like.dtype, copy=False)
