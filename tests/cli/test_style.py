"""`cnncli style`, from pictures to a picture."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from oracles import photograph
from shell import PATIENCE, cnncli, done, listing, save

from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.images.reading import read_image
from cnncli.models.model import Model, save_model
from cnncli.networks import parse_network

QUICK = ("--size", 24, "--steps", 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, photograph("chelsea")[:64:2, :96:2], "content.png")
    save(tmp_path, photograph("coffee")[:64:2, :64:2], "style.png")
    return tmp_path


def test_a_picture_and_its_costs_with_their_divisors(folder):
    result = done("style", "content.png", "style.png", "-o", "out.jpg", *QUICK)
    assert read_image("out.jpg").shape == (16, 24, 3)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["cost", "layer", "divisor", "before", "after", "unit", "weight", "weighted"]
    first = next(line for line in lines if line[:2] == ["style", "0.cat"])
    assert float(first[2]) == pytest.approx(4 * 128**2 * (16 * 24) ** 2, rel=1e-5)
    assert "random weights judge" in result.stderr
    assert "--model vgg19=vgg19.safetensors" in result.stderr
    assert "step 3/3  cost" in result.stderr
    assert listing(folder) == ["content.png", "out.jpg", "style.png"]


def test_json_lines_say_all(folder):
    result = done("style", "content.png", "style.png", "-o", "out.png", *QUICK, "--json", "--seed", 3)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["size", "step", "step", "end"]
    end = events[-1]
    assert (end["output"], end["shape"], end["done"], end["steps"]) == ("out.png", [16, 24, 3], True, 3)
    assert [cost["kind"] for cost in end["costs"]] == ["content", "style", "style", "style", "variation"]
    total = sum(cost["value"] * cost["weight"] / cost["unit"] for cost in end["costs"])
    assert total == pytest.approx(events[2]["cost"])


def test_quiet_says_nothing_and_a_second_run_needs_force(folder):
    arguments = ("style", "content.png", "style.png", "-o", "out.png", *QUICK, "-q")
    result = done(*arguments)
    assert (result.stdout, result.stderr) == ("", "")
    first = (folder / "out.png").read_bytes()
    refused = cnncli(*arguments)
    assert refused.exit_code == 2
    assert "--force overwrites" in refused.stderr
    done(*arguments, "--force", "-j", 2)
    assert (folder / "out.png").read_bytes() == first


def test_options_reach_the_transfer(folder):
    save(folder, np.full((8, 8), 255, np.uint8), "mask.png")
    words = ("--blend", "2,1", "--content", "2", "--style", "0:2,4", "--keep-colors", "luminance", "--mask", "mask.png")
    words += ("--units", "gatys", "--memory", "300M", "--style-size", 20, "--preview", "now.png", "--tv", 1)
    result = done("style", "content.png", "style.png", "content.png", "-o", "out.png", *QUICK, *words, "--json")
    costs = json.loads(result.stdout.splitlines()[-1])["costs"]
    assert [(cost["layer"], round(cost["weight"], 3)) for cost in costs] == [
        ("2", 1),
        ("0", 106.667),
        ("4", 53.333),
        ("", 1),
    ]
    assert {cost["unit"] for cost in costs} == {1}
    assert read_image("now.png").shape == (16, 24, 3)


def test_a_texture_has_no_content(folder):
    result = done("style", "--texture", "style.png", "-o", "out.png", *QUICK)
    assert read_image("out.png").shape == (24, 24, 3)
    assert "content" not in result.stdout


def test_a_model_judges(folder):
    network = parse_network("12x12x3 conv3-4,relu conv3-4,relu gap fc-2")
    save_model(
        "model.safetensors", Model(network, *initialize(network, 0), ("a", "b"), Normalization.called("unit").over(3))
    )
    done("style", "content.png", "style.png", "-o", "out.png", *QUICK, "--model", "model.safetensors")
    assert read_image("out.png").shape[:2] == (16, 24)
    result = cnncli("style", "content.png", "style.png", "-o", "b.png", "--model", "model.safetensors", "--style", "9")
    assert result.exit_code == 2
    assert "no layer '9': there are 0.conv" in result.stderr
    assert not os.path.exists("b.png")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("content.png", "-o", "out.png"), 2, "a style is missing"),
        (("content.png", "none.png", "-o", "out.png"), 1, "none.png: no such file"),
        (("content.png", "text.png", "-o", "out.png"), 1, "text.png"),
        (("content.png", "style.png", "-o", "out.xyz"), 2, "no format is known"),
        (("content.png", "style.png", "-o", "no/out.png"), 2, "no: no such folder"),
        (("content.png", "style.png", "-o", "style.png", "--force"), 2, "is an input"),
        (("content.png", "style.png", "-o", "out.png", "--preview", "out.png"), 2, "choose another file"),
        (("content.png", "style.png", "-o", "out.png", "--memory", "much"), 2, "--memory must be bytes"),
        (("content.png", "style.png", "-o", "out.png", "--memory", "1M"), 2, "allow more memory"),
        (("content.png", "style.png", "-o", "out.png", "--model", "vgg19"), 1, "a network without weights"),
        (("one.png", "style.png", "-o", "out.png"), 1, "a picture of 1x1 is too small for the layers"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_left(folder, words, code, message):
    (folder / "text.png").write_text("no picture")
    save(folder, np.zeros((1, 1), np.uint8), "one.png")
    before = listing(folder)
    result = cnncli("style", *words, "-q")
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert listing(folder) == before


def test_a_black_style_is_said(folder):
    save(folder, np.zeros((16, 16), np.uint8), "black.png")
    result = done("style", "content.png", "black.png", "-o", "out.png", *QUICK)
    assert "of one colour" in result.stderr
    assert read_image("out.png").mean() < read_image("content.png").mean()


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_writes_the_picture_so_far(folder):
    words = [sys.executable, "-m", "cnncli", "style", "content.png", "style.png", "-o", "out.png"]
    words += ["--size", "48", "--steps", "100000", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "step":
            pass
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert json.loads(rest.splitlines()[-1])["done"] is False
    assert read_image("out.png").shape == (32, 48, 3)
    assert listing(folder) == ["content.png", "out.png", "style.png"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(folder):
    os.symlink("/dev/full", "out.png")
    result = cnncli("style", "content.png", "style.png", "-o", "out.png", *QUICK, "-q", "--force")
    assert result.exit_code == 1
    assert result.stderr == "cnncli: out.png: cannot be written: No space left on device\n"
