from hashlib import sha256
from itertools import product

import numpy as np
import pytest
import scipy.ndimage
from blas import BLAS_KERNELS, printed
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import SCIPY_MODES, random_image
from scipy.ndimage._filters import _gaussian_kernel1d

from cnncli.errors import ArgumentError
from cnncli.ops import PADDING_MODES, conv2d
from cnncli.ops.convolution import banded, fourier_lines, separable, sums
from cnncli.ops.convolution.lines import box_line, gaussian_line
from cnncli.ops.convolution.separable import Separable, correlate_separable, separable_rows_together

METHODS = ("sums", "banded", "fourier")
OPTIONS = [
    {"padding": padding, "stride": stride, "padding_mode": mode}
    for padding, stride, mode in product(["same", "valid", (0, 9, 40, 1)], [1, 2, (3, 40)], ["zeros", "reflect"])
]
TOLERANCE = {"float32": 1e-5, "float64": 1e-6}


def assert_close(found, expected, largest=0.0):
    """Compare within a share of the largest magnitude, or of `largest` where sums cancel."""
    assert found.shape == expected.shape
    largest = max(np.abs(expected).max(), largest, 1e-30)
    assert np.abs(found - expected).max() <= TOLERANCE[found.dtype.name] * largest


def blur(sigma):
    return Separable.of((gaussian_line(sigma), gaussian_line(sigma)))


def box(size):
    return Separable.of((box_line(size), box_line(size)))


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
def pictures(draw):
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int32", "float32", "float64"]))
    return random_image(size, dtype, draw(st.integers(0, 99)))


@settings(max_examples=150)
@given(pictures(), st.sampled_from([0.1, 0.3, 0.7, 1, 1.4, 2, 3.3, 5, 10, 30]), st.sampled_from(list(SCIPY_MODES)))
def test_gaussians_are_scipy_s(image, sigma, mode):
    found = correlate_separable(image, blur(sigma), padding="same", padding_mode=mode)
    expected = scipy.ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=SCIPY_MODES[mode])
    assert found.dtype == (np.float64 if image.dtype in ("int32", "float64") else np.float32)
    assert_close(found, expected, largest=np.abs(image.astype(float)).max())


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (64, 70)], ids=str)
@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_a_gaussian_may_be_much_wider_than_the_picture(size, mode, dtype):
    image = random_image(size, dtype)
    for sigma in (20, 60):
        found = correlate_separable(image, blur(sigma), padding="same", padding_mode=mode)
        expected = scipy.ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=SCIPY_MODES[mode])
        assert_close(found, expected)


@pytest.mark.parametrize("sigma", [0.1, 200])
@pytest.mark.parametrize("order", [(1, 0), (0, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_derivatives_are_scipy_s(sigma, order, dtype):
    image = random_image((90, 81), dtype)
    kernel = Separable.of(*[tuple(gaussian_line(sigma, number)[::-1] for number in order)])
    expected = scipy.ndimage.gaussian_filter(image.astype(np.float64), sigma, order, mode="mirror")
    assert_close(correlate_separable(image, kernel, padding="same", padding_mode="reflect"), expected)


# Boxes of integers.


@settings(max_examples=100)
@given(
    image=pictures(),
    box=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    mode=st.sampled_from(list(PADDING_MODES)),
    padding=st.sampled_from(["same", (30, 29, 31, 60)]),
)
def test_means_of_integers_are_those_of_exact_sums(image, box, stride, mode, padding):
    if image.dtype.kind == "f":
        image = image.astype(np.int8)
    options = {"stride": stride, "padding": padding, "padding_mode": mode}
    found = correlate_separable(image, Separable.of((box_line(box[0]), box_line(box[1]))), **options)
    sums = conv2d(image, np.ones(box, int), **options)
    assert np.array_equal(found, sums.astype(found.dtype) / found.dtype.type(box[0] * box[1]))


@pytest.mark.parametrize("height", [1, 2, 3, 15])
def test_boxes_of_every_width_reach_to_the_last_pixel(height):
    image = random_image((height + 1, 260))
    for width in range(1, 261):
        found = correlate_separable(image, Separable.of((np.ones(height), np.ones(width))))
        assert np.array_equal(found, conv2d(image, np.ones((height, width), int))), width


@pytest.mark.parametrize("size", [3, 16, 17, 101])
@pytest.mark.parametrize("value", [-3, 7, 1000])
def test_sums_beside_a_constant_outside(size, value):
    image = random_image((60, 44), np.uint16)
    options = {"padding": "same", "padding_value": value}
    found = correlate_separable(image, box(size), **options)
    assert_close(found, conv2d(image, np.ones((size, size), int), **options) / size**2)


def test_the_largest_sums_do_not_wrap_around():
    for dtype, size in product(("uint8", "int8", "uint16", "int16", "uint32", "int32"), (3, 16, 17, 300)):
        image = np.full((5, 6), np.iinfo(dtype).max, dtype)
        found = correlate_separable(image, box(size), padding="same", padding_mode="replicate")
        np.testing.assert_allclose(found, float(image[0, 0]), rtol=np.finfo(found.dtype).eps, err_msg=f"{dtype} {size}")


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


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_result_of_the_dense_kernel(method, monkeypatch):
    monkeypatch.setattr(separable, "LONGEST_BANDED", 10**6 if method == "banded" else 0)
    monkeypatch.setattr(sums, "able", lambda work: method == "sums")
    kernel = Separable.of((np.full(5, 0.5), np.full(7, 0.25)))
    if method != "sums":
        kernel = Separable.of((np.arange(5.0), np.arange(7.0) ** 2), ([0, 1, 0], [0, 0, 1]))
    for image, options in product([random_image((150, 70, 2))], OPTIONS):
        expected = np.stack([conv2d(plane, kernel.dense(), **options) for plane in np.moveaxis(image, 2, 0)], axis=-1)
        assert_close(correlate_separable(image, kernel, **options), expected)


# What is not finite.


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", [blur(1), blur(40), box(5), box(300)], ids=["banded", "fourier", "box", "wide box"])
def test_what_is_not_finite_spoils_its_own_windows_alone(bad, kernel):
    image = random_image((400, 390), np.float32)
    image[200, 150] = bad
    half = (kernel.shape[0] - 1) // 2
    options = {"padding": "same", "padding_mode": "replicate"}
    found = correlate_separable(image, kernel, **options)
    after = kernel.shape[0] - 1 - half
    spoilt = np.zeros(image.shape, bool)
    spoilt[max(0, 200 - after) : 201 + half, max(0, 150 - after) : 151 + half] = True
    assert np.isnan(found[spoilt]).all()
    clean = correlate_separable(np.where(np.isfinite(image), image, 0), kernel, **options)
    assert np.array_equal(found[~spoilt], clean[~spoilt])


def test_weights_of_zero_meet_no_pixel():
    image = np.ones((5, 5))
    image[2, 2] = np.nan
    kernel = Separable.of(([1], [1, 0, 1]))
    assert np.isnan(correlate_separable(image, kernel, padding="same")).sum() == 2
    assert np.isnan(correlate_separable(image[:2], kernel, padding="same", padding_value=np.inf)).sum() == 4


# Pieces, bands and arguments.


def test_pieces_are_finished_where_they_are_made():
    image = random_image((300, 41, 3))
    for kernel in (blur(1), blur(50), box(9)):
        expected = correlate_separable(image, kernel, padding="same")
        found = correlate_separable(
            image, kernel, finish=lambda piece: np.stack([piece, -piece], axis=-1), padding="same"
        )
        assert np.array_equal(found, np.stack([expected, -expected], axis=-1))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("bool", 4),
        ("uint8", 4),
        ("int16", 4),
        ("float16", 4),
        ("float32", 4),
        ("uint32", 8),
        ("int64", 8),
        ("float64", 8),
    ],
)
def test_types_of_results(image, expected):
    for kernel in (blur(1), blur(50), box(4)):
        found = correlate_separable(np.ones((6, 7), image), kernel, padding="same", padding_mode="reflect")
        assert found.dtype == f"float{8 * expected}"
        np.testing.assert_allclose(found, 1, rtol=1e-6)


def test_an_image_is_a_picture():
    for image in (np.zeros(3), np.zeros((1, 2, 2, 1)), np.zeros((0, 3)), np.zeros((3, 3, 0))):
        with pytest.raises(ArgumentError, match="an image has the shape"):
            correlate_separable(image, box(1))
    with pytest.raises(ArgumentError, match="a window of 5 pixels does not fit into 3 pixels"):
        correlate_separable(np.zeros((3, 3)), box(5))


def compare():
    """Compare bands, cut where they may be, with the whole; print a digest of all."""
    digest = sha256()
    banded.STRIP_BYTES = fourier_lines.BLOCK_NUMBERS = sums.STRIP_BYTES = 30_000
    fourier_lines.LEAST_TILE = 96
    separable.LONGEST_BANDED = 150
    kernels = [blur(2), blur(9), blur(30), box(5), box(200), Separable.of((gaussian_line(2, 2), [1]), ([1], [1]))]
    spoilt = random_image((1201, 40), np.float32)
    spoilt[300, 30] = np.nan
    images = [random_image((1201, 40, 2), np.uint8), spoilt, random_image((1201, 9), np.float64)]
    wide = random_image((130, 3000), np.float32)  # its products would be divided among threads
    for image, kernel, stride in [*product(images, kernels, (1, 3)), (wide, blur(2), 1), (wide, blur(9), 2)]:
        options = {"stride": stride, "padding": (0, 0, 5, 3), "padding_mode": "reflect"}
        if kernel.shape[1] > image.shape[1]:
            options["padding"] = (0, 0, kernel.shape[1], kernel.shape[1])
        whole = correlate_separable(image, kernel, **options)
        digest.update(whole.tobytes())
        together = separable_rows_together(image, kernel, **options)
        assert together < len(whole)
        height = -(-len(whole) // 5 // together) * together
        for start in range(0, len(whole), height):
            stop = min(start + height, len(whole))
            rows = image[start * stride : (stop - 1) * stride + kernel.shape[0]]
            np.testing.assert_array_equal(correlate_separable(rows, kernel, **options), whole[start:stop])
    print(digest.hexdigest())


@pytest.mark.parametrize("kernel", BLAS_KERNELS)
def test_bands_have_the_bits_of_the_whole_with_any_number_of_threads(kernel):
    assert printed(__file__, kernel, threads=2) == printed(__file__, kernel, threads=1)


if __name__ == "__main__":
    compare()
