"""The boards of the page of an animation: how their numbers are written, and what the script puts into them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cnncli.animations.frames import Animation, Frame, Kind, Plane
from cnncli.animations.grids import Lettering
from cnncli.animations.placing import cell_side, sum_words
from cnncli.drawing.svg.document import escaped
from cnncli.files.text import addition, number_text
from cnncli.filters.explaining.terms import LARGEST_PRINTED

WIDEST = 420
"""Pixels of a board, before its cells become smaller than usual."""

CLASSES = {Kind.INPUT: "i", Kind.PADDING: "p", Kind.INSERTED: "z"}
"""Kinds of cells in the style sheet."""

Json = dict[str, object]


class Board(NamedTuple):
    """The look of a board: the side of its cells in pixels, and the writing of their numbers."""

    cell: int
    letters: Lettering

    @classmethod
    def of(cls, numbers: Iterable[float | None], columns: int) -> "Board":
        """Return cells that hold the longest number, or smaller ones where the board would be too wide."""
        known = list(numbers)
        cell = cell_side(known, columns, WIDEST)
        return cls(cell, Lettering.of(known, cell))

    def write(self, number: float | None) -> str:
        """Return a number as it is shown."""
        return "" if number is None else self.letters.write(number)

    def rows(self, plane: Plane) -> list[list[str]]:
        """Return rows of numbers as they are shown."""
        return [[self.write(number) for number in line] for line in plane]

    def html(self, name: str, heading: str, *, role: str = "table", framed: bool = False) -> str:
        """Return an empty board as HTML, which the script fills; `framed` has the frame that moves over its cells."""
        style = f"--cell: {self.cell}px; --letters: {self.letters.size:g}px"
        frame = '<div class="frame"></div>' * framed
        return (
            f'<figure class="part"><figcaption>{escaped(heading)}</figcaption><div class="room">'
            f'<div class="board" id="{name}" data-cell="{self.cell}" style="{style}">'
            f'<table role="{role}" aria-label="{escaped(heading)}"></table>{frame}</div></div></figure>'
        )


class Boards(NamedTuple):
    """The boards of an animation by what they hold; those of a product have cells of one size."""

    planes: Board
    windows: Board
    kernels: Board
    products: Board
    output: Board

    @classmethod
    def of(cls, animation: Animation) -> "Boards":
        """Return the boards for the numbers of an animation."""
        across, columns = animation.geometry.kernel_size[1], animation.geometry.output_size[1]
        inputs = list(_numbers(animation.planes))
        weights = list(_numbers(kernel.weights for kernel in animation.kernels))
        products = list(_numbers(frame.products for frame in animation.frames))
        planes = Board.of(inputs, len(animation.kinds[0]))
        cell = cell_side([*inputs, *weights, *products], across, WIDEST)
        return cls(
            planes,
            Board(cell, planes.letters),
            Board(cell, Lettering.of(weights, cell)),
            Board(cell, Lettering.of(products, cell)),
            Board.of((frame.value for frame in animation.frames), columns),
        )


def _numbers(planes: Iterable[Plane]) -> Iterator[float | None]:
    return (number for plane in planes for line in plane for number in line)


def board_data(animation: Animation, boards: Boards, delay: float) -> Json:
    """Return what the script of the page shows: every number as it is written."""
    (top, left), (bottom, right) = animation.frames[0].places[0], animation.frames[0].places[-1]
    first = _flat(animation, animation.frames[0])
    return {
        "delay": round(1000 * delay),
        "names": {CLASSES[kind]: kind for kind in Kind},
        "kinds": ["".join(CLASSES[kind] for kind in line) for line in animation.kinds],
        "planes": [boards.planes.rows(plane) for plane in animation.planes],
        "kernels": [
            {"channel": kernel.channel, "weights": boards.kernels.rows(kernel.weights)} for kernel in animation.kernels
        ],
        "window": animation.geometry.kernel_size,
        "reach": (bottom - top + 1, right - left + 1),
        "taps": [place - first[0] for place in first],
        "output": animation.geometry.output_size,
        "frames": [_frame_data(animation, boards, frame) for frame in animation.frames],
    }


def _frame_data(animation: Animation, boards: Boards, frame: Frame) -> Json:
    return {
        "x": frame.column,
        "y": frame.row,
        "start": _flat(animation, frame)[0],
        "products": [[boards.products.write(number) for number in products] for products in frame.products],
        "sums": [sum_words(number) for number in frame.sums],
        "value": boards.output.write(frame.value),
        "chosen": frame.chosen,
        "lines": list(_lines(animation, frame)),
    }


def _flat(animation: Animation, frame: Frame) -> list[int]:
    """Return the places of the taps, counted row by row."""
    return [row * len(animation.kinds[0]) + column for row, column in frame.places]


def _lines(animation: Animation, frame: Frame) -> Iterator[str]:
    """Yield the arithmetic of a position, as it is written below the boards and read out."""
    yield f"output at x={frame.column}, y={frame.row}"
    if frame.value is None:
        rows, columns = (", ".join(map(str, sorted(set(one)))) for one in zip(*frame.places, strict=True))
        around = animation.around.removesuffix("to")
        yield f"from rows {rows} and columns {columns} of the {around}input"
        return
    for kernel, products, total in zip(animation.kernels, frame.products, frame.sums, strict=True):
        written = f"{addition(list(products))} = " if 1 < len(products) <= LARGEST_PRINTED else ""
        yield f"sum {kernel.name}".rstrip() + f" = {written}{number_text(total)}"
    yield from frame.steps
    yield f"response = {number_text(frame.value)}"
