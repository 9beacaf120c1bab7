"""The arithmetic of one number of a pooled image: what `pool --explain` prints."""

import numpy.typing as npt

from cnncli.filters.bands import image_rows
from cnncli.filters.explaining.arithmetic import numbers_at, seen_from
from cnncli.filters.explaining.explanation import Explanation, check_integers, check_position
from cnncli.filters.explaining.terms import PooledWindow
from cnncli.filters.pools import Pooled, Pooling
from cnncli.shapes import IntOrPair, Padding


def explain_pooling(
    image: npt.ArrayLike,
    x: int,
    y: int,
    kernel_size: IntOrPair | None = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    mode: str = "max",
    ceil_mode: bool = False,
) -> Explanation:
    """Explain one number of a pooled image, as `cnncli pool --explain X,Y` does: the window, and what comes of it.

    Args:
        image: as in `pool_image`.
        x: column of the output position, from 0.
        y: row of the output position, from 0.
        kernel_size: as in `pool_image`.
        stride: as in `pool_image`.
        padding: as in `pool_image`.
        mode: as in `pool_image`.
        ceil_mode: as in `pool_image`.

    Returns:
        An explanation: `print` it, or take its `windows`, one a channel, and `values`.

    Raises:
        ArgumentError: as `pool_image`; or the position lies outside the output.

    Example:
        >>> explained = explain_pooling([[1, 3, 2, 1], [2, 9, 1, 1]], 0, 0, mode="avg")
        >>> explained.values, explained.windows[0].window.tolist()
        ((3.75,), [[1, 3], [2, 9]])
    """
    check_integers(x, y)
    pooled = Pooled(image_rows(image), Pooling(kernel_size, stride, padding, mode, ceil_mode))
    return explain_pooled(pooled, int(x), int(y))


def explain_pooled(pooled: Pooled, column: int, row: int) -> Explanation:
    """Return the arithmetic of a pooled image at (x, y) = (column, row).

    Raises:
        ArgumentError: the position lies outside the output.
    """
    check_position(pooled.shape, column, row)
    values = numbers_at(pooled, column, row)
    # Whatever stands in the padding is not looked at.
    pixels, outside = seen_from(pooled.image, pooled.window, "zeros", column, row)
    windows = tuple(
        PooledWindow(
            f" (channel {channel})" if len(values) > 1 else "",
            pixels[..., channel],
            outside,
            pooled.pooling.mode,
            value,
        )
        for channel, value in enumerate(values)
    )
    return Explanation(column, row, pooled.window, (), (), tuple(values), pooled.pooling.mode, windows=windows)
