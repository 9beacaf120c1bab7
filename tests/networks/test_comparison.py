import pytest

from cnncli.errors import ArgumentError
from cnncli.networks import load_network, parse_network
from cnncli.networks.comparison import compare_networks
from cnncli.networks.summary import Row, Summary, Totals

GROUPS = [
    ("plain18", "resnet18", "resnet50"),
    ("alexnet", "vgg16"),
    ("lenet5", "lenet5-1998"),
    ("googlenet", "googlenet-torchvision", "squeezenet1.1"),
    ("bottleneck", "bottleneck-direct"),
]


def side_by_side(*names):
    return compare_networks([load_network(name).summary() for name in names])


def texts(*networks):
    return compare_networks([parse_network(text).summary() for text in networks])


@pytest.mark.parametrize("names", GROUPS)
def test_stages_add_up_to_the_totals(names):
    found = side_by_side(*names)
    assert found.names == names
    for number, total in enumerate(found.totals):
        cells = [stage.cells[number] for stage in found.stages if stage.cells[number]]
        for field in ("params", "macs", "activations"):
            assert sum(getattr(cell, field) for cell in cells) == getattr(total, field)


@pytest.mark.parametrize("names", GROUPS)
def test_sizes_go_down_and_come_once(names):
    sizes = [stage.size for stage in side_by_side(*names).stages]
    assert sizes == sorted(set(sizes), reverse=True)


def test_table_1_of_the_residual_networks():
    found = side_by_side("resnet18", "resnet50")
    assert [stage.size[0] for stage in found.stages] == [112, 56, 28, 14, 7, 1]
    assert [stage.cells[1].channels for stage in found.stages] == [64, 256, 512, 1024, 2048, 1000]
    bottlenecks = found.stages[2].cells[1].layers
    assert bottlenecks == (
        "res[ conv1-128,bn,relu conv3-128,s2,p1,bn,relu conv1-512,bn | conv1-512,s2,bn ]",
        "3xres[ conv1-128,bn,relu conv3-128,p1,bn,relu conv1-512,bn ]",
    )
    assert found.stages[-1].cells[0].layers == ("gap", "fc-1000")


@pytest.mark.parametrize("name", ["resnet20", "vgg11", "googlenet", "mobilenet-v2"])
def test_the_layers_of_the_stages_are_the_network_again(name):
    network = load_network(name)
    text = " ".join(word for stage in compare_networks([network.summary()]).stages for word in stage.cells[0].layers)
    again = parse_network(text, input_shape=network.input_shape)
    assert again.summary().totals == network.summary().totals


def test_stages_that_one_network_lacks_are_empty():
    found = texts("32x32x3 conv3-8,same max2 conv3-8,same fc-10", "30x30x3 conv3-8,same max3 fc-10")
    assert [stage.size for stage in found.stages] == [(32, 32), (30, 30), (16, 16), (10, 10), (1, 1)]
    assert [[cell is not None for cell in stage.cells] for stage in found.stages] == [
        [True, False],
        [False, True],
        [True, False],
        [False, True],
        [True, True],
    ]
    assert found.names == ("network 1", "network 2")


def test_a_network_that_comes_back_to_a_size_has_a_stage_there_again():
    found = texts("8x8x1 conv3-4,same max2 conv3-8,same tconv2-4,s2 fc-2", "8x8x1 conv3-4,same max2 fc-2")
    assert [stage.size for stage in found.stages] == [(8, 8), (4, 4), (8, 8), (1, 1)]
    assert [stage.cells[1] is not None for stage in found.stages] == [True, True, False, True]


def test_layers_of_unknown_size_are_one_stage():
    rows = (Row("a", "a", "weights", params=3), Row("b", "b", "weights", params=4))
    found = compare_networks([Summary("file", "", None, rows, Totals(params=7))])
    (stage,) = found.stages
    assert (stage.size, stage.cells[0].params, stage.cells[0].channels) == (None, 7, None)


def test_nothing_to_compare_is_said():
    with pytest.raises(ArgumentError, match="nothing to compare"):
        compare_networks([])
