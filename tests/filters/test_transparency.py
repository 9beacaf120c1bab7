import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import random_image

from cnncli.filters.transparency import alpha_at_outputs, fill_hidden
from cnncli.shapes import Window


@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 3)])
def test_hidden_pixels_take_the_nearest_visible_colour(shape):
    pixels = random_image(shape, np.uint16)
    alpha = np.where(random_image(shape[:2], seed=1) < 60, 7, 0)
    filled = fill_hidden(pixels, alpha)
    visible = np.argwhere(alpha > 0)
    assert np.array_equal(filled[alpha > 0], pixels[alpha > 0])
    for y, x in np.argwhere(alpha == 0):
        distances = ((visible - [y, x]) ** 2).sum(axis=1)
        nearest = visible[distances == distances.min()]
        assert any(np.array_equal(filled[y, x], pixels[tuple(place)]) for place in nearest)


def test_visible_pixels_are_left_as_they_are():
    pixels = random_image((5, 5))
    assert fill_hidden(pixels, np.ones((5, 5))) is pixels
    assert not fill_hidden(pixels, np.zeros((5, 5))).any()


@given(kernel_size=st.integers(1, 5), stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2))
def test_alpha_is_taken_from_the_middle_of_each_window(kernel_size, stride, padding, dilation):
    alpha = np.arange(12 * 14).reshape(12, 14)
    window = Window.over((12, 14), kernel_size, stride=stride, padding=padding, dilation=dilation)
    found = alpha_at_outputs(alpha, window)
    assert found.shape == window.output_size
    padded = np.pad(alpha, padding, "edge")
    middle = (dilation * (kernel_size - 1)) // 2
    for y, x in np.ndindex(found.shape):
        assert found[y, x] == padded[y * stride + middle, x * stride + middle]
