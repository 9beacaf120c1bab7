"""The aim of a training on boxes: how epochs are judged, and what a head begins with."""

import numpy as np
import pytest
from small_boxes import layers, squares_folder

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.opening import open_boxes
from cnncli.data.normalization import Normalization
from cnncli.engines.detection.grid import Grid, first_biases
from cnncli.engines.initialization import initialize
from cnncli.engines.processes import ALONE
from cnncli.models.judging.box_scores import judge_boxes
from cnncli.networks import parse_network
from cnncli.training.aims.detecting import HEAD_STD, BoxTally, Detecting

NETWORK = parse_network(f"32x32x3 {layers()}")
GRID = Grid.of(NETWORK, 2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_boxes(squares_folder(tmp_path_factory.mktemp("data") / "squares", 21)).train


def outputs_for(dataset, rng, share=0.7):
    """Return outputs (N, rows, columns, 7) of a network that finds a share of the boxes, of which some by mistake."""
    outputs = rng.normal(0, 0.3, (len(dataset), *GRID.cells, GRID.channels))
    outputs[..., 0] -= 6
    for cells, rows in zip(outputs, dataset.labels, strict=True):
        for label, *place in rows[rows[:, 0] >= 0].tolist():
            x, y, width, height = place
            row, column = int((y + height / 2) // 4), int((x + width / 2) // 4)
            if rng.random() < share:
                numbers = GRID.numbers(np.array([row * GRID.cells[1] + column]), np.array([place]))[0]
                cells[row, column, :5] = rng.normal(2, 2), *(numbers + rng.normal(0, 0.1, 4))
                cells[row, column, 5 + int(label)] += 5
    return outputs.astype(np.float32)


def tallied(dataset, outputs, processes=ALONE, step=4):
    """Return the measures of outputs that come a few at a time."""
    tally, mine = BoxTally(GRID, dataset.placed(), processes), processes.part(len(dataset))
    for start in range(mine.start, mine.stop, step):
        part = slice(start, min(start + step, mine.stop))
        tally.add(dataset.labels[part], outputs[part].reshape(len(outputs[part]), -1))
    return tally


def test_the_measure_is_that_of_the_model(dataset):
    outputs = outputs_for(dataset, np.random.default_rng(0))
    aim = Detecting(GRID, dataset.class_names, np.zeros(7))
    parameters, buffers = initialize(NETWORK, seed=0)
    model = aim.model(NETWORK, parameters, buffers, dataset.class_names, Normalization((0.0,) * 3, (255.0,) * 3))
    sizes = [(height, width) for height, width in dataset.sizes.tolist()]
    found = model.boxes(outputs, sizes, threshold=0.01)
    scores = judge_boxes(found, dataset.boxes, dataset.class_names)
    measures = tallied(dataset, outputs).measures()
    assert measures == {"map": pytest.approx(scores.map, abs=1e-9), "map_50": pytest.approx(scores.map_50, abs=1e-9)}
    assert 0.1 < scores.map < scores.map_50 < 0.95
    assert aim.choice(measures) == measures["map"]


class Part:
    """One of several processes, which adds up what the others found before."""

    is_first = True

    def __init__(self, number, count, before=0):
        self.number, self.count, self.before = number, count, before

    def part(self, items):
        return slice(items * self.number // self.count, items * (self.number + 1) // self.count)

    def total(self, numbers):
        self.sum = numbers + self.before
        return self.sum


@pytest.mark.parametrize("count", [2, 3])
def test_the_parts_of_processes_make_one_measure(dataset, count):
    outputs = outputs_for(dataset, np.random.default_rng(1))
    alone = tallied(dataset, outputs).measures()
    gathered = 0
    for number in range(count):
        process = Part(number, count, gathered)
        measures = tallied(dataset, outputs, process).measures()
        gathered = process.sum
    assert measures == alone


@pytest.mark.parametrize("crowd", [True, False])
def test_what_is_found_in_crowds_is_not_wrong(dataset, crowd):
    outputs = outputs_for(dataset, np.random.default_rng(2), share=1)
    assert tallied(dataset, outputs).measures()["map_50"] == pytest.approx(1)
    first = [boxes.labels.size > 1 for boxes in dataset.boxes]
    labelled = dataset.placed()
    for item in np.flatnonzero(first).tolist():
        rest = np.arange(labelled[item].labels.size) > 0
        labelled[item] = labelled[item]._replace(crowd=~rest) if crowd else labelled[item].chosen(rest)
    tally = BoxTally(GRID, labelled, ALONE)
    tally.add(dataset.labels, outputs.reshape(len(outputs), -1))
    assert (tally.measures()["map_50"] > 0.999) == crowd


def test_nothing_labelled_is_no_precision(dataset):
    tally = BoxTally(GRID, [Boxes.of()] * len(dataset), ALONE)
    tally.add(dataset.labels, outputs_for(dataset, np.random.default_rng(3)).reshape(len(dataset), -1))
    assert tally.measures() == {"map": 0, "map_50": 0}


class TestBegin:
    BIASES = first_biases(GRID, np.array([[[0, 4, 4, 10, 12]]]))

    def begun(self, text):
        network = parse_network(f"32x32x3 conv3-8,s4,p1,relu {text}")
        parameters = initialize(network, seed=0)[0]
        before = {name: array.copy() for name, array in parameters.items()}
        Detecting(GRID, ("a", "b"), self.BIASES).begin(network, parameters)
        changed = {name for name, array in parameters.items() if not np.array_equal(array, before[name])}
        assert all(np.isfinite(array).all() for array in parameters.values())
        return parameters, changed

    def test_the_last_layer_has_the_biases_and_small_weights(self):
        parameters, changed = self.begun("conv1-7")
        assert changed == {"1.conv.weight", "1.conv.bias"}
        assert np.array_equal(parameters["1.conv.bias"], self.BIASES)
        assert parameters["1.conv.weight"].std() == pytest.approx(HEAD_STD)

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("conv1-7,nobias", {"1.conv.weight"}),
            ("conv1-7,bn", {"1.conv.weight", "1.bn.weight", "1.bn.bias"}),
            ("cat[ conv1-5 | conv1-2 ]", set()),
        ],
    )
    def test_other_ends_begin_as_far_as_they_can(self, text, names):
        assert self.begun(text)[1] == names
