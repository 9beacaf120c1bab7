"""`cnncli detect` with a classifier, which slides."""

import numpy as np
import pytest
from finders import bright_model, canvas
from models import random_model
from PIL import Image
from shell import cnncli, done, listing

from cnncli.models.model import save_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with models and pictures."""
    monkeypatch.chdir(tmp_path)
    save_model("bright.safetensors", bright_model())
    save_model("padded.safetensors", random_model("8x8x1 conv3-2,same gap fc-3,softmax", ("a", "b", "background")))
    save_model("fixed.safetensors", random_model("8x8x1 gn1 gap fc-3,softmax", ("a", "b", "background")))
    Image.fromarray(canvas((20, 30, 4), (50, 11, 4))).save("a.png")
    Image.fromarray(np.repeat(canvas((20, 30, 4))[..., np.newaxis], 3, axis=2)).save("b.png")
    return tmp_path


def test_windows_that_show_an_object_are_lines(folder):
    result = done("detect", "bright.safetensors", "a.png", "b.png", "--scales", "1", "-q")
    places = [line.split("\t")[3:] for line in result.stdout.splitlines()]
    assert sorted(places[:2]) == [["18.0", "28.0", "8.0", "8.0"], ["48.0", "9.0", "8.0", "8.0"]]
    assert places[2:] == [["18.0", "28.0", "8.0", "8.0"]]


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_difference_that_padding_makes_is_said_once(folder, jobs):
    words = ["detect", "padded.safetensors", "a.png", "b.png", "-j", jobs]
    assert done(*words).stderr.count("conv3-2,p1 pads its input") == 1
    assert "pads" not in done(*words, "-q").stderr
    assert "pads" not in done(*words, "--exact", "--scales", "0.5").stderr


def test_a_network_that_cannot_slide_is_told_how_it_can(folder):
    result = cnncli("detect", "fixed.safetensors", "a.png")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "gn1 sees more than a window that moves" in result.stderr
    assert "--exact" in result.stderr
    done("detect", "fixed.safetensors", "a.png", "--exact", "--scales", "0.5")


def test_false_windows_are_harvested(folder):
    words = ["detect", "bright.safetensors", "a.png", "b.png", "--scales", "1", "--harvest", "more", "-q"]
    assert done(*words, "--top", "1").stdout.count("bright") == 2
    assert len(listing("more/background")) == 2
    assert done(*words).stdout.count("bright") == 3
    assert len(listing("more/background")) == 3
    result = cnncli("detect", "bright.safetensors", "a.png", "--harvest", "a.png")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
