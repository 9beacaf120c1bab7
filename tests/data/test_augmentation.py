import colorsys
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image, ImageEnhance

from cnncli.data.augmentation import AUGMENTATIONS, augment, parse_augmentations
from cnncli.data.augmentation.sampling import sample
from cnncli.data.randomness import ItemRandom
from cnncli.errors import ArgumentError

RNG = np.random.default_rng(11)
ITEMS = np.arange(40) * 7


def pictures(items=40, height=12, width=9, channels=1, dtype="uint8"):
    return RNG.integers(0, 256, (items, height, width, channels)).astype(dtype)


def changed(images, text, *, seed=3, epoch=1, items=ITEMS):
    return augment(images.copy(), parse_augmentations(text), seed=seed, epoch=epoch, items=items)


def fits(text, channels):
    """Whether augmentations change pictures of some channels."""
    try:
        [each.check(channels) for each in parse_augmentations(text)]
    except ArgumentError:
        return False
    return True


EVERYTHING = ",".join(AUGMENTATIONS)
EVERYTHING_GREY = ",".join(name for name in AUGMENTATIONS if fits(name, 1))
RECOLOURING = ("brightness", "contrast", "saturation", "hue")
CASES = [(text, 3) for text in (*AUGMENTATIONS, EVERYTHING)]
CASES += [(text, 1) for text in (*EVERYTHING_GREY.split(","), EVERYTHING_GREY)]


@pytest.mark.parametrize("text", [name for name in AUGMENTATIONS if name not in RECOLOURING])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (2, 2), (90, 110)])
def test_pictures_of_any_size(text, shape):
    images = RNG.integers(0, 256, (7, *shape, 3)).astype(np.uint8)
    found = changed(images, text, items=np.arange(7))
    assert found.shape == images.shape
    assert images.min() <= found.min()
    assert found.max() <= images.max()


@pytest.mark.parametrize("text", RECOLOURING)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (90, 110), (130, 140)])
def test_recoloured_pictures_of_any_size(text, shape):
    images = RNG.integers(0, 256, (7, *shape, 3)).astype(np.float32)
    found = changed(images, text, items=np.arange(7))
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 255


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("text", "channels"), CASES)
class TestAll:
    def test_shape_type_and_range_stay(self, text, dtype, channels):
        images = pictures(channels=channels, dtype=dtype)
        found = changed(images, text)
        assert found.shape == images.shape
        assert found.dtype == dtype
        assert images.min() <= found.min()
        assert found.max() <= images.max()
        assert not np.array_equal(found, images)

    def test_an_item_is_changed_the_same_wherever_it_stands(self, text, dtype, channels):
        images = pictures(channels=channels, dtype=dtype)
        whole = changed(images, text)
        order = RNG.permutation(40)
        assert np.array_equal(changed(images[order], text, items=ITEMS[order]), whole[order])
        for part in (slice(0, 1), slice(13, 29)):
            assert np.array_equal(changed(images[part], text, items=ITEMS[part]), whole[part])

    def test_other_epochs_and_seeds_change_otherwise(self, text, dtype, channels):
        images = pictures(channels=channels, dtype=dtype)
        found = changed(images, text)
        assert np.array_equal(changed(images, text), found)
        assert not np.array_equal(changed(images, text, epoch=2), found)
        assert not np.array_equal(changed(images, text, seed=4), found)

    def test_an_even_picture_stays_even(self, text, dtype, channels):
        images = np.full((5, 8, 8, channels), 77, dtype)
        found = changed(images, text, items=np.arange(5))
        assert np.array_equal(found, np.broadcast_to(found[:, :1, :1], images.shape))
        if "brightness" not in text:
            assert np.array_equal(found, images)


@pytest.mark.parametrize("text", ["shift:3", "shift"])
def test_shift_is_scipys_with_whole_pixels(text):
    images = pictures()
    reach = 3 if text == "shift:3" else 2
    seen = set()
    for before, after in zip(images[..., 0], changed(images, text)[..., 0], strict=True):
        fits = [
            (down, right)
            for down in range(-reach, reach + 1)
            for right in range(-reach, reach + 1)
            if np.array_equal(scipy.ndimage.shift(before, (down, right), order=0, mode="nearest"), after)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 10


def test_flip_mirrors_about_half():
    images = pictures(400)
    found = changed(images, "flip", items=np.arange(400))
    mirrored = (found == images[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (found == images).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 160 < mirrored.sum() < 240


def test_rotation_is_scipys():
    """Of smooth pictures; the angle is drawn as the class draws it."""
    images = scipy.ndimage.gaussian_filter(pictures(12, 15, 15, dtype="float32"), (0, 2, 2, 0))
    found = changed(images, "rotate:30", items=ITEMS[:12])
    angles = (2 * ItemRandom(3, 1, ITEMS[:12], "rotate").uniform(0) - 1) * 30
    assert angles.min() < -5
    assert angles.max() > 5
    for before, after, angle in zip(images[..., 0], found[..., 0], angles, strict=True):
        turned = scipy.ndimage.rotate(before, -angle, reshape=False, order=1, mode="nearest")
        assert np.allclose(after, turned, atol=1e-2)


def test_a_right_angle_moves_pixels_only():
    images = pictures(3, 8, 8)
    rows, columns = np.broadcast_to(np.arange(8), (3, 8, 8)), np.broadcast_to(np.arange(8)[::-1, np.newaxis], (3, 8, 8))
    assert np.array_equal(sample(images, rows, columns), np.rot90(images, 1, (1, 2)))


def test_sampling_is_scipys_map_coordinates():
    images = pictures(4, 7, 10, dtype="float32")
    rows, columns = RNG.uniform(-3, 10, (4, 5, 6)), RNG.uniform(-3, 13, (4, 5, 6))
    found = sample(images, rows, columns)
    for image, y, x, got in zip(images, rows, columns, found, strict=True):
        expected = scipy.ndimage.map_coordinates(image[..., 0], [y, x], order=1, mode="nearest")
        assert np.allclose(got[..., 0], expected, atol=1e-3)


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("float32", 1)])
def test_rows_and_columns_that_cross_are_sampled_as_any_others(dtype, channels):
    """Bit for bit: the same places, written out for every pixel, take the other way."""
    images = pictures(5, 9, 12, channels, dtype)
    rows, columns = RNG.uniform(-2, 11, (5, 7, 1)), RNG.uniform(-2, 14, (5, 1, 8))
    everywhere = np.broadcast_arrays(rows, columns)
    assert np.array_equal(sample(images, rows, columns), sample(images, *everywhere))


def test_a_crop_of_everything_is_everything():
    images = pictures()
    assert np.array_equal(changed(images, "crop:1"), images)


def test_a_crop_shows_less():
    """Of a slope, the part that is shown spans from `amount` to 1 of it, and lies within."""
    slope = np.broadcast_to(np.arange(100, dtype=np.float32)[:, np.newaxis], (40, 100, 100))[..., np.newaxis]
    found = changed(slope, "crop:0.5")[:, :, 50, 0]
    spans = found[:, -1] - found[:, 0]
    assert spans.min() >= 0.5 * 99 - 1
    assert spans.max() <= 99
    assert spans.max() - spans.min() > 20
    assert found[:, 0].std() > 3


def test_cutout_hides_a_square_with_the_mean():
    images = pictures(200, 16, 16, 3, "float32")
    found = changed(images, "cutout:5", items=np.arange(200))
    covered = (found != images).any(axis=3)
    assert covered.sum(axis=(1, 2)).max() == 25
    assert (covered.sum(axis=(1, 2)) >= 4).all()  # its middle is in the picture
    rows, columns = covered.any(axis=2).sum(axis=1), covered.any(axis=1).sum(axis=1)
    assert np.array_equal(rows * columns, covered.sum(axis=(1, 2)))
    for picture, after, hole in zip(images, found, covered, strict=True):
        assert np.allclose(after[hole], picture.mean(axis=(0, 1)), rtol=1e-5)
    assert covered.any(axis=0).all()  # every place is hidden now and then


def drawn(text, items):
    """Return the numbers that an augmentation of colour draws for items: from -amount to amount."""
    (augmentation,) = parse_augmentations(text)
    return augmentation.amount * (2 * ItemRandom(3, 1, items, augmentation.word).uniform(0) - 1)


@pytest.mark.parametrize(
    ("text", "enhancer", "channels"),
    [
        ("brightness:60%", ImageEnhance.Brightness, 1),
        ("brightness:60%", ImageEnhance.Brightness, 3),
        ("contrast:80%", ImageEnhance.Contrast, 1),
        ("contrast:80%", ImageEnhance.Contrast, 3),
        ("saturation:100%", ImageEnhance.Color, 3),
    ],
)
def test_brightness_contrast_and_saturation_are_pillows(text, enhancer, channels):
    """But for Pillow's rounding of means and lumas, by half a level."""
    items = np.arange(30)
    images = np.clip(pictures(30, channels=channels).astype(int) + 20 * (items % 9 - 4)[:, None, None, None], 0, 255)
    found = changed(images.astype(np.uint8), text, items=items)
    factors = 1 + drawn(text, items)
    assert factors.min() < 0.7
    assert factors.max() > 1.3
    for before, after, factor in zip(images.astype(np.uint8), found, factors, strict=True):
        expected = enhancer(Image.fromarray(before.squeeze())).enhance(factor)
        assert np.abs(after.squeeze().astype(int) - np.asarray(expected)).max() <= 1 + 0.5 * abs(factor - 1)


def test_hue_is_colorsyss():
    items = np.arange(40)
    images = pictures(40, 5, 6, 3, "float32")
    images[:4] = [255, 0, 0]
    images[4:8, :, :, 0] = images[4:8, :, :, 1]  # two channels are the largest
    found = changed(images, "hue:50%", items=items)
    turns = drawn("hue:50%", items)
    assert turns.min() < -0.3
    assert turns.max() > 0.3
    for before, after, turn in zip(images.reshape(40, -1, 3), found.reshape(40, -1, 3), turns, strict=True):
        for pixel, got in zip(before.tolist(), after.tolist(), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            assert got == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=1e-2)


def test_hues_of_grey_pixels_stay():
    images = np.repeat(pictures(channels=1), 3, axis=3)
    assert np.array_equal(changed(images, "hue:50%,saturation:100%"), images)


@pytest.mark.parametrize(
    ("text", "channels", "message"),
    [
        ("hue", 1, "augmentation hue changes colours, and the pictures are grey: leave it out"),
        ("saturation", 1, "augmentation saturation changes colours, and the pictures are grey"),
        ("hue", 4, "augmentation hue changes colours, and the pictures are of 4 channels"),
    ],
)
def test_colours_need_three_channels(text, channels, message):
    (augmentation,) = parse_augmentations(text)
    with pytest.raises(ArgumentError, match=message):
        augmentation.check(channels)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_colours_need_a_scale(name):
    (augmentation,) = parse_augmentations(name)
    if name not in RECOLOURING:
        augmentation.check(3, has_scale=False)
        return
    with pytest.raises(ArgumentError, match=f"{name} needs pixels from 0 to 255"):
        augmentation.check(3, has_scale=False)


def test_augmentations_have_numbers_of_their_own():
    """Another one before it does not change what an augmentation does."""
    images = pictures()
    alone = changed(images, "shift")
    both = changed(images, "flip,shift")
    flipped = changed(images, "flip")
    untouched = (flipped == images).all(axis=(1, 2, 3))
    assert untouched.any()
    assert np.array_equal(both[untouched], alone[untouched])


def test_nothing_changes_nothing():
    images = pictures()
    assert np.array_equal(changed(images, ""), images)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_is_written_is_read_again(name):
    (found,) = parse_augmentations(name)
    assert parse_augmentations(str(found)) == (found,)
    assert parse_augmentations([name]) == (found,)
    assert found.about


@pytest.mark.parametrize(("text", "share"), [("crop:80%", 0.8), ("hue:5%", 0.05), ("contrast20%", 0.2)])
def test_shares_may_be_written_in_percent(text, share):
    assert [each.amount for each in parse_augmentations(text)] == [pytest.approx(share)]


@pytest.mark.parametrize("text", ["shift2", "shift:2", " shift:2 ", "shift:2.0"])
def test_an_amount_with_and_without_a_colon(text):
    assert [str(each) for each in parse_augmentations(text)] == ["shift:2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shfit", "unknown augmentation 'shfit': did you mean shift"),
        ("shift:x", "unknown augmentation 'shift:x': did you mean"),
        ("shift:-2", "unknown augmentation 'shift:-2'"),
        ("blur", "choose from shift, flip, rotate, crop, zoom, cutout, brightness, contrast, saturation, hue"),
        ("shift:0", "augmentation shift takes a number from 1 to 1000, got 0"),
        ("shift:1.5", "augmentation shift takes whole pixels, got 1.5"),
        ("cutout:2.5", "augmentation cutout takes whole pixels, got 2.5"),
        ("crop:2", "augmentation crop takes a number from 0.05 to 1, got 2"),
        ("rotate:181", "augmentation rotate takes a number from 0.1 to 180"),
        ("flip:1", "augmentation flip takes no number, got 1"),
        ("hue:60%", "augmentation hue takes a number from 0.01 to 0.5, got 0.6"),
        ("shift:10%", "augmentation shift takes no percentage, got shift:10%"),
        ("flip,shift,flip", "augmentation flip is given twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse_augmentations(text)


class TestItemRandom:
    def test_numbers_are_even_and_independent(self):
        random = ItemRandom(0, 0, np.arange(20_000), "test")
        first, second = random.uniform(0), random.uniform(1)
        for numbers in (first, second):
            assert numbers.min() >= 0
            assert numbers.max() < 1
            counts = np.histogram(numbers, 20, (0, 1))[0]
            assert np.abs(counts - 1000).max() < 150
        other = ItemRandom(0, 1, np.arange(20_000), "test").uniform(0)
        neighbour = ItemRandom(1, 0, np.arange(20_000), "test").uniform(0)
        for more in (second, other, neighbour, np.roll(first, 1)):
            assert abs(np.corrcoef(first, more)[0, 1]) < 0.03

    def test_integers_have_both_ends(self):
        found = ItemRandom(0, 0, np.arange(3000), "test").integers(0, -2, 2)
        assert np.bincount(found + 2).min() > 500
        assert set(found.tolist()) == {-2, -1, 0, 1, 2}

    def test_they_are_the_same_everywhere_and_for_ever(self):
        found = ItemRandom(1, 2, np.array([0, 1, 2**40]), "flip").uniform(0)
        assert found.tolist() == FIXED


FIXED = [0.6521500755747419, 0.6616220794327917, 0.9948354140118327]


@pytest.mark.parametrize("module", ["data.augmentation", "engines.losses", "engines.optimizers", "training.schedules"])
def test_the_registries_load_no_numpy(module):
    program = f"import sys, cnncli.{module}; print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
