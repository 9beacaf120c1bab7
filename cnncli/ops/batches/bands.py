"""Convolutions of few large images, band of rows by band, with an activation after them: outputs and input gradients.

Of a picture of 512x384 with 64 channels, what Winograd's filtering makes of it is 150 MB. A band of a few rows of it
stays in the cache through all that is done to it, and bands are work for several threads. They do not depend on the
number of these, so that results do not.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.activation_gradients import Nonlinearity
from cnncli.ops.batches.convolution_gradients import Algorithm, turned
from cnncli.ops.batches.products import multiply
from cnncli.ops.batches.tiled import Geometry, Tiled
from cnncli.ops.batches.winograd import GatheredWinograd, Winograd
from cnncli.ops.batches.workspaces import Memory
from cnncli.ops.borders import border_index
from cnncli.shapes import Window

# Measured: with fewer positions in a band the time goes into reading the weights again; with more, what is made of them
# leaves the cache. Winograd's filtering computes so many rows together, and gains by copied patches from so many
# channels on. Small images share a band up to so many numbers.
_POSITIONS, _ROWS, _GATHERED_FROM, _NUMBERS = 1_536, 4, 128, 450_000

Task = Callable[[Memory], None]
Spread = Callable[[Iterable[Task]], None]
"""A function that runs tasks, on several threads maybe, each with memory that no other has meanwhile."""


Prepared = dict[tuple[int, int], Array]
"""Weights as algorithms take them, by the rows and the positions that these compute together."""


class Band(NamedTuple):
    """Some rows of a convolution's output, the rows of the input that they see, and the window over these."""

    rows: slice
    seen: slice
    window: Window


def band_of(window: Window, start: int, stop: int) -> Band:
    """Return the band of the output rows from start to before stop.

    Example:
        >>> band_of(Window.over((8, 8), 3, padding="same"), 0, 4)[:2]
        (slice(0, 4, None), slice(0, 5, None))
    """
    top, _, left, right = window.padding
    first = start * window.stride[0] - top
    last = (stop - 1) * window.stride[0] - top + window.span[0]
    height = window.size[0]
    seen = slice(max(0, first), min(height, last))
    padding = (max(0, -first), max(0, last - height), left, right)
    over = window._replace(
        size=(seen.stop - seen.start, window.size[1]),
        padding=padding,
        output_size=(stop - start, window.output_size[1]),
    )
    return Band(slice(start, stop), seen, over)


def bands(window: Window, rows: int) -> list[Band]:
    """Return the bands of about so many rows, but at least two where that is possible, of a convolution's output."""
    height = window.output_size[0]
    # Every band has to see a row of the input.
    least = max(_ROWS, *window.padding[:2])
    count = max(1, min(height // least, max(2, height // max(1, rows))))
    starts = [height * number // count // _ROWS * _ROWS for number in range(count)]
    return [band_of(window, *ends) for ends in pairwise([*dict.fromkeys(starts), height])]


class _Banded:
    """A convolution of stride 1 without groups, as bands.

    Args:
        geometry: its shape.
        weight: returns (f_h, f_w, C_in, C_out).
        prepared: where weights stay that algorithms have prepared.
        winograd: whether Winograd's filtering may be used.
    """

    def __init__(
        self, geometry: Geometry, weight: Callable[[], Array], prepared: Prepared, *, winograd: bool = True
    ) -> None:
        self.geometry, self.weight, self.winograd = geometry, weight, winograd
        self.bands = bands(geometry.window, _POSITIONS // geometry.window.output_size[1])
        self._algorithms = {band.window: self._algorithm(band.window) for band in self.bands}
        self._matrices = prepared

    def _algorithm(self, window: Window) -> Algorithm:
        geometry = self.geometry._replace(window=window)
        if self.winograd and Winograd.suits(geometry):
            kind = GatheredWinograd if geometry.in_channels >= _GATHERED_FROM else Winograd
            return kind(geometry, multiply)
        return Tiled(geometry, 32, multiply)

    def apply(self, x: Array, band: Band, out: Array, memory: Memory, bias: Array | None = None) -> None:
        """Write the band's output of the rows that it sees."""
        algorithm = self._algorithms[band.window]
        algorithm.apply(algorithm.columns(x, memory), self._matrix(algorithm), out, memory, bias)

    def _matrix(self, algorithm: Algorithm) -> Array:
        key = getattr(algorithm, "rows", 0), getattr(algorithm, "tile", 0)
        if key not in self._matrices:
            self._matrices[key] = algorithm.prepare(self.weight())
        return self._matrices[key]

    def parts(self, images: int) -> Iterator[tuple[slice, Band]]:
        """Yield images and bands of them; several images together where each is a small band."""
        numbers = max(algorithm.numbers for algorithm in self._algorithms.values())
        step = max(1, _NUMBERS // max(1, numbers)) if len(self.bands) == 1 else 1
        for start in range(0, images, step):
            for band in self.bands:
                yield slice(start, min(start + step, images)), band


def _turned_weight(weight: Array) -> Array:
    """Return the weights (f_h, f_w, C_out, C_in) of the convolution back."""
    return np.ascontiguousarray(weight[::-1, ::-1].swapaxes(2, 3))


class BandedConvolution:
    """A convolution of stride 1 without groups, and an activation after it, forward and back to the input.

    Args:
        window: the geometry.
        weight: (f_h, f_w, C_in, C_out).
        bias: (C_out,), or None.
        activation: elementwise, and such that its gradient follows from its output; None for none.
        reflects: whether the input is reflected at the borders in place of zeros.
        winograd: whether Winograd's filtering may be used.
        prepared: where weights stay that algorithms have prepared, (forward, backward): for a convolution of the same
            weights on images of another size.

    Example:
        >>> convolution = BandedConvolution(Window.over((4, 4), 3, padding="same"), np.ones((3, 3, 1, 1)), None)
        >>> y, _ = convolution.forward(np.ones((1, 4, 4, 1)), run_here)
        >>> y[0, 0, :, 0].tolist()
        [4.0, 6.0, 6.0, 4.0]
    """

    def __init__(
        self,
        window: Window,
        weight: Array,
        bias: Array | None,
        activation: Nonlinearity | None = None,
        *,
        reflects: bool = False,
        winograd: bool = True,
        prepared: tuple[Prepared, Prepared] | None = None,
    ) -> None:
        self.size, self.padding, self.bias, self.activation = window.size, window.padding, bias, activation
        self.reflects = reflects and any(window.padding)
        if self.reflects:
            top, bottom, left, right = window.padding
            size = window.size[0] + top + bottom, window.size[1] + left + right
            window = window._replace(size=size, padding=(0, 0, 0, 0))
        geometry = Geometry(window, weight.shape[2], weight.shape[3])
        back = turned(geometry)
        assert back is not None
        forth_prepared, back_prepared = prepared or ({}, {})
        self._forth = _Banded(geometry, lambda: weight, forth_prepared, winograd=winograd)
        self._back = _Banded(back, lambda: _turned_weight(weight), back_prepared, winograd=winograd)

    @staticmethod
    def suits(window: Window, groups: int) -> bool:
        """Return whether it can do the work."""
        return groups == 1 and turned(Geometry(window, 1, 1)) is not None

    @cached_property
    def _indices(self) -> tuple[Array, Array]:
        """The row, and the column, of the input that each of the reflected input is."""
        top, bottom, left, right = self.padding
        rows = border_index(self.size[0], top, bottom, "reflect")
        return rows, border_index(self.size[1], left, right, "reflect")

    def forward(self, x: Array, spread: Spread) -> tuple[Array, Array | None]:
        """Return the output (N, H_out, W_out, C_out), and what `backward` needs of it."""
        window, filters = self._forth.geometry.window, self._forth.geometry.out_channels
        out = np.empty((len(x), *window.output_size, filters), x.dtype)
        kept = None if self.activation is None else np.empty(out.shape, bool) if self._masks else out

        def task(images: slice, band: Band) -> Task:
            def work(memory: Memory) -> None:
                y = out[images, band.rows]
                self._forth.apply(self._seen(x, images, band), band, y, memory, self.bias)
                if self.activation is not None:
                    self.activation.forward(y, y)
                if self._masks and kept is not None:
                    np.greater(y, 0, out=kept[images, band.rows])

            return work

        spread(task(*part) for part in self._forth.parts(len(x)))
        return out, kept

    @property
    def _masks(self) -> bool:
        """Whether a bit a number tells the gradient of the activation."""
        return self.activation is not None and self.activation.is_step

    def _seen(self, x: Array, images: slice, band: Band) -> Array:
        if not self.reflects:
            return x[images, band.seen]
        rows, columns = self._indices
        return x[images].take(rows[band.seen], axis=1).take(columns, axis=2)

    def backward(self, grad: Array, kept: Array | None, spread: Spread) -> Array:
        """Return the gradient (N, H, W, C_in) of the input."""
        window, channels = self._back.geometry.window, self._back.geometry.out_channels
        out = np.empty((len(grad), window.output_size[0], self.size[1], channels), grad.dtype)

        def task(images: slice, band: Band) -> Task:
            def work(memory: Memory) -> None:
                slope = self._slope(grad[images, band.seen], None if kept is None else kept[images, band.seen], memory)
                self._write(slope, band, out[images, band.rows], memory)

            return work

        spread(task(*part) for part in self._back.parts(len(grad)))
        return self._with_rows_folded(out) if self.reflects else out

    def _slope(self, grad: Array, kept: Array | None, memory: Memory) -> Array:
        """Return the gradient before the activation."""
        if self.activation is None or kept is None:
            return grad
        out = memory.take("slope", grad.shape, grad.dtype)
        if self._masks:
            return np.multiply(grad, kept, out=out)
        return self.activation.backward(grad, kept, out, memory)

    def _write(self, slope: Array, band: Band, out: Array, memory: Memory) -> None:
        """Write a band of the input's gradient, its columns folded back where they are reflected."""
        if not self.reflects:
            return self._back.apply(slope, band, out, memory)
        (_, columns), left, width = self._indices, self.padding[2], self.size[1]
        padded = memory.take("padded gradient", (*out.shape[:2], len(columns), out.shape[3]), out.dtype)
        self._back.apply(slope, band, padded, memory)
        out[:] = padded[:, :, left : left + width]
        for outside in (*range(left), *range(left + width, len(columns))):
            out[:, :, columns[outside]] += padded[:, :, outside]
        return None

    def _with_rows_folded(self, padded: Array) -> Array:
        """Return the gradient without the reflected rows, which are added to those that they repeat."""
        (rows, _), top, height = self._indices, self.padding[0], self.size[0]
        out = padded[:, top : top + height]
        for outside in (*range(top), *range(top + height, len(rows))):
            out[:, rows[outside]] += padded[:, outside]
        return np.ascontiguousarray(out)


def run_here(tasks: Iterable[Task]) -> None:
    """Run tasks one after the other."""
    memory = Memory()
    for task in tasks:
        task(memory)
