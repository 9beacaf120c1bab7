"""`cnncli filters`: the list, kernels as text that `-k` takes, pictures of them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from oracles import gray_photograph
from shell import PATIENCE, cnncli, done, listing, save

from cnncli import filter_kernel, read_image
from cnncli.filters.chains import Chain
from cnncli.filters.kernel_files import read_kernel
from cnncli.filters.named import FILTERS

KERNELS = [name for name in FILTERS if Chain.of(name).last.operator.kernels]


def direction(name):
    return "vertical" if Chain.of(name).last.operator.directed("vertical") else None


def test_the_list_has_a_line_for_each_filter():
    lines = done("filters").stdout.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(FILTERS)]] == list(FILTERS)
    for line, entry in zip(lines[2:], FILTERS.values(), strict=False):
        assert entry.about in line
        assert all(f"{argument.name}" in line and argument.brief in line for argument in entry.arguments)
    assert len(lines) == 3 + len(FILTERS)
    assert "LOW=10% (from 0, or %)" in done("filters").stdout


def test_the_list_as_json_and_in_other_formats():
    found = json.loads(done("filters", "--json").stdout)
    assert [entry["name"] for entry in found] == list(FILTERS)
    canny = next(entry for entry in found if entry["name"] == "canny")
    assert canny["arguments"][0] == {"name": "SIGMA", "default": "1", "allowed": "a number from 0 to 500"}
    assert done("filters", "--format", "csv").stdout.startswith("name,arguments,filter,agrees with\n")
    assert done("filters", "--format", "markdown").stdout.count("|\n") == len(FILTERS) + 2


@pytest.mark.parametrize("name", [*KERNELS, "gaussian:2", "gaussian:1.4 sobel", "box:3x5 laplacian"])
def test_the_text_of_a_kernel_is_read_back_exactly(name):
    text = done("filters", *name.split()).stdout
    assert np.array_equal(read_kernel(text), filter_kernel(name, direction=direction(name)))


@pytest.mark.parametrize("name", ["laplacian", "sobel", "gaussian:1"])
def test_a_shell_hands_a_kernel_over(tmp_path, name):
    save(tmp_path, gray_photograph("camera")[:40, :50], "photo.png")
    program = f"{sys.executable} -m cnncli"
    line = f'{program} edge photo.png -k "$({program} filters {name})" -o response.npy'
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True, timeout=PATIENCE, capture_output=True)
    options = ["-d", "vertical"] if direction(name) else []
    done("edge", tmp_path / "photo.png", "-f", name, *options, "--color", "gray", "-o", tmp_path / "other.npy")
    found, expected = np.load(tmp_path / "response.npy"), np.load(tmp_path / "other.npy")
    assert np.allclose(found, expected, atol=1e-4)


def test_of_a_pair_the_vertical_kernel_is_printed_the_other_as_a_comment_and_a_line_says_so():
    both = done("filters", "sobel")
    assert both.stdout.splitlines()[-4:] == [
        "# horizontal, 3x3, sum 0, unit 4:",
        "#  1  2  1",
        "#  0  0  0",
        "# -1 -2 -1",
    ]
    assert both.stderr == ("cnncli: sobel has two kernels, of which this is the vertical one: choose with -d\n")
    one = done("filters", "sobel", "-d", "horizontal")
    assert one.stderr == ""
    assert read_kernel(one.stdout).tolist() == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    found = json.loads(done("filters", "sobel", "--json").stdout)
    assert [kernel["direction"] for kernel in found["kernels"]] == ["vertical", "horizontal"]


def test_size_sum_unit_and_agreement_are_said():
    lines = done("filters", "log:2").stdout.splitlines()
    assert lines[1].startswith("# 17x17, sum ")
    assert lines[2] == "# agrees with scipy.ndimage.gaussian_laplace"
    assert "agrees" not in done("filters", "gaussian").stdout  # the binomial kernel of the bare word is not SciPy's
    assert "# 5x5, sum 0, unit 9 (of the steps; of this kernel 8)" in done("filters", "vertical horizontal").stdout
    assert "1 pixels further down and 1 to the right" in done("filters", "box:2").stdout


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in KERNELS])
def test_filters_without_kernels_say_how_they_work(name):
    lines = done("filters", name).stdout.splitlines()
    assert lines[0] == f"{name}: {FILTERS[name].about}"
    assert lines[1:-1] == FILTERS[name].how.splitlines()
    assert json.loads(done("filters", name, "--json").stdout)["kernels"] == []


def test_a_sum_beyond_the_largest_number_is_infinite():
    assert "sum inf, " in done("filters", "-k", "1e308 1e308").stdout


def test_a_kernel_of_ones_own():
    assert read_kernel(done("filters", "-k", "1 2 1; 0 0 0; -1 -2 -1").stdout).tolist()[2] == [-1, -2, -1]
    chain = done("filters", "kernel", "kernel", "-k", "1 1").stdout
    assert read_kernel(chain).tolist() == [[1, 2, 1]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sobell"], "unknown filter 'sobell': did you mean sobel?"),
        (["median", "sobel"], "'median' is not a kernel, so that 'median sobel' has none"),
        (["median", "-o", "k.png"], "'median' is not a kernel"),
        (["median", "-d", "vertical"], "direction 'vertical' needs a filter that has directions"),
        (["sobel", "gaussian:2"], "'sobel' is a magnitude of two kernels, which is not linear"),
        (["sobel", "-d", "magnitude"], "Invalid value for '--direction' / '-d': 'magnitude' is not one of"),
        (["gaussian:400"], "a kernel of 3201 x 3201 is too large"),
        (["-o", "k.png"], "-o applies to one filter: name it"),
        (["sobel", "-k", "1"], "-k gives the word kernel its meaning"),
        (["laplacian", "-o", "k.npz"], "k.npz: it holds numbers, and this is a picture"),
        (["laplacian", "-o", "k.xyz"], "k.xyz: no format is known by '.xyz'"),
        (["laplacian", "-o", "k.png", "--response", "k.png"], "k.png: -o and --response name the same file"),
        (["laplacian", "--format", "csv"], "--format csv applies to the list"),
    ],
)
def test_what_cannot_be_printed_is_one_line(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cnncli("filters", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"cnncli: {message}")
    assert result.stderr.count("\n") == 1
    assert listing(tmp_path) == []


def test_pictures_and_numbers_are_written(tmp_path):
    kernel, response = tmp_path / "kernel.png", tmp_path / "response.webp"
    result = done("filters", "log:2", "-o", kernel, "--response", response)
    assert result.stdout == ""
    assert set(result.stderr.splitlines()) == {f"log:2 -> {kernel}", f"log:2 -> {response}"}
    assert read_image(kernel).shape == (323, 323, 3)
    assert read_image(response).shape[2] == 3
    for suffix in (".txt", ".csv", ".json", ".npy"):
        path = str(tmp_path / f"kernel{suffix}")
        done("filters", "log:2", "-o", path)
        assert np.array_equal(read_kernel(path), filter_kernel("log:2"))


def test_existing_files_are_kept_unless_forced(tmp_path):
    path = tmp_path / "kernel.png"
    path.write_bytes(b"mine")
    result = cnncli("filters", "log:2", "-o", path, "--response", tmp_path / "response.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert listing(tmp_path) == ["kernel.png"]
    assert path.read_bytes() == b"mine"
    done("filters", "log:2", "-o", path, "--force")
    assert read_image(path).shape == (323, 323, 3)
