import numpy as np
import pytest
from animated import outside, window

from cnncli import ArgumentError, explain, filter_image
from cnncli.animations.filtering import animate_filter
from cnncli.animations.frames import LARGEST_SIDE, MOST_CHANNELS, MOST_FRAMES, Kind
from cnncli.choices import PADDING_MODES
from cnncli.filters.chains import Step
from cnncli.filters.named import FILTERS
from cnncli.filters.operators.linear import Linear

GRAY = np.random.default_rng(5).integers(0, 10, (6, 7))
VOLUME = np.random.default_rng(6).integers(0, 10, (5, 6, 3)).astype(np.uint8)
ODD = [[1, 2, -3], [0, 1, 4]]


def check_frames(image, kernel, **options):
    """Check that the frames show what --explain prints at every position, and what the filter gives."""
    shown = animate_filter(image, kernel, **options)
    assert np.array_equal(shown.output, filter_image(image, kernel, **options), equal_nan=True)
    assert [(frame.row, frame.column) for frame in shown.frames] == list(np.ndindex(shown.geometry.output_size))
    for frame in shown.frames:
        explained = explain(image, kernel, frame.column, frame.row, **options)
        assert (frame.value,) == explained.values
        assert frame.steps == explained.steps
        assert frame.sums == tuple(term.sum for term in explained.terms)
        assert len(shown.kernels) == len(explained.terms)
        for own, term, products in zip(shown.kernels, explained.terms, frame.products, strict=True):
            assert own.weights == tuple(map(tuple, term.kernel.tolist()))
            assert window(shown, frame, own.channel) == tuple(term.window.ravel().tolist())
            assert outside(shown, frame) == tuple(term.outside.ravel().tolist())
            assert products == tuple(term.products.ravel().tolist())
    return shown


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize(("padding", "stride", "dilation"), [("same", 1, 1), (2, (2, 1), 1), ((0, 1), 1, 2), (0, 2, 2)])
def test_frames_are_those_of_explain_for_every_padding_stride_and_dilation(mode, padding, stride, dilation):
    options = {"padding": padding, "padding_mode": mode, "stride": stride, "dilation": dilation}
    check_frames(GRAY, ODD, **options)


SMALL = {
    "gaussian": "gaussian:0.5",
    "gradient": "gradient:0.5",
    "log": "log:0.3",
    "dog": "dog:0.3,0.5",
    "gabor": "gabor:3,45,0.5",
    "motion": "motion:3,45",
    "unsharp": "unsharp:0.4,1",
}
"""Filters whose usual kernels are too large, as words with small ones."""
WITH_KERNELS = [name for name in FILTERS if isinstance(Step.parse(name).operator, Linear)]


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_frames_are_those_of_explain_for_every_filter_with_a_kernel(name):
    check_frames(GRAY, SMALL.get(name, name), padding="same", padding_mode="replicate")


@pytest.mark.parametrize("bias", [0, 1.5])
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("flip", [False, True])
def test_frames_go_on_to_the_bias_and_the_activation(bias, activation, flip):
    check_frames(GRAY, ODD, bias=bias, activation=activation, flip=flip)


@pytest.mark.parametrize("kernel", [ODD, np.arange(18).reshape(2, 3, 3) - 9, "sobel"])
def test_a_volume_has_a_plane_and_a_sum_for_each_channel(kernel):
    shown = check_frames(VOLUME, kernel, color="volume", padding=1)
    assert len(shown.planes) == 3
    assert [own.channel for own in shown.kernels] == [0, 1, 2] * (2 if isinstance(kernel, str) else 1)
    if not isinstance(kernel, str):
        assert all(sum(frame.sums) == frame.value for frame in shown.frames)


def test_a_colour_picture_is_shown_in_grey_unless_as_a_volume():
    assert len(check_frames(VOLUME, "vertical").planes) == 1
    assert len(animate_filter(VOLUME, "gaussian:0.5").planes) == 1  # a filter that keeps colours otherwise


def test_the_padding_is_told_from_the_input():
    shown = animate_filter([[1, 2], [3, 4]], [[1]], padding=1, padding_mode="circular")
    assert shown.planes == (((4, 3, 4, 3), (2, 1, 2, 1), (4, 3, 4, 3), (2, 1, 2, 1)),)
    inside = [(y, x) for y, row in enumerate(shown.kinds) for x, kind in enumerate(row) if kind is Kind.INPUT]
    assert inside == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_numbers_that_conv_arithmetic_first_showed_wrong():
    image = [[2, 2, 3, 3, 3], [0, 1, 3, 0, 3], [2, 3, 0, 1, 3], [3, 3, 2, 1, 2], [3, 3, 0, 2, 3]]
    kernel = [[2, 0, 1], [1, 0, 0], [0, 1, 1]]
    shown = check_frames(image, kernel, padding=1, padding_mode="zeros", stride=2)
    assert shown.output == ((1, 5, 6), (7, 8, 3), (3, 10, 4))
    assert shown.title == "3x3 kernel, padding 1 (zeros), stride 2"
    assert shown.formula == (
        "n = 5, f = 3, p = 1, s = 2, d = 1",
        "floor((n + 2p - f)/s + 1) = floor((5 + 2*1 - 3)/2 + 1) = 3",
    )


def test_sizes_that_differ_have_a_formula_each():
    shown = animate_filter(GRAY, ODD, padding="valid")
    assert shown.formula == (
        "height: n = 6, f = 2, p = 0, s = 1, d = 1",
        "floor((n + 2p - f)/s + 1) = floor((6 + 2*0 - 2)/1 + 1) = 5",
        "width: n = 7, f = 3, p = 0, s = 1, d = 1",
        "floor((n + 2p - f)/s + 1) = floor((7 + 2*0 - 3)/1 + 1) = 5",
    )


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((LARGEST_SIDE + 1, 4)), {"padding": 0}, "33x4 cells"),
        (np.zeros((4, LARGEST_SIDE)), {"padding": 1}, "6x34 cells"),
        (np.zeros((21, 20)), {}, f"420 positions, more than the {MOST_FRAMES}"),
        (np.zeros((4, 4, MOST_CHANNELS + 1)), {"color": "volume"}, "9 channels"),
        (np.zeros((4, 4, 3)), {"color": "each"}, "one output"),
    ],
)
def test_what_is_too_large_to_be_watched_is_refused(image, options, words):
    with pytest.raises(ArgumentError, match=words):
        animate_filter(image, "vertical", **options)


@pytest.mark.parametrize("word", ["median:3", "canny", "threshold:3", "gaussian:1 sobel"])
def test_filters_without_one_kernel_are_refused(word):
    with pytest.raises(ArgumentError, match=r"shows one filter|has no kernel"):
        animate_filter(GRAY, word)
