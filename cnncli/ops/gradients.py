"""The length of a gradient, from a pair of kernels in one go."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.ops import strips
from cnncli.ops.convolution import as_batch, prepare
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

    Returns:
        (H_out, W_out) or (H_out, W_out, C) in float32, or in float64 where the responses need more than 16 bits or `x`
        is float64.

    Example:
        >>> step = [[0, 0, 9, 9]] * 3
        >>> gradient_magnitude(step, [[1, -1], [1, -1]], [[1, 1], [-1, -1]]).tolist()
        [[0.0, 18.0, 0.0], [0.0, 18.0, 0.0]]
    """
    images = as_batch(np.asarray(x))
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
    compiled = [
        strips.compile_pair(*kernels, channel, work.window.stride, work.window.dilation) for channel in range(channels)
    ]
    dtype = work.dtype if work.dtype.kind == "f" else np.dtype(np.float32 if work.dtype.itemsize == 2 else np.float64)
    out = np.empty((*work.window.output_size, channels), dtype)

    def emit(number: int, start: int, stop: int, results: list[Array]) -> None:
        _length(*results, compiled[number][1], out[start:stop, :, number])

    strips.run(images[0], [program for program, _ in compiled], work.window, work.border, work.dtype, emit)
    return out if np.ndim(x) == 3 else out[:, :, 0]


def _length(g: Array, h: Array, gain: int, out: Array) -> None:
    squares, others = g.astype(out.dtype), h.astype(out.dtype)
    np.multiply(squares, squares, out=squares)
    np.multiply(others, others, out=others)
    np.add(squares, others, out=squares)
    if gain != 1:
        np.multiply(squares, out.dtype.type(gain), out=squares)
    np.sqrt(squares, out=out)
