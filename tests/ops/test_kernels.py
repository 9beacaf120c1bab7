from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.filters.named import FILTERS
from cnncli.ops.convolution.kernels import cascade, divide, divide_lines, passes, rank_one

whole = st.integers(-9, 9)
vectors = st.lists(whole, min_size=1, max_size=9)
named = [np.array(kernel) for known in FILTERS.values() for kernel in known.kernels]


@given(vectors, vectors)
def test_a_product_of_vectors_is_found_again(column, row):
    kernel = np.outer(column, row)
    factors = rank_one(kernel)
    if not kernel.any():
        assert factors is None
        return
    assert np.array_equal(np.outer(*factors), kernel)
    assert all(type(weight) is int for vector in factors for weight in vector)


@given(st.integers(0, 10_000), st.tuples(st.integers(1, 15), st.integers(1, 15)))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_so_it_is_with_floating_point(dtype, seed, shape):
    rng = np.random.default_rng(seed)
    kernel = np.outer(rng.normal(size=shape[0]), rng.normal(size=shape[1])).astype(dtype)
    factors = rank_one(kernel)
    assert factors is not None
    assert np.abs(np.outer(*factors) - kernel).max() <= 1e-6 * np.abs(kernel).max()


@given(st.lists(st.tuples(whole, whole, whole), min_size=2, max_size=4))
def test_factors_are_found_exactly_where_the_rank_is_one(rows):
    kernel = np.array(rows)
    assert (rank_one(kernel) is not None) == (np.linalg.matrix_rank(kernel) == 1)


@pytest.mark.parametrize("kernel", named, ids=str)
def test_named_kernels_are_taken_apart_and_put_together(kernel):
    factors = rank_one(kernel)
    assert (factors is not None) == (np.linalg.matrix_rank(kernel) == 1)
    if factors is not None:
        column, row = (reduce(np.convolve, cascade(vector)) for vector in factors)
        assert np.allclose(np.outer(column, row), kernel, rtol=1e-12)


@given(st.lists(whole, min_size=1, max_size=18).map(tuple))
def test_convolving_a_cascade_gives_the_vector_in_no_more_passes(vector):
    parts = cascade(vector)
    assert tuple(reduce(np.convolve, parts)) == vector
    assert sum(map(passes, parts)) <= passes(vector)


@given(st.lists(st.sampled_from([(1, 1), (1, -1)]), min_size=2, max_size=8))
def test_sums_and_differences_of_neighbours_are_found(parts):
    vector = tuple(int(weight) for weight in reduce(np.convolve, parts))
    assert sum(map(passes, cascade(vector))) <= len(parts)


def test_vectors_that_are_not_integers_stay_whole():
    assert cascade((0.25, 0.5, 0.25)) == ((0.25, 0.5, 0.25),)


def test_floats_and_the_integers_that_equal_them_are_told_apart():
    for _ in range(2):  # whichever was asked for before
        assert cascade((1.0, 2.0, 1.0)) == ((1.0, 2.0, 1.0),)
        assert cascade((1, 2, 1)) == ((1, 1), (1, 1))


@given(vectors, st.sampled_from([(1, 1), (1, -1)]))
def test_division_undoes_convolution(vector, factor):
    assert divide(tuple(np.convolve(vector, factor).tolist()), factor) == tuple(vector)


@given(vectors, st.sampled_from([(1, 1), (1, -1)]))
def test_division_finds_a_quotient_or_none(vector, factor):
    quotient = divide(tuple(vector), factor)
    # A factor has a root at -1 or at 1; what it divides has it too.
    value = sum(weight * (-factor[1]) ** place for place, weight in enumerate(vector))
    assert (quotient is not None) == (value == 0)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.integers(0, 99))
def test_lines_are_divided_along_an_axis(height, width, axis, seed):
    kernel = np.random.default_rng(seed).integers(-9, 10, (height, width))
    doubled = np.apply_along_axis(np.convolve, axis, kernel, [1, 1])
    assert np.array_equal(divide_lines(doubled, axis), kernel)
    doubled[0, 0] += 1
    assert divide_lines(doubled, axis) is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((1,), 0), ((1, 1), 1), ((1, 2, 1), 3), ((1, 0, -1), 1), ((2, 2), 2), ((0, 0), 1), ((3, 10, 3), 4)],
)
def test_passes_are_counted(weights, expected):
    assert passes(weights) == expected
