from itertools import pairwise

import numpy as np
import pytest
import scipy.ndimage
import skimage.feature
import skimage.filters
from oracles import PHOTOGRAPHS, gray_photograph, random_image

from cnncli.errors import ArgumentError
from cnncli.ops import canny as detector
from cnncli.ops.canny import HALO, NONE, STRONG, WEAK, connected, thin
from cnncli.ops.convolution.lines import gaussian_line
from cnncli.ops.convolution.separable import Separable, correlate_separable

# The picture's scale is 0 to 1, so that these are 2.5, 5, 10 and 20 percent of a full step.
THRESHOLDS = (0.1, 0.2, 0.4, 0.8)


def smooth(shape, seed=0, sigma=1.5):
    """Blobs from 0 to 1 with edges of every direction and strength."""
    image = skimage.filters.gaussian(np.random.default_rng(seed).random(shape), sigma)
    return (image - image.min()) / np.ptp(image)


def canny(image, sigma, low, high):
    """Edges of an image that a Gaussian smooths first."""
    line = gaussian_line(sigma)
    smoothed = correlate_separable(image, Separable.of((line, line)), padding="same", padding_mode="reflect")
    return connected(thin(smoothed, low, high))


def scikit_image(image, sigma, low, high):
    """Edges of scikit-image, whose `mirror` is our `reflect`."""
    return skimage.feature.canny(image, sigma, low, high, mode="mirror")


# Both compute the same in floating point, but add in another order: where two neighbours on a ridge are equally high,
# or a magnitude equals a threshold, the last bit decides.
def assert_same_edges(found, expected, allowed=1 / 2000):
    assert expected.any()
    assert np.count_nonzero(found != expected) <= allowed * expected.size


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [0.6, 1, 2.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_photographs_equal_scikit_image(name, sigma, dtype):
    image = (gray_photograph(name)[:300, :400] / 255).astype(dtype)
    for low, high in pairwise(THRESHOLDS):
        expected = scikit_image(image, sigma, low, high)
        if expected.any():
            assert_same_edges(canny(image, sigma, low, high), expected)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_float64_without_smoothing_equals_scikit_image_where_much_is_equally_high(name):
    image = gray_photograph(name) / 255
    expected = scikit_image(image, 0.1, 0.04, 0.12)
    assert expected.any()
    assert np.array_equal(canny(image, 0.1, 0.04, 0.12), expected)


@pytest.mark.parametrize("shape", [(3, 3), (3, 90), (90, 3), (4, 5), (64, 50), (130, 97)])
def test_random_pictures_equal_scikit_image(shape):
    compared = 0
    for seed in range(20):
        image = smooth(shape, seed)
        expected = scikit_image(image, 1, 0.2, 0.4)
        compared += expected.any()
        assert np.array_equal(canny(image, 1, 0.2, 0.4), expected)
    assert compared


@pytest.mark.parametrize("low", [0.0, 0.3])
def test_noise_equals_scikit_image(low):
    image = np.random.default_rng(3).random((200, 200))
    assert_same_edges(canny(image, 0.5, low, 0.6), scikit_image(image, 0.5, low, 0.6))


def test_thresholds_are_those_of_the_pixels_of_every_type():
    photograph = gray_photograph("camera")
    expected = canny(photograph / 255, 1, 0.4, 0.8)
    assert expected.any()
    for factor, dtype in ((1, np.uint8), (257, np.uint16), (257, np.int32), (1, np.float32)):
        image = photograph.astype(dtype) * dtype(factor)
        assert np.count_nonzero(canny(image, 1, 0.4 * 255 * factor, 0.8 * 255 * factor) != expected) <= 100


def test_a_step_in_every_direction_is_a_line():
    y, x = np.mgrid[-32:32, -32:32] + 0.25
    for degrees in range(0, 360, 15):
        radians = np.deg2rad(degrees)
        signed = np.cos(radians) * x + np.sin(radians) * y
        edges = canny((signed > 0) * 1.0, 1.5, 0.4, 0.8)
        assert np.abs(signed[edges]).max() < 1.2
        assert 55 < np.count_nonzero(edges) < 2 * 64
        found = np.zeros(64, bool)
        found[np.nonzero(edges)[0 if abs(np.cos(radians)) > 0.7 else 1]] = True
        assert found[2:-2].all()


def test_channels_are_taken_by_themselves():
    image = np.stack([gray_photograph(name)[100:200, 100:220] for name in ("camera", "coffee", "astronaut")], axis=2)
    found = canny(image, 1, 40, 80)
    assert found.any(axis=(0, 1)).all()
    for channel in range(3):
        assert np.array_equal(found[..., channel], canny(image[..., channel], 1, 40, 80))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("name", ["camera", "noise"])
def test_bands_have_the_labels_of_the_whole(name, dtype):
    photograph = gray_photograph("camera")[:200, :300] if name == "camera" else random_image((200, 300))
    image, height = photograph.astype(dtype), 200
    whole = thin(image, 80, 200)
    assert set(np.unique(whole)) == {NONE, WEAK, STRONG}
    rng = np.random.default_rng(0)
    for bands in (2, 3, 17, 200):
        cuts = [0, *sorted(rng.choice(np.arange(1, height), bands - 1, replace=False)), height]
        for start, stop in pairwise(cuts):
            first = max(start - HALO, 0)
            band = thin(image[first : stop + HALO], 80, 200)
            assert np.array_equal(band[start - first : stop - first], whole[start:stop])


@pytest.mark.parametrize("strip", [1, 500, 3000])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_strips_have_the_labels_of_the_whole(monkeypatch, strip, dtype):
    image = gray_photograph("camera")[100:200, 100:250].astype(dtype)
    whole = thin(image, 80, 200)
    assert whole.any()
    monkeypatch.setattr(detector, "STRIP", strip)
    assert np.array_equal(thin(image, 80, 200), whole)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("strong", [0, 0.01, 0.2])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (60, 70)])
def test_hysteresis_is_the_growth_of_strong_pixels_in_eight_directions(share, strong, shape):
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(shape) < share, np.where(rng.random(shape) < strong, STRONG, WEAK), NONE)
    grown = scipy.ndimage.binary_propagation(labels == STRONG, np.ones((3, 3)), mask=labels > NONE)
    assert np.array_equal(connected(labels.astype(np.uint8)), grown)


@pytest.mark.parametrize(("few", "piece"), [(0, 7), (0, 1000), (10**9, 7)])
def test_edges_are_the_same_however_many_pixels_grow_at_once(monkeypatch, few, piece):
    rng = np.random.default_rng(2)
    labels = rng.choice(np.array([NONE, WEAK, STRONG], np.uint8), (80, 90), p=[0.58, 0.41, 0.01])
    expected = connected(labels)
    assert np.count_nonzero(labels) > np.count_nonzero(expected) > 2 * np.count_nonzero(labels == STRONG)
    monkeypatch.setattr(detector, "_FEW", few)
    monkeypatch.setattr(detector, "_PIECE", piece)
    assert np.array_equal(connected(labels), expected)


def test_paths_wind_through_the_whole_picture():
    path = np.zeros((101, 101), np.uint8)
    path[::2] = WEAK
    path[1::4, -1] = path[3::4, 0] = WEAK
    assert not connected(path).any()
    path[-1, -1] = STRONG
    assert np.array_equal(connected(path), path > NONE)
    path[50, 30] = NONE
    expected = path > NONE
    expected[:50] = expected[50, 30:] = False
    assert np.array_equal(connected(path), expected)


@pytest.mark.parametrize("framed", [False, True])
def test_labels_are_overwritten_only_where_that_is_allowed(framed):
    labels = np.pad(random_image((40, 50)) % 3, int(not framed))
    given = labels.copy()
    found = connected(given)
    assert np.array_equal(given, labels)
    assert found.any()
    assert np.array_equal(connected(given, overwrite=True), found)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 9), (9, 2), (3, 3, 2), (1, 1, 3)])
def test_small_pictures_have_no_edges_of_their_own(shape):
    found = canny(random_image(shape), 1, 0, 0)
    assert found.shape == shape
    assert found.dtype == bool
    assert not found[[0, -1]].any()


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_constant_pictures_have_no_edges(value, dtype):
    assert not thin(np.full((20, 30), value, dtype), 0, 0).any()
    assert not canny(np.full((20, 30), value, dtype), 1, 0.01, 0.02).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_change_their_neighbourhood_alone(value):
    image = smooth((60, 60))
    expected = thin(image, 0.1, 0.2)
    image[30, 20] = value
    found = thin(image, 0.1, 0.2)
    changed = np.argwhere(found != expected)
    assert np.abs(changed - (30, 20)).max() <= HALO
    assert not found[29:32, 19:22].any()


@pytest.mark.parametrize("exponent", [-120, -60, 60, 100])
def test_the_unit_of_the_pixels_does_not_matter(exponent):
    image, factor = smooth((60, 60)).astype(np.float32), np.float32(2) ** exponent
    expected = thin(image.astype(np.float64), 0.1, 0.2)
    assert expected.any()
    assert np.array_equal(thin(image * factor, 0.1 * factor.item(), 0.2 * factor.item()), expected)


@pytest.mark.parametrize(("low", "high"), [(2, 1), (-1, 1), (np.nan, 1), (1, np.nan)])
def test_thresholds_that_cannot_be_used(low, high):
    with pytest.raises(ArgumentError, match=r"0 <= low <= high, got low .* and high"):
        thin(np.zeros((5, 5)), low, high)
