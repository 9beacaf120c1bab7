import numpy as np
import pytest
from detection_cases import GRIDS, random_labels, random_logits

from cnncli.data.boxes.boxes import Boxes
from cnncli.engines.detection.assignment import assign
from cnncli.engines.detection.decoding import best_boxes, decode
from cnncli.errors import ArgumentError


def outputs_of(grid, **options):
    return random_logits(grid, **options).reshape(-1, *grid.cells, grid.channels)


def by_loops(outputs, grid, threshold):
    (height, width), (down, across) = grid.size, grid.strides
    found = []
    for row, column in np.ndindex(grid.cells):
        o, tx, ty, tw, th, *classes = outputs[row, column].astype(np.float64)
        chances = np.exp(classes) / np.exp(classes).sum()
        score = chances.max() / (1 + np.exp(-o))
        if score < threshold:
            continue
        w, h = np.exp(tw) * across, np.exp(th) * down
        x, y = (column + 0.5 + tx) * across - w / 2, (row + 0.5 + ty) * down - h / 2
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        if left < right and top < bottom:
            found.append((left, top, right - left, bottom - top, chances.argmax(), score))
    return np.array(found).reshape(-1, 6)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("threshold", [0, 0.3, 0.6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_that_of_loops(grid, threshold, dtype):
    outputs = outputs_of(grid, dtype=dtype)
    found = decode(outputs, grid, threshold)
    assert len(found) == 4
    for boxes, picture in zip(found, outputs, strict=True):
        expected = by_loops(picture, grid, threshold)
        assert np.allclose(boxes.places, expected[:, :4], rtol=1e-12, atol=1e-12)
        assert np.array_equal(boxes.labels, expected[:, 4])
        assert np.allclose(boxes.scores, expected[:, 5], rtol=1e-12)
        assert not boxes.crowd.any()
    counts = [len(boxes.scores) for boxes in found]
    assert grid.count * 0.6 < max(counts) if threshold == 0 else 0 < max(counts) < grid.count * 0.8


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_the_cells_learnt_is_found_again(grid):
    labels = random_labels(grid, 6, crowds=0)
    found = assign(grid, labels)
    numbers = np.full((6, grid.count, grid.channels), -20.0, np.float32)
    learnt = labels[found.pictures, found.rows]
    where = found.pictures, found.cells
    numbers[(*where, 0)] = 20
    numbers[(*where, slice(1, 5))] = grid.numbers(found.cells, learnt[:, 1:])
    numbers[(*where, 5 + learnt[:, 0].astype(int))] = 20
    decoded = decode(numbers.reshape(6, *grid.cells, -1), grid, 0.5)
    assert len(decoded[0].scores) == 0
    for picture, boxes in enumerate(decoded):
        mine = learnt[found.pictures == picture]
        assert np.allclose(boxes.places, mine[:, 1:], atol=1e-3)
        assert np.array_equal(boxes.labels, mine[:, 0])
        assert np.allclose(boxes.scores, 1)
        kept = best_boxes(boxes, overlap=0.99)
        assert {tuple(row) for row in kept.places.round(1)} == {tuple(row) for row in boxes.places.round(1)}


@pytest.mark.filterwarnings("error")
def test_huge_outputs_are_no_trouble():
    grid = GRIDS[0]
    outputs = outputs_of(grid, dtype=np.float32) * 1e30
    outputs[..., 1:3] *= 1e-30
    for boxes in decode(outputs, grid):
        edges = boxes.places[:, :2] + boxes.places[:, 2:]
        assert (boxes.places >= 0).all()
        assert (edges <= [64, 40]).all()
        assert len(edges)
    outputs[..., 1:3] *= 1e30
    assert sum(len(boxes.scores) for boxes in decode(outputs, grid)) == 0  # all of them outside


def test_the_best_boxes_come_first_and_none_twice():
    places = [[0, 0, 10, 10], [1, 0, 10, 10], [1, 0, 10, 10], [30, 0, 10, 10]]
    boxes = Boxes.of(places, [0, 0, 1, 0], [0.5, 0.9, 0.6, 0.7])
    assert best_boxes(boxes).scores.tolist() == [0.9, 0.7, 0.6]
    assert best_boxes(boxes, overlap=0.9).scores.tolist() == [0.9, 0.7, 0.6, 0.5]
    assert best_boxes(boxes, top=2).scores.tolist() == [0.9, 0.7]
    assert len(best_boxes(Boxes.of()).scores) == 0


def test_outputs_of_another_grid_are_refused():
    with pytest.raises(ArgumentError, match="do not fit a grid of 5x8 cells of 8 numbers"):
        decode(np.zeros((1, 8, 5, 8)), GRIDS[0])
