"""`cnncli dream`: pictures and sheets of what units answer to, and what is refused."""

import json

import numpy as np
import pytest
from models import halves_model, random_model
from PIL import Image
from shell import cnncli, done, listing

from cnncli.models.dreaming import dream
from cnncli.models.model import save_model

FEW = ("--steps", "5")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", random_model("16x16x3 conv3-4,relu max2 conv3-5,relu gap fc-3"))
    return tmp_path


def opened(path):
    """Return the pixels and the format of a picture."""
    with Image.open(path) as image:
        return np.asarray(image), image.format


def test_a_unit(folder):
    result = done("dream", "model.safetensors", "--unit", "0.conv:3", "-o", "out.png", "--zoom", "1", *FEW)
    [found] = dream("model.safetensors", "0.conv:3", steps=5)
    assert (opened("out.png")[0] == found.picture).all()
    assert result.stdout == f"0.conv:3\t{found.before:.4f}\t{found.after:.4f}\n"
    assert result.stderr == "model.safetensors -> out.png\n"


def test_names_and_sizes(folder):
    done("dream", "model.safetensors", "--unit", "0.conv:3", *FEW)
    done("dream", "model.safetensors", "--class", "left", "-q", *FEW)
    done("dream", "model.safetensors", "--layer", "2", "--size", "14x20", *FEW)
    assert listing(".") == ["dream-0.conv-3.png", "dream-2.png", "dream-left.png", "model.safetensors"]
    assert opened("dream-left.png")[0].shape[:2] == (224, 224)


def test_json(folder):
    result = done("dream", "model.safetensors", "--layer", "0", "-o", "out.jpg", "--json", "--seed", "4", *FEW)
    found = json.loads(result.stdout)
    assert [one["unit"] for one in found["units"]] == ["0:0", "0:1", "0:2", "0:3"]
    assert all(one["after"] > one["before"] and not one["dead"] for one in found["units"])
    assert (found["output"], found["steps"], found["seed"], found["height"]) == ("out.jpg", 5, 4, 12)
    assert result.stderr == ""
    assert opened("out.jpg")[1] == "JPEG"


def test_the_same_seed_gives_the_same_file(folder):
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        done("dream", "model.safetensors", "--class", "top", "-o", name, "--seed", seed, *FEW)
    first, again, other = ((folder / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == again != other


def test_grey_pictures_stay_grey(folder):
    save_model("gray.safetensors", halves_model())
    done("dream", "gray.safetensors", "--class", "top", "-o", "a.png", *FEW)
    assert opened("a.png")[0].shape == (216, 216)


def test_nothing_is_overwritten(folder):
    (folder / "a.png").write_text("mine")
    result = cnncli("dream", "model.safetensors", "--unit", "0:1", "-o", "a.png", *FEW)
    assert (result.exit_code, (folder / "a.png").read_text()) == (2, "mine")
    done("dream", "model.safetensors", "--unit", "0:1", "-o", "a.png", "--force", *FEW)
    assert opened("a.png")[0].shape == (216, 216, 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "name one of --unit LAYER:CHANNEL, --class NAME and --layer LAYER"),
        (["--unit", "0:1", "--class", "left"], 2, "name one of"),
        (
            ["--unit", "0.conv"],
            2,
            "--unit 0.conv: name a channel, such as 0.conv:0, or draw them all with --layer 0.conv",
        ),
        (["--unit", "9:1"], 2, "the model has no layer '9': there are 0.conv, 0.relu, 0, 1.max, "),
        (["--unit", "0:9"], 2, "layer 0 has the channels 0 to 3, got '9'"),
        (["--class", "lefd"], 2, "did you mean left?"),
        (["--layer", "0", "--zoom", "2"], 2, "--zoom is for a single picture"),
        (["--unit", "0:1", "-o", "a.npy"], 2, "a.npy: does not hold a coloured picture"),
        (["--unit", "0:1", "-o", "no/a.png"], 2, "no: no such folder: make it first"),
        (["--unit", "0:1", "--size", "2"], 2, "conv3-4 needs at least 3x3, got 2x2"),
        (["--unit", "0:1", "--size", "a"], 2, "size must be a number of pixels"),
    ],
)
def test_refusals_are_one_line(folder, words, code, message):
    result = cnncli("dream", "model.safetensors", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0
    assert listing(".") == ["model.safetensors"]
