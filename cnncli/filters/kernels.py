"""Kernels of filters as arrays: correlating with kernels in a row is correlating with one, their convolution."""

from functools import reduce

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain, Step
from cnncli.ops import conv2d
from cnncli.shapes import Pair

_FEW_WEIGHTS = 500  # of a kernel: more of them take longer than a transform


def filter_kernel(filter: str | npt.ArrayLike, *, direction: str | None = None) -> Array:  # noqa: A002
    """Return the kernel of a filter, or the one kernel that a chain of kernels is.

    Args:
        filter: a word of `FILTERS` such as `sobel` or `gaussian:2`, or several in a row, `gaussian:1.4 laplacian`.
        direction: `vertical` or `horizontal`, for a last word with two kernels.

    Returns:
        (f_h, f_w): integers where all weights are. `filter_image` gives the same for it as for `filter`, up to
        rounding, where no step of a chain reaches the border.

    Raises:
        ArgumentError: a word that is not a kernel, such as `median:3`, or two kernels without a direction.

    Example:
        >>> filter_kernel("laplacian").tolist()
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
        >>> filter_kernel("vertical horizontal").shape
        (5, 5)
    """
    chain = Chain.of(filter, direction)
    kernels = chain_kernels(chain)
    if len(kernels) > 1:
        raise ArgumentError(f"{chain.last.word!r} has two kernels: choose direction vertical or horizontal")
    return kernels[0]


def chain_kernels(chain: Chain) -> tuple[Array, ...]:
    """Return the kernel of a chain, or the (vertical, horizontal) pair where its last step has one.

    Raises:
        ArgumentError: a step is not a kernel; the message names it.
    """
    *inner, last = chain.steps
    for step in chain.steps:
        _check(step, chain, pair=step is last)
    before = [step.operator.weights[0] for step in inner]
    return tuple(reduce(_convolved, [*before, kernel]) for kernel in last.operator.weights)


def kernel_size(chain: Chain) -> Pair:
    """Return the (height, width) of the kernel of a chain, before it is computed."""
    sizes = [kernel.shape[:2] for step in chain.steps for kernel in step.operator.kernels[:1]]
    height, width = (sum(size[axis] - 1 for size in sizes) + 1 for axis in (0, 1))
    return height, width


def kernel_shift(chain: Chain) -> Pair:
    """Return how many pixels (down, right) of a chain's kernel its response is: 0 where all kernels are odd.

    The middle of an even kernel is between two pixels, and each step of a chain takes one of them.
    """
    middles = [
        [size // 2 if step.operator.early else (size - 1) // 2 for size in kernel.shape[:2]]
        for step in chain.steps
        for kernel in step.operator.kernels[:1]
    ]
    tops, lefts = zip(*middles, strict=True)
    height, width = kernel_size(chain)
    return sum(tops) - (height - 1) // 2, sum(lefts) - (width - 1) // 2


def _check(step: Step, chain: Chain, *, pair: bool) -> None:
    kernels = step.operator.kernels
    if not kernels:
        among = "" if len(chain.steps) == 1 else f", so that {chain.words!r} has none"
        raise ArgumentError(f"{step.word!r} is not a kernel{among}")
    if len(kernels) > 1 and not pair:
        raise ArgumentError(
            f"{step.word!r} is a magnitude of two kernels, which is not linear: it must be the last word of "
            f"{chain.words!r}"
        )
    if len(kernels[0].shape) > 2:
        raise ArgumentError(f"a kernel over {kernels[0].shape[2]} channels: only kernels (f_h, f_w) are combined")


def _convolved(first: Array, second: Array) -> Array:
    """Return the convolution of two kernels, of the size of both less one."""
    small, large = sorted((first, second), key=np.size)
    height, width = small.shape
    if small.size > _FEW_WEIGHTS:
        return conv2d(large, small, padding=(height - 1, width - 1), flip=True)
    # One weight after another, so that zeros and short numbers stay what they are: kernels are also read.
    made = np.zeros([a + b - 1 for a, b in zip(large.shape, small.shape, strict=True)], np.result_type(large, small))
    for (row, column), weight in np.ndenumerate(small):
        made[row : row + large.shape[0], column : column + large.shape[1]] += weight * large
    return made
