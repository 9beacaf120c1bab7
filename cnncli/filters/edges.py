"""`filter_image`, which gives an exact response, and `edge_picture`, which gives the picture of one."""

from math import lcm
from typing import Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.filters.bands import ArrayRows, bands, image_rows, whole
from cnncli.filters.chains import Chain
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.responses import Response, white_level
from cnncli.filters.renderers import Renderer, coloured
from cnncli.filters.rendering import OnePicture, Rendering
from cnncli.filters.statistics import Statistics
from cnncli.shapes import IntOrPair, Padding


class EdgePicture:
    """The picture of a response, rendered on demand, by rows."""

    def __init__(self, response: Response, renderer: Renderer, statistics: Statistics | None = None) -> None:
        self.response = response
        self.renderer = renderer
        self.statistics = statistics
        self.shape = renderer.shape(response.shape)
        self.dtype = renderer.dtype

    @property
    def rows_together(self) -> int:
        """See `Response`."""
        return self.response.rows_together

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop) of the picture."""
        finished = self.response.finished_rows(
            start, stop, lambda piece: self.renderer(piece, self.statistics, overwrite=True)
        )
        return finished.reshape(-1, *self.shape[1:])


class AnglePicture(EdgePicture):
    """The picture of angles: the hue says which, and the magnitude how bright it is.

    Red is bright on the left, yellow-green bright above, cyan bright on the right, violet bright below: the hue circle
    from 0 degrees, as `hues` gives it.
    """

    def __init__(self, response: Response, magnitude: EdgePicture, statistics: Statistics | None) -> None:
        """Take the angles from a response, and their brightness from the picture of the magnitudes."""
        super().__init__(response, magnitude.renderer, statistics)
        self.magnitude = magnitude
        self.shape = coloured(response.shape, "direction 'angle'")

    @property
    def rows_together(self) -> int:
        return lcm(self.response.rows_together, self.magnitude.rows_together)

    def rows(self, start: int, stop: int) -> Array:
        angles = self.response.rows(start, stop)
        if self.statistics is not None:
            self.statistics.add(angles)
        picture = self.magnitude.rows(start, stop)
        return self.renderer.tinted(*(band.reshape(-1, self.shape[1]) for band in (picture, angles)))


def pictures(
    response: Response,
    chain: Chain,
    filtering: Filtering,
    rendering: Rendering = Rendering(),
    statistics: Statistics | None = None,
) -> list[EdgePicture]:
    """Return the picture of a response, or the two of `split`, in 16 bits for a 16-bit image and in 8 otherwise.

    Args:
        response: what to render.
        chain: the filter that it comes from, whose choices hold where the rendering leaves them open.
        filtering: the options that it comes from.
        rendering: options.
        statistics: gathers numbers for a report while bands are rendered.
    """
    dtype = np.dtype(np.uint16 if response.image.dtype == np.uint16 else np.uint8)
    if chain.is_angle:
        return [_angle_picture(response, chain, filtering, rendering, statistics)]
    white = white_level(response.image.dtype)
    if rendering.scale is None and chain.last.scale == "none":
        white = response.source.full_step  # in a chain, white is what was white before the last step
    if filtering.bias or filtering.activation in ("tanh", "sigmoid"):  # the numbers of a layer
        rendering = rendering.replace(scale=rendering.scale or "unit")
    rendering = rendering.over(chain)
    channels = response.image.shape[2] if len(response.image.shape) == 3 else 1
    renderers = rendering.renderers(
        full_step=response.full_step,
        white=white,
        dtype=dtype,
        edge=white * chain.edge(filtering, channels) if rendering.scale == "soft" else None,
        extent=rendering.extent(lambda: (band for _, band in bands(response)), response.dtype),
        never_negative=response.never_negative,
    )
    return [EdgePicture(response, renderer, statistics) for renderer in renderers]


def _angle_picture(
    response: Response, chain: Chain, filtering: Filtering, rendering: Rendering, statistics: Statistics | None
) -> EdgePicture:
    """Return the picture of angles: in hues, or for `offset` in greys, of which the middle one is 0."""
    if rendering.signed == "offset":
        top = 65535.0 if response.image.dtype == np.uint16 else 255.0
        dtype = np.dtype(np.uint16 if top > 255 else np.uint8)
        gain, threshold = top / (2 * np.pi), rendering.level(top)
        return EdgePicture(
            response, Renderer(gain, top / 2, "offset", dtype, threshold, inverted=rendering.invert), statistics
        )
    coloured(response.shape, "direction 'angle'")
    length = chain.directed("magnitude")
    (magnitude,) = pictures(length.over(response.image, filtering), length, filtering, rendering.replace(signed="abs"))
    return AnglePicture(response, magnitude, statistics)


class FilterOptions(TypedDict, total=False):
    """The fields of `Filtering` as keyword arguments."""

    stride: IntOrPair
    padding: Padding
    padding_mode: str | None
    dilation: IntOrPair
    color: str | None
    on: str | None
    bias: float
    activation: str | None
    flip: bool


def filter_image(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    *,
    direction: str | None = None,
    **filtering: Unpack[FilterOptions],
) -> Array:
    """Return the exact, signed response of an image to a filter.

    Args:
        image: (H, W) grey or (H, W, C) in colour.
        filter: a word of `FILTERS` such as `sobel` or `gaussian:2`, or several in a row, `gaussian:1.4 sobel`, each
            applied to the result of the one before; or a kernel (f_h, f_w) or, for color `volume`, (f_h, f_w, C).
        direction: for a last word with two kernels: `vertical`, `horizontal`, `magnitude` (sqrt(g_x^2 + g_y^2), what it
            gives unless told) or `angle` (atan2(g_y, g_x) in radians).
        **filtering: the fields of `Filtering`, with their defaults; in a chain, the last word gets stride, dilation,
            bias, activation, flip, and padding in pixels:

            - stride (1): pixels between positions, an int or a (vertical, horizontal) pair.
            - padding ("same"): as in `conv2d`; `same` keeps the size.
            - padding_mode (None): the pixels outside the image, as in `conv2d`; `reflect` unless given.
            - dilation (1): pixels between the kernel's taps, an int or a pair.
            - color (None): `gray` (BT.601 luma), `each` (every channel by itself) or `volume` (one kernel a channel,
              summed); unless given, what suits the filter: `each` for blurs and the like, otherwise `gray`.
            - on (None): the only channel that is kept, `red`, `green` or `blue`, which implies color `volume`.
            - bias (0): added to the response; activation (None): applied then, `relu`, `tanh` or `sigmoid`.
            - flip (False): turn the kernel by 180 degrees: convolution as mathematics defines it.

    Returns:
        (H_out, W_out), or (H_out, W_out, C) for color `each`: integers, exact, for integer images and kernels; the
        image's own type for rank filters; uint8, 0 and 1, for `canny` and `threshold`; otherwise floating point.

    Raises:
        ArgumentError: an argument that cannot be used, or an image smaller than the kernel.

    Example:
        >>> filter_image([[10, 10, 10, 0, 0, 0]] * 6, "vertical", padding="valid")[0].tolist()
        [0, 30, 30, 0]
    """
    response = Chain.of(filter, direction).over(as_rows(image), Filtering(**filtering))
    return response.rows(0, response.shape[0])


class PictureOptions(FilterOptions, total=False):
    """The keyword arguments of `edge_picture` but `signed`, which decides the type of the result."""

    direction: str | None
    scale: str | float | None
    threshold: str | float | None
    invert: bool


@overload
def edge_picture(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,
    *,
    signed: OnePicture | None = None,
    **options: Unpack[PictureOptions],
) -> Array: ...
@overload
def edge_picture(
    image: npt.ArrayLike, filter: str | npt.ArrayLike, *, signed: Literal["split"], **options: Unpack[PictureOptions]
) -> tuple[Array, Array]: ...
@overload
def edge_picture(
    image: npt.ArrayLike, filter: str | npt.ArrayLike, *, signed: str | None, **options: Unpack[PictureOptions]
) -> Array | tuple[Array, Array]: ...
def edge_picture(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    *,
    direction: str | None = None,
    scale: str | float | None = None,
    signed: str | None = None,
    threshold: str | float | None = None,
    invert: bool = False,
    **filtering: Unpack[FilterOptions],
) -> Array | tuple[Array, Array]:
    """Filter an image and render the response, as `cnncli edge` does: band by band, without holding the response.

    Args:
        image: as in `filter_image`.
        filter: as in `filter_image`.
        direction: as in `filter_image`.
        scale: as in `render`; the filter's own unless given.
        signed: as in `render`; the filter's own unless given.
        threshold: as in `render`; with the filter's own scale, 100% is the response to a full step.
        invert: as in `render`.
        **filtering: as in `filter_image`.

    Returns:
        uint8, or uint16 for a uint16 image: (H_out, W_out), or with a last axis of colours. A pair of these for signed
        `split`.

    Raises:
        ArgumentError: as `filter_image`.

    Example:
        >>> edge_picture([[255, 255, 255, 0, 0, 0]] * 6, "vertical", padding="valid")[0].tolist()
        [0, 255, 255, 0]
    """
    chain, options = Chain.of(filter, direction), Filtering(**filtering)
    response = chain.over(as_rows(image), options)
    wholes = [
        picture.rows(0, picture.shape[0]) if response.finished_in_pieces else whole(picture)
        for picture in pictures(response, chain, options, Rendering(scale, signed, threshold, invert))
    ]
    return wholes[0] if len(wholes) == 1 else (wholes[0], wholes[1])


def as_rows(image: npt.ArrayLike) -> ArrayRows:
    """Return the rows of an image (H, W) or (H, W, C); booleans become 0 and 255.

    Raises:
        ArgumentError: it is not an image.
    """
    rows = image_rows(image)
    return ArrayRows(rows.array * np.uint8(255)) if rows.dtype.kind == "b" else rows
