"""The grid of cells that a detector's outputs are, and what their numbers mean."""

from typing import Self

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.layers.pointwise import Activation, Linear
from cnncli.shapes import show_shape
from cnncli.values import Value

BOX = slice(1, 5)
"""Channels of a cell's box; before them stands the objectness, after them the classes."""

LOG_SIDE_LIMIT = 6.0
"""Limit of the logarithm of a side in strides: e^6 are 403 strides, more than any picture has. Without it, a large
output would overflow; beyond it the gradient is 0."""

RARE = 0.01
"""Probability of an object that an untrained network gives every cell (Lin et al., arXiv:1708.02002, section 4.1)."""


class Grid(Value):
    """Cells of a detector, each of which predicts one box.

    The numbers of a cell are its objectness o, the box tx, ty, tw, th, and a logit for each class. In pixels of the
    input, the centre of the cell's box is (column + 0.5 + tx, row + 0.5 + ty) strides, and its sides are e^tw and e^th
    strides. The probability of an object is sigmoid(o), that of its class the softmax of the class logits.

    Attributes:
        size: (height, width) of the input in pixels.
        cells: (rows, columns).
        classes: number of classes.

    Example:
        >>> grid = Grid((240, 320), (30, 40), 3)
        >>> grid.channels, grid.strides
        (8, (8, 8))
    """

    size: tuple[int, int]
    cells: tuple[int, int]
    classes: int

    def validate(self) -> None:
        if any(side % count for side, count in zip(self.size, self.cells, strict=True)):
            fitting = (count * max(1, round(side / count)) for side, count in zip(self.size, self.cells, strict=True))
            raise ArgumentError(
                f"a grid of {show_shape(self.cells)} cells does not divide an input of {show_shape(self.size)} pixels "
                f"evenly: pad the convolutions (same), and take an input such as {show_shape(tuple(fitting))}"
            )

    @classmethod
    def of(cls, network: Network, classes: int) -> Self:
        """Return the grid that a network puts out.

        Raises:
            ArgumentError: its output is not a grid of boxes of so many classes, goes through an activation, or does not
                divide the input evenly.

        Example:
            >>> from cnncli.networks import parse_network
            >>> Grid.of(parse_network("32x32x1 conv3-8,same,s2,relu conv1-7"), 2).cells
            (16, 16)
        """
        shape, needed = network.output_shape, f"conv1-{5 + classes} as its last word"
        if len(shape) != 3 or shape[2] != 5 + classes:
            boxes = f"boxes of {classes} class{'es' * (classes != 1)}"
            raise ArgumentError(f"the network puts out {show_shape(shape)}: {boxes} need {needed}")
        last = network.layers.unrolled[-1].words[-1]
        if isinstance(last, Activation) and not isinstance(last, Linear):
            raise ArgumentError(f"the network ends in {last.op}, but boxes need numbers of any size: {needed}")
        height, width, _ = network.input_shape
        return cls((height, width), shape[:2], classes)

    @property
    def channels(self) -> int:
        """Numbers of a cell."""
        return 5 + self.classes

    @property
    def count(self) -> int:
        """Number of cells; they are numbered row by row."""
        return self.cells[0] * self.cells[1]

    @property
    def strides(self) -> tuple[int, int]:
        """Pixels from one cell to the next, down and across."""
        return self.size[0] // self.cells[0], self.size[1] // self.cells[1]

    def by_cell(self, outputs: Array) -> Array:
        """Return outputs (N, ...) of a network as the numbers of its cells, (N, cells, channels).

        Raises:
            ArgumentError: they are not those of this grid.
        """
        own = (*self.cells, self.channels)
        if outputs.shape[1:] not in (own, (self.count * self.channels,)):
            cells = f"{show_shape(self.cells)} cells of {self.channels} numbers"
            raise ArgumentError(f"outputs of shape {outputs.shape} do not fit a grid of {cells}")
        return outputs.reshape(len(outputs), self.count, self.channels)

    def boxes(self, cells: Array, numbers: Array) -> tuple[Array, Array]:
        """Return the centres (P, 2) and the sides (P, 2) of the boxes of cells, x before y, in pixels of the input.

        Args:
            cells: (P,), numbers of cells.
            numbers: (P, 4), the channels `BOX` of these cells.

        Example:
            >>> centres, sides = Grid((32, 32), (4, 4), 1).boxes(np.array([5]), np.zeros((1, 4)))
            >>> centres.tolist(), sides.tolist()
            ([[12.0, 12.0]], [[8.0, 8.0]])
        """
        sides = np.exp(numbers[:, 2:].clip(-LOG_SIDE_LIMIT, LOG_SIDE_LIMIT))
        return (self._middles(cells) + numbers[:, :2]) * self._scale, sides * self._scale

    def numbers(self, cells: Array, places: Array) -> Array:
        """Return the numbers (P, 4) with which cells predict boxes (P, 4) of x, y, width, height."""
        centres = (places[:, :2] + places[:, 2:] / 2) / self._scale
        return np.concatenate([centres - self._middles(cells), self.log_sides(places)], axis=1)

    def log_sides(self, places: Array) -> Array:
        """Return the logarithms of the sides of boxes (..., 4) in strides, within the limit."""
        sides = np.maximum(places[..., 2:] / self._scale, np.exp(-LOG_SIDE_LIMIT))
        return np.log(sides).clip(None, LOG_SIDE_LIMIT)

    @property
    def _scale(self) -> Array:
        return np.array(self.strides[::-1], np.float64)

    def _middles(self, cells: Array) -> Array:
        """Return the middles of cells in strides, (P, 2), x before y."""
        rows, columns = np.divmod(cells, self.cells[1])
        return np.stack([columns, rows], axis=1) + 0.5


def real_boxes(labels: Array) -> Array:
    """Return which rows of labels (N, M, 5) are boxes to find, (N, M) bool."""
    real: Array = labels[..., 0] >= 0
    return real


def first_biases(grid: Grid, labels: Array) -> Array:
    """Return the biases with which the last layer begins, (channels,) float32.

    Every cell says that an object is rare, so that the many empty cells do not rule the first steps, and that a box
    has the (geometric) mean sides of the labels.

    Args:
        grid: the grid.
        labels: (N, M, 5), as the loss takes them.

    Example:
        >>> labels = np.array([[[0, 10, 10, 8, 16], [-1, 0, 0, 0, 0]]])
        >>> first_biases(Grid((32, 32), (4, 4), 1), labels).astype(float).round(3).tolist()
        [-4.595, 0.0, 0.0, 0.0, 0.693, 0.0]
    """
    biases = np.zeros(grid.channels, np.float32)
    biases[0] = np.log(RARE / (1 - RARE))
    places = labels[real_boxes(labels)][:, 1:]
    if len(places):
        biases[3:5] = grid.log_sides(places).mean(axis=0)
    return biases
