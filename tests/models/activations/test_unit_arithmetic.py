"""The arithmetic of one number adds up, for every layer."""

import math

import numpy as np
import pytest
from word_grid import WORDS, texts

from cnncli.errors import ArgumentError
from cnncli.models.activations.arithmetic import explain_activation
from cnncli.models.activations.forward import forward
from cnncli.networks import parse_network
from cnncli.networks.layers import BLOCKS

GRID = {
    **{op: [f"4x3x4 {op}[ conv1-4 ]"] for op in BLOCKS},
    "conv": [
        *("5x5x2 conv3-2", "5x5x4 conv3-4,g2,same", "7x7x4 conv3-2,s2,p1,d2", "5x5x2 conv2-2,same,nobias"),
        *("8x8x6 conv5-16,table", "20x20x2 conv17-1", "2x2x300 conv1-1"),
    ],
    "dw": ["5x4x3 dw3,same", "4x3x5 dw3-10"],
    "tconv": ["5x5x2 tconv3-2,s2,g2,p1", "3x4x2 tconv2-3,s2,nobias", "3x3x1 tconv2-1,s3,same"],
    "max": ["5x5x2 max2", "5x5x2 max3,s1,same,d2", "5x5x2 max2,ceil"],
    "avg": [
        *("5x5x2 avg3,s1,p1,count_include_pad", "5x5x2 avg2,ceil", "5x5x2 avg3,s1,same"),
        "7x8x3 avg3,s2,p1,ceil,count_include_pad",
    ],
    "sub": ["6x8x3 sub", "7x7x2 sub3,s2"],
    "fc": ["3x4x2 fc-3", "7 fc-3,nobias"],
    "rbf": ["7 rbf-3"],
    "lrn": ["4x3x9 lrn", "4x3x5 lrn3", "3x3x6 lrn4,k1,alpha0.1"],
    **WORDS,
}
NAMES = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "relu": lambda z: max(0, z),
    "max": lambda *numbers: max(numbers),
    "tanh": math.tanh,
}


def computed(text):
    network = parse_network(text)
    rng = np.random.default_rng(1)
    shapes = network.param_shapes() | network.buffer_shapes()
    weights = {name: rng.uniform(0.5, 2, shape) for name, shape in shapes.items()}
    signs = {name: 1 if "var" in name else rng.choice([-1, 1], shape) for name, shape in shapes.items()}
    return forward(
        network, rng.normal(size=network.input_shape), {name: weights[name] * signs[name] for name in weights}
    )


def sums(lines):
    """The sums in some lines that can be typed in, with their results."""
    for line in lines:
        *_, left, right = ["", *line.split(" = ")] if " = " in line else ("", "", "")
        try:
            yield float(eval(left.replace("^", "**"), {"__builtins__": {}}, NAMES)), float(right)
        except (NameError, SyntaxError, ValueError):
            continue


@pytest.mark.parametrize("text", texts(GRID))
def test_the_arithmetic_of_every_layer_adds_up(text):
    found, rng = computed(text), np.random.default_rng(0)
    for one in found.layers:
        size = one.numbers.size
        for index in rng.choice(size, min(size, 5), replace=False):
            place = tuple(map(int, np.unravel_index(index, one.numbers.shape)))
            worked = explain_activation(found, one.name, place)
            assert worked.value == one.numbers[place]
            name = f"{one.name}[{','.join(map(str, place))}]"
            assert worked.lines[0] == f"{name}: {one.layer.label}"
            assert worked.lines[-1].startswith(f"{name} = ")
            assert float(worked.lines[-1].rpartition(" = ")[2]) == pytest.approx(worked.value, rel=1e-5)
            results = list(sums(worked.lines[1:-1]))
            for typed, printed in results:
                assert typed == pytest.approx(printed, rel=1e-3, abs=2e-3)
            last = [line for line in worked.lines[1:-1] if line][-1:]
            if results:
                assert float(last[0].rpartition(" = ")[2].partition(",")[0]) == pytest.approx(
                    worked.value, rel=1e-4, abs=1e-4
                )


def test_a_sum_through_a_volume():
    found = forward("conv2-2,relu", "1 2; 3 4 | 5 6; 7 8", {
        "0.conv.weight": "1 0; 0 1 | 0 1; 1 0 | 1 1; 1 1 | 0 0; 0 -2", "0.conv.bias": "10 -1",
    })  # fmt: skip
    assert (
        str(explain_activation(found, "0", (0, 0, 1)))
        == """\
0.conv[0,0,1]: conv2-2

size: floor((n + 2p - d(f - 1) - 1) / s) + 1, where 2p is the padding on both sides
width:   n=2 f=2 p=0+0 s=1 d=1: floor((2 + 0 - 1 - 1) / 1) + 1 = 1
height:  n=2 f=2 p=0+0 s=1 d=1: floor((2 + 0 - 1 - 1) / 1) + 1 = 1

window (channel 0)   kernel   products
1 2                  1 1      1 2
3 4                  1 1      3 4
sum = 1 + 2 + 3 + 4 = 10

window (channel 1)   kernel   products
5 6                  0  0     0   0
7 8                  0 -2     0 -16
sum = 0 + 0 + 0 - 16 = -16

sum over the channels = 10 - 16 = -6
sum + bias = -6 - 1 = -7
0.conv[0,0,1] = -7

0.relu[0,0,1]: relu

relu(-7) = 0
0.relu[0,0,1] = 0"""
    )


def test_a_block_is_a_sum_of_its_branches():
    found = forward("res[ conv1-1 ]", "1 2; 3 4", {"0.res.main.0.conv.weight": "-3", "0.res.main.0.conv.bias": "1"})
    lines = explain_activation(found, "0", (1, 0)).lines
    assert lines[2:] == ("main + shortcut = -8 + 3 = -5", "relu(-5) = 0", "0.res[1,0,0] = 0")


@pytest.mark.parametrize("place", [(0,), (0, 0), (2, 0, 0), (0, 0, 2), (0, 0, -1), (0, 0, 0, 0)])
def test_places_that_are_not(place):
    with pytest.raises(
        ArgumentError, match=r"0 puts out 1x1x2: a place in it is \[row,column,channel\], from 0, got \["
    ):
        explain_activation(computed("2x2x1 conv2-2"), "0", place)
