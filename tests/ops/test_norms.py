"""The statistics of batch normalisation, beside those in twice the precision."""

import numpy as np
import pytest

from cnncli.ops.batches.norms import Moments

SHAPES = [(5, 3), (64, 7, 7, 16), (2, 300, 300, 8), (3, 1, 1, 9000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("distance", [0, 1, 9, 11, 1e3, 1e4])
def test_moments_are_those_in_twice_the_precision(shape, distance):
    """Whatever number of standard deviations the mean lies from 0; ten of them cost seven bits of the variance."""
    x = np.random.default_rng(0).normal(distance, 1, shape).astype(np.float32)
    exact = x.astype(np.float64).reshape(-1, shape[-1])
    found = Moments.of(x)
    assert found.number == len(exact)
    assert np.allclose(found.mean, exact.mean(axis=0), rtol=1e-6, atol=1e-6)
    assert np.allclose(found.variance, exact.var(axis=0), rtol=2e-4)
    assert np.allclose(found.unbiased_variance, exact.var(axis=0, ddof=1), rtol=2e-4)


@pytest.mark.parametrize("value", [0, 3, -1e-6, 1e20])
def test_what_does_not_vary_has_no_variance(value):
    found = Moments.of(np.full((4, 5, 5, 3), value, np.float32))
    assert np.allclose(found.mean, np.float32(value), rtol=1e-6)
    assert (found.variance <= 1e-12 * max(1, value * value)).all()


def test_numbers_whose_squares_are_too_large():
    x = (1e20 + 1e17 * np.random.default_rng(0).normal(size=(100, 4))).astype(np.float32)
    assert np.allclose(Moments.of(x).variance, x.astype(np.float64).var(axis=0), rtol=1e-4)


def test_one_channel_that_is_not_finite_spoils_no_other():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    x[7, 1] = np.inf
    with np.errstate(all="ignore"):
        found = Moments.of(x)
    assert not np.isfinite(found.variance[1])
    others = [0, 2]
    assert np.allclose(found.variance[others], x[:, others].astype(np.float64).var(axis=0), rtol=1e-5)


def test_a_union_is_all_of_them():
    x = np.random.default_rng(0).normal(3, 2, (90, 4)).astype(np.float32)
    found, exact = Moments.union([Moments.of(part) for part in np.split(x, [10, 11, 60])]), x.astype(np.float64)
    assert np.allclose(found.mean, exact.mean(axis=0), rtol=1e-6)
    assert np.allclose(found.variance, exact.var(axis=0), rtol=1e-5)
