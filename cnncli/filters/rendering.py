"""Rendering: from signed numbers to a picture."""

from typing import Literal, NamedTuple, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType, as_numbers
from cnncli.choices import SCALES, SIGNED, check_choice
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain, Step
from cnncli.filters.statistics import Statistics, finite_range
from cnncli.values import Value

# Orange and blue, told apart by people of any colour vision (Okabe and Ito 2008).
POSITIVE_HUE = (0.9, 0.62, 0.0)
NEGATIVE_HUE = (0.0, 0.45, 0.9)

OnePicture = Literal["abs", "clip", "offset", "diverging"]
"""The ways to show negative numbers that make one picture; `split` makes two."""


class Rendering(Value):
    """Options of rendering a response as a picture. None is the choice of the filter, mostly `unit` and `abs`.

    Attributes:
        scale: `unit` (a full black-to-white step is full white, the same for every image), `none` (raw numbers,
            saturated), `auto` (stretched to this response's own range) or a factor.
        signed: `abs`, `clip` (negative becomes 0), `offset` (zero is mid-grey), `diverging` (positive orange, negative
            blue) or `split` (two pictures, positive and negative).
        threshold: a level (`64`) or a share of white (`25%`) from which on pixels are white, the others black.
    """

    scale: str | float | None = None
    signed: str | None = None
    threshold: str | float | None = None

    def validate(self) -> None:
        if self.scale not in (None, *SCALES) and (isinstance(self.scale, str) or not np.isfinite(self.scale)):
            raise ArgumentError(f"scale must be {', '.join(SCALES)} or a number, got {self.scale!r}")
        check_choice("signed", self.signed, (None, *SIGNED))
        self.level(1)

    def over(self, step: Step) -> "Rendering":
        """Return this rendering, with the choices of the last step of a chain where it leaves them open."""
        return self.replace(scale=step.scale if self.scale is None else self.scale, signed=self.signed or step.signed)

    def level(self, white: float) -> float | None:
        """Return the threshold in a picture whose white is `white`.

        Raises:
            ArgumentError: it is neither a level nor a share, negative, or more than 100%.

        Example:
            >>> Rendering(threshold="25%").level(255)
            63.75
        """
        if self.threshold is None:
            return None
        words = str(self.threshold).strip()
        relative = words.endswith("%")
        try:
            number = float(words.removesuffix("%"))
        except ValueError:
            number = -1
        if not 0 <= number < float("inf") or (relative and number > 100):
            raise ArgumentError(
                f"threshold must be a level such as 64 or a share of white such as 25%, got {self.threshold!r}"
            )
        return number / 100 * white if relative else number

    def renderers(
        self, *, full_step: float, white: float, dtype: npt.DTypeLike, extent: tuple[float, float] | None = None
    ) -> "list[Renderer]":
        """Return the renderers of one response: one, or two for `split`.

        Args:
            full_step: the response to a full black-to-white step.
            white: the input's white (255, 65535 or 1).
            dtype: of the picture, uint8 or uint16.
            extent: the response's (min, max), which `auto` needs.
        """
        signs = ((1, "-positive"), (-1, "-negative")) if self.signed == "split" else ((1, ""),)
        signed = "clip" if self.signed == "split" else self.signed or "abs"
        top = float(np.iinfo(np.dtype(dtype)).max)
        renderers = []
        for sign, suffix in signs:
            if self.scale == "auto":
                low, high = _stretched(signed, extent or (0.0, 0.0), sign)
            else:
                low, high = 0.0, self._span(full_step, white)
            # With `offset` the range covers both signs; a raw or given scale stays unchanged.
            if signed == "offset" and self.scale in (None, "unit", "auto"):
                high *= 2
            gain = top / (high - low) if high != low else 1.0
            shift = (top + 1) / 2 if signed == "offset" else -low * gain
            renderers.append(Renderer(gain * sign, shift, signed, np.dtype(dtype), self.level(top), suffix))
        return renderers

    def _span(self, full_step: float, white: float) -> float:
        """Return the response that becomes white."""
        if self.scale is None or self.scale == "unit":
            return full_step
        if self.scale == "none":
            return white
        return white / float(self.scale) if float(self.scale) else np.inf


def _stretched(signed: str, extent: tuple[float, float], sign: int) -> tuple[float, float]:
    """Return the responses that become black and white (for `offset`: mid-grey and white) over a whole range."""
    low, high = extent
    if low > high:  # nothing is finite
        low = high = 0.0
    if sign < 0:
        low, high = -high, -low
    if signed in ("abs", "clip") and low >= 0:
        return low, high
    return 0.0, max(high, 0.0) if signed == "clip" else max(abs(low), abs(high))


class Renderer(NamedTuple):
    """A function that renders bands of one response.

    Attributes:
        gain: levels per unit of the response.
        shift: added after the gain.
        signed: `abs`, `clip`, `offset` or `diverging`.
        dtype: of the picture.
        threshold: level from which on pixels are white, or None.
        suffix: `-positive` or `-negative` for the two files of `split`.
    """

    gain: float
    shift: float
    signed: str
    dtype: DType
    threshold: float | None = None
    suffix: str = ""

    @property
    def white(self) -> int:
        """The highest level."""
        return int(np.iinfo(self.dtype).max)

    def shape(self, response: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the picture of a response.

        Raises:
            ArgumentError: `diverging` for a response in colour.
        """
        if self.signed != "diverging":
            return response
        if len(response) == 3 and response[2] != 1:
            raise ArgumentError("signed 'diverging' makes its own colours: use it with color 'gray' or 'volume'")
        return (*response[:2], 3)

    def __call__(self, response: Array, statistics: "Statistics | None" = None, *, overwrite: bool = False) -> Array:
        """Return the picture of a band of the response, (H, W) or (H, W, C), in its memory where `overwrite` allows."""
        if statistics is not None:
            statistics.add(response)
        # NaN becomes black; infinity white or black.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._picture(response, statistics, overwrite)

    def _picture(self, response: Array, statistics: "Statistics | None", overwrite: bool) -> Array:
        levels = self._levels(response, overwrite)
        if statistics is not None:
            statistics.add_levels(levels, -0.5 if self.signed == "offset" else -self.white - 0.5, self.white + 0.5)
        if self.signed == "diverging":
            return self._diverging(levels)
        if self.threshold is not None:
            return np.where(levels >= self.threshold, self.white, 0).astype(self.dtype)
        np.rint(levels, out=levels)
        np.clip(levels, 0, self.white, out=levels)
        return levels.astype(self.dtype)

    def _levels(self, response: Array, overwrite: bool) -> Array:
        """Return levels before rounding and saturation, signed for `clip` and `diverging`."""
        narrow = response.dtype.itemsize <= 2 or response.dtype == np.float32
        limits = np.finfo(np.float32)
        fits = all(value == 0 or limits.tiny <= abs(value) <= limits.max for value in (self.gain, self.shift))
        kind = np.float32 if narrow and fits and self.dtype == np.uint8 else np.float64
        numbers = response.astype(kind, copy=False)
        own = overwrite or numbers is not response
        levels: Array = np.multiply(numbers, kind(self.gain), out=numbers if own else None)
        if self.signed == "abs":
            np.abs(levels, out=levels)
        if self.shift:
            np.add(levels, kind(self.shift), out=levels)
        return levels

    def _diverging(self, levels: Array) -> Array:
        levels = levels.reshape(self.shape(levels.shape)[:2])
        if self.threshold is not None:
            levels = np.where(np.abs(levels) >= self.threshold, np.sign(levels) * self.white, 0)
        positive, negative = (np.clip(part, 0, self.white)[:, :, None] for part in (levels, -levels))
        colours = positive * np.asarray(POSITIVE_HUE) + negative * np.asarray(NEGATIVE_HUE)
        picture: Array = np.rint(colours).astype(self.dtype)
        return picture


class RenderOptions(TypedDict, total=False):
    """The keyword arguments of `render` but `signed`, which decides the type of the result."""

    scale: str | float
    threshold: str | float | None
    filter: str | None
    white: float
    dtype: npt.DTypeLike


@overload
def render(response: npt.ArrayLike, *, signed: OnePicture = "abs", **options: Unpack[RenderOptions]) -> Array: ...
@overload
def render(
    response: npt.ArrayLike, *, signed: Literal["split"], **options: Unpack[RenderOptions]
) -> tuple[Array, Array]: ...
@overload
def render(
    response: npt.ArrayLike, *, signed: str, **options: Unpack[RenderOptions]
) -> Array | tuple[Array, Array]: ...
def render(
    response: npt.ArrayLike,
    *,
    scale: str | float = "unit",
    signed: str = "abs",
    threshold: str | float | None = None,
    filter: str | None = None,  # noqa: A002
    white: float = 255,
    dtype: npt.DTypeLike = np.uint8,
) -> Array | tuple[Array, Array]:
    """Return a picture of a response.

    Args:
        response: (H, W) or (H, W, C) signed numbers.
        scale: `unit` (a full black-to-white step is full white), `none` (raw numbers, saturated), `auto` (stretched to
            this response's own range) or a factor.
        signed: `abs`, `clip` (negative becomes 0), `offset` (zero is mid-grey), `diverging` (positive orange, negative
            blue) or `split` (two pictures, positive and negative).
        threshold: a level (`64`) or a share of white (`"25%"`) from which on pixels become white, the others black.
        filter: the name of the filter that the response comes from: scale `unit` divides by the sum of its positive
            weights, and by 1 without a name.
        white: the image's white: 255, 65535, or 1 for floating point.
        dtype: of the picture, uint8 or uint16.

    Returns:
        (H, W) or (H, W, 3) of `dtype`; a pair of these (positive, negative) for signed `split`.

    Raises:
        ArgumentError: an argument that cannot be used.

    Example:
        >>> render([[0, 1020, -1020, 510]], filter="sobel").tolist()
        [[0, 255, 255, 128]]
    """
    numbers = as_numbers(response, "a response")
    unit = Chain.of(filter).unit if filter else 1.0
    rendering = Rendering(scale, signed, threshold)
    renderers = rendering.renderers(full_step=unit * white, white=white, dtype=dtype, extent=finite_range(numbers))
    pictures = [renderer(numbers) for renderer in renderers]
    return pictures[0] if len(pictures) == 1 else (pictures[0], pictures[1])
