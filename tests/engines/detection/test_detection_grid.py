import numpy as np
import pytest
from detection_cases import GRIDS, random_labels

from cnncli.engines.detection.grid import Grid, first_biases
from cnncli.errors import ArgumentError
from cnncli.networks import parse_network


def test_a_network_says_its_grid():
    grid = Grid.of(parse_network("48x64x3 conv3-8,same,s2,relu max2 conv1-8"), 3)
    assert (grid.size, grid.cells, grid.classes, grid.strides) == ((48, 64), (12, 16), 3, (4, 4))
    assert Grid.of(parse_network("48x64x3 conv3-8,same,s2x4 conv1-6"), 1).strides == (2, 4)


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        ("28x28x3 conv4-30,s4", 3, "the network puts out 7x7x30: boxes of 3 classes need conv1-8 as its last word"),
        (
            "28x28x3 conv1-6,relu",
            1,
            "the network ends in relu, but boxes need numbers of any size: conv1-6 as its last word",
        ),
        ("28x28x3 fc-6", 1, "the network puts out 6: boxes of 1 class need conv1-6 as its last word"),
        (
            "30x45x3 conv3-8,same,s2 conv1-6",
            1,
            "a grid of 15x23 cells does not divide an input of 30x45 pixels evenly: "
            r"pad the convolutions \(same\), and take an input such as 30x46",
        ),
    ],
)
def test_what_is_no_grid_of_boxes_is_refused(text, classes, message):
    with pytest.raises(ArgumentError, match=f"^{message}$"):
        Grid.of(parse_network(text), classes)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_numbers_and_boxes_are_inverse(grid):
    rng = np.random.default_rng(1)
    cells = rng.integers(0, grid.count, 50)
    places = rng.uniform(1, 30, (50, 4))
    centres, sides = grid.boxes(cells, grid.numbers(cells, places))
    assert np.allclose(np.hstack([centres - sides / 2, sides]), places, rtol=1e-12)


def test_a_cell_without_numbers_predicts_itself():
    grid = Grid((12, 10), (3, 5), 1)  # strides 4 down, 2 across
    centres, sides = grid.boxes(np.array([0, 6, 14]), np.zeros((3, 4)))
    assert centres.tolist() == [[1, 2], [3, 6], [9, 10]]
    assert sides.tolist() == [[2, 4]] * 3


def test_sides_have_limits():
    grid = GRIDS[0]
    _, sides = grid.boxes(np.zeros(2, int), np.array([[0, 0, 1e9, -1e9], [0, 0, 6, -6]]))
    assert np.array_equal(sides[0], sides[1])
    assert np.array_equal(grid.log_sides(np.array([[0, 0, 1e9, 0.0]])), [[6, -6]])


def test_first_biases_are_those_of_rare_objects_with_mean_sides():
    grid = GRIDS[0]
    labels = random_labels(grid, 9)
    biases = first_biases(grid, labels)
    assert biases.dtype == np.float32
    assert biases.shape == (8,)
    assert 1 / (1 + np.exp(-biases[0])) == pytest.approx(0.01)
    real = labels[labels[..., 0] >= 0]
    assert np.allclose(np.exp(biases[3:5]) * 8, np.exp(np.log(real[:, 3:]).mean(0)), rtol=1e-5)
    assert not biases[[1, 2, 5, 6, 7]].any()
    assert not first_biases(grid, labels[:1])[1:].any()
