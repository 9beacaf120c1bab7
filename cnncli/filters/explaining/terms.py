"""Kernels over windows, as numbers and as text."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.files.matrices import format_matrix
from cnncli.files.text import addition, number_text

LARGEST_PRINTED = 225
"""Numbers of a window that is printed, and of a sum that is written out: 15x15."""


OUTSIDE_WORDS = "(in parentheses: padding, outside the image)"

UNSEEN_WORDS = {
    "max": "(-): outside the image, never the maximum",
    "avg": "(-): outside the image, not counted in the mean",
    "min": "(-): outside the image, never the minimum",
}


class Term(NamedTuple):
    """One kernel over one window.

    Attributes:
        name: name of the kernel and of the channel, where there are several.
        window: (f_h, f_w) pixels under the kernel.
        kernel: (f_h, f_w) weights, turned already where `flip` asks for it.
        turned: whether they were turned.
        outside: (f_h, f_w), whether each pixel lies in the padding.
    """

    name: str
    window: Array
    kernel: Array
    turned: bool = False
    outside: Array | None = None

    @property
    def products(self) -> Array:
        """The products, tap by tap."""
        with np.errstate(over="ignore", invalid="ignore"):  # infinite, as in the response
            return self.window * self.kernel + 0  # -0 becomes 0

    @property
    def marks_padding(self) -> bool:
        """True if `lines` mark numbers as padding."""
        return self.outside is not None and bool(self.outside.any()) and self.window.size <= LARGEST_PRINTED

    @property
    def sum(self) -> float:
        """The sum of the products."""
        with np.errstate(over="ignore", invalid="ignore"):
            total: float = self.products.sum().item()
        return total

    def lines(self, words: tuple[str, str] = ("window", "kernel")) -> Iterator[str]:
        """Yield the window and the kernel, under these words, the products and their sum."""
        if self.window.size > LARGEST_PRINTED:
            height, width = self.window.shape
            yield f"{words[0]}{self.name} and {words[1]} of {height}x{width}, more than can be read"
            yield f"sum of {self.window.size:,} products = {number_text(self.sum)}"
            return
        yield from side_by_side(
            (words[0] + self.name, marked(self.window, self.outside)),
            (f"{words[1]} turned by 180 degrees" if self.turned else words[1], self.kernel),
            ("products", self.products),
        )
        yield f"sum = {addition(self.products.ravel().tolist())} = {number_text(self.sum)}"


class PooledWindow(NamedTuple):
    """The numbers of one channel under a pooling window.

    Attributes:
        name: name of the channel, where there are several.
        window: (f_h, f_w) pixels under the window; 0 outside the image, where none is looked at.
        outside: (f_h, f_w), whether each lies outside the image: in the padding, or past it in a partial window.
        mode: `max`, `avg` or `min`.
        value: the result.
    """

    name: str
    window: Array
    outside: Array
    mode: str
    value: float

    @property
    def counted(self) -> list[float]:
        """The numbers that count, row by row."""
        numbers: list[float] = self.window[~self.outside].tolist()
        return numbers

    @property
    def marks_padding(self) -> bool:
        """True if `lines` mark numbers as padding."""
        return bool(self.outside.any()) and self.window.size <= LARGEST_PRINTED

    def lines(self) -> Iterator[str]:
        """Yield the window, and how its numbers become one."""
        height, width = self.window.shape
        numbers, result = self.counted, number_text(self.value)
        if self.window.size > LARGEST_PRINTED:
            yield f"window{self.name} of {height}x{width}, more than can be read"
            total = f"{number_text(sum(numbers))} / {len(numbers)}" if self.mode == "avg" else f"{self.mode} of them"
            yield f"{len(numbers):,} numbers: {total} = {result}"
            return
        yield from side_by_side((f"window{self.name}", marked(self.window, self.outside, looked_at=False)))
        if self.mode == "avg":
            yield f"avg = ({addition(numbers)}) / {len(numbers)} = {result}"
        else:
            yield f"{self.mode}({', '.join(map(number_text, numbers))}) = {result}"


def marked(window: Array, outside: Array | None, *, looked_at: bool = True) -> list[list[str]]:
    """Return the numbers of a window as text, those in the padding in parentheses, or `(-)` if none is looked at."""
    beyond = np.zeros(window.shape, bool) if outside is None else outside
    return [
        [f"({number_text(number) if looked_at else '-'})" if out else number_text(number) for number, out in cells]
        for cells in map(zip, window.tolist(), beyond.tolist())
    ]


def side_by_side(*blocks: tuple[str, Array | list[list[str]]]) -> Iterator[str]:
    """Yield lines with blocks beside each other, each a matrix under a title."""
    columns = [[title, *format_matrix(matrix, _cell).splitlines()] for title, matrix in blocks]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        yield "   ".join(map(str.ljust, cells, widths)).rstrip()


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else number_text(value)
