"""Layers' arithmetic; that all of it agrees with PyTorch is in test_against_torch.py."""

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from network_strategies import followers, plain_layers

from cnncli.errors import ArgumentError
from cnncli.networks import LAYERS, ShapeError, load_network, parse_network
from cnncli.networks.layers import (
    AvgPool,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    FullyConnected,
    MaxPool,
    ReLU,
    Repeat,
    Residual,
    Sequential,
    Subsampling,
    TransposedConv,
)
from cnncli.networks.layers.context import Context
from cnncli.networks.layers.convolution import TABLE
from cnncli.networks.notation import read_notation

# Where the example in messages does not fit a picture of 12x12x64.
FITTING = {"reshape": "reshape24x12x32"}


@pytest.mark.parametrize("op", LAYERS)
def test_every_layer_of_the_registry_is_read_by_its_word_and_keeps_the_contract(op):
    kind, shape = LAYERS[op], (12, 12, 64)
    word = FITTING.get(op, kind.example())
    (layer,) = parse_network(word, input_shape=shape).layers.layers
    assert type(layer) is kind
    assert parse_network(str(layer), input_shape=shape).layers.layers == (layer,)
    assert kind.__doc__
    output_shape = layer.output_shape(shape)
    assert all(n > 0 for n in output_shape)
    assert layer.macs(shape) >= 0
    assert layer.connections(shape) >= layer.macs(shape)
    for name, array_shape in {**layer.param_shapes(shape), **layer.buffer_shapes(shape)}.items():
        assert name in ("weight", "bias", "running_mean", "running_var")
        assert all(n > 0 for n in array_shape)


@pytest.mark.parametrize("op", [op for op, kind in LAYERS.items() if kind.takes_maxima])
def test_layers_that_take_maxima_keep_the_channels(op):
    (layer,) = parse_network(FITTING.get(op, LAYERS[op].example()), input_shape=(12, 12, 64)).layers.layers
    output_shape = layer.output_shape((12, 12, 64))
    assert output_shape[2:] == (64,), f"{op} takes maxima across channels: leave out takes_maxima"


@given(plain_layers(6), st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(6)))
def test_a_layer_either_takes_a_shape_or_says_what_it_needs(layer, shape):
    try:
        output_shape = layer.output_shape(shape)
    except ShapeError as error:
        message = str(error)
        assert f"{layer} needs" in message
    else:
        window = layer.window(shape)
        assert window is None or window.output_size == output_shape[:2]


@given(plain_layers(6), st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(6)))
@example(MaxPool((1, 2)), (1, 1, 6))
@example(MaxPool((1, 2), padding=1), (1, 1, 6))
def test_the_padding_that_is_named_makes_a_window_fit(layer, shape):
    if not hasattr(layer, "padding"):
        return
    try:
        layer.output_shape(shape)
    except ShapeError as error:
        if error.fits.startswith("padding p"):
            vertical, _, horizontal = error.fits.removeprefix("padding p").split()[0].partition("x")
            amounts = int(vertical), int(horizontal or vertical)
            assert layer.replace(padding=amounts).output_shape(shape)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10x10x3 max2 conv7-8", "layer 2 (conv7-8 after 5x5x3): conv7-8 needs at least 7x7, got 5x5 after max2; "
         "padding p1 would fit"),
        ("1x1x3 max1x2", "max1x2 needs at least 1x2, got 1x1; padding p0x1 would fit"),
        ("3x3x3 conv7-8,p1", "needs at least 5x5, got 3x3; padding p2 would fit"),
        ("8x8x3 fc-10 conv3-8", "layer 2 (conv3-8 after 10): conv3-8 needs height x width x channels, got 10 numbers"),
        ("8x8x5 conv3-64,g2", "channels that divide into 2 groups, got 5 channels; g1 would fit"),
        ("8x8x3 conv5-16,table", "6 channels"),
        ("8x8x3 dw3-4", "channels that divide 4 filters"),
        ("8x8x3 max2,p2", "padding p1 at most"),
        ("1x1x3 max1x2,p1", "padding p0x1 at most"),
        ("1x1x3 tconv2-8,p1", "less padding would fit"),
        ("8x8x3 res[ conv3-3 ]", "got 6x6x3 and 8x8x3; padding 'same' in the main branch keeps the size"),
        ("8x8x3 res[ conv3-8,same ]", "the shortcut '| conv1-8' would fit"),
        ("8x8x3 res[ conv3-8,p1,s2 ]", "the shortcut '| conv1-8,s2' would fit"),
        ("8x8x3 cat[ | max2 ]", "got branches of 8x8x3, 4x4x3; 'same' with s1"),
        ("8x8x3 relu cat[ | relu res[ relu | conv1-4 ] ]", "layer 2, branch 2, layer 2 (res after 8x8x3)"),
        ("8x8x8 zeropad-4", "at most 4 channels"),
        ("3x3x1 max2,s1,p2,d4", "got windows that see padding alone on 3x3; dilation d3 at most"),
        ("8x8x8 mul[ conv1-3 | conv3-4 ]", "branches of 8x8x3, 6x6x4; a branch of 1x1x4 or 8x8x1 would fit"),
        ("5x4x3 s2d", "needs a height and a width that divide by 2, got 5x4; 6x4 would fit"),
        ("8x8x6 d2s", "needs channels that divide by 2x2, got 6 channels; 8 channels would fit"),
        ("8x8x6 gn4", "gn4 needs channels that divide into 4 groups, got 6 channels; gn2 would fit"),
        ("8x8x6 split1/4", "split1/2 would fit"),
        ("8x8x6 crop4x1", "crop4x1 needs more than the 8x2 pixels that it cuts off, got 8x8"),
        ("8x8x6 reshape8x8x5", "needs 320 numbers, got 8x8x6 = 384"),
        ("8 in", "needs height x width x channels"),
        ("2x2x4 max5,s2,ceil", "needs at least 4x4, got 2x2; padding p1 would fit"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_chain_say_where_what_and_what_would_fit(text, message):
    with pytest.raises(ShapeError) as caught:
        parse_network(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10x10x3 max2 conv7-8", "conv7-8"),
        ("10x10x3 2x[ max2 conv3-8 ]", "conv3-8"),
        ("8x8x3 relu cat[ | relu res[ relu | conv1-4 ] ]", "res[ relu | conv1-4 ]"),
        ("8x8x3 relu 2xdown:9", "down:9"),
    ],
)
def test_a_shape_error_has_its_place_in_the_text(text, place):
    with pytest.raises(ShapeError) as caught:
        parse_network(text, define={"down": "conv3-$1,relu max2"})
    error = caught.value
    assert error.text[error.start : error.end] == place


POOLS = [
    f"{word}{size},s{s},p{p}{dilation}{',ceil' * ceil}{',count_include_pad' * counted}"
    for word, dilations, counts in (("max", ("", ",d2", ",d3", ",d4"), (0,)), ("avg", ("",), (0, 1)))
    for size, s, p, ceil in itertools.product(range(1, 5), range(1, 4), range(3), (0, 1))
    for dilation in dilations
    for counted in counts
]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_pooling_is_pytorch_s_over_a_grid_of_options(n):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(n).normal(size=(1, n, n, 2))
    ours = {word: pooled(word, image) for word in POOLS}
    theirs = {word: pooled_by_pytorch(torch, word, image) for word in POOLS}
    assert [word for word in POOLS if (ours[word] is None) != (theirs[word] is None)] == []
    for word, (result, gradient) in ((word, found) for word, found in ours.items() if found):
        assert result.shape == theirs[word][0].shape, word
        assert np.allclose(result, theirs[word][0]), word
        assert np.allclose(gradient, theirs[word][1]), word


def pooled(word, image):
    """What a word makes of an image, and the gradient of the squares' sum; None where it refuses the image."""
    try:
        layers = parse_network(f"{image.shape[1]}x{image.shape[2]}x2 {word}").layers
    except ShapeError:
        return None
    result, cache = layers.forward(image, {}, Context())
    return result, layers.backward(2 * result, cache, {}, Context())[0]


def pooled_by_pytorch(torch, word, image):
    """The same by PyTorch; None too where a window sees padding alone, or padding is more than half of a window."""
    _, layers, _ = read_notation(word)
    (layer,) = layers.layers
    options = {"stride": layer.stride, "padding": 0 if layer.padding == "valid" else layer.padding[0]}
    if layer.op == "max":
        options["dilation"] = layer.dilation
    else:
        options["count_include_pad"] = layer.count_include_pad
    pool = {"max": torch.nn.functional.max_pool2d, "avg": torch.nn.functional.avg_pool2d}[layer.op]
    x = torch.tensor(image.transpose(0, 3, 1, 2), requires_grad=True)
    try:
        y = pool(x, layer.kernel_size, ceil_mode=layer.ceil_mode, **options)
    except RuntimeError:
        return pooled(word, image) if 2 * options["padding"] > layer.kernel_size[0] else None
    if not torch.isfinite(y).all():
        return None
    y.square().sum().backward()
    return y.detach().numpy().transpose(0, 2, 3, 1), x.grad.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("k", range(1, 10))
def test_adaptive_windows_are_pytorch_s_and_their_sizes_add_up(n, k):
    layer = LAYERS["gap"]((k, 1))
    rows, _ = layer.bounds((n, 1, 3))
    assert layer.connections((n, 1, 3)) == 3 * sum(stop - start for start, stop in rows)
    assert rows[0][0] == 0
    assert rows[-1][1] == n
    assert (layer.window((n, 1, 3)) is None) == (n % k > 0)


def test_numbers_of_any_size_are_counted_at_once():
    assert parse_network("8x8x3 gap999999999x1").totals.connections == (999_999_999 + 8 - 1) * 8 * 3


def test_pooling_strides_are_the_window_unless_given():
    assert MaxPool((2, 2)) == MaxPool((2, 2), (2, 2))
    assert str(MaxPool((3, 3), (2, 2))) == "max3,s2"
    assert AvgPool((2, 3)).stride == (2, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv((3, 3), 0),
        lambda: Conv((3, 0), 4),
        lambda: Conv((3, 3), 4, stride=(0, 1)),
        lambda: Conv((3, 3), 4, padding="full"),
        lambda: Conv((3, 3), 4, padding=(1, 2, 3)),
        lambda: Conv((3, 3), 4, padding=(-1, 0, 0, 0)),
        lambda: Conv((3, 3), 4, bias=1),
        lambda: Conv((3, 3), 10**9),
        lambda: Conv((3, 3), 3, groups=2),
        lambda: Conv((3, 3), None),
        lambda: TransposedConv((3, 3), 3, output_padding=(1, 0)),
        lambda: TransposedConv((3, 3), 4, groups=3),
        lambda: Dropout(1.0),
        lambda: Dropout(float("nan")),
        lambda: Repeat(0, (ReLU(),)),
        lambda: Repeat(100_000, (ReLU(),)),
        lambda: Sequential((3,)),
        lambda: Chain((ReLU(), MaxPool((2, 2)))),
        lambda: Chain((ReLU(), ReLU())),
        lambda: Chain((ReLU(),)),
        lambda: Concat(()),
    ],
)
def test_layers_that_cannot_be_are_argument_errors(make):
    with pytest.raises(ArgumentError):
        make()


def test_arguments_take_the_forms_of_the_core():
    assert Conv(3, 8, stride=2, padding=1) == Conv((3, 3), 8, (2, 2), (1, 1, 1, 1))
    assert Conv((3, 3), 8, padding=(0, 1)).padding == (0, 0, 1, 1)
    assert Conv((3, 3), 8, padding=0).padding == "valid"


@given(followers)
def test_an_option_that_is_a_layer_is_one(layers):
    chain = Chain((FullyConnected(8, bias=False), *layers))
    (again,) = parse_network(f"8 {chain}").layers.layers
    assert again == chain
    assert sum(map(prod, chain.param_shapes((8,)).values())) == 64 + 16 * any(layer.op == "bn" for layer in layers)


@pytest.mark.parametrize(
    ("word", "params"),
    [
        ("conv3-8,bn,relu", 216 + 16),
        ("conv3-8,relu,bn", 216 + 8 + 16),  # behind anything but the convolution itself, the bias counts
        ("conv3-8,drop,bn", 216 + 8 + 16),
        ("conv3-8,relu,bn,nobias", 216 + 16),
        ("conv3-8,bn,relu,bias", 216 + 8 + 16),
        ("conv3-8 bn", 216 + 8 + 16),
        ("dw3,bn", 27 + 6),
        ("dw3,relu6,bn", 27 + 3 + 6),
        ("tconv2-4,s2,bn,relu", 48 + 8),
        ("tconv2-4,s2,relu,bn", 48 + 4 + 8),
        ("fc-2,bn", 384 + 4),
        ("fc-2,tanh,bn", 384 + 2 + 4),
        ("max2,bn", 6),
        ("res[ conv3-3,same,relu,bn ]", 81 + 3 + 6),
        ("cat[ conv1-2,relu,bn | conv1-2,bn ]", 6 + 2 + 4 + 6 + 4),
        ("2xconv3-3,same,leaky,bn", 2 * (81 + 3 + 6)),
    ],
)
def test_batch_norm_makes_the_bias_redundant_right_behind_its_layer_alone(word, params):
    network = parse_network(f"8x8x3 {word}")
    assert network.totals.params == params
    assert parse_network(str(network)) == network


def test_the_sparse_table_of_lenet():
    assert [len(maps) for maps in TABLE] == 6 * [3] + 9 * [4] + [6]
    assert len({frozenset(maps) for maps in TABLE}) == 16
    uses = [sum(channel in maps for maps in TABLE) for channel in range(6)]
    assert uses == [10] * 6  # each input map goes to ten outputs
    layer = Conv((5, 5), 16, table=True)
    assert layer.param_shapes((14, 14, 6)) == {"weight": (5, 5, 60), "bias": (16,)}
    assert layer.connections((14, 14, 6)) == 151_600


def test_the_rows_of_lenet_5():
    rows = load_network("lenet5-1998").summary().rows
    assert [row.params for row in rows] == [156, 12, 1516, 32, 48120, 10164, 0]
    assert [row.connections for row in rows] == [122304, 5880, 151600, 2000, 48120, 10164, 840]


def test_names_of_parameters():
    text = "8x8x4 conv3-4,same,bn res[ 2xconv3-4,same | conv1-4,nobias ] cat[ | conv1-2 ] sub fc-3"
    network = parse_network(text)
    assert list(network.param_shapes()) == [
        "0.conv.weight",
        "0.bn.weight",
        "0.bn.bias",
        "1.res.main.0.conv.weight",
        "1.res.main.0.conv.bias",
        "1.res.main.1.conv.weight",
        "1.res.main.1.conv.bias",
        "1.res.shortcut.0.conv.weight",
        "2.cat.2.0.conv.weight",
        "2.cat.2.0.conv.bias",
        "3.sub.weight",
        "3.sub.bias",
        "4.fc.weight",
        "4.fc.bias",
    ]
    assert list(network.buffer_shapes()) == ["0.bn.running_mean", "0.bn.running_var"]
    assert sum(map(prod, network.param_shapes().values())) == network.totals.params


def test_depthwise_is_a_convolution_in_as_many_groups_as_channels():
    assert Depthwise((3, 3)).param_shapes((9, 9, 4)) == Conv((3, 3), 4, groups=4).param_shapes((9, 9, 4))
    assert Depthwise((3, 3), 8).output_shape((9, 9, 4)) == (7, 7, 8)


def test_blocks_hold_what_they_are_given():
    block = Residual(Sequential((BatchNorm(),)))
    assert block.output_shape((4, 4, 2)) == (4, 4, 2)
    assert Repeat(3, (block,)).layer_count == 6
    assert Sequential((Sequential((ReLU(),)), ReLU())) == Sequential((ReLU(), ReLU()))
    assert Subsampling().param_shapes((4, 4, 2)) == {"weight": (2,), "bias": (2,)}
