"""What every augmentation has."""

from typing import TYPE_CHECKING, ClassVar

from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy
from cnncli.values import Value

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
    from cnncli.data.randomness import ItemRandom
    from cnncli.data.resizing import Size
else:
    np = Lazy("numpy")

BLOCK = 1 << 14
"""Pixels changed at a time, which stay in the cache: three times as fast as all at once."""


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


def as_stored(numbers: "Array", like: "Array") -> "Array":
    """Return numbers in the type of pictures, rounded where those are bytes."""
    return np.rint(numbers).astype(np.uint8) if like.dtype == np.uint8 else numbers.astype(like.dtype, copy=False)
