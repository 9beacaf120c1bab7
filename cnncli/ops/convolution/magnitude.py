"""The magnitude of a gradient, from both of its kernels in one pass over the image."""

from collections.abc import Callable, Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.ops.convolution.correlation import Correlation, SlidingOptions, as_batch
from cnncli.ops.convolution.programs import Program, compile_pair, filter_programs
from cnncli.ops.convolution.strips import PendingPlane, run_programs


def gradient_magnitude(
    x: npt.ArrayLike,
    vertical: npt.ArrayLike,
    horizontal: npt.ArrayLike,
    *,
    finish: Callable[[Array], Array] | None = None,
    bounded: bool = False,
    **options: Unpack[SlidingOptions],
) -> Array:
    """Return sqrt(g_x^2 + g_y^2) for the responses to two integer kernels, each channel by itself.

    Args:
        x: (H, W) or (H, W, C).
        vertical: (f_h, f_w) integers, for vertical edges.
        horizontal: the same for horizontal ones.
        finish: applied to the result in pieces (rows, W_out) while they are in the cache; it may overwrite what it is
            given, and may add axes of its own behind.
        bounded: whether the numbers of a floating-point image are finite and of one order, as those computed from a
            picture are; then they are computed as cheaply as integers.
        **options: those of `conv2d` of the same name; `flip` would change signs alone.

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
    weight = np.stack(kernels * channels, axis=-1)[:, :, None]
    work = Correlation.of(images, weight, groups=channels, **options)
    floating = work.dtype.kind == "f"
    lengths = (_FloatLengths if floating and not bounded else _CheapLengths)(work, kernels)
    finish = finish or (lambda piece: piece)
    made: list[Array] = []  # allocated once the first piece shows its type: a trial piece would be counted as one

    def emit(number: int, start: int, stop: int, results: list[PendingPlane]) -> None:
        length = lengths.take(number, stop - start, results)
        if length is None:
            return
        piece = finish(length)
        if not made:
            made.append(np.empty((*work.window.output_size, channels, *piece.shape[2:]), piece.dtype))
        made[0][start:stop, :, number * channels // len(lengths.programs)] = piece

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        run_programs(images[0], lengths.programs, work, emit)
    return made[0] if np.ndim(x) == 3 else made[0][:, :, 0]


class _Lengths:
    """Magnitudes of the gradient, strip by strip: on each, `programs` are run, as many for each channel."""

    programs: list[Program]

    def __init__(self, work: Correlation) -> None:
        narrow = work.dtype.kind != "f" and work.dtype.itemsize == 2
        self.dtype = np.dtype(np.float32) if narrow else np.promote_types(work.dtype, np.float32)
        self._width = work.window.output_size[1]
        self._buffers: list[Array] = []

    def buffers(self, height: int) -> list[Array]:
        """Return four arrays (height, W_out) to work in, the same for every strip of that height."""
        if not self._buffers or len(self._buffers[0]) != height:
            self._buffers = [np.empty((height, self._width), self.dtype) for _ in range(4)]
        return self._buffers


class _CheapLengths(_Lengths):
    """Magnitudes of numbers whose squares fit the type: one program makes cheaper planes than the two responses."""

    def __init__(self, work: Correlation, kernels: Sequence[Array]) -> None:
        super().__init__(work)
        vertical, horizontal = (tuple(map(tuple, kernel.tolist())) for kernel in kernels)
        compiled = [
            compile_pair(vertical, horizontal, channel, work.window.stride, work.window.dilation)
            for channel in range(work.images.shape[3])
        ]
        self.programs = [program for program, _ in compiled]
        self._gain = self.dtype.type(compiled[0][1] if compiled else 1)
        self._floating = work.dtype == self.dtype

    def take(self, number: int, height: int, results: list[PendingPlane]) -> Array:
        """Return the lengths of one channel's strip."""
        total, other, *_ = self.buffers(height)
        for result, square in zip(results, (total, other), strict=True):
            if self._floating:
                result.write(square)
            else:
                square[:] = result.value()
            np.multiply(square, square, out=square)
        np.add(total, other, out=total)
        if self._gain != 1:
            np.multiply(total, self._gain, out=total)
        length: Array = np.sqrt(total, out=total)
        return length


class _FloatLengths(_Lengths):
    """Magnitudes for floating point, from the responses themselves as `conv2d` computes them.

    Planes that are shared would let a pixel that both kernels skip, such as the middle one of Sobel's, drown the others
    where it is much larger.
    """

    def __init__(self, work: Correlation, kernels: Sequence[Array]) -> None:
        super().__init__(work)
        self.programs = filter_programs(work)
        limits = np.finfo(self.dtype)
        self._least, self._most = limits.tiny / limits.eps, limits.max

    def take(self, number: int, height: int, results: list[PendingPlane]) -> Array | None:
        """Return the lengths of one channel's strip when the second of its two responses is there."""
        first, second, total, square = self.buffers(height)
        results[0].write(second if number % 2 else first)
        if number % 2 == 0:
            return None
        np.add(np.square(first, out=total), np.square(second, out=square), out=total)
        lost = self._lost(first, second, total)
        length: Array = np.sqrt(total, out=total)
        if lost is not None:
            length[lost] = np.hypot(first[lost], second[lost])
        return length

    def _lost(self, first: Array, second: Array, total: Array) -> Array | None:
        """Return the mask of squares that overflow or vanish, or None: `hypot`, 10 times as slow, copes with those."""
        if self._least <= total.min() and total.max() <= self._most:
            return None
        lost: Array = ~((total >= self._least) & (total <= self._most))
        lost &= (first != 0) | (second != 0)
        return lost
