import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnncli
from cnncli.errors import ArgumentError
from cnncli.ops import boxes as ops
from cnncli.ops.boxes import areas, corners, from_corners, intersections, iou, nms


def of_corners(*edges):
    return from_corners(np.array(edges, float))


def random_set(seed, count=None):
    """Boxes of 1 to 60 pixels in one picture, some of them in a crowd; distinct scores; four classes."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 120) if count is None else count
    boxes = np.concatenate([rng.uniform(0, 160, (count, 2)), rng.uniform(1, 60, (count, 2))], axis=1)
    crowd = rng.random(count) < 0.5
    boxes[crowd] = np.array([80, 60, 40, 50]) + rng.normal(0, 6, (crowd.sum(), 4))
    return boxes, rng.permutation(count) / max(count, 1), rng.integers(0, 4, count)


def loop_iou(one, other):
    """The definition, one pair at a time."""
    (x, y, width, height), (u, v, across, down) = map(np.ndarray.tolist, (one, other))
    shared = max(0, min(x + width, u + across) - max(x, u)) * max(0, min(y + height, v + down) - max(y, v))
    union = width * height + across * down - shared
    return shared / union if union else 0.0


def loop_nms(boxes, scores, threshold, classes):
    """The definition, one box at a time."""
    kept = []
    for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
        rivals = [best for best in kept if classes is None or classes[best] == classes[place]]
        if all(loop_iou(boxes[place], boxes[best]) <= threshold for best in rivals):
            kept.append(place)
    return kept


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((2, 1, 4, 3), (1, 2, 3, 4), 1 / 7),
        ((1, 2, 3, 4), (5, 6, 7, 8), 0),
        ((1, 1, 2, 2), (2, 2, 3, 3), 0),
        ((1, 1, 3, 3), (2, 3, 3, 4), 0),
    ],
)
def test_the_overlaps_of_the_course(one, other, expected):
    # Deep Learning Specialization, course 4, week 3, "Car detection with YOLO": left, top, right, bottom.
    assert iou(of_corners(one), of_corners(other)) == pytest.approx(expected, abs=1e-15)


def test_the_suppression_of_tensorflow():
    # TestSelectFromThreeClusters in tensorflow/core/kernels/image/non_max_suppression_op_test.cc: y before x.
    edges = [(0, 0, 1, 1), (0, 0.1, 1, 1.1), (0, -0.1, 1, 0.9), (0, 10, 1, 11), (0, 10.1, 1, 11.1), (0, 100, 1, 101)]
    boxes = of_corners(*edges)[:, [1, 0, 3, 2]]
    assert nms(boxes, [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]).tolist() == [3, 0, 5]


@pytest.mark.parametrize("seed", range(20))
def test_both_are_what_their_definitions_say(seed):
    boxes, scores, classes = random_set(seed)
    expected = [[loop_iou(one, other) for other in boxes[:30]] for one in boxes]
    assert np.array_equal(iou(boxes, boxes[:30]), np.reshape(expected, (len(boxes), -1)))
    for threshold in (0.0, 0.3, 0.5, 1.0):
        for told in (None, classes):
            assert nms(boxes, scores, threshold, told).tolist() == loop_nms(boxes, scores, threshold, told)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 6), max_size=24), st.sampled_from([0, 0.25, 1 / 3, 0.5, 1]))
def test_small_integers_with_ties_and_empty_boxes_are_suppressed_by_the_definition(rows, threshold):
    table = np.reshape(rows, (-1, 6)).astype(float)
    boxes, scores, classes = table[:, :4], table[:, 4], table[:, 5]
    assert nms(boxes, scores, threshold, classes).tolist() == loop_nms(boxes, scores.tolist(), threshold, classes)


def test_torchvision_gives_the_same():
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchvision").ops
    for seed in range(1000):
        boxes, scores, classes = random_set(seed)
        edges, values, labels = map(torch.from_numpy, (corners(boxes), scores, classes))
        assert np.array_equal(nms(boxes, scores, 0.5), theirs.nms(edges, values, 0.5))
        assert np.array_equal(nms(boxes, scores, 0.4, classes), theirs.batched_nms(edges, values, labels, 0.4))
        assert np.allclose(iou(boxes, boxes), theirs.box_iou(edges, edges), rtol=1e-13, atol=1e-13)


def test_overlaps_equal_those_of_pycocotools():
    theirs = pytest.importorskip("pycocotools.mask")
    for seed in range(100):
        boxes, _, _ = random_set(seed, count=40)
        assert np.allclose(
            iou(boxes, boxes[::-1]), theirs.iou(boxes, boxes[::-1], [False] * 40), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("count", [1500, 4000])
def test_blocks_give_what_all_boxes_at_once_give(monkeypatch, count):
    boxes, scores, classes = random_set(3, count)
    found = nms(boxes, scores, 0.5, classes)
    monkeypatch.setattr(ops, "_BLOCK", count)
    monkeypatch.setattr(ops, "_STRIP", count)
    assert np.array_equal(found, nms(boxes, scores, 0.5, classes))
    assert 100 < len(found) < count


@given(st.integers(0, 10**6), st.sampled_from([1e-9, 1.0, 1e9, 1e60]), st.floats(-1e9, 1e9))
def test_units_and_place_do_not_matter(seed, unit, shift):
    boxes, scores, classes = random_set(seed, count=40)
    boxes = boxes.round()
    moved = boxes * unit
    moved[:, :2] += np.round(shift) * unit
    assert np.array_equal(nms(moved, scores, 0.45, classes), nms(boxes, scores, 0.45, classes))


def test_classes_may_be_names():
    boxes, scores, classes = random_set(5)
    assert np.array_equal(
        nms(boxes, scores, 0.5, [f"class {name}" for name in classes]), nms(boxes, scores, 0.5, classes)
    )


def test_what_is_kept_overlaps_little_and_what_is_not_overlaps_a_better_one():
    boxes, scores, _ = random_set(8, count=500)
    kept = nms(boxes, scores, 0.5)
    dropped = np.setdiff1d(np.arange(500), kept)
    assert (np.diff(scores[kept]) < 0).all()
    assert (np.triu(iou(boxes[kept], boxes[kept]), 1) <= 0.5).all()
    better = scores[kept] > scores[dropped][:, np.newaxis]
    assert len(dropped)
    assert ((iou(boxes[dropped], boxes[kept]) > 0.5) & better).any(axis=1).all()


def test_of_equal_scores_the_first_stays():
    assert nms([[0, 0, 9, 9]] * 3 + [[1, 0, 9, 9]], [0.5, 0.5, 0.5, 0.5]).tolist() == [0]


@pytest.mark.filterwarnings("error")
def test_boxes_without_an_area_overlap_nothing():
    boxes = [[3, 3, 0, 0], [3, 3, 0, 5], [0, 0, 9, 9]]
    assert iou(boxes, boxes).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert nms(boxes * 2, [6, 5, 4, 3, 2, 1], 0).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("empty", [[], np.empty((0, 4)), np.empty((0, 4), np.float32)])
def test_nothing_overlaps_nothing(empty):
    assert iou(np.reshape(empty, (-1, 4)), np.ones((3, 4))).shape == (0, 3)
    assert iou(np.ones((3, 4)), np.reshape(empty, (-1, 4))).shape == (3, 0)
    kept = nms(empty, [], 0.5, [])
    assert (kept.shape, kept.dtype) == ((0,), np.int64)


def test_one_box_needs_no_rows():
    boxes = [[0, 0, 2, 2], [1, 0, 2, 2]]
    assert iou(boxes[0], boxes[1]).shape == ()
    assert iou(boxes[0], boxes).tolist() == iou(boxes[:1], boxes)[0].tolist()
    assert iou(boxes, boxes[0]).tolist() == iou(boxes, boxes[:1])[:, 0].tolist()


def test_bytes_do_not_wrap_around():
    boxes = np.array([[200, 200, 100, 100], [250, 200, 100, 100]], np.uint8)
    assert iou(boxes[0], boxes[1]) == iou(boxes[0].astype(float), boxes[1].astype(float)) == pytest.approx(1 / 3)


def test_infinite_scores_are_first_and_last():
    assert nms(np.eye(3, 4) * 9 + 1, [-np.inf, 0, np.inf]).tolist() == [2, 1, 0]


def test_corners_go_forth_and_back():
    boxes = np.array([[[1.5, 2, 3, 4]], [[0, 0, 0, 8]]])
    assert np.array_equal(from_corners(corners(boxes)), boxes)
    assert areas(boxes).tolist() == [[12], [0]]
    assert intersections(boxes[:, 0], np.array([[0, 4, 3, 1]])).tolist() == [[1.5], [0]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: iou([[1, 2, 3]], [[1, 2, 3, 4]]), "first must be .*x, y, width, height.*1, 3"),
        (lambda: iou(np.ones((2, 2, 4)), [[1, 2, 3, 4]]), "first must be"),
        (
            lambda: iou([[1, 2, 3, 4]], [[1, 2, 3, 4], [1, 2, -3, 4]]),
            r"second .* from 0; got \[1.0, 2.0, -3.0, 4.0\] .*1",
        ),
        (lambda: iou([[1, 2, np.nan, 4]], [[1, 2, 3, 4]]), "first must be finite"),
        (lambda: iou([[1, 2, 1e200, 1e200]], [[1, 2, 3, 4]]), "first must be finite"),
        (lambda: nms([[1, 2, 3, np.inf]], [1]), "boxes must be finite"),
        (lambda: nms([[1, 2, 3, 4]], [np.nan]), "NaN for box 0"),
        (lambda: nms([[1, 2, 3, 4]], [1, 2]), "scores must be one for each of 1 boxes"),
        (lambda: nms([[1, 2, 3, 4]], [1], 0.5, [1, 2]), "classes must be one for each"),
        (lambda: nms([[1, 2, 3, 4]], [1], 1.5), "threshold .* 1.5"),
        (lambda: nms([[1, 2, 3, 4]], [1], np.nan), "threshold"),
        (lambda: nms("boxes.csv", [1]), "is an array, got the path"),
    ],
)
def test_what_is_no_box_is_refused(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_both_are_public():
    assert cnncli.iou is iou
    assert cnncli.nms is nms
