"""Every filter word does what it says: against SciPy and scikit-image, alone and in chains."""

from math import prod

import cv2
import numpy as np
import pytest
import skimage.feature
import skimage.filters
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PHOTOGRAPHS, SCIPY_MODES, gray_photograph, photograph, random_image
from references import GRADIENTS, REFERENCES, parsed, response

from cnncli import FILTERS, edge_picture, filter_image

WORDS = [f"{name}:{text}".rstrip(":") for name, reference in REFERENCES.items() for text in reference.tried]
NUMBERS = [word for word in WORDS if not REFERENCES[parsed(word)[0]].is_binary]
QUICK = [word for word in NUMBERS if "200" not in word]
CANNY = [word for word in WORDS if parsed(word)[0] == "canny"]
KEEPING = [word for word in QUICK if parsed(word)[0] in ("gaussian", "box", "median", "min", "max", "motion")]
"""Words under which a full step stays one."""

WHITE = {"uint8": 255, "uint16": 65535, "float32": 1, "float64": 1}
DTYPES = (*WHITE, "int16", "int64")
SHAPES = ((23, 31), (1, 40), (40, 1), (1, 1), (3, 4))
TOLERANCES = {"float32": (1e-5, 1e-6), "float64": (1e-6, 1e-14)}
"""What a response may be off, as shares of its largest number, and of the largest that the word could give."""

AXES = ((1, 0), (0, 1))
TIES = 1 / 2000
"""The share of Canny's pixels that rounding decides: of two that are equally high on a ridge, or at a threshold."""


def sides_of(word):
    """The sides of the windows of `box` and of ranks."""
    name, arguments = parsed(word)
    return [int(side) for side in arguments] if name in ("box", "median", "min", "max") else []


def computed_in(dtype):
    """The type in which pictures of a type are computed with."""
    dtype = np.dtype(dtype)
    return "float32" if dtype.itemsize <= 2 or dtype == np.float32 else "float64"


def image_of(shape, dtype, seed=0):
    """A random image; integers of 64 bits are so small that sums of them are exact in float64."""
    return random_image(shape, np.int32 if dtype == "int64" else dtype, seed).astype(dtype)


def scene(dtype, name="camera"):
    """A part of a photograph from black to white."""
    pixels = gray_photograph(name)[100:260, 150:330]
    return (pixels * (WHITE[dtype] / 255)).astype(dtype)


def expected(image, chain, mode="reflect"):
    relative, rounding = TOLERANCES[computed_in(image.dtype)]
    return response(image, chain, mode, relative=relative, rounding=rounding)


def check(image, chain, mode="reflect"):
    """Compare a chain that gives numbers with the references."""
    found, step = filter_image(image, chain, padding_mode=mode), expected(image, chain, mode)
    assert found.shape == image.shape
    described = f"{chain} of {image.dtype} {image.shape}, {mode}"
    np.testing.assert_allclose(found, step.response, rtol=0, atol=step.tolerance, err_msg=described)
    return found


def test_every_filter_has_a_reference():
    assert set(FILTERS) == set(REFERENCES), "a filter needs an entry in tests/filters/references.py"


# Words that give numbers.


@pytest.mark.parametrize("word", NUMBERS)
def test_a_word_is_its_reference_in_every_type_and_shape(word):
    for dtype in DTYPES:
        for shape in SHAPES:
            check(image_of(shape, dtype), word)


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("word", NUMBERS)
def test_a_word_is_its_reference_at_every_border(word, mode):
    for shape in SHAPES:
        check(image_of(shape, "float64", seed=1), word, mode)


@pytest.mark.parametrize("word", NUMBERS)
def test_a_word_is_its_reference_on_a_photograph(word):
    for dtype in WHITE:
        check(scene(dtype), word)


@pytest.mark.slow
@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("word", [word for word in NUMBERS if word != "median:31"])  # SciPy takes 10 s
def test_a_word_is_its_reference_on_whole_photographs(word, name):
    check(gray_photograph(name), word)
    check(gray_photograph(name) / 255, word)


@pytest.mark.parametrize("word", [word for word in NUMBERS if REFERENCES[parsed(word)[0]].is_exact])
def test_ranks_are_numbers_of_the_image(word):
    for dtype in DTYPES:
        image = image_of((30, 20), dtype, seed=2)
        assert filter_image(image, word).dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
@pytest.mark.parametrize("word", [word for word in NUMBERS if parsed(word)[0] == "box"])
def test_a_mean_of_integers_is_a_sum_that_is_rounded_once(word, dtype):
    image = image_of((40, 50), dtype, seed=3)
    sides = [int(side) for side in parsed(word)[1]] or [3]
    sides = (sides[0], sides[-1])
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.int64), sides)
    found = filter_image(image, word, padding="valid")
    np.testing.assert_array_max_ulp(found, (windows.sum((2, 3)) / prod(sides)).astype(found.dtype), maxulp=2)


@pytest.mark.parametrize("arguments", ["", *REFERENCES["gradient"].tried])
@pytest.mark.parametrize("name", GRADIENTS)
def test_directions(name, arguments):
    if (arguments == "") == (name == "gradient"):
        return
    word = f"{name}:{arguments}".rstrip(":")
    image = random_image((23, 31), np.float64, seed=4)
    across, down = (GRADIENTS[name](image, "reflect", axis, *parsed(word)[1]) for axis in (1, 0))
    for direction, slope in (("vertical", across), ("horizontal", down)):
        found = filter_image(image, word, direction=direction)
        np.testing.assert_allclose(found, slope, rtol=0, atol=1e-6 * np.abs(slope).max() + 1e-12)
    angle, strong = filter_image(image, word, direction="angle"), np.hypot(across, down) > 1e-3 * np.abs(across).max()
    turns = (angle - np.arctan2(down, across)) / (2 * np.pi)
    assert np.abs(turns - np.rint(turns))[strong].max(initial=0) < 1e-3


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_a_word_means_the_same_with_its_defaults_written_out(dtype):
    image = image_of((31, 42), dtype, seed=6)
    written = {"box": "box:3", "gradient": "gradient:1", "log": "log:1", "dog": "dog:1,1.6", "gabor": "gabor:8,0"}
    written |= {"motion": "motion:9,0", "unsharp": "unsharp:1,1", "canny": "canny:1,10%,20%"}
    written |= {name: f"{name}:3" for name in ("median", "min", "max")} | {"threshold": "threshold:otsu"}
    for bare, full in written.items():
        for options in ({}, {"padding": "valid"} if bare not in ("canny", "threshold") else {}):
            found = filter_image(image, bare, **options)
            tolerance = 1e-6 * max(1, np.abs(found).max())
            np.testing.assert_allclose(filter_image(image, full, **options), found, rtol=0, atol=tolerance)


@pytest.mark.parametrize("stride", [2, (3, 1)])
@pytest.mark.parametrize("word", ["box:3", "box:4", "gaussian:1", "median:3", "median:4", "max:5"])
def test_stride_takes_some_of_the_positions(word, stride):
    image = image_of((36, 48), "float64", seed=7)
    down, across = stride if isinstance(stride, tuple) else (stride, stride)
    dense = filter_image(image, word, padding=3)[::down, ::across]
    np.testing.assert_allclose(filter_image(image, word, padding=3, stride=stride), dense, rtol=1e-12)
    if word == "box:3":
        same = filter_image(image, "box", stride=stride)
        np.testing.assert_allclose(filter_image(image, word, stride=stride), same, rtol=1e-12)


@pytest.mark.parametrize("word", QUICK)
def test_channels_are_filtered_by_themselves(word):
    image = np.ascontiguousarray(photograph("astronaut")[50:90, 60:110])
    found = filter_image(image, word, color="each")
    alone = np.dstack([filter_image(np.ascontiguousarray(image[..., channel]), word) for channel in range(3)])
    assert np.abs(found - alone.astype(np.float64)).max() <= 1e-5 * np.abs(alone).max()


@pytest.mark.parametrize("word", [*QUICK, *CANNY])
def test_an_image_is_never_changed(word):
    for dtype in WHITE:
        image = scene(dtype)[:30, :20]
        before = image.copy()
        filter_image(image, word)
        edge_picture(image, word)
        assert np.array_equal(image, before)


REFLECTED = {"borderType": cv2.BORDER_REFLECT_101}


@pytest.mark.parametrize(
    ("word", "opencv"),
    [
        ("gaussian:2", lambda image: cv2.GaussianBlur(image, (17, 17), 2, **REFLECTED)),
        ("box:4x7", lambda image: cv2.blur(image, (7, 4), **REFLECTED)),
        ("sobel", lambda image: np.hypot(*(cv2.Sobel(image, cv2.CV_64F, *axis, **REFLECTED) for axis in AXES))),
        ("scharr", lambda image: np.hypot(*(cv2.Scharr(image, cv2.CV_64F, *axis, **REFLECTED) for axis in AXES))),
        ("laplacian", lambda image: cv2.Laplacian(image, cv2.CV_64F, **REFLECTED)),
        ("min:3x5", lambda image: cv2.erode(image, np.ones((3, 5), np.uint8), **REFLECTED)),
        ("max:6", lambda image: cv2.dilate(image, np.ones((6, 6), np.uint8), **REFLECTED)),
    ],
)
def test_the_references_are_opencvs_too(word, opencv):
    image = scene("float64")
    np.testing.assert_allclose(expected(image, word).response, opencv(image), rtol=0, atol=1e-9)


@pytest.mark.parametrize("side", [3, 5, 9])
def test_medians_are_opencvs(side):
    image, inside = scene("uint8"), slice(side, -side)  # OpenCV repeats the edge
    assert np.array_equal(
        filter_image(image, f"median:{side}")[inside, inside], cv2.medianBlur(image, side)[inside, inside]
    )


# Words that give black and white.


def white(image, chain, mode="reflect"):
    """Where the response to a chain that gives 0 and 1 is 1."""
    found = filter_image(image, chain, padding_mode=mode)
    assert (found.shape, found.dtype) == (image.shape, np.uint8)
    assert set(np.unique(found)) <= {0, 1}
    return found == 1


@pytest.mark.parametrize("dtype", WHITE)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("word", CANNY)
def test_canny_is_scikit_images(word, name, dtype):
    image = scene(dtype, name)
    edges = expected(image / WHITE[dtype], word).response
    assert np.count_nonzero(white(image, word) != edges) <= TIES * edges.size


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_canny_is_scikit_images_at_every_border(mode):
    # With zeros outside, scikit-image divides by what a window sees.
    image = scene("float64")
    edges = expected(image, "canny:2", mode).response
    assert edges.any()
    assert np.count_nonzero(white(image, "canny:2", mode) != edges) <= TIES * edges.size


@pytest.mark.parametrize("word", CANNY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_canny_finds_nothing_where_nothing_is(word, dtype):
    for shape in SHAPES:
        assert not white(np.full(shape, 7, dtype), word).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_canny_of_integers_is_not_empty(dtype):
    image = scene("uint8").astype(dtype) * (WHITE.get(dtype, 255) / 255)
    assert 0.02 < white(image.astype(dtype), "canny").mean() < 0.5


@pytest.mark.parametrize("dtype", WHITE)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_otsus_threshold_is_scikit_images(name, dtype):
    image = scene(dtype, name)
    assert np.array_equal(white(image, "threshold:otsu"), image > skimage.filters.threshold_otsu(image))


@pytest.mark.parametrize(("dtype", "powers"), [("float32", (-90, 110)), ("float64", (-700, 900))])
def test_otsus_threshold_is_the_same_for_numbers_of_any_size(dtype, powers):
    image = scene(dtype)
    for power in powers:
        assert np.array_equal(white(np.ldexp(image, power), "threshold:otsu"), white(image, "threshold:otsu"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_thresholds_of_random_images(shape, dtype):
    image = image_of(shape, dtype, seed=5)
    for level in (0, 1, 100, float(np.median(image))):
        assert np.array_equal(white(image, f"threshold:{level}"), image >= level)
    if dtype != "int64":  # for which scikit-image counts every integer there is between the least and the greatest
        assert np.array_equal(white(image, "threshold:otsu"), image > skimage.filters.threshold_otsu(image))


@pytest.mark.parametrize("dtype", WHITE)
def test_a_percentage_is_of_a_full_step(dtype):
    image = scene(dtype)
    assert np.array_equal(white(image, "threshold:40%"), image >= 0.4 * WHITE[dtype])
    found = white(image, "sobel threshold:25%")
    step = expected(image, "sobel")
    clear = np.abs(step.response - WHITE[dtype]) > step.tolerance
    assert np.array_equal(found[clear], (step.response >= WHITE[dtype])[clear])


@pytest.mark.parametrize("word", ["sharpen", "unsharp:2,1", "emboss", "gaussian:1", "box:3", "median:3"])
def test_what_keeps_brightness_keeps_what_percentages_are_of(word):
    image = scene("uint8")
    assert np.array_equal(white(image, f"{word} threshold:40%"), filter_image(image, word, color="gray") >= 102)
    expected_edges = filter_image(filter_image(image, word, color="gray"), "canny:1,102,204")
    assert np.array_equal(filter_image(image, f"{word} canny:1,10%,20%", color="gray"), expected_edges)


# Chains.


def chains(words, least=2, most=4):
    return st.lists(st.sampled_from(words), min_size=least, max_size=most).map(" ".join)


images = st.builds(
    image_of,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(DTYPES),
    st.integers(0, 99),
)


@settings(max_examples=100)
@given(images, chains(QUICK), st.sampled_from(list(SCIPY_MODES)))
def test_a_chain_is_its_words_one_after_the_other(image, chain, mode):
    check(image, chain, mode)


LAST_STEP = [
    ("sobel", {"direction": "vertical", "stride": 2, "bias": 3}),
    ("scharr", {"direction": "angle", "padding_mode": "symmetric"}),
    ("prewitt", {"stride": (3, 2), "activation": "tanh"}),
    ("laplacian", {"dilation": 2, "padding": 3, "activation": "relu"}),
    ("gradient:1.4", {"direction": "horizontal", "stride": 3}),
    ("emboss", {"flip": True, "padding": (1, 2, 3, 0), "padding_mode": "circular"}),
    ("box:3x5", {"stride": 2, "bias": 0.5}),
    ("gabor:5,30", {"flip": True, "padding": 1}),
    ("median:3", {}),
    ("threshold:0.25", {}),
    ("canny:0,0.4,0.8", {}),
]
"""Words with the options that speak of the last step."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("word", "options"), LAST_STEP, ids=[word for word, _ in LAST_STEP])
def test_options_of_one_kernel_are_those_of_the_last_step(word, options, dtype):
    image = scene(dtype)
    mode = {name: value for name, value in options.items() if name == "padding_mode"}
    for before in ("gaussian:1.4", "median:4", "motion:5,45", "box:3 unsharp"):
        apart = filter_image(filter_image(image, before, **mode), word, **options)
        found = filter_image(image, f"{before} {word}", **options)
        np.testing.assert_array_equal(found, apart, strict=True, err_msg=before)


SMALL = [
    word
    for word in QUICK
    if "10" not in word and parsed(word)[0] != "roberts" and all(side % 2 for side in sides_of(word))
]
"""Words whose windows are odd, so that they have a middle, and four of which fit into a scene."""


@settings(max_examples=60)
@given(chains(SMALL, 1), st.sampled_from(list(WHITE)))
def test_without_padding_a_chain_gives_what_no_border_reaches(chain, dtype):
    image = scene(dtype)
    step, found = expected(image, chain), filter_image(image, chain, padding="valid")
    rows, columns = ((whole - left) // 2 for whole, left in zip(image.shape, found.shape, strict=True))
    inner = step.response[rows : image.shape[0] - rows, columns : image.shape[1] - columns]
    np.testing.assert_allclose(found, inner, rtol=0, atol=step.tolerance)


@settings(max_examples=30)
@given(chains(QUICK), st.sampled_from(list(WHITE)), st.sampled_from(PHOTOGRAPHS))
def test_a_chain_on_a_photograph(chain, dtype, name):
    check(scene(dtype, name), chain)


@settings(max_examples=30)
@given(chains(KEEPING, 1, 2), st.sampled_from(CANNY))
def test_canny_at_the_end_of_a_chain(chain, word):
    image = scene("float64")  # in float32, the corners of what `max` leaves are ties by the dozen
    edges = expected(image, f"{chain} {word}").response
    assert np.count_nonzero(white(image, f"{chain} {word}") != edges) <= TIES * edges.size


@settings(max_examples=30)
@given(chains(QUICK, 1, 3), st.sampled_from(list(WHITE)), st.floats(0.1, 0.9))
def test_a_threshold_at_the_end_of_a_chain(chain, dtype, share):
    image = scene(dtype)
    step = expected(image, chain)
    level = float(np.quantile(step.response, share))
    found = white(image, f"{chain} threshold:{level!r}")
    clear = np.abs(step.response - level) > step.tolerance
    assert np.array_equal(found[clear], (step.response >= level)[clear])


@settings(max_examples=30)
@given(chains(QUICK, 1, 3), st.sampled_from(list(WHITE)))
def test_otsus_threshold_at_the_end_of_a_chain(chain, dtype):
    step = expected(scene(dtype), chain)
    found = white(scene(dtype), f"{chain} threshold:otsu")
    best = step.response > skimage.filters.threshold_otsu(step.response)
    # Rounding moves numbers from one bin to the next, and the threshold with them: it divides as well as the best.
    if not best.any():
        assert np.ptp(step.response) <= step.tolerance
        return
    assert step.response[found].min() >= step.response[~found].max() - 2 * step.tolerance
    assert _between(step.response, found) >= 0.99 * _between(step.response, best)


def _between(numbers, are_white):
    """The variance between two classes, which Otsu's threshold makes the largest."""
    share = are_white.mean()
    return share * (1 - share) * (numbers[are_white].mean() - numbers[~are_white].mean()) ** 2
