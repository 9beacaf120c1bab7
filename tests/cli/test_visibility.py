"""What a person sees: hints about pictures in which little can be seen, and matrices with cells that can be."""

import json

import numpy as np
import pytest
from oracles import gray_photograph
from PIL import Image
from shell import cnncli, done, listing, save

from cnncli import edge_picture, filter_image
from cnncli.filters.statistics import Visibility

SCENE = gray_photograph("camera")[100:164, 200:280]
FAINT, FAINTER = SCENE // 10 + 100, SCENE // 100 + 100  # with edges of 25 levels and of 2 at the most
STEP = "\n".join(["10 10 10 0 0 0"] * 6)
NEARLY_BLACK = "nearly black: under 1% of the pixels are above an eighth of white; try --scale "
CLIPPED = "clipped: over 10% of the pixels are white; try --scale "


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def hints(*words):
    """The lines of a run on standard error that are neither its files nor its sum."""
    lines = done("edge", *words, "-o", "made/", "--force").stderr.splitlines()
    return [line for line in lines if line.startswith("cnncli: ") and "each number" not in line]


def test_a_picture_that_is_nearly_black_is_told_once_a_run():
    for name in ("a.png", "b.png", "c.png"):
        save(".", FAINT, name)
    assert hints("a.png") == []
    assert hints("a.png", "--scale", "unit") == [f"cnncli: a.png: {NEARLY_BLACK}soft or p99"]
    hint = f"cnncli: b.png and others: {NEARLY_BLACK}soft or p99"
    assert hints("a.png", "b.png", "c.png", "--scale", "unit", "-j", 1) == [hint]
    save(".", SCENE, "b.png")
    save(".", SCENE, "c.png")
    assert hints("a.png", "b.png", "c.png", "--scale", "unit") == []  # less than half of them are
    save(".", FAINTER, "a.png")
    assert hints("a.png") == [f"cnncli: a.png: {NEARLY_BLACK}p99"]
    assert hints("a.png", "--invert") == [f"cnncli: a.png: {NEARLY_BLACK}p99"]
    assert hints("a.png", "--signed", "diverging") == [f"cnncli: a.png: {NEARLY_BLACK}p99"]


def test_so_is_one_that_is_clipped():
    save(".", gray_photograph("camera"))
    assert hints("image.png", "--scale", "20") == [f"cnncli: image.png: {CLIPPED}soft or p99"]
    assert hints("image.png", "--scale", "20", "--invert") == [f"cnncli: image.png: {CLIPPED}soft or p99"]
    assert hints("image.png") == hints("image.png", "--scale", "unit") == []
    # White is 1 in floating point, whatever the numbers are.
    np.save("image.npy", gray_photograph("camera").astype(np.float32))
    assert hints("image.npy") == [f"cnncli: image.npy: {CLIPPED}p99"]
    assert hints("image.npy", "--scale", "p99") == []


@pytest.mark.parametrize(
    "words",
    [
        ["-q"],
        ["--threshold", "90%"],
        ["--scale", "p99"],
        ["--scale", "p1"],
        ["--scale", "auto"],
        ["--signed", "offset"],
        ["--signed", "split"],
        ["-f", "gaussian:2"],
        ["-f", "canny:1,0,0"],
        ["-f", "sobel threshold:90%"],
        ["--format", "npy"],
    ],
)
def test_nothing_is_said_of_pictures_that_show_what_was_asked(words):
    save(".", FAINTER)
    assert hints("image.png", *words) == []


@pytest.mark.parametrize("form", ["png", "jpeg", "tiff"])
def test_thresholds_that_no_edge_reaches_are_told(form):
    save(".", FAINT)
    words = "cnncli: image.png: no edges: no gradient reaches HIGH; try lower thresholds, such as canny:1,2%,4%"
    assert hints("image.png", "-f", "canny:1,90%,95%", "--format", form) == [words]
    assert hints("image.png", "-f", "canny:1,0,0", "--format", form) == []


def test_nothing_is_said_of_a_picture_without_edges():
    save(".", np.full((9, 9), 7, np.uint8))
    assert hints("image.png", "--scale", "unit") == []


def test_hints_are_no_part_of_json():
    save(".", FAINT)
    result = done("edge", "image.png", "--scale", "unit", "--json")
    (line,) = result.stdout.splitlines()
    assert "hint" not in line
    assert json.loads(line)["status"] == "ok"
    assert NEARLY_BLACK in result.stderr


@pytest.mark.parametrize("height", [1, 100, 300, 2000])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_seen_does_not_depend_on_bands(height, dtype):
    picture = np.zeros((height, 10), dtype)
    picture[:, 0] = np.iinfo(dtype).max // 4
    for rows in (1, 7, height):
        seen, inverted = Visibility(), Visibility()
        for start in range(0, height, rows):
            band = picture[start : start + rows]
            seen.add(band, start, height, inverted=False)
            inverted.add(np.invert(band), start, height, inverted=True)
        for found in (seen, inverted):
            assert (found.is_dark, found.is_clipped) == (False, False)
    dark = Visibility()
    dark.add(picture // 3, 0, height, inverted=False)
    assert dark.is_dark


# Matrices


@pytest.mark.parametrize("signed", ["abs", "diverging"])
def test_the_numbers_of_a_small_matrix_are_drawn_as_squares(tmp_path, signed):
    (tmp_path / "m.txt").write_text(STEP)
    words = ("edge", "m.txt", "-f", "vertical", "-p", "valid", "--signed", signed)
    found = done(*words, "-o", "m.png")
    assert (
        found.stderr.splitlines()[0] == "cnncli: m.txt: each number is drawn as 32x32 pixels; --cell 1 draws one pixel"
    )
    small = edge_picture(np.loadtxt("m.txt", dtype=int), "vertical", padding="valid", signed=signed)
    assert np.array_equal(pixels("m.png"), small.repeat(32, axis=0).repeat(32, axis=1))
    for cell in (1, 3):
        found = done(*words, "-o", "m.png", "--cell", cell, "--force")
        assert "each number" not in found.stderr
        assert np.array_equal(pixels("m.png"), small.repeat(cell, axis=0).repeat(cell, axis=1))
    explained = done(*words, "-o", "m.png", "--force", "--explain", "1,2").stdout
    assert "as written to m.png" in explained


def test_larger_matrices_and_numbers_and_pictures_keep_their_size(tmp_path):
    (tmp_path / "large.csv").write_text("\n".join([",".join(["1"] * 33)] * 3))
    (tmp_path / "small.csv").write_text("\n".join([",".join(["1"] * 32)] * 3))
    np.save("array.npy", np.ones((3, 3), np.uint8))
    save(".", np.ones((3, 3), np.uint8))
    (tmp_path / "m.txt").write_text(STEP)
    for source, target, shape in (
        ("large.csv", "out.png", (3, 33)),
        ("small.csv", "out.png", (96, 1024)),
        ("array.npy", "out.png", (3, 3)),
        ("image.png", "out.png", (3, 3)),
        ("m.txt", "out.npy", (6, 6)),
        ("m.txt", "out.csv", (6, 6)),
    ):
        found = done("edge", source, "-o", target, "--force")
        assert ("each number" in found.stderr) == (source == "small.csv")
        written = pixels(target) if target.endswith(".png") else None
        if written is None:
            written = np.load(target) if target.endswith(".npy") else np.loadtxt(target, delimiter=",")
        assert written.shape == shape
    assert np.array_equal(
        np.load("out.npy"), filter_image(np.loadtxt("m.txt", dtype=int), "sobel", padding_mode="zeros")
    )
    done("edge", "image.png", "-o", "out.png", "--cell", 5, "--force")
    assert pixels("out.png").shape == (3, 3)


def test_pooled_matrices_are_drawn_so_too(tmp_path):
    (tmp_path / "m.txt").write_text("10 200; 30 40; 50 60; 70 80")
    done("pool", "m.txt", "-f", "2", "-o", "p.png")
    assert np.array_equal(pixels("p.png"), np.repeat([[200], [80]], 32, axis=0).repeat(32, axis=1))
    done("pool", "m.txt", "-f", "2", "-o", "p.npy")
    assert np.load("p.npy").shape == (2, 1)


def test_a_picture_of_a_matrix_is_no_larger_than_others_may_be(tmp_path):
    (tmp_path / "m.txt").write_text(STEP)
    refused = cnncli("edge", "m.txt", "-o", "m.png", "--cell", "1000", "--max-pixels", "1000000")
    assert refused.exit_code == 1
    assert "over the limit of 1,000,000" in refused.stderr
    assert listing(".") == ["m.txt"]
    assert cnncli("edge", "m.txt", "-o", "m.png", "--cell", "0").exit_code == 2
