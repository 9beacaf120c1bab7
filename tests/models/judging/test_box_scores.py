"""What becomes of each box at a score threshold: confusion, mistakes, the best F1."""

import numpy as np
import pytest
from found_boxes import random_boxes

from cnncli.data.boxes.boxes import Boxes
from cnncli.models.judging.box_scores import judge_boxes

NAMES = ("cat", "dog")
HERE, THERE, CROWD = [0, 0, 10, 10], [50, 0, 10, 10], [100, 0, 40, 40]


def judged(found, labelled, threshold=None):
    return judge_boxes([found], [labelled], NAMES, threshold)


def test_the_confusion_matrix_says_what_each_box_was_taken_for():
    labelled = Boxes.of([HERE, THERE], [0, 1])
    found = Boxes.of([HERE, [51, 0, 10, 10], [200, 0, 9, 9]], [0, 0, 1], [0.9, 0.8, 0.7])
    scores = judged(found, labelled, 0.5)
    assert scores.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    picture = scores.pictures[0]
    assert picture.false.tolist() == [False, True, True]
    assert picture.confused.tolist() == [False, True, False]
    assert picture.missed.tolist() == [False, True]
    assert picture.mistakes == 3


def test_boxes_below_the_threshold_are_not_there():
    labelled, found = Boxes.of([HERE], [0]), Boxes.of([HERE], [0], [0.4])
    assert judged(found, labelled, 0.4).confusion.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert judged(found, labelled, 0.41).confusion.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_the_best_score_chooses_first_whatever_its_class():
    labelled, found = Boxes.of([HERE], [0]), Boxes.of([HERE, [1, 0, 10, 10]], [0, 1], [0.6, 0.7])
    scores = judged(found, labelled, 0.5)
    assert scores.confusion.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert scores.pictures[0].found.labels.tolist() == [1, 0]


def test_boxes_in_a_crowd_are_neither_right_nor_wrong():
    labelled = Boxes.of([HERE, CROWD], [0, 0], crowd=[False, True])
    found = Boxes.of([HERE, [110, 10, 9, 9], [120, 10, 9, 9]], [0, 0, 1], [0.9, 0.8, 0.7])
    scores = judged(found, labelled, 0.5)
    assert scores.confusion.sum() == scores.confusion[0, 0] == 1
    assert scores.pictures[0].mistakes == 0
    assert scores.per_class[0].boxes == 1
    assert scores.per_class[0].precision == 1


@pytest.mark.parametrize("seed", range(6))
def test_every_box_is_counted_once(seed):
    found, labelled = random_boxes(seed, classes=2)
    scores = judge_boxes(found, labelled, NAMES, 0.3)
    truth = [boxes.labels[~boxes.crowd] for boxes in labelled]
    assert scores.confusion[:2].sum(axis=1).tolist() == np.bincount(np.concatenate(truth), minlength=2).tolist()
    in_crowds = sum(
        int(one.labelled.crowd[one.taken[one.taken >= 0]].sum()) for one in scores.pictures if len(one.labelled.labels)
    )
    assert scores.confusion[:, :2].sum() == sum(int((boxes.scores >= 0.3).sum()) for boxes in found) - in_crowds
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))
    assert sum(one.false.sum() for one in scores.pictures) == wrong[:, :2].sum()
    assert sum(one.missed.sum() for one in scores.pictures) == wrong[:2].sum()


@pytest.mark.parametrize("seed", range(6))
def test_no_threshold_has_a_higher_f1(seed):
    found, labelled = random_boxes(seed, classes=1)
    scores = judge_boxes(found, labelled, ["one"])
    one = scores.per_class[0]
    tried = {}
    for threshold in np.unique(np.concatenate([boxes.scores for boxes in found])).tolist():
        confusion = judge_boxes(found, labelled, ["one"], threshold).confusion
        tried[threshold] = 2 * confusion[0, 0] / (confusion[0].sum() + confusion[:, 0].sum())
    assert one.f1 == pytest.approx(max(tried.values()))
    assert tried[one.threshold] == pytest.approx(one.f1)
    assert one.f1 == pytest.approx(2 * one.precision * one.recall / (one.precision + one.recall))
    assert scores.threshold == one.threshold  # of the only class


@pytest.mark.parametrize("found", [Boxes.of(), Boxes.of([[200, 0, 9, 9]], [0], [0.9])])
def test_nothing_right_scores_zero_and_nothing_labelled_has_no_score(found):
    scores = judged(found, Boxes.of([HERE], [0]))
    assert scores.map == scores.map_50 == scores.per_class[0].f1 == 0
    assert scores.per_class[0].threshold == scores.per_class[1].ap == -1
    empty = judged(found, Boxes.of())
    assert empty[:12] == (-1.0,) * 12
    assert empty.confusion[2].sum() == len(found.labels)


def test_a_notebook_shows_every_class():
    shown = judged(Boxes.of([HERE], [0], [0.9]), Boxes.of([HERE], [0]))._repr_html_()
    assert "mAP 1.0000" in shown
    assert "cat" in shown
    assert "dog" in shown
