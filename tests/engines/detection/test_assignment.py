import numpy as np
import pytest
from detection_cases import GRIDS, random_labels

from cnncli.engines.detection.assignment import assign
from cnncli.engines.detection.grid import Grid

GRID = Grid((64, 80), (8, 10), 3)


def by_loops(grid, labels, radius):
    """Return {(picture, cell): row}, and the ignored (picture, cell), by asking every cell about every box."""
    owners, ignored = {}, set()
    for picture, rows in enumerate(labels.astype(np.float64)):
        claims = [Claim(grid, number, row, radius) for number, row in enumerate(rows)]
        mine = owners_of(sorted((claim for claim in claims if claim.kind >= 0), key=lambda claim: claim.w * claim.h))
        owners.update({(picture, cell): row for cell, row in mine.items()})
        crowds = [claim for claim in claims if claim.kind == -2]
        judged = {cell for claim in crowds for cell in {claim.home, *filter(claim.inside, claim.middles)}} - {*mine}
        ignored |= {(picture, cell) for cell in judged}
    return owners, ignored


def owners_of(claims):
    """Return {cell: row} for the boxes of a picture, the smallest first."""
    mine = {}
    for claim in claims:
        for cell in claim.middles:
            if cell == claim.home or (claim.near(cell) and claim.inside(cell)):
                mine.setdefault(cell, claim.row)
    for claim in claims:
        if claim.row not in mine.values():
            free = [cell for cell in claim.middles if cell not in mine and claim.inside(cell)]
            if free:
                mine[min(free, key=lambda cell: sum(side**2 for side in claim.apart(cell)))] = claim.row
    return mine


class Claim:
    """A box that asks for cells."""

    def __init__(self, grid, number, row, radius):
        (self.down, self.across), (rows, columns) = grid.strides, grid.cells
        self.row, self.radius = number, radius
        self.kind, self.x, self.y, self.w, self.h = row
        self.middles = {
            r * columns + c: ((c + 0.5) * self.across, (r + 0.5) * self.down) for r, c in np.ndindex(grid.cells)
        }
        column = min(int((self.x + self.w / 2) / self.across), columns - 1)
        self.home = min(int((self.y + self.h / 2) / self.down), rows - 1) * columns + column

    def inside(self, cell):
        x, y = self.middles[cell]
        return self.x <= x < self.x + self.w and self.y <= y < self.y + self.h

    def apart(self, cell):
        x, y = self.middles[cell]
        return (x - self.x - self.w / 2) / self.across, (y - self.y - self.h / 2) / self.down

    def near(self, cell):
        return all(-self.radius < side <= self.radius for side in self.apart(cell))


def found(grid, labels, radius=1.5):
    pictures, cells, rows, ignored = assign(grid, labels, radius)
    return dict(zip(zip(pictures, cells, strict=True), rows, strict=True)), set(zip(*np.nonzero(ignored), strict=True))


def boxes(*rows):
    return np.array([rows], np.float32)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("radius", [0.5, 1.5, 2.25])
def test_it_is_that_of_loops(grid, radius):
    for seed in range(8):
        labels = random_labels(grid, most=4 + 3 * seed, seed=seed)
        assert found(grid, labels, radius) == by_loops(grid, labels, radius)
    aligned = labels.round(-1)  # boxes in the same places, with middles in the corners of cells
    aligned[..., 0] = labels[..., 0]
    aligned[..., 1:3] = aligned[..., 1:3].clip(0, 20)
    aligned[..., 3:] = (aligned[..., 3:] + 4).clip(None, 12)
    assert found(grid, aligned, radius) == by_loops(grid, aligned, radius)


def test_cells_near_the_middle_learn_a_large_box():
    for shift in (0, 1, 7, 9):  # the middle is in the cell from 24 to 32, or just after it
        cells, _ = found(GRID, boxes([0, shift, shift, 48, 48]))
        near = (2, 3, 4) if shift < 8 else (3, 4, 5)
        assert sorted(cell for _, cell in cells) == [row * 10 + column for row in near for column in near]


def test_a_box_without_any_middle_inside_learns_in_the_cell_of_its_own():
    assert found(GRID, boxes([0, 1, 1, 2, 2], [1, 79, 63, 1, 1]))[0] == {(0, 0): 0, (0, 79): 1}


def test_the_smaller_box_takes_a_cell():
    around, inner = [0, 0, 0, 56, 56], [1, 20, 20, 16, 16]
    owners, _ = found(GRID, boxes(around, inner))
    assert owners[0, 33] == 1
    assert set(owners.values()) == {0, 1}
    assert found(GRID, boxes(inner, around))[0][0, 33] == 0


def test_a_box_that_loses_its_cell_takes_the_nearest_free_one_inside_it():
    same = [0, 0, 0, 16, 12]
    owners, _ = found(GRID, boxes([0, 1, 1, 6, 6], [0, 1, 1, 5, 6], [0, 0, 0, 17, 7]), 0.5)
    assert owners == {(0, 0): 1, (0, 1): 2}  # the second box is the smallest; the first has no other cell
    assert sorted(found(GRID, boxes(same, same), 0.5)[0].values()) == [0, 1]


def test_inside_a_crowd_nothing_is_judged_but_boxes():
    labels = boxes([-2, 16, 16, 32, 32], [2, 24, 24, 8, 8], [-2, 70, 2, 2, 2], [-1, 0, 0, 64, 64])
    owners, ignored = found(GRID, labels)
    assert owners == {(0, 33): 1}
    inside = {row * 10 + column for row in range(2, 6) for column in range(2, 6)} - {33}
    assert {cell for _, cell in ignored} == inside | {8}


def test_pictures_do_not_know_each_other():
    labels = random_labels(GRID, 6, most=12, seed=3)
    whole = found(GRID, labels)[0]
    for number in range(6):
        alone = found(GRID, labels[number : number + 1])[0]
        assert alone == {(0, cell): row for (picture, cell), row in whole.items() if picture == number}


def test_middles_outside_go_to_the_nearest_cell():
    for radius in (0.5, 1.5):
        owners, _ = found(GRID, boxes([0, 76, 60, 20, 20], [1, -30, -30, 20, 20], [2, 79, 0, 2, 2]), radius)
        assert (owners[0, 79], owners[0, 0], owners[0, 9]) == (0, 1, 2)


def test_a_batch_without_boxes_learns_nothing():
    assert found(GRID, np.full((2, 3, 5), -1, np.float32)) == ({}, set())
    assert found(GRID, np.zeros((2, 0, 5), np.float32)) == ({}, set())
