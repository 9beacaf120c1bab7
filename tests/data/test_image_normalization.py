import numpy as np
import pytest

from cnncli.data import ArrayDataset, Subset
from cnncli.data.normalization import Normalization, measure
from cnncli.errors import ArgumentError


def data(items=200, shape=(5, 7, 3), dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    pixels = (rng.integers(0, 256, (items, *shape)) * rng.uniform(0.2, 1, shape[-1])).astype(dtype)
    return ArrayDataset(pixels, np.zeros(items, int), ("a",), "x")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_deviation_of_each_channel(dtype, channels):
    whole = data(shape=(5, 7, channels), dtype=dtype)
    pixels = whole.images(np.arange(200)).astype(np.float64)
    found = measure(whole)
    assert np.allclose(found.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(found.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)
    normalised = found.apply(whole.images(np.arange(200)))
    assert normalised.dtype == np.float32
    assert np.allclose(normalised.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    assert np.allclose(normalised.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_it_is_of_the_part_that_it_is_given():
    whole = data()
    part = Subset(whole, np.arange(50))
    assert measure(part) == measure(Subset(whole, np.arange(50)[::-1].copy())) or np.allclose(
        measure(part).mean, whole.images(np.arange(50)).mean(axis=(0, 1, 2))
    )
    assert measure(part) != measure(whole)


def test_data_is_read_a_few_megabytes_at_a_time(monkeypatch):
    from cnncli.data import datasets

    whole = data()
    expected = measure(whole)
    monkeypatch.setattr(datasets, "_CHUNK_BYTES", 1000)
    sizes = [len(images) for _, images in whole.chunks()]
    assert max(sizes) == 2
    found = measure(whole)
    assert np.allclose(found.mean, expected.mean, rtol=1e-12)
    assert np.allclose(found.std, expected.std, rtol=1e-12)


def test_small_differences_of_large_numbers_are_not_lost():
    pixels = (1e6 + np.random.default_rng(0).normal(size=(300, 8, 8, 1))).astype(np.float32)
    found = measure(ArrayDataset(pixels, np.zeros(300, int), ("a",), "x"))
    assert found.std[0] == pytest.approx(pixels.astype(np.float64).std(), rel=1e-9)


def test_a_channel_that_is_the_same_everywhere_becomes_zero():
    pixels = np.full((4, 3, 3, 2), 9, np.uint8)
    pixels[..., 1] = np.arange(36).reshape(4, 3, 3)
    found = measure(ArrayDataset(pixels, np.zeros(4, int), ("a",), "x"))
    assert found.std[0] == 1
    assert (found.apply(pixels)[..., 0] == 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_it_is_the_formula_and_leaves_the_pictures_alone(dtype):
    images = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3)).astype(dtype)
    before = images.copy()
    normalization = Normalization((10, 20, 30), (2, 4, 8))
    found = normalization.apply(images)
    assert found.dtype == np.float32
    assert np.array_equal(images, before)
    assert np.allclose(found, (before.astype(np.float64) - (10, 20, 30)) / (2, 4, 8), rtol=1e-6)


def test_an_item_does_not_depend_on_its_batch():
    images = np.random.default_rng(1).integers(0, 256, (9, 4, 5, 3)).astype(np.uint8)
    normalization = Normalization((10, 20, 30), (2, 4, 8))
    assert np.array_equal(normalization.apply(images)[4:5], normalization.apply(images[4:5]))


@pytest.mark.parametrize(
    ("mean", "std"), [((0,), (0,)), ((0,), (1, 2)), ((float("nan"),), (1,)), ((0,), (-1,)), ((0,), (float("inf"),))]
)
def test_what_cannot_be_applied_is_refused(mean, std):
    with pytest.raises(ArgumentError, match="a normalization needs a mean and a std above 0 a channel"):
        Normalization(mean, std)


def test_other_channels_are_refused():
    with pytest.raises(ArgumentError, match="pictures of 3 channels, normalised for 1"):
        Normalization((0,), (1,)).apply(np.zeros((1, 2, 2, 3), np.uint8))
