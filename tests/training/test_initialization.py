import numpy as np
import pytest

from cnncli.networks import load_network, parse_network
from cnncli.training.initialization import initialize


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998", "resnet20"])
def test_every_array_has_its_shape(name):
    network = load_network(name)
    parameters, buffers = initialize(network, 0)
    assert {name: array.shape for name, array in parameters.items()} == network.param_shapes()
    assert {name: array.shape for name, array in buffers.items()} == network.buffer_shapes()
    assert all(array.dtype == np.float32 for array in (*parameters.values(), *buffers.values()))


@pytest.mark.parametrize(
    ("text", "name", "deviation"),
    [
        ("16x16x8 conv3-64,relu", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64,bn,relu", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64 max2 relu", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64,tanh", "0.conv.weight", (2 / (72 + 576)) ** 0.5),
        ("16x16x64 res[ conv3-64,same ]", "0.res.main.0.conv.weight", (2 / 576) ** 0.5),
        ("16x16x64 cat[ conv3-64,same ] relu", "0.cat.1.0.conv.weight", (2 / 576) ** 0.5),
        ("16x16x16 dw5-320,relu", "0.dw.weight", (2 / 25) ** 0.5),
        ("300 fc-200", "0.fc.weight", (2 / 500) ** 0.5),
        ("300 fc-200,relu", "0.fc.weight", (2 / 300) ** 0.5),
    ],
)
def test_the_deviation_follows_the_activation(text, name, deviation):
    weights = initialize(parse_network(text), 0)[0][name]
    assert weights.std() == pytest.approx(deviation, rel=0.06)
    assert abs(weights.mean()) < 0.1 * deviation


def test_an_array_depends_on_the_seed_and_its_name_alone():
    short, long = parse_network("8x8x3 conv3-4,relu fc-2"), parse_network("8x8x3 conv3-4,relu fc-2,relu fc-3")
    weights = initialize(short, 5)[0]["0.conv.weight"]
    assert np.array_equal(weights, initialize(long, 5)[0]["0.conv.weight"])
    assert not np.array_equal(weights, initialize(short, 6)[0]["0.conv.weight"])
