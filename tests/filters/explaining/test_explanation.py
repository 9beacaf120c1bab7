import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import NUMPY_MODES, WITH_KERNELS, random_image

from cnncli.choices import COLORS
from cnncli.errors import ArgumentError
from cnncli.filters.bands import ArrayRows
from cnncli.filters.chains import Chain
from cnncli.filters.explaining.explanation import explain, explain_response
from cnncli.filters.explaining.terms import OUTSIDE_WORDS
from cnncli.filters.operators.filtering import Filtering


def response(image, filter_name="sobel", direction=None, **filtering):
    return Chain.of(filter_name, direction).over(ArrayRows(image), Filtering(**filtering))


@given(
    name=st.sampled_from(list(WITH_KERNELS)),
    color=st.sampled_from(COLORS),
    mode=st.sampled_from(list(NUMPY_MODES)),
    padding=st.sampled_from(["same", "valid", 3, (2, 1), (0, 1, 2, 0)]),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    flip=st.booleans(),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
)
def test_the_sums_are_the_response(name, color, mode, padding, stride, dilation, flip, place):
    image = random_image((12, 14, 3))
    made = response(
        image, name, color=color, padding_mode=mode, padding=padding, stride=stride, dilation=dilation, flip=flip
    )
    row, column = (int(part * size) for part, size in zip(place, made.shape, strict=False))
    found = explain_response(made, column, row)
    values = np.ravel(made.rows(0, made.shape[0])[row, column])
    np.testing.assert_allclose(found.values, values, rtol=1e-5, atol=1e-4)
    sums = np.reshape([term.sum for term in found.terms], (made.count, -1))
    if color == "volume":
        sums = sums.sum(axis=1, keepdims=True)
    expected = np.hypot(*sums) if len(sums) == 2 else sums[0]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("flip", [False, True])
def test_the_kernel_of_a_derivative_is_turned_once(flip):
    found = explain_response(response(random_image((12, 14)), "gradient:1", "vertical", flip=flip), 6, 5)
    np.testing.assert_allclose(found.terms[0].sum, found.values[0], rtol=1e-5)


def test_the_window_is_cut_out_of_the_padded_image():
    image = random_image((9, 9), np.int16).astype(np.int32)
    made = response(image, "gaussian", padding=(3, 4), padding_mode="reflect", stride=2, dilation=2)
    padded = np.pad(image, ((3, 3), (4, 4)), "reflect")
    for y, x in np.ndindex(made.shape):
        (term,) = explain_response(made, x, y).terms
        assert np.array_equal(term.window, padded[2 * y : 2 * y + 9 : 2, 2 * x : 2 * x + 9 : 2])


def test_the_size_is_told_with_its_numbers():
    made = response(random_image((320, 480)), padding=(1, 2, 3, 4), stride=(2, 3), dilation=2)
    text = "\n".join(explain_response(made, 0, 0).lines())
    assert "width:   n=480 f=3 p=3+4 s=3 d=2: floor((480 + 7 - 4 - 1) / 3) + 1 = 161" in text
    assert "height:  n=320 f=3 p=1+2 s=2 d=2: floor((320 + 3 - 4 - 1) / 2) + 1 = 160" in text


@pytest.mark.parametrize(("bias", "activation"), [(0, None), (2.5, None), (-3, "relu"), (0, "tanh")])
def test_what_follows_the_sum_is_named_in_order(bias, activation):
    image = random_image((9, 9))
    made = response(image, "vertical", bias=bias, activation=activation)
    found = explain_response(made, 4, 4)
    (z,) = explain_response(response(image, "vertical", bias=bias), 4, 4).values
    total, sign = found.terms[0].sum, "-" if bias < 0 else "+"
    if not bias and activation is None:
        assert found.steps == ()
        return
    assert z == total + bias
    assert found.steps[0] == f"z = sum + bias = {total} {sign} {abs(bias)} = {z:.6g}"
    assert found.steps[1:] == ((f"{activation}(z) = {found.values[0]:.6g}",) if activation else ())


@given(
    name=st.sampled_from([*WITH_KERNELS, "median:3", "max:2"]),
    color=st.sampled_from(["gray", "each"]),
    activation=st.sampled_from(["relu", "tanh", "sigmoid"]),
    bias=st.sampled_from([0, 3, -7.5]),
)
def test_z_is_the_response_without_its_activation(name, color, activation, bias):
    image = random_image((9, 10, 3))
    found = explain_response(response(image, name, color=color, bias=bias, activation=activation), 3, 4)
    plain = explain_response(response(image, name, color=color, bias=bias), 3, 4)
    lines = [line for line in found.steps if line.startswith("z")]
    assert [float(line.rpartition(" = ")[2]) for line in lines] == pytest.approx(plain.values, rel=1e-5)
    activated = [float(line.rpartition(" = ")[2]) for line in found.steps if line.startswith(f"{activation}(z)")]
    assert activated == pytest.approx(found.values, rel=1e-5)


@pytest.mark.parametrize("name", ["sobel", "median:3"])
@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_padding_is_marked_whatever_fills_it_and_explained_once(name, mode):
    made = response(random_image((9, 9, 3)), name, color="each", padding_mode=mode)
    text = str(explain_response(made, 0, 4))
    assert text.count(OUTSIDE_WORDS) == 1
    assert text.index(OUTSIDE_WORDS) < text.index("window")
    assert len(re.findall(r"^ *\(\d+\)", text, re.MULTILINE)) == 3 * 3 * (2 if name == "sobel" else 1)
    assert OUTSIDE_WORDS not in str(explain_response(made, 4, 4))


@pytest.mark.parametrize(("column", "row"), [(-1, 0), (0, -1), (9, 0), (0, 7)])
def test_a_position_outside(column, row):
    with pytest.raises(ArgumentError, match=r"outside the output of 9x7: x goes from 0 to 8, y from 0 to 6"):
        explain_response(response(random_image((7, 9))), column, row)


@pytest.mark.parametrize(("x", "y", "name"), [(0.5, 0, "x"), ("1", 0, "x"), (0, None, "y")])
def test_a_position_is_made_of_integers(x, y, name):
    with pytest.raises(ArgumentError, match=f"{name} must be an integer, got "):
        explain(random_image((7, 9)), "sobel", x, y)


def test_a_position_may_be_of_any_integer_type():
    expected = explain(random_image((7, 9)), "sobel", 2, 3)
    assert str(explain(random_image((7, 9)), "sobel", np.uint8(2), np.uint8(3))) == str(expected)


def test_the_channels_of_a_rank_are_apart():
    lines = str(explain(random_image((7, 9, 3)), "median", 4, 4)).splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("window (channel")]
    assert len(starts) == 3
    assert [lines[number - 1] for number in starts] == [""] * 3
