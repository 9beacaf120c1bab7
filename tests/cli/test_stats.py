"""`cnncli edge --stats`: a line of numbers for each file and filter, in the order of the inputs, and no outputs."""

import json

import numpy as np
import pytest
from oracles import gray_photograph, photograph
from PIL import Image
from shell import cnncli, done, json_lines, listing, process, save, save_photograph

from cnncli import filter_statistics
from cnncli.filters.distribution import NAMES

HEADER = "\t".join([*NAMES, "filter", "input"]) + "\n"


def rows(result):
    return [line.split("\t") for line in result.stdout.splitlines()]


@pytest.fixture
def pictures(tmp_path):
    """Photographs, each more blurred than the one before."""
    from scipy.ndimage import gaussian_filter

    sharp = gray_photograph("camera")[:64, :80]
    for place, sigma in enumerate((0, 1, 2, 4)):
        save(tmp_path, gaussian_filter(sharp, sigma), f"{place}.png")
    return tmp_path


def test_a_line_has_the_numbers_of_the_response(tmp_path):
    path = save(tmp_path, gray_photograph("coins"))
    found = rows(done("edge", path, "-f", "laplacian", "--stats"))
    facts = filter_statistics(gray_photograph("coins"), "laplacian").facts()
    assert found == [[*(f"{number:.6g}" for number in facts.values()), "laplacian", str(path)]]
    (line,) = json_lines(done("edge", path, "-f", "laplacian", "--stats", "--json"))
    assert {name: line[name] for name in NAMES} == facts
    assert (line["input"], line["status"], line["error"], line["filter"]) == (str(path), "ok", None, "laplacian")
    assert line["input_shape"] == line["output_shape"] == list(gray_photograph("coins").shape)
    assert listing(tmp_path) == ["image.png"]


def test_names_of_columns_are_a_message(tmp_path):
    path = save(tmp_path, np.eye(9, dtype=np.uint8))
    assert done("edge", path, "--stats").stderr == HEADER
    assert done("edge", path, "--stats", "-q").stderr == done("edge", path, "--stats", "--json").stderr == ""


def test_deviations_of_the_laplacian_rank_sharpness(pictures):
    found = rows(done("edge", pictures, "-r", "-f", "laplacian", "--stats"))
    deviations = [float(row[3]) for row in found]
    assert len(deviations) == 4
    assert deviations == sorted(deviations, reverse=True)
    assert listing(pictures) == ["0.png", "1.png", "2.png", "3.png"]


@pytest.mark.parametrize("options", [["-j", "1"], ["-j", "4"], ["--scheduler", "local"]])
def test_lines_are_in_the_order_of_the_inputs(pictures, options):
    if "--scheduler" in options:
        pytest.importorskip("distributed")
    names = [pictures / f"{place}.png" for place in (2, 0, 3, 1)]
    words = ["-f", "sobel", "-f", "gaussian:1 laplacian", "--stats", "-q"]
    found = rows(done("edge", *names, *words, *options))
    assert [row[-2:] for row in found] == [
        [name, str(path)] for path in names for name in ("sobel", "gaussian1-laplacian")
    ]
    assert found == [row for path in names for row in rows(done("edge", path, *words))]


def test_shares_are_parts_of_the_whole(pictures):
    whole = rows(done("edge", pictures, "-r", "--stats", "-q"))
    shares = [rows(done("edge", pictures, "-r", "--stats", "-q", "--shard", f"{part}/2")) for part in (1, 2)]
    assert sorted(shares[0] + shares[1]) == sorted(whole)


def test_lists_and_standard_input(pictures):
    path = pictures / "1.png"
    (expected,) = rows(done("edge", path, "--stats"))
    assert rows(done("edge", "--files-from", "-", "--stats", stdin=f"{path}\n".encode())) == [expected]
    content = process("edge", "-", "--stats", stdin=path.read_bytes()).stdout.decode()
    assert content.rstrip("\n").split("\t") == [*expected[:-1], "-"]


def test_channels_and_frames_are_measured_together(tmp_path):
    colours = photograph("coffee")[:40, :50]
    path = save(tmp_path, colours)
    (line,) = json_lines(done("edge", path, "-f", "median:3", "--stats", "--json"))
    assert line["output_shape"] == [40, 50, 3]
    assert line["mean"] == filter_statistics(colours, "median:3").mean
    frames = [Image.fromarray(colours[..., channel]) for channel in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    (line,) = json_lines(done("edge", tmp_path / "pages.tif", "-f", "sobel", "--stats", "--json"))
    together = filter_statistics(colours, "sobel", color="each")
    assert {name: line[name] for name in NAMES} == pytest.approx(together.facts())


def test_16_bits_floats_and_numbers_that_are_not_finite(tmp_path):
    numbers = np.linspace(0, 65535, 300).reshape(15, 20)
    Image.fromarray(numbers.astype(np.uint16)).save(tmp_path / "deep.png")
    numbers[3, 4] = np.nan
    np.save(tmp_path / "floats.npy", numbers)
    np.save(tmp_path / "nothing.npy", np.full((5, 5), np.nan))
    deep, floats, nothing = json_lines(
        done(
            "edge", *(tmp_path / name for name in ("deep.png", "floats.npy", "nothing.npy")), "--stats", "--json", "-q"
        )
    )
    assert deep["max"] > 255
    assert floats["max"] > floats["mean"] > 0
    assert nothing["mean"] is None
    assert rows(done("edge", tmp_path / "nothing.npy", "--stats"))[0][:11] == ["nan"] * 11


def test_a_file_that_fails_leaves_the_others(pictures):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    result = cnncli("edge", pictures / "0.png", pictures / "broken.png", pictures / "1.png", "--stats", "-q")
    assert result.exit_code == 1
    assert [row[-1] for row in rows(result)] == [str(pictures / "0.png"), str(pictures / "1.png")]
    assert "broken.png" in result.stderr
    result = cnncli("edge", pictures / "broken.png", "--stats", "--json")
    (line,) = json_lines(result)
    assert (line["status"], line["filter"], line["mean"]) == ("failed", None, None)
    assert "broken.png" in line["error"]


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "out.png"],
        ["--force"],
        ["--format", "npy"],
        ["--quality", "80"],
        ["--cell", "4"],
        ["--show"],
        ["--skip-existing"],
        ["--dry-run"],
        ["--scale", "unit"],
        ["--signed", "offset"],
        ["--threshold", "64"],
        ["--invert"],
        ["--explain", "1,1"],
        ["--explain-all"],
    ],
)
def test_options_on_outputs_are_refused(pictures, words):
    result = cnncli("edge", pictures / "0.png", "--stats", *words)
    option = "--output" if words[0] == "-o" else words[0]
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"cnncli: --stats writes nothing: leave out {option}\n"


def test_options_of_filtering_hold(tmp_path):
    path = save(tmp_path, gray_photograph("camera")[:30, :40])
    options = {"stride": 2, "padding": "valid", "bias": 3.0, "activation": "relu"}
    words = ["-s", "2", "-p", "valid", "--bias", "3", "--activation", "relu"]
    (line,) = json_lines(done("edge", path, "-f", "vertical", *words, "--stats", "--json"))
    expected = filter_statistics(gray_photograph("camera")[:30, :40], "vertical", **options)
    assert {name: line[name] for name in NAMES} == expected.facts()
    kernel = done("edge", path, "-k", "1 -1", "--stats", "--json")
    assert json.loads(kernel.stdout)["filter"] == "kernel"


def test_the_same_numbers_for_a_jpeg_as_for_its_outputs(tmp_path):
    path = save_photograph(tmp_path, "coffee", ".jpg")
    done("edge", path, "-f", "sobel", "-o", tmp_path / "response.npy")
    response = np.load(tmp_path / "response.npy").astype(np.float64)
    (line,) = json_lines(done("edge", path, "-f", "sobel", "--stats", "--json"))
    assert (line["min"], line["max"]) == (response.min(), response.max())
    assert line["std"] == pytest.approx(response.std(), rel=1e-12)
