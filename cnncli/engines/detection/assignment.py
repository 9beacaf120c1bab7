"""Which cells of a grid learn which boxes.

A cell learns a box if the cell's middle is inside the box and near its middle (the centre sampling of FCOS, Tian et
al., arXiv:1904.01355); a cell that several boxes claim learns the smallest. However small a box is, the cell that holds
its middle claims it; a box that loses every cell to smaller ones takes the nearest free cell inside it, if there is
one.
"""

from math import ceil
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import CROWD
from cnncli.engines.detection.grid import Grid, real_boxes


class Assignment(NamedTuple):
    """The cells of a batch that learn a box, and those that learn nothing.

    Attributes:
        pictures: (P,), picture of each cell that learns a box.
        cells: (P,), its number in the grid.
        rows: (P,), row of the picture's labels that it learns.
        ignored: (N, cells), bool: cells whose objectness is not judged, because they are inside a crowd.
    """

    pictures: Array
    cells: Array
    rows: Array
    ignored: Array


def assign(grid: Grid, labels: Array, radius: float = 1.5) -> Assignment:
    """Return which cells learn which boxes.

    Args:
        grid: the grid.
        labels: (N, M, 5): class, x, y, width, height in pixels of the input; class -1 is no box, -2 a crowd.
        radius: how far, in strides along each axis, a cell's middle may be from that of the box; at least 0.5.

    Example:
        >>> from cnncli.engines.detection.grid import Grid
        >>> labels = np.array([[[0, 8, 8, 16, 16]]])  # its middle is the corner of four cells
        >>> assign(Grid((32, 32), (4, 4), 1), labels).cells.tolist()
        [5, 6, 9, 10]
    """
    pictures, rows = np.nonzero(real_boxes(labels))
    edges = _edges(grid, labels[pictures, rows])
    # The largest first, so that smaller ones take cells from them; of equals, the first row is the last to take.
    order = np.argsort((edges[:, 1] - edges[:, 0]).prod(axis=1), kind="stable")[::-1]
    pictures, rows, edges = pictures[order], rows[order], edges[order]
    owners = np.full((len(labels), grid.count), -1)
    boxes, cells = _claims(grid, edges, radius)
    owners[pictures[boxes], cells] = boxes
    lost = np.bincount(owners[owners >= 0], minlength=len(rows)) == 0
    for box in np.flatnonzero(lost)[::-1]:
        _settle(grid, owners[pictures[box]], box, edges[box])
    found, cells = np.nonzero(owners >= 0)
    ignored = _crowded(grid, labels)
    ignored[found, cells] = False
    return Assignment(found, cells, rows[owners[found, cells]], ignored)


def _edges(grid: Grid, labels: Array) -> Array:
    """Return left, top and right, bottom of rows of labels (B, 5) in strides, (B, 2, 2)."""
    places = labels[:, 1:].astype(np.float64)
    return np.stack([places[:, :2], places[:, :2] + places[:, 2:]], axis=1) / grid.strides[::-1]


def _claims(grid: Grid, edges: Array, radius: float) -> tuple[Array, Array]:
    """Return the boxes and the cells of all claims, in the order of the boxes."""
    homes, reach = _homes(grid, edges), ceil(radius - 0.5)
    # Along each axis, the cells that can be near: (B, window, 2).
    near = homes[:, np.newaxis] + np.arange(-reach, reach + 1)[:, np.newaxis]
    at = near + 0.5
    apart = at - edges.mean(axis=1, keepdims=True)
    claims = (-radius < apart) & (apart <= radius)  # as many, wherever the middle is
    claims &= (edges[:, :1] <= at) & (at < edges[:, 1:]) & (near >= 0) & (near < grid.cells[::-1])
    home = near == homes[:, np.newaxis]
    both = claims[:, :, 1, np.newaxis] & claims[:, np.newaxis, :, 0]
    both |= home[:, :, 1, np.newaxis] & home[:, np.newaxis, :, 0]
    boxes, down, across = np.nonzero(both)
    return boxes, near[boxes, down, 1] * grid.cells[1] + near[boxes, across, 0]


def _homes(grid: Grid, edges: Array) -> Array:
    """Return column and row of the cells that hold the middles of boxes, (B, 2)."""
    homes: Array = np.floor(edges.mean(axis=1)).astype(np.int64).clip(0, np.array(grid.cells[::-1]) - 1)
    return homes


def _settle(grid: Grid, owners: Array, box: int, edges: Array) -> None:
    """Give a box the nearest cell of a picture that is free and inside it, if there is one."""
    rows, columns = np.divmod(np.arange(grid.count), grid.cells[1])
    at = np.stack([columns, rows], axis=1) + 0.5
    free = np.flatnonzero((owners < 0) & ((edges[0] <= at) & (at < edges[1])).all(axis=1))
    if len(free):
        owners[free[((at[free] - edges.mean(axis=0)) ** 2).sum(axis=1).argmin()]] = box


def _crowded(grid: Grid, labels: Array) -> Array:
    """Return which cells have their middle inside a crowd, or hold a crowd's middle, (N, cells)."""
    crowded = np.zeros((len(labels), *grid.cells), bool)
    pictures, rows = np.nonzero(labels[..., 0] == CROWD)
    edges = _edges(grid, labels[pictures, rows])
    bounds = np.ceil(edges - 0.5).clip(0).astype(np.int64)
    for picture, ((left, top), (right, bottom)), (column, row) in zip(
        pictures, bounds, _homes(grid, edges), strict=True
    ):
        crowded[picture, top:bottom, left:right] = True
        crowded[picture, row, column] = True
    return crowded.reshape(len(labels), -1)
