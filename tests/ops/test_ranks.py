import numpy as np
import pytest
import scipy.ndimage as ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import SCIPY_MODES, gray_photograph, pad, photograph, random_image

from cnncli.errors import ArgumentError
from cnncli.ops import PADDING_MODES, rank_filter
from cnncli.ops.loading import Border
from cnncli.ops.ranks.networks import median_network
from cnncli.ops.ranks.schedules import NetworkStrip, schedule
from cnncli.ops.ranks.strips import run
from cnncli.ops.ranks.thresholds import ThresholdStrip
from cnncli.shapes import Window

FILTERS = {"median": ndimage.median_filter, "min": ndimage.minimum_filter, "max": ndimage.maximum_filter}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def scipy_ranks(image, kernel_size, mode, padding_mode="reflect"):
    height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    size = (height, width, 1)[: image.ndim]
    return FILTERS[mode](image, size, mode=SCIPY_MODES[padding_mode])


def assert_equal(found, expected):
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("kernel_size", [*range(1, 10), 15, (1, 6), (7, 1), (2, 5), (6, 3), (15, 2)], ids=str)
@pytest.mark.parametrize("shape", [(23, 37), (1, 1), (1, 9), (8, 1), (3, 4, 3)], ids=str)
def test_ranks_equal_scipy(mode, kernel_size, shape):
    image = random_image(shape)
    for padding_mode in PADDING_MODES:
        found = rank_filter(image, kernel_size, mode, padding_mode=padding_mode)
        assert_equal(found, scipy_ranks(image, kernel_size, mode, padding_mode))


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_every_type_have_ranks(mode, dtype):
    image = random_image((19, 21), dtype)
    for kernel_size in (2, 3, 5, 6, 11):
        assert_equal(rank_filter(image, kernel_size, mode), scipy_ranks(image, kernel_size, mode))


@pytest.mark.parametrize("mode", FILTERS)
def test_types_that_scipy_lacks(mode):
    for dtype in ("bool", ">u2", ">f4", "float16"):
        image = random_image((9, 11), np.dtype(dtype).newbyteorder("=")).astype(dtype)
        found = rank_filter(image, 3, mode)
        assert found.dtype == image.dtype.newbyteorder("=")
        assert np.array_equal(found, scipy_ranks(image.astype(np.float64), 3, mode))
    # SciPy takes integers of 64 bits for floating-point numbers.
    large = 2**63 + np.arange(9, dtype=np.uint64).reshape(3, 3)
    assert rank_filter(large, 3, mode, padding="valid").tolist() == [[2**63 + {"min": 0, "median": 4, "max": 8}[mode]]]


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("kernel_size", [22, 31, (3, 300), (300, 3), (1, 40)], ids=str)
def test_large_windows_equal_scipy(mode, kernel_size):
    for image in (random_image((70, 60)), random_image((5, 90, 2)), random_image((40, 50), np.uint16)):
        assert_equal(rank_filter(image, kernel_size, mode), scipy_ranks(image, kernel_size, mode))


@pytest.mark.parametrize("shape", [(700, 40), (30, 1500), (290, 310), (3, 3000, 3)], ids=str)
def test_pieces_of_an_image_fit_together(shape):
    image = random_image(shape)
    for kernel_size, mode in ((3, "median"), (5, "median"), (25, "median"), ((2, 9), "median"), ((31, 6), "max")):
        assert_equal(rank_filter(image, kernel_size, mode), scipy_ranks(image, kernel_size, mode))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
@pytest.mark.parametrize("levels", [1, 2, 9, 250])
def test_thresholds_equal_networks(dtype, levels):
    image = random_image((50, 60, 2), np.uint16, seed=levels) % levels - np.iinfo(dtype).bits // 16
    image = image.astype(dtype)
    for kernel_size in ((4, 5), (7, 7), (2, 1), (1, 3)):
        window = Window.over(image.shape[:2], kernel_size)
        results = []
        for strip in (
            ThresholdStrip(kernel_size, (*window.output_size, 2), image.dtype),
            NetworkStrip(schedule(median_network(kernel_size, 1)), (*window.output_size, 2), image.dtype),
        ):
            results.append(np.empty((*window.output_size, 2), dtype))
            run(strip, image, Border.around(window), results[-1])
        assert_equal(*results)


@pytest.mark.parametrize("height", range(2, 9))
def test_networks_of_any_number_of_phases_are_equal(height):
    image = random_image((33, 20, 1), np.int16)
    window = Window.over(image.shape[:2], (height, 4))
    expected = scipy_ranks(image, (height, 4), "median")[height // 2 :, 2:][: window.output_size[0], :17]
    for phases in (1, 2, 4, 8)[: height.bit_length()]:
        found = np.empty((*window.output_size, 1), np.int16)
        strip = NetworkStrip(schedule(median_network((height, 4), phases)), found.shape, found.dtype)
        run(strip, image, Border.around(window), found)
        assert_equal(found, expected)


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("name", ["camera", "coffee"])
def test_photographs_equal_scipy(mode, name):
    image = photograph(name)[100:300, 50:350]
    for kernel_size in (3, 5, 8):
        assert_equal(rank_filter(image, kernel_size, mode), scipy_ranks(image, kernel_size, mode))


@pytest.mark.parametrize("mode", FILTERS)
def test_ties_are_of_no_consequence(mode):
    image = random_image((30, 30)) // 100
    assert_equal(rank_filter(image, 7, mode), scipy_ranks(image, 7, mode))


def sorted_ranks(image, kernel_size, mode, padding, padding_mode):
    """Sort the pixels of every window."""
    windows = np.lib.stride_tricks.sliding_window_view(pad(image, padding, padding_mode), kernel_size, (0, 1))
    ranked = np.sort(windows.reshape(*windows.shape[:3], -1))
    return ranked[..., {"min": 0, "median": ranked.shape[-1] // 2, "max": -1}[mode]]


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("padding", ["valid", 1, (2, 0), (3, 0, 1, 2)], ids=str)
def test_padding_is_that_of_conv2d(mode, padding):
    image, size = random_image((9, 11, 2)), (3, 4)
    amounts = {"valid": (0, 0, 0, 0), 1: (1, 1, 1, 1), (2, 0): (2, 2, 0, 0)}.get(padding, padding)
    for padding_mode in ("zeros", "reflect"):
        expected = sorted_ranks(image, size, mode, amounts, padding_mode)
        assert_equal(rank_filter(image, size, mode, padding=padding, padding_mode=padding_mode), expected)


@st.composite
def filterings(draw):
    """An image (H, W, C), a window and a padding that let it fit."""
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    kernel_size = draw(st.tuples(st.integers(1, 11), st.integers(1, 11)))
    padding = draw(
        st.tuples(*[st.integers(-(-max(0, kernel_size[axis] - size[axis]) // 2), 13) for axis in (0, 0, 1, 1)])
    )
    dtype = draw(st.sampled_from([*DTYPES, "int64", "uint64", "float16", "bool"]))
    image = random_image((*size, draw(st.integers(1, 4))), dtype, draw(st.integers(0, 99)))
    return image, kernel_size, padding, draw(st.sampled_from(sorted(PADDING_MODES)))


@settings(max_examples=200)
@given(filterings())
@pytest.mark.parametrize("mode", FILTERS)
def test_ranks_are_those_of_sorted_windows(mode, filtering):
    image, kernel_size, padding, padding_mode = filtering
    before = image.copy()
    found = rank_filter(image, kernel_size, mode, padding=padding, padding_mode=padding_mode)
    assert_equal(found, sorted_ranks(image, kernel_size, mode, padding, padding_mode))
    assert np.array_equal(image, before)


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_bands_equal_the_whole(mode, dtype):
    image = np.tile(gray_photograph("camera")[:, 100:300].astype(dtype), (2, 1))
    if dtype == "float32":
        image -= 100
        image[random_image(image.shape) == 0] = -0.0
        image[200:210, 20], image[400, 30] = np.nan, -np.nan
    for size, heights in ((5, (5, 300)), (23, (90,))):
        whole = rank_filter(image, size, mode, padding="valid")
        for rows in heights:
            starts = range(0, len(whole), rows)
            bands = [
                rank_filter(image[start : start + rows + size - 1], size, mode, padding="valid") for start in starts
            ]
            assert np.concatenate(bands).tobytes() == whole.tobytes()


@pytest.mark.parametrize("mode", FILTERS)
def test_windows_that_hold_a_nan_give_nan(mode):
    image = random_image((40, 30), np.float32)
    image[[5, 20], [3, 29]] = np.nan, -np.nan
    image[30, 10], image[31, 12] = np.inf, -np.inf
    found, lost = rank_filter(image, 3, mode), rank_filter(np.isnan(image), 3, "max")
    assert np.array_equal(np.isnan(found), lost)
    expected = scipy_ranks(np.where(np.isnan(image), 0, image), 3, mode)
    assert np.array_equal(found[~lost], expected[~lost])
    assert len(set(found.view(np.int32)[lost].tolist())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((4, 4)), (3, 3, 3), "min"), "kernel_size must be a positive integer, got (3, 3, 3)"),
        ((np.zeros((4, 4)), 3, "mediam"), "unknown mode 'mediam': did you mean median?"),
        ((np.zeros((4, 4)), 0, "min"), "kernel_size must be a positive integer, got 0"),
        ((np.zeros(4), 3, "min"), "an image has the shape (H, W) or (H, W, C), got (4,)"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(ArgumentError) as caught:
        rank_filter(*arguments)
    assert str(caught.value) == message
