import subprocess
import sys

import pytest

from cnncli.errors import ArgumentError
from cnncli.networks import Network, NotationError, ShapeError, load_network, parse_network
from cnncli.networks.layers import Conv, Sequential


def test_a_network_is_made_of_layers_too():
    network = Network((6, 6, 3), Sequential((Conv((3, 3), 10),)))
    assert network == parse_network("6x6x3 conv3-10")
    assert network.output_shape == (4, 4, 10)
    assert network.totals.params == 280
    assert str(network) == "6x6x3 conv3-10"


def test_names_and_sources_do_not_make_a_network_another():
    network = load_network("lenet5")
    assert network.title
    assert network == parse_network(str(network))
    assert hash(network) == hash(parse_network(str(network)))
    assert network != network.replace(input_shape=(36, 36, 1))


@pytest.mark.parametrize("shape", [(6, 6), (0, 6, 3), (6, 6, 3, 1), (10**9, 1, 1), ("6", 6, 3)])
def test_an_input_that_is_none(shape):
    with pytest.raises(ArgumentError):
        Network(shape, Sequential((Conv((1, 1), 1),)))


def test_the_input_may_come_from_elsewhere_and_overrules_the_text():
    assert parse_network("conv3-10", input_shape=(6, 6, 3)) == parse_network("6x6x3 conv3-10")
    assert parse_network("9x9x9 conv3-10", input_shape=(6, 6, 3)) == parse_network("6x6x3 conv3-10")
    with pytest.raises(NotationError, match="begins with its input"):
        parse_network("conv3-10")


def test_another_input_is_checked():
    with pytest.raises(ShapeError, match="layer 2"):
        load_network("lenet5").replace(input_shape=(5, 5, 1))


@pytest.mark.parametrize(
    ("text", "shapes", "params"),
    [
        ("39x39x3 conv3-10 conv5-20,s2 conv5-40,s2", [(37, 37, 10), (17, 17, 20), (7, 7, 40)], [280, 5020, 20040]),
        ("32x32x3 conv5-6", [(28, 28, 6)], [456]),
        ("28x28x192 cat[ conv1-64 | conv1-96 conv3-128,same | conv1-16 conv5-32,same | max3,s1,same conv1-32 ]",
         [(28, 28, 256)], [12352 + 18528 + 110720 + 3088 + 12832 + 6176]),
    ],
)  # fmt: skip
def test_the_courses_numbers(text, shapes, params):
    rows = [row for row in parse_network(text).summary().rows if row.depth == 0]
    assert [row.output_shape for row in rows] == shapes
    assert [row.params for row in rows] == params


def test_nothing_heavy_is_loaded_for_a_summary():
    code = (
        "import sys; from cnncli.networks import load_network; load_network('resnet152').summary();"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'numpy', 'PIL', 'scipy', 'rich', 'typer', 'difflib', 'torch'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
