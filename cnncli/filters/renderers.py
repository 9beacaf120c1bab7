"""Renderers: functions from bands of a response to bands of a picture."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError
from cnncli.filters.statistics import Statistics

# Orange and blue, told apart by people of any colour vision (Okabe and Ito 2008).
POSITIVE_HUE = (0.9, 0.62, 0.0)
NEGATIVE_HUE = (0.0, 0.45, 0.9)

SOFTNESS = 8
"""The curve of scale `soft` is (1 + s) r / (1 + s r), which makes white of 1 and mid-grey of 1 / (s + 2), a tenth."""


class Renderer(NamedTuple):
    """A function that renders bands of one response.

    Attributes:
        gain: levels per unit of the response.
        shift: added after the gain.
        signed: `abs`, `clip`, `offset` or `diverging`.
        dtype: of the picture.
        threshold: level from which on pixels are white, or None.
        suffix: `-positive` or `-negative` for the two files of `split`.
        soft: the level that scale `soft` leaves as it is, and below which it brightens; None for levels as they are.
        inverted: white becomes black.
        never_negative: no number of the response is below 0.
    """

    gain: float
    shift: float
    signed: str
    dtype: DType
    threshold: float | None = None
    suffix: str = ""
    soft: float | None = None
    inverted: bool = False
    never_negative: bool = False

    @property
    def white(self) -> int:
        """The highest level."""
        return int(np.iinfo(self.dtype).max)

    def shape(self, response: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the picture of a response.

        Raises:
            ArgumentError: `diverging` for a response in colour.
        """
        return coloured(response, "signed 'diverging'") if self.signed == "diverging" else response

    def __call__(self, response: Array, statistics: Statistics | None = None, *, overwrite: bool = False) -> Array:
        """Return the picture of a band of the response, (H, W) or (H, W, C), in its memory where `overwrite` allows."""
        if statistics is not None:
            statistics.add(response)
        # NaN becomes black; infinity white or black.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._picture(response, statistics, overwrite)

    def _picture(self, response: Array, statistics: Statistics | None, overwrite: bool) -> Array:
        levels = self._levels(response, overwrite)
        if statistics is not None:
            lowest, highest = (0 if self.signed == "offset" else -self.white), self.white
            statistics.add_levels(levels, lowest - 0.5 + self._half, highest + 0.5 + self._half)
        picture = self._diverging(levels) if self.signed == "diverging" else self._rounded(levels)
        return np.invert(picture, out=picture) if self.inverted else picture

    def _rounded(self, levels: Array) -> Array:
        if self.threshold is not None:
            return np.where(levels >= self.threshold, self.white, 0).astype(self.dtype)
        if self._half:  # levels are below 9/8 of white: 16 bits hold them, and take half the time of the way below
            return np.clip(whole := levels.astype(np.int16), 0, self.white, out=whole).astype(self.dtype)
        np.rint(levels, out=levels)
        np.clip(levels, 0, self.white, out=levels)
        return levels.astype(self.dtype)

    def _levels(self, response: Array, overwrite: bool) -> Array:
        """Return levels before rounding and saturation, signed for `clip` and `diverging`."""
        kind = self._kind(response.dtype)
        numbers = response.astype(kind, copy=False)
        own = overwrite or numbers is not response
        if self.soft is not None:
            levels = self._softened(numbers, own)
        else:
            scaled = own and kind(self.gain) == 1
            levels = numbers if scaled else np.multiply(numbers, kind(self.gain), out=numbers if own else None)
            if self.signed == "abs" and not self.never_negative:
                np.abs(levels, out=levels)
        if self.shift:
            np.add(levels, kind(self.shift), out=levels)
        return levels

    def _kind(self, dtype: DType) -> type[np.float32] | type[np.float64]:
        """Return the type to compute levels in."""
        narrow = dtype.itemsize <= 2 or dtype == np.float32
        limits = np.finfo(np.float32)
        constants = (self.gain, self.shift, *(self._curve if self.soft else ()))
        fits = all(value == 0 or limits.tiny <= abs(value) <= limits.max for value in constants)
        return np.float32 if narrow and fits and self.dtype == np.uint8 else np.float64

    @property
    def _half(self) -> float:
        """Half a level, where levels are rounded by adding it and cutting off: in one pass less."""
        plain = self.soft is not None and self.threshold is None and self.dtype == np.uint8
        return 0.5 if plain and self.signed == "abs" else 0.0

    @property
    def _curve(self) -> tuple[float, float, float]:
        """The constants (k, c, c k) of the curve c - c k / (|response| + k), which is that of scale `soft`.

        For r, the response as a share of a full edge: (1 + s) r / (1 + s r) = c - c k / (r + k), k = 1 / s, c = 1 + k.
        """
        assert self.soft is not None
        knee, limit = self.soft / SOFTNESS / abs(self.gain), self.soft * (1 + 1 / SOFTNESS)
        return knee, limit, limit * knee

    def _softened(self, numbers: Array, own: bool) -> Array:
        """Return levels on the curve of scale `soft`, with the signs of the numbers: in three passes."""
        kind = numbers.dtype.type
        knee, limit, product = self._curve
        unsigned = self.never_negative
        sizes = numbers if unsigned else np.abs(numbers, out=numbers if own and self.signed == "abs" else None)
        levels: Array = np.add(sizes, kind(knee), out=sizes if own or sizes is not numbers else None)
        np.divide(kind(-product), levels, out=levels)
        np.add(levels, kind(limit + self._half), out=levels)
        if unsigned and self.gain < 0:
            np.negative(levels, out=levels)
        elif not unsigned and self.signed != "abs":
            np.copysign(levels, numbers if self.gain > 0 else -numbers, out=levels)
        return levels

    def _diverging(self, levels: Array) -> Array:
        levels = levels.reshape(self.shape(levels.shape)[:2])
        if self.threshold is not None:
            levels = np.where(np.abs(levels) >= self.threshold, np.sign(levels) * self.white, 0)
        positive, negative = (np.clip(part, 0, self.white)[:, :, None] for part in (levels, -levels))
        colours = positive * self._light(POSITIVE_HUE) + negative * self._light(NEGATIVE_HUE)
        picture: Array = np.rint(colours).astype(self.dtype)
        return picture

    def tinted(self, picture: Array, angles: Array) -> Array:
        """Return a picture (H, W) in the hues of angles (H, W): black, or white if inverted, stays as it is."""
        levels = np.invert(picture) if self.inverted else picture
        with np.errstate(invalid="ignore"):  # NaN becomes black
            colours: Array = np.rint(levels[:, :, None] * self._light(hues(angles))).astype(self.dtype)
        return np.invert(colours, out=colours) if self.inverted else colours

    def _light(self, hue: npt.ArrayLike) -> Array:
        """Return the red, green and blue of a hue; what it lacks of white if the picture is inverted afterwards."""
        return 1 - np.asarray(hue) if self.inverted else np.asarray(hue)


def coloured(response: tuple[int, ...], cause: str) -> tuple[int, ...]:
    """Return the shape of a response's picture in colours that have a meaning.

    Raises:
        ArgumentError: the response has colours of its own.
    """
    if len(response) == 3 and response[2] != 1:
        raise ArgumentError(f"{cause} makes its own colours: use it with color 'gray' or 'volume'")
    return (*response[:2], 3)


def hues(angles: Array) -> Array:
    """Return the hue of each angle in radians, (H, W) to (H, W, 3), from 0 to 1: red at 0, yellow at 60 degrees, ...

    Example:
        >>> hues(np.radians([[0, 60, 120, 180, -120, -60]]))[0].round(9).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]
    """
    sixths = angles * angles.dtype.type(3 / np.pi)
    apart = [np.abs((sixths - middle + 3) % 6 - 3) for middle in (0, 2, -2)]
    found: Array = np.clip(2 - np.stack(apart, axis=-1), 0, 1)
    return found
