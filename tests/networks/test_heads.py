import pytest

from cnncli.errors import ArgumentError
from cnncli.networks import load_network, parse_network, zoo_names
from cnncli.networks.heads import head_names, output_count, with_outputs

PICTURES = ["unet", "yolov1", "bottleneck", "bottleneck-direct"]
"""Networks of the zoo that put out pictures."""

CLASSIFIERS = [name for name in zoo_names() if name not in PICTURES]


@pytest.mark.parametrize("outputs", [1, 2, 3, 10])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_only_the_head_of_a_network_changes(name, outputs):
    network = load_network(name)
    adapted = with_outputs(network, outputs)
    assert output_count(adapted) == outputs
    head = head_names(network)
    assert head == head_names(adapted)
    before = {**network.param_shapes(), **network.buffer_shapes()}
    after = {**adapted.param_shapes(), **adapted.buffer_shapes()}
    assert before.keys() == after.keys()
    for array, shape in after.items():
        expected = (*before[array][:-1], outputs) if array in head else before[array]
        assert shape == expected, array
    assert parse_network(str(adapted)) == adapted
    assert with_outputs(adapted, output_count(network)) == network


@pytest.mark.parametrize("name", PICTURES)
def test_a_network_that_makes_pictures_is_no_classifier(name):
    with pytest.raises(ArgumentError, match=f"^{name} puts out .*, not a number for each class"):
        with_outputs(load_network(name), 10)


@pytest.mark.parametrize(
    ("text", "outputs", "adapted"),
    [
        ("8x8x1 fc-4 fc-10,softmax", 3, "8x8x1 fc-4 fc-3,softmax"),
        ("8x8x1 3xfc-10,relu softmax", 3, "8x8x1 2xfc-10,relu fc-3,relu softmax"),
        ("8x8x1 2x[ fc-4,relu 2xfc-10 ]", 3, "8x8x1 fc-4,relu 2xfc-10 fc-4,relu fc-10 fc-3"),
        ("8x8x1 conv3-10,bn,relu gap", 3, "8x8x1 conv3-3,bn,relu gap"),
        ("8x8x1 rbf-10", 2, "8x8x1 rbf-2"),
        ("8x8x1 fc-10,sigmoid", 3, "8x8x1 fc-3,sigmoid"),
        ("8x8x1 fc-1,sigmoid", 3, "8x8x1 fc-3,softmax"),
        ("8x8x1 conv8-3 softmax", 1, "8x8x1 conv8-1 sigmoid"),
        ("8x8x1 fc-10,softmax", 10, "8x8x1 fc-10,softmax"),
    ],
)
def test_heads_of_every_kind(text, outputs, adapted):
    assert str(with_outputs(parse_network(text), outputs)) == adapted


@pytest.mark.parametrize(
    "text",
    [
        "8x8x3 gap",  # nothing to adapt
        "8x8x1 gap fc-4 res[ fc-4 ]",  # a block
        "8x8x1 gap fc-4 bn",  # nothing that says how many
        "8x8x1 conv3-4 fc-8 reshape2x2x2 gap",  # outputs of another number
    ],
)  # fmt: skip
def test_heads_that_cannot_be_adapted(text):
    with pytest.raises(ArgumentError, match="does not end in a layer whose number of outputs"):
        with_outputs(parse_network(text), 5)


def test_published_numbers_are_of_the_published_head():
    network = load_network("resnet18")
    adapted = with_outputs(network, 3)
    assert network.published
    assert not adapted.published
    assert (adapted.name, adapted.source) == (network.name, network.source)
    assert with_outputs(network, 1000) is network
