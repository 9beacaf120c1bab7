"""Convolutions by bands of rows, beside the same in one piece and beside the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import ArgumentError
from cnncli.ops.batches.activation_gradients import NONLINEARITIES
from cnncli.ops.batches.bands import BandedConvolution, bands, run_here
from cnncli.ops.batches.convolution_gradients import ConvolutionPlan
from cnncli.shapes import Window


@given(st.integers(1, 60), st.integers(1, 7), st.tuples(*[st.integers(0, 7)] * 2), st.integers(0, 20))
def test_bands_are_the_output_row_by_row(height, taps, padding, rows):
    try:
        window = Window.over((height, 9), (taps, 3), padding=(*(min(p, taps - 1) for p in padding), 1, 1))
    except ArgumentError:
        return
    found = bands(window, rows)
    assert [row for band in found for row in range(band.rows.start, band.rows.stop)] == [*range(window.output_size[0])]
    for band in found:
        assert 0 <= band.seen.start < band.seen.stop <= height
        assert len(found) == 1 or band.rows.stop - band.rows.start >= 4
        above = band.rows.start - window.padding[0]
        assert band.seen.start - band.window.padding[0] == above
        assert band.window.size[0] == band.seen.stop - band.seen.start


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("reflects", [False, True])
@pytest.mark.parametrize("channels", [(3, 5), (9, 16), (130, 8)])
@pytest.mark.parametrize("taps", [(1, 1), (3, 3), (5, 2)])
def test_bands_give_what_the_whole_gives(taps, channels, reflects, activation):
    rng = np.random.default_rng(0)
    x, weight, bias = (
        rng.normal(size=(2, 19, 300, channels[0])),
        rng.normal(size=(*taps, *channels)),
        rng.normal(size=8),
    )
    bias = np.resize(bias, channels[1])
    window = Window.over((19, 300), taps, padding="same")
    function = activation and NONLINEARITIES[activation]
    convolution = BandedConvolution(window, weight, bias, function, reflects=reflects)
    y, kept = convolution.forward(x, run_here)
    grad = rng.normal(size=y.shape)
    found = convolution.backward(grad, kept, run_here)

    top, bottom, left, right = window.padding
    sides = ((0, 0), (top, bottom), (left, right), (0, 0))
    padded = np.pad(x, sides, mode="reflect" if reflects else "constant")
    plan = ConvolutionPlan(Window.over(padded.shape[1:3], taps), *channels)
    expected = plan.forward(padded, plan.algorithm.prepare(weight))[0] + bias
    slope = grad
    if activation == "relu":
        expected, slope = np.maximum(expected, 0), grad * (expected > 0)
    elif activation == "tanh":
        expected, slope = np.tanh(expected), grad * (1 - np.tanh(expected) ** 2)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)
    back = plan.input_gradient(slope, plan.input_algorithm.prepare(weight))
    numbers = np.pad(np.arange(19 * 300).reshape(19, 300), sides[1:3], "reflect")
    inside = np.pad(np.ones((19, 300), bool), sides[1:3], constant_values=reflects)
    folded = np.zeros((2, 19 * 300, channels[0]))
    for image, gradient in zip(folded, back, strict=True):
        np.add.at(image, numbers[inside], gradient[inside])
    np.testing.assert_allclose(found, folded.reshape(x.shape), rtol=1e-9, atol=1e-9)
