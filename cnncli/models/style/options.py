"""Options of a style transfer, in a module without NumPy for `--help`."""

import math
from collections.abc import Mapping
from typing import Any

from cnncli.choices import check_choice, is_number
from cnncli.errors import ArgumentError
from cnncli.values import Value

KEPT_COLORS = ("luminance", "matching")
"""Ways to keep the content's colours: the style in brightness alone; or styles that are first given these colours."""

UNITS = ("relative", "gatys")
"""What a weight multiplies: a cost as a share of that of no response at all, or the cost as its formula says."""

SIZE = 512
"""Longer side of a result, unless its content is smaller."""


class StyleOptions(Value):
    """Options of a style transfer.

    Attributes:
        size: longer side of the result in pixels; None for the content's, at most 512.
        style_size: longer side of the styles, which are never enlarged; None for that of the result.
        steps: evaluations of the gradient at each size.
        levels: number of sizes, each twice the one before; those below 64 pixels are left out.
        content: weight of each content layer by name; None for the model's default.
        style: weight of each style layer by name; None for the model's default.
        content_weight: weight of all content layers together.
        style_weight: weight of all style layers together.
        tv: weight of the total variation of pixels from 0 to 1.
        shares: weight of each style; None for all alike.
        keep_colors: a word of `KEPT_COLORS`; None for the styles' colours.
        units: a word of `UNITS`.
        seed: of the noise that a texture begins with, and of the weights of the network without a model.
        memory: bytes that the computation may take beside the weights; None for no limit.

    Raises:
        ArgumentError: a number out of range.

    Example:
        >>> StyleOptions(steps=20, style={"0": 1, "3": 3}).style
        {'0': 0.25, '3': 0.75}
    """

    size: int | None = None
    style_size: int | None = None
    steps: int = 60
    levels: int = 3
    content: Mapping[str, float] | None = None
    style: Mapping[str, float] | None = None
    content_weight: float = 1.0
    style_weight: float = 160.0
    tv: float = 0.1
    shares: tuple[float, ...] | None = None
    keep_colors: str | None = None
    units: str = "relative"
    seed: int = 0
    memory: int | None = None

    def validate(self) -> None:
        check_choice("keep_colors", self.keep_colors, (None, *KEPT_COLORS))
        check_choice("units", self.units, UNITS)
        for name in ("size", "style_size", "steps", "levels", "memory"):
            number: Any = getattr(self, name)
            if number is not None and (number != int(number) or number < 1):
                raise ArgumentError(f"{name} must be a whole number from 1, got {number}")
        for name in ("content_weight", "style_weight", "tv"):
            _check_weight(name, getattr(self, name))
        self.normalize(content=_shares(self.content, "content"), style=_shares(self.style, "style"))
        if self.shares is not None:
            numbers = _shares(dict(enumerate(self.shares)), "shares")
            self.normalize(shares=None if numbers is None else tuple(numbers.values()))


def _check_weight(name: str, weight: Any) -> None:
    if not is_number(weight) or weight < 0:
        raise ArgumentError(f"{name} must be a number from 0, got {weight}")


def _shares(weights: Mapping[Any, float] | None, name: str) -> dict[Any, float] | None:
    """Return weights that add up to 1."""
    if not weights:
        return None
    for key, weight in weights.items():
        _check_weight(f"the weight of {key} in {name}", weight)
    total = math.fsum(weights.values())
    if not total:
        raise ArgumentError(f"the weights in {name} are all 0: give one that is not")
    return {key: weight / total for key, weight in weights.items()}
