"""Strategies to compute a convolution, and the choice of the cheapest by the shape of the work."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.convolution import banded, fourier, products, strips, taps
from cnncli.ops.convolution.correlation import Correlation


class Strategy(NamedTuple):
    """A way to compute a convolution.

    Attributes:
        run: computes one image (H, W, C_in) into (H_out, W_out, C_out), of any type that holds the results.
        cost: estimated nanoseconds for one output position, all channels.
        able: whether it gives the right result where all pixels are finite.
        rows_together: how many rows of the output it computes in one go, from the first row on. A matrix product or a
            Fourier transform rounds a row in one way among these and in another among others.
        spreads: whether a pixel that is not finite reaches windows that do not hold it.
    """

    run: Callable[[Correlation, Array, Array], None]
    cost: Callable[[Correlation], float]
    able: Callable[[Correlation], bool] = lambda work: True
    rows_together: Callable[[Correlation], int] = lambda work: 1
    spreads: bool = False


STRATEGIES: dict[str, Strategy] = {
    "strips": Strategy(strips.run, strips.cost),
    # Zero times infinity is NaN: a banded matrix carries it to other windows, a transform to the whole tile.
    "banded": Strategy(banded.run, banded.cost, banded.able, banded.rows_together, spreads=True),
    "products": Strategy(products.run, products.cost, rows_together=products.rows_together),
    "taps": Strategy(taps.run, taps.cost),
    "fourier": Strategy(fourier.run, fourier.cost, fourier.able, fourier.rows_together, spreads=True),
}


def choose(work: Correlation, *, spreads: bool = True) -> str:
    """Return the cheapest strategy that can do the work; without `spreads`, for pixels that may not be finite."""
    cheapest_first = sorted(STRATEGIES, key=lambda name: STRATEGIES[name].cost(work))
    allowed = (name for name in cheapest_first if spreads or not STRATEGIES[name].spreads)
    return next(name for name in allowed if STRATEGIES[name].able(work))


def compute(work: Correlation, strategy: str | None = None) -> Array:
    """Return (N, H_out, W_out, C_out), by the cheapest strategy unless another is named."""
    chosen = STRATEGIES[strategy or choose(work)]
    out = np.empty((len(work.images), *work.window.output_size, work.weight.shape[3]), work.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for image, result in zip(work.images, out, strict=True):
            _compute_one(work._replace(images=image[None]), chosen, result)
        if work.bias is not None:
            out += work.bias
    return out


def _compute_one(work: Correlation, strategy: Strategy, out: Array) -> None:
    """Compute one image; by another strategy those rows that a pixel that is not finite would spoil."""
    if not strategy.spreads or work.finite():
        strategy.run(work, work.images[0], out)
        return
    careful = STRATEGIES[choose(work, spreads=False)]
    together = strategy.rows_together(work)
    for start in range(0, len(out), together):
        stop = min(start + together, len(out))
        part = work.part(start, stop)
        run = strategy.run if part.finite() else careful.run
        run(part, work.images[0], out[start:stop])
