"""`cnncli forward`: what it prints is what is computed."""

import json
import re

import numpy as np
import pytest
from models import random_model
from PIL import Image
from shell import cnncli, done

from cnncli.models.activations.forward import forward
from cnncli.models.model import save_model

NETWORK, INPUT = "conv2-1,relu max2 fc-2", "1 2 0; 0 1 3; 1 0 1"
SET = {"0.conv.weight": "1 0; 0 -1", "0.conv.bias": "1", "2.fc.weight": "2 -3", "2.fc.bias": "0 1"}
WORDS = [word for name, matrix in SET.items() for word in ("--set", f"{name}={matrix}")]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_layer_is_printed():
    assert (
        done("forward", NETWORK, INPUT, *WORDS).stdout
        == """\
input  3x3x1
1 2 0
0 1 3
1 0 1

0.conv  z = conv2-1  3x3x1 -> 2x2x1
size: floor((3 + 2*0 - 2)/1 + 1) = 2
1 0
1 1

0.relu  a = relu(z)  2x2x1
1 0
1 1

1.max  max2  2x2x1 -> 1x1x1
size: floor((2 + 2*0 - 2)/2 + 1) = 1
1

2.fc  fc-2  1x1x1 -> 2
2 -2
"""
    )


def test_json_has_every_number():
    found = forward(NETWORK, INPUT, SET)
    facts = json.loads(done("forward", NETWORK, INPUT, *WORDS, "--json").stdout)
    assert facts["network"] == f"3x3x1 {NETWORK}"
    assert facts["output"] == found.output.tolist()
    assert [layer["name"] for layer in facts["layers"]] == ["0.conv", "0.relu", "1.max", "2.fc"]
    assert [layer["activations"] for layer in facts["layers"]] == [one.numbers.tolist() for one in found.layers]
    one = json.loads(done("forward", NETWORK, INPUT, *WORDS, "--json", "--layer", "0").stdout)
    assert one["layers"] == facts["layers"][:2]


def test_one_number_is_explained():
    words = [NETWORK, INPUT, *WORDS, "--explain", "0:1,0"]
    text = done("forward", *words).stdout
    assert "sum = 2 + 0 + 0 - 3 = -1\n" in text
    assert "sum + bias = -1 + 1 = 0\n" in text
    explained = json.loads(done("forward", *words, "--json").stdout)["explained"]
    assert explained | {"lines": ()} == {"layer": "0", "place": [0, 1, 0], "value": 0, "lines": ()}
    assert explained["lines"] == text.splitlines()


def test_a_large_output_is_shortened_and_a_layer_is_not():
    np.save("x.npy", np.arange(30 * 40 * 10).reshape(30, 40, 10))
    text = done("forward", "relu flatten", "x.npy").stdout
    assert text.count("(shortened: 10 channels, 30x40; --layer prints all)") == 2
    assert text.count("(shortened: 12000 numbers; --layer prints all)") == 1
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) < 180
    whole = done("forward", "relu flatten", "x.npy", "--layer", "0").stdout
    assert "shortened" not in whole
    assert sorted(map(int, re.findall(r"\b\d+\b", whole.partition("\n")[2])))[-1] == 11999
    assert len(re.findall(r"^channel \d", whole, re.MULTILINE)) == 10
    assert len(re.findall(r"\d+", done("forward", "relu flatten", "x.npy", "--layer", "1").stdout)) > 12000


def test_one_number_a_channel_is_a_row():
    assert done("forward", "gap", "1 3 | 4 4 | 0 1").stdout.splitlines()[-1] == "2 4 0.5"


def test_a_matrix_may_begin_with_a_minus():
    assert done("forward", "relu", "-1 2; 3 -4").stdout.splitlines()[-2:] == ["0 2", "3 0"]


def test_weights_from_a_file_and_over_it():
    with open("w.toml", "w") as file:
        file.writelines(f'{name} = "{matrix}"\n' for name, matrix in SET.items())
    whole = done("forward", NETWORK, INPUT, *WORDS).stdout
    assert done("forward", NETWORK, INPUT, "--weights", "w.toml").stdout == whole
    changed = done("forward", NETWORK, INPUT, "--weights", "w.toml", "--set", "2.fc.bias=5 5").stdout
    assert changed.splitlines()[-1] == "7 2"


def test_what_is_drawn_is_said():
    text = done("forward", NETWORK, INPUT, *WORDS[:4], "--seed", "1").stdout
    assert text.startswith("drawn at random: 2.fc.weight, 2.fc.bias\n")


def test_a_model_and_a_picture():
    save_model("model.safetensors", random_model("8x8x1 conv3-2,relu fc-3"))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save("a.png")
    text = done("forward", "model.safetensors", "a.png").stdout
    assert text.startswith("input  8x8x1  images 8x8x1 (stretch), ")
    assert "2.fc" not in text
    assert "1.fc  fc-3  6x6x2 -> 3\n" in text


def test_a_block_shows_what_it_adds():
    text = done("forward", "res[ conv1-1 ]", "1 -2", "--set", "0.res.main.0.conv.weight=-3", "--seed", "1").stdout
    assert text.endswith("z = 0.res.main.0.conv + input\n-2 4\na = relu(z)\n0 4\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "1"), "--set takes NAME=MATRIX, got '1'"),
        (("--set", "a=1", "--set", "a=2"), "--set a is given twice"),
        (("--explain", "0"), "--explain takes LAYER:X,Y[,C] such as 0.conv:1,2,0, got '0'"),
        (("--explain", "0:1", "--layer", "0"), "--layer and --explain print one thing each"),
        ((), "4 of 4 arrays are not given: 0.conv.weight (2x2x1x1), 0.conv.bias (1), 2.fc.weight (1x2)"),
    ],
)
def test_wrong_usage(words, message):
    result = cnncli("forward", NETWORK, INPUT, *words)
    assert result.exit_code == 2
    assert message in result.stderr
