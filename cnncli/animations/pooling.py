"""Animations of pooling: the window of each position, and the number that it becomes."""

import numpy.typing as npt

from cnncli.animations.filtering import padded_planes
from cnncli.animations.frames import Animation, Frame, Kind, check_size
from cnncli.animations.sizes import places_of, settings, size_formula
from cnncli.errors import ArgumentError
from cnncli.filters.bands import image_rows
from cnncli.filters.explaining.pooling import explain_pooled
from cnncli.filters.explaining.terms import PooledWindow
from cnncli.filters.pools import Pooled, Pooling
from cnncli.shapes import IntOrPair, Padding, Window

WORDS = {"max": "Max pooling", "avg": "Average pooling", "min": "Min pooling"}


def animate_pool(
    image: npt.ArrayLike,
    kernel_size: IntOrPair | None = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    mode: str = "max",
    ceil_mode: bool = False,
) -> Animation:
    """Return the animation of a small image under a pooling window, as `cnncli animate pool` shows it.

    Args:
        image: (H, W), at most `LARGEST_SIDE` rows and columns with the padding.
        kernel_size: as in `pool_image`.
        stride: as in `pool_image`.
        padding: as in `pool_image`.
        mode: as in `pool_image`.
        ceil_mode: as in `pool_image`.

    Raises:
        ArgumentError: as `pool_image`; or the image has several channels, or is too large.

    Example:
        >>> shown = animate_pool([[1, 3, 2, 1], [2, 9, 1, 1]])
        >>> [(frame.value, frame.chosen, *frame.steps) for frame in shown.frames]
        [(9, (3,), 'max(1, 3, 2, 9) = 9'), (2, (0,), 'max(2, 1, 1, 1) = 2')]
    """
    pooled = Pooled(image_rows(image), Pooling(kernel_size, stride, padding, mode, ceil_mode))
    if len(pooled.shape) > 2:
        raise ArgumentError(f"the image has {pooled.shape[2]} channels, and pooling is shown on one: take one of them")
    window = pooled.window
    check_size(window)
    (height, width), (down, across) = window.kernel_size, window.output_size
    planes, kinds = padded_planes(pooled.image, window, None)
    return Animation(
        f"{WORDS[mode]} {height}x{width}{settings(window)}",
        _legend(window),
        "padded to" if any(window.padding) else "",
        size_formula(window, ceil_mode=ceil_mode),
        window,
        planes,
        kinds,
        (),
        tuple(_frame(pooled, row, column) for row in range(down) for column in range(across)),
    )


def _frame(pooled: Pooled, row: int, column: int) -> Frame:
    explained = explain_pooled(pooled, column, row)
    (seen,) = explained.windows
    *_, worked = seen.lines()
    places = places_of(pooled.window, row, column)
    return Frame(row, column, places, steps=(worked,), value=explained.values[0], chosen=_chosen(seen))


def _chosen(seen: PooledWindow) -> tuple[int, ...]:
    """Return the numbers of the taps that hold the result of a maximum or minimum."""
    if seen.mode == "avg":
        return ()
    taps = zip(seen.window.ravel().tolist(), seen.outside.ravel().tolist(), strict=True)
    return tuple(tap for tap, (number, out) in enumerate(taps) if not out and number == seen.value)


def _legend(window: Window) -> tuple[tuple[Kind, str], ...]:
    past = any(reach > n + before for reach, n, before in zip(window.reach, window.size, window.corner, strict=True))
    if any(window.padding):
        return ((Kind.PADDING, "padding: it never counts"),)
    return ((Kind.PADDING, "past the end: nothing to count"),) if past else ()
