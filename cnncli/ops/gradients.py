"""The length of a gradient, from a pair of kernels in one go."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.ops import strips
from cnncli.ops.convolution import as_batch, as_numbers, prepare
from cnncli.shapes import IntOrPair, Padding

Array = npt.NDArray[Any]


def gradient_magnitude(
    x: npt.ArrayLike,
    vertical: npt.ArrayLike,
    horizontal: npt.ArrayLike,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
    padding_value: float = 0,
    finish: Callable[[Array], Array] | None = None,
) -> Array:
    """Return sqrt(g_x^2 + g_y^2) for the responses to two integer kernels, each channel by itself.

    Args:
        x: (H, W) or (H, W, C).
        vertical: (f_h, f_w) integers, for vertical edges.
        horizontal: the same for horizontal ones.
        stride: as in `conv2d`, like all that follow.
        padding: likewise.
        dilation: likewise.
        padding_mode: likewise.
        padding_value: likewise.
        finish: applied to the result in pieces (rows, W_out) while they are in the cache; it may overwrite what it is
            given, and may add axes of its own behind.

    Returns:
        (H_out, W_out) or (H_out, W_out, C) in float32, or in float64 where the responses need more than 16 bits or `x`
        is float64; with `finish`, in the type that it gives.

    Example:
        >>> step = [[0, 0, 9, 9]] * 3
        >>> gradient_magnitude(step, [[1, -1], [1, -1]], [[1, 1], [-1, -1]]).tolist()
        [[0.0, 18.0, 0.0], [0.0, 18.0, 0.0]]
    """
    images = as_batch(as_numbers(x, "an image"))
    channels = images.shape[3]
    kernels = (np.asarray(vertical), np.asarray(horizontal))
    work = prepare(
        images,
        np.stack(kernels * channels, axis=-1)[:, :, None],
        None,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,
        padding_mode=padding_mode,
        padding_value=padding_value,
        flip=False,
    )
    pair = [tuple(map(tuple, kernel.tolist())) for kernel in kernels]
    compiled = [
        strips.compile_pair(*pair, channel, work.window.stride, work.window.dilation) for channel in range(channels)
    ]
    dtype = work.dtype if work.dtype.kind == "f" else np.dtype(np.float32 if work.dtype.itemsize == 2 else np.float64)
    finish = finish or (lambda piece: piece)
    sample = finish(np.zeros((1, 1), dtype))
    out = np.empty((*work.window.output_size, channels, *sample.shape[2:]), sample.dtype)
    squares: list[Array] = []

    def emit(number: int, start: int, stop: int, results: list[strips.Result]) -> None:
        if not squares or len(squares[0]) != stop - start:
            squares[:] = [np.empty((stop - start, out.shape[1]), dtype) for _ in results]
        for result, square in zip(results, squares, strict=True):
            square[:] = result.value()
            np.multiply(square, square, out=square)
        total = np.add(squares[0], squares[1], out=squares[0])
        if (gain := compiled[number][1]) != 1:
            np.multiply(total, dtype.type(gain), out=total)
        out[start:stop, :, number] = finish(np.sqrt(total, out=total))

    with np.errstate(over="ignore", invalid="ignore"):
        strips.run(images[0], [program for program, _ in compiled], work.window, work.border, work.dtype, emit)
    return out if np.ndim(x) == 3 else out[:, :, 0]
