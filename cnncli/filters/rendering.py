"""Rendering: from signed numbers to a picture."""

from collections.abc import Callable, Iterable
from typing import Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType, as_numbers
from cnncli.choices import SCALE_FORMS, SCALES, SIGNED, check_choice, is_number, percentile
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain
from cnncli.filters.renderers import Renderer
from cnncli.filters.statistics import finite_range, percentile_of
from cnncli.values import Value

OnePicture = Literal["abs", "clip", "offset", "diverging"]
"""The ways to show negative numbers that make one picture; `split` makes two."""


class Rendering(Value):
    """Options of rendering a response as a picture. None is the choice of the filter.

    Attributes:
        scale: `soft` (a full black-to-white edge is white, a tenth of it mid-grey, the same for every image), `unit`
            (in proportion: a full black-to-white step is white), `none` (raw numbers, saturated), `auto` (stretched to
            this response's own range), `p99` (the 99th percentile of its magnitudes is white) or a factor.
        signed: `abs`, `clip` (negative becomes 0), `offset` (zero is mid-grey), `diverging` (positive orange, negative
            blue) or `split` (two pictures, positive and negative).
        threshold: a level (`64`) or a share of white (`25%`) from which on pixels are white, the others black.
        invert: whether white becomes black and black white, as dark lines on paper; hues keep their meaning.
    """

    scale: str | float | None = None
    signed: str | None = None
    threshold: str | float | None = None
    invert: bool = False

    def validate(self) -> None:
        if not (self.scale is None or self.scale in SCALES or percentile(self.scale) or is_number(self.scale)):
            raise ArgumentError(f"scale must be {SCALE_FORMS}, got {self.scale!r}")
        check_choice("signed", self.signed, (None, *SIGNED))
        self.level(1)

    def over(self, chain: Chain) -> "Rendering":
        """Return this rendering, with the choices of a filter where it leaves them open."""
        scale = chain.scale if self.scale is None else self.scale
        if self.scale is None and scale == "soft" and self.threshold is not None:
            scale = "unit"  # black and white need no brightening, and shares are those of a full step
        return self.replace(scale=scale, signed=self.signed or chain.last.look.signed)

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

    def extent(self, bands: Callable[[], Iterable[Array]], dtype: DType) -> tuple[float, float] | None:
        """Return the responses that become black and white where these depend on the response itself, else None.

        Args:
            bands: gives all bands of the response, each time that it is called.
            dtype: of the response.
        """
        if self.scale == "auto":
            ends = [finite_range(band) for band in bands()]
            return min(low for low, _ in ends), max(high for _, high in ends)
        if share := percentile(self.scale):
            most = percentile_of(bands, share, dtype) or percentile_of(bands, 100, dtype)
            return -most, most
        return None

    def renderers(
        self,
        *,
        full_step: float,
        white: float,
        dtype: npt.DTypeLike,
        edge: float | None = None,
        extent: tuple[float, float] | None = None,
        never_negative: bool = False,
    ) -> list[Renderer]:
        """Return the renderers of one response: one, or two for `split`.

        Args:
            full_step: the response to a full black-to-white step.
            white: the input's white (255, 65535 or 1).
            dtype: of the picture, uint8 or uint16.
            edge: the response to a full straight edge, which is white on scale `soft`; `full_step` by default.
            extent: the responses that `auto` and percentiles stretch, (min, max).
            never_negative: whether no number of the response is below 0.
        """
        signs = ((1, "-positive"), (-1, "-negative")) if self.signed == "split" else ((1, ""),)
        signed = "clip" if self.signed == "split" else self.signed or "abs"
        top = float(np.iinfo(np.dtype(dtype)).max)
        # With `offset` the range covers both signs; a raw or given scale stays unchanged.
        half = signed == "offset" and (self.scale is None or (isinstance(self.scale, str) and self.scale != "none"))
        renderers = []
        for sign, suffix in signs:
            if extent is not None:
                low, high = _stretched(signed, extent, sign)
            else:
                low, high = 0.0, self._span(full_step, white, edge)
            gain = top / ((high - low) * (1 + half)) if high != low else 1.0
            shift = (top + 1) / 2 if signed == "offset" else -low * gain
            renderers.append(
                Renderer(
                    gain * sign,
                    shift,
                    signed,
                    np.dtype(dtype),
                    self.level(top),
                    suffix,
                    top / (1 + half) if self.scale == "soft" else None,
                    self.invert,
                    never_negative,
                )
            )
        return renderers

    def _span(self, full_step: float, white: float, edge: float | None) -> float:
        """Return the response that becomes white."""
        if self.scale == "soft" and edge:
            return edge
        if self.scale in (None, "soft", "unit"):
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


class RenderOptions(TypedDict, total=False):
    """The keyword arguments of `render` but `signed`, which decides the type of the result."""

    scale: str | float
    threshold: str | float | None
    invert: bool
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
    invert: bool = False,
    filter: str | None = None,  # noqa: A002
    white: float = 255,
    dtype: npt.DTypeLike = np.uint8,
) -> Array | tuple[Array, Array]:
    """Return a picture of a response.

    Args:
        response: (H, W) or (H, W, C) signed numbers.
        scale: `unit` (a full black-to-white step is full white), `soft` (a full edge is white, a tenth of it mid-grey:
            what `edge` writes), `none` (raw numbers, saturated), `auto` (stretched to this response's own range), `p99`
            (the 99th percentile of its magnitudes is white) or a factor.
        signed: `abs`, `clip` (negative becomes 0), `offset` (zero is mid-grey), `diverging` (positive orange, negative
            blue) or `split` (two pictures, positive and negative).
        threshold: a level (`64`) or a share of white (`"25%"`) from which on pixels become white, the others black.
        invert: turn white into black and black into white; hues keep their meaning.
        filter: the filter that the response comes from, as in `filter_image`: `unit` divides by the sum of its positive
            weights, `soft` by its response to an edge, and both by 1 without a name.
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
    if numbers.ndim not in (2, 3) or numbers.size == 0:
        raise ArgumentError(f"a response has the shape (H, W) or (H, W, C), got {numbers.shape}")
    if not is_number(white) or white <= 0:
        raise ArgumentError(f"white must be a number above 0, got {white!r}")
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ArgumentError(f"dtype must be uint8 or uint16, got {dtype!r}")
    chain = Chain.of(filter) if filter is not None else None
    rendering = Rendering(scale, signed, threshold, invert)
    renderers = rendering.renderers(
        full_step=(chain.unit if chain else 1) * white,
        white=white,
        dtype=dtype,
        edge=(chain.edge() if chain and scale == "soft" else 1) * white,
        extent=rendering.extent(lambda: [numbers], numbers.dtype),
    )
    pictures = [renderer(numbers) for renderer in renderers]
    return pictures[0] if len(pictures) == 1 else (pictures[0], pictures[1])
