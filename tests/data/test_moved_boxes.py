"""Augmentation moves boxes with the pixels of their pictures."""

import numpy as np
import pytest

from cnncli.data.augmentation import AUGMENTATIONS, VISIBLE, augment, augment_boxes, parse_augmentations
from cnncli.data.boxes.boxes import CROWD, NO_BOX
from cnncli.data.randomness import ItemRandom

SIZE = (40, 56)
ITEMS = np.arange(60) * 3
STRONG = {"shift": 17, "crop": 0.3, "zoom": 2.5, "cutout": 12, "brightness": 0.5, "contrast": 0.5}
MOVING = [name for name, kind in AUGMENTATIONS.items() if kind.keeps_boxes]
TEXTS = [*MOVING, *(f"{name}:{amount}" for name, amount in STRONG.items())]
TEXTS += ["flip,shift:5", "zoom:1.3,shift:4,flip,brightness", ",".join(name for name in MOVING if name != "cutout")]


def bright_squares(seed=0, margin=0):
    """Return dark pictures with a bright square each, and its box as labels (N, 1, 5)."""
    rng = np.random.default_rng(seed)
    images = np.full((len(ITEMS), *SIZE, 3), 40, np.uint8)
    labels = np.zeros((len(ITEMS), 1, 5), np.float32)
    for image, row in zip(images, labels[:, 0], strict=True):
        height, width = rng.integers(6, 16, 2)
        top, left = (rng.integers(margin, SIZE[axis] - side - margin) for axis, side in enumerate((height, width)))
        image[top : top + height, left : left + width] = (200, 160, 120)
        row[:] = rng.integers(3), left, top, width, height
    return images, labels


def both(images, labels, text, epoch=2):
    """Return pictures and labels, augmented."""
    augmentations, drawn = parse_augmentations(text), {"seed": 5, "epoch": epoch, "items": ITEMS[: len(labels)]}
    changed = augment(images.copy(), augmentations, **drawn)
    return changed, augment_boxes(labels, images.shape[1:3], augmentations, **drawn)


def seen_box(image):
    """Return x, y, width, height of what is bright in a picture; None where nothing is."""
    levels = image.astype(float).sum(axis=2)
    bright = levels > (levels.min() + levels.max()) / 2
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if np.ptp(levels) < 60:
        return None
    return columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]


def touches_border(place):
    return min(place[:2]) == 0 or place[0] + place[2] == SIZE[1] or place[1] + place[3] == SIZE[0]


@pytest.mark.parametrize("text", TEXTS)
def test_a_moved_box_is_the_box_of_the_moved_pixels(text):
    images, labels = bright_squares(margin=3)
    images, moved = both(images, labels, text if "cutout" not in text else "none")
    assert moved.dtype == labels.dtype
    compared = 0
    for image, row in zip(images, moved[:, 0], strict=True):
        seen = seen_box(image)
        if "," in text and seen is not None and touches_border(seen):
            continue  # the next augmentation repeats the pixels at the border, and with them the square
        if seen is None or row[0] == NO_BOX:
            assert row[3:].min() < 1  # less than a pixel is left, or nothing
            continue
        corners, expected = row[1:3], np.array(seen[:2])
        assert np.abs(corners - expected).max() <= 1, (row, seen)
        assert np.abs(corners + row[3:] - expected - seen[2:]).max() <= 1, (row, seen)
        compared += 1
    assert compared > 0.5 * len(ITEMS)


@pytest.mark.parametrize("name", MOVING)
def test_what_moves_pixels_moves_boxes_and_nothing_else_does(name):
    images, labels = bright_squares()
    changed, moved = both(images, labels, name)
    assert not np.array_equal(changed, images)
    assert np.array_equal(moved, labels) == (name not in ("shift", "flip", "crop", "zoom"))


def test_other_epochs_move_otherwise_and_items_alike_in_every_batch():
    labels = bright_squares()[1]
    augmentations = parse_augmentations("zoom,shift:5,flip")
    moved = [augment_boxes(labels, SIZE, augmentations, seed=5, epoch=epoch, items=ITEMS) for epoch in (0, 0, 1)]
    assert np.array_equal(moved[0], moved[1])
    assert not np.array_equal(moved[0], moved[2])
    part = slice(7, 23)
    alone = augment_boxes(labels[part], SIZE, augmentations, seed=5, epoch=0, items=ITEMS[part])
    assert np.array_equal(alone, moved[0][part])


class TestCutBoxes:
    SHIFT = 14

    @pytest.fixture
    def moved(self):
        """Squares of ten pixels at the left border, shifted; and how far to the right."""
        labels = np.tile(np.array([1, 0, 15, 10, 10], np.float32), (len(ITEMS), 1, 1))
        augmentations = parse_augmentations(f"shift:{self.SHIFT}")
        found = augment_boxes(labels, SIZE, augmentations, seed=5, epoch=0, items=ITEMS)
        drawn = ItemRandom(5, 0, ITEMS, "shift").integers(1, 0, 2 * self.SHIFT)
        return found[:, 0], self.SHIFT - drawn

    def test_they_end_at_the_border(self, moved):
        rows, right = moved
        assert (rows[:, 1] == np.maximum(right, 0)).all()
        assert np.array_equal(rows[:, 3], np.maximum(10 + np.minimum(right, 0), 0))

    def test_those_of_which_little_is_left_are_neither_found_nor_missed(self, moved):
        rows, right = moved
        left = np.maximum(10 + np.minimum(right, 0), 0) / 10
        expected = np.where(left == 0, NO_BOX, np.where(left < VISIBLE, CROWD, 1))
        assert set(expected.tolist()) == {NO_BOX, CROWD, 1}
        assert np.array_equal(rows[:, 0], expected)

    def test_crowds_stay_crowds_and_nothing_stays_nothing(self):
        rows = [[CROWD, 0, 0, 30, 30], [NO_BOX, 0, 0, 0, 0], [CROWD, 20, 20, 0.5, 0.5], [2, 20, 20, 8, 8]]
        labels = np.tile(np.array(rows, np.float32), (len(ITEMS), 1, 1))
        _, moved = both(np.zeros((len(ITEMS), *SIZE, 3), np.uint8), labels, "flip,zoom:2,shift:9")
        assert set(moved[:, 0, 0].tolist()) == {CROWD}  # of thirty pixels some are always left
        assert (moved[:, 1, 0] == NO_BOX).all()
        assert set(moved[:, 2, 0].tolist()) <= {CROWD, NO_BOX}
        assert 2 in moved[:, 3, 0]


@pytest.mark.parametrize("name", MOVING)
def test_all_boxes_of_a_picture_are_in_it_afterwards(name):
    rng = np.random.default_rng(1)
    parts = rng.integers(0, 3, (60, 7, 1)), rng.uniform(-5, 50, (60, 7, 2)), rng.uniform(1, 30, (60, 7, 2))
    labels = np.concatenate(parts, axis=2)
    _, moved = both(np.zeros((60, *SIZE, 3), np.uint8), labels.astype(np.float32), name)
    left = moved[moved[..., 0] != NO_BOX]
    assert len(left) > 100
    assert (left[:, 1:3] >= 0).all()
    assert (left[:, 1:3] + left[:, 3:] <= np.array(SIZE[::-1]) + 1e-4).all()


def test_only_rotations_turn_boxes():
    assert [name for name in AUGMENTATIONS if name not in MOVING] == ["rotate"]
