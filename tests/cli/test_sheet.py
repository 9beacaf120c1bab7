"""`cnncli edge --sheet`: the original and the picture of each filter on one sheet."""

import json

import numpy as np
import pytest
from oracles import gray_photograph, photograph
from PIL import Image
from shell import cnncli, done, json_lines, listing, process, save

from cnncli import edge_picture, read_image

PLACE = (74 + 22, 24)
"""The upper left corner of the first picture on a sheet."""


def tile(sheet, shape, column=0):
    """The pixels of a picture in the first row of a sheet, in its own size."""
    left = PLACE[1] + column * (shape[1] + 16)
    return sheet[PLACE[0] : PLACE[0] + shape[0], left : left + shape[1]].astype(int)


@pytest.fixture
def path(tmp_path):
    return save(tmp_path, photograph("coffee")[:300, :400])


def test_the_original_is_first_and_pictures_are_those_of_outputs(tmp_path, path):
    result = done("edge", path, "-f", "median:5", "--sheet", tmp_path / "sheet.png")
    assert result.stderr == f"{path} -> {tmp_path / 'sheet.png'}\n"
    sheet, image = read_image(tmp_path / "sheet.png"), read_image(path)
    inside = (slice(1, -1),) * 2  # without frames
    assert np.array_equal(tile(sheet, image.shape)[inside], image[inside])
    assert np.array_equal(tile(sheet, image.shape, 1)[inside], edge_picture(image, "median:5")[inside])


def test_a_sheet_holds_every_filter(tmp_path, path):
    words = ["sobel", "gaussian:1.4 sobel", "canny", "threshold"]
    options = [word for name in words for word in ("-f", name)]
    done("edge", path, *options, "--sheet", tmp_path / "five.png")
    done("edge", path, "--sheet", tmp_path / "two.png")
    five, two = read_image(tmp_path / "five.png"), read_image(tmp_path / "two.png")
    assert five.shape[0] > 1.8 * two.shape[0]
    dark = (five < 60).all(axis=2).mean()
    assert dark > 0.2  # edges are drawn on black


def test_signs_make_two_pictures(tmp_path, path):
    for name, words in {"one": [], "both": ["--signed", "split"]}.items():
        done("edge", path, "-f", "vertical", *words, "--sheet", tmp_path / f"{name}.png")
    assert read_image(tmp_path / "both.png").size > read_image(tmp_path / "one.png").size


def test_large_pictures_are_made_smaller(tmp_path):
    large = np.tile(gray_photograph("camera")[:200, :250], (12, 12))
    path = save(tmp_path, large)
    done("edge", path, "-f", "canny", "--sheet", tmp_path / "sheet.png")
    sheet = read_image(tmp_path / "sheet.png")
    assert max(sheet.shape) < 2100
    small = tile(sheet, (600, 750), 1)
    assert small.max() > 60  # thin lines are still there


@pytest.mark.parametrize(
    "pixels",
    [
        np.linspace(0, 65535, 5000).reshape(50, 100).astype(np.uint16),
        np.dstack([photograph("coffee")[:50, :100], np.full((50, 100), 128, np.uint8)]),
        photograph("coffee")[:1, :1],
        np.eye(9, dtype=bool),
    ],
)
def test_every_kind_of_picture(tmp_path, pixels):
    path = save(tmp_path, pixels)
    done("edge", path, "-f", "box:1", "-f", "laplacian", "-p", "1", "--sheet", tmp_path / "sheet.png")
    assert read_image(tmp_path / "sheet.png").shape[2] == 3


@pytest.mark.parametrize(
    "numbers", [np.array([[0.0, np.nan, 1.0]] * 3), np.arange(48).reshape(4, 4, 3) - 9, np.zeros((5, 5, 2), np.int64)]
)
def test_arrays_and_matrices(tmp_path, numbers):
    np.save(tmp_path / "numbers.npy", numbers)
    done("edge", tmp_path / "numbers.npy", "-f", "vertical", "--color", "each", "--sheet", tmp_path / "sheet.png")
    (tmp_path / "step.txt").write_text("10 10 0 0\n" * 4)
    done("edge", tmp_path / "step.txt", "-f", "vertical", "--sheet", tmp_path / "step.png")
    first = tile(read_image(tmp_path / "step.png"), (4 * 80, 4 * 80))
    assert (first[40, 40].tolist(), first[40, 280].tolist()) == ([255] * 3, [0] * 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_formats(tmp_path, path, suffix):
    output = tmp_path / f"sheet{suffix}"
    done("edge", path, "--sheet", output)
    with Image.open(output) as image:
        assert f".{image.format.lower().replace('jpeg', 'jpg')}".startswith(suffix)
        assert image.mode == "RGB"


def test_one_sheet_for_each_input(tmp_path, path):
    other = save(tmp_path, gray_photograph("coins"), "other.png")
    result = cnncli("edge", path, other, "--sheet", tmp_path / "sheet.png")
    assert result.exit_code == 2
    assert "2 inputs do not fit into one output" in result.stderr
    done("edge", path, other, "--sheet", f"{tmp_path}/{{stem}}-all.jpg")
    done("edge", path, other, "--sheet", f"{tmp_path}/sheets/")
    made = ["image-all.jpg", "image.png", "other-all.jpg", "other.png", "sheets"]
    assert listing(tmp_path) == [*made, "sheets/image-sheet.png", "sheets/other-sheet.png"]


def test_existing_files_and_inputs_are_kept(tmp_path, path):
    output = tmp_path / "sheet.png"
    output.write_bytes(b"mine")
    assert cnncli("edge", path, "--sheet", output).exit_code == 2
    assert output.read_bytes() == b"mine"
    assert cnncli("edge", path, "--sheet", path, "--force").exit_code == 2
    done("edge", path, "--sheet", output, "--force")
    assert read_image(output).shape[2] == 3


def test_a_sheet_is_whole_or_absent(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(save(tmp_path, photograph("coffee")[:90, :90]).read_bytes()[:-500])
    result = cnncli("edge", path, "--sheet", tmp_path / "sheet.png")
    assert result.exit_code == 1
    assert listing(tmp_path) == ["broken.png", "image.png"]


def test_standard_output_is_a_png_also_of_a_matrix(tmp_path):
    result = process("edge", "-", "--sheet", "-", stdin=b"1 0; 0 1")
    assert result.stdout.startswith(b"\x89PNG")
    result = process("edge", "-", "--sheet", "-", "--format", "webp", stdin=b"1 0; 0 1")
    assert result.stdout[8:12] == b"WEBP"


def test_a_url_has_the_sheet_of_a_file_of_its_name(tmp_path, path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe_file("/sheets/image.png", path.read_bytes())
    done("edge", path, "--sheet", tmp_path / "file.png")
    done("edge", "memory://sheets/image.png", "--sheet", tmp_path / "url.png")
    assert (tmp_path / "file.png").read_bytes() == (tmp_path / "url.png").read_bytes()


def test_finished_sheets_are_skipped_whatever_is_reported(tmp_path, path):
    words = ["edge", path, "--sheet", f"{tmp_path}/sheets/", "--skip-existing", "--json"]
    statuses = [json_lines(done(*words))[0]["status"], json_lines(done(*words))[0]["status"]]
    assert statuses == ["ok", "skipped"]
    assert "skipped" in done(*words[:-1], "--dry-run").stdout
    changed = done(*words, "-f", "laplacian", "--force")
    assert json_lines(changed)[0]["status"] == "ok"


def test_a_json_line(tmp_path, path):
    (line,) = json_lines(done("edge", path, "-f", "sobel", "-f", "box", "--sheet", tmp_path / "s.png", "--json"))
    assert (line["status"], line["filter"], line["output"]) == ("ok", "sobel+box", str(tmp_path / "s.png"))
    assert line["output_shape"] == list(read_image(tmp_path / "s.png").shape)
    planned = done("edge", path, "--sheet", tmp_path / "t.png", "--dry-run", "--json").stdout
    assert json.loads(planned)["output"] == str(tmp_path / "t.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sheet", "s.npy"], "s.npy holds numbers, and a sheet is a picture"),
        (["--sheet", "s.png", "--format", "npy"], "npy holds numbers, and a sheet is a picture"),
        (["--sheet", "s.png", "-o", "t.png"], "--sheet names the one output: leave out --output"),
        (["--sheet", "s.png", "--explain", "1,1"], "--sheet names the one output: leave out --explain"),
        (["--sheet", "s.png", "--stats"], "--stats writes nothing: leave out --sheet"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cnncli("edge", path, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"cnncli: {message}")
    assert listing(tmp_path) == ["image.png"]
