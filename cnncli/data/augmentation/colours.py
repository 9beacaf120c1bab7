"""Augmentations of colours.

They compute what torchvision's ColorJitter does, each picture with a factor of its own; results are rounded, and cut to
0..255.
"""

from typing import TYPE_CHECKING, ClassVar

from cnncli.data.augmentation.base import BLOCK, Augmentation, as_stored
from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
    from cnncli.data.randomness import ItemRandom
else:
    np = Lazy("numpy")


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
        block = max(1, BLOCK // (images.shape[1] * images.shape[2]))
        for start in range(0, len(images), block):
            part = slice(start, start + block)
            numbers = self.recolour(images[part].astype(np.float32), drawn[part])
            images[part] = as_stored(numbers.clip(0, 255), images)
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
