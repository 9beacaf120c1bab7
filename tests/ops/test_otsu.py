import numpy as np
import pytest
from oracles import PHOTOGRAPHS, gray_photograph
from skimage.filters import threshold_otsu

from cnncli.ops.otsu import finite_limits, histogram, merge, otsu

DTYPES = ["u1", "i1", "u2", "i2", ">u2", ">i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def otsu_threshold(image):
    """Return the threshold of a whole image."""
    return otsu(histogram(image, finite_limits(image)))


def picture(seed, dtype):
    """Two overlapping classes of pixels, or few pixels, or few values."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 40, 2))
    scale = rng.choice([0.4, 5, 25])
    image = rng.normal(rng.choice([-scale, scale], shape), scale)
    return (np.abs(image) if "u" in dtype else image).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_thresholds_equal_scikit_image(dtype):
    for seed in range(30):
        image = picture(seed, dtype)
        threshold = otsu_threshold(image)
        assert threshold == threshold_otsu(image)
        assert np.array_equal(image > threshold, image > threshold_otsu(image))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_equal_scikit_image(name):
    gray = gray_photograph(name)
    for image in (gray, gray.astype(np.uint16) * 257, (gray / 255).astype(np.float32), gray / 255, gray - 300.0):
        assert otsu_threshold(image) == threshold_otsu(image)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bands_have_the_histogram_of_the_whole(dtype):
    for seed in range(10):
        image = picture(seed, dtype)
        limits = finite_limits(image)
        bands = [histogram(band, limits) for band in np.array_split(image, min(3, len(image)))]
        whole, merged = histogram(image, limits), merge(bands)
        assert np.array_equal(merged.values, whole.values)
        assert np.array_equal(merged.counts, whole.counts)
        assert merged.counts.sum() == image.size
        assert otsu(merged) == otsu(whole)


@pytest.mark.parametrize("dtype", ["?", *DTYPES])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (6, 5, 3)])
def test_nothing_is_above_the_threshold_of_a_constant_picture(dtype, shape):
    for value in (0, 1, 100):
        image = np.full(shape, value, dtype)
        assert otsu_threshold(image) == image.flat[0]


def test_bits_are_divided_between_0_and_1():
    assert otsu_threshold(np.array([True, False, True])) == 0


def test_pixels_that_are_not_finite_do_not_count():
    image = picture(1, "f4")
    framed = np.pad(image, 1, constant_values=np.nan)
    framed[0], framed[-1] = np.inf, -np.inf
    assert otsu_threshold(framed) == otsu_threshold(image) == threshold_otsu(image)
    assert otsu_threshold(np.full((3, 3), np.nan)) == 0
    assert otsu_threshold(np.zeros((0, 4))) == otsu_threshold(np.zeros((0, 4), np.uint8)) == 0


@pytest.mark.parametrize(("dtype", "exponent"), [("f4", 110), ("f8", 1000)])
@pytest.mark.filterwarnings("error")
def test_large_numbers_do_not_overflow(dtype, exponent):
    image = picture(3, dtype)
    assert otsu_threshold(np.ldexp(image, exponent)) == np.ldexp(otsu_threshold(image), exponent)
