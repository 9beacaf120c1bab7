import re
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from models import small_network
from network_strategies import (
    activations,
    counts,
    decimals,
    dilations,
    divisors,
    dropouts,
    heads,
    kernels,
    networks,
    strides,
)
from word_grid import WORDS, texts

from cnncli.engines.head import as_probabilities, output_kind
from cnncli.engines.inference import Inference
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError
from cnncli.networks import BLOCKS, LAYERS, Network, load_network, parse_network, zoo_names
from cnncli.networks.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    FullyConnected,
    LayerNorm,
    LocalResponseNorm,
    MaxPool,
    PReLU,
    Scale,
    Sequential,
    Subsampling,
)
from cnncli.networks.layers.rearranging import Crop, Shuffle, SpaceToDepth, Split, ZeroPad
from cnncli.networks.sliding import sliding_arrays, sliding_network, windows


def unpadded_layers(channels):
    parts = divisors(channels).flatmap(lambda count: st.tuples(st.integers(1, count), st.just(count)))
    return st.one_of(
        st.builds(Conv, kernels, counts, strides, st.just("valid"), dilations),
        st.builds(Depthwise, kernels, st.none(), strides, st.just("valid"), dilations),
        st.builds(MaxPool, kernels, strides | st.just((0, 0)), st.just("valid"), dilations),
        st.builds(AvgPool, kernels, strides),
        st.builds(Subsampling, kernels, strides),
        st.builds(LocalResponseNorm, st.integers(1, 7), decimals, decimals, decimals),
        st.builds(LayerNorm, decimals, st.booleans()),
        st.builds(Scale, decimals) | st.builds(PReLU, st.booleans()) | st.just(BatchNorm()),
        st.builds(Crop, st.tuples(*[st.integers(0, 2)] * 4)),
        st.builds(Split, parts) | st.builds(Shuffle, divisors(channels)),
        st.builds(SpaceToDepth, st.integers(1, 3)),
        st.just(ZeroPad(channels + 3)),
        activations | dropouts,
    )


@st.composite
def unpadded_networks(draw):
    body = draw(networks(unpadded_layers, with_heads=False))
    ends = draw(st.sampled_from([(), (draw(heads),)]))
    *_, classes = draw(st.tuples(counts, counts))
    return Network(body.input_shape, Sequential((*body.layers.layers, *ends, FullyConnected(classes))))


def random_arrays(network, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed=seed)
    parameters = {name: array.astype(dtype) + rng.normal(0, 0.1, array.shape) for name, array in parameters.items()}
    return parameters, {name: rng.uniform(0.5, 2, array.shape).astype(dtype) for name, array in buffers.items()}


def slid_outputs(network, arrays, picture, dtype=np.float64):
    """The outputs of the sliding network, (rows, columns, outputs)."""
    slid = sliding_network(network, picture.shape)
    parameters = sliding_arrays(arrays[0], network.param_shapes(), slid.param_shapes())
    buffers = sliding_arrays(arrays[1], network.buffer_shapes(), slid.buffer_shapes())
    return Inference(slid, parameters, buffers, dtype=dtype).predict(picture[np.newaxis])[0]


def looped_outputs(network, arrays, picture, stride, dtype=np.float64):
    """The same, window by window."""
    size = network.input_shape[:2]
    crops = np.lib.stride_tricks.sliding_window_view(picture, size, axis=(0, 1))[:: stride[0], :: stride[1]]
    crops = np.ascontiguousarray(crops.transpose(0, 1, 3, 4, 2))
    outputs = Inference(network, *arrays, dtype=dtype).predict(crops.reshape(-1, *network.input_shape))
    return outputs.reshape(*crops.shape[:2], -1)


def picture_of(network, more=(3, 4), seed=1):
    stride = windows(sliding_network(network)).stride
    sides = (n + s * (m - 1) for n, s, m in zip(network.input_shape, stride, more, strict=False))
    return np.random.default_rng(seed).normal(0, 1, (*sides, network.input_shape[2])), stride


def assert_slides(network, tolerance=1e-9, dtype=np.float64, more=(3, 4)):
    picture, stride = picture_of(network, more)
    arrays = random_arrays(network, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = slid_outputs(network, arrays, picture.astype(dtype), dtype)
    want = looped_outputs(network, arrays, picture.astype(dtype), stride, dtype)
    assert got.shape == want.shape
    scale = max(1, np.abs(want).max())
    np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=tolerance)


def slides(network):
    try:
        sliding_network(network)
    except ArgumentError:
        return False
    return True


@pytest.mark.slow
@given(unpadded_networks())
@settings(max_examples=300)
def test_random_networks_without_padding_slide_as_a_loop_over_windows_does(network):
    assume(slides(network))
    assume(max(windows(sliding_network(network)).stride) <= 64)
    assert not windows(sliding_network(network)).padded
    assert_slides(network)


TEN = [
    "9x9x1 conv3-4,relu max2 fc-3",
    "16x12x3 conv3-4,relu max2 conv3-6 fc-8,relu fc-5,softmax",
    "15x15x2 conv4-4,s3 avg2,s1 flatten drop fc-4",
    "17x11x1 dw3,bn,relu max3,s2 lrn conv2-6 gap fc-3",
    "14x14x3 res[ conv3-4,bn,relu conv3-4,bn | crop2 conv1-4 ] max2,s2 gmp fc-2",
    "13x13x2 cat[ conv3-4 | max3,s1 ] relu conv2-3 s2d flatten fc-4",
    "12x12x3 s2d2 conv3-8 shuffle2 split1/2 sub2 fc-6,tanh rbf-4",
    "20x20x1 conv5-4,d2,prelu conv3-4,s2,ln,gelu conv5-7,relu gap softmax",
    "18x18x3 conv5-6,relu max2 mul[ conv3-4 | conv3-1,sigmoid ] flatten,relu fc-9 mul[ | fc-9,sigmoid ] fc-2",
    "11x23x2 avg3x2,s2x3 conv2-6,tanh fc-1,sigmoid",
]


@pytest.mark.parametrize("text", TEN)
def test_networks_without_padding_slide_as_a_loop_over_windows_does(text):
    assert_slides(parse_network(text))


MORE = {
    "dw": ["7x6x4 dw3-8"],
    "rbf": ["4x3x5 fc-6 rbf-10"],
    "reshape": ["4x3x5 gap reshape1x1x5 conv1-4 reshape4"],
    "res": ["4x3x5 res[ conv1-5 ]"],
    "add": ["4x3x5 add[ conv1-5 ]"],
    "cat": ["4x3x5 cat[ conv1-5 | ]"],
}
TEXTS = [f"{text} fc-3" for text in texts({**WORDS, **MORE}) if text.partition(" ")[0].count("x") == 2]


@pytest.mark.parametrize("text", [text for text in TEXTS if slides(parse_network(text))])
def test_every_word_that_slides_does_as_a_loop_over_windows_does(text):
    network = parse_network(text)
    if windows(sliding_network(network)).padded:
        assert "p1" in text
    else:
        assert_slides(network)


def test_the_words_that_never_slide_are_known():
    sliding = " ".join(text for text in TEXTS if slides(parse_network(text)))
    fixed = {op for op in (*LAYERS, *BLOCKS) if not re.search(rf"\b{op}\d*\b", sliding)}
    assert fixed == {"tconv", "gn", "in", "up", "d2s"}


ZOO = [name for name in zoo_names() if slides(load_network(name))]
UNPADDED = [name for name in ZOO if not windows(sliding_network(load_network(name))).padded]


@pytest.mark.parametrize("name", UNPADDED)
def test_networks_of_the_zoo_without_padding_slide_as_a_loop_over_windows_does(name):
    network = load_network(name)
    picture, stride = picture_of(network, (5, 9))
    arrays, picture = random_arrays(network, dtype=np.float32), picture.astype(np.float32)
    got, want = (
        slid_outputs(network, arrays, picture, np.float32),
        looped_outputs(network, arrays, picture, stride, np.float32),
    )
    rows = (as_probabilities(outputs.reshape(-1, outputs.shape[-1]), output_kind(network)) for outputs in (got, want))
    np.testing.assert_allclose(*rows, rtol=0, atol=1e-5)


def test_the_zoo_has_networks_with_and_without_padding_and_some_that_do_not_slide():
    assert UNPADDED == ["course-39", "lenet-course", "lenet5", "lenet5-1998"]
    refused = set(zoo_names()) - set(ZOO)
    assert {"resnet50", "vgg16", "densenet121", "convnext-t", "googlenet", "squeezenet1.1", "nin"} <= set(ZOO)
    assert refused == {
        "bottleneck",
        "bottleneck-direct",
        "efficientnet-b0",
        "mobilenet-v3-large",
        "mobilenet-v3-small",
        "unet",
        "yolov1",
    }


HUGE = ("alexnet", "vgg", "152", "101", "convnext", "resnext", "densenet")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if any(part in name for part in HUGE) else name for name in ZOO],
)
def test_a_network_of_the_zoo_slid_over_one_window_is_the_network_itself(name):
    network = small_network(name)
    picture = np.random.default_rng(0).normal(0, 1, network.input_shape).astype(np.float32)
    arrays = random_arrays(network, dtype=np.float32)
    got = slid_outputs(network, arrays, picture, np.float32)
    want = looped_outputs(network, arrays, picture, (1, 1), np.float32)
    scale = np.abs(want).max()
    np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ZOO)
def test_windows_are_where_shape_says(name):
    network = load_network(name)
    slid, field = sliding_network(network), network.summary().rows[-1].receptive_field
    found = windows(slid)
    assert slid.summary().rows[-1].receptive_field == field
    assert found.stride == field.stride
    assert found.size == network.input_shape[:2]
    begins = tuple(centre - (size - 1) / 2 for centre, size in zip(field.offset, field.size, strict=True))
    assert begins == (-found.margins[0], -found.margins[2])


@pytest.mark.parametrize("more", [(1, 1), (1, 6), (5, 2)])
def test_a_picture_has_a_place_for_each_window_inside_it(more):
    network = parse_network("15x11x1 conv3-4,s2 max3,s2 fc-3")
    (height, width, _), (down, across) = network.input_shape, windows(sliding_network(network)).stride
    shape = (height + down * (more[0] - 1), width + across * (more[1] - 1), 1)
    assert sliding_network(network, shape).output_shape == (*more, 3)
    assert sliding_network(network, (shape[0] + down - 1, shape[1], 1)).output_shape[0] >= more[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("8x8x4 conv3-4,same mul[ | gap fc-4,sigmoid ] fc-2", "mul"),
        ("8x8x4 gn2 gap fc-2", "gn2"),
        ("8x8x4 conv3-6,in gap fc-2", "in"),
        ("8x8x4 up2 conv3-4 gap fc-2", "up2"),
        ("8x8x4 tconv2-3,s2 fc-2", "tconv2-3,s2"),
        ("8x8x4 flatten bn fc-2", "bn"),
        ("8x8x4 flatten softmax fc-2", "softmax"),
        ("8x8x4 gap2 fc-2", "gap2"),
        ("8x8x4 rbf-2", "rbf-2"),
        ("8x8x4 reshape4x4x16 gap fc-2", "reshape4x4x16"),
        ("8x8x4 cat[ flatten | flatten ] fc-2", "cat"),
        ("8x8x4 fc-64 reshape8x8x1 conv3-2 gap", "reshape8x8x1"),
    ],
)
def test_what_cannot_slide_is_named(text, word):
    with pytest.raises(ArgumentError, match=rf"^{re.escape(word)} sees more .*--exact"):
        sliding_network(parse_network(text))


@pytest.mark.parametrize("text", ["8x8x3 conv3-4", "8x8x3 conv3-4,s2", "12 fc-3"])
def test_only_what_turns_pictures_into_classes_slides(text):
    with pytest.raises(ArgumentError, match="does not turn a picture into classes"):
        sliding_network(parse_network(text))


def test_padding_stays_that_of_a_window():
    # Of 10 pixels `same` pads the end alone, of 11 both ends: windows would move by a pixel.
    network = parse_network("10x10x1 conv3-4,s2,same conv5-2")
    assert str(sliding_network(network, (11, 11, 1))) == "11x11x1 conv3-4,s2,p0x1x0x1 conv5-2"


def test_places_that_see_no_border_do_not_depend_on_the_rest_of_the_picture():
    network = parse_network("12x12x1 conv3-4,p1,relu max2 res[ conv3-4,p1 ] gap fc-3")
    found = windows(sliding_network(network))
    assert found.padded == "conv3-4,p1"
    rows, columns = (-(-max(found.margins) // stride) for stride in found.stride)
    picture, stride = picture_of(network, (2 * rows + 3, 2 * columns + 3))
    arrays = random_arrays(network)
    whole = slid_outputs(network, arrays, picture)
    part = slid_outputs(network, arrays, picture[stride[0] :, stride[1] :])
    np.testing.assert_allclose(whole[1 + rows : -rows, 1 + columns : -columns], part[rows:-rows, columns:-columns])
