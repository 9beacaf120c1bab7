from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import WITH_KERNELS

from cnncli.choices import SCALES, SIGNED
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain
from cnncli.filters.renderers import NEGATIVE_HUE, POSITIVE_HUE
from cnncli.filters.rendering import Rendering, render
from cnncli.filters.statistics import Statistics, percentile_of

SOBEL_STEPS = [[0, 1020, -1020, 510, -255]]
ORANGE, BLUE = [230, 158, 0], [0, 115, 230]

# Worked out by hand. A response of 1020 = 4 * 255 is a full step; 510 is 127.5 levels, and half goes to even.
UNIT = {
    "abs": [0, 255, 255, 128, 64],
    "clip": [0, 255, 0, 128, 0],
    "offset": [128, 255, 0, 192, 96],
    "diverging": [[0, 0, 0], ORANGE, BLUE, [115, 79, 0], [0, 29, 57]],
    "split": ([0, 255, 0, 128, 0], [0, 0, 255, 0, 64]),
}
NONE = {
    "abs": [0, 1, 255, 255, 3, 2, 4],
    "clip": [0, 1, 255, 255, 0, 2, 4],
    "offset": [128, 129, 255, 255, 125, 130, 132],
    "diverging": [[0, 0, 0], [1, 1, 0], ORANGE, ORANGE, [0, 1, 3], [2, 2, 0], [3, 2, 0]],
    "split": ([0, 1, 255, 255, 0, 2, 4], [0, 0, 0, 0, 3, 0, 0]),
}
AUTO = {
    "abs": [255, 0, 128],
    "clip": [0, 0, 255],
    "offset": [0, 128, 192],
    "diverging": [BLUE, [0, 0, 0], [115, 79, 0]],
    "split": ([0, 0, 255], [255, 0, 0]),
}


def as_lists(picture):
    return tuple(part[0].tolist() for part in picture) if isinstance(picture, tuple) else picture[0].tolist()


@pytest.mark.parametrize("signed", SIGNED)
def test_scale_unit(signed):
    assert as_lists(render(SOBEL_STEPS, filter="sobel", signed=signed)) == UNIT[signed]
    # The same for each image: another number in it changes nothing.
    more = [[*SOBEL_STEPS[0], 4000]]
    found = as_lists(render(more, filter="sobel", signed=signed))
    expected = UNIT[signed]
    without_last = tuple(part[:-1] for part in found) if isinstance(found, tuple) else found[:-1]
    assert without_last == expected


@pytest.mark.parametrize("signed", SIGNED)
def test_scale_none(signed):
    assert as_lists(render([[0, 1, 255, 256, -3, 2.5, 3.5]], scale="none", signed=signed)) == NONE[signed]


@pytest.mark.parametrize("signed", SIGNED)
def test_scale_auto(signed):
    assert as_lists(render([[-4, 0, 2]], scale="auto", signed=signed)) == AUTO[signed]


@pytest.mark.parametrize("signed", SIGNED)
def test_a_factor(signed):
    raw = np.array([[0, 1, 30, -3, 200]])
    half, doubled = render(raw / 2, scale=2, signed=signed), render(raw * 2, scale=0.5, signed=signed)
    expected = render(raw, scale="none", signed=signed)
    assert as_lists(half) == as_lists(doubled) == as_lists(expected)
    assert as_lists(render(-raw, scale=-1, signed=signed)) == as_lists(expected)


# Worked out by hand: 9 r / (1 + 8 r) of a full step, a tenth, a half and a quarter of it, times 255 (127.5 for offset).
SOFT_STEPS = [[0, 1020, -102, 510, -255]]
SOFT = {
    "abs": [0, 255, 128, 230, 191],
    "clip": [0, 255, 0, 230, 0],
    "offset": [128, 255, 64, 243, 32],
    "diverging": [[0, 0, 0], ORANGE, [0, 57, 115], [207, 142, 0], [0, 86, 172]],
    "split": ([0, 255, 0, 230, 0], [0, 0, 128, 0, 191]),
}


@pytest.mark.parametrize("signed", SIGNED)
def test_scale_soft(signed):
    assert as_lists(render(SOFT_STEPS, scale="soft", filter="sobel", signed=signed)) == SOFT[signed]
    assert as_lists(render(np.float32(SOFT_STEPS) / 1020, scale="soft", white=1, signed=signed)) == SOFT[signed]
    # The curve passes through the edge's response, a quarter of the sum of the positive weights for a Laplacian.
    laplacian = render(np.array(SOFT_STEPS) / 4, scale="soft", filter="laplacian", signed=signed)
    assert as_lists(laplacian) == SOFT[signed]


@given(arrays(np.float32, (2, 9), elements=st.floats(-3, 3, width=32)))
def test_soft_keeps_the_order_and_the_ends(response):
    levels = render(response, scale="soft", white=1)
    order = np.argsort(np.abs(response), axis=None, kind="stable")
    assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()
    assert (levels[np.abs(response) >= 1] == 255).all()
    assert (levels[response == 0] == 0).all()


@pytest.mark.parametrize("signed", SIGNED)
def test_percentiles_of_the_magnitudes(signed):
    response = np.array([[*range(-50, 51)]])  # the 90th of 101 percentiles: 91 magnitudes are 45 or less
    assert as_lists(render(response, scale="p90", signed=signed)) == as_lists(
        render(response, scale=255 / 45 / (1 + (signed == "offset")), signed=signed)
    )
    # Where that many are 0, the largest is white.
    mostly = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 2, 4]])
    assert as_lists(render(mostly, scale="p50", signed=signed)) == as_lists(render(mostly, scale="p100", signed=signed))
    assert not np.any(render(np.zeros((2, 2)), scale="p50"))


dtypes = st.sampled_from([np.uint8, np.int16, np.int32, np.float32, np.float64])


@given(
    dtypes.flatmap(lambda dtype: arrays(dtype, st.integers(1, 40))),
    st.integers(1, 4),
    st.floats(0.01, 100, exclude_min=True),
)
def test_a_percentile_is_exact_in_any_bands(numbers, parts, share):
    with np.errstate(invalid="ignore", over="ignore"):
        magnitudes = np.abs(numbers.astype(np.float64))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    expected = np.percentile(magnitudes, share, method="inverted_cdf") if magnitudes.size else 0
    found = percentile_of(lambda: np.array_split(numbers, parts), share, numbers.dtype)
    # A count of 1e-13 above a whole number is one more for the one, and not for the other.
    apart = abs(share * magnitudes.size / 100 - round(share * magnitudes.size / 100)) > 1e-9
    assert found == expected or not apart


def test_auto_stretches_what_has_one_sign_from_its_least_number():
    assert render([[2, 4, 6]], scale="auto").tolist() == [[0, 128, 255]]
    assert render([[2, 4, 6]], scale="auto", signed="clip").tolist() == [[0, 128, 255]]
    positive, negative = render([[-2, -4, -6]], scale="auto", signed="split")
    assert positive.tolist() == [[0, 0, 0]]
    assert negative.tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("signed", SIGNED)
def test_a_constant_response_divides_nothing_by_zero(signed):
    for constant in (0, 7, -7):
        for scale in (*SCALES, 0):
            render(np.full((3, 3), constant), scale=scale, signed=signed)
    assert not render(np.full((3, 3), 7), scale="auto").any()
    assert not render(np.full((3, 3), 7), scale=0).any()


@pytest.mark.parametrize("name", WITH_KERNELS)
@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_full_step_is_exactly_white(name, dtype, white):
    step = Chain.of(name).unit * white
    for sign, signed in ((1, "abs"), (-1, "abs"), (1, "clip"), (1, "split")):
        picture = render([[sign * step, 0, sign * step / 2]], filter=name, signed=signed, white=white, dtype=dtype)
        picture = picture[0] if signed == "split" else picture
        assert picture.dtype == dtype
        *ends, half = picture[0].tolist()
    assert ends == [white, 0]
    rounded = not float(step).is_integer()  # then half of an odd white falls to either side
    assert half in [(white + 1) // 2, white // 2][: 1 + rounded]


@given(arrays(np.float32, (2, 5), elements=st.integers(-1200, 1200).map(lambda n: n / 4)))
def test_raw_numbers_are_rounded_and_saturated_as_opencv_does(response):
    assert np.array_equal(render(response, scale="none"), cv2.convertScaleAbs(response))
    whole = response.astype(np.int16)
    assert np.array_equal(render(whole, scale="none"), cv2.convertScaleAbs(whole))
    assert np.array_equal(render(response, scale=0.5), cv2.convertScaleAbs(response, alpha=0.5))


@given(arrays(np.int64, (1, 6), elements=st.integers(-70_000, 70_000)))
@pytest.mark.parametrize("signed", SIGNED)
def test_properties_of_the_signs(signed, response):
    if not response.any():
        return
    picture = render(response, scale="auto", signed=signed)
    mirrored = render(-response, scale="auto", signed=signed)
    if signed == "split":
        assert as_lists(picture) == as_lists(mirrored[::-1])
    if signed == "offset":
        total = picture.astype(int) + mirrored
        assert ((total >= 255) & (total <= 256)).all()
        assert (picture[response == 0] == 128).all()
    if signed == "diverging":
        assert (picture[response > 0] @ [0, 0, 1] == 0).all()
        assert (picture[response < 0] @ [1, 0, 0] == 0).all()
    if signed == "abs" and response.min() < 0:
        order = np.argsort(np.abs(response[0]), kind="stable")
        assert (np.diff(picture[0][order].astype(int)) >= 0).all()
    if signed == "clip":
        assert (picture[response < 0] == 0).all()


def test_thresholds():
    response = [[0, 63, 64, 65, -64, 300]]
    assert render(response, scale="none", threshold=64).tolist() == [[0, 0, 255, 255, 255, 255]]
    assert render(response, scale="none", threshold="25%").tolist() == [[0, 0, 255, 255, 255, 255]]
    assert render(response, scale="none", threshold=64, signed="clip").tolist() == [[0, 0, 255, 255, 0, 255]]
    assert render(response, scale="none", threshold="0").tolist() == [[255] * 6]
    positive, negative = render(response, scale="none", threshold=64, signed="split")
    assert positive.tolist() == [[0, 0, 255, 255, 0, 255]]
    assert negative.tolist() == [[0, 0, 0, 0, 255, 0]]
    colours = render(response, scale="none", threshold=64, signed="diverging")[0].tolist()
    assert colours == [[0, 0, 0], [0, 0, 0], ORANGE, ORANGE, BLUE, ORANGE]
    # Before rounding: 63.75 is 25 % of 255.
    assert render([[63.7, 63.8]], scale="none", threshold="25%").tolist() == [[0, 255]]
    assert render([[16383, 16384]], scale="none", threshold="25%", white=65535, dtype=np.uint16).tolist() == [
        [0, 65535]
    ]


@pytest.mark.parametrize("text", ["abc", "", "-1", "nan", "inf", "5 %%", "-5%", "1e999"])
def test_a_threshold_that_cannot_be_read(text):
    with pytest.raises(ArgumentError) as caught:
        Rendering(threshold=text)
    assert str(caught.value) == f"threshold must be a level such as 64 or a share of white such as 25%, got {text!r}"


def test_thresholds_are_read():
    assert Rendering(threshold=" 64 ").level(255) == 64
    assert Rendering(threshold=64.5).level(65535) == 64.5
    assert Rendering(threshold="50 %").level(255) == 127.5


def test_the_hues_are_those_of_the_documentation():
    for hue, colour in ((POSITIVE_HUE, ORANGE), (NEGATIVE_HUE, BLUE)):
        assert np.rint(np.multiply(hue, 255)).tolist() == pytest.approx(colour, abs=1)


def test_16_bits_stay_16_bits():
    response = np.array([[0, 4 * 65535, -2 * 65535, 4, 6]])
    picture = render(response, filter="sobel", white=65535, dtype=np.uint16)
    assert picture.dtype == np.uint16
    assert picture.tolist() == [[0, 65535, 32768, 1, 2]]
    assert render(response, filter="sobel", white=65535, dtype=np.uint16, signed="offset").tolist() == [
        [32768, 65535, 16384, 32768, 32769]
    ]


def test_floating_point_images_are_white_at_1():
    assert render([[0, 0.5, 1, 2, -1]], white=1).tolist() == [[0, 128, 255, 255, 255]]
    assert render([[4.0, -2.0]], filter="sobel", white=1, signed="clip").tolist() == [[255, 0]]


@pytest.mark.parametrize("scale", [*SCALES, 0.5])
@pytest.mark.parametrize("signed", SIGNED)
def test_what_is_not_a_number_is_black_and_warns_nobody(scale, signed):
    response = np.array([[np.nan, np.inf, -np.inf, 4, -2]], np.float32)
    picture = render(response, scale=scale, signed=signed)
    parts = picture if signed == "split" else (picture,)
    assert all(not part[0, 0].any() for part in parts)
    if signed in ("abs", "clip"):
        assert picture[0, 1] == 255
    if scale == "auto" and signed == "abs":
        assert picture.tolist() == [[0, 255, 255, 255, 128]]


def test_statistics():
    statistics = Statistics()
    (renderer,) = Rendering("none", "clip").renderers(full_step=1, white=255, dtype=np.uint8)
    renderer(np.array([[0, 255, 256, -256]]), statistics)
    renderer(np.array([[-3, 300, 255.5, np.nan]]), statistics)
    assert (statistics.low, statistics.high, statistics.count) == (-256, 300, 8)
    # 256, -256 and 300 lie beyond the range; 255.5 is white by rounding.
    assert statistics.report()["clipped_fraction"] == 3 / 8
    assert Statistics().report()["clipped_fraction"] == 0


def test_a_band_without_numbers_changes_no_range():
    statistics = Statistics()
    statistics.add(np.full((2, 2), np.nan))
    assert statistics.report() == {"min": None, "max": None, "clipped_fraction": 0}
    statistics.add(np.array([5.0, 7.0, np.inf]))
    assert statistics.report() == {"min": 5, "max": 7, "clipped_fraction": 0}
    assert render(np.full((2, 2), np.nan), scale="auto").tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-44, 1e-40, 1e-30, 1e30, 3e38])
def test_numbers_of_any_size_fill_the_range(dtype, size):
    response = (np.array([[0, 0.25, 0.6, 1]]) * size).astype(dtype)
    expected = np.rint(response.astype(float) / response.max() * 255)
    assert render(response, scale="auto").tolist() == expected.tolist()
    assert render(-response, scale="auto", signed="abs").tolist() == expected.tolist()


def test_colours_make_no_diverging_picture():
    (renderer,) = Rendering(signed="diverging").renderers(full_step=1, white=1, dtype=np.uint8)
    assert renderer.shape((4, 5)) == renderer.shape((4, 5, 1)) == (4, 5, 3)
    with pytest.raises(ArgumentError, match="makes its own colours: use it with color 'gray' or 'volume'"):
        renderer.shape((4, 4, 3))


@pytest.mark.parametrize("signed", SIGNED)
def test_inverted(signed):
    for options in ({}, {"scale": "soft"}, {"scale": "auto"}, {"threshold": 30}, {"dtype": np.uint16, "white": 65535}):
        plain, inverted = (render(SOBEL_STEPS, signed=signed, invert=turned, **options) for turned in (False, True))
        pairs = [(plain, inverted)] if signed != "split" else zip(plain, inverted, strict=True)
        for dark, light in pairs:
            white = np.iinfo(dark.dtype).max
            assert light.dtype == dark.dtype
            if signed != "diverging":
                assert np.array_equal(light, white - dark)
    paper = render([[0, 255, -255]], signed="diverging", invert=True)[0].tolist()
    assert paper == [[255, 255, 255], ORANGE, BLUE]


def test_a_response_is_never_changed():
    response = np.array([[1.5, -2.5]], np.float32)
    before = response.copy()
    for signed, scale in product(SIGNED, ("none", "soft")):
        render(response, signed=signed, scale=scale)
    assert np.array_equal(response, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "full"}, "scale must be soft, unit, none, auto, a percentile such as p99, or a number, got 'full'"),
        ({"scale": np.nan}, "scale must be soft, unit, none, auto, a percentile such as p99, or a number, got nan"),
        ({"scale": np.inf}, "scale must be soft, unit, none, auto, a percentile such as p99, or a number, got inf"),
        ({"scale": [2]}, "scale must be soft, unit, none, auto, a percentile such as p99, or a number, got [2]"),
        *(({"white": white}, f"white must be a number above 0, got {white!r}") for white in (0, -1, np.inf, None, "1")),
        *(({"dtype": dtype}, f"dtype must be uint8 or uint16, got {dtype!r}") for dtype in (float, "int8", None, "x")),
        *(
            ({"response": np.ones(shape)}, f"a response has the shape (H, W) or (H, W, C), got {shape}")
            for shape in ((), (4,), (0, 3), (1, 2, 2, 3))
        ),
        ({"filter": ""}, "a filter is a word, or words in a row"),
        ({"signed": "negative"}, "signed must be one of abs, clip, offset, diverging, split, got 'negative'"),
        ({"filter": "sobell"}, "unknown filter 'sobell'"),
        ({"threshold": "high"}, "threshold must be a level such as 64"),
        ({"response": np.ones((2, 2, 3)), "signed": "diverging"}, "signed 'diverging' makes its own colours"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_asked(options, message):
    with pytest.raises(ArgumentError) as caught:
        render(options.pop("response", [[1, 2]]), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
