"""`conv2d`, and the rows at which its output can be cut into bands without changing a bit."""

from typing import Unpack

import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.ops.convolution import strategies
from cnncli.ops.convolution.correlation import Correlation, SlidingOptions, restored
from cnncli.shapes import IntOrPair, Padding


def conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    padding_value: float = 0,
    flip: bool = False,
) -> Array:
    """Cross-correlate an image, or a batch of them, with one or more kernels: what the field calls convolution.

    y[i, j, o] = bias[o] + sum over a, b, c of x[i s + a d - p, j s + b d - p, c] weight[a, b, c, o]
    (Goodfellow, Bengio and Courville, Deep Learning, equation 9.6, with stride, dilation and padding).

    Args:
        x: (H, W), (H, W, C_in) or (N, H, W, C_in).
        weight: (f_h, f_w) for a single-channel image, (f_h, f_w, C_in) for one kernel over a volume, or
            (f_h, f_w, C_in / groups, C_out).
        bias: (C_out,) or a number, added to each output channel.
        stride: pixels between positions, an int or a (vertical, horizontal) pair.
        padding: `"valid"`, `"same"` (ceil(n / s) outputs, the odd pixel at the bottom and right), pixels on every
            side, a pair (vertical, horizontal) or four (top, bottom, left, right).
        dilation: pixels between the kernel's taps, an int or a pair.
        groups: divides the channels into groups that do not see each other.
        padding_mode: the pixels outside the image: `zeros`, `reflect` (edge pixel not repeated), `replicate`,
            `circular` or `symmetric`.
        padding_value: the constant of padding mode `zeros`.
        flip: turn the kernel by 180 degrees first: convolution as mathematics defines it.

    Returns:
        An array of as many dimensions as `x`: (N, H_out, W_out, C_out), (H_out, W_out, C_out) or, for a 2-D `x`,
        (H_out, W_out); several kernels over a 2-D `x` add a last axis. Integers with integers are exact, in the
        smallest signed type that holds every possible result. A floating-point `x` keeps its type (float16 gives
        float32); an integer `x` takes the floating-point type of weight and bias.

    Raises:
        ArgumentError: shapes that do not fit each other, or an argument that cannot be used.

    Example:
        >>> image = [[10, 10, 10, 0, 0, 0]] * 6
        >>> conv2d(image, [[1, 0, -1]] * 3)[0].tolist()
        [0, 30, 30, 0]
    """
    image, kernels = as_numbers(x, "an image"), as_numbers(weight, "weight")
    work = Correlation.of(image, kernels, bias, stride, padding, dilation, groups, padding_mode, padding_value, flip)
    return restored(strategies.compute(work), image.ndim)


def rows_together(x: Array, weight: Array, *, groups: int = 1, **options: Unpack[SlidingOptions]) -> int:
    """Return the number of rows at whose multiples `conv2d`'s output can be cut without changing a bit.

    Args:
        x: an image (H, W) or (H, W, C) of any height that one window covers; its numbers do not matter.
        weight: as in `conv2d`.
        groups: as in `conv2d`.
        **options: those of `conv2d`; the vertical padding does not matter.

    Example:
        >>> rows_together(np.zeros((3, 1000)), np.ones((3, 3), int))
        1
    """
    work = Correlation.of(x, weight, groups=groups, **options)
    return 1 if work.exact else strategies.STRATEGIES[strategies.choose(work)].rows_together(work)
