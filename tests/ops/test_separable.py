import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import random_image
from scipy.ndimage._filters import _gaussian_kernel1d

from cnncli.errors import ArgumentError
from cnncli.ops import PADDING_MODES, conv2d
from cnncli.ops.convolution.lines import box_line, gaussian_line
from cnncli.ops.convolution.separable import Separable, correlate_separable, separable_rows_together

SCIPY_MODES = {
    "zeros": "constant",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "grid-wrap",
    "symmetric": "reflect",
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-6}


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE[found.dtype.name] * max(np.abs(expected).max(), 1e-30)


# Lines.


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("sigma", [0.1, 0.124, 0.125, 0.5, 1, 1.4, 2, 10, 200])
def test_gaussian_lines_are_scipy_s(sigma, order):
    expected = _gaussian_kernel1d(sigma, order, int(4 * sigma + 0.5))
    np.testing.assert_allclose(gaussian_line(sigma, order), expected, rtol=1e-12, atol=1e-15 * np.abs(expected).max())


def test_terms_of_several_sizes_share_their_centre():
    kernel = Separable.of(([1], [1]), (np.ones(3), np.ones(5)))
    assert kernel.shape == (3, 5)
    expected = np.ones((3, 5))
    expected[1, 2] = 2
    assert np.array_equal(kernel.dense(), expected)
    with pytest.raises(ArgumentError, match="lines of 2 and 3 weights have no common centre"):
        Separable.of((np.ones(2), [1]), (np.ones(3), [1]))


# Against SciPy.


@st.composite
def blurs(draw):
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int32", "float32", "float64"]))
    image = random_image(size, dtype, draw(st.integers(0, 99)))
    return (
        image,
        draw(st.sampled_from([0.1, 0.3, 0.7, 1, 1.4, 2, 3.3, 5, 10])),
        draw(st.sampled_from(list(SCIPY_MODES))),
    )


@settings(max_examples=150)
@given(blurs())
def test_gaussians_are_scipy_s(blur):
    image, sigma, mode = blur
    line = gaussian_line(sigma)
    found = correlate_separable(image, Separable.of((line, line)), padding="same", padding_mode=mode)
    expected = scipy.ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=SCIPY_MODES[mode])
    assert found.dtype == (np.float64 if image.dtype in ("int32", "float64") else np.float32)
    assert_close(found, expected)


# Against the dense kernel.


@st.composite
def kernels(draw):
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Separable(
        tuple((rng.normal(size=size[0]), rng.normal(size=size[1])) for _ in range(draw(st.integers(1, 3))))
    )


@settings(max_examples=150)
@given(
    kernel=kernels(),
    channels=st.sampled_from([(), (1,), (3,)]),
    dtype=st.sampled_from(["uint8", "int16", "float32", "float64"]),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    mode=st.sampled_from(list(PADDING_MODES)),
    padding=st.sampled_from(["same", "valid", 3]),
)
def test_the_result_is_that_of_the_dense_kernel(kernel, channels, dtype, stride, dilation, mode, padding):
    image = random_image((31, 29, *channels), dtype)
    options = {"stride": stride, "dilation": dilation, "padding": padding, "padding_mode": mode}
    found = correlate_separable(image, kernel, **options)
    planes = image if image.ndim == 3 else image[:, :, None]
    expected = [conv2d(plane.astype(np.float64), kernel.dense(), **options) for plane in np.moveaxis(planes, 2, 0)]
    assert_close(found, np.stack(expected, axis=-1).reshape(found.shape))


def test_bands_that_begin_at_multiples_of_the_rows_together_have_the_bits_of_the_whole():
    image = random_image((700, 90), np.float32)
    for kernel in (Separable.of((gaussian_line(2), gaussian_line(2))), Separable.of((box_line(40), box_line(40)))):
        whole = correlate_separable(image, kernel)
        together = separable_rows_together(image, kernel)
        for start in range(0, len(whole), together):
            stop = min(start + together, len(whole))
            band = correlate_separable(image[start : stop + kernel.shape[0] - 1], kernel)
            assert np.array_equal(band, whole[start:stop])
