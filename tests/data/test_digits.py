"""The digits among the samples: what a newcomer trains on first."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from cnncli.data import Subset, open_dataset, recognise
from cnncli.data.parts import split
from cnncli.training.baselines import Baselines

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def digits():
    return open_dataset(SAMPLES / "digits")


def test_they_are_forty_clean_pictures_of_each_class(digits):
    assert recognise(SAMPLES / "digits") == "folder"
    assert digits.findings == ()
    assert digits.train.class_names == tuple("0123456789")
    assert digits.train.counts().tolist() == [40] * 10
    assert digits.train.shape == (28, 28, 1)
    assert digits.train.images([0]).dtype == np.uint8
    assert len(set(digits.train.fingerprints)) == 400


def test_a_tenth_is_four_of_each_class_and_there_is_something_to_learn(digits):
    train, held_out = (Subset(digits.train, part) for part in split(digits.train, 0.1))
    assert held_out.counts().tolist() == [4] * 10
    found = Baselines.on(held_out, train)
    assert found.majority_class == 0.1
    assert 0.3 < found.nearest_centroid < 1


def test_they_are_small():
    files = [path for path in (SAMPLES / "digits").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 400_000


def test_the_script_draws_them_again(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    runpy.run_path(str(SAMPLES / "make_digits.py"))["main"](tmp_path / "digits")
    again = open_dataset(tmp_path / "digits").train
    names = [Path(name).relative_to(tmp_path / "digits") for name in again.names]
    assert names == [Path(name).relative_to(SAMPLES / "digits") for name in digits.train.names]
    everything = np.arange(400)
    drawn, kept = (part.images(everything).astype(int) for part in (again, digits.train))
    # Another version of FreeType smooths edges a little otherwise.
    assert np.abs(drawn - kept).mean() < 4
