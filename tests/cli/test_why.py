"""`cnncli why`: sheets, maps, lines, and whatever can go wrong with them."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from models import half, halves_model, random_detector, random_model
from PIL import Image
from shell import PATIENCE, cnncli, done, json_lines, listing, process
from terminal import START

from cnncli.models.model import save_model
from cnncli.models.why.explanations import explain_class

METHODS = ["occlusion", "gradient", "smooth"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a model and pictures of two classes."""
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())
    for number, kind in enumerate(("left", "right", "top")):
        Image.fromarray(half(kind, np.random.default_rng(number))).save(f"{kind}.png")
    return tmp_path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


class TestOneImage:
    def test_the_sheet_and_the_arithmetic(self, folder):
        result = done("why", "model.safetensors", "left.png", "--patch", "4")
        found = explain_class(halves_model(), "left.png", patch=4)
        assert (pixels("left-why.png") == found.sheet("left.png")).all()
        first, *lines = result.stdout.splitlines()
        assert first == f"left.png\tleft\t{found.probability:.4f}"
        [difference] = [line for line in lines if line.startswith("  p before - p after")]
        before, after, lost = (float(word) for word in difference.replace(" = ", " - ").split(" - ")[2:])
        assert before == pytest.approx(found.probability, rel=1e-5)
        assert before - after == pytest.approx(lost, abs=2e-6)
        assert "left.png -> left-why.png" in result.stderr
        assert "without gradcam" in result.stderr

    def test_a_cell_that_is_asked_for(self, folder):
        result = done(
            "why", "model.safetensors", "left.png", "--method", "gradient", "--cell", "3,4", "--class", "right"
        )
        assert "gradient: cell 3,4 of 12x12" in result.stdout
        assert result.stdout.splitlines()[-1] == f"  max(|{-1 / 640:.6g}|) = {1 / 640:.6g}"

    def test_standard_output(self, folder):
        result = done("why", "model.safetensors", "-", "-o", "-", "-q", stdin=(folder / "left.png").read_bytes())
        assert pixels(io.BytesIO(result.stdout_bytes)).shape[2] == 3

    @pytest.mark.parametrize("kind", ["1x1", "alpha", "16 bits", "colour", "text"])
    def test_images_of_every_kind(self, folder, kind):
        levels = half("left", np.random.default_rng(0))
        if kind == "text":
            (folder / "a.txt").write_text("0 9 9; 0 9 9; 0 9 0")
        elif kind == "16 bits":
            Image.fromarray(levels.astype(np.uint16) * 257).save("a.png")
        else:
            image = Image.fromarray(levels[:1, :1] if kind == "1x1" else levels)
            (image.convert({"alpha": "LA", "colour": "RGB"}.get(kind, "L"))).save("a.png")
        name = "a.txt" if kind == "text" else "a.png"
        assert done("why", "model.safetensors", name).stdout.startswith(f"{name}\t")
        assert (folder / "a-why.png").exists()

    def test_an_animation_is_said(self, folder):
        frames = [Image.fromarray(half(kind, np.random.default_rng(0))) for kind in ("left", "right")]
        frames[0].save("a.gif", save_all=True, append_images=frames[1:])
        result = done("why", "model.safetensors", "a.gif")
        assert result.stdout.startswith("a.gif\tleft\t")
        assert "has several frames: the first is explained" in result.stderr


class TestBatches:
    def test_lines_in_order_and_sheets_in_a_folder(self, folder):
        result = done("why", "model.safetensors", "top.png", "left.png", "-o", "out/", "-j", "2")
        assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [
            ["top.png", "top"],
            ["left.png", "left"],
        ]
        assert listing("out") == ["left-why.png", "top-why.png"]

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_json(self, folder, jobs):
        (folder / "junk.png").write_text("junk")
        words = ["left.png", "junk.png", "none.png", "--json", "-j", jobs, "--maps", "maps", "-o", "out/"]
        result = cnncli("why", "model.safetensors", *words)
        assert result.exit_code == 1
        found = json_lines(result)
        assert [line["status"] for line in found] == ["ok", "failed", "failed"]
        assert found[2]["error"] == "none.png: no such file"
        assert found[1]["class"] is found[1]["maps"] is None
        line, expected = found[0], explain_class(halves_model(), "left.png")
        assert (line["class"], line["probability"], line["score"]) == ("left", expected.probability, expected.score)
        assert (line["width"], line["height"], line["output"]) == (12, 12, "out/left-why.png")
        assert [one["method"] for one in line["maps"]] == METHODS
        for one in line["maps"]:
            assert (np.load(one["map"]) == expected.map(one["method"])).all()
            cells = np.load(one["cells"])
            assert list(cells.shape) == one["shape"]
            assert cells[one["cell"]["row"], one["cell"]["column"]] == pytest.approx(one["cell"]["value"])
        assert listing("maps") == sorted(f"left-{name}{end}.npy" for name in METHODS for end in ("", "-cells"))
        assert listing("out") == ["left-why.png"]

    def test_one_cell_of_each(self, folder):
        result = done("why", "model.safetensors", "*.png", "--method", "gradient", "--cell", "0,0", "-o", "out/")
        assert result.stdout.count("gradient: cell 0,0 of 12x12") == 3
        result = cnncli("why", "model.safetensors", "left.png", "--cell", "12,0", "-o", "out/x.png")
        assert result.exit_code == 1
        assert "is not on the map of" in result.stderr
        assert "x.png" not in listing("out")

    def test_nothing_is_overwritten(self, folder):
        done("why", "model.safetensors", "left.png", "-o", "x.png", "--maps", "maps")
        before = (folder / "x.png").read_bytes()
        assert cnncli("why", "model.safetensors", "top.png", "-o", "x.png").exit_code == 2
        assert cnncli("why", "model.safetensors", "left.png", "-o", "y.png", "--maps", "maps").exit_code == 2
        assert (folder / "x.png").read_bytes() == before
        done("why", "model.safetensors", "top.png", "-o", "x.png", "--force")
        assert (folder / "x.png").read_bytes() != before
        assert cnncli("why", "model.safetensors", "left.png", "-o", "left.png", "--force").exit_code == 2

    def test_done_ones_are_skipped_until_an_option_changes(self, folder):
        words = ["why", "model.safetensors", "left.png", "top.png", "-o", "out/", "--skip-existing", "--json"]
        assert [line["status"] for line in json_lines(done(*words))] == ["ok", "ok"]
        assert [line["status"] for line in json_lines(done(*words))] == ["skipped", "skipped"]
        assert json_lines(done(*words, "--dry-run"))[0]["status"] == "skipped"
        result = cnncli(*words, "--patch", "5")
        assert [line["status"] for line in json_lines(result)] == ["ok", "ok"]

    def test_folders_are_kept(self, folder):
        (folder / "in/deep").mkdir(parents=True)
        os.rename("left.png", "in/deep/left.png")
        done("why", "model.safetensors", "-r", "in", "-o", "out/", "--maps", "maps", "--method", "gradient")
        assert listing("out") == ["deep", "deep/left-why.png"]
        assert listing("maps") == ["deep", "deep/left-gradient-cells.npy", "deep/left-gradient.npy"]

    def test_a_reader_that_leaves(self, folder):
        command = f"{sys.executable} -m cnncli why model.safetensors *.png -o out/ --json -q | head -1"
        result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE)
        assert json.loads(result.stdout)["status"] == "ok"
        assert result.stderr == ""

    def test_an_interrupt_leaves_whole_files(self, folder):
        for number in range(300):
            os.link("left.png", f"{number:03}.png")
        words = ["why", "model.safetensors", "[0-9]*.png", "-o", "out/", "--json", "-j", "2"]
        command = [sys.executable, "-c", START, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            first = running.stdout.readline()
            # It cannot be through: the pipe does not hold what is printed of so many, and nobody has read on.
            running.send_signal(signal.SIGINT)
            rest, errors = running.communicate(timeout=PATIENCE)
        assert running.returncode == 130
        assert b"Traceback" not in errors
        found = [json.loads(line)["output"] for line in (first + rest).splitlines()]
        assert 0 < len(found) < 300
        assert set(found) <= {f"out/{name}" for name in listing("out")}
        for name in listing("out"):
            assert pixels(f"out/{name}").size


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--class", "lefd"], 2, "the model has no class 'lefd': did you mean left?"),
            (["--method", "cam"], 2, "'cam'"),
            (["--method", "gradcam"], 2, "needs a layer with maps"),
            (["--layer", "7"], 2, "the model has no layer '7': there are 0.fc"),
            (["--patch", "13"], 2, "a patch of 13x13 covers more than the 12x12 of the input"),
            (["--patch", "2", "--stride", "3"], 2, "leaves gaps"),
            (["--cell", "1"], 2, "--cell must be ROW,COLUMN, counted from 0,0, got '1'"),
            (["-o", "a.npy"], 2, "a.npy: does not hold a coloured picture"),
            (["-o", "-", "--json"], 2, "both write to standard output"),
            (["--maps", "left.png"], 2, "--maps names a folder, got 'left.png'"),
        ],
    )
    def test_each_is_one_line(self, folder, words, code, message):
        result = cnncli("why", "model.safetensors", "left.png", *words)
        assert result.exit_code == code
        assert message in result.stderr
        assert result.stderr.strip().count("\n") == 0
        assert not (folder / "left-why.png").exists()

    def test_a_detector(self, folder):
        save_model("boxes.safetensors", random_detector("16x16x3 conv3-7,s8,p1"))
        result = cnncli("why", "boxes.safetensors", "left.png")
        assert result.exit_code == 1
        assert "finds boxes in pictures" in result.stderr

    def test_nothing_matches(self, folder):
        assert cnncli("why", "model.safetensors", "*.jpg").exit_code == 3


def test_every_method_of_a_convolutional_network(folder):
    save_model("conv.safetensors", random_model("12x12x1 conv3-4,same,relu max2 conv3-6,same,relu gap fc-3,softmax"))
    result = done("why", "conv.safetensors", "left.png", "--json")
    [line] = json_lines(result)
    assert [one["method"] for one in line["maps"]] == [*METHODS, "gradcam"]
    assert line["maps"][3]["shape"] == [6, 6]
    assert "without" not in result.stderr
    process_result = process("why", "conv.safetensors", "top.png", "--layer", "0.conv", "--method", "gradcam")
    assert b"Grad-CAM of 0.conv: cell " in process_result.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs limits of file sizes")
def test_a_disk_that_is_full_leaves_nothing(folder):
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)); " + START
    )
    words = ["why", "model.safetensors", "left.png", "-o", "out.png", "--maps", "maps", "-q"]
    result = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 1
    assert result.stderr.startswith("cnncli: ")
    assert result.stderr.count("\n") == 1
    assert listing("maps") == []
    assert "out.png" not in listing(".")


def test_workers_of_a_cluster_give_the_same(folder):
    pytest.importorskip("distributed")
    done("why", "model.safetensors", "left.png", "top.png", "-o", "here/", "--method", "occlusion")
    process(
        "why",
        "model.safetensors",
        "left.png",
        "top.png",
        "-o",
        "there/",
        "--method",
        "occlusion",
        "--scheduler",
        "local",
    )
    for name in ("left-why.png", "top-why.png"):
        assert (folder / "here" / name).read_bytes() == (folder / "there" / name).read_bytes()
