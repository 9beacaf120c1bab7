"""Medians of large windows, by counting pixels that are no greater than a threshold.

A median exceeds a value if at most half of its window's pixels do not. So its place among the values of a strip is the
number of values that it exceeds. The medians of all windows are compared at once with the value in the middle, then
with those in the middle of both halves, and so on wherever that tells medians apart. The work for a pixel does not
depend on the size of the window, but on how many different medians there are nearby.
"""

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.loading import Scratch
from cnncli.ops.ranks.strips import Strip, even
from cnncli.shapes import Pair

# Measured on photographs, 31x31: smaller strips cost more at their edges, larger ones hold more different medians.
MOST_SIZE = 320


class ThresholdStrip(Strip):
    """A strip whose medians are found by thresholds.

    Args:
        kernel_size: (height, width) of the windows.
        shape: (H_out, W_out, C) of all results.
        dtype: integers of any type.
    """

    def __init__(self, kernel_size: Pair, shape: tuple[int, ...], dtype: DType) -> None:
        (height, width), self.channels = kernel_size, shape[2]
        self.size = even(shape[0], max(MOST_SIZE, height)), even(shape[1], max(MOST_SIZE, width))
        self.reach = height - 1, width - 1
        # A multiple of 8 numbers: see `_Counter`.
        row_length = -(-(self.size[1] + self.reach[1]) // 8) * 8
        self.pixels = [np.zeros((self.size[0] + self.reach[0], row_length, self.channels), dtype)]
        self.counter = _Counter(self.pixels[0], kernel_size)

    def compute(self, out: Array) -> None:
        rows, columns = self.size
        values = np.unique(self.pixels[0][:, : columns + self.reach[1]])
        exceeded = _Exceeded(self.counter, values, (rows, columns * self.channels))
        np.take(values, exceeded.numbers()[: len(out)].reshape(out.shape), out=out, mode="clip")


class _Exceeded:
    """The number of values that each median exceeds.

    Args:
        counter: of the pixels.
        values: all that occur, in order.
        shape: rows of windows, and numbers in a row.
    """

    def __init__(self, counter: "_Counter", values: Array, shape: Pair) -> None:
        self.counter, self.values = counter, values
        self.sums = np.zeros(shape, np.min_scalar_type(len(values) - 1))

    def numbers(self) -> Array:
        # Every median exceeds what is less than all values, and none exceeds the greatest.
        everywhere, nowhere = np.ones(self.sums.shape, bool), np.zeros(self.sums.shape, bool)
        self._count_between(-1, everywhere, self.sums.size, len(self.values) - 1, nowhere, 0)
        return self.sums

    def _count_between(self, low: int, above_low: Array, many: int, high: int, above_high: Array, few: int) -> None:
        """Count the values between two, numbered `low` and `high`, that each median exceeds.

        Args:
            low: number of the smaller value.
            above_low: the medians that exceed it.
            many: how many do.
            high: number of the greater value.
            above_high: the medians that exceed it.
            few: how many do.
        """
        if high - low < 2 or many == 0:
            return
        if many == few:
            self.sums += above_low * self.sums.dtype.type(high - low - 1)
            return
        middle = (low + high) // 2
        above = self.counter.medians_above(self.values[middle], self.sums.shape)
        # Bytes are added to bytes without a conversion.
        self.sums += above.view(np.uint8)
        number = int(np.count_nonzero(above))
        self._count_between(low, above_low, many, middle, above, number)
        self._count_between(middle, above, number, high, above_high, few)


class _Counter:
    """Counts of the pixels of each window that are no greater than a threshold.

    Along the rows, the counts of two windows of n pixels give that of 2n. Down the columns, counts are differences of
    cumulative sums; NumPy makes several of these at once where numbers side by side are taken for one of 64 bits.
    """

    def __init__(self, pixels: Array, kernel_size: Pair) -> None:
        rows, columns, self.channels = pixels.shape
        self.pixels, self.kernel_size = pixels.reshape(-1), kernel_size
        in_row = np.uint8 if kernel_size[1] < 1 << 8 else np.uint32
        in_column = np.uint16 if rows * kernel_size[1] < 1 << 16 else np.uint32
        scratch = Scratch(in_row, pixels.size + (kernel_size[1] - 1) * self.channels)
        self.ones, *self.buffers = (scratch.plane(name) for name in range(3))
        self.below = np.zeros(pixels.size, bool)
        self.cumulative = np.zeros((rows + 1, columns * self.channels), in_column)
        self.counts = np.zeros((rows + 1 - kernel_size[0], columns * self.channels), in_column)

    def medians_above(self, threshold: Array, shape: Pair) -> Array:
        """Return which medians exceed a threshold."""
        height, width = self.kernel_size
        np.less_equal(self.pixels, threshold, out=self.below)
        np.copyto(self.ones[: len(self.below)], self.below.view(np.uint8))
        sums = self.cumulative[1:]
        np.copyto(sums.reshape(-1), self._along_rows())
        lanes = sums.view(np.uint64)
        np.add.accumulate(lanes, axis=0, out=lanes)
        np.subtract(self.cumulative[height:], self.cumulative[:-height], out=self.counts)
        return np.less_equal(self.counts[: shape[0], : shape[1]], height * width // 2)

    def _along_rows(self) -> Array:
        counts, reached, buffers = self.ones, 1, self.buffers
        for digit in f"{self.kernel_size[1]:b}"[1:]:
            counts = self._joined(counts, counts, reached, buffers[0])
            reached, buffers = 2 * reached, buffers[::-1]
            if digit == "1":
                counts = self._joined(counts, self.ones, reached, counts)
                reached += 1
        return counts

    def _joined(self, counts: Array, others: Array, reached: int, out: Array) -> Array:
        """Return counts of longer windows: others that begin where windows end are added."""
        step = reached * self.channels
        length = min(len(counts), len(others) - step)
        return np.add(counts[:length], others[step : step + length], out=out[:length])
