"""`cnncli learn`, from an image and its response to a kernel that `edge` takes."""

import json

import numpy as np
import pytest
from oracles import gray_photograph, photograph
from PIL import Image
from shell import cnncli, done, listing, save

SOBEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, gray_photograph("camera")[:80, :96], "photo.png")
    done("edge", "photo.png", "-f", "sobel", "-d", "vertical", "-o", "t.npy", "-q")
    return tmp_path


def test_the_answer_stands_beside_the_exact_one(folder):
    result = done("learn", "photo.png", "t.npy", "-f", 3)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["gradient", "descent", "least", "squares"]
    assert np.array([line.split() for line in lines[1:4]], float).tolist() == [row + row for row in SOBEL]
    assert "converged after" in result.stdout
    assert "mean squared error" in result.stdout
    assert listing(folder) == ["photo.png", "t.npy"]


@pytest.mark.parametrize("suffix", ["txt", "csv", "json", "npy"])
def test_what_is_saved_makes_the_target_again(folder, suffix):
    done("learn", "photo.png", "t.npy", "-o", f"kernel.{suffix}")
    done("edge", "photo.png", "-k", f"kernel.{suffix}", "-o", "again.npy")
    np.testing.assert_allclose(np.load("again.npy"), np.load("t.npy"), atol=1e-3)


@pytest.mark.parametrize(
    "options", [["-p", "valid"], ["-s", "2"], ["-p", "0,3", "--padding-mode", "circular"], ["--flip"]]
)
def test_the_geometry_has_the_words_of_edge(folder, options):
    done("edge", "photo.png", "-f", "sobel", "-d", "vertical", *options, "-o", "other.npy")
    found = json.loads(done("learn", "photo.png", "other.npy", *options, "--json").stdout)
    np.testing.assert_allclose(found["kernel"], SOBEL, atol=1e-3)


def test_json_holds_all_of_it(folder):
    found = json.loads(done("learn", "photo.png", "t.npy", "-f", "3", "-o", "k.txt", "--json").stdout)
    np.testing.assert_allclose(found["kernel"], SOBEL, atol=1e-3)
    np.testing.assert_allclose(found["least_squares"]["kernel"], SOBEL, atol=1e-6)
    assert found["converged"] is True
    assert found["steps"] == found["losses"][-1][0]
    assert found["loss"] < 1e-6 < found["losses"][0][1]
    assert found["positions"] == 80 * 96
    assert (found["rank"], found["unknowns"], found["output"]) == (9, 9, "k.txt")


def test_a_kernel_over_volume(folder):
    save(folder, photograph("astronaut")[:64, :64], "colour.png")
    kernel = np.arange(12.0).reshape(2, 2, 3) - 5
    np.save("k.npy", kernel)
    done("edge", "colour.png", "-k", "k.npy", "--color", "volume", "-o", "v.npy")
    done("learn", "colour.png", "v.npy", "-f", "2", "--color", "volume", "-o", "found.npy")
    np.testing.assert_allclose(np.load("found.npy"), kernel, atol=1e-2)
    refused = cnncli("learn", "colour.png", "v.npy", "-f", "2", "--color", "volume", "-o", "found.txt")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_a_bias_is_printed_and_said_how_to_use(folder):
    done("edge", "photo.png", "-f", "vertical", "--bias", "10", "-o", "b.npy")
    result = done("learn", "photo.png", "b.npy", "--bias", "-o", "k.txt")
    assert "bias 10" in result.stdout
    assert "-k k.txt --bias 1" in result.stdout or "-k k.txt --bias 9.99" in result.stdout


def test_nothing_is_overwritten(folder):
    (folder / "k.txt").write_text("mine")
    result = cnncli("learn", "photo.png", "t.npy", "-o", "k.txt")
    assert (result.exit_code, result.stderr) == (2, "cnncli: k.txt exists already: --force overwrites\n")
    assert (folder / "k.txt").read_text() == "mine"
    assert cnncli("learn", "photo.png", "t.npy", "-o", "t.npy", "--force").exit_code == 2
    done("learn", "photo.png", "t.npy", "-o", "k.txt", "--force")
    assert np.loadtxt("k.txt").shape == (3, 3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["photo.png", "t.npy", "-p", "valid"], 2, "padding same"),
        (["photo.png", "none.npy"], 1, "none.npy: no such file"),
        (["none.png", "t.npy"], 1, "none.png: no such file"),
        (
            ["photo.png", "t.npy", "-o", "k.png"],
            2,
            "k.png: the name of a kernel file ends in one of .txt, ",
        ),
        (["photo.png", "t.npy", "-o", "none/k.txt"], 2, "none: no such folder"),
        (["photo.png", "t.npy", "-f", "x"], 2, "--kernel-size must be"),
        (["photo.png", "t.npy", "--color", "each"], 2, "--color must be gray or volume"),
        (["photo.png", "t.npy", "--optimizer", "newton"], 2, "the optimizers are"),
        (["photo.png", "t.npy", "--lr", "9"], 2, "take less than"),
        (["photo.png"], 2, "TARGET"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    result = cnncli("learn", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)


def test_a_target_that_is_no_response_is_said(folder):
    done("edge", "photo.png", "-o", "magnitude.npy")
    assert "explains" in done("learn", "photo.png", "magnitude.npy").stdout


def test_responses_of_several_channels_are_no_target(folder):
    save(folder, photograph("astronaut")[:32, :32], "colour.png")
    done("edge", "colour.png", "-f", "vertical", "--color", "each", "-o", "each.npy")
    result = cnncli("learn", "colour.png", "each.npy")
    assert (result.exit_code, "one response" in result.stderr) == (2, True)


def test_a_picture_of_the_target_will_do(folder):
    done("edge", "photo.png", "-f", "box", "-o", "box.png")
    save(folder, np.asarray(Image.open("box.png").convert("RGB")), "colour.png")
    for name in ("box.png", "colour.png"):
        found = json.loads(done("learn", "photo.png", name, "--json").stdout)
        np.testing.assert_allclose(found["kernel"], np.full((3, 3), 1 / 9), atol=0.02)


def test_an_image_that_leaves_it_open_is_said(folder):
    np.savetxt("step.txt", np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0), fmt="%d")
    done("edge", "step.txt", "-f", "vertical", "-p", "valid", "-o", "s.npy")
    assert "3 of 9 weights" in done("learn", "step.txt", "s.npy", "-p", "valid").stdout
