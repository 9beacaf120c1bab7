"""Parts of a diagram that are put side by side, into rows, and into branches; each knows the room that it takes.

A piece is entered at its left and left at its right, both on its axis; a piece after another draws the arrow to itself.
"""

from collections.abc import Sequence

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.lettering import text_width

SMALL = 11
"""Pixels of the letters that explain."""

ARROW = 22
"""Pixels of an arrow without words."""


class Line:
    """A line of text in a drawing, with its size and its class."""

    def __init__(self, text: str, style: str = "ink", *, size: float = SMALL, bold: bool = False) -> None:
        self.text, self.style, self.size, self.bold = text, style, size, bold
        self.width = text_width(text, size, bold=bold)

    def draw(self, svg: Svg, x: float, y: float) -> None:
        """Write it with its centre at x."""
        svg.text(x, y, self.text, size=self.size, anchor="middle", style=self.style, bold=self.bold)


class Piece:
    """A part of a diagram.

    Attributes:
        width: pixels from its entrance to its exit.
        above: pixels that it takes above its axis.
        below: pixels that it takes below its axis.
        tail: pixels before its exit that are left free for the line to what comes next.
    """

    tail = 0.0

    def __init__(self, width: float, above: float, below: float) -> None:
        self.width, self.above, self.below = width, above, below

    def draw(self, svg: Svg, x: float, y: float) -> None:
        """Draw it from x on, with its axis at y."""
        raise NotImplementedError


class Rows(Piece):
    """Pieces one after the other, in as many rows as they need.

    Attributes:
        rows: the pieces of each row.
    """

    GAP, LANE = 30, 14

    def __init__(self, pieces: Sequence[Piece], room: float, *, begins: bool = False) -> None:
        alone = sum(piece.width for piece in pieces) <= room
        self._lane = 0 if alone else self.LANE
        self.rows = _balanced(pieces, room - 2 * self._lane)
        self._begins = begins
        self._drops = [max(piece.below for piece in row) for row in self.rows]
        self._rises = [max(piece.above for piece in row) for row in self.rows]
        middle = sum(self._rises[1:]) + sum(self._drops[:-1]) + self.GAP * (len(self.rows) - 1)
        width = max(sum(piece.width for piece in row) for row in self.rows) + 2 * self._lane
        super().__init__(width, self._rises[0], middle + self._drops[-1])

    def draw(self, svg: Svg, x: float, y: float) -> None:
        axis = y
        if self._lane and not self._begins:
            svg.line([(x, y), (x + self._lane, y)])
        for number, row in enumerate(self.rows):
            end = _side_by_side(svg, row, x + self._lane, axis)
            if number < len(self.rows) - 1:
                turn = axis + self._drops[number] + self.GAP / 2
                right, left = x + self.width - self._lane / 2 - 2, x + self._lane / 2
                after = turn + self.GAP / 2 + self._rises[number + 1]
                points = [(right, axis), (right, turn), (left, turn), (left, after), (x + self._lane, after)]
                svg.line([(end, axis), *points])
                axis = after
            elif not self._begins:
                svg.line([(end, axis), (x + self.width, axis), *([(x + self.width, y)] if axis != y else ())])


class Together(Piece):
    """Pieces that stay in one row, as the sign that joins branches and the output behind it."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        width = sum(piece.width for piece in pieces)
        super().__init__(width, max(piece.above for piece in pieces), max(piece.below for piece in pieces))
        self.tail = pieces[-1].tail

    def draw(self, svg: Svg, x: float, y: float) -> None:
        _side_by_side(svg, self._pieces, x, y)


def _side_by_side(svg: Svg, row: Sequence[Piece], x: float, y: float) -> float:
    """Draw pieces in a row; return where the line after the last begins."""
    for number, piece in enumerate(row):
        piece.draw(svg, x, y)
        x += piece.width
        if piece.tail and number < len(row) - 1:
            svg.line([(x - piece.tail, y), (x, y)])
    return x - row[-1].tail


def _balanced(pieces: Sequence[Piece], room: float) -> list[list[Piece]]:
    """Return as few rows as the room allows, of about the same width."""
    fewest = len(_wrapped(pieces, room))
    low, high = 0, int(room)
    while high - low > 8:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_wrapped(pieces, middle)) == fewest else (middle, high)
    return _wrapped(pieces, min(high + 1, room))


def _wrapped(pieces: Sequence[Piece], room: float) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    left = 0.0
    for piece in pieces:
        if not rows or piece.width > left:
            rows.append([])
            left = room
        rows[-1].append(piece)
        left -= piece.width
    return rows


class Frame(Piece):
    """A piece in a dashed frame with a title, as a group that repeats."""

    SIDE, TOP, BOTTOM = 12, 22, 10

    def __init__(self, title: str, inner: Piece) -> None:
        self._title, self._inner = title, inner
        width = max(inner.width + 2 * self.SIDE, text_width(title, 12, bold=True) + 2 * self.SIDE)
        super().__init__(width + ARROW / 2, inner.above + self.TOP, inner.below + self.BOTTOM)

    @classmethod
    def cost(cls) -> float:
        """Return the width that it takes beside what is in it."""
        return 2 * cls.SIDE + ARROW / 2

    def draw(self, svg: Svg, x: float, y: float) -> None:
        left, right = x + ARROW / 2, x + self.width
        svg.line([(x, y), (left + self.SIDE, y)])
        svg.rect(
            left,
            y - self.above + 4,
            right - left,
            self.above + self.below - 8,
            style="soft open",
            rounded=6,
            stroke_dasharray="6 4",
        )
        svg.text(left + 8, y - self.above + 18, self._title, size=12, bold=True)
        self._inner.draw(svg, left + self.SIDE, y)
        svg.line([(left + self.SIDE + self._inner.width, y), (right, y)])


class Wire(Piece):
    """A branch without layers: a line, with a word above it."""

    def __init__(self, word: str) -> None:
        self._word = word
        super().__init__(text_width(word, SMALL) + 16, SMALL + 8, 8)

    def draw(self, svg: Svg, x: float, y: float) -> None:
        svg.line([(x, y), (x + self.width, y)])
        svg.text(x + self.width / 2, y - 5, self._word, size=SMALL, style="faint", anchor="middle")


class Fork(Piece):
    """Branches one below the other, between the line that forks and the sign that joins them.

    Args:
        branches: the branches from top to bottom.
        main: the number of the one on the axis; None for the middle of all.
        sign: what joins them, as "+".
    """

    LEFT, RIGHT, GAP, RADIUS = 14, 30, 12, 10

    def __init__(self, branches: Sequence[Piece], main: int | None, sign: str) -> None:
        self._branches, self._sign = branches, sign
        self._half = self._half_of(sign)
        axes, top = [], 0.0
        for branch in branches:
            axes.append(top + branch.above)
            top += branch.above + branch.below + self.GAP
        axis = (axes[0] + axes[-1]) / 2 if main is None else axes[main]
        self._axes = [place - axis for place in axes]
        width = self.LEFT + max(branch.width for branch in branches) + self.RIGHT + self._half
        super().__init__(width, max(axis, self.RADIUS), max(top - self.GAP - axis, self.RADIUS))

    @classmethod
    def cost(cls, sign: str) -> float:
        """Return the width that it takes beside its branches."""
        return cls.LEFT + cls.RIGHT + cls._half_of(sign)

    @classmethod
    def _half_of(cls, sign: str) -> float:
        """Return half of the width of a sign that joins branches."""
        return max(cls.RADIUS, text_width(sign, 12, bold=True) / 2 + 5)

    def draw(self, svg: Svg, x: float, y: float) -> None:
        left, join = x + self.LEFT, x + self.width - self._half
        svg.line([(x, y), (left, y)])
        for branch, offset in zip(self._branches, self._axes, strict=True):
            if offset:
                svg.line([(left, y), (left, y + offset)])
            branch.draw(svg, left, y + offset)
            end = left + branch.width, y + offset
            if offset:
                stop = y + (self.RADIUS if offset > 0 else -self.RADIUS)
                svg.line([end, (join, y + offset), (join, stop)], arrow=True)
            else:
                svg.line([end, (join - self._half, y)], arrow=True)
        height = 2 * self.RADIUS
        svg.rect(join - self._half, y - self.RADIUS, 2 * self._half, height, style="fill-4 edge", rounded=self.RADIUS)
        svg.text(join, y + 4.5, self._sign, size=12, anchor="middle", bold=True)
