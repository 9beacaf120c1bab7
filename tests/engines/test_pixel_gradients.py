"""Gradients by the images, against finite differences."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_strategies import networks

from cnncli.engines.backends import open_backend
from cnncli.engines.initialization import initialize
from cnncli.engines.pixels import PixelGradient, numbers_held
from cnncli.engines.pixels.steps import Steps, full_names
from cnncli.engines.pixels.units import Threads
from cnncli.errors import ArgumentError
from cnncli.networks import LAYERS, ShapeError, parse_network
from cnncli.networks.layers.context import Context, Shared

TEXTS = [
    "12x12x3 conv3-8,same,relu conv3-8,same,relu max2 conv3-9,same,relu max2 fc-12,relu fc-4,softmax",
    "8x8x3 conv3-8,same,bn,relu res[ conv3-8,same,bn,relu conv3-8,same,bn ] res[ conv3-12,s2,p1,bn,relu conv3-12,p1,bn "
    "| conv1-12,s2,bn ] gap fc-4",
    "8x8x4 dw3,same,bn,relu6 conv1-6,leaky max2 lrn cat[ conv1-3 | conv3-4,same,elu | max3,s1,same ] gmp fc-4",
    "8x8x2 tconv2-3,s2,relu max3,s2,ceil add[ conv3-3,same,silu ] gelu flatten drop0.2 fc-4,softmax",
    "8x8x4 conv3-8,p1,ln,hswish mul[ | gap conv1-2,relu conv1-8,hsigmoid ] s2d,prelu split2/2 gn4 up2 max2 "
    "mul[ | fc-16 ] cat[ crop1 | in,affine max2,s1 scale0.5 max2,s1 ] shuffle4,mish d2s gap3x2 reshape4x3x4 gmp2 fc-4",
]


def weights(network, seed=0):
    """Return parameters and buffers none of which is at its beginning."""
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed=seed)
    parameters = {name: array + rng.normal(0, 0.1, array.shape) for name, array in parameters.items()}
    return parameters, {name: array + rng.uniform(0.1, 0.5, array.shape) for name, array in buffers.items()}


def images_of(network, number=2, seed=0, size=None):
    shape = (*size, network.input_shape[-1]) if size else network.input_shape
    return np.random.default_rng(seed).normal(size=(number, *shape))


def as_written(network, parameters, buffers, images):
    """Return the outputs of all layers of the network itself."""
    outputs = {}
    shared = Shared(buffers=buffers)
    shared.watch = outputs.__setitem__
    network.layers.forward(images, parameters, Context(shared))
    return outputs


def slopes_of(outputs, seed=1):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=output.shape) for name, output in outputs.items()}


def objective(outputs, slopes):
    return sum(float((slope * outputs[name]).sum()) for name, slope in slopes.items())


def check_gradient(network, layers, borders="zeros", images=None, tolerance=1e-6):
    """Compare the derivative along two directions with differences; kinks between the two ends are passed over."""
    images = images_of(network) if images is None else images
    pixels = PixelGradient(network, *weights(network), layers, dtype=np.float64, borders=borders)
    slopes = slopes_of(pixels.outputs(images))
    gradient = pixels.gradient(slopes)
    assert gradient.shape == images.shape
    rng = np.random.default_rng(2)
    for _ in range(2):
        direction = rng.normal(size=images.shape)
        found = float((gradient * direction).sum())
        assert any(
            abs(found - difference(pixels, slopes, images, step * direction) / step)
            <= tolerance * max(1, abs(found), np.abs(gradient).max())
            for step in (1e-5, 1e-6, 1e-7)
        )


def difference(pixels, slopes, images, step):
    """Return the change of the objective along a step, by the central difference of fourth order."""

    def at(share):
        return objective(pixels.outputs(images + share * step), slopes)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / 12


@pytest.mark.parametrize("text", TEXTS)
def test_all_layers_at_once_against_differences(text):
    network = parse_network(text)
    check_gradient(network, list(Steps(network).names))


@pytest.mark.parametrize("text", TEXTS)
def test_outputs_are_those_of_the_network(text):
    network = parse_network(text)
    parameters, buffers = weights(network)
    images = images_of(network)
    expected = as_written(network, parameters, buffers, images)
    found = PixelGradient(network, parameters, buffers, expected, dtype=np.float64).outputs(images)
    assert list(found) == list(expected)
    for name, output in expected.items():
        np.testing.assert_allclose(found[name], output, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("word", sorted(set(LAYERS) - {"reshape"}))
def test_each_layer_against_differences(word):
    numbers = {"zeropad": "8", "split": "1/2", "reshape": "72", "gn": "2", "shuffle": "2", "crop": "1", "conv": "3-6"}
    numbers |= {"tconv": "3-6", "max": "2", "avg": "2", "dw": "3", "fc": "5", "rbf": "3", "s2d": "2", "d2s": "2"}
    kind = LAYERS[word]
    text = f"{word}{'-' if word in ('fc', 'rbf', 'zeropad') else ''}{numbers.get(word, '')}"
    network = parse_network(f"6x6x4 conv1-4 {text}")
    assert isinstance(network.layers.unrolled[1], kind)
    check_gradient(network, ["1"])


@settings(max_examples=60, deadline=None)
@given(networks(), st.data())
def test_random_networks_against_differences(network, data):
    # Without them a layer divides by the size of its input, whose gradient is as large as it likes near 0.
    words = [word for step in Steps(network).steps for word in step.layer.words]
    assume(all(getattr(word, "k", 1) > 0.01 and getattr(word, "eps", 1) >= 1e-5 for word in words))
    names = data.draw(st.lists(st.sampled_from(list(Steps(network).names)), min_size=1, max_size=3, unique=True))
    check_gradient(network, names, data.draw(st.sampled_from(["zeros", "reflect"])), tolerance=1e-5)


def test_an_inner_layer_alone_and_with_others():
    network = parse_network(TEXTS[1])
    check_gradient(network, ["1.res.main.0.conv"])
    check_gradient(network, ["2.res.shortcut.0.conv", "1.res.main.0.conv", "0.bn"])


def test_reflection_against_padding_by_numpy():
    network = parse_network("7x6x2 conv3-3,same,relu conv5x3-2,p2x1,s2")
    parameters, buffers = weights(network)
    images = images_of(network)
    first = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    valid = parse_network("9x8x2 conv3-3,relu")
    middle = as_written(valid, {name: parameters[name] for name in valid.param_shapes()}, {}, first)["0"]
    second = np.pad(middle, ((0, 0), (2, 2), (1, 1), (0, 0)), "reflect")
    last = parse_network("11x8x3 conv5x3-2,s2")
    own = {name.replace("1.conv", "0.conv"): array for name, array in parameters.items() if name.startswith("1.")}
    expected = as_written(last, own, {}, second)["0.conv"]
    pixels = PixelGradient(network, parameters, buffers, ["1"], dtype=np.float64, borders="reflect")
    np.testing.assert_allclose(pixels.outputs(images)["1"], expected, rtol=1e-10, atol=1e-10)
    check_gradient(network, ["0.conv", "1"], "reflect")
    check_gradient(network, ["0.conv", "1"], "reflect", images_of(network, 1, size=(1, 1)))


def test_other_sizes_up_to_the_last_named_layer():
    network = parse_network(TEXTS[0])
    for size in ((12, 12), (5, 9), (31, 4)):
        check_gradient(network, ["1", "2.max", "3.conv"], images=images_of(network, 1, size=size))


def test_sizes_in_turn_give_the_same_as_alone():
    network = parse_network(TEXTS[1])
    arrays = weights(network)
    pixels = PixelGradient(network, *arrays, ["1"])
    for size in ((8, 8), (11, 6), (8, 8), (32, 6), (4, 4)):
        images = images_of(network, 1, size=size)
        slopes = slopes_of(pixels.outputs(images))
        alone = PixelGradient(network, *arrays, ["1"])
        alone.outputs(images)
        np.testing.assert_array_equal(pixels.gradient(slopes), alone.gradient(slopes))


def test_gradient_by_a_layer():
    network = parse_network("6x6x3 conv3-4,relu conv3-5,relu gap fc-3")
    parameters, buffers = weights(network)
    images = images_of(network)
    pixels = PixelGradient(network, parameters, buffers, ["0", "3"], dtype=np.float64)
    slopes = {"3": slopes_of(pixels.outputs(images))["3"]}
    rest = parse_network("4x4x4 conv3-5,relu gap fc-3")
    own = {f"{int(name[0]) - 1}{name[1:]}": array for name, array in parameters.items() if name[0] != "0"}
    alone = PixelGradient(rest, own, {}, ["2"], dtype=np.float64)
    alone.outputs(as_written(network, parameters, buffers, images)["0"])
    np.testing.assert_allclose(pixels.gradient(slopes, by="0"), alone.gradient({"2": slopes["3"]}), rtol=1e-12)


def test_no_parameter_gradients_are_computed(monkeypatch):
    from cnncli.ops.batches.convolution_gradients import ConvolutionPlan

    network = parse_network(TEXTS[0])
    pixels = PixelGradient(network, *weights(network), ["4"])
    slopes = slopes_of(pixels.outputs(images_of(network)))
    monkeypatch.setattr(ConvolutionPlan, "weight_gradient", None)
    assert pixels.gradient(slopes).any()


def test_an_unknown_layer_is_told_with_the_known_ones():
    network = parse_network("6x6x3 conv3-4,relu max2")
    with pytest.raises(ArgumentError, match=r"no layer '7': there are 0\.conv, 0\.relu, 0, 1\.max"):
        PixelGradient(network, *weights(network), ["0", "7"])
    assert full_names(network, ["1", "1.max"]) == {"1": "1.max", "1.max": "1.max"}


def test_misuse_is_told():
    network = parse_network("6x6x3 conv3-4,relu fc-2")
    arrays = weights(network)
    pixels = PixelGradient(network, *arrays, ["1"])
    with pytest.raises(ArgumentError, match="call outputs"):
        pixels.gradient({"1": np.ones((1, 2))})
    with pytest.raises(ArgumentError, match=r"layer 1\.fc would need weights"):
        pixels.outputs(images_of(network, size=(7, 7)))
    with pytest.raises(ArgumentError, match="takes images"):
        pixels.outputs(np.zeros((1, 6, 6, 1)))
    with pytest.raises(ShapeError, match="conv3-4 needs at least 3x3, got 2x2"):
        pixels.outputs(images_of(network, size=(2, 2)))
    pixels.outputs(images_of(network))
    with pytest.raises(ArgumentError, match=r"slope of layer 1 is \(1, 2\), its output \(2, 2\)"):
        pixels.gradient({"1": np.ones((1, 2))})
    with pytest.raises(ArgumentError, match="not named at first"):
        pixels.gradient({"0": np.ones((1, 4, 4, 4))})
    with pytest.raises(ArgumentError, match="unknown borders"):
        PixelGradient(network, *arrays, ["1"], borders="wrap")


def test_the_backend_makes_it():
    network = parse_network(TEXTS[0])
    with open_backend("numpy") as backend:
        pixels = backend.pixel_gradient(network, *weights(network), ["0.conv"], dtype=np.float64)
    assert pixels.outputs(images_of(network))["0.conv"].dtype == np.float64


def test_memory_is_known_before():
    network = parse_network("32x32x3 conv3-8,same,relu conv3-8,same,relu max2 conv3-16,same,relu")
    layer = 32 * 32 * 8
    # The output of the named one, and a byte a number of each rectifier's.
    assert numbers_held(network, (32, 32, 3), ["1"]) == layer + 2 * layer // 4
    assert numbers_held(network, (64, 32, 3), ["1"]) == 2 * (layer + 2 * layer // 4)


@pytest.mark.parametrize(
    "text", ["256x256x3 2xconv3-16,same,relu max2 2xconv3-32,same,bn,relu", f"256x256x3 {TEXTS[1][6:]}"]
)
def test_memory_is_enough(text):
    network = parse_network(text)
    pixels = PixelGradient(network, *weights(network), ["2", "0"])
    images = images_of(network, 1).astype(np.float32)
    tracemalloc.start()
    try:
        outputs = pixels.outputs(images)
        pixels.gradient(outputs)
        peak = tracemalloc.get_traced_memory()[1]
        del outputs
        before = tracemalloc.get_traced_memory()[0]
        outputs = pixels.outputs(images)
        held = tracemalloc.get_traced_memory()[0] - before
        assert outputs["0"].shape[1:3] == images.shape[1:3]
    finally:
        tracemalloc.stop()
    assert peak < pixels.memory(images.shape[1:])
    assert held == pytest.approx(4 * numbers_held(network, images.shape[1:], ["2", "0"]), rel=0.02)


def test_threads_give_the_same_bits():
    network = parse_network("40x24x3 conv3-16,same,relu conv3-16,same,bn,relu6 max2 res[ conv3-16,same ] conv1-9,elu")
    arrays = weights(network)
    images = images_of(network, 3)
    found = []
    for jobs in (1, 2, 3):
        pixels = PixelGradient(network, *arrays, ["0.conv", "4"], jobs=jobs, borders="reflect")
        found.append(pixels.gradient(slopes_of(pixels.outputs(images))))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_an_error_on_a_thread_is_told():
    def fail(memory):
        raise ArgumentError("on purpose")

    for jobs in (1, 2):
        with pytest.raises(ArgumentError, match="on purpose"):
            Threads(jobs).spread([fail] * 4)
