import cv2
import numpy as np
import pytest
from oracles import PHOTOGRAPHS, gray_photograph, naive_conv2d, photograph, random_image

from cnncli.errors import ArgumentError
from cnncli.filters.named import FILTERS
from cnncli.ops import PADDING_MODES, conv2d, gradient_magnitude
from cnncli.ops.convolution import strips

PAIRS = {name: known.kernels for name, known in FILTERS.items() if len(known.kernels) == 2}
# Of odd sums, so that nothing can be halved; and one that is not square.
PAIRS["odd"] = (((1, 0, -2), (3, 1, -4)), ((1, 3, 1), (0, -1, -4)))
PAIRS["one"] = (((3,),), ((-4,),))


def length(image, pair, **options):
    return np.hypot(*(naive_conv2d(image, np.array(kernel)[:, :, None, None], **options) for kernel in pair))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_the_length_of_the_gradient(name, dtype, mode):
    image = random_image((13, 11, 1), dtype)
    for stride, dilation in ((1, 1), (2, 1), (1, 2), (3, 2)):
        options = {"stride": (stride, stride), "dilation": (dilation, dilation), "padding": (2, 1, 1, 2)}
        found = gradient_magnitude(image, *PAIRS[name], padding_mode=mode, **options)
        expected = length(image, PAIRS[name], mode=mode, **options)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-6 * max(expected.max(), 1)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_equal_opencv(name):
    gray = gray_photograph(name)
    g_x, g_y = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    found = gradient_magnitude(gray, *PAIRS["sobel"], padding="same", padding_mode="reflect")
    assert found.dtype == np.float32
    assert np.allclose(found, cv2.magnitude(g_x, g_y), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", PAIRS)
def test_channels_are_taken_by_themselves(name):
    image = photograph("astronaut")[:40, :50]
    found = gradient_magnitude(image, *PAIRS[name])
    for channel in range(3):
        assert np.array_equal(found[..., channel], gradient_magnitude(image[..., channel], *PAIRS[name]))


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", "f4"), ("float32", "f4"), ("uint16", "f8"), ("float64", "f8")]
)
def test_types_of_results(dtype, expected):
    assert gradient_magnitude(random_image((5, 5), dtype), *PAIRS["sobel"]).dtype == expected


def test_no_square_overflows():
    image = np.array([[0, 65535, 0, 65535, 65535]] * 3, np.uint16)
    found = gradient_magnitude(image, *PAIRS["scharr"])
    assert found.tolist() == [[0.0, 0.0, 16.0 * 65535]]


@pytest.mark.parametrize("name", PAIRS)
def test_strips_change_nothing(name, monkeypatch):
    image = random_image((50, 60), np.uint8)
    options = [
        {"padding": "same", "padding_mode": mode, "stride": stride} for mode in PADDING_MODES for stride in (1, 2)
    ]
    whole = [gradient_magnitude(image, *PAIRS[name], **option) for option in options]
    monkeypatch.setattr(strips, "STRIP_BYTES", 500)
    for option, expected in zip(options, whole, strict=True):
        assert np.array_equal(gradient_magnitude(image, *PAIRS[name], **option), expected)


def test_finish_is_applied_to_every_number_once():
    image = random_image((50, 60), np.uint8)
    plain = gradient_magnitude(image, *PAIRS["sobel"])
    found = gradient_magnitude(image, *PAIRS["sobel"], finish=lambda piece: (piece > 300).astype(np.uint8))
    assert found.dtype == np.uint8
    assert np.array_equal(found, plain > 300)
    assert 0 < found.mean() < 1


def test_finish_sees_no_number_that_is_not_a_result():
    seen = []

    def noted(piece):
        seen.append(piece.size)
        return piece

    found = gradient_magnitude(random_image((50, 60, 3)), *PAIRS["sobel"], finish=noted)
    assert sum(seen) == found.size


SIZES = {"float32": (1e-45, 1e-38, 1e-25, 1.0, 1e20, 1e36), "float64": (5e-324, 1e-308, 1e-200, 1.0, 1e200, 1e306)}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("dtype", "size"), [(dtype, size) for dtype, sizes in SIZES.items() for size in sizes])
def test_squares_neither_overflow_nor_vanish(name, dtype, size):
    image = (np.random.default_rng(0).integers(0, 4, (9, 12)) * size).astype(dtype)
    g_x, g_y = (conv2d(image, kernel).astype(np.longdouble) for kernel in PAIRS[name])
    found = gradient_magnitude(image, *PAIRS[name])
    limits = np.finfo(dtype)
    assert (found > 0).any()
    assert np.allclose(found, np.hypot(g_x, g_y), rtol=4 * limits.eps, atol=float(limits.smallest_subnormal))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", SIZES)
def test_large_and_small_numbers_side_by_side(name, dtype):
    rng = np.random.default_rng(0)
    image = (rng.choice(SIZES[dtype][1:], (20, 20)) * rng.integers(-1, 2, (20, 20))).astype(dtype)
    responses = (conv2d(image, kernel).astype(np.longdouble) for kernel in PAIRS[name])
    found = gradient_magnitude(image, *PAIRS[name])
    assert np.allclose(found, np.hypot(*responses), rtol=1e-6, atol=0)


def test_a_pixel_that_both_kernels_skip_makes_no_difference():
    image = np.arange(9, dtype=np.float32).reshape(3, 3)
    expected = gradient_magnitude(image, *PAIRS["sobel"])
    for value in (1e20, np.inf, np.nan):
        image[1, 1] = value
        assert np.array_equal(gradient_magnitude(image, *PAIRS["sobel"]), expected)


def test_what_is_not_finite_stays_local_and_warns_nobody():
    image = random_image((20, 20), np.float32)
    clean = gradient_magnitude(image, *PAIRS["sobel"])
    for bad in (np.nan, np.inf, np.float32(3e38)):
        spoilt = image.copy()
        spoilt[10, 10:12] = bad, -bad
        found = gradient_magnitude(spoilt, *PAIRS["sobel"])
        far = np.ones(found.shape, bool)
        far[8:11, 8:12] = False
        assert np.array_equal(found[far], clean[far])
        assert not np.isfinite(found[8:11, 8:12]).all()


def test_the_responses_are_those_of_conv2d():
    image = random_image((9, 9), np.int16)
    g_x, g_y = (conv2d(image, kernel).astype(float) for kernel in PAIRS["roberts"])
    assert np.allclose(gradient_magnitude(image, *PAIRS["roberts"]), np.hypot(g_x, g_y))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 2), {}, "a window of 3 pixels does not fit into 2 pixels"),
        ((5, 5), {"stride": 0}, "stride must be a positive integer, got 0"),
        ((5, 5), {"padding_mode": "wrap"}, "unknown padding_mode 'wrap'"),
        ((5,), {}, "an image has the shape"),
    ],
)
def test_an_error_is_one_line(shape, options, message):
    with pytest.raises(ArgumentError) as caught:
        gradient_magnitude(np.ones(shape, np.uint8), *PAIRS["sobel"], **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PAIRS)
def test_numbers_of_one_order_are_computed_as_cheaply_as_integers(name):
    image = (random_image((70, 50)) + np.random.default_rng(0).random((70, 50))).astype(np.float32)
    found = gradient_magnitude(image, *PAIRS[name], bounded=True)
    expected = gradient_magnitude(image.astype(np.float64), *PAIRS[name])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())
