"""Folders that are parts of the data by their names, and those that are classes all the same."""

from itertools import product

import numpy as np
import pytest
from PIL import Image

from cnncli.data import open_dataset, recognise
from cnncli.data.parts import PART_NAMES, find_parts
from cnncli.errors import DataError


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4)).astype(np.uint8)).save(path)


def tree(folder, **parts):
    """Make parts with two classes of two pictures each."""
    for number, (name, place) in enumerate(product("ab", parts.items())):
        for turn in range(2):
            save(folder / place[1] / name / f"{turn}.png", [number, turn])
    return folder


STYLES = [
    "{}",
    "{}_set",
    "{}set",
    "{}-images",
    "{} data",
    "seg_{}",
    "MNIST-{}",
    "{}2017",
]
CASES = [str.lower, str.upper, str.title]
PAIRS = [
    *product(PART_NAMES["train"], [("validation", word) for word in PART_NAMES["validation"]]),
    *product(PART_NAMES["train"], [("test", word) for word in PART_NAMES["test"]]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("style", STYLES)
def test_parts_are_known_in_any_case_and_spelling(tmp_path, style, case):
    for number, (train, (part, word)) in enumerate(PAIRS):
        names = {"train": case(style.format(train)), part: case(style.format(word))}
        for name in names.values():
            (tmp_path / str(number) / name / "a").mkdir(parents=True)
        assert find_parts(str(tmp_path / str(number))) == names


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("training", "testing"),
        ("training_set", "test_set"),
        ("TrainSet", "TestSet"),
        ("train", "TEST"),
    ],
)
def test_parts_are_opened_as_such(tmp_path, train, test):
    folder = tree(tmp_path, train=train, test=test)
    assert recognise(folder) == "pair"
    parts = open_dataset(folder)
    assert parts.folders == {"train": train, "test": test}
    assert parts.train.class_names == parts.test.class_names == ("a", "b")
    assert len(parts.train) == len(parts.test) == 4


def test_all_three_are_parts(tmp_path):
    parts = open_dataset(tree(tmp_path, train="Training", validation="dev", test="eval_test_no", other="Testing"))
    assert parts.folders == {"train": "Training", "validation": "dev", "test": "Testing"}
    assert [finding.message for finding in parts.findings if finding.kind == "ignored"] == [
        f"{tmp_path}: eval_test_no beside Training/ and dev/ and Testing/ left out"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("train", "Train", "test"),
        ("train", "training", "val"),
        ("train", "val", "dev"),
        ("train", "test", "testing_set"),
    ],
)
def test_two_folders_that_are_the_same_part_are_refused(tmp_path, names):
    for name in names:
        for label in "ab":
            save(tmp_path / name / label / "x.png", 0)
    with pytest.raises(DataError, match=r"are both the (train|validation|test) part by their names: rename or move"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("test", "blood", "urine"),
        ("train", "bus", "car"),
        ("bus", "car", "test", "train"),
        ("train", "test_tube", "car"),
        ("dev", "prod", "staging"),
        ("contest", "protest"),
        ("trainer", "tester"),
    ],
)
def test_classes_that_are_called_as_parts_stay_classes(tmp_path, names):
    for number, name in enumerate(names):
        save(tmp_path / name / "x.png", number)
    assert find_parts(str(tmp_path)) == {}
    assert recognise(tmp_path) == "folder"
    assert set(open_dataset(tmp_path).train.class_names) == set(names)


def test_a_training_part_alone_is_one(tmp_path):
    parts = open_dataset(tree(tmp_path, train="training_images"))
    assert parts.folders == {"train": "training_images"}
    assert parts.train.class_names == ("a", "b")
    assert parts.validation is parts.test is None


def test_parts_without_one_to_train_on_are_refused(tmp_path):
    with pytest.raises(DataError, match="has val/ and test/, but no part to train on"):
        open_dataset(tree(tmp_path, validation="val", test="test"))


def test_the_same_picture_in_the_parts_that_choose_and_judge_is_said(tmp_path):
    tree(tmp_path, train="train", validation="val", test="test")
    (tmp_path / "test" / "a" / "copy.png").write_bytes((tmp_path / "val" / "a" / "0.png").read_bytes())
    (finding,) = open_dataset(tmp_path).findings
    assert finding.message.startswith("1 picture of the test part is in the validation part too: ")
