import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PHOTOGRAPHS, gray_photograph, photograph, random_image
from skimage.measure import block_reduce

from cnncli.choices import POOLING_MODES
from cnncli.errors import ArgumentError
from cnncli.ops import avg_pool2d, max_pool2d, min_pool2d, pooling
from cnncli.ops.batches.pooling_gradients import max_pool
from cnncli.ops.batches.workspaces import FRESH, Workspace
from cnncli.shapes import Window

POOLS = {"max": max_pool2d, "avg": avg_pool2d, "min": min_pool2d}
REDUCTIONS = {"max": np.max, "avg": np.mean, "min": np.min}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float16", "float32", "float64"]


def naive_pool2d(image, reduce, kernel_size, stride, padding, dilation=(1, 1), *, ceil_mode=False):
    """Reduce what each window of (H, W, C) sees of the image, one window after the other."""
    lines = []
    for axis in range(2):
        n, before, after = image.shape[axis], padding[2 * axis], padding[2 * axis + 1]
        taps, end = np.arange(kernel_size[axis]) * dilation[axis], image.shape[axis] + before + after
        starts = [0]
        while (ceil_mode and starts[-1] + taps[-1] + 1 < end and starts[-1] + stride[axis] < n + before) or (
            starts[-1] + stride[axis] + taps[-1] < end and not (ceil_mode and starts[-1] + stride[axis] >= n + before)
        ):
            starts.append(starts[-1] + stride[axis])
        lines.append([[at for at in start - before + taps if 0 <= at < n] for start in starts])
    return np.array([[reduce(image[np.ix_(rows, columns)], axis=(0, 1)) for columns in lines[1]] for rows in lines[0]])


def test_every_mode_has_a_function():
    assert set(POOLS) == set(POOLING_MODES)


def test_the_course_s_examples():
    image = [[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]]
    assert max_pool2d(image, 2).tolist() == [[9, 2], [6, 3]]
    image = [[1, 3, 2, 1, 3], [2, 9, 1, 1, 5], [1, 3, 2, 3, 2], [8, 3, 5, 1, 0], [5, 6, 1, 2, 9]]
    assert max_pool2d(image, 3, stride=1).tolist() == [[9, 9, 5], [9, 9, 5], [8, 6, 9]]
    image = [[1, 3, 2, 1], [2, 9, 1, 1], [1, 4, 2, 3], [5, 6, 1, 2]]
    assert avg_pool2d(image, 2).tolist() == [[3.75, 1.25], [4, 2]]


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize("size", [(2, 2), (3, 3), (1, 4), (5, 2)], ids=str)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_blocks_of_photographs_equal_scikit_image(mode, size, name):
    image = photograph(name)
    blocks = image[: image.shape[0] // size[0] * size[0], : image.shape[1] // size[1] * size[1]]
    expected = block_reduce(blocks, (*size, 1)[: image.ndim], REDUCTIONS[mode])
    found = POOLS[mode](image, size)
    assert found.dtype == (np.float32 if mode == "avg" else np.uint8)
    assert np.allclose(found, expected, rtol=1e-6, atol=0)


@st.composite
def pools(draw):
    """An image (H, W, C) and the options of a pooling that fits it."""
    kernel, stride, dilation = (draw(st.tuples(st.integers(1, 4), st.integers(1, 4))) for _ in range(3))
    padding = draw(st.tuples(*[st.integers(0, (kernel[axis] - 1) // 2) for axis in (0, 0, 1, 1)]))
    span = [d * (f - 1) + 1 for d, f in zip(dilation, kernel, strict=True)]
    size = [draw(st.integers(s, s + 9)) for s in span]
    image = random_image(
        (*size, draw(st.sampled_from([1, 2, 3, 9]))), draw(st.sampled_from(DTYPES)), draw(st.integers(0, 99))
    )
    image = image // 2 if image.dtype == np.int64 else image
    options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": draw(st.booleans())}
    return image, kernel, options


@settings(max_examples=150)
@given(pools())
@pytest.mark.parametrize("mode", POOLS)
def test_pools_agree_with_a_loop(mode, pool):
    image, kernel, options = pool
    before = image.copy()
    found = POOLS[mode](image, kernel, **options)
    wide = image.astype(np.float64) if mode == "avg" else image
    expected = naive_pool2d(wide, REDUCTIONS[mode], kernel, **options)
    assert np.array_equal(image, before)
    if mode == "avg":
        assert found.shape == expected.shape
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(wide).max())
    else:
        assert found.dtype == image.dtype
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        (2, {}),
        (3, {"stride": 2}),
        (3, {"stride": 2, "padding": 1}),
        (3, {"stride": 2, "padding": 1, "ceil_mode": True}),
        (2, {"stride": 2, "ceil_mode": True}),
        (2, {"stride": 3, "ceil_mode": True}),
        ((3, 2), {"stride": (1, 2), "padding": (1, 0)}),
        (5, {"stride": 1, "padding": 2}),
    ],
)
def test_pools_equal_pytorch(kernel, options):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for height, width in ((13, 12), (8, 9), (7, 7)):
        x = random_image((2, height, width, 3), np.float32)
        planes = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())

        def back(result):
            return result.numpy().transpose(0, 2, 3, 1)

        assert np.array_equal(max_pool2d(x, kernel, **options), back(functional.max_pool2d(planes, kernel, **options)))
        for counted in (False, True):
            expected = functional.avg_pool2d(planes, kernel, count_include_pad=counted, **options)
            found = avg_pool2d(x, kernel, count_include_pad=counted, **options)
            assert found.dtype == np.float32
            assert np.allclose(found, back(expected), atol=1e-6)


def test_dilated_maxima_equal_pytorch():
    torch = pytest.importorskip("torch")
    x = random_image((1, 14, 15, 2), np.float32)
    for options in ({"dilation": 2}, {"dilation": (1, 3), "stride": 2, "padding": 1, "ceil_mode": True}):
        expected = torch.nn.functional.max_pool2d(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), 3, **options)
        assert np.array_equal(max_pool2d(x, 3, **options), expected.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if not dtype.startswith("u")])
def test_padding_never_wins(dtype):
    below = np.full((4, 4), -7, dtype)
    for options in ({"padding": 1}, {"padding": 1, "stride": 1}, {"padding": (0, 1, 0, 1), "ceil_mode": True}):
        assert np.all(max_pool2d(below, 3, **options) == -7)
        assert np.all(min_pool2d(-below, 3, **options) == 7)
        assert np.all(avg_pool2d(below, 3, **options) == -7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_least_and_the_greatest_number_can_win(dtype):
    limits = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    for pool, number in ((max_pool2d, limits.min), (min_pool2d, limits.max)):
        found = pool(np.full((3, 3), number, dtype), 2, padding=1)
        assert found.dtype == dtype
        assert np.all(found == number)


def test_padding_counts_in_a_mean_when_asked():
    ones = np.ones((2, 2), np.float32)
    assert avg_pool2d(ones, 2, padding=1).tolist() == [[1, 1], [1, 1]]
    assert avg_pool2d(ones, 2, padding=1, count_include_pad=True).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    # What lies past the padding never counts.
    assert avg_pool2d(np.ones((1, 3)), (1, 2), ceil_mode=True, count_include_pad=True).tolist() == [[1, 1]]


@pytest.mark.parametrize("width", [2, 3, 8, 9, 31, 32, 33, 200, 201])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, (2, 3), (3, 2)], ids=str)
@pytest.mark.parametrize("mode", POOLS)
def test_stride_2_over_bytes(mode, kernel, width):
    image = random_image((9, width), np.uint8)
    f_h, f_w = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    for padding in ((0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 1), (1, 1, 1, 1)):
        if f_w > width + padding[2] + padding[3] or f_w <= max(padding) or f_h <= max(padding):
            continue
        expected = naive_pool2d(image[:, :, None].astype(float), REDUCTIONS[mode], (f_h, f_w), (2, 2), padding)
        found = POOLS[mode](image, kernel, stride=2, padding=padding)
        assert np.allclose(found, expected[:, :, 0], rtol=1e-6)


@pytest.mark.parametrize("mode", POOLS)
def test_bytes_that_do_not_lie_side_by_side(mode):
    base = random_image((40, 60, 3), np.uint8)
    for view in (base[:, :, 1], base[::-1, ::2, 0], base[:, 1:, 2], base[..., 0].T):
        view.flags.writeable = False
        assert np.array_equal(POOLS[mode](view, 2), POOLS[mode](np.ascontiguousarray(view), 2))


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 9, 16])
def test_channels_and_images_are_pooled_by_themselves(mode, channels):
    batch = random_image((2, 11, 10, channels), np.uint8)
    found = POOLS[mode](batch, 3, stride=2, padding=1)
    assert found.shape == (2, 6, 5, channels)
    for number, image in enumerate(batch):
        for channel in range(channels):
            assert np.array_equal(
                found[number, :, :, channel], POOLS[mode](image[:, :, channel], 3, stride=2, padding=1)
            )
    assert POOLS[mode](batch[0], 2).shape == (5, 5, channels)
    assert POOLS[mode](batch[:0], 2).shape == (0, 5, 5, channels)


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_bands_change_nothing(mode, dtype, monkeypatch):
    image = random_image((61, 70), dtype)
    options = [{}, {"stride": 2, "padding": 1}, {"stride": 3, "ceil_mode": True}, {"stride": 1, "dilation": 2}]
    whole = [POOLS[mode](image, 3, **option) for option in options]
    monkeypatch.setattr(pooling, "BAND_BYTES", 200)
    for option, expected in zip(options, whole, strict=True):
        assert np.array_equal(POOLS[mode](image, 3, **option), expected)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bool", "float32"),
        ("uint8", "float32"),
        ("int16", "float32"),
        ("uint32", "float64"),
        ("int64", "float64"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_the_type_of_a_mean(dtype, expected):
    image = np.ones((4, 4), dtype)
    found = avg_pool2d(image, 2)
    assert found.dtype == expected
    assert np.all(found == 1)


def test_sums_of_integers_do_not_wrap_around():
    for dtype in ("uint8", "uint16", "uint32", "int64", "uint64"):
        top = np.iinfo(dtype).max
        assert np.all(avg_pool2d(np.full((300, 300), top, dtype), 300) == pytest.approx(float(top)))


def test_nan_is_the_maximum_and_stays_in_its_window():
    image = random_image((8, 8), np.float32)
    image[3, 3] = np.nan
    for mode, pool in POOLS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = pool(image, 2)
        assert np.isnan(found).sum() == 1, mode
        assert np.isnan(found[1, 1])
    image[3, 3] = -np.inf
    assert min_pool2d(image, 2)[1, 1] == -np.inf
    assert np.isfinite(max_pool2d(image, 2)).all()


def test_a_global_pool_is_a_window_of_the_image_s_size():
    image = gray_photograph("camera")
    assert max_pool2d(image, image.shape).tolist() == [[image.max()]]
    assert avg_pool2d(image, image.shape).item() == pytest.approx(image.mean(), rel=1e-6)


@pytest.mark.parametrize("mode", POOLS)
@pytest.mark.parametrize(
    ("shape", "kernel", "options", "message"),
    [
        ((5,), 2, {}, "an image has the shape (H, W), (H, W, C) or (N, H, W, C), got (5,)"),
        ((5, 5), 6, {}, "a window of 6 pixels does not fit into 5 pixels"),
        ((5, 5), 0, {}, "kernel_size must be a positive integer, got 0"),
        ((5, 5), 2, {"stride": 0}, "stride must be a positive integer, got 0"),
        ((5, 5), 2, {"padding": -1}, "got -1"),
        ((5, 5), 2, {"padding": 2}, "padding (2, 2, 2, 2) leaves windows of (2, 2) that see no pixel of the 5x5 image"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_found(mode, shape, kernel, options, message):
    with pytest.raises(ArgumentError) as caught:
        POOLS[mode](np.ones(shape), kernel, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_means_of_what_is_too_large_or_not_finite_warn_nobody():
    assert avg_pool2d(np.array([[3e38, 3e38, np.inf, -np.inf]] * 2, np.float32), 2).shape == (1, 2)


@pytest.mark.parametrize("kernel_size", [2, 3, (2, 5)])
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": "same"}, {"stride": (2, 3), "padding": 1}])
def test_maxima_of_batches_need_no_winners(kernel_size, options):
    x = np.random.default_rng(0).normal(size=(2, 9, 11, 3)).astype(np.float32)
    x[0, 4, 4, 1] = np.nan
    window = Window.over(x.shape[1:3], kernel_size, **({"stride": kernel_size} | options))
    expected = max_pool2d(x, kernel_size, **options)
    for memory in (FRESH, Workspace()):
        out = np.empty_like(expected)
        max_pool(x, window, out, memory)
        np.testing.assert_array_equal(out, expected)
