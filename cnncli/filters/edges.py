"""`filter_image`, which gives an exact response, and `edge_picture`, which gives the picture of one."""

from typing import Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.filters.bands import ArrayRows, image_rows, whole
from cnncli.filters.chains import Chain
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.pictures import pictures
from cnncli.filters.rendering import OnePicture, Rendering
from cnncli.shapes import IntOrPair, Padding


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
