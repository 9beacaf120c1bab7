"""`cnncli animate`: its files, inputs, messages and refusals."""

import json

import numpy as np
import pytest
from PIL import Image
from shell import cnncli, done, save

from cnncli import Axis, animate_filter, animate_pool, animate_shape, filter_image, pool_image, save_animation

TYPED = "2 0 1; 1 0 0; 0 1 1"
MATRIX = [[2, 0, 1], [1, 0, 0], [0, 1, 1]]


def values(*words):
    """Return the numbers of the output that a command says it shows."""
    return json.loads(done("animate", *words, "--json").stdout)["values"]


def same(tmp_path, animation, *words, **options):
    """Check that a command writes what the library does."""
    for suffix in (".svg", ".gif", ".html"):
        theirs, ours = tmp_path / f"command{suffix}", tmp_path / f"library{suffix}"
        done("animate", *words, "-o", theirs, "--force")
        save_animation(animation, ours, **options)
        assert theirs.read_bytes() == ours.read_bytes()


def test_edge_writes_what_the_library_does(tmp_path):
    shown = animate_filter(MATRIX, "sobel", direction="vertical", padding=1, padding_mode="zeros", stride=2, flip=True)
    words = ["-f", "sobel", "-d", "vertical", "-p", "1", "-s", "2", "--flip", "--theme", "dark", "--delay", "0.5"]
    same(tmp_path, shown, "edge", TYPED, *words, theme="dark", delay=0.5)


def test_pool_writes_what_the_library_does(tmp_path):
    shown = animate_pool(MATRIX, 2, stride=1, padding=1, mode="avg")
    same(tmp_path, shown, "pool", TYPED, "-f", "2", "-s", "1", "-p", "1", "--mode", "avg")


def test_shape_writes_what_the_library_does(tmp_path):
    shown = animate_shape((3, 4), Axis(3, 2, (1, 1), transposed=True, output_padding=1))
    words = "-n 3x4 -f 3 -s 2 -p 1 --transposed --output-padding 1"
    same(tmp_path, shown, "shape", *words.split())


def test_it_says_what_it_wrote(tmp_path):
    file = tmp_path / "edge.svg"
    told = done("animate", "edge", TYPED, "-f", "vertical", "-p", "valid", "-o", file).stdout
    assert told == f"{file}: vertical: 1 position, output 1x1\n"
    assert done("animate", "edge", TYPED, "-o", file, "--force", "-q").stdout == ""
    told = json.loads(done("animate", "shape", "-n", "5", "-f", "3", "-s", "2", "-o", file, "--force", "--json").stdout)
    assert told == {
        "output": str(file),
        "title": "Convolution, stride 2",
        "positions": 4,
        "output_size": [2, 2],
        "values": None,
        "formula": ["n = 5, f = 3, p = 0, s = 2, d = 1", "floor((n + 2p - f)/s + 1) = floor((5 + 2*0 - 3)/2 + 1) = 2"],
    }


class TestInputs:
    def test_numbers_as_text_are_padded_with_zeros_wherever_they_stand(self, tmp_path):
        (tmp_path / "matrix.txt").write_text(TYPED.replace(";", "\n"))
        expected = filter_image(MATRIX, "vertical", padding_mode="zeros").tolist()
        assert values("edge", TYPED, "-f", "vertical", "-o", tmp_path / "a.svg") == expected
        assert values("edge", tmp_path / "matrix.txt", "-f", "vertical", "-o", tmp_path / "b.svg") == expected

    def test_a_picture_is_cropped_and_padded_by_reflection(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
        picture, part = save(tmp_path, pixels), pixels[3:7, 11:16]
        words = ["--crop", "11,3,5x4", "-f", "vertical", "-o"]
        assert values("edge", picture, *words, tmp_path / "a.svg") == filter_image(part, "vertical").tolist()
        volume = values("edge", picture, "--color", "volume", *words, tmp_path / "b.svg")
        assert volume == filter_image(part, "vertical", color="volume").tolist()
        gray = np.asarray(Image.fromarray(pixels).convert("L"))[3:7, 11:16]
        assert values("pool", picture, "--crop", "11,3,5x4", "-o", tmp_path / "c.svg") == pool_image(gray).tolist()

    def test_an_array_is_a_volume(self, tmp_path):
        array = np.arange(48).reshape(4, 4, 3)
        np.save(tmp_path / "volume.npy", array)
        np.save(tmp_path / "kernel.npy", array[:3, :3] - 20)
        got = values(
            "edge",
            tmp_path / "volume.npy",
            "-k",
            tmp_path / "kernel.npy",
            "--color",
            "volume",
            "-o",
            tmp_path / "a.svg",
        )
        assert got == filter_image(array, array[:3, :3] - 20, color="volume").tolist()

    def test_a_file_is_taken_for_a_file_even_if_its_name_is_a_number(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        save(tmp_path, np.eye(4, dtype=np.uint8), "7.png").rename("7")
        assert len(values("edge", "7", "-f", "vertical", "-o", "a.svg")) == 4
        assert values("pool", "-3 -1; -2 -5", "-o", "c.svg") == [[-1]]
        assert values("edge", "8", "-k", "2", "-o", "b.svg") == [[16]]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["edge", TYPED], 2, "no output: give -o FILE.svg, or .gif or .html"),
        (["edge", TYPED, "-o", "a.mp4"], 2, "a.mp4: animations are written as .svg, .gif"),
        (["edge", TYPED, "-o", "a.svg", "--delay", "0.001"], 2, "the delay must be from 0.05 to 60 seconds"),
        (["edge", TYPED, "-o", "a.svg", "-f", "sobel", "-k", "1"], 2, "give either --filter or --kernel"),
        (["edge", TYPED, "-o", "a.svg", "-f", "canny"], 2, "canny has no kernel"),
        (["edge", TYPED, "-o", "a.svg", "--color", "each"], 2, "is not one of 'gray', 'volume'"),
        (["edge", "1 2; 3", "-o", "a.svg"], 2, "matrix row 2 has 1 numbers where row 1 has 2"),
        (["edge", "missing.png", "-o", "a.svg"], 1, "missing.png: no such file"),
        (["edge", "large.png", "-o", "a.svg"], 2, "an input of 42x62 cells"),
        (["edge", "large.png", "-o", "large.png", "--force"], 2, "animations are written as"),
        (["edge", "large.png", "--crop", "50,0,20x4", "-o", "a.svg"], 2, "which is 60x40 pixels"),
        (["edge", "large.png", "--crop", "1,2,3", "-o", "a.svg"], 2, "a crop is X,Y,WxH in pixels"),
        (["edge", "large.png", "--crop", "0,0,0x4", "-o", "a.svg"], 2, "a crop is X,Y,WxH in pixels"),
        (["edge", "large.png", "--crop", "0,0,24x24", "-o", "a.svg"], 2, "576 positions"),
        (["pool", TYPED, "-o", "a.svg", "-f", "4"], 2, "does not fit"),
        (["shape", "-n", "5", "-f", "3", "--output-padding", "1", "-o", "a.svg"], 2, "add --transposed"),
        (["shape", "-n", "5", "-f", "7", "-o", "a.svg"], 2, "does not fit"),
        (["shape", "-n", "500", "-f", "7", "-o", "a.svg"], 2, "500x500 cells"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, np.zeros((40, 60), np.uint8), "large.png")
    result = cnncli("animate", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["large.png"]


def test_numbers_near_the_largest_warn_of_nothing(tmp_path):
    result = done("animate", "edge", "1e308 1e308; 1 1", "-k", "1e308 -1e308", "-o", tmp_path / "large.html")
    assert result.stderr == ""


def test_files_are_overwritten_only_with_force_and_inputs_never(tmp_path):
    file = tmp_path / "edge.svg"
    done("animate", "edge", TYPED, "-o", file)
    before = file.read_bytes()
    result = cnncli("animate", "edge", TYPED, "-f", "vertical", "-o", file)
    assert (result.exit_code, result.stderr) == (2, f"cnncli: {file} exists already: --force overwrites\n")
    assert file.read_bytes() == before
    done("animate", "edge", TYPED, "-f", "vertical", "-o", file, "--force")
    assert file.read_bytes() != before
    picture = tmp_path / "picture.gif"
    save(tmp_path, np.eye(4, dtype=np.uint8), "picture.gif")
    assert "is an input" in cnncli("animate", "edge", picture, "-o", picture, "--force").stderr


def test_without_a_command_it_says_what_there_is():
    result = cnncli("animate")
    assert result.exit_code == 2
    assert all(f" {name} " in result.stdout for name in ("edge", "pool", "shape"))
