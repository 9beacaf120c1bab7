"""From an animation to a scene: its grids, and words below them."""

from collections.abc import Iterator
from functools import cached_property

from cnncli.animations.frames import Animation, Frame, Kind
from cnncli.animations.grids import Grid, Lettering, numbers_on
from cnncli.animations.placing import (
    GAP,
    LINE,
    MARGIN,
    TEXT,
    TITLE,
    kernel_heading,
    output_heading,
    places_on,
    plane_heading,
    sum_words,
)
from cnncli.animations.scene import Line, Ring, Scene, Shape, Step, Strokes, Words
from cnncli.drawing.svg.lettering import shortened, text_width
from cnncli.files.text import addition, number_text

LONGEST = 940
"""Pixels of the longest line of text."""


def scene_of(animation: Animation) -> Scene:
    """Return an animation as a drawing of as many steps as it has frames."""
    return _Layout(animation).scene()


class _Layout:
    """The shapes of an animation."""

    def __init__(self, animation: Animation) -> None:
        self.animation = animation
        self.places = places_on(animation)
        self.footers = [_footer(animation, frame) for frame in animation.frames]
        self.measured = animation.frames[0].value is None
        self.below = self.places.bottom + LINE * (4 if self.measured else 2) + 6
        self.notes = self.below + LINE * max(map(len, self.footers)) + 6

    def scene(self) -> Scene:
        """Return the drawing."""
        animation, lines = self.animation, [line for lines in self.footers for line in lines]
        steps = [self._step(frame, own) for frame, own in zip(animation.frames, self.footers, strict=True)]
        longest = max(text_width(text, TEXT) for text in [*animation.formula, *lines])
        title = text_width(animation.title, TITLE, bold=True)
        right = max(self.places.right, MARGIN + longest, MARGIN + title)
        bottom = self.notes + LINE * (len(animation.legend) + len(animation.formula) - 1)
        ground, numbers = tuple(self._ground()), tuple(self._numbers())
        return Scene(round(right) + MARGIN, bottom + MARGIN, animation.title, ground, numbers, tuple(steps))

    def _ground(self) -> Iterator[Shape]:
        animation, output = self.animation, self.places.output
        yield Words(MARGIN, MARGIN + 12, animation.title, TITLE, "start", bold=True)
        for channel, row in enumerate(self.places.rows):
            yield from row.plane.runs(animation.kinds, Kind.INPUT, "fill-1")
            yield _heading(row.plane, plane_heading(animation, channel))
            for number, (kernel, products) in row.kernels.items():
                yield kernel.area((0, 0), (kernel.rows, kernel.columns), style="fill-5")
                yield from (kernel.lines(), products.lines())
                yield _heading(kernel, kernel_heading(animation, number))
                yield _heading(products, "products")
                yield from (_sign_before(kernel, "*"), _sign_before(products, "="))
        yield from (output.lines(), _heading(output, output_heading(animation)), _arrow_to(output))
        yield from self._notes()

    def _notes(self) -> Iterator[Shape]:
        """Yield what the hatching stands for, and the formula."""
        y = self.notes
        for kind, words in self.animation.legend:
            swatch = Grid(MARGIN, y - 13, 1, 1, 16)
            yield from (*swatch.hatching(((kind,),), kind), swatch.lines())
            yield Words(MARGIN + 24, y, words, TEXT, "start", "faint")
            y += LINE
        for line in self.animation.formula:
            yield Words(MARGIN, y, line, TEXT, "start", "faint")
            y += LINE

    def _numbers(self) -> Iterator[Line]:
        animation, kinds = self.animation, self.animation.kinds
        for row, plane in zip(self.places.rows, animation.planes, strict=True):
            for kind, _ in animation.legend:
                yield from row.plane.hatching(kinds, kind)
            yield row.plane.lines()
            yield from numbers_on(row.plane, plane, kinds)
            for number, (kernel, _) in row.kernels.items():
                yield from numbers_on(kernel, animation.kernels[number].weights)

    def _step(self, frame: Frame, lines: list[str]) -> Step:
        output, place = self.places.output, (frame.row, frame.column)
        under, over = list[Shape](), list[Shape]()
        for row in self.places.rows:
            under += _window(row.plane, frame, self._has_gaps)
            over += _outlines(row.plane, frame, self._has_gaps)
            over += self._measures(row.plane, frame) if self.measured else ()
        kept: list[Shape] = [output.area(place, style="fill-3 soft")]
        if frame.value is not None:
            kept.append(output.words(place, self._values.write(frame.value), self._values.size))
        over += [output.area(place, style="open line-mark", line=3), *self._products(frame)]
        over += [
            Words(MARGIN, self.below + number * LINE, line, TEXT, "start", bold=number == 0)
            for number, line in enumerate(lines)
        ]
        return Step(tuple(under), tuple(kept), tuple(over))

    def _products(self, frame: Frame) -> Iterator[Shape]:
        for row in self.places.rows:
            for number, (_, grid) in row.kernels.items():
                for tap, product in enumerate(frame.products[number]):
                    yield grid.words(divmod(tap, grid.columns), self._inner.write(product), self._inner.size)
                yield Words(grid.x, grid.y + grid.height + 16, sum_words(frame.sums[number]), TEXT, "start", bold=True)

    def _measures(self, grid: Grid, frame: Frame) -> Iterator[Shape]:
        """Yield below a plane the width of the window, and how far it came from the position before."""
        geometry, (_, (_, columns)) = self.animation.geometry, _extent(frame)
        (left, _), bottom = grid.corner(*frame.places[0]), grid.y + grid.height + 8
        f, d, s = geometry.kernel_size[1], geometry.dilation[1], geometry.stride[1]
        words = f"f = {f}" if d == 1 else f"d(f - 1) + 1 = {columns}"
        yield from _measure(left, left + columns * grid.cell, bottom, words)
        if frame.column:
            before = self.animation.frames[frame.column - 1].places[0][1]
            moved = frame.places[0][1] - before
            start = grid.corner(0, before)[0]
            yield from _measure(start, left, bottom + LINE, f"s = {s}" if moved == s else f"by {moved}")

    @property
    def _has_gaps(self) -> bool:
        return max(self.animation.geometry.dilation) > 1

    @cached_property
    def _values(self) -> Lettering:
        return Lettering.of([frame.value for frame in self.animation.frames], self.places.output.cell)

    @cached_property
    def _inner(self) -> Lettering:
        """The writing of all products, so that their letters do not grow and shrink."""
        grids = [grid for row in self.places.rows for _, grid in row.kernels.values()]
        products = [one for frame in self.animation.frames for products in frame.products for one in products]
        return Lettering.of(products, grids[0].cell if grids else 0)


def _footer(animation: Animation, frame: Frame) -> list[str]:
    """Return the lines on one position: the sum written out, where it fits, and what follows it."""
    lines = [f"output at x={frame.column}, y={frame.row}"]
    if len(animation.kernels) == 1:
        written = f"sum = {addition(frame.products[0])} = {number_text(frame.sums[0])}"
        lines += [written] if text_width(written, TEXT) <= LONGEST else []
    return [*lines, *(shortened(step, TEXT, LONGEST) for step in frame.steps)]


def _heading(grid: Grid, text: str) -> Words:
    return Words(grid.x, grid.y - 6, text, TEXT, "start", "faint")


def _sign_before(grid: Grid, sign: str) -> Words:
    return Words(grid.x - GAP / 2, grid.y + grid.height / 2 + 5, sign, 16, style="faint")


def _arrow_to(grid: Grid) -> Strokes:
    tip, y = grid.x - 8, grid.y + grid.height / 2
    return Strokes((((tip - 18, y), (tip, y)), ((tip - 6, y - 4), (tip, y)), ((tip - 6, y + 4), (tip, y))), "soft", 1.5)


def _measure(left: float, right: float, y: float, words: str) -> Iterator[Shape]:
    """Yield a line between two ends, and words below it."""
    ends = (((left, y), (right, y)), ((left, y - 3), (left, y + 3)), ((right, y - 3), (right, y + 3)))
    yield Strokes(ends, "line-mark", 1.5)
    yield Words((left + right) / 2, y + 14, words, 11)


def _window(grid: Grid, frame: Frame, has_gaps: bool) -> Iterator[Shape]:
    """Yield the areas that the window sees."""
    if has_gaps:
        yield from (grid.area(tap, style="fill-2") for tap in frame.places)
    else:
        yield grid.area(*_extent(frame), style="fill-2")


def _outlines(grid: Grid, frame: Frame, has_gaps: bool) -> Iterator[Shape]:
    """Yield the frame of the window, of each tap where there are gaps between them, and rings around the chosen."""
    yield grid.area(*_extent(frame), style="open line-mark", line=3)
    if has_gaps:
        yield from (grid.area(tap, style="open line-mark", line=1.5) for tap in frame.places)
    for tap in frame.chosen:
        x, y = grid.corner(*frame.places[tap])
        yield Ring(x + grid.cell / 2, y + grid.cell / 2, grid.cell / 2 - 3, "open line-mark", 2)


def _extent(frame: Frame) -> tuple[tuple[int, int], tuple[int, int]]:
    (top, left), (bottom, right) = frame.places[0], frame.places[-1]
    return (top, left), (bottom - top + 1, right - left + 1)
