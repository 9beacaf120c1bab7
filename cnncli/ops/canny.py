"""Canny's edge detector: thin edges, of which the weak ones count where they are connected to strong ones.

J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986. The steps agree with scikit-image's `canny`
after its smoothing: Sobel gradient, non-maximum suppression with interpolation, hysteresis.
"""

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.convolution.lines import gaussian_line
from cnncli.ops.convolution.separable import Separable, correlate_separable, result_type

NONE, WEAK, STRONG = 0, 1, 2
"""The labels of pixels."""

HALO = 2
"""Rows above and below a pixel on which its label depends."""


def canny(x: npt.ArrayLike, sigma: float, low: float, high: float, *, padding_mode: str = "reflect") -> Array:
    """Return the edges of an image, each channel by itself.

    Args:
        x: (H, W) or (H, W, C).
        sigma: standard deviation of the Gaussian that smooths the image, in pixels; 0 for none.
        low: the least magnitude of an edge pixel; see `thin`.
        high: the magnitude that one pixel of every edge has; see `thin`.
        padding_mode: the pixels outside the image for the Gaussian; as in `conv2d`.

    Returns:
        A boolean array of the shape of `x`.

    Raises:
        ArgumentError: a negative threshold, `low` above `high`, or an unknown padding mode.

    Example:
        >>> square = np.pad(np.full((4, 4), 200), 2)
        >>> canny(square, 0.5, 100, 200).astype(int).tolist()[2]
        [0, 0, 1, 1, 1, 1, 0, 0]
    """
    image = as_numbers(x, "an image")
    if sigma > 0:
        line = gaussian_line(sigma)
        image = correlate_separable(image, Separable.of((line, line)), padding="same", padding_mode=padding_mode)
    return connected(thin(image, low, high))


def thin(pixels: npt.ArrayLike, low: float, high: float) -> Array:
    """Return which pixels are on the ridge of the gradient's magnitude, each channel by itself.

    The magnitude is sqrt(g_x^2 + g_y^2) with Sobel kernels that are not divided: 4 times the height of a step. A pixel
    is kept if its magnitude is at least `low` and no smaller than that before and behind it in the direction of the
    gradient, interpolated between two of its eight neighbours. The outermost pixels are never kept: what lies beyond
    them is unknown.

    Args:
        pixels: a smoothed image (H, W) or (H, W, C), or a band of its rows. Labels that are `HALO` or more rows away
            from a cut are those of the whole image.
        low: the least magnitude that is kept.
        high: the least magnitude of a strong pixel.

    Returns:
        uint8 of the shape of `pixels`: `NONE`, `WEAK` or `STRONG`.

    Raises:
        ArgumentError: a negative threshold, or `low` above `high`.

    Example:
        >>> thin([[0, 0, 3, 9, 9]] * 3, 4, 20).tolist()
        [[0, 0, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]]
    """
    if not 0 <= low <= high:
        raise ArgumentError(f"thresholds are 0 <= low <= high, got low {low} and high {high}")
    image = as_numbers(pixels, "an image")
    labels = np.zeros(image.shape, np.uint8)
    if min(image.shape[:2]) < 3:
        return labels
    for plane, out in zip(_planes(image), _planes(labels), strict=True):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            out[:] = _thin_plane(plane.astype(result_type(image.dtype), copy=False), low, high)
    return labels


def _planes(image: Array) -> list[Array]:
    return [image] if image.ndim == 2 else list(np.moveaxis(image, 2, 0))


def _thin_plane(pixels: Array, low: float, high: float) -> Array:
    down, right = _sobel(pixels)
    magnitude = np.sqrt(down * down + right * right)
    labels = np.zeros(magnitude.shape, np.uint8)
    candidates = (magnitude >= low) & (magnitude > 0)
    candidates[[0, -1]] = candidates[:, [0, -1]] = False
    at = np.flatnonzero(candidates)
    kept = at[_is_ridge(at, down.ravel(), right.ravel(), magnitude.ravel(), magnitude.shape[1])]
    labels.ravel()[kept] = np.where(magnitude.ravel()[kept] >= high, STRONG, WEAK)
    return labels


def _sobel(pixels: Array) -> tuple[Array, Array]:
    """Return the gradient downwards and to the right; the edge pixels are repeated outside."""
    padded = np.pad(pixels, 1, "edge")
    vertical, horizontal = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    down = vertical[:, :-2] + 2 * vertical[:, 1:-1] + vertical[:, 2:]
    right = horizontal[:-2] + 2 * horizontal[1:-1] + horizontal[2:]
    return down, right


def _is_ridge(at: Array, down: Array, right: Array, magnitude: Array, width: int) -> Array:
    """Return which of the pixels are no smaller than what lies before and behind them along the gradient."""
    g_down, g_right, here = down[at], right[at], magnitude[at]
    rising = (g_down > 0) == (g_right > 0)
    g_down, g_right = np.abs(g_down), np.abs(g_right)
    straight = np.where(g_down > g_right, width, 1)
    diagonal = np.where(rising, width + 1, np.where(g_down > g_right, width - 1, 1 - width))
    share = np.minimum(g_down, g_right) / np.maximum(g_down, g_right)
    kept = np.ones(at.shape, bool)
    for side in (1, -1):
        beside = magnitude[at + side * diagonal] * share + magnitude[at + side * straight] * (1 - share)
        kept &= beside <= here
    return kept


def connected(labels: Array) -> Array:
    """Return the strong pixels, and the weak ones that a path of weak pixels connects to them: hysteresis.

    Args:
        labels: those of a whole image, (H, W) or (H, W, C), as `thin` returns them. Paths go in all eight directions,
            in each channel by itself.

    Returns:
        A boolean array of the same shape.

    Example:
        >>> connected(np.array([[1, 0, 0, 1, 1], [0, 2, 0, 0, 0]])).astype(int).tolist()
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    """
    from scipy import ndimage

    edges = np.zeros(labels.shape, bool)
    for plane, out in zip(_planes(labels), _planes(edges), strict=True):
        parts, count = ndimage.label(plane, np.ones((3, 3)))
        is_edge = np.zeros(count + 1, bool)
        is_edge[parts[plane == STRONG]] = True
        out[:] = is_edge[parts]
    return edges
