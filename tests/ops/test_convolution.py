from itertools import product

import cv2
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PHOTOGRAPHS, SCIPY_MODES, gray_photograph, naive_conv2d, pad, photograph, random_image

from cnncli.errors import ArgumentError
from cnncli.ops import PADDING_MODES, conv2d
from cnncli.ops.convolution import banded, fourier, products, strips
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.convolution.strategies import STRATEGIES, choose, compute

VERTICAL = [[1, 0, -1]] * 3
HORIZONTAL = [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])

OPENCV_MODES = {
    "zeros": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT_101,
    "replicate": cv2.BORDER_REPLICATE,
    "circular": cv2.BORDER_WRAP,
    "symmetric": cv2.BORDER_REFLECT,
}
SHAPES = [(1, 1), (1, 3), (3, 1), (2, 2), (3, 3), (2, 5), (4, 4), (5, 5), (6, 3), (7, 7), (9, 4), (12, 12), (15, 15)]
LARGE_SHAPES = [(1, 31), (31, 1), (21, 8), (31, 31)]


def able_strategies(work):
    return [name for name, strategy in STRATEGIES.items() if strategy.able(work)]


def assert_close(found, expected, tolerance=1e-5, largest=0.0):
    """Compare within a share of the largest magnitude, or of `largest` where sums cancel."""
    assert found.shape == expected.shape
    largest = max(np.max(np.abs(expected), initial=0), largest, 1e-30)
    assert np.max(np.abs(found - expected), initial=0) <= tolerance * largest


# The course's examples.


def test_the_course_s_vertical_edge():
    image = np.array([[10, 10, 10, 0, 0, 0]] * 6)
    assert conv2d(image, VERTICAL).tolist() == [[0, 30, 30, 0]] * 4
    assert conv2d(image[:, ::-1], VERTICAL).tolist() == [[0, -30, -30, 0]] * 4


def test_the_course_s_second_example():
    image = [[10, 10, 10, 0, 0, 0]] * 3 + [[0, 0, 0, 10, 10, 10]] * 3
    expected = [[0, 0, 0, 0], [30, 10, -10, -30], [30, 10, -10, -30], [0, 0, 0, 0]]
    assert conv2d(image, HORIZONTAL).tolist() == expected


def test_convolution_over_volume():
    volume = random_image((6, 6, 3), np.uint8)
    kernel = np.repeat(np.array(VERTICAL)[:, :, None], 3, axis=2)
    one = conv2d(volume, kernel)
    assert one.shape == (4, 4, 1)
    assert np.array_equal(one[..., 0], sum(conv2d(volume[..., c], VERTICAL) for c in range(3)))
    # On one channel only: the other planes of the kernel are zeros.
    red = np.stack([VERTICAL, np.zeros((3, 3), int), np.zeros((3, 3), int)], axis=-1)
    assert np.array_equal(conv2d(volume, red)[..., 0], conv2d(volume[..., 0], VERTICAL))


def test_two_filters_are_stacked():
    volume = random_image((6, 6, 3), np.uint8)
    both = np.stack([np.repeat(np.array(k)[:, :, None], 3, axis=2) for k in (VERTICAL, HORIZONTAL)], axis=-1)
    result = conv2d(volume, both)
    assert result.shape == (4, 4, 2)
    for number in range(2):
        assert np.array_equal(result[..., number], conv2d(volume, both[..., number])[..., 0])


# Against other libraries, on photographs and noise.


def opencv_correlate(image, kernel, mode, depth):
    """Correlate by OpenCV, whose anchor is (f_h // 2, f_w // 2), with a border made beforehand."""
    top, bottom, left, right = opencv_padding(kernel.shape)
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, OPENCV_MODES[mode])
    whole = cv2.filter2D(padded, depth, kernel, borderType=cv2.BORDER_CONSTANT)
    return whole[top : top + image.shape[0], left : left + image.shape[1]]


def opencv_padding(shape):
    return (shape[0] // 2, shape[0] - 1 - shape[0] // 2, shape[1] // 2, shape[1] - 1 - shape[1] // 2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", OPENCV_MODES)
def test_integers_equal_opencv_bit_for_bit(shape, mode):
    kernel = np.random.default_rng(sum(shape)).integers(-9, 10, shape)
    images = [gray_photograph(name)[50:147, 30:161] for name in PHOTOGRAPHS] + [random_image((61, 40))]
    for image, stride in zip(images, (1, 2, 3, 4, 5, (2, 3)), strict=True):
        found = conv2d(image, kernel, padding=opencv_padding(shape), padding_mode=mode, stride=stride)
        expected = np.rint(opencv_correlate(image, kernel.astype(float), mode, cv2.CV_64F))
        down, right = stride if isinstance(stride, tuple) else (stride, stride)
        assert found.dtype.kind == "i"
        assert np.array_equal(found, expected[::down, ::right])


@pytest.mark.parametrize("shape", [*SHAPES, *LARGE_SHAPES], ids=str)
@pytest.mark.parametrize("mode", OPENCV_MODES)
def test_float32_equals_opencv(shape, mode):
    rng = np.random.default_rng(sum(shape))
    dense = rng.normal(size=shape).astype(np.float32)
    separable = np.outer(rng.normal(size=shape[0]), rng.normal(size=shape[1])).astype(np.float32)
    image = gray_photograph("chelsea")[10:141, 100:230]
    for kernel, stride in product((dense, separable), (1, 3)):
        found = conv2d(image, kernel, padding=opencv_padding(shape), padding_mode=mode, stride=stride)
        expected = opencv_correlate(image, kernel.astype(float), mode, cv2.CV_64F)[::stride, ::stride]
        assert found.dtype == np.float32
        assert_close(found, expected)
        whole = scipy.signal.correlate2d(image.astype(float), kernel.astype(float), mode="valid")
        assert_close(conv2d(image.astype(np.float32), kernel.astype(float), stride=stride), whole[::stride, ::stride])


@pytest.mark.parametrize("shape", LARGE_SHAPES, ids=str)
def test_large_integer_kernels_equal_opencv(shape):
    kernel = np.random.default_rng(7).integers(-9, 10, shape)
    image = gray_photograph("coffee")[:150, :170]
    found = conv2d(image, kernel, padding=opencv_padding(shape), padding_mode="reflect")
    assert np.array_equal(found, np.rint(opencv_correlate(image, kernel.astype(float), "reflect", cv2.CV_64F)))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("mode", [mode for mode in OPENCV_MODES if mode != "circular"])
def test_whole_photographs_equal_opencv_s_own_borders(name, mode):
    # A border of filter2D's own; in colour every channel by itself.
    image = photograph(name)
    expected = cv2.filter2D(image, cv2.CV_16S, SOBEL.astype(np.float32), borderType=OPENCV_MODES[mode])
    channels = image.shape[2] if image.ndim == 3 else 1
    weight = np.repeat(SOBEL[:, :, None, None], channels, axis=3)
    found = conv2d(image, weight if image.ndim == 3 else SOBEL, groups=channels, padding="same", padding_mode=mode)
    assert found.dtype == np.int16
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (7, 7)])
def test_borders_are_scipy_s(mode, shape):
    image = gray_photograph("camera")[100:140, 200:233].astype(np.int64)
    kernel = np.random.default_rng(0).integers(-5, 6, shape)
    expected = scipy.ndimage.correlate(image, kernel, mode=SCIPY_MODES[mode])
    assert np.array_equal(conv2d(image, kernel, padding="same", padding_mode=mode), expected)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4), (5, 5)])
def test_flip_is_the_convolution_of_mathematics(shape):
    image, kernel = random_image((12, 13), np.int16), random_image(shape, np.int8, seed=1)
    expected = scipy.signal.convolve2d(image.astype(np.int64), kernel.astype(np.int64), mode="valid")
    assert np.array_equal(conv2d(image, kernel, flip=True), expected)


def test_layers_equal_pytorch():
    torch = pytest.importorskip("torch")
    x, weight, bias = (random_image(s, np.float32, seed=3) for s in ((2, 13, 11, 6), (3, 2, 2, 9), (9,)))
    for stride, padding, dilation, groups in [(1, 0, 1, 3), (2, 1, 1, 3), ((1, 3), (2, 0), (2, 1), 3)]:
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(x.transpose(0, 3, 1, 2).copy()),
            torch.from_numpy(weight.transpose(3, 2, 0, 1).copy()),
            torch.from_numpy(bias),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
        found = conv2d(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
        assert_close(found, expected.numpy().transpose(0, 2, 3, 1))


# Every strategy, against a loop.


@st.composite
def layers(draw):
    """An image (H, W, C), weights and the options of a convolution that fit each other."""
    layouts = [(1, 1, 1), (1, 1, 2), (1, 3, 1), (1, 2, 3), (2, 1, 1), (3, 2, 2)]
    groups, per_group, filters = draw(st.sampled_from(layouts))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = draw(st.tuples(*[st.integers(0, 4)] * 4))
    span = [d * (f - 1) + 1 for d, f in zip(dilation, kernel, strict=True)]
    size = [
        draw(st.integers(max(1, s - padding[2 * axis] - padding[2 * axis + 1]), s + 12)) for axis, s in enumerate(span)
    ]
    seed = draw(st.integers(0, 99))
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "float32", "float64"]))
    image = random_image((*size, groups * per_group), dtype, seed)
    rng = np.random.default_rng(seed)
    weight = rng.integers(-4, 5, (*kernel, per_group, groups * filters))
    if draw(st.booleans()):
        column, row = rng.integers(-3, 4, (2, 5))
        weight[:] = np.outer(column[: kernel[0]], row[: kernel[1]])[:, :, None, None]
    if draw(st.booleans()):
        weight = weight / 7
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return image, weight, options, draw(st.sampled_from(list(PADDING_MODES)))


@settings(max_examples=150)
@given(layers())
def test_all_strategies_agree_with_a_loop(layer):
    image, weight, options, mode = layer
    expected = naive_conv2d(image, weight, mode=mode, **options)
    work = Correlation.of(image, weight, padding_mode=mode, **options)
    assert "strips" in able_strategies(work)
    for name in able_strategies(work):
        found = compute(work, name)[0]
        if image.dtype.kind != "f" and weight.dtype.kind != "f":
            assert np.array_equal(found, expected), name
        else:
            assert_close(found, expected, largest=np.abs(image.astype(float)).max())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_able_somewhere_and_tiling_changes_nothing(strategy, monkeypatch):
    image = random_image((97, 101, 1), np.float32)
    column = np.arange(1, 8) / 7
    work = Correlation.of(image, np.outer(column, column[::-1]), padding="same", padding_mode="reflect")
    assert strategy in able_strategies(work)
    whole = compute(work, strategy)
    monkeypatch.setattr(strips, "STRIP_BYTES", 3000)
    monkeypatch.setattr(banded, "STRIP_BYTES", 3000)
    monkeypatch.setattr(products, "BLOCK_NUMBERS", 9000)
    monkeypatch.setattr(fourier, "TILE", 32)
    assert_close(compute(work, strategy), whole, 1e-6)
    assert_close(whole[0], naive_conv2d(image, work.weight, padding=work.window.padding, mode="reflect"))


@pytest.mark.parametrize("strategy", ["strips", "products", "fourier"])
def test_exact_strategies_stay_exact_in_small_pieces(strategy, monkeypatch):
    image = random_image((50, 43, 2), np.uint16)
    weight = np.random.default_rng(1).integers(-99, 99, (4, 3, 2, 2))
    work = Correlation.of(image, weight, stride=(2, 1), padding=2)
    expected = naive_conv2d(image, weight, stride=(2, 1), padding=(2, 2, 2, 2))
    assert strategy in able_strategies(work)
    assert np.array_equal(compute(work, strategy)[0], expected)
    monkeypatch.setattr(strips, "STRIP_BYTES", 1)
    monkeypatch.setattr(products, "BLOCK_NUMBERS", 1)
    monkeypatch.setattr(fourier, "TILE", 8)
    assert np.array_equal(compute(work, strategy)[0], expected)


def test_large_and_small_work_go_different_ways():
    small = Correlation.of(random_image((64, 64)), SOBEL)
    long = Correlation.of(random_image((64, 64), np.float32), np.outer(np.arange(9.0), np.arange(9.0)))
    layer = Correlation.of(random_image((64, 64, 32), np.float32), random_image((3, 3, 32, 64), np.float32))
    large = Correlation.of(random_image((64, 64), np.float32), random_image((31, 31), np.float32))
    assert [choose(work) for work in (small, long, layer, large)] == ["strips", "banded", "products", "fourier"]


# Exactness.


INTEGER_TYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32"]


@pytest.mark.parametrize("dtype", INTEGER_TYPES)
def test_no_integer_wraps_around(dtype):
    dtype = np.dtype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = np.array([[high, high, high, low, low, low]] * 6, dtype)
    for kernel in (VERTICAL, np.negative(VERTICAL), np.full((3, 3), 1000), np.full((3, 3), -1000)):
        expected = naive_conv2d(image[:, :, None].astype(np.int64), np.array(kernel)[:, :, None, None])[:, :, 0]
        found = conv2d(image, kernel)
        assert found.dtype.kind == "i"
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_64_bits_are_used_to_their_end_and_then_refused(dtype):
    top = 2**63 - 1
    image = np.array([[top, 5]], dtype)
    assert conv2d(image, [[1, 0]]).tolist() == [[top]]
    assert conv2d(np.array([[top // 3] * 3], dtype), [[1, 1, 1]]).tolist() == [[top // 3 * 3]]
    with pytest.raises(ArgumentError, match="exceed 64 bits: convert it to float64") as caught:
        conv2d(image, [[1, 1]])
    assert "\n" not in str(caught.value)
    assert conv2d(np.zeros((0, 4, 4, 1), dtype), VERTICAL).shape == (0, 2, 2, 1)


def test_weights_of_few_bits_do_not_wrap_around():
    # -128 has no absolute value in int8, and a product of two of these no place.
    weight = np.array([[1, -128], [-1, -128]], np.int8)
    image = random_image((9, 9), np.uint8)
    expected = naive_conv2d(image[:, :, None], weight[:, :, None, None])[:, :, 0]
    assert np.array_equal(conv2d(image, weight), expected)
    ones = conv2d(image, np.ones((3, 3), bool)).astype(np.int64)
    assert np.array_equal(conv2d(image, np.full((3, 3), 255, np.uint8)), 255 * ones)


@pytest.mark.parametrize("bits", [13, 24, 31, 45])
def test_matrix_products_of_large_integers_are_exact(bits):
    image = np.random.default_rng(0).integers(2 ** (bits - 1), 2**bits, (9, 8, 3))
    weight = np.random.default_rng(1).integers(-99, 99, (3, 3, 3, 5))
    work = Correlation.of(image, weight)
    expected = naive_conv2d(image, weight)
    for name in able_strategies(work):
        assert np.array_equal(compute(work, name)[0], expected), name


def test_the_smallest_type_that_holds_every_result():
    image = random_image((8, 8), np.uint8)
    assert conv2d(image, SOBEL).dtype == np.int16
    assert conv2d(image, [[128, 0]]).dtype == np.int16
    assert conv2d(image, [[129, 0]]).dtype == np.int32
    assert conv2d(image, [[-128, 0]]).dtype == np.int16
    assert conv2d(image, SOBEL, bias=40_000).dtype == np.int32
    assert conv2d(image, [[2**40]]).dtype == np.int64
    assert conv2d(image.astype(np.uint16), SOBEL).dtype == np.int32


@pytest.mark.parametrize(
    ("image", "weight", "bias", "expected"),
    [
        ("float32", "float64", None, "float32"),
        ("float32", "int64", "float64", "float32"),
        ("float64", "float32", None, "float64"),
        ("float64", "int64", "int64", "float64"),
        ("float16", "float64", None, "float32"),
        ("uint8", "float32", None, "float32"),
        ("uint8", "float64", None, "float64"),
        ("uint8", "float16", None, "float32"),
        ("bool", "float32", None, "float32"),
        ("uint8", "int64", "float32", "float32"),
        ("uint8", "bool", None, "int16"),
        ("bool", "int8", "int8", "int16"),
    ],
)
def test_types_of_results(image, weight, bias, expected):
    x, w = random_image((9, 8, 2), image), random_image((3, 3, 2, 4), weight, seed=1)
    if w.dtype.kind == "i":
        w = w % 5 - 2
    b = None if bias is None else np.arange(4).astype(bias)
    found = conv2d(x, w.astype(weight), b)
    assert found.dtype == expected
    exact = naive_conv2d(x.astype(np.float64), w.astype(np.float64)) + (0 if b is None else b)
    assert_close(found, exact)


# Arguments.


def test_results_have_the_dimensions_of_the_image():
    image = random_image((2, 7, 6, 1))
    assert conv2d(image[0, :, :, 0], VERTICAL).shape == (5, 4)
    assert conv2d(image[0], VERTICAL).shape == (5, 4, 1)
    assert conv2d(image, VERTICAL).shape == (2, 5, 4, 1)
    assert conv2d(image[:0], VERTICAL).shape == (0, 5, 4, 1)
    assert conv2d(image[0, :, :, 0], np.ones((3, 3, 1, 2))).shape == (5, 4, 2)
    assert conv2d(image[0, :, :, 0].tolist(), VERTICAL).shape == (5, 4)


def test_a_batch_is_its_images():
    batch, weight = random_image((3, 9, 8, 2)), random_image((3, 3, 2, 4), np.int8)
    together = conv2d(batch, weight, stride=2, padding=1)
    for image, result in zip(batch, together, strict=True):
        assert np.array_equal(conv2d(image, weight, stride=2, padding=1), result)


def test_bias_is_added_to_each_output_channel():
    image, weight = random_image((6, 6)), np.stack([VERTICAL, HORIZONTAL], axis=-1)[:, :, None]
    plain = conv2d(image, weight)
    assert np.array_equal(conv2d(image, weight, [5, -7]), plain + np.array([5, -7]))
    assert np.array_equal(conv2d(image, weight, 3), plain + 3)
    assert np.allclose(conv2d(image, weight, [0.5, 0.25]), plain + np.array([0.5, 0.25]))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("value", [-3, 7, 1000])
def test_padding_value_stands_outside(strategy, value):
    image = random_image((7, 9, 1))
    weight = np.outer([1, 2, 3], [2, 1, 1])[:, :, None, None]
    expected = naive_conv2d(image, weight, padding=(2, 1, 0, 3), value=value)
    work = Correlation.of(image, weight, padding=(2, 1, 0, 3), padding_value=value)
    floating = Correlation.of(image.astype(np.float32), weight, padding=(2, 1, 0, 3), padding_value=value)
    if STRATEGIES[strategy].able(work):
        assert np.array_equal(compute(work, strategy)[0], expected)
    assert_close(compute(floating, strategy)[0], expected)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (2, 2), (2, 3)], ids=str)
def test_tiny_images_under_wide_borders(mode, size):
    image = random_image((*size, 1))
    weight = np.random.default_rng(2).integers(-5, 6, (3, 4, 1, 1))
    for padding in ((1, 2, 2, 1), (9, 8, 7, 11), (40, 0, 0, 50)):
        if padding[0] + padding[1] + size[0] < 3:
            continue
        expected = naive_conv2d(image, weight, padding=padding, mode=mode)
        assert np.array_equal(conv2d(image, weight, padding=padding, padding_mode=mode), expected)


def test_a_kernel_may_be_larger_than_the_image():
    image = random_image((4, 5, 1), np.float32)
    weight = random_image((31, 29, 1, 1), np.float32)
    expected = naive_conv2d(image, weight, padding=(15, 15, 14, 14), mode="symmetric")
    assert_close(conv2d(image, weight, padding="same", padding_mode="symmetric"), expected)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", ">i2", ">f4"])
def test_memory_may_lie_in_any_order_and_is_never_written(dtype):
    base = random_image((24, 20, 3), np.int8).astype(dtype)
    for view in (base, base[::-2, ::3], base.transpose(1, 0, 2), np.asfortranarray(base), base[:, ::-1, 1:]):
        weight = random_image((3, 3, view.shape[2], 2), np.int8) % 3
        before = view.copy()
        view.flags.writeable = weight.flags.writeable = False
        found = conv2d(view, weight, padding=1, padding_mode="reflect")
        assert_close(found, naive_conv2d(before.astype(np.float64), weight, padding=(1, 1, 1, 1), mode="reflect"))
        assert np.array_equal(view, before)


def test_the_result_is_new_memory():
    image = random_image((5, 5), np.float32)
    result = conv2d(image, np.ones((1, 1), np.float32))
    assert np.array_equal(result, image)
    assert not np.shares_memory(result, image)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(3, 3), (9, 9), (31, 31)], ids=str)
@pytest.mark.parametrize("separable", [False, True])
def test_what_is_not_finite_stays_in_its_windows(bad, shape, separable):
    rng = np.random.default_rng(0)
    column = rng.uniform(0.5, 1, shape[0])
    weight = np.outer(column, column) if separable else rng.uniform(0.5, 1, shape)
    image = random_image((80, 90), np.float32)
    spoilt = image.copy()
    spoilt[40, 45] = bad
    clean, found = (conv2d(x, weight.astype(np.float32), padding="same") for x in (image, spoilt))
    half = shape[0] // 2
    reached = np.zeros(image.shape, bool)
    reached[40 - half : 41 + half, 45 - half : 46 + half] = True
    assert not np.isfinite(found[reached]).any()
    assert_close(found[~reached], clean[~reached])


def test_infinities_of_both_signs_and_overflow_cause_no_warnings():
    image = np.array([[np.inf, -np.inf, 3e38, 3e38, 1, 1]] * 3, np.float32)
    found = conv2d(image, np.ones((3, 2), np.float32))
    assert np.isnan(found[0, 0])
    assert found[0, 2] == np.inf
    assert found[0, 4] == 6
    assert conv2d(image[:, 4:], [[1.0]], padding=1, padding_value=np.inf)[0, 0] == np.inf


# Properties.

pictures = st.integers(0, 1000).map(lambda seed: random_image((9, 10), np.uint8, seed).astype(np.int64))


@given(x=pictures, y=pictures, a=st.integers(-50, 50))
def test_linearity(x, y, a):
    assert np.array_equal(conv2d(x + a * y, SOBEL), conv2d(x, SOBEL) + a * conv2d(y, SOBEL))


@given(x=pictures)
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_a_mirrored_image_has_the_mirrored_response(mode, x):
    kernel = np.random.default_rng(1).integers(-5, 6, (3, 5))
    options = {"padding": "same", "padding_mode": mode}
    assert np.array_equal(conv2d(x[:, ::-1], kernel[:, ::-1], **options), conv2d(x, kernel, **options)[:, ::-1])
    assert np.array_equal(conv2d(x.T, kernel.T, **options), conv2d(x, kernel, **options).T)


@given(x=pictures, shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_a_moved_image_has_the_moved_response(x, shift):
    options = {"padding": "same", "padding_mode": "circular"}
    moved = np.roll(x, shift, (0, 1))
    assert np.array_equal(conv2d(moved, SOBEL, **options), np.roll(conv2d(x, SOBEL, **options), shift, (0, 1)))


@given(x=pictures, stride=st.integers(1, 5))
def test_a_stride_picks_from_the_response(x, stride):
    assert np.array_equal(conv2d(x, SOBEL, stride=stride), conv2d(x, SOBEL)[::stride, ::stride])


@given(x=pictures, dilation=st.integers(1, 3))
def test_dilation_puts_zeros_between_the_taps(x, dilation):
    spread = np.zeros((2 * dilation + 1,) * 2, int)
    spread[::dilation, ::dilation] = SOBEL
    assert np.array_equal(conv2d(x, SOBEL, dilation=dilation), conv2d(x, spread))


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_padding_is_the_response_of_the_padded_image(mode):
    x = random_image((8, 7, 1), np.uint8)
    padded = pad(x, (2, 1, 3, 4), mode)[:, :, 0]
    found = conv2d(x[:, :, 0], SOBEL, padding=(2, 1, 3, 4), padding_mode=mode)
    assert np.array_equal(found, conv2d(padded, SOBEL))


# Errors.


@pytest.mark.parametrize(
    ("image", "weight", "options", "message"),
    [
        ((5,), (3, 3), {}, "an image has the shape (H, W), (H, W, C) or (N, H, W, C), got (5,)"),
        ((5, 5), (3,), {}, "weight has the shape"),
        ((5, 5), (3, 0), {}, "got (3, 0)"),
        ((5, 5, 3), (3, 3), {}, "weight (3, 3, 1, 1) takes 1 input channels with groups=1, the image has 3"),
        ((5, 5, 4), (3, 3, 4, 4), {"groups": 3}, "groups must divide the 4 input and 4 output channels, got 3"),
        ((5, 5, 4), (3, 3, 4, 4), {"groups": 2}, "takes 8 input channels with groups=2, the image has 4"),
        ((5, 5), (3, 3), {"groups": 0}, "got 0"),
        ((5, 5), (7, 7), {}, "a window of 7 pixels does not fit into 5 pixels"),
        ((0, 5), (3, 3), {}, "n must be a positive integer, got 0"),
        ((5, 5), (3, 3), {"stride": 0}, "stride must be a positive integer, got 0"),
        ((5, 5), (3, 3), {"dilation": -1}, "dilation must be a positive integer, got -1"),
        ((5, 5), (3, 3), {"padding": "full"}, "padding must be 'valid', 'same'"),
        ((5, 5), (3, 3), {"padding_mode": "mirror"}, "unknown padding_mode 'mirror': the modes are zeros, reflect"),
        ((5, 5), (3, 3), {"padding_value": 0.5}, "padding_value must be an integer for an image of uint8, got 0.5"),
        ((5, 5), (3, 3), {"padding_value": np.nan}, "padding_value must be an integer for an image of uint8, got nan"),
        ((5, 5), (3, 3), {"bias": [1, 2]}, "bias must be one number or 1 (one a filter), got int64 (2,)"),
        ((5, 5), (3, 3), {"bias": "x"}, "bias must be one number"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_found(image, weight, options, message):
    with pytest.raises(ArgumentError) as caught:
        conv2d(np.ones(image, np.uint8), np.ones(weight, np.int64), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [complex, object, "U1"])
def test_numbers_are_real(dtype):
    with pytest.raises(ArgumentError, match="an image is made of real numbers, got"):
        conv2d(np.ones((5, 5)).astype(dtype), VERTICAL)
    with pytest.raises(ArgumentError, match="weight is made of real numbers, got"):
        conv2d(np.ones((5, 5)), np.ones((3, 3)).astype(dtype))


def test_weights_beyond_64_bits_are_refused():
    with pytest.raises(ArgumentError, match="integer weights must fit 64 bits with their sign, got"):
        conv2d(np.zeros((3, 3), np.uint8), np.array([[2**63]], np.uint64))
