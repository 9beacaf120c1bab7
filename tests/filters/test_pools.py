from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import random_image

from cnncli.choices import POOLING_MODES
from cnncli.errors import ArgumentError
from cnncli.filters.bands import ArrayRows, whole
from cnncli.filters.pools import POOLS, Pooled, PooledPicture, Pooling, pool_image
from cnncli.filters.statistics import Statistics


def test_the_choices_of_the_command_line_are_the_registry():
    assert tuple(POOLS) == POOLING_MODES


@pytest.mark.parametrize("mode", POOLS)
@given(
    kernel_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.none() | st.integers(1, 4),
    padding=st.sampled_from([0, 1, "same", "valid", (0, 1), (1, 0, 0, 1)]),
    ceil_mode=st.booleans(),
    shape=st.sampled_from([(11, 13), (11, 13, 3)]),
    cuts=st.lists(st.integers(0, 11), max_size=4),
)
def test_bands_of_rows_make_the_whole(mode, kernel_size, stride, padding, ceil_mode, shape, cuts):
    image = random_image(shape, np.int32)
    try:
        pooling = Pooling(kernel_size, stride, padding, mode, ceil_mode)
        expected = pool_image(image, kernel_size, stride=stride, padding=padding, mode=mode, ceil_mode=ceil_mode)
    except ArgumentError:
        return
    pooled = Pooled(ArrayRows(image), pooling)
    assert (pooled.shape, pooled.dtype) == (expected.shape, expected.dtype)
    places = sorted({0, *(min(cut, pooled.shape[0]) for cut in cuts), pooled.shape[0]})
    bands = [pooled.rows(start, stop) for start, stop in pairwise(places)]
    np.testing.assert_allclose(np.concatenate(bands), expected)


@pytest.mark.parametrize("mode", POOLS)
def test_no_kernel_size_is_the_whole_image(mode):
    image = random_image((5, 7, 3))
    whole_image = {"max": image.max((0, 1)), "min": image.min((0, 1)), "avg": image.mean((0, 1))}[mode]
    np.testing.assert_allclose(pool_image(image, None, mode=mode), whole_image.reshape(1, 1, 3), rtol=1e-6)
    assert Pooled(ArrayRows(image), Pooling(None, mode=mode)).shape == (1, 1, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("mode", POOLS)
def test_a_picture_keeps_its_depth(dtype, mode):
    image = random_image((8, 8), dtype)
    picture = whole(PooledPicture(Pooled(ArrayRows(image), Pooling(mode=mode))))
    assert picture.dtype == dtype
    assert np.array_equal(picture, np.rint(pool_image(image, mode=mode)))


def test_floating_point_goes_from_black_at_0_to_white_at_1():
    numbers = np.array([[0, 0.5, 1, 2, -1, np.nan, np.inf, -np.inf]])
    statistics = Statistics()
    picture = PooledPicture(Pooled(ArrayRows(numbers), Pooling(1)), statistics)
    assert picture.rows(0, 1).tolist() == [[0, 128, 255, 255, 0, 0, 255, 0]]
    assert statistics.report() == {"min": -1, "max": 2, "clipped_fraction": 0.5}


@pytest.mark.parametrize(
    "options", [{"mode": "median"}, {"kernel_size": 0}, {"stride": 0}, {"padding": -1}, {"padding": "some"}]
)
def test_what_no_image_can_use_is_refused_at_once(options):
    with pytest.raises(ArgumentError):
        Pooling(**options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_near_the_largest_are_white_without_a_warning(dtype):
    pixels = np.array([[np.finfo(dtype).max, 0], [np.finfo(dtype).min, 0.5]], dtype)
    picture = PooledPicture(Pooled(ArrayRows(pixels), Pooling(1)))
    assert picture.rows(0, 2).tolist() == [[255, 0], [0, 128]]
