"""Canny's edge detector: thin edges; weak ones count where they are connected to strong ones.

J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986. The steps agree with scikit-image's `canny`
after its smoothing: Sobel gradient, non-maximum suppression with interpolation, hysteresis.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.convolution.separable import result_type
from cnncli.ops.loading import Scratch

NONE, WEAK, STRONG = 0, 1, 2
"""The labels of pixels."""

HALO = 2
"""Rows above and below a pixel on which its label depends."""

STRIP = 200_000  # pixels; measured: scratch stays in the cache, and the rows that two strips share are few

_PIXELS_A_STEP = 16_000  # labelling components takes at least 2 ns a pixel, a step of growing 20 us

_PIECE = 65_536  # pixels looked at together

_FEW = 1000  # pixels for which all directions at once are faster


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
    if min(image.shape[:2]) < 3:
        return np.zeros(image.shape, np.uint8)
    # The squares of what is compared with a threshold have to fit the type, whatever the unit of the pixels is.
    fitting = all(1e-15 <= threshold <= 1e15 for threshold in (low, high) if threshold)
    dtype = result_type(image.dtype) if fitting else np.dtype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _by_planes(
            image, lambda plane: _Thinning(plane.astype(dtype, order="C", copy=False), low, high).labels()
        )


def _by_planes(image: Array, function: Callable[[Array], Array]) -> Array:
    if image.ndim == 2:
        return function(image)
    return np.stack([function(plane) for plane in np.moveaxis(image, 2, 0)], axis=2)


class _Thinning:
    """The labels of one plane, strip by strip, so that what lies between stays in the cache.

    The rows of a strip follow each other in flat memory: every pass is one long one-dimensional call, and a neighbour
    is the same memory at another offset. What runs over the end of a row is put right, or never looked at.
    """

    def __init__(self, pixels: Array, low: float, high: float) -> None:
        height, width = pixels.shape
        self.pixels = pixels
        self.rows = max(1, min(height - 2, STRIP // width))
        self.scratch = Scratch(pixels.dtype, (self.rows + 2 * HALO) * width)
        # Squared magnitudes are compared. Where nothing changes, nothing is an edge.
        self.least = pixels.dtype.type(low * low or 1e-30)
        self.strong = pixels.dtype.type(high * high)
        # By twice "to the right while down" and "to the side rather than down".
        self.straight = np.array([width, -1, width, 1])
        self.diagonal = np.array([width - 1, width - 1, width + 1, width + 1])

    def labels(self) -> Array:
        """Return the labels (H, W)."""
        height, width = self.pixels.shape
        labels = np.zeros(self.pixels.shape, np.uint8)
        for top in range(1, height - 1, self.rows):
            bottom = min(top + self.rows, height - 1)
            out = labels[top:bottom]
            right, down, squares = self._gradient(top, bottom)
            is_candidate = out.reshape(-1).view(bool)
            start = HALO * width
            np.greater_equal(squares[start : start + out.size], self.least, out=is_candidate)
            out[:, 0] = out[:, -1] = NONE
            candidates = np.flatnonzero(is_candidate)
            out.reshape(-1)[candidates] = self._label_candidates(candidates + start, right, down, squares)
        return labels

    def _strip(self, top: int, bottom: int) -> Array:
        """Return the rows [top - HALO, bottom + HALO), with the outermost row repeated outside."""
        rows = self.pixels[max(top - HALO, 0) : bottom + HALO]
        above, below = max(HALO - top, 0), max(bottom + HALO - len(self.pixels), 0)
        return np.concatenate([rows[:1]] * above + [rows] + [rows[-1:]] * below) if above or below else rows

    def _gradient(self, top: int, bottom: int) -> tuple[Array, Array, Array]:
        """Return the gradient of a strip to the right and down, and its square.

        Differences come first, as in SciPy: they are exact between like pixels, so that what is equally high stays so.
        """
        strip = self._strip(top, bottom)
        width, pixels = strip.shape[1], strip.reshape(-1)
        right, down, steps, pairs = (
            self.scratch.plane(name)[: pixels.size] for name in ("right", "down", "steps", "pairs")
        )
        np.subtract(pixels[2:], pixels[:-2], out=steps[1:-1])
        np.add(steps[:-width], steps[width:], out=pairs[:-width])
        np.add(pairs[: -2 * width], pairs[width:-width], out=right[width:-width])
        np.subtract(pixels[2 * width :], pixels[: -2 * width], out=steps[width:-width])
        np.add(steps[:-1], steps[1:], out=pairs[:-1])
        np.add(pairs[:-2], pairs[1:-1], out=down[1:-1])
        squares = np.square(right, out=steps)
        squares += np.square(down, out=pairs)
        squares.reshape(strip.shape)[1:-1, [0, -1]] = np.transpose([_outermost(strip, side) for side in (0, -1)])
        return right, down, squares

    def _label_candidates(self, at: Array, right: Array, down: Array, squares: Array) -> Array:
        """Return the labels of the pixels at flat positions: `NONE` where the magnitude is larger beside them.

        A few percent of a photograph are candidates, at 9 ns each. Even where they are a third of all pixels, a pass
        over the strip that rules some of them out costs what it saves, and one that does all of this costs more.
        """
        g_x, g_y = _taken(right, at), _taken(down, at)
        rising = (g_x * g_y > 0).view(np.uint8)
        np.abs(g_x, out=g_x)
        np.abs(g_y, out=g_y)
        here = g_x * g_x + g_y * g_y
        is_strong = here >= self.strong
        np.sqrt(here, out=here)
        # Looked up: branches on what is as good as random would cost more than all else (np.where, selected pixels).
        case = (2 * rising + (g_x > g_y)).astype(np.intp)
        straight, diagonal = _taken(self.straight, case), _taken(self.diagonal, case)
        share = np.minimum(g_x, g_y) / np.maximum(g_x, g_y)
        rest = 1 - share
        kept = _between(squares, at + diagonal, at + straight, share, rest) <= here
        kept &= _between(squares, at - diagonal, at - straight, share, rest) <= here
        labels: Array = kept.view(np.uint8) + (kept & is_strong)
        return labels


def _outermost(strip: Array, side: int) -> Array:
    """Return the square of the gradient in the first or the last column (0 or -1), which is repeated outside."""
    edge, inner = strip[:, side], strip[:, -2 if side else 1]
    steps = inner - edge
    pairs = steps[:-1] + steps[1:]
    down, down_inner = edge[2:] - edge[:-2], inner[2:] - inner[:-2]
    squares: Array = np.square(pairs[:-1] + pairs[1:]) + np.square((down + down) + (down + down_inner))
    return squares


def _taken(array: Array, at: Array) -> Array:
    return array.take(at, mode="wrap")  # three quarters of the time with a check of bounds


def _between(squares: Array, diagonal: Array, straight: Array, share: Array, rest: Array) -> Array:
    """Return the magnitude interpolated between two neighbours of each pixel."""
    total, other = np.sqrt(_taken(squares, diagonal)), np.sqrt(_taken(squares, straight))
    total *= share
    other *= rest
    total += other
    return total


def connected(labels: Array, *, overwrite: bool = False) -> Array:
    """Return the strong pixels, and the weak ones that a path of weak pixels connects to them: hysteresis.

    Args:
        labels: those of a whole image, (H, W) or (H, W, C), as `thin` returns them. Paths go in all eight directions,
            in each channel by itself.
        overwrite: the memory of the labels may be used for the result, which saves a fifth of the time.

    Returns:
        A boolean array of the same shape.

    Example:
        >>> connected(np.array([[1, 0, 0, 1, 1], [0, 2, 0, 0, 0]], np.uint8)).astype(int).tolist()
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    """
    return _by_planes(labels if overwrite else labels.copy(), _connected)


def _connected(labels: Array) -> Array:
    framed = labels[[0, -1]].any() or labels[:, [0, -1]].any()
    return _grow(np.pad(labels, 1))[1:-1, 1:-1] if framed else _grow(np.ascontiguousarray(labels))


def _grow(labels: Array) -> Array:
    """Return the connected pixels of a plane, in its memory. The outermost have no label, so that no step leaves it.

    Strong pixels grow step by step: 10 to 20 ms for 16 megapixels of photographs, where labelling all components takes
    40 to 100. That is done when a path turns out so long that all its steps would cost more.
    """
    width = labels.shape[1]
    flat = labels.reshape(-1)
    steps = np.array([[down * width + right] for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right])
    pieces = range(0, flat.size, _PIECE)
    fresh = np.concatenate([np.flatnonzero(flat[start : start + _PIECE] == STRONG) + start for start in pieces])
    for _ in range(32 + flat.size // _PIXELS_A_STEP):
        if not len(fresh):
            edges: Array = np.equal(labels, STRONG, out=labels.view(bool))
            return edges
        if len(fresh) > _FEW:  # one direction after the other: each reaches a pixel but once
            pieces = range(0, len(fresh), _PIECE)
            fresh = np.concatenate(
                [_reach(flat, fresh[start : start + _PIECE] + step) for start in pieces for step in steps]
            )
        else:
            fresh = np.unique(_reach(flat, (fresh + steps).reshape(-1)))
    return _components_with_strong(labels)


def _reach(flat: Array, positions: Array) -> Array:
    """Make the weak ones among the pixels at these positions strong, and return their positions."""
    reached = positions.take(np.flatnonzero(flat.take(positions) == WEAK))
    flat[reached] = STRONG
    return reached


def _components_with_strong(labels: Array) -> Array:
    from scipy import ndimage

    components, count = ndimage.label(labels, np.ones((3, 3)))
    is_edge = np.zeros(count + 1, bool)
    is_edge[components[labels == STRONG]] = True
    edges: Array = is_edge[components]
    return edges
