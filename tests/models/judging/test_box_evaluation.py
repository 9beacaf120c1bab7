"""Evaluating what finds boxes: parts, findings, scores, mistakes."""

import csv

import numpy as np
import pytest
from box_folders import write_spots
from finders import COLORS, spot_detector
from PIL import Image

from cnncli.data.boxes.opening import open_boxes
from cnncli.errors import DataError, ImageError
from cnncli.models.judging.box_evaluation import FINDING, evaluate_boxes
from cnncli.models.judging.splits import Run, Split

PICTURES = [
    [("red", 255, 10, 10, 20, 20), ("green", 200, 60, 30, 30, 20)],
    [("red", 100, 40, 40, 20, 20)],
    [],
    [("blue", 250, 5, 50, 40, 30), ("blue", 90, 80, 10, 20, 40)],
]


@pytest.fixture
def folder(tmp_path):
    return write_spots(tmp_path / "data", PICTURES)


def test_a_detector_that_finds_everything_has_full_marks(folder):
    found = evaluate_boxes(spot_detector(), folder)
    assert (found.part, len(found.dataset), found.findings) == ("train", 4, ())
    assert found.scores.map == found.scores.map_50 == found.scores.mar_100 == 1
    assert [(one.name, one.boxes) for one in found.scores.per_class] == [("red", 2), ("green", 1), ("blue", 2)]
    assert found.scores.confusion.tolist() == np.diag([2, 1, 2, 0]).tolist()
    assert found.mistakes() == []


def test_classes_that_the_model_does_not_know_are_refused(folder):
    """Without their boxes, what it misses would not count."""
    with pytest.raises(DataError, match="data: class 'blue' is not among the known ones: red, green"):
        evaluate_boxes(spot_detector(names=COLORS[:2]), folder)
    with pytest.raises(DataError, match="data: classes 'blue', 'green', 'red' are not among the known ones: x"):
        evaluate_boxes(spot_detector(names=("x",)), folder)


def test_boxes_are_judged_in_the_pictures_own_pixels(tmp_path):
    """The network takes half of the size: a box that came back at that size would overlap none."""
    found = evaluate_boxes(spot_detector(size=(48, 64)), write_spots(tmp_path / "data", PICTURES))
    assert found.scores.map_75 == 1


def test_mistakes_are_found_ones_by_their_score_and_then_the_missed(folder):
    labels = open_boxes(folder).train.boxes
    moved = [[("red", *box[1:]) for box in boxes] for boxes in PICTURES]  # every spot is labelled red
    moved[1] = [("red", 100, 100, 70, 10, 10)]
    write_spots(folder, PICTURES, labelled=moved)
    found = evaluate_boxes(spot_detector(), folder, threshold=0.2)
    mistakes = found.mistakes()
    rows = [(one.mistake, one.label, one.found, one.place) for one in mistakes]
    assert rows == [
        ("confused", "red", "blue", tuple(labels[3].places[0])),
        ("confused", "red", "green", tuple(labels[0].places[1])),
        ("false", "", "red", tuple(labels[1].places[0])),
        ("confused", "red", "blue", tuple(labels[3].places[1])),
        ("missed", "red", "", (100, 70, 10, 10)),
    ]
    assert [one.score and round(one.score * 255) for one in mistakes] == [250, 200, 100, 90, None]
    assert mistakes[0].file == found.dataset.names[3]
    assert sum(one.mistakes for one in found.scores.pictures) == 3 * 2 + 1 + 1


def test_mistakes_as_a_table(folder, tmp_path):
    write_spots(folder, PICTURES, labelled=[*PICTURES[:2], [("red", 0, 1, 2, 30, 40)], []])
    found = evaluate_boxes(spot_detector(), folder, threshold=0)
    found.save_mistakes(tmp_path / "wrong.csv")
    with open(tmp_path / "wrong.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mistake"] for row in rows] == ["false", "false", "missed"]
    assert [*rows[2].values()][1:] == ["missed", "red", "", "", "1", "2", "30", "40"]
    assert float(rows[0]["score"]) == pytest.approx(250 / 255, abs=1e-6)
    with pytest.raises(DataError, match="exists already"):
        found.save_mistakes(tmp_path / "wrong.csv")


def test_the_facts_are_json_and_say_what_has_no_value(folder):
    write_spots(folder, PICTURES[:2], labelled=[[PICTURES[0][0]], [PICTURES[1][0]]])
    for name in ("2", "3"):
        (folder / "Annotations" / f"{name}.xml").unlink()
    facts = evaluate_boxes(spot_detector(), folder).facts()
    assert facts["map_small"] == facts["map"] == 1
    assert facts["map_large"] is None
    assert facts["classes"] == [*COLORS, "background"]
    assert [one["class"] for one in facts["per_class"]] == list(COLORS)
    assert [one["ap"] for one in facts["per_class"]] == [1, None, None]
    assert [one["boxes"] for one in facts["per_class"]] == [2, 0, 0]
    assert (facts["items"], facts["part"]) == (2, "train")
    assert np.array(facts["confusion"]).shape == (4, 4)


def test_what_the_run_held_out_is_taken(folder, tmp_path):
    everything = open_boxes(folder).train
    split = Split.of(everything.take([0, 1]), everything.take([2, 3]))
    found = evaluate_boxes(spot_detector(), folder, run=Run(tmp_path, split))
    assert (found.part, len(found.dataset)) == ("validation", 2)
    assert "the 2 pictures that the run held out" in found.findings[0].message
    trained = evaluate_boxes(spot_detector(), folder, run=Run(tmp_path, split), part="train")
    assert len(trained.dataset) == 4
    assert "2 of 4 pictures were trained on" in trained.findings[0].message


def test_a_part_that_is_not_there_is_refused(folder):
    with pytest.raises(DataError, match="has no test part; it has train"):
        evaluate_boxes(spot_detector(), folder, part="test")


def test_a_damaged_picture_is_left_out_or_refused(folder):
    (folder / "JPEGImages" / "1.png").write_text("junk")
    found = evaluate_boxes(spot_detector(), folder)
    assert len(found.dataset) == len(found.found) == 3
    assert any("1.png" in finding.message for finding in found.findings)
    with pytest.raises(ImageError, match=r"1\.png"):
        evaluate_boxes(spot_detector(), folder, strict=True)


def test_progress_counts_what_is_checked_and_then_what_is_searched(folder):
    counted = []
    evaluate_boxes(spot_detector(), folder, jobs=2, progress=lambda done, total: counted.append((done, total)))
    assert counted == [(number, 4) for number in (1, 2, 3, 4)] * 2


def test_a_high_threshold_of_finding_costs_recall(folder):
    found = evaluate_boxes(spot_detector(), folder, finding=FINDING.replace(threshold=0.9))
    assert found.scores.mar_100 == pytest.approx((0.5 + 0 + 0.5) / 3)


def test_pictures_turned_by_exif_are_judged_upright(tmp_path):
    folder = write_spots(tmp_path / "data", PICTURES)
    path = folder / "JPEGImages" / "0.png"
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 3
        image.rotate(180).save(path, exif=exif)
    assert evaluate_boxes(spot_detector(), folder).scores.map == 1
