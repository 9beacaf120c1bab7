import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.data.boxes.explaining import (
    drawn,
    judged,
    letters,
    overlap_facts,
    overlap_lines,
    suppression_facts,
    suppression_lines,
    verdict_lines,
)
from cnncli.data.boxes.scored import parse_scored
from cnncli.errors import ArgumentError
from cnncli.ops.boxes import iou, nms

sides = st.integers(0, 40)
boxes = st.tuples(st.integers(-30, 30), st.integers(-30, 30), sides, sides)


def equations(line):
    """Both sides of every equation of numbers in a line, such as `min(4, 5) - max(1, 2) = 4 - 2 = 2`."""
    extremes = re.findall(r"(min.*\)) = (-?\d+ - -?\d+)", line)
    return extremes + re.findall(r"((?:-?\d+ [-+*/] )+-?\d+) = (-?[\d.]+)", line)


@given(boxes, boxes)
def test_every_step_of_an_overlap_is_true(one, other):
    lines = [*overlap_lines(one, other)]
    found = [pair for line in lines for pair in equations(line)]
    assert len(found) >= 12
    for left, right in found:
        assert eval(left) == pytest.approx(eval(right), rel=1e-5)
    expected = iou(one, other).item()
    ratio = re.search(r"= ([\d.e-]+)(, as neither box has an area)?$", lines[-1])
    assert float(ratio[1]) == pytest.approx(expected, rel=1e-5)
    assert bool(ratio[2]) == (overlap_facts(one, other)["union"] == 0)


def test_the_published_example_is_explained():
    lines = "\n".join(overlap_lines([10, 10, 30, 30], [20, 20, 40, 40]))
    assert "A: left 10, right 10 + 30 = 40, top 10, bottom 10 + 30 = 40" in lines
    assert "shared width  = min(40, 60) - max(10, 20) = 40 - 20 = 20" in lines
    assert "union         = 900 + 1600 - 400 = 2100" in lines
    assert lines.endswith("400 / 2100 = 0.190476")


def test_boxes_apart_share_nothing():
    lines = [line for line in overlap_lines([0, 0, 5, 5], [10, 0, 5, 5]) if line.startswith(("shared", "inter"))]
    assert lines[0].endswith("5 - 10 = -5, below 0: the boxes lie apart, so 0")
    assert lines[1].endswith("5 - 0 = 5")
    assert lines[2] == "intersection  = 0 * 5 = 0"


@given(boxes, boxes)
def test_the_numbers_for_json_are_those_of_the_arithmetic(one, other):
    facts = overlap_facts(one, other)
    assert facts["first"] == [*one]
    assert facts["second"] == [*other]
    assert facts["iou"] == (facts["intersection"] / facts["union"] if facts["union"] else 0) == iou(one, other)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2, *[st.floats(0, 1e6)] * 2), min_size=2, max_size=2))
def test_any_two_boxes_can_be_drawn(pair):
    picture = drawn(np.array(pair))
    assert 1 <= len(picture) <= 12
    assert all(1 <= len(line) <= 36 for line in picture if line)
    assert set("".join(picture)) <= set("AB+-|# ")
    assert "B" in "".join(picture)


def test_a_drawing_shades_what_is_shared():
    apart, crossed = (
        drawn(np.array([[0.0, 0, 9, 9], [20, 0, 9, 9]])),
        drawn(np.array([[0.0, 0, 30, 30], [9, 9, 30, 30]])),
    )
    assert "#" not in "".join(apart)
    assert "#" in "".join(crossed)


def scored(seed, count=60):
    rng = np.random.default_rng(seed)
    places = np.concatenate([rng.uniform(0, 60, (count, 2)), rng.uniform(8, 40, (count, 2))], axis=1)
    return places, rng.permutation(count) / count, [f"class{label}" for label in rng.integers(0, 3, count)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("threshold", [0, 0.3, 0.5, 1])
def test_what_is_said_is_what_nms_does(seed, threshold):
    places, scores, classes = scored(seed)
    verdicts = judged(places, scores, classes, threshold)
    kept = [verdict.place for verdict in verdicts if verdict.kept]
    assert kept == nms(places, scores, threshold, classes).tolist()
    assert [verdict.place for verdict in verdicts] == np.argsort(-scores).tolist()
    others = [verdict for verdict in verdicts if verdict.other is not None]
    assert {verdict.kept for verdict in others} == ({True, False} if 0 < threshold < 1 else {threshold == 1})
    for place, is_kept, other, overlap in others:
        assert overlap == iou(places[place], places[other])
        assert (overlap > threshold) != is_kept
        assert other in kept
        assert scores[other] > scores[place]
        assert classes[other] == classes[place]


def test_the_first_box_that_was_kept_drops_others():
    places = np.array([[0.0, 0, 10, 10], [6, 0, 10, 10], [4, 0, 10, 10]])  # the third overlaps the second more
    verdicts = judged(places, np.array([0.9, 0.8, 0.7]), "aaa", 0.4)
    assert verdict_lines(verdicts, 0.4) == [
        "A kept",
        "B kept: IoU with A 0.25 <= 0.4",
        "C dropped: IoU with A 0.43 > 0.4",
    ]


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_rounded_overlaps_stay_on_their_side_of_the_threshold(overlap, threshold, near):
    overlap = np.nextafter(threshold, overlap).item() if near else overlap
    places = np.array([[0.0, 0, 1, 1]] * 2)
    verdict = judged(places, np.array([2.0, 1]), "aa", 0.5)[1]._replace(kept=overlap <= threshold, overlap=overlap)
    text = verdict_lines([judged(places, np.array([2.0, 1]), "aa", 0.5)[0], verdict], threshold)[1]
    said = float(re.search(r"with A ([\d.e-]+)", text)[1])
    assert (said > threshold) == (overlap > threshold)
    assert said == pytest.approx(overlap, abs=0.006)


def test_letters_never_repeat():
    names = [letters(number) for number in range(2000)]
    assert len({*names}) == 2000
    assert names == sorted(names, key=lambda name: (len(name), name))


TABLE = """file,class,score,x,y,width,height
b.jpg,cat,0.5,10,10,30,30
a.jpg,cat,0.9,10,10,30,30
a.jpg,cat,0.8,12,13,30,30
a.jpg,dog,0.85,12,13,30,30.5
"""


def test_boxes_are_judged_picture_by_picture():
    found = parse_scored(TABLE, "boxes.csv")
    assert [*suppression_lines(found, 0.5)] == [
        "b.jpg",
        "A kept  (cat 0.5: 10,10,30,30)",
        "a.jpg",
        "A kept                            (cat 0.9: 10,10,30,30)",
        "B kept                            (dog 0.85: 12,13,30,30.5)",
        "C dropped: IoU with A 0.72 > 0.5  (cat 0.8: 12,13,30,30)",
    ]
    facts = [*suppression_facts(found, 0.5)]
    assert [fact["kept"] for fact in facts] == [True, True, True, False]
    told = {"file": "a.jpg", "class": "cat", "score": 0.8, "x": 12, "y": 13, "width": 30, "height": 30}
    assert facts[-1] == told | {"name": "C", "kept": False, "other": "A", "iou": pytest.approx(0.724138)}


def test_names_that_a_terminal_would_obey_are_written_out():
    table = 'file,class,score,x,y,width,height\n"a\x1b[2J",b\x07,1,0,0,1,1\n'
    assert "".join(suppression_lines(parse_scored(table, "boxes.csv"), 0.5)).isprintable()


def test_a_box_that_is_none_is_refused():
    with pytest.raises(ArgumentError, match="second must be finite"):
        next(overlap_lines([0, 0, 1, 1], [0, 0, -1, 1]))
