"""Numbers on a response: those of NumPy on the whole of it, and the same whatever the bands."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import gray_photograph

from cnncli import filter_image, filter_statistics
from cnncli.filters import bands, distribution
from cnncli.filters.bands import ArrayRows
from cnncli.filters.distribution import NAMES, PERCENTILES
from cnncli.filters.order import Order
from cnncli.filters.statistics import percentile_of

DTYPES = ["uint8", "int16", "uint16", "int32", "int64", "float32", "float64"]
SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3))
)
EXTREME = {
    "int64": [[-(2**63), 2**63 - 1, 0, 5]],
    "int32": [[-(2**31), 2**31 - 1, -1, 0]],
    "uint16": [[0, 65535, 1]],
    "float32": [[-3e38, 3e38, 1e-45, -0.0, 0.0]],
    "float64": [[-1e300, 1e300, 5e-324, -0.0, 1]],
}


def measured(*wholes):
    dtype = np.result_type(*(whole.dtype for whole in wholes))
    return distribution.distribution(lambda: [ArrayRows(whole) for whole in wholes], dtype)


def check(found, *wholes):
    """Compare with NumPy over all finite numbers, in float64, and with exact fractions."""
    numbers = np.concatenate([whole.ravel() for whole in wholes])
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        assert found is None
        return
    exact = [Fraction(number) for number in numbers.tolist()]
    mean = sum(exact) / len(exact)
    largest = float(max(map(abs, exact)))
    shares = [(number - mean) / Fraction(largest or 1) for number in exact]  # whose squares fit into a float
    spread = largest * math.sqrt(sum(share**2 for share in shares) / len(shares))
    assert (found.min, found.max) == (numbers.min(), numbers.max())
    rounding = 0 if numbers.dtype.kind != "f" else 1e-13 * largest
    assert found.mean == pytest.approx(float(mean), rel=1e-15, abs=rounding)
    assert found.std == pytest.approx(spread, rel=1e-13, abs=1e-13 * largest)
    expected = [float(interpolated(sorted(exact), percent)) for percent in PERCENTILES]
    assert found.percentiles == pytest.approx(expected, rel=1e-15, abs=1e-15 * largest)
    assert np.allclose(found.percentiles, np.percentile(numbers.astype(np.float64), PERCENTILES), atol=1e-12 * largest)


def interpolated(numbers, percent):
    """NumPy's percentile, without rounding."""
    place, share = divmod((len(numbers) - 1) * percent, 100)
    low, high = numbers[place], numbers[min(place + 1, len(numbers) - 1)]
    return low + (high - low) * Fraction(share, 100)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_it_is_what_numpy_finds_in_the_whole(dtype, data):
    elements = {"float32": st.floats(width=32), "float64": st.floats(-1e300, 1e300) | st.just(math.nan)}.get(dtype)
    whole = data.draw(arrays(dtype, SHAPES, elements=elements))
    check(measured(whole), whole)


@pytest.mark.parametrize("dtype", EXTREME)
def test_the_ends_of_a_type(dtype):
    whole = np.array(EXTREME[dtype], dtype)
    check(measured(whole), whole)


def test_a_constant_has_no_deviation():
    found = measured(np.full((40, 50), 0.1, np.float32))
    assert found.std == 0
    assert {found.min, found.max, found.mean, *found.percentiles} == {float(np.float32(0.1))}


def test_numbers_that_are_not_finite_do_not_count():
    assert measured(np.array([[np.nan, np.inf]])) is None
    assert measured(np.array([[np.nan, 3, -np.inf, 5]], np.float32)).mean == 4


def test_sources_of_several_types_are_measured_in_one_that_holds_all():
    small, large = np.arange(6, dtype=np.uint8).reshape(2, 3), np.linspace(-9, 1, 20).reshape(4, 5)
    check(measured(small, large), small, large)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("words", ["laplacian", "sobel", "gaussian:2 sobel", "median:3", "canny"])
def test_bands_change_no_bit(monkeypatch, words, dtype):
    image = gray_photograph("camera")[:150, :130].astype(dtype)
    expected = filter_statistics(image, words)
    monkeypatch.setattr(bands, "_LEAST_ROW", 1)
    for band, together in [(1000, 1 << 18), (130, 200), (5000, 77)]:
        monkeypatch.setattr(bands, "BAND_PIXELS", band)
        monkeypatch.setattr(distribution, "_TOGETHER", together)
        assert filter_statistics(image, words) == expected


@pytest.mark.parametrize("words", ["laplacian", "gaussian:1.4 sobel", "threshold"])
def test_it_is_of_the_exact_response(words):
    image = gray_photograph("coins")[:40, :50]
    check(filter_statistics(image, words), filter_image(image, words))
    colours = np.stack([image, image[::-1], 255 - image], axis=-1)
    check(filter_statistics(colours, words, color="each"), filter_image(colours, words, color="each"))


def test_names_are_those_of_the_facts():
    facts = filter_statistics(np.eye(5), "box").facts()
    assert tuple(facts) == NAMES
    assert facts["p50"] == facts["p50"] != facts["max"]


@given(numbers=arrays("float32", st.integers(1, 50), elements={"allow_nan": True}), share=st.floats(0.1, 100))
def test_a_percentile_of_magnitudes_is_one_of_them(numbers, share):
    found = percentile_of(
        lambda: [numbers[:20], numbers[20:]] if len(numbers) > 20 else [numbers], share, numbers.dtype
    )
    magnitudes = np.sort(np.abs(numbers[np.isfinite(numbers)]))
    if magnitudes.size:
        assert found == magnitudes[math.ceil(share * magnitudes.size / 100) - 1]
    else:
        assert found == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rank_is_found(dtype):
    numbers = np.random.default_rng(0).normal(0, 100, (7, 11)).astype(dtype)
    order = Order(numbers.dtype)
    for row in numbers:
        order.count(row)
    order.begin(range(numbers.size))
    order.finish(lambda: numbers[::-1])
    assert order.numbers() == np.sort(numbers, axis=None).tolist()
