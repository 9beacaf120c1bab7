from itertools import product

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PHOTOGRAPHS, WITH_KERNELS, gray_photograph, photograph, random_image
from PIL import Image

from cnncli.choices import CHANNELS, COLORS, DIRECTIONS, SCALES, SIGNED
from cnncli.errors import ArgumentError
from cnncli.filters import bands
from cnncli.filters.bands import ArrayRows
from cnncli.filters.chains import Chain
from cnncli.filters.edges import FilterOptions, edge_picture, filter_image
from cnncli.filters.operators.filtering import ACTIVATIONS, Filtering
from cnncli.filters.pictures import EdgePicture, pictures
from cnncli.filters.rendering import Rendering, render
from cnncli.ops import PADDING_MODES, conv2d
from cnncli.ops.convolution import banded, strips

PAIRS = [name for name, known in WITH_KERNELS.items() if len(known.kernels) == 2]
CHOICES = [
    (name, direction) for name in WITH_KERNELS for direction in ((None, *DIRECTIONS) if name in PAIRS else (None,))
]
RESPONSES = [(name, direction) for name, direction in CHOICES if direction != "angle"]
ZERO_SUM = [name for name, known in WITH_KERNELS.items() if not np.sum(known.kernels[0])]

GRAY = random_image((23, 31), np.uint8)
COLOURED = random_image((19, 22, 3), np.uint8)


def kernels(name):
    return [np.array(kernel) for kernel in WITH_KERNELS[name].kernels]


def is_exact(name):
    """Return whether a filter's sums round the same everywhere: of integers, 1/256 as the Gaussian's, or one weight."""
    return all((kernel * 256 % 1 == 0).all() or np.ptp(kernel) == 0 for kernel in kernels(name))


def agree(name, found, expected):
    """Return whether responses are the same: to the bit, or, of a filter whose sums round, nearly."""
    return np.array_equal(found, expected) if is_exact(name) else np.allclose(found, expected, rtol=1e-5, atol=1e-3)


# Signs and values.


def test_bright_on_the_left_is_positive():
    image = np.array([[10, 10, 10, 0, 0, 0]] * 6)
    for name in ("vertical", *PAIRS):
        direction = "vertical" if name in PAIRS else None
        found = filter_image(image, name, direction=direction, padding="valid")
        assert found.max() > 0
        assert agree(name, found.min(), 0)
        assert agree(name, filter_image(image[:, ::-1], name, direction=direction, padding="valid").max(), 0)
    assert filter_image(image, "vertical", padding="valid").tolist() == [[0, 30, 30, 0]] * 4


def test_bright_above_is_positive():
    image = np.array([[10, 10, 10, 0, 0, 0]] * 6).T
    for name in ("horizontal", *[pair for pair in PAIRS if pair != "roberts"]):
        direction = "horizontal" if name in PAIRS else None
        found = filter_image(image, name, direction=direction, padding="valid")
        assert agree(name, (found.max(), found.min()), (10 * np.clip(kernels(name)[-1], 0, None).sum(), 0))


def test_the_course_s_second_example():
    image = [[10, 10, 10, 0, 0, 0]] * 3 + [[0, 0, 0, 10, 10, 10]] * 3
    expected = [[0, 0, 0, 0], [30, 10, -10, -30], [30, 10, -10, -30], [0, 0, 0, 0]]
    assert filter_image(image, "horizontal", padding="valid").tolist() == expected


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_gradients_of_photographs_are_opencv_s_with_the_other_sign(name):
    gray = gray_photograph(name)
    for filter_name, opencv in (("sobel", cv2.Sobel), ("scharr", cv2.Scharr)):
        g_x, g_y = opencv(gray, cv2.CV_16S, 1, 0), opencv(gray, cv2.CV_16S, 0, 1)
        assert np.array_equal(filter_image(gray, filter_name, direction="vertical"), -g_x)
        assert np.array_equal(filter_image(gray, filter_name, direction="horizontal"), -g_y)
        magnitude = filter_image(gray, filter_name)
        assert magnitude.dtype == np.float32
        assert np.allclose(magnitude, np.hypot(g_x.astype(float), g_y.astype(float)), rtol=1e-6, atol=0)
        angle = filter_image(gray, filter_name, direction="angle")
        assert np.allclose(angle, np.arctan2((-g_y).astype(float), (-g_x).astype(float)), atol=1e-6)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("filter_name", [name for name in WITH_KERNELS if name not in PAIRS])
def test_single_filters_on_photographs_are_opencv_s(name, filter_name):
    gray, (kernel,) = gray_photograph(name), kernels(filter_name)
    exact = kernel.dtype.kind == "i"
    expected = cv2.filter2D(gray, cv2.CV_16S if exact else cv2.CV_32F, kernel.astype(np.float32))
    found = filter_image(gray, filter_name)
    assert found.dtype == (np.int16 if exact else np.float32)
    assert np.array_equal(found, expected) if exact else np.allclose(found, expected, atol=255e-5)


def test_scipy_s_prewitt_and_laplacian():
    gray = gray_photograph("camera").astype(int)
    found = filter_image(gray, "prewitt", direction="vertical", padding_mode="symmetric")
    assert np.array_equal(found, -scipy.ndimage.prewitt(gray, axis=1))
    assert np.array_equal(filter_image(gray, "laplacian", padding_mode="symmetric"), scipy.ndimage.laplace(gray))


def test_roberts_is_the_difference_along_the_diagonals():
    image = GRAY.astype(int)
    falling, rising = image[:-1, :-1] - image[1:, 1:], image[:-1, 1:] - image[1:, :-1]
    assert np.array_equal(filter_image(GRAY, "roberts", direction="vertical", padding="valid"), falling)
    assert np.array_equal(filter_image(GRAY, "roberts", direction="horizontal", padding="valid"), rising)


# Colours.


def test_grey_is_pillow_s():
    image = photograph("astronaut")
    gray = np.array(Image.fromarray(image).convert("L"))
    found, expected = (filter_image(pixels, "sobel", direction="vertical") for pixels in (image, gray))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_each_filters_every_channel_by_itself(name, direction):
    found = filter_image(COLOURED, name, direction=direction, color="each")
    assert found.shape == COLOURED.shape
    for channel in range(3):
        alone = filter_image(COLOURED[..., channel], name, direction=direction)
        if direction == "angle" and not is_exact(name):  # where nothing changes, the angle is that of rounding
            length = filter_image(COLOURED[..., channel], name)
            assert np.allclose(length * np.exp(1j * found[..., channel]), length * np.exp(1j * alone), atol=1e-3)
        else:
            assert agree(name, found[..., channel], alone)


@pytest.mark.parametrize("name", [name for name in WITH_KERNELS if name not in PAIRS])
def test_volume_sums_over_the_channels(name):
    parts = filter_image(COLOURED, name, color="each").astype(float)
    found = filter_image(COLOURED, name, color="volume")
    assert found.shape == COLOURED.shape[:2]
    assert np.allclose(found, parts.sum(axis=2), rtol=1e-5, atol=1e-3)
    for number, channel in enumerate(CHANNELS):
        alone = filter_image(COLOURED, name, color="volume", on=channel)
        assert np.allclose(alone, parts[..., number], rtol=1e-5, atol=1e-3)


def test_the_length_of_a_gradient_over_a_volume():
    g_x, g_y = (filter_image(COLOURED, "sobel", direction=d, color="volume").astype(float) for d in DIRECTIONS[:2])
    assert np.allclose(filter_image(COLOURED, "sobel", color="volume"), np.hypot(g_x, g_y), rtol=1e-6)
    large = filter_image(COLOURED, "scharr", color="volume", padding="valid")
    exact = (filter_image(COLOURED, "scharr", direction=d, color="volume", padding="valid") for d in DIRECTIONS[:2])
    squares = sum(part.astype(np.int64) ** 2 for part in exact)
    assert squares.max() > 2**24  # in float32, such squares round
    assert np.array_equal(large, np.sqrt(squares).astype(np.float32))
    found = filter_image(COLOURED, "sobel", direction="angle", color="volume")
    assert np.allclose(found, np.arctan2(g_y, g_x), atol=1e-6)


def test_a_kernel_over_a_volume_of_its_own():
    kernel = np.random.default_rng(0).integers(-5, 6, (3, 3, 3))
    found = filter_image(COLOURED, kernel, color="volume", padding="valid")
    assert np.array_equal(found, conv2d(COLOURED, kernel)[..., 0])
    step = np.zeros((6, 6, 3), np.uint8)
    step[:, :3] = 255
    weights = np.array(WITH_KERNELS["vertical"].kernels[0])[:, :, None] * [1, 2, 3]
    assert edge_picture(step, weights, color="volume", padding="valid").tolist() == [[0, 255, 255, 0]] * 4
    # One channel's step is a sixth of a step in all, weighted.
    step[..., 1:] = 0
    unit = edge_picture(step, weights, color="volume", padding="valid", scale="unit")
    assert unit[0].tolist() == [0, 42, 42, 0]
    soft = edge_picture(step, weights, color="volume", padding="valid")
    assert soft[0].tolist() == [0, 164, 164, 0]  # 255 * 9 / 6 / (1 + 8 / 6)
    assert edge_picture(step, "vertical", color="volume", on="red", padding="valid")[0].tolist() == [0, 255, 255, 0]


# Options.


@pytest.mark.parametrize(("name", "direction"), RESPONSES)
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_options_are_those_of_conv2d(name, direction, mode):
    options = {"padding_mode": mode, "padding": (2, 1, 3, 2), "stride": (2, 3), "dilation": (2, 1)}
    found = filter_image(GRAY, name, direction=direction, **options)
    weights = [kernel.astype("f4") if kernel.dtype.kind == "f" else kernel for kernel in kernels(name)]
    parts = [conv2d(GRAY, weight, **options) for weight in weights]
    wanted = parts[direction == "horizontal"] if direction in ("vertical", "horizontal") else parts[0]
    if len(parts) == 2 and direction in (None, "magnitude"):
        assert np.allclose(
            found, np.hypot(*(part.astype(float) for part in parts)), rtol=1e-6 if is_exact(name) else 1e-5
        )
    else:
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_flip_turns_the_kernels(name, direction):
    found = filter_image(GRAY, name, direction=direction, flip=True, padding="valid")
    turned = GRAY[::-1, ::-1]
    if name in PAIRS and direction in (None, "magnitude"):
        assert np.array_equal(found, filter_image(GRAY, name, padding="valid"))
    else:
        expected = filter_image(turned, name, direction=direction, padding="valid")[::-1, ::-1]
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("name", "direction"), [("vertical", None), ("sobel", None), ("gaussian", None)])
def test_bias_and_activation_follow_the_response(name, direction, activation):
    plain = filter_image(GRAY, name, direction=direction)
    for bias in (-40, 0.5):
        biased = filter_image(GRAY, name, direction=direction, bias=bias)
        assert np.allclose(biased, plain.astype(float) + bias, rtol=1e-6, atol=1e-4)
        assert (biased.dtype.kind == "i") == (plain.dtype.kind == "i" and bias == -40)
        found = filter_image(GRAY, name, direction=direction, bias=bias, activation=activation)
        assert np.array_equal(found, ACTIVATIONS[activation](biased))


def test_a_bias_does_not_wrap_around():
    image = np.full((5, 5), 255, np.uint8)
    assert np.all(filter_image(image, [[100]], bias=30_000) == 55_500)
    assert np.all(filter_image(image, [[100]], bias=2**40) == 2**40 + 25_500)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"])
def test_integers_are_exact(dtype):
    image = random_image((9, 10), dtype) // (2**14 if dtype == "int64" else 1)
    expected = scipy.ndimage.correlate(image.astype(np.int64), kernels("sobel")[0], mode="mirror")
    found = filter_image(image, "sobel", direction="vertical")
    assert found.dtype.kind == "i"
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("name", "direction"), CHOICES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floating_point_keeps_its_type(name, direction, dtype):
    found = filter_image(random_image((9, 10), dtype), name, direction=direction)
    assert found.dtype == ("float64" if dtype == "float64" else "float32")


def test_the_announced_shape_and_type_are_those_of_the_response():
    for (name, direction), color, stride in product(CHOICES, COLORS, (1, 2)):
        for image in (GRAY, COLOURED, COLOURED.astype(np.uint16), COLOURED.astype(np.float32)):
            response = Chain.of(name, direction).over(ArrayRows(image), Filtering(stride=stride, color=color))
            found = response.rows(0, response.shape[0])
            assert (found.shape, found.dtype) == (response.shape, response.dtype)


# Pictures.


DEPTHS = [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]


@pytest.mark.parametrize("name", ZERO_SUM)
@pytest.mark.parametrize(("dtype", "white"), DEPTHS)
def test_a_full_step_is_full_white(name, dtype, white):
    top = 65535 if dtype == np.uint16 else 255
    # The largest answer of all: white under the positive weights, black under the negative ones.
    kernel = np.array(WITH_KERNELS[name].kernels[0])
    image = np.where(kernel > 0, white, 0).astype(dtype)
    direction = "vertical" if name in PAIRS else None
    picture = edge_picture(image, name, direction=direction, scale="unit", padding="valid")
    assert picture.dtype == (np.uint16 if dtype == np.uint16 else np.uint8)
    assert picture.tolist() == [[top]]
    half = edge_picture((image / 2).astype(dtype), name, direction=direction, scale="unit", padding="valid")
    assert abs(int(half.max()) - top / 2) <= 1


# Words whose pictures are soft, with operators of every kind: pairs, single kernels, floats, chains, a turned wave.
SOFT = [
    *ZERO_SUM,
    *("gradient:2", "log", "dog:1,2", "gabor:8,0", "gaussian:1.4 sobel", "sobel gaussian:2", "gaussian:3 laplacian"),
]


@pytest.mark.parametrize("word", SOFT)
@pytest.mark.parametrize(("dtype", "white"), DEPTHS)
def test_by_default_an_edge_is_white_and_a_tenth_of_it_mid_grey(word, dtype, white):
    top = 65535 if dtype == np.uint16 else 255
    step = np.zeros((60, 60))
    step[:, :30] = white
    for share, expected in ((1, top), (0.1, top / 2), (0.02, top * 0.18 / 1.16)):
        image = step * share
        level = max(int(edge_picture(x.astype(dtype), word).max()) for x in (image, image.T))
        # The steps of integers are rounded: by half a level of the image, and the curve is 9 times as steep.
        assert abs(level - expected) <= (1 if dtype == np.float32 else 0.5 * 9 + 1)


@pytest.mark.parametrize("word", SOFT)
def test_soft_is_the_same_function_for_every_picture_and_can_be_undone(word):
    image = random_image((30, 31), np.float64)
    response = filter_image(image, word)
    shares = response / Chain.of(word).edge()
    expected = np.clip(9 * shares / (1 + 8 * np.abs(shares)), -1, 1)
    shown = {name: edge_picture(image, word, signed=name).astype(float) for name in ("abs", "clip", "offset")}
    assert np.abs(shown["abs"] - 255 * np.abs(expected)).max() <= 0.5001
    assert np.abs(shown["clip"] - 255 * np.maximum(expected, 0)).max() <= 0.5001
    assert np.abs(shown["offset"] - (128 + 127.5 * expected).clip(0, 255)).max() <= 0.5001
    inside = shown["abs"] < 255
    least, most = (level / (9 * 255 - 8 * level) for level in (shown["abs"] - 0.501, shown["abs"] + 0.501))
    assert ((least <= np.abs(shares)) & (np.abs(shares) <= most))[inside].all()


def test_blurs_keep_unit_and_a_kernel_is_rendered_by_its_sum():
    assert np.array_equal(edge_picture(GRAY, "gaussian:2"), edge_picture(GRAY, "gaussian:2", scale="unit"))
    sobel = WITH_KERNELS["sobel"].kernels[0]
    assert np.array_equal(edge_picture(GRAY, sobel), edge_picture(GRAY, "sobel", direction="vertical"))
    blur = np.full((3, 3), 1 / 9)
    assert np.array_equal(edge_picture(GRAY, blur), edge_picture(GRAY, blur, scale="unit"))
    huge = np.array([[1e308, 1e308, -1e308, -1e308]])
    assert Chain.of(huge).scale == "soft"
    assert Chain.of(np.abs(huge)).scale == "unit"


def test_a_threshold_is_one_of_the_unit_scale_unless_a_scale_is_given():
    image = gray_photograph("camera")
    for threshold in ("25%", 64, "5%"):
        found = edge_picture(image, "sobel", threshold=threshold)
        assert np.array_equal(found, edge_picture(image, "sobel", scale="unit", threshold=threshold))
    share = np.abs(filter_image(image, "sobel")) / (4 * 255)
    assert np.array_equal(edge_picture(image, "sobel", threshold="25%") > 0, share >= 0.25)
    soft = edge_picture(image, "sobel", scale="soft", threshold="50%")
    assert np.array_equal(soft > 0, edge_picture(image, "sobel") >= 128)


def test_the_numbers_of_a_layer_stay_in_proportion():
    for options in ({"bias": 100}, {"activation": "tanh"}, {"activation": "sigmoid"}):
        assert_same(edge_picture(GRAY, "sobel", **options), edge_picture(GRAY, "sobel", scale="unit", **options))
    relu = edge_picture(GRAY, "vertical", activation="relu")
    assert np.array_equal(relu, edge_picture(GRAY, "vertical", signed="clip"))


OPTIONS = [
    {},
    {"stride": 2, "padding": (3, 0, 1, 2), "padding_mode": "circular"},
    {"dilation": (2, 1), "padding": 1, "padding_mode": "zeros", "flip": True},
    {"padding_mode": "symmetric", "bias": -30.5},
    {"bias": 12, "activation": "relu", "padding": "valid"},
]
THRESHOLDS = (None, 64, "25%")


def expected_picture(image, name, direction, rendering, options):
    white = {"u1": 255, "u2": 65535}.get(image.dtype.str[1:], 1)
    return render(
        filter_image(image, name, direction=direction, **options),
        filter=name,
        white=white,
        dtype=np.uint16 if image.dtype == np.uint16 else np.uint8,
        **rendering,
    )


def assert_same(found, expected):
    found, expected = (parts if isinstance(parts, tuple) else (parts,) for parts in (found, expected))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize(("name", "direction"), RESPONSES)
def test_a_picture_is_the_rendered_response_whatever_the_bands(name, direction, color, monkeypatch):
    image = COLOURED[:11, :13]
    cases = []
    for scale, signed in product((*SCALES, 0.5), SIGNED):
        # By its unit or edge a volume is measured over all channels, which a name alone cannot say.
        if (color == "volume" and scale in ("soft", "unit")) or (color == "each" and signed == "diverging"):
            continue
        if name == "roberts" and direction != "magnitude" and scale == "soft":
            continue  # across an edge, one diagonal changes by as much as both, but the magnitude by more
        number = len(cases)
        rendering = {"scale": scale, "signed": signed, "threshold": THRESHOLDS[number % 3]}
        cases.append((rendering, {"color": color, **OPTIONS[number % len(OPTIONS)]}))
    for rendering, options in cases:
        expected = expected_picture(image, name, direction, rendering, options)
        assert_same(edge_picture(image, name, direction=direction, **rendering, **options), expected)
    monkeypatch.setattr(bands, "BAND_PIXELS", 50)
    monkeypatch.setattr(strips, "STRIP_BYTES", 300)
    monkeypatch.setattr(banded, "STRIP_BYTES", 300)
    for rendering, options in cases:
        expected = expected_picture(image, name, direction, rendering, options)
        assert_same(edge_picture(image, name, direction=direction, **rendering, **options), expected)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
@pytest.mark.parametrize("signed", SIGNED)
def test_so_it_is_for_deep_images(dtype, signed, monkeypatch):
    image = random_image((20, 18), dtype)
    for scale, name in product(SCALES, ("vertical", "sobel", "gaussian", "emboss")):
        rendering = {"scale": scale, "signed": signed}
        expected = expected_picture(image, name, None, rendering, {})
        with monkeypatch.context() as small:
            small.setattr(bands, "BAND_PIXELS", 40)
            small.setattr(strips, "STRIP_BYTES", 200)
            assert_same(edge_picture(image, name, **rendering), expected)


@pytest.mark.parametrize(("name", "direction"), RESPONSES)
def test_a_photograph_in_bands_is_the_photograph(name, direction, monkeypatch):
    image = gray_photograph("camera")
    monkeypatch.setattr(banded, "STRIP_BYTES", 30_000)
    expected = edge_picture(image, name, direction=direction)
    monkeypatch.setattr(bands, "BAND_PIXELS", 20_000)
    chain = Chain.of(name, direction)
    (picture,) = pictures(chain.over(ArrayRows(image)), chain, Filtering())
    assert len(bands.band_edges(picture.shape, picture.rows_together)) > 10
    assert np.array_equal(bands.whole(picture), expected)


@pytest.mark.parametrize(
    "options", [{"scale": "p99"}, {"invert": True}, {"direction": "angle"}, {"signed": "diverging", "invert": True}]
)
@pytest.mark.parametrize("word", ["sobel", "gradient:2", "gaussian:1.4 scharr"])
def test_so_is_one_whose_scale_hues_or_ground_are_others(word, options, monkeypatch):
    image = gray_photograph("camera")
    expected = edge_picture(image, word, **options)
    monkeypatch.setattr(bands, "BAND_PIXELS", 20_000)
    assert np.array_equal(edge_picture(image, word, **options), expected)
    options = {name: value for name, value in options.items() if name != "direction"}
    chain = Chain.of(word, "angle" if expected.ndim == 3 and not options else None)
    (picture,) = pictures(chain.over(ArrayRows(image)), chain, Filtering(), Rendering(**options))
    assert len(bands.band_edges(picture.shape, picture.rows_together)) > 1
    assert np.array_equal(bands.whole(picture), expected)


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_the_filter_s_own_way_is_the_default(name):
    known = WITH_KERNELS[name]
    assert_same(edge_picture(GRAY, name), edge_picture(GRAY, name, scale=known.look.scale, signed=known.look.signed))


def turned_steps():
    """Return steps that are bright on the left, above, on the right and below."""
    image = np.zeros((5, 5), np.uint8)
    image[:, :2] = 255
    return image, image.T, image[:, ::-1], image[:, ::-1].T


# Red, yellow-green, cyan and violet: a quarter of a turn of the hue from one to the next.
HUES = [[255, 0, 0], [128, 255, 0], [0, 255, 255], [128, 0, 255]]


def test_angles_are_hues_and_magnitudes_their_brightness():
    for image, hue in zip(turned_steps(), HUES, strict=True):
        picture = edge_picture(image, "sobel", direction="angle")
        assert picture.dtype == np.uint8
        assert np.abs(picture[2, 2].astype(int) - hue).max() <= 1
        assert picture[0, 4].tolist() == [0, 0, 0]  # nothing changes, so that no direction is shown
        faint = edge_picture(image // 10, "sobel", direction="angle")[2, 2]
        assert np.abs(faint - np.array(hue) / 2).max() <= 2
        deep = edge_picture(image.astype(np.uint16) * 257, "sobel", direction="angle")
        assert deep.dtype == np.uint16
        assert np.abs(deep[2, 2] / 257 - hue).max() <= 1
        paper = edge_picture(image, "sobel", direction="angle", invert=True)
        assert paper[0, 4].tolist() == [255, 255, 255]
        assert np.abs(paper[2, 2].astype(int) - hue).max() <= 1
        strong = edge_picture(image // 10, "sobel", direction="angle", threshold="9%")
        assert np.abs(strong[2, 2].astype(int) - hue).max() <= 1
        assert not edge_picture(image // 10, "sobel", direction="angle", threshold="11%").any()


def test_the_brightness_of_angles_is_the_picture_of_the_magnitudes():
    for options in ({}, {"scale": "unit"}, {"color": "volume"}, {"stride": 2}):
        picture = edge_picture(COLOURED, "scharr", direction="angle", **options)
        brightness = edge_picture(COLOURED, "scharr", direction="magnitude", **options)
        assert np.array_equal(picture.max(axis=2), brightness)
    with pytest.raises(ArgumentError, match="direction 'angle' makes its own colours: use it with color 'gray'"):
        edge_picture(COLOURED, "sobel", direction="angle", color="each")


def test_angles_go_once_around_the_greys_with_an_offset():
    # Bright on the left is the angle 0, mid-grey; bright above a quarter of a turn; bright on the right half a turn.
    for turned, level in zip(turned_steps(), (127.5, 127.5 + 63.75, 255, 63.75), strict=True):
        found = edge_picture(turned, "sobel", direction="angle", signed="offset")
        assert abs(int(found[2, 2]) - level) <= 1
    deep = edge_picture(turned_steps()[0].astype(np.uint16), "sobel", direction="angle", signed="offset")
    assert deep.dtype == np.uint16


def test_a_single_channel_may_have_its_own_colours():
    for name in ("vertical", "sobel"):
        expected = edge_picture(GRAY, name, signed="diverging")
        assert expected.shape == (*GRAY.shape, 3)
        for color in ("each", "gray"):
            assert np.array_equal(edge_picture(GRAY[:, :, None], name, signed="diverging", color=color), expected)


def test_bounded_activations_are_white_at_1():
    image = np.array([[255, 255, 255, 0, 0, 0]] * 6, np.uint8)
    assert edge_picture(image, "vertical", activation="tanh", padding="valid").tolist() == [[0, 255, 255, 0]] * 4
    assert edge_picture(image, "vertical", activation="sigmoid", padding="valid")[0].tolist() == [128, 255, 255, 128]


@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_rows_may_be_asked_for_in_any_order(name, direction):
    chain = Chain.of(name, direction)
    filtering = Filtering(stride=2, padding=(1, 4, 2, 0))
    response = chain.over(ArrayRows(GRAY), filtering)
    height, whole = response.shape[0], response.rows(0, response.shape[0])
    for start, stop in ((3, 7), (0, 1), (height - 1, height), (1, height)):
        assert np.array_equal(response.rows(start, stop), whole[start:stop])
    (picture,) = pictures(response, chain, filtering)
    assert isinstance(picture, EdgePicture)
    assert np.array_equal(picture.rows(2, 5), picture.rows(0, height)[2:5])


# Properties.

random_pictures = st.integers(0, 500).map(lambda seed: random_image((8, 9), np.uint8, seed))


@pytest.mark.parametrize("name", ZERO_SUM)
@pytest.mark.parametrize("mode", [mode for mode in PADDING_MODES if mode != "zeros"])
def test_a_constant_image_has_no_edges(name, mode):
    for dtype in (np.uint8, np.uint16, np.float32):
        image = np.full((6, 7), 200, dtype)
        assert not filter_image(image, name, padding_mode=mode).any()
        assert not edge_picture(image, name, padding_mode=mode).any()


@given(image=random_pictures)
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "roberts"])
def test_mirroring_changes_one_sign(name, image):
    vertical, horizontal = (filter_image(image, name, direction=direction) for direction in DIRECTIONS[:2])
    assert agree(name, filter_image(image[:, ::-1], name, direction="vertical"), -vertical[:, ::-1])
    assert agree(name, filter_image(image[:, ::-1], name, direction="horizontal"), horizontal[:, ::-1])
    assert agree(name, filter_image(image.T, name, direction="vertical"), horizontal.T)
    assert agree(name, filter_image(image[::-1], name), filter_image(image, name)[::-1])


@settings(max_examples=25)  # of each filter and direction
@given(image=random_pictures, shift=st.tuples(st.integers(0, 8), st.integers(0, 8)))
@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_moving_the_image_moves_the_response(name, direction, image, shift):
    found = filter_image(np.roll(image, shift, (0, 1)), name, direction=direction, padding_mode="circular")
    expected = np.roll(filter_image(image, name, direction=direction, padding_mode="circular"), shift, (0, 1))
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)


@given(image=random_pictures)
@pytest.mark.parametrize("name", ZERO_SUM)
def test_a_negative_has_the_same_edges(name, image):
    negative = 255 - image
    assert np.array_equal(edge_picture(negative, name, signed="abs"), edge_picture(image, name, signed="abs"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_what_is_not_finite_stays_local_and_warns_nobody(name, direction, bad):
    image = random_image((20, 21), np.float32)
    spoilt = image.copy()
    spoilt[10, 10] = bad
    far = np.ones(image.shape, bool)
    far[8:13, 8:13] = False
    found, clean = (filter_image(x, name, direction=direction) for x in (spoilt, image))
    assert np.allclose(found[far], clean[far], rtol=1e-4, atol=1e-5)
    picture = edge_picture(spoilt, name, direction=direction, scale="auto")
    assert picture.shape == (image.shape if direction != "angle" else (*image.shape, 3))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (2, 2)], ids=str)
@pytest.mark.parametrize(("name", "direction"), CHOICES)
def test_tiny_images(name, direction, shape):
    image = random_image(shape)
    for mode in PADDING_MODES:
        assert filter_image(image, name, direction=direction, padding_mode=mode).shape == shape
        picture = edge_picture(image, name, direction=direction, padding_mode=mode)
        assert picture.shape == (shape if direction != "angle" else (*shape, 3))


def test_the_image_is_never_changed():
    for image in (GRAY, COLOURED, COLOURED.astype(np.float32)):
        before = image.copy()
        for name, color in product(WITH_KERNELS, COLORS):
            filter_image(image, name, color=color)
            edge_picture(image, name, color=color)
        assert np.array_equal(image, before)


# Errors.


@pytest.mark.parametrize(
    ("filter_name", "options", "message"),
    [
        ("sobell", {}, "unknown filter 'sobell': did you mean sobel?"),
        ("sobel", {"direction": "up"}, "unknown direction 'up': the directions are vertical, horizontal, magnitude"),
        ("box", {"direction": "vertical"}, "direction 'vertical' needs a filter that has directions (sobel, scharr"),
        ([[1, 0]], {"direction": "vertical"}, "direction 'vertical' needs a filter that has directions"),
        ([1, 0], {}, "a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got int64 (2,)"),
        ([[]], {}, "a kernel has the shape"),
        (np.zeros((0, 3)), {}, "a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got float64 (0, 3)"),
        ([[1, 2], [3]], {}, "a kernel is made of rows of equal length"),
        *(
            (words, {}, "a filter is words in one string, such as 'gaussian:2 sobel', or a kernel of numbers, got")
            for words in (None, ["gaussian:2", "sobel"], [["a"]], b"sobel", {})
        ),
        ([[np.nan]], {}, "a kernel must hold finite numbers only"),
        (np.ones((2, 2, 3)), {"color": "gray"}, "a kernel of (2, 2, 3) covers a volume: use it with color 'volume'"),
        (np.ones((2, 2, 4)), {"color": "volume"}, "the kernel covers 4 channels, the image has 3"),
        ("sobel", {"color": "sepia"}, "color must be one of gray, each, volume, got 'sepia'"),
        ("sobel", {"on": "red", "color": "gray"}, "on 'red' keeps one channel of color 'volume', got color 'gray'"),
        ("sobel", {"on": "pink", "color": "volume"}, "on must be one of red, green, blue, got 'pink'"),
        (
            "sobel",
            {"padding_mode": "wrap"},
            "padding_mode must be one of zeros, reflect, replicate, circular, symmetric",
        ),
        ("sobel", {"activation": "step"}, "activation must be one of relu, tanh, sigmoid, got 'step'"),
        *(
            ("sobel", {"bias": bias}, f"bias must be a finite number, got {bias!r}")
            for bias in ("1", None, [1], 1j, np.nan, np.inf)
        ),
        ("sobel", {"stride": 0}, "stride must be a positive integer, got 0"),
        ("sobel", {"padding": "full"}, "padding must be 'valid', 'same'"),
        (np.ones((40, 40)), {"padding": "valid"}, "a window of 40 pixels does not fit into 19 pixels"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_asked(filter_name, options, message):
    for function in (filter_image, edge_picture):
        with pytest.raises(ArgumentError) as caught:
            function(COLOURED, filter_name, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_image_has_two_or_three_dimensions():
    for shape in ((4,), (1, 4, 4, 1)):
        with pytest.raises(ArgumentError, match="an image has the shape"):
            filter_image(np.ones(shape), "sobel")
    for shape in ((0, 4), (4, 0), (4, 4, 0)):
        with pytest.raises(ArgumentError, match="an image has at least one pixel, got the shape"):
            filter_image(np.ones(shape), "sobel")
    with pytest.raises(ArgumentError, match="on 'blue' needs a colour image, this one has 1 channel"):
        filter_image(GRAY, "vertical", color="volume", on="blue")


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int32", "int64"])
def test_the_luma_of_large_numbers_does_not_wrap(dtype):
    level = min(10**6, np.iinfo(dtype).max)
    assert filter_image(np.full((5, 5, 3), level, dtype), [[1]]).max() == level


def test_luma_beyond_64_bits_is_refused():
    with pytest.raises(ArgumentError, match="exceeds 64 bits"):
        filter_image(np.full((5, 5, 3), 10**15, np.int64), [[1]])


def test_true_is_white():
    mask = np.zeros((6, 6), bool)
    mask[:, :3] = True
    assert edge_picture(mask, "vertical").max() == 255


def test_a_bias_beyond_the_type_is_infinity_without_a_warning():
    image = np.full((3, 3), 1e308)
    assert np.isposinf(filter_image(image, [[1.0]], bias=1e308)).all()


def test_the_keyword_arguments_are_the_fields_of_filtering():
    assert tuple(FilterOptions.__annotations__) == Filtering.fields
    for name, default in Filtering.defaults.items():
        shown = f'"{default}"' if isinstance(default, str) else default
        assert f"{name} ({shown}): " in filter_image.__doc__
