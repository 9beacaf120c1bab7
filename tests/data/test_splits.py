import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cnncli.data import ArrayDataset, Subset, find_duplicates, open_dataset
from cnncli.data.parts import split
from cnncli.errors import ArgumentError


def data(items=500, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, items, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    return ArrayDataset(
        rng.integers(0, 256, (items, 3, 3, 1)).astype(np.uint8), labels, tuple("abcdefgh"[:classes]), "x"
    )


def contents(dataset, indices):
    return {dataset.fingerprints[place] for place in indices.tolist()}


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.25, 0.5, 0.9, 0.999])
def test_every_item_is_on_one_side_and_every_class_on_both(fraction):
    whole = data()
    train, held_out = split(whole, fraction)
    assert train.dtype == held_out.dtype == np.int64
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(500))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held_out) > 0).all()
    counts, held = whole.counts(), Subset(whole, held_out).counts()
    for count, chosen in zip(counts.tolist(), held.tolist(), strict=True):
        assert 1 <= chosen < count
        assert abs(chosen - fraction * count) <= 1


def test_the_order_of_items_changes_nothing():
    whole = data()
    shuffled = Subset(whole, np.random.default_rng(3).permutation(500))
    assert contents(whole, split(whole, 0.2)[1]) == contents(shuffled, split(shuffled, 0.2)[1])


def test_most_items_stay_when_others_are_added():
    whole = data()
    few = Subset(whole, np.arange(450))
    before, after = contents(few, split(few, 0.2)[1]), contents(whole, split(whole, 0.2)[1])
    assert len(before & after) >= 0.85 * len(before)


def test_the_same_content_never_stands_on_both_sides():
    whole = data()
    doubled = Subset(whole, np.repeat(np.arange(500), 3))
    train, held_out = split(doubled, 0.3)
    assert not contents(doubled, train) & contents(doubled, held_out)
    assert find_duplicates(Subset(doubled, train), Subset(doubled, held_out)) is None
    assert len(held_out) == pytest.approx(0.3 * 1500, rel=0.05)


def test_names_and_places_of_files_change_nothing(tmp_path):
    rng = np.random.default_rng(5)
    for number in range(40):
        picture = Image.fromarray(rng.integers(0, 256, (4, 4)).astype(np.uint8))
        for folder, name in (("one", f"{number}.png"), ("two", f"renamed-{97 * number % 41}.png")):
            (tmp_path / folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / folder / "ab"[number % 2] / name)
    one, two = (open_dataset(tmp_path / folder).train for folder in ("one", "two"))
    assert contents(one, split(one, 0.25)[1]) == contents(two, split(two, 0.25)[1])


def test_it_is_the_same_in_another_process_and_tomorrow():
    """Python's own hashes differ from process to process; these numbers are part of what runs can be compared by."""
    program = (
        "import numpy as np\n"
        "from cnncli.data import ArrayDataset\n"
        "from cnncli.data.parts import split\n"
        "pixels = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)\n"
        "print(split(ArrayDataset(pixels, np.arange(20) % 2, ('a', 'b'), 'x'), 0.3)[1].tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {FIXED}


FIXED = "[1, 4, 8, 9, 15, 16]"


def test_classes_too_small_to_divide_are_trained_on():
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    train, held_out = split(ArrayDataset(pixels, np.array([0, 1, 1, 1, 1]), ("a", "b"), "x"), 0.25)
    assert 0 in train
    assert len(held_out) == 1


def test_data_without_two_different_pictures():
    same = ArrayDataset(np.zeros((6, 1, 1, 1), np.uint8), np.arange(6) % 2, ("a", "b"), "x")
    with pytest.raises(ArgumentError, match="no class has two different pictures: nothing can be held out"):
        split(same, 0.5)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_a_fraction_is_between_0_and_1(fraction):
    with pytest.raises(ArgumentError, match="the part held out must be between 0 and 1, got"):
        split(data(), fraction)
