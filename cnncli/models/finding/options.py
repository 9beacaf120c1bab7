"""How objects are looked for, in a module without NumPy for `--help`."""

from typing import TypedDict

from cnncli.choices import is_number
from cnncli.errors import ArgumentError
from cnncli.values import Value

MOST_SCALE = 16
"""The largest factor: at more, a window would show a few pixels, and a photograph take hours."""


class FindingFields(TypedDict, total=False):
    """The fields of `FindingOptions`, as keyword arguments."""

    threshold: float
    nms: float
    top: int
    scales: tuple[float, float] | None
    exact: bool
    background: str | None


class FindingOptions(Value):
    """Which boxes are given, and how a classifier slides.

    Attributes:
        threshold: the least score of a box, from 0 to 1.
        nms: of two boxes of a class whose IoU is above this, only the better one is given, from 0 to 1.
        top: the most boxes of a picture, the best ones.
        scales: the smallest and the largest factor by which a picture is resized before a classifier slides over it;
            None for the classifier's choice. At half the size, windows cover objects twice as large.
        exact: let a classifier see each window as a picture of its own, even where that takes much longer.
        background: the class of a classifier that makes no boxes; None for one called `background`, if there is one.

    Raises:
        ArgumentError: a number outside of its range.

    Example:
        >>> FindingOptions(threshold=1.5)
        Traceback (most recent call last):
        ...
        cnncli.errors.ArgumentError: threshold must be from 0 to 1, got 1.5
    """

    threshold: float = 0.5
    nms: float = 0.5
    top: int = 100
    scales: tuple[float, float] | None = None
    exact: bool = False
    background: str | None = None

    def validate(self) -> None:
        for name in ("threshold", "nms"):
            share = getattr(self, name)
            if not (is_number(share) and 0 <= share <= 1):
                raise ArgumentError(f"{name} must be from 0 to 1, got {share!r}")
        if not (is_number(self.top) and self.top >= 1 and self.top == int(self.top)):
            raise ArgumentError(f"top must be an integer from 1, got {self.top!r}")
        if self.scales is None:
            return
        scales = tuple(self.scales)
        if not (len(scales) == 2 and all(map(is_number, scales)) and 0 < scales[0] <= scales[1] <= MOST_SCALE):
            raise ArgumentError(
                f"scales must be two factors above 0 and up to {MOST_SCALE}, the smaller one first, got {self.scales!r}"
            )
        self.normalize(scales=scales)

    @property
    def of_sliding(self) -> tuple[str, ...]:
        """The names of the options given that only a classifier that slides has a use for."""
        given = {"scales": self.scales is not None, "exact": self.exact, "background": self.background is not None}
        return tuple(name for name, is_given in given.items() if is_given)


def parse_scales(text: str, name: str = "scales") -> tuple[float, float]:
    """Return the smallest and the largest scale, written as `0.5:2`, or as one number for both.

    Raises:
        ArgumentError: the text is anything else.

    Example:
        >>> parse_scales("0.5:2"), parse_scales("1")
        ((0.5, 2.0), (1.0, 1.0))
    """
    least, colon, most = text.partition(":")
    try:
        scales = float(least), float(most if colon else least)
    except ValueError:
        scales = (0.0, 0.0)
    if not (all(map(is_number, scales)) and 0 < scales[0] <= scales[1] <= MOST_SCALE):
        raise ArgumentError(
            f"{name} must be two factors up to {MOST_SCALE}, the smaller one first, such as 0.5:2, or one, got {text!r}"
        )
    return scales
