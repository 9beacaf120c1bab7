import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.networks import load_network, parse_network
from cnncli.networks.sharing import Weights, sharing
from cnncli.shapes import Window


def layers(text):
    return sharing(parse_network(text).summary())


def test_the_course_saves_fourteen_million_weights():
    (layer,) = layers("32x32x3 conv5-6")
    assert layer.convolution == Weights(450, 6)
    assert layer.convolution.params == 456
    assert layer.fully_connected.weights == 3_072 * 4_704 == 14_450_688
    assert layer.locally_connected == Weights(28 * 28 * 450, 4_704)
    assert (layer.inputs, layer.seen) == (3_072, 75)
    assert layer.share == pytest.approx(75 / 3_072)


def test_biases_follow_the_layer():
    (layer,) = layers("32x32x3 conv5-6,nobias")
    assert layer.convolution.biases == layer.locally_connected.biases == layer.fully_connected.biases == 0


def test_only_convolutions_are_listed_with_those_inside_blocks():
    found = layers("8x8x4 conv3-4,same,relu max2 res[ conv3-4,p1 conv1-4 ] dw3 fc-10")
    assert [layer.spec.split(",")[0] for layer in found] == ["conv3-4", "conv3-4", "conv1-4", "dw3"]


def test_a_one_by_one_over_one_pixel_is_fully_connected():
    (layer,) = layers("1x1x64 conv1-10")
    assert layer.convolution == layer.locally_connected == layer.fully_connected
    assert layer.share == 1


def test_the_sparse_table_of_lenet5_has_its_1500_weights():
    c1, c3, c5 = sharing(load_network("lenet5-1998").summary())
    assert (c1.convolution.params, c3.convolution.params, c5.convolution.params) == (156, 1_516, 48_120)
    # Connections without the biases, of which there is one for each output.
    assert c1.connections == 122_304 - 28 * 28 * 6
    assert c3.connections == 151_600 - 10 * 10 * 16
    assert c5.connections == 48_000
    assert c5.share == 1


def test_groups_see_their_part_of_the_channels():
    (layer,) = layers("10x10x8 conv3-16,g4")
    assert layer.seen == 18
    (layer,) = layers("10x10x8 dw3")
    assert layer.seen == 9


@settings(max_examples=60)
@given(
    n=st.integers(1, 12),
    kernel_size=st.integers(1, 4),
    padding=st.integers(0, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_connections_are_the_taps_that_fall_on_pixels(n, kernel_size, padding, stride, dilation):
    if n + 2 * padding < dilation * (kernel_size - 1) + 1:
        return
    (layer,) = layers(f"{n}x{n}x2 conv{kernel_size}-3,p{padding},s{stride},d{dilation}")
    positions = Window.over((n, n), kernel_size, padding=padding, stride=stride, dilation=dilation).output_size[0]
    inside = sum(
        0 <= position * stride + tap * dilation - padding < n
        for position, tap in itertools.product(range(positions), range(kernel_size))
    )
    assert layer.connections == inside**2 * 2 * 3
    assert 0 <= layer.share <= 1
