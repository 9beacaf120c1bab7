"""Kernels of filters and chains: they are what the filters are, and their pictures show them."""

from importlib import import_module

import numpy as np
import pytest
from oracles import gray_photograph
from scipy.signal import convolve2d

import cnncli
from cnncli import filter_kernel
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain
from cnncli.filters.kernel_pictures import draw_frequency_response, frequency_response, kernel_picture
from cnncli.filters.kernels import chain_kernels, kernel_shift, kernel_size
from cnncli.filters.named import FILTERS

CHAINS = [
    *(name for name in FILTERS if Chain.of(name).steps[0].operator.kernels),
    "gaussian:1.4 sobel",
    "box:2",
    "box:4 box:2 roberts",
    "box:3x5 motion:7,30",
    "dog:1,2 gabor:5,40 laplacian",
    "vertical horizontal",
]
PHOTOGRAPH = gray_photograph("camera")[:96, :100].astype(np.float64)


@pytest.mark.parametrize("words", CHAINS)
def test_the_kernel_of_a_chain_gives_what_the_chain_gives_away_from_the_border(words):
    chain = Chain.of(words)
    directions = ("vertical", "horizontal") if len(chain_kernels(chain)) == 2 else (None,)
    down, right = kernel_shift(chain)
    for direction in directions:
        kernel = filter_kernel(words, direction=direction)
        assert kernel.shape == kernel_size(chain)
        inner = max(kernel.shape) + 2
        moved = np.roll(cnncli.filter_image(PHOTOGRAPH, kernel), (down, right), (0, 1))
        expected = cnncli.filter_image(PHOTOGRAPH, words, direction=direction)
        inside = (slice(inner, -inner),) * 2
        assert expected[inside].size > 100
        assert np.allclose(moved[inside], expected[inside], atol=1e-9 * np.abs(expected).max())


def test_short_numbers_and_zeros_stay_what_they_are():
    kernel = filter_kernel("gaussian sobel", direction="vertical")
    line = np.array([1, 4, 6, 4, 1])
    expected = convolve2d(np.outer(line, line), [[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    assert np.array_equal(kernel * 256, expected)
    assert (expected[:, 3] == 0).all()


def test_integers_stay_exact():
    kernel = filter_kernel("sharpen vertical horizontal laplacian")
    parts = [filter_kernel(word) for word in ("sharpen", "vertical", "horizontal", "laplacian")]
    expected = parts[0]
    for part in parts[1:]:
        expected = convolve2d(expected, part)
    assert kernel.dtype.kind == "i"
    assert np.array_equal(kernel, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("median:3", "'median:3' is not a kernel"),
        (
            "gaussian:2 median:3 laplacian",
            "'median:3' is not a kernel, so that 'gaussian:2 median:3 laplacian' has none",
        ),
        ("sobel gaussian:2", "'sobel' is a magnitude of two kernels, which is not linear: it must be the last word of"),
        ("sobel", "'sobel' has two kernels: choose direction vertical or horizontal"),
        ("laplacian threshold", "'threshold' is not a kernel"),
    ],
)
def test_what_is_not_one_kernel_is_named(words, message):
    with pytest.raises(ArgumentError) as caught:
        filter_kernel(words)
    assert str(caught.value).startswith(message)


def test_a_kernel_over_channels_is_not_combined():
    with pytest.raises(ArgumentError, match="a kernel over 3 channels"):
        filter_kernel(np.ones((3, 3, 3)))


@pytest.mark.parametrize("name", [name for name, entry in FILTERS.items() if entry.agrees])
def test_the_function_that_agrees_exists(name):
    path = FILTERS[name].agrees.split(",")[0].split(" ")[0]
    module, _, function = path.rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_filters_without_kernels_say_how_they_work():
    for name, entry in FILTERS.items():
        assert bool(entry.how) == (not Chain.of(name).last.operator.kernels), name
        assert entry.how.count("\n") <= 2


@pytest.mark.parametrize("name", ["vertical", "laplacian", "gaussian:3", "gabor:8,30", "log:40"])
def test_a_picture_of_a_kernel_has_a_cell_for_each_weight(name):
    kernel = filter_kernel(name)
    picture = kernel_picture(kernel)
    cell = picture.shape[0] // kernel.shape[0]
    assert picture.shape == (kernel.shape[0] * cell, kernel.shape[1] * cell, 3)
    assert max(picture.shape) >= 320
    cells = picture[::cell, ::cell].astype(int)
    assert np.array_equal(picture, cells.repeat(cell, 0).repeat(cell, 1))
    orange = cells[..., 0] - cells[..., 2]  # more red than blue
    clear = np.abs(kernel) > 0.02 * np.abs(kernel).max()
    assert np.array_equal(np.sign(orange)[clear], np.sign(kernel)[clear])
    assert not cells[kernel == 0].any()


@pytest.mark.parametrize("name", ["vertical", "gaussian:2", "log:3", "gabor:8,30", "sharpen"])
def test_the_response_is_the_factor_by_which_a_wave_is_multiplied(name):
    kernel = filter_kernel(name)
    response = frequency_response(kernel)
    y, x = np.mgrid[:400, :400]
    for down, across in [(0, 0), (0, 32), (16, -16), (-40, 8)]:
        wave = np.cos(2 * np.pi * (down * y + across * x) / 256)
        after = cnncli.filter_image(wave, kernel, padding="valid")[:256, :256]
        strength = np.abs(after).max() if (down, across) == (0, 0) else np.sqrt(2 * (after**2).mean())
        assert response[128 + down, 128 + across] == pytest.approx(strength, abs=1e-6 * response.max())


def test_a_drawn_response_is_light_where_it_is_large():
    pixels = draw_frequency_response(filter_kernel("gaussian:3"), "gaussian:3").pixels().astype(int)
    inside = pixels[68:384, 86:402, 0]
    assert inside[156:160, 156:160].min() > 250
    assert inside[:20].max() < 5
    assert np.abs(inside - inside[::-1, ::-1]).mean() < 2
    flat = draw_frequency_response(np.zeros((3, 3)), "nothing " * 300).pixels()
    assert flat.shape[1] <= 1500
