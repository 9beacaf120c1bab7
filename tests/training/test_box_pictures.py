"""Pictures of found boxes: what is drawn is what was judged."""

import numpy as np
import pytest
from drawings import check_drawing
from finders import save_spots

from cnncli.data.boxes.boxes import Boxes
from cnncli.models.judging.box_scores import judge_boxes
from cnncli.training.box_pictures import (
    FALSE,
    MISSED,
    MOST_CURVES,
    RIGHT,
    draw_box_confusion,
    draw_precision,
    draw_worst,
)

HERE, THERE, ELSEWHERE = [10, 10, 30, 30], [60, 10, 30, 30], [60, 55, 30, 30]


def has(canvas, colour):
    return bool((np.abs(canvas.pixels().astype(int) - colour).sum(axis=2) < 12).any())


@pytest.fixture
def files(tmp_path):
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    for name in names:
        save_spots(name)
    return names


@pytest.mark.parametrize(
    ("found", "labelled", "drawn"),
    [
        ([HERE], [HERE, THERE], {RIGHT, MISSED}),
        ([HERE, THERE], [HERE], {RIGHT, FALSE}),
        ([HERE], [THERE], {FALSE, MISSED}),
    ],
)
def test_the_worst_pictures_show_what_is_right_wrong_and_missed(files, found, labelled, drawn):
    seen = [Boxes.of(found, [0] * len(found), [0.9] * len(found)), Boxes.of(), Boxes.of()]
    scores = judge_boxes(seen, [Boxes.of(labelled, [0] * len(labelled)), Boxes.of(), Boxes.of()], ["cell"], 0.5)
    canvas = draw_worst(files, scores)
    assert {kind for kind in (RIGHT, FALSE, MISSED) if has(canvas, kind.colour)} == drawn


def test_the_picture_with_the_most_mistakes_comes_first(files):
    labelled = [Boxes.of([HERE], [0]), Boxes.of([HERE, THERE, ELSEWHERE], [0, 0, 0]), Boxes.of([HERE], [0])]
    found = [Boxes.of(), Boxes.of(), Boxes.of([HERE], [0], [0.9])]
    drawn = []
    scores = judge_boxes(found, labelled, ["cell"], 0.5)
    draw_worst(_Recording(files, drawn), scores)
    assert list(dict.fromkeys(drawn)) == [1, 0]


class _Recording(list):
    def __init__(self, names, asked):
        super().__init__(names)
        self.asked = asked

    def __getitem__(self, item):
        self.asked.append(item)
        return super().__getitem__(item)


def test_no_mistakes_make_no_sheet(files):
    boxes = [Boxes.of([HERE], [0], [0.9])] * 3
    assert draw_worst(files, judge_boxes(boxes, boxes, ["cell"])) is None


@pytest.mark.parametrize("classes", [1, 3, MOST_CURVES + 5])
def test_curves_and_matrix_of_any_number_of_classes(classes):
    rng = np.random.default_rng(0)
    labelled = [Boxes.of(rng.integers(1, 90, (2 * classes, 4)), np.arange(2 * classes) % classes) for _ in range(3)]
    found = [boxes._replace(scores=rng.random(len(boxes.labels))) for boxes in labelled]
    scores = judge_boxes(found, labelled, [f"class {number}" for number in range(classes)])
    precision = draw_precision(scores)
    check_drawing(precision)
    assert sum(label.text.startswith("class ") for label in precision.labels) == min(classes, MOST_CURVES)
    check_drawing(draw_box_confusion(scores))


def test_nothing_found_and_nothing_labelled_can_be_drawn():
    for labelled in ([Boxes.of()], [Boxes.of([HERE], [0])]):
        scores = judge_boxes([Boxes.of()], labelled, ["cell"])
        check_drawing(draw_precision(scores))
        check_drawing(draw_box_confusion(scores))
