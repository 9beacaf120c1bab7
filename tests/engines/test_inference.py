"""Inference: the network as it is written, folded and in memory that is used again, on any threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from models import small_network
from network_strategies import networks
from test_numpy_engine import NETWORKS
from threadpoolctl import threadpool_info, threadpool_limits
from word_grid import WORDS, texts

from cnncli.engines import fusion
from cnncli.engines.folding import Folded
from cnncli.engines.inference import Inference
from cnncli.engines.initialization import initialize
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.errors import ArgumentError
from cnncli.networks import load_network, parse_network, zoo_names
from cnncli.networks.layers import BLOCKS

QUICK = 2e8  # multiply-adds of networks that are tried at once
FOLDED = [
    "9x9x3 conv3-8,bn,relu",
    "9x9x8 conv3-8,same,bias,bn,tanh conv3-16,same,bn,relu max2",
    "9x9x3 conv3-8 bn relu conv1-4,nobias bn",
    "9x9x4 dw3,bn,relu6 conv1-6,bn dw3-12,same,bn conv3-4,g2,bn",
    "5x5x2 tconv2-3,s2,bn,relu tconv3-4,bias,bn",
    "9x9x6 conv5-16,table,bn,tanh fc-8,bn,relu fc-5,bias bn",
    "6x6x4 bn relu conv3-8,same,bn add[ bn relu conv3-8,same | conv1-8 bn ] bn",
    "6x6x4 add[ dw3,same ln conv1-8,gelu conv1-4,scale0.5 ] conv3-4,same,bn scale2",
    "9x9x3 conv3-8,same,bn,leaky,drop max3,s2,p1 cat[ conv1-3,bn,relu | conv3-4,same,bn | max3,s1,same bn ] gap fc-4",
    "8x8x8 conv3-128,same,bn,relu conv3-16,same,bn,relu conv3-8,same",
]


def numbers(network, dtype=np.float64, seed=0):
    """Draw parameters and buffers of a network as if it had been trained: scales are negative, too."""
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed, np.float64)
    for array in parameters.values():
        if array.ndim == 1:
            array += rng.normal(0, 0.6, array.shape)
        elif array.ndim == 2:  # the last ones begin near 0, and outputs would be their biases
            array *= 30
    buffers = {name: rng.uniform(0.3, 2, array.shape) for name, array in buffers.items()}
    return tuple({name: array.astype(dtype) for name, array in arrays.items()} for arrays in (parameters, buffers))


def pictures(network, count=5, dtype=np.float64):
    return np.random.default_rng(1).normal(size=(count, *network.input_shape)).astype(dtype)


def differences(network, dtype, count=5, seed=0):
    """Return how far the outputs are from those of the network as it is written, in float64, as a share of the largest.

    Of inference, and of the network as it is written in the same type.
    """
    arrays, images = numbers(network, seed=seed), pictures(network, count)
    exact = as_written(network, arrays, images)
    arrays, images = (
        [{name: array.astype(dtype) for name, array in kind.items()} for kind in arrays],
        images.astype(dtype),
    )
    found = Inference(network, *arrays, dtype=dtype).predict(images), as_written(network, arrays, images)
    return [np.abs(outputs - exact).max() / max(np.abs(exact).max(), 1e-3) for outputs in found]


def as_written(network, arrays, images):
    with NumpyEngine(network, *arrays, fused=False, winograd=False, dtype=images.dtype) as engine:
        return engine.predict(images)


@pytest.mark.parametrize("text", [*NETWORKS, *FOLDED])
@pytest.mark.parametrize("block", [10**9, 3000, 1])
def test_it_is_the_network_as_written(text, block, monkeypatch):
    monkeypatch.setattr(fusion, "BLOCK_NUMBERS", block)
    monkeypatch.setattr(fusion, "ONE_BLOCK_NUMBERS", block)
    assert differences(parse_network(text), np.float64)[0] < 1e-10


@pytest.mark.parametrize(
    "text", texts({op: [f"4x3x4 {op}[ conv1-4 ]"] for op in BLOCKS} | WORDS | {"dw": ["4x3x5 dw3-10"]})
)
def test_every_word_is_what_is_written(text):
    assert differences(parse_network(text), np.float64)[0] < 1e-10


@settings(max_examples=20)
@given(networks())
def test_random_networks_are_what_is_written(network):
    found, plain = differences(parse_network(str(network)), np.float32)
    assume(np.isfinite(plain))  # such as the mean of one number, divided by its deviation
    assert found < max(1e-5, 10 * plain)


@pytest.mark.parametrize(
    "name",
    [
        name if small_network(name).totals.macs < QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in zoo_names()
        if small_network(name).totals.macs < 5e9 and small_network(name).totals.params < 3e7  # memory of tests
    ],
)
def test_networks_of_the_zoo_are_what_is_written(name):
    found, plain = differences(small_network(name), np.float32, count=2)
    assert found < max(1e-5, 2 * plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("variance", [0, 1e-30, 1e-9, 1e9])
def test_any_variance_can_be_folded(dtype, variance):
    network = parse_network("8x8x3 conv3-8,same,bn,relu conv3-4,same,bn")
    parameters, buffers = numbers(network, dtype)
    for name in buffers:
        if name.endswith("var"):
            buffers[name] = np.full_like(buffers[name], variance)
    images = pictures(network, dtype=dtype)
    expected = as_written(network, (parameters, buffers), images)
    found = Inference(network, parameters, buffers, dtype=dtype).predict(images)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_batch_norms_are_folded_wherever_weights_come_before_them():
    def kinds(layer):
        for segment in layer.segments:
            for member in segment.members:
                yield type(member.layer).__name__
                for path in getattr(member.layer, "paths", ()):
                    yield from kinds(path.layer)

    found = list(kinds(fusion.fuse(load_network("resnet18").layers, (224, 224, 3), inference=True)))
    assert found.count(Folded.__name__) == 20
    assert "BatchNorm" not in found


def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    from torch_networks import torch_module

    network = parse_network(NETWORKS[2])
    arrays, images = numbers(network, np.float32), pictures(network, dtype=np.float32)
    module = torch_module(network.layers, network.input_shape, *arrays).eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    found = Inference(network, *arrays).predict(images)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("text", [*NETWORKS[:3], *FOLDED[-2:]])
def test_neither_threads_nor_earlier_calls_change_bits(text):
    network = parse_network(text)
    arrays, images = numbers(network, np.float32), pictures(network, 70, np.float32)
    expected = Inference(network, *arrays).predict(images)
    shared = Inference(network, *arrays, jobs=3)
    for count in (1, 40, 7):
        shared.predict(images[:count])
    assert np.array_equal(shared.predict(images), expected)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(shared.predict, [images] * 8):
            assert np.array_equal(found, expected)


def test_memory_does_not_grow_with_depth():
    def held(text):
        network = parse_network(text)
        inference = Inference(network, *numbers(network, np.float32))
        inference.predict(pictures(network, 32, np.float32))
        (context,) = inference._idle
        return sum(array.nbytes for array in context.memory._flat.values())

    block = "res[ conv3-8,same,bn,relu conv3-8,same,bn ]"
    assert held(f"16x16x8 20x{block} gap fc-3") == held(f"16x16x8 2x{block} gap fc-3")


@pytest.mark.parametrize(("text", "at_once"), [("32x32x3 conv3-8", 32), ("224x224x3 conv3-8,s2", 13), ("vgg16", 5)])
def test_images_go_together_as_memory_allows(text, at_once):
    network = load_network(text) if text.isalnum() else parse_network(text)
    nothing = ({name: np.broadcast_to(np.float32(0), shape) for name, shape in network.param_shapes().items()}, {})
    assert Inference(network, *nothing).at_once == at_once


def test_blas_has_its_threads_back_when_the_last_is_done():
    network = parse_network(NETWORKS[0])
    inference = Inference(network, *numbers(network, np.float32), jobs=2)
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(3) as pool:
        list(pool.map(inference.predict, [pictures(network, 70, np.float32)] * 6))
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}


def test_pictures_of_another_shape_are_refused():
    network = parse_network(NETWORKS[0])
    with pytest.raises(ArgumentError, match=r"\(N, 12, 12, 3\)"):
        Inference(network, *numbers(network, np.float32)).predict(np.zeros((2, 12, 11, 3), np.float32))
