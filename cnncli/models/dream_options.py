"""The options of dreaming, in a module without NumPy for `--help`."""

from typing import TypedDict

from cnncli.choices import is_number
from cnncli.errors import ArgumentError
from cnncli.values import Value

Size = tuple[int, int]


class DreamFields(TypedDict, total=False):
    """The fields of `DreamOptions`, as keyword arguments."""

    size: int | Size | None
    steps: int
    seed: int
    rate: float
    decay: float
    blur: float
    jitter: float


class DreamOptions(Value):
    """How a picture is made that a unit answers to.

    Attributes:
        size: the size of the picture, or (height, width); None for that of the network's input, or for a unit that sees
            less, a little more than that.
        steps: steps of gradient ascent.
        seed: of the noise that it begins with, and of the jitter.
        rate: the root mean square of a step, in standard deviations of the pictures that the model was trained on.
        decay: the share by which each step draws pixels to the mean picture (L2 decay).
        blur: the standard deviation of the Gaussian blur of every fourth step, in pixels.
        jitter: the largest shift of the picture before each step, as a share of its size.

    Raises:
        ArgumentError: a number outside of its range.
    """

    size: int | Size | None = None
    steps: int = 160
    seed: int = 0
    rate: float = 0.05
    decay: float = 0.05
    blur: float = 0.3
    jitter: float = 0.06

    def validate(self) -> None:
        for name, least in (("steps", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (is_number(value) and value >= least and value == int(value)):
                raise ArgumentError(f"{name} must be an integer from {least}, got {value!r}")
        for name, most in (("rate", None), ("decay", 1), ("blur", None), ("jitter", 0.5)):
            value = getattr(self, name)
            if not (is_number(value) and value >= 0 and (most is None or value <= most)):
                raise ArgumentError(f"{name} must be from 0{f' to {most:g}' if most else ''}, got {value!r}")
        if self.size is not None:
            pair = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
            if len(pair) != 2 or not all(isinstance(side, int) and side >= 1 for side in pair):
                raise ArgumentError(f"size must be a positive integer or two of them, got {self.size!r}")
            self.normalize(size=pair)
