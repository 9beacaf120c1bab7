"""Average precision, against pycocotools and against a plain loop over one box after another."""

import contextlib
import io

import numpy as np
import pytest
from found_boxes import random_boxes

from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ArgumentError
from cnncli.models.judging.average_precision import MOST, RECALLS, SIZES, THRESHOLDS, mean_precisions, measure, rank
from cnncli.models.judging.box_scores import judge_boxes

CASES = [
    {"pictures": 5, "classes": 3},
    {"pictures": 1, "classes": 1},
    {"pictures": 3, "classes": 2, "most_found": 400},
    {"pictures": 4, "classes": 4, "most": 0},
    {"pictures": 4, "classes": 2, "most_found": 0},
]


def coco(found, labelled, classes):
    """Return what pycocotools makes of boxes."""
    module, evaluator = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    truth, seen = module.COCO(), module.COCO()
    common = {
        "images": [{"id": picture} for picture in range(len(labelled))],
        "categories": [{"id": label} for label in range(classes)],
    }
    truth.dataset = {**common, "annotations": _annotations(labelled)}
    seen.dataset = {**common, "annotations": _annotations(found)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        seen.createIndex()
        evaluation = evaluator.COCOeval(truth, seen, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _annotations(pictures):
    rows = [(picture, row) for picture, boxes in enumerate(pictures) for row in zip(*boxes, strict=True)]
    return [
        {
            "id": number,  # pycocotools takes 0 for no box at all
            "image_id": picture,
            "category_id": int(label),
            "bbox": place.tolist(),
            "score": float(score),
            "iscrowd": int(crowd),
            "area": float(area),
        }
        for number, (picture, (place, label, score, crowd, area)) in enumerate(rows, 1)
    ]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers_are_those_of_pycocotools(case):
    largest = 0.0
    for seed in range(12):
        found, labelled = random_boxes(seed, **case)
        evaluation = coco(found, labelled, case["classes"])
        precision, recall = measure(rank(found, labelled, case["classes"]))
        expected = np.moveaxis(evaluation.eval["precision"][..., -1], (2, 3, 0, 1), (0, 1, 2, 3))
        np.testing.assert_allclose(precision, expected, atol=1e-12)
        np.testing.assert_allclose(recall, np.moveaxis(evaluation.eval["recall"], (1, 2, 0, 3), (0, 1, 2, 3)))
        scores = judge_boxes(found, labelled, [*map(str, range(case["classes"]))])
        np.testing.assert_allclose(scores[:12], evaluation.stats, atol=1e-12)
        assert mean_precisions(found, labelled, case["classes"])[0] == pytest.approx(evaluation.stats[1])
        largest = max(largest, scores.map_50)
    assert (largest > 0) == all(case.get(name, 1) for name in ("most", "most_found"))


def plain(found, labelled, label, threshold, size, most):
    """Return precision at each recall, and recall, of one class as COCO's paper describes it; None without labels."""
    low, high = SIZES[size]
    rows, total = [], 0
    for seen, truth in zip(found, labelled, strict=True):
        boxes = [
            (tuple(place), bool(crowd), bool(crowd) or not low <= area <= high)
            for place, its_label, _, crowd, area in zip(*truth, strict=True)
            if its_label == label
        ]
        total += sum(not aside for *_, aside in boxes)
        own = [(score, tuple(place)) for place, its, score, *_ in zip(*seen, strict=True) if its == label]
        free = [True] * len(boxes)
        for score, place in sorted(own, key=lambda pair: -pair[0])[:most]:
            best, choice = (False, threshold), None
            for number, (other, crowd, aside) in enumerate(boxes):
                shared = _overlap(place, other, crowd)
                if free[number] and shared >= threshold and (not aside, shared) >= best:
                    best, choice = (not aside, shared), number
            if choice is not None:
                free[choice] = boxes[choice][1]
            if choice is None and low <= place[2] * place[3] <= high:
                rows.append((score, False))
            elif choice is not None and not boxes[choice][2]:
                rows.append((score, True))
    if not total:
        return None
    hits, points = 0, []
    for number, (_, is_right) in enumerate(sorted(rows, key=lambda row: -row[0]), 1):
        hits += is_right
        points.append((hits / total, hits / number))
    return [max((p for r, p in points if r >= recall), default=0) for recall in RECALLS], hits / total


def _overlap(one, other, crowd):
    (x, y, width, height), (left, top, wide, high) = one, other
    shared = max(0, min(x + width, left + wide) - max(x, left)) * max(0, min(y + height, top + high) - max(y, top))
    whole = width * height if crowd else width * height + wide * high - shared
    return shared / whole if shared else 0


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_a_plain_loop(seed):
    found, labelled = random_boxes(seed, pictures=3, classes=2, most_found=14)
    precision, recall = measure(rank(found, labelled, 2))
    for label in range(2):
        for place, size in enumerate(SIZES):
            for step in (0, 5, 9):
                expected = plain(found, labelled, label, THRESHOLDS[step], size, MOST[-1])
                if expected is None:
                    assert (precision[label, place] == -1).all()
                    assert (recall[label, place] == -1).all()
                else:
                    np.testing.assert_allclose(precision[label, place, step], expected[0])
                    assert recall[label, place, step, -1] == pytest.approx(expected[1])
                    first = plain(found, labelled, label, THRESHOLDS[step], size, 1)
                    assert recall[label, place, step, 0] == pytest.approx(first[1])


def test_an_example_of_torchmetrics():
    """The documentation of `MeanAveragePrecision` prints these numbers."""
    found = [Boxes.of([[258, 41, 348, 244]], [0], [0.536])]
    labelled = [Boxes.of([[214, 41, 348, 244]], [0])]
    scores = judge_boxes(found, labelled, ["one"])
    assert scores[:3] == pytest.approx((0.6, 1, 1))
    assert scores[3:6] == pytest.approx((-1, -1, 0.6))
    assert scores[6:9] == pytest.approx((0.6, 0.6, 0.6))
    assert scores[9:12] == pytest.approx((-1, -1, 0.6))


def test_an_area_on_the_border_is_of_both_sizes():
    labelled = [Boxes.of([[0, 0, 32, 32]], [0])]
    scores = judge_boxes([Boxes.of([[0, 0, 32, 32]], [0], [0.9])], labelled, ["one"])
    assert (scores.map_small, scores.map_medium, scores.map_large) == (1, 1, -1)


def test_only_the_best_hundred_of_a_class_in_a_picture_count():
    right, labelled = [[0, 0, 9, 9]], [Boxes.of([[0, 0, 9, 9]], [0])]
    wrong = [[100, 0, 9, 9]] * 99
    for before, expected in ((wrong, 0.01), (wrong * 2, 0)):
        places = before + right
        found = [Boxes.of(places, [0] * len(places), [0.9] * len(before) + [0.1])]
        assert mean_precisions(found, labelled, 1)[0] == pytest.approx(expected)


def test_many_pictures_are_judged_in_the_blocks_that_memory_allows(monkeypatch):
    found, labelled = random_boxes(3, pictures=8)
    whole = measure(rank(found, labelled, 3))
    monkeypatch.setattr("cnncli.models.judging.box_matching._PAIRS", 7)
    for one, other in zip(whole, measure(rank(found, labelled, 3)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("found", "labelled", "message"),
    [
        ([], [Boxes.of()], "0 pictures, 1"),
        ([Boxes.of()], [Boxes.of([[0, 0, 1, 1]], [2])], "labelled box is of class 2"),
        ([Boxes.of([[0, 0, 1, 1]], [-1])], [Boxes.of()], "found box is of class -1"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(found, labelled, message):
    with pytest.raises(ArgumentError, match=message):
        rank(found, labelled, 2)
