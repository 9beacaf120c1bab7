"""Where outputs go, and in which format and quality."""

import io
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from oracles import photograph
from PIL import Image
from shell import PATIENCE, PICTURE_COMMANDS, cnncli, done, listing, process, save

from cnncli.images.formats import FORMATS

USAGE = 2


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two pictures, to work in."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png"):
        save(tmp_path, photograph("astronaut")[:48, :64], name)
    return tmp_path


def made(folder):
    """The pictures in a folder and below it."""
    return [name for name in listing(folder) if name.endswith(".png")]


class TestFolders:
    @pytest.mark.parametrize(
        "output", ["edges", "new/edges", "sigma1.5", "2024.06", ".edges", "edges.", "a b", "größe"]
    )
    def test_a_name_without_a_suffix_is_one(self, here, output):
        done("edge", "a.jpg", "b.png", "-o", output)
        assert made(output) == ["a-sobel.png", "b-sobel.png"]

    @pytest.mark.parametrize(
        "words", ["a.jpg", "a.jpg b.png", "*.*", "*.jpg", "--files-from list", "--files-from0 list0", "-r tree"]
    )
    def test_however_many_files_there_are(self, here, words):
        (here / "tree/deep").mkdir(parents=True)
        save(here / "tree/deep", photograph("camera")[:8, :8], "c.png")
        (here / "list").write_text("a.jpg\n")
        (here / "list0").write_text("a.jpg\0b.png\0")
        if words.startswith("*"):
            for name in ("list", "list0"):
                os.unlink(name)
        done("edge", *words.split(), "-o", "new/edges")
        stems = {"-r tree": ["deep/c"], "a.jpg b.png": "ab", "*.*": "ab", "--files-from0 list0": "ab"}.get(words, "a")
        assert made("new/edges") == [f"{stem}-sobel.png" for stem in stems]

    @pytest.mark.parametrize("command", PICTURE_COMMANDS)
    def test_format_says_what_is_in_it(self, here, command):
        done(command, "a.jpg", "b.png", "-o", "out", "--format", "npy")
        assert [name[:1] for name in listing("out")] == ["a", "b"]
        assert all(name.endswith(".npy") for name in listing("out"))

    def test_with_a_format_one_named_file_may_have_any_name(self, here):
        done("edge", "a.jpg", "-o", "edges", "--format", "png")
        with Image.open("edges") as image:
            assert image.format == "PNG"
        done("edge", "*.jpg", "-o", "found", "--format", "png")
        assert listing("found") == ["a-sobel.png"]

    @pytest.mark.parametrize("name", ["fifo", "file", "broken"])
    def test_what_stands_there_is_not_one(self, here, name):
        (here / "file").touch()
        os.symlink("nowhere", "broken")
        os.mkfifo("fifo")
        for words in (["a.jpg"], ["a.jpg", "b.png"]):
            result = cnncli("edge", *words, "-o", name, "--dry-run")
            assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (USAGE, "", 1)

    def test_a_link_to_a_folder_is_one(self, here):
        os.mkdir("there")
        os.symlink("there", "link")
        done("edge", "a.jpg", "b.png", "-o", "link")
        assert made("there") == ["a-sobel.png", "b-sobel.png"]

    def test_a_plan_makes_nothing(self, here):
        before = listing(here)
        for words in (["a.jpg", "b.png"], ["*.jpg"]):
            result = done("edge", *words, "-o", "edges", "--dry-run")
            assert "a.jpg -> edges/a-sobel.png\n" in result.stdout
        assert listing(here) == before

    def test_again_it_is_a_folder_that_is_there(self, here):
        words = ["edge", "a.jpg", "b.png", "-o", "edges", "--skip-existing"]
        done(*words)
        assert "2 skipped" in done(*words).stderr
        done("edge", "a.jpg", "-o", "edges", "--force")
        assert made("edges") == ["a-sobel.png", "b-sobel.png"]

    def test_in_a_store(self, here):
        fsspec = pytest.importorskip("fsspec")
        done("edge", "a.jpg", "b.png", "-o", "memory://edges-of-two", "--json")
        done("edge", "a.jpg", "-o", "memory://edges-of-one/2024", "--json")
        store = fsspec.filesystem("memory")
        assert [path.rpartition("/")[2] for path in sorted(store.find("/edges-of-two"))] == [
            "a-sobel.png",
            "b-sobel.png",
        ]
        assert store.find("/edges-of-one") == ["/edges-of-one/2024/a-sobel.png"]

    @pytest.mark.parametrize("shard", ["1/2", "2/2"])
    def test_a_share_of_one_file_goes_into_it_too(self, here, shard):
        done("edge", "a.jpg", "b.png", "-o", "edges", "--shard", shard)
        assert os.path.isdir("edges") or made(".") == []

    @pytest.mark.parametrize(
        "words", [["-r", "in"], ["-r", "in", "-o", "out"], ["-r", "in", "-o", "out/", "--signed", "split", "-f", "box"]]
    )
    def test_the_template_of_a_message_can_be_pasted(self, here, words):
        os.makedirs("in/deep")
        for name in ("in/a.jpg", "in/a.png", "in/deep/a.png"):
            save(here, photograph("camera")[:8, :8], name)
        refused = cnncli("edge", *words)
        assert refused.exit_code == USAGE
        (template,) = shlex.split(refused.stderr.partition(" such as ")[2])
        more = ["--format", "png"] if "{" in template else []
        done("edge", *words, "-o", template, *more)
        where = "out" if "-o" in words else "in"
        assert len([name for name in made(where) if "-" in name]) == (6 if "split" in words else 3)
        assert any(name.startswith("deep/a.png-") for name in made(where))


class TestStandardOutput:
    @pytest.mark.parametrize("command", PICTURE_COMMANDS)
    def test_a_picture_is_png(self, here, command):
        for name in ("a.jpg", "b.png"):
            done(command, name, "-o", "out.png", "--force")
            piped = process(command, name, "-o", "-")
            assert (piped.returncode, piped.stderr) == (0, b"")
            assert piped.stdout == (here / "out.png").read_bytes()
            assert process(command, "-", "-o", "-", stdin=(here / name).read_bytes()).stdout == piped.stdout

    @pytest.mark.parametrize("suffix", [".txt", ".csv", ".json"])
    def test_a_matrix_is_a_matrix(self, here, suffix):
        (here / f"m{suffix}").write_text("[[1, 3], [2, 9]]" if suffix == ".json" else "1 3\n2 9\n")
        assert done("pool", f"m{suffix}", "-o", "-").stdout == "9\n"

    def test_an_array_is_an_array(self, here):
        np.save("m.npy", np.arange(36.0).reshape(6, 6))
        piped = process("edge", "m.npy", "-f", "vertical", "-o", "-").stdout
        assert np.array_equal(np.load(io.BytesIO(piped)), np.load(_saved("m.npy", "-f", "vertical")))
        again = process("pool", "-", "-o", "-", stdin=piped).stdout
        assert np.load(io.BytesIO(again)).shape == (3, 3)

    def test_frames_stay_frames(self, here):
        frames = [Image.fromarray(photograph("camera")[top : top + 20, :30]) for top in (0, 30, 60)]
        frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
        with Image.open(io.BytesIO(process("edge", "moving.gif", "-o", "-").stdout)) as image:
            assert (image.format, image.n_frames) == ("PNG", 3)

    def test_what_a_pipe_brings_decides(self, here):
        several = ["edge", "-", "-f", "box", "-f", "sobel", "-o", "-"]
        result = process(*several, stdin=(here / "b.png").read_bytes())
        assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (1, b"", 1)
        assert b"tiff, npy, npz, which hold all" in result.stderr
        split = process("edge", "-", "--signed", "split", "-f", "box", "-o", "-", stdin=b"9")
        assert split.stdout == b"1.0\n"

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            ("b.png -o -", USAGE),
            ("b.png -o - --format png", USAGE),
            ("m.npy -o -", USAGE),
            ("- -o -", 1),
            ("b.txt -o -", 1),
            ("m.txt -o -", 0),
            ("m.txt -o - --format png", USAGE),
        ],
    )
    def test_a_terminal_shows_text_only(self, here, words, code):
        pty = pytest.importorskip("pty")
        np.save("m.npy", np.eye(3))
        np.savetxt("m.txt", np.eye(3))
        (here / "b.txt").write_bytes((here / "b.png").read_bytes())
        ours, theirs = pty.openpty()
        with open("b.png", "rb") as picture:
            result = subprocess.run(
                [sys.executable, "-m", "cnncli", "edge", *words.split()],
                stdin=picture,
                stdout=theirs,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                check=False,
            )
        os.close(theirs)
        assert result.returncode == code, result.stderr
        if code == 0:
            assert os.read(ours, 1000).split()
        else:
            assert b"is binary and standard output is a terminal: redirect it" in result.stderr
        os.close(ours)

    def test_a_reader_that_leaves_is_told_nothing(self, here):
        save(here, np.random.default_rng(1).integers(0, 255, (900, 900), np.uint8), "large.png")
        line = f"{shlex.quote(sys.executable)} -m cnncli edge large.png -o - | head -c 9"
        result = subprocess.run(["sh", "-c", line], capture_output=True, timeout=PATIENCE, check=False)
        assert (len(result.stdout), result.stderr) == (9, b"")


def _saved(name, *options):
    done("edge", name, *options, "-o", "saved.npy", "--force")
    return "saved.npy"


class TestQuality:
    @pytest.mark.parametrize("command", PICTURE_COMMANDS)
    @pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.lossy], ids=lambda form: form.name)
    def test_is_passed_to_the_writer(self, here, command, form):
        sizes = []
        for quality in (5, 50, 95):
            done(command, "b.png", "-o", f"{quality}{form.suffix}", "--quality", quality)
            sizes.append((here / f"{quality}{form.suffix}").stat().st_size)
        assert sizes == sorted(set(sizes))

    def test_default_of_jpeg(self, here):
        done("edge", "b.png", "-o", "default.jpg")
        done("edge", "b.png", "-o", "90.jpg", "--quality", 90)
        assert (here / "default.jpg").read_bytes() == (here / "90.jpg").read_bytes()

    def test_webp_is_lossless_without(self, here):
        done("edge", "b.png", "-o", "a.webp")
        done("edge", "b.png", "-o", "a.png")
        with Image.open("a.webp") as webp, Image.open("a.png") as png:
            assert webp.convert("L").tobytes() == png.tobytes()

    @pytest.mark.parametrize(
        "words",
        ["", "-o out.png", "-o {stem}.tiff", "-o -", "-o out/", "--format npy", "-o x.jpg --format png"],
    )
    def test_is_refused_where_it_means_nothing(self, here, words):
        before = listing(here)
        result = cnncli("edge", "a.jpg", "--quality", 80, *words.split())
        assert (result.exit_code, result.stdout) == (USAGE, "")
        assert "has no quality setting: leave it out, or write jpeg, webp or avif" in result.stderr
        assert listing(here) == before

    @pytest.mark.parametrize("quality", ["0", "101", "high"])
    def test_out_of_range(self, here, quality):
        assert cnncli("edge", "a.jpg", "-o", "out.jpg", "--quality", quality).exit_code == USAGE

    def test_other_quality_is_another_output(self, here):
        words = ["edge", "a.jpg", "b.png", "-o", "out/", "--format", "jpeg", "--skip-existing"]
        done(*words, "--quality", 80)
        first = (here / "out/a-sobel.jpg").read_bytes()
        assert "2 skipped" in done(*words, "--quality", 80).stderr
        assert "2 done" in done(*words, "--quality", 20).stderr
        assert len((here / "out/a-sobel.jpg").read_bytes()) < len(first)
