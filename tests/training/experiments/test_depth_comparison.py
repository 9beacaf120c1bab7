"""Depths compared: the networks, their errors, and their chart."""

import re

import pytest
from small_data import bars_dataset, bars_folder

from cnncli.errors import ArgumentError
from cnncli.networks import parse_network
from cnncli.training.experiments.depth import KINDS, OPTIONS, compare_depths
from cnncli.training.runs import train


def weighted_layers(text):
    network = parse_network(f"14x14x1 {text}")
    return sum(name.endswith((".conv.weight", ".fc.weight")) for name in network.param_shapes())


@pytest.mark.parametrize("depth", [4, 6, 8, 20, 32])
def test_networks_have_as_many_layers_with_weights_as_the_depth_says(depth):
    assert [weighted_layers(text(depth, 10)) for text in KINDS.values()] == [depth, depth]


@pytest.mark.parametrize("depth", [4, 20])
def test_a_shortcut_takes_no_parameters(depth):
    sizes = {parse_network(f"14x14x1 {text(depth, 10)}").totals.params for text in KINDS.values()}
    assert len(sizes) == 1


def test_errors_are_those_of_train():
    found = compare_depths(bars_dataset(60), [4, 6], epochs=2, jobs=1)
    labels = [trial.label for trial in found.trials]
    assert labels == ["plain, 4 layers", "residual, 4 layers", "plain, 6 layers", "residual, 6 layers"]
    for kind in KINDS:
        runs = [
            train(bars_dataset(60), jobs=1, **OPTIONS | {"network": KINDS[kind](depth, 3), "epochs": 2, "size": None})
            for depth in (4, 6)
        ]
        expected = [(depth, 1 - run.metrics[-1]["train_accuracy"]) for depth, run in zip((4, 6), runs, strict=True)]
        assert dict(found.last_errors(kind)) == pytest.approx(dict(expected))


def test_pictures_of_a_folder_get_their_size(tmp_path):
    found = compare_depths(bars_folder(tmp_path / "bars"), [4], epochs=1, size=(6, 6), jobs=1)
    assert len(found.trials) == 2


@pytest.mark.parametrize("depths", [[4], [4, 8, 6]])
def test_the_chart_has_three_parts_and_an_error_for_every_depth(depths):
    found = compare_depths(bars_dataset(60), depths, epochs=1, jobs=1)
    drawing = found.drawing()
    words = [label.text for label in drawing.labels]
    for title in ("Plain: training error", "Residual: training error", "Last error by depth"):
        assert words.count(title) == 1
    for depth in depths:
        assert words.count(f"{depth} layers") == 2
        assert str(depth) in words
    boxes = sorted(drawing.labels, key=lambda label: label.left)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = other.left >= one.right or other.top >= one.bottom or other.bottom <= one.top
            assert apart, (one.text, other.text)


@pytest.mark.parametrize(
    ("depths", "options", "message"),
    [
        ([5], {}, "even numbers from 4, so that shortcuts span two layers, got 5"),
        ([2], {}, "got 2"),
        ([8, 8], {}, "different numbers, at least one, got [8, 8]"),
        ([], {}, "at least one, got []"),
        ([4], {"network": "fc-3"}, "leave out network"),
        ([4], {"seeds": 0}, "seeds must be"),
    ],
)
def test_what_cannot_be_compared_is_refused(depths, options, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        compare_depths(bars_dataset(60), depths, **options)


def test_boxes_are_refused():
    with pytest.raises(ArgumentError, match="samples/canvases: has boxes"):
        compare_depths("samples/canvases")


@pytest.mark.slow
def test_deep_plain_networks_train_worse_and_residual_ones_do_not():
    found = compare_depths("samples/digits", [8, 32], jobs=1)
    plain, residual = (dict(found.last_errors(kind)) for kind in KINDS)
    assert plain[32] > plain[8] + 0.1
    assert residual[32] < residual[8]
