"""Predicted shapes, parameters, multiply-adds and receptive fields are those of PyTorch, on random networks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_strategies import convolutions, networks, pools

from cnncli.networks import load_network, parse_network, zoo_names
from cnncli.networks.layers import AvgPool, Conv

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from torch_shapes import Checked  # noqa: E402


def check(network):
    """Run it in PyTorch without numbers: every layer checks its shape and parameters."""
    height, width, channels = network.input_shape
    with torch.device("meta"):
        module = Checked(network.layers, network.input_shape).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            module(torch.empty(1, channels, height, width))
    assert counter.get_total_flops() == 2 * network.totals.macs, str(network)


@settings(max_examples=60)
@given(networks())
def test_random_networks_are_what_pytorch_makes_of_them(network):
    check(parse_network(str(network)))


@pytest.mark.slow
@settings(max_examples=500)
@given(networks())
def test_five_hundred_random_networks_are_what_pytorch_makes_of_them(network):
    check(parse_network(str(network)))


@pytest.mark.parametrize(
    "text",
    [
        "15x13x4 conv3x1-8,s2,p1x0,g2 conv1x5-6,same,d1x2",
        "15x13x4 conv3-8,p1x2x3x0 max3,s2,ceil avg3,s2,p1,count_include_pad",
        "14x14x6 tconv3x2-4,s2x3,p1x0,o1x0 tconv2-4,s3,same tconv4-6,s2,same,g2",
        "16x16x8 add[ dw3,s2,p1,bn dw3-16 | conv5-16,s2 ] cat[ | 2x[ conv3-4,same ] | max3,s1,same ]",
        "9x7x2 2xres[ conv3-2,same cat[ conv1-1 | conv1-1 ] ] gmp fc-4",
    ],
)
def test_networks_with_every_option(text):
    check(parse_network(text))


@pytest.mark.parametrize(
    "name", [name for name in zoo_names() if name != "lenet5-1998"]
)  # its table is checked by hand
def test_the_zoo(name):
    network = load_network(name)
    check(network)


windows = convolutions().map(
    lambda conv: Conv(conv.kernel_size, 2, conv.stride, conv.padding, conv.dilation)
) | pools.map(lambda pool: AvgPool(pool.kernel_size, pool.stride))


@settings(max_examples=60)
@given(network=networks(kinds=lambda _: windows, with_heads=False), data=st.data())
def test_a_receptive_field_is_where_the_gradient_is(network, data):
    rows = network.summary().rows
    field = [row for row in rows if row.depth == 0][-1].receptive_field
    module = Checked(network.layers, network.input_shape).eval()
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    height, width, channels = network.input_shape
    image = torch.ones(1, channels, height, width, requires_grad=True)
    out = module(image)
    place = [data.draw(st.integers(0, n - 1)) for n in out.shape[2:]]
    out[0, :, place[0], place[1]].sum().backward()
    seen = image.grad.abs().sum((0, 1)) > 0
    for axis in (0, 1):
        centre = field.offset[axis] + place[axis] * field.stride[axis]
        first, last = centre - (field.size[axis] - 1) / 2, centre + (field.size[axis] - 1) / 2
        found = torch.nonzero(seen.any(1 - axis)).flatten().tolist()
        assert all(first <= pixel <= last for pixel in found), f"{network}: {found} outside {first} to {last}"
        if not any(any(row.filter.padding) for row in rows if row.filter):
            assert (found[0], found[-1]) == (first, last), str(network)
