import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.engines.head import logits_loss, logits_network
from cnncli.engines.initialization import NEARLY_ZERO, initialize
from cnncli.engines.losses import CrossEntropy, Logistic
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.networks import load_network, parse_network

SCENE = Path(__file__).parent.parent.parent / "samples/scene.png"
QUICK = ["lenet5", "lenet5-1998", "lenet-course", "course-39", "resnet20", "plain20", "squeezenet1.1"]
LARGE = ["nin", "mobilenet-v2", "googlenet", "resnet18", "resnet56", "plain56", "alexnet-torchvision"]


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
        ("16x16x8 conv3-64,relu fc-2", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64,bn,relu fc-2", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64 max2 relu fc-2", "0.conv.weight", (1 / 72) ** 0.5),
        ("16x16x8 conv3-64,relu max2 fc-2", "0.conv.weight", (1 / 72) ** 0.5),
        ("16x16x8 conv3-64,relu conv3-8,relu max2 fc-2", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64,relu avg2 fc-2", "0.conv.weight", (2 / 72) ** 0.5),
        ("16x16x8 conv3-64,tanh fc-2", "0.conv.weight", (2 / (72 + 576)) ** 0.5),
        ("16x16x64 res[ conv3-64,same ] fc-2", "0.res.main.0.conv.weight", NEARLY_ZERO / 576**0.5),
        ("16x16x64 res[ 2xconv3-64,same,relu ] fc-2", "0.res.main.0.conv.weight", (2 / 576) ** 0.5),
        ("16x16x64 res[ conv3-64,same,bn ] fc-2", "0.res.main.0.conv.weight", (2 / 576) ** 0.5),
        ("300 fc-200", "0.fc.weight", NEARLY_ZERO / 300**0.5),
        ("300 fc-200,softmax", "0.fc.weight", NEARLY_ZERO / 300**0.5),
        ("300 fc-200,relu fc-200 drop0.5 softmax", "1.fc.weight", NEARLY_ZERO / 200**0.5),
        ("16x16x8 conv1-64,relu gap softmax", "0.conv.weight", NEARLY_ZERO / 8**0.5),
        ("16x16x8 cat[ conv1-64,relu conv1-64 ] gap", "0.cat.1.1.conv.weight", NEARLY_ZERO / 64**0.5),
        ("16x16x64 cat[ conv3-64,same ] relu fc-2", "0.cat.1.0.conv.weight", (2 / 576) ** 0.5),
        ("16x16x16 dw5-320,relu fc-2", "0.dw.weight", (2 / 25) ** 0.5),
        ("300 fc-200 fc-2", "0.fc.weight", (2 / 500) ** 0.5),
        ("300 fc-200,relu fc-2", "0.fc.weight", (2 / 300) ** 0.5),
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


def pictures(shape, count):
    """Parts of a photograph, normalised: neighbouring pixels are alike, as noise's are not."""
    height, width, channels = shape
    rng, scene, found = np.random.default_rng(0), Image.open(SCENE).convert("RGB"), []
    for _ in range(count):
        left, top = rng.integers(0, scene.width // 2), rng.integers(0, scene.height // 2)
        box = (left, top, left + scene.width // 2, top + scene.height // 2)
        pixels = np.asarray(scene.resize((width, height), box=box), np.float32).mean(axis=2, keepdims=True)
        found.append(np.repeat((pixels - pixels.mean()) / pixels.std(), channels, axis=2))
    return np.stack(found)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_loss_is_that_of_guessing(name, seed):
    network = load_network(name)
    outputs = math.prod(network.output_shape)
    loss = CrossEntropy() if outputs > 1 else Logistic()
    learning = logits_network(network, loss)
    count = 8 if name in QUICK[:-1] else 2
    images, labels = pictures(network.input_shape, count), np.arange(count) % max(2, outputs)
    with NumpyEngine(learning, *initialize(learning, seed), jobs=1) as engine:
        found = engine.step(images, labels, logits_loss(loss, learning)).loss
    assert found == pytest.approx(math.log(max(2, outputs)), rel=0.03)


def test_an_unnormalised_residual_network_begins_as_the_identity():
    network = parse_network("8x8x16 30x[ res[ conv3-16,same,relu conv3-16,same ] ] gap fc-4")
    images = np.abs(pictures(network.input_shape, 4))  # what is added is rectified
    with NumpyEngine(network, *initialize(network, 0), jobs=1) as engine:
        features = dict(engine.activations(images))["29.res"]
    assert np.square(features).mean() == pytest.approx(np.square(images).mean(), rel=0.1)
