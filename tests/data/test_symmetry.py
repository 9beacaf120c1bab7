import numpy as np
import pytest

from cnncli.data import ArrayDataset, open_dataset
from cnncli.data.symmetry import measure_lean

RNG = np.random.default_rng(4)


def dataset(pixels, labels, classes=2):
    return ArrayDataset(pixels, labels, [str(number) for number in range(classes)], "pictures")


def blobs(items, *, shape=(13, 11, 1), side=None):
    """Pictures with a bright spot in noise: in the left half, in the right one, or anywhere."""
    pixels = RNG.integers(0, 60, (items, *shape)).astype(np.uint8)
    middle = shape[1] // 2
    for picture in pixels:
        column = {None: RNG.integers(shape[1]), "left": RNG.integers(middle), "right": -1 - RNG.integers(middle)}[side]
        picture[RNG.integers(shape[0]), column] = 255
    return pixels


def test_digits_lean():
    lean = measure_lean(open_dataset("samples/digits").train)
    assert lean.share > 0.7
    assert not lean.allows_mirroring


@pytest.mark.parametrize("shape", [(13, 11, 1), (8, 8, 3), (40, 30, 3), (5, 2, 1)])
def test_what_is_alike_on_both_sides_leans_by_chance(shape):
    lean = measure_lean(dataset(blobs(600, shape=shape), np.arange(600) % 2))
    assert 0.4 < lean.share < 0.6
    assert lean.allows_mirroring


def test_mirroring_every_picture_changes_nothing():
    pixels, labels = open_dataset("samples/digits").train, open_dataset("samples/digits").train.labels
    images = pixels.images(np.arange(len(labels)))
    found = [measure_lean(dataset(x, labels, len(pixels.class_names))) for x in (images, images[:, :, ::-1])]
    assert np.array_equal(found[0].leaning, found[1].leaning)


def test_mirroring_every_other_picture_takes_the_lean_away():
    digits = open_dataset("samples/digits").train
    images = digits.images(np.arange(len(digits)))
    both = np.concatenate([images, images[:, :, ::-1]])
    lean = measure_lean(dataset(both, np.tile(digits.labels, 2), len(digits.class_names)))
    assert lean.share < 0.6
    assert lean.allows_mirroring


def test_left_and_right_as_classes_lean_though_all_pictures_together_are_alike():
    pixels = np.concatenate([blobs(60, side="left"), blobs(60, side="right")])
    assert not measure_lean(dataset(pixels, np.repeat([0, 1], 60))).allows_mirroring
    assert measure_lean(dataset(pixels, np.tile([0, 1], 60))).allows_mirroring


def test_what_all_classes_share_can_be_left_out():
    """Light from one side; but not what tells classes apart."""
    lit = dataset(blobs(400, side="left"), np.arange(400) % 2)
    assert not measure_lean(lit).allows_mirroring
    assert measure_lean(lit, less_common=True).allows_mirroring
    digits = open_dataset("samples/digits").train
    assert not measure_lean(digits, less_common=True).allows_mirroring


def test_one_leaning_class_among_many_is_enough():
    pixels = np.concatenate([blobs(1900), blobs(100, side="left")])
    lean = measure_lean(dataset(pixels, np.repeat(np.arange(20), 100), 20))
    assert lean.share < 0.6
    assert not lean.allows_mirroring


def test_chance_is_seldom_taken_for_a_lean():
    allowed = [measure_lean(dataset(blobs(40), np.arange(40) % 4, 4)).allows_mirroring for _ in range(100)]
    assert all(allowed)


@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 1, 3), (7, 9, 3)])
def test_symmetric_pictures_say_nothing(shape):
    pixels = np.full((10, *shape), 7, np.uint8)
    lean = measure_lean(dataset(pixels, np.arange(10) % 2))
    assert lean.share == 0.5
    assert lean.looked_at.tolist() == [0, 0]
    assert lean.allows_mirroring


def test_brightness_does_not_count():
    digits = open_dataset("samples/digits").train
    images = digits.images(np.arange(len(digits))).astype(np.float32)
    factors = RNG.uniform(0.01, 1, (len(images), 1, 1, 1)).astype(np.float32)
    found = [measure_lean(dataset(x, digits.labels, len(digits.class_names))).share for x in (images, images * factors)]
    assert found[0] == pytest.approx(found[1], abs=0.01)
