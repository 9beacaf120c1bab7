import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import random_image

from cnncli.errors import ArgumentError
from cnncli.filters.explaining.pooling import explain_pooling
from cnncli.filters.pools import POOLS, pool_image

REDUCE = {"max": max, "avg": np.mean, "min": min}


@given(
    mode=st.sampled_from(list(POOLS)),
    kernel_size=st.sampled_from([2, 3, (3, 2), None]),
    stride=st.sampled_from([None, 1, 2, (2, 3)]),
    padding=st.sampled_from([0, 1, "same", (1, 0, 0, 1)]),
    ceil_mode=st.booleans(),
    channels=st.sampled_from([(), (3,)]),
)
def test_every_number_is_that_of_its_window(mode, kernel_size, stride, padding, ceil_mode, channels):
    if kernel_size is None:
        stride, padding = None, 0
    image = random_image((7, 9, *channels), np.int16).astype(np.int32)
    pooled = pool_image(image, kernel_size, stride=stride, padding=padding, mode=mode, ceil_mode=ceil_mode)
    for y, x in np.ndindex(pooled.shape[:2]):
        found = explain_pooling(
            image, x, y, kernel_size, stride=stride, padding=padding, mode=mode, ceil_mode=ceil_mode
        )
        assert found.values == tuple(np.ravel(pooled[y, x]))
        counted = [REDUCE[mode](window.counted) for window in found.windows]
        np.testing.assert_allclose(counted, found.values, rtol=1e-6)
        text = str(found)
        assert text.count("(-): outside") == bool(found.windows[0].outside.any())
        assert f"= {pooled.shape[1]}\n" in text


@pytest.mark.parametrize(("x", "y", "name"), [(0.5, 0, "x"), (0, "1", "y")])
def test_a_position_is_made_of_integers(x, y, name):
    with pytest.raises(ArgumentError, match=f"{name} must be an integer"):
        explain_pooling([[1, 2], [3, 4]], x, y)


def test_a_position_outside():
    with pytest.raises(ArgumentError, match="outside the output of 1x1"):
        explain_pooling([[1, 2], [3, 4]], 1, 0)
