"""Pictures with boxes: whatever the picture, labels stay inside it, and objects stay in sight."""

import itertools

import numpy as np
import pytest

from cnncli.data.boxes.boxes import Boxes
from cnncli.drawing.boxes import PALETTE, class_colour, draw_boxes

NAMES = ("cell", "platelet")
SIZES = [(1, 1), (1, 40), (40, 1), (5, 3), (28, 28), (75, 100), (480, 640), (100, 4000)]


def drawn(size, places, labels=None, levels=None, names=NAMES, **options):
    boxes = Boxes.of(places, labels or [0] * len(places), levels)
    return draw_boxes(np.zeros(size, np.uint8), boxes, names, **options)


def outlined(size, places, labels=None, levels=None):
    """Boxes alone, without labels."""
    return drawn(size, places, labels, levels, ("", ""), scores=False)


def changed(picture):
    return picture.any(axis=2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scores", [True, False])
def test_any_size_is_drawn_in_its_own_size(size, scores):
    height, width = size
    places = [[0, 0, width, height], [width / 4, height / 4, width / 2, height / 2], [-5, -5, 3, 3]]
    picture = drawn(size, places, scores=scores)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    assert changed(picture).any()


def test_a_box_is_drawn_where_it_is():
    """A line of two pixels, one inside and one outside."""
    marked = changed(outlined((480, 640), [[100, 200, 50, 60]]))
    assert np.flatnonzero(marked[230]).tolist() == [99, 100, 149, 150]
    assert np.flatnonzero(marked[:, 125]).tolist() == [199, 200, 259, 260]
    assert marked.sum() == 2 * 2 * 52 + 2 * 2 * 58


def test_thin_lines_are_inside():
    marked = changed(outlined((100, 100), [[10, 20, 30, 40]]))
    assert np.flatnonzero(marked[30]).tolist() == [10, 39]
    assert np.flatnonzero(marked[:, 20]).tolist() == [20, 59]


def test_the_picture_stays_as_it_was():
    pixels = np.full((50, 60, 3), 9, np.uint8)
    kept = pixels.copy()
    picture = draw_boxes(pixels, Boxes.of([[5, 20, 20, 20]], [1]), NAMES)
    assert (pixels == kept).all()
    assert (picture == pixels).all(axis=2).mean() > 0.5


def test_nothing_found_is_the_picture_in_colour():
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (draw_boxes(gray, Boxes.of(), NAMES) == gray[..., None]).all()
    assert (draw_boxes(gray.astype(np.uint16) * 257, Boxes.of(), NAMES) == gray[..., None]).all()
    assert (draw_boxes(gray.astype(np.float32)[..., None], Boxes.of(), NAMES) == gray[..., None]).all()
    assert draw_boxes(np.zeros((3, 4, 5)), Boxes.of(), NAMES).shape == (3, 4, 3)


def test_a_label_is_in_the_colour_of_its_box_and_above_it():
    picture = drawn((480, 640), [[100, 200, 150, 60]], [1])
    filled = (picture == class_colour(1)).all(axis=2)
    assert filled[185:198, 102:150].mean() > 0.4
    assert not changed(picture)[:170].any()


@pytest.mark.parametrize(
    "place", [[0, 0, 30, 30], [610, 0, 30, 30], [0, 450, 30, 30], [610, 450, 30, 30], [0, 0, 640, 480]]
)
def test_a_label_at_the_border_is_whole(place):
    """As many pixels have the colour of a label at the border as of one in the middle."""

    def filled(place):
        whole = drawn((480, 640), [place])
        bare = drawn((480, 640), [place], scores=False)
        return int((changed(whole) & ~changed(bare)).sum())

    middle = filled([300, 200, *place[2:]])
    assert filled(place) > 0 if place[2] == 640 else filled(place) >= middle


def test_labels_cover_no_other_label_and_a_quarter_of_a_small_picture_at_most():
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.uniform(0, 80, (40, 2)), rng.uniform(5, 30, (40, 2))], axis=1)
    boxes = Boxes.of(places, rng.integers(0, 2, 40), rng.uniform(0.5, 1, 40))
    pixels = np.zeros((100, 100), np.uint8)
    labelled = draw_boxes(pixels, boxes, NAMES)
    without = draw_boxes(pixels, boxes, ("", ""), scores=False)
    assert 0 < (labelled != without).any(axis=2).mean() <= 0.25


def test_scores_can_be_left_out():
    places = [[20, 40, 100, 50]]
    assert changed(drawn((200, 300), places)).sum() > changed(drawn((200, 300), places, scores=False)).sum()


def test_the_better_is_on_top():
    for best, worst in ((0, 1), (1, 0)):
        picture = outlined((200, 200), [[10, 40, 60, 60]] * 2, [best, worst], [0.9, 0.8])
        assert tuple(picture[40, 40]) == class_colour(best)


def test_one_colour_for_all():
    picture = drawn((100, 100), [[10, 40, 30, 30], [50, 40, 30, 30]], [0, 1], color=(1, 2, 3))
    assert tuple(picture[60, 10]) == tuple(picture[60, 50]) == (1, 2, 3)


def test_colours_differ_for_every_vision():
    """Two colours of the palette differ as grey, or without the difference of red and green, or of blue and yellow."""
    for one, other in itertools.combinations(PALETTE, 2):
        first, second = (np.array(colour, float) for colour in (one, other))
        without_red_green = [[first[:2].mean(), first[2]], [second[:2].mean(), second[2]]]
        assert np.abs(np.subtract(*without_red_green)).max() > 20, (one, other)
    assert len({class_colour(label) for label in range(2 * len(PALETTE))}) == 2 * len(PALETTE)


def test_names_of_any_length_and_letters():
    for name in ("x" * 500, "Größe\n\x1b[2J", "細胞", ""):
        picture = draw_boxes(np.zeros((60, 90), np.uint8), Boxes.of([[5, 30, 20, 20]], [0]), [name])
        assert picture.shape == (60, 90, 3)


@pytest.mark.parametrize("place", [[20, 2, 12, 14], [110, 2, 12, 14], [20, 80, 12, 14], [60, 40, 12, 14]])
def test_a_label_stands_beside_a_small_object(place):
    x, y, width, height = place
    marked = changed(drawn((96, 128), [place]))
    assert not marked[y + 1 : y + height - 1, x + 1 : x + width - 1].any()
    assert marked.sum() > 200


def test_labels_leave_a_crowd_in_sight():
    places = [[x, y, 8, 8] for x in range(10, 90, 10) for y in range(10, 90, 10)]
    marked = changed(drawn((100, 100), places, [0] * 64))
    hidden = sum(marked[y + 1 : y + 7, x + 1 : x + 7].all() for x, y, *_ in places)
    assert hidden == 0
