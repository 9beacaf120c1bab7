"""The arithmetic of one output position, step by step."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.errors import ArgumentError
from cnncli.files.text import number_text
from cnncli.filters.chains import Chain
from cnncli.filters.edges import FilterOptions, as_rows
from cnncli.filters.explaining.arithmetic import arithmetic, numbers_at
from cnncli.filters.explaining.terms import OUTSIDE_WORDS, UNSEEN_WORDS, PooledWindow, Term
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.responses import Image, Response
from cnncli.shapes import Window


class Explanation(NamedTuple):
    """The arithmetic of one number of a response, or of a pooled image.

    Attributes:
        column: x of the output position.
        row: y of the output position.
        geometry: the geometry of the window; None for a step that sees single numbers.
        terms: the kernels over their windows.
        steps: lines on the operations that follow the sums.
        values: the numbers in the response: one, or one a channel with color `each` and of a pooled image.
        word: the word of the filter.
        before: the explanation of the step before, under the middle of the window; None for the first step.
        windows: the windows of a pooled image, one a channel, in place of terms.
    """

    column: int
    row: int
    geometry: Window | None
    terms: tuple[Term, ...]
    steps: tuple[str, ...]
    values: tuple[float, ...]
    word: str = ""
    before: "Explanation | None" = None
    windows: tuple[PooledWindow, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, *, all_steps: bool = False) -> Iterator[str]:
        """Yield the explanation line by line, after those of the steps before it if `all_steps`."""
        if all_steps:
            if self.before is not None:
                yield from self.before.lines(all_steps=True)
                yield ""
            yield f"step {self.word}"
        yield f"output position x={self.column}, y={self.row}"
        yield ""
        if self.geometry is not None:
            yield from size_lines(self.geometry)
            yield ""
        yield from self._windows()
        yield from self.steps
        yield f"{'pooled' if self.windows else 'response'} = {' '.join(map(number_text, self.values))}"

    def _windows(self) -> Iterator[str]:
        """Yield what stands under the window, and first, once, how padding is marked."""
        shown: tuple[Term | PooledWindow, ...] = (*self.terms, *self.windows)
        if any(one.marks_padding for one in shown):
            yield UNSEEN_WORDS[self.windows[0].mode] if self.windows else OUTSIDE_WORDS
            yield ""
        for one in shown:
            yield from one.lines()
            yield ""


def size_lines(window: Window) -> Iterator[str]:
    """Yield the formula of the output's size, with its numbers."""
    yield "size: floor((n + 2p - d(f - 1) - 1) / s) + 1, where 2p is the padding on both sides"
    partial = False
    for axis, name in ((1, "width"), (0, "height")):
        n, f, s, d = window.size[axis], window.kernel_size[axis], window.stride[axis], window.dilation[axis]
        before, after = window.padding[2 * axis : 2 * axis + 2]
        # A window past the padding is that of ceil mode; where it is left out, ceil and floor are the same.
        rounded = "ceil" if window.reach[axis] > n + before + after else "floor"
        partial |= rounded == "ceil"
        yield (
            f"{name + ':':8} n={n} f={f} p={before}+{after} s={s} d={d}: "
            f"{rounded}(({n} + {before + after} - {d * (f - 1)} - 1) / {s}) + 1 = {window.output_size[axis]}"
        )
    if partial:
        yield "ceil keeps the last, partial window"


def explain(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    x: int,
    y: int,
    *,
    direction: str | None = None,
    **filtering: Unpack[FilterOptions],
) -> Explanation:
    """Explain one number of a filtered image, as `cnncli edge --explain X,Y` does: window, kernel, products, sum.

    Args:
        image: as in `filter_image`.
        filter: as in `filter_image`.
        x: column of the output position, from 0.
        y: row of the output position, from 0.
        direction: as in `filter_image`.
        **filtering: as in `filter_image`.

    Returns:
        An explanation of the last step: `print` it, or take its `terms` and `values`; `before` has the step before.

    Raises:
        ArgumentError: as `filter_image`; or the position lies outside the output.

    Example:
        >>> explained = explain([[10, 10, 0, 0]] * 3, "vertical", 1, 1)
        >>> explained.values, explained.terms[0].products.tolist()
        ((30,), [[10, 0, 0], [10, 0, 0], [10, 0, 0]])
    """
    check_integers(x, y)
    response = Chain.of(filter, direction).over(as_rows(image), Filtering(**filtering))
    return explain_response(response, int(x), int(y))


def check_integers(x: object, y: object) -> None:
    """Check that x and y are integers.

    Raises:
        ArgumentError: one is not.
    """
    for name, place in (("x", x), ("y", y)):
        if not isinstance(place, int | np.integer):
            raise ArgumentError(f"{name} must be an integer, got {place!r}")


def explain_response(response: Response, column: int, row: int) -> Explanation:
    """Return the arithmetic of the response at (x, y) = (column, row).

    Raises:
        ArgumentError: the position lies outside the output.
    """
    check_position(response.shape, column, row)
    terms, steps = arithmetic(response, column, row)
    values = numbers_at(response, column, row)
    first = isinstance(response.source, Image)
    before = None if first else explain_response(response.source, *_middle(response.window, column, row))
    return Explanation(column, row, response.window, terms, tuple(steps), tuple(values), response.word, before)


def check_position(shape: Sequence[int], column: int, row: int) -> None:
    """Check that (x, y) = (column, row) lies in an output (H_out, W_out, ...).

    Raises:
        ArgumentError: it does not.
    """
    height, width = shape[:2]
    if not (0 <= column < width and 0 <= row < height):
        raise ArgumentError(
            f"explain {column},{row} lies outside the output of {width}x{height}: "
            f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
        )


def _middle(window: Window | None, column: int, row: int) -> tuple[int, int]:
    """Return the position (x, y) of the source under the middle of a window."""
    if window is None:
        return column, row
    places = []
    for axis, at in ((1, column), (0, row)):
        place = at * window.stride[axis] - window.padding[2 * axis] + (window.span[axis] - 1) // 2
        places.append(min(max(place, 0), window.size[axis] - 1))
    return places[0], places[1]
