"""Pooling in a training network: batches forward, and the gradient of their input.

Exactly one position of a window receives the gradient of its maximum: the first in row-major order, as in PyTorch.
"""

from functools import lru_cache

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.batches.rows import copy_runs
from cnncli.ops.batches.workspaces import FRESH, Memory, crop, padded, scatter_target, taps
from cnncli.ops.pooling import window_counts
from cnncli.shapes import Window


def _apart(window: Window) -> bool:
    """Return whether the windows lie side by side, so that each pixel is seen once."""
    return window.stride == window.kernel_size and window.dilation == (1, 1)


def max_pool_forward(x: Array, window: Window, out: Array, winners: Array, memory: Memory = FRESH) -> None:
    """Write the maximum of each window of (N, H, W, C), and the winning tap's number, both as (N, H_out, W_out, C).

    Winners are of `winner_type`. What a tap sees is laid side by side first, so that all else runs over whole arrays: 7
    times as fast as over the few channels of one pixel after the other.
    """
    pixels = padded(x, window, memory, -np.inf)
    seen = memory.take("seen", out.shape, out.dtype)
    better = memory.take("better", out.shape, np.dtype(bool))
    number_better = memory.take("number better", out.shape, winners.dtype)
    for number, tap in enumerate(taps(window)):
        if number == 0:
            copy_runs(out, pixels[tap])
            winners[:] = 0
            continue
        copy_runs(seen, pixels[tap])
        np.greater(seen, out, out=better)
        np.maximum(seen, out, out=out)
        # Numbers only grow: their maximum is faster than a choice.
        np.multiply(better, winners.dtype.type(number), out=number_better)
        np.maximum(winners, number_better, out=winners)


def max_pool(x: Array, window: Window, out: Array, memory: Memory = FRESH) -> None:
    """Write the maximum of each window of (N, H, W, C), and no winners: down the columns first, over whole rows."""
    pixels = padded(x, window, memory, -np.inf)
    rows = [pixels[:, window.seen(0, tap)] for tap in range(window.kernel_size[0])]
    down = _largest(rows, memory.take("seen", rows[0].shape, x.dtype)) if len(rows) > 1 else rows[0]
    _largest([down[:, :, window.seen(1, tap)] for tap in range(window.kernel_size[1])], out)


def _largest(arrays: list[Array], out: Array) -> Array:
    first, *others = arrays
    if not others:
        np.copyto(out, first)
    for array in others:
        first = np.maximum(first, array, out=out)
    return out


def max_pool_backward(grad: Array, window: Window, winners: Array, out: Array, memory: Memory = FRESH) -> None:
    """Write the gradient of `max_pool_forward`'s input (N, H, W, C) to `out`."""
    pixels, add = _target(out, window, memory), copy_runs if _apart(window) else _accumulate
    won, share = memory.take("better", grad.shape, np.dtype(bool)), memory.take("share", grad.shape, grad.dtype)
    for number, tap in enumerate(taps(window)):
        np.equal(winners, winners.dtype.type(number), out=won)
        np.multiply(grad, won, out=share)
        add(pixels[tap], share)
    crop(pixels, window, out)


def winner_type(window: Window) -> DType:
    """Return the smallest type that numbers the taps of a window."""
    return np.min_scalar_type(window.kernel_size[0] * window.kernel_size[1] - 1)


def avg_pool_forward(x: Array, window: Window, out: Array, *, include_padding: bool, memory: Memory = FRESH) -> None:
    """Write the mean of each window of (N, H, W, C) to `out`; padding counts only if included."""
    pixels = padded(x, window, memory)
    for number, tap in enumerate(taps(window)):
        if number == 0:
            out[:] = pixels[tap]
        else:
            out += pixels[tap]
    out *= _shares(window, include_padding, out.dtype)


def avg_pool_backward(
    grad: Array, window: Window, out: Array, *, include_padding: bool, memory: Memory = FRESH
) -> None:
    """Write the gradient of `avg_pool_forward`'s input (N, H, W, C) to `out`."""
    pixels, add = _target(out, window, memory), copy_runs if _apart(window) else _accumulate
    share = np.multiply(
        grad, _shares(window, include_padding, grad.dtype), out=memory.take("share", grad.shape, grad.dtype)
    )
    for tap in taps(window):
        add(pixels[tap], share)
    crop(pixels, window, out)


@lru_cache
def _shares(window: Window, include_padding: bool, dtype: DType) -> Array:
    """Return 1 / (number of pixels that count) for each window, (H_out, W_out, 1)."""
    rows, columns = window_counts(window, include_padding=include_padding)
    return (1 / np.outer(rows, columns)).astype(dtype)[:, :, None]


def _target(out: Array, window: Window, memory: Memory) -> Array:
    """Return zeros to add the gradient of padded images to."""
    target = scatter_target(out, window, memory)
    if not (_apart(window) and target.shape[1:3] == window.reach):
        target[:] = 0
    return target


def _accumulate(pixels: Array, share: Array) -> None:
    pixels += share
