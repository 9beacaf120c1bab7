import numpy as np
import pytest

from cnncli.data.resizing import RESIZES, resized, resized_all
from cnncli.errors import ArgumentError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(5, 9), (12, 4), (7, 7), (1, 1), (30, 20)])
def test_the_size_is_the_one_asked_for_and_an_even_picture_stays_even(how, dtype, channels, size):
    picture = np.full((8, 6, channels), 7, dtype)
    found = resized(picture, size, how)
    assert found.shape == (*size, channels)
    assert found.dtype == dtype
    inside = {7} if how != "pad" else {0, 7}
    assert set(np.unique(found).tolist()) <= inside
    assert 7 in found


@pytest.mark.parametrize("how", RESIZES)
def test_a_picture_of_that_size_is_left_as_it_is(how):
    picture = RNG.integers(0, 256, (8, 6, 3)).astype(np.uint8)
    assert np.array_equal(resized(picture, (8, 6), how), picture)


def test_stretch_is_pillows_bilinear():
    from PIL import Image

    picture = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize((11, 8), Image.Resampling.BILINEAR))
    assert np.array_equal(resized(picture, (8, 11)), expected)
    fine = resized(picture.astype(np.float32), (8, 11))
    assert np.abs(fine - expected).max() <= 1


def test_crop_takes_the_middle():
    picture = np.zeros((4, 12, 1), np.uint8)
    picture[:, 4:8] = 200
    assert (resized(picture, (4, 4), "crop") == 200).all()
    tall = picture.transpose(1, 0, 2)
    assert (resized(tall, (4, 4), "crop") == 200).all()


def test_pad_never_enlarges_so_that_28_becomes_32_as_lenet_took_it():
    picture = RNG.integers(1, 256, (28, 28, 1)).astype(np.uint8)
    found = resized(picture, (32, 32), "pad")
    assert np.array_equal(found[2:30, 2:30], picture)
    assert found.sum(dtype=int) == picture.sum(dtype=int)


def test_pad_keeps_proportions_when_it_makes_smaller():
    found = resized(np.full((10, 20, 1), 9, np.uint8), (10, 10), "pad")[..., 0]
    assert (found[:2] == 0).all()
    assert (found[3:7] == 9).all()
    assert (found[8:] == 0).all()


def test_many_at_once_are_each_as_alone():
    pictures = RNG.integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    for how in RESIZES:
        together = resized_all(pictures, (4, 4), how)
        assert all(
            np.array_equal(one, resized(picture, (4, 4), how)) for one, picture in zip(together, pictures, strict=True)
        )


def test_other_words_and_sizes_are_refused():
    picture = np.zeros((2, 2, 1), np.uint8)
    with pytest.raises(ArgumentError, match="unknown way to resize 'squash': the ways are stretch, crop, pad"):
        resized(picture, (3, 3), "squash")
    with pytest.raises(ArgumentError, match="a size must be positive, got 0x3"):
        resized(picture, (0, 3))
