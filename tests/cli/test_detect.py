"""`cnncli detect`: lines, pictures with boxes, labels, crops, and whatever can go wrong with them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from finders import COLORS, save_spots, spot_detector, spots
from models import halves_model
from PIL import Image
from shell import PATIENCE, cnncli, done, json_lines, listing, process
from terminal import START

from cnncli.data import Reading
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.formats.table import COLUMNS
from cnncli.data.boxes.reading import read_boxes
from cnncli.drawing.boxes import draw_boxes
from cnncli.models.finding.finder import find_boxes
from cnncli.models.model import save_model

SPOTS = [("blue", 255, 8, 16, 20, 24), ("red", 200, 60, 50, 30, 20), ("green", 100, 100, 4, 8, 8)]
BLUE = {"class": "blue", "score": 1.0, "x": 8.0, "y": 16.0, "width": 20.0, "height": 24.0}
RED = {"class": "red", "score": 0.784314, "x": 60.0, "y": 50.0, "width": 30.0, "height": 20.0}
LINES = ["a.png\tblue\t1.0000\t8.0\t16.0\t20.0\t24.0", "a.png\tred\t0.7843\t60.0\t50.0\t30.0\t20.0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with pictures: two objects, one, and none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnncli.models.opening.load_model", lambda *_, **__: spot_detector())
    (tmp_path / "model").write_text("a detector")
    save_spots("a.png", *SPOTS)
    save_spots("b.bmp", SPOTS[1])
    save_spots("c.png")
    return tmp_path


class TestLines:
    def test_a_line_for_each_object_in_the_order_of_images(self, folder):
        result = done("detect", "model", "c.png", "b.bmp", "a.png")
        assert result.stdout.splitlines() == [LINES[1].replace("a.png", "b.bmp"), *LINES]
        assert result.stderr.startswith("3 done in ")

    def test_one_image_without_objects_is_said(self, folder):
        result = done("detect", "model", "c.png")
        assert result.stdout == ""
        assert result.stderr == (
            "cnncli: c.png: no object has a score of 0.5 or more; a lower --threshold shows less certain ones\n"
        )
        assert done("detect", "model", "c.png", "-q").stderr == ""

    @pytest.mark.parametrize(
        ("words", "classes"),
        [
            (["--threshold", "30%"], ["blue", "red", "green"]),
            (["--threshold", "0.9"], ["blue"]),
            (["--threshold", "0.3", "--top", "1"], ["blue"]),
        ],
    )
    def test_options(self, folder, words, classes):
        found = done("detect", "model", "a.png", *words).stdout.splitlines()
        assert [line.split("\t")[1] for line in found] == classes

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_json(self, folder, jobs):
        (folder / "junk.png").write_text("junk")
        result = cnncli("detect", "model", "a.png", "junk.png", "c.png", "none.png", "--json", "-j", jobs)
        assert result.exit_code == 1
        found = json_lines(result)
        assert [line["input"] for line in found] == ["a.png", "junk.png", "c.png", "none.png"]
        assert [line["status"] for line in found] == ["ok", "failed", "ok", "failed"]
        assert [line["boxes"] for line in found] == [[BLUE, RED], None, [], None]
        assert found[3]["error"] == "none.png: no such file"
        assert [(line["width"], line["height"]) for line in found] == [(128, 96), (None, None)] * 2
        assert all(line["seconds"] > 0 and line["output"] is None for line in found)
        assert json_lines(cnncli("detect", "model", "a.png", "--format", "jsonl"))[0]["boxes"] == [BLUE, RED]

    def test_csv(self, folder):
        rows = list(csv.reader(io.StringIO(done("detect", "model", "a.png", "c.png", "--format", "csv").stdout)))
        assert rows[0] == [*COLUMNS, "score"]
        assert [row[:2] for row in rows[1:]] == [["a.png", "blue"], ["a.png", "red"], ["c.png", ""]]
        assert list(map(float, rows[1][2:])) == [8, 16, 20, 24, 1]

    def test_coco(self, folder):
        content = json.loads(done("detect", "model", "a.png", "c.png", "--format", "coco").stdout)
        assert [one["file_name"] for one in content["images"]] == ["a.png", "c.png"]
        assert [one["name"] for one in content["categories"]] == list(COLORS)
        assert [one["bbox"] for one in content["annotations"]] == [[8, 16, 20, 24], [60, 50, 30, 20]]

    def test_standard_input(self, folder):
        assert done("detect", "model", "-", stdin=(folder / "a.png").read_bytes()).stdout.startswith("-\tblue\t")

    def test_folders_lists_and_shards(self, folder):
        assert len(done("detect", "model", "-r", ".").stdout.splitlines()) == 3
        (folder / "list.txt").write_text("a.png\nb.bmp\n")
        assert len(done("detect", "model", "--files-from", "list.txt").stdout.splitlines()) == 3
        parts = [done("detect", "model", "-r", ".", "--shard", f"{part}/2", "--json") for part in (1, 2)]
        assert sorted(line["input"] for part in parts for line in json_lines(part)) == ["./a.png", "./b.bmp", "./c.png"]


class TestPictures:
    def test_boxes_are_drawn_in_the_size_and_the_format_of_the_picture(self, folder):
        result = done("detect", "model", "a.png", "b.bmp", "c.png", "-o", "out/")
        assert listing("out") == ["a-boxes.png", "b-boxes.bmp", "c-boxes.png"]
        assert result.stdout.splitlines() == [*LINES, LINES[1].replace("a.png", "b.bmp")]
        drawn = np.asarray(Image.open("out/a-boxes.png"))
        assert (drawn == draw_boxes(spots(*SPOTS), find_boxes(spot_detector(), "a.png"), COLORS)).all()
        assert (np.asarray(Image.open("out/c-boxes.png")) == 0).all()

    @pytest.mark.parametrize(
        ("words", "outputs"),
        [
            (["-o", "x.jpg"], ["x.jpg"]),
            (["-o", "found"], ["found", "found/a-boxes.png"]),
            (["-o", "{stem}-{filter}-x.webp"], ["a-boxes-x.webp"]),
            (["-o", "{ext}/"], ["png", "png/a-boxes.png"]),
        ],
    )
    def test_names(self, folder, words, outputs):
        before = set(listing("."))
        if "found" in words:
            words, outputs = ["*.png", *words], [*outputs, "found/c-boxes.png"]
        done("detect", "model", "a.png", *words)
        assert sorted(set(listing(".")) - before) == sorted(outputs)

    def test_folders_are_kept(self, folder):
        (folder / "in/deep").mkdir(parents=True)
        save_spots("in/deep/d.jpg", *SPOTS)
        done("detect", "model", "-r", "in", "-o", "out/")
        assert listing("out") == ["deep", "deep/d-boxes.jpg"]

    def test_standard_output(self, folder):
        result = done("detect", "model", "a.png", "-o", "-")
        assert np.asarray(Image.open(io.BytesIO(result.stdout_bytes))).shape == (96, 128, 3)

    def test_nothing_is_overwritten(self, folder):
        done("detect", "model", "a.png", "-o", "x.png")
        before = (folder / "x.png").read_bytes()
        again = cnncli("detect", "model", "c.png", "-o", "x.png")
        assert (again.exit_code, (folder / "x.png").read_bytes()) == (2, before)
        done("detect", "model", "c.png", "-o", "x.png", "--force")
        assert (folder / "x.png").read_bytes() != before
        assert cnncli("detect", "model", "a.png", "-o", "a.png", "--force").exit_code == 2

    def test_what_is_done_is_skipped(self, folder):
        words = ["detect", "model", "a.png", "c.png", "-o", "out/", "--skip-existing"]
        done(*words)
        assert done(*words).stderr.startswith("0 done, 2 skipped in ")
        assert [line["status"] for line in json_lines(done(*words, "--json"))] == ["skipped"] * 2
        save_spots("c.png", SPOTS[0])
        assert done(*words).stdout.splitlines() == [LINES[0].replace("a.png", "c.png")]
        assert done(*words, "--threshold", "0.1").stderr.startswith("2 done in ")  # another result

    def test_the_plan(self, folder):
        result = done("detect", "model", "a.png", "b.bmp", "-o", "out/", "--dry-run")
        assert result.stdout.splitlines() == ["a.png -> out/a-boxes.png", "b.bmp -> out/b-boxes.bmp"]
        assert not (folder / "out").exists()

    @pytest.mark.parametrize("orientation", [3, 6])
    def test_an_upright_picture(self, folder, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
        Image.fromarray(spots(*SPOTS)).transpose(turn).save("turned.png", exif=exif)
        result = done("detect", "model", "turned.png", "-o", "x.png")
        assert result.stdout.splitlines() == [line.replace("a.png", "turned.png") for line in LINES]
        done("detect", "model", "a.png", "-o", "y.png")
        with Image.open("x.png") as found, Image.open("y.png") as expected:
            assert (np.asarray(found) == np.asarray(expected)).all()
            assert found.getexif().get(0x0112, 1) == 1

    @pytest.mark.parametrize("kind", ["gray", "deep", "alpha", "tiny", "numbers", "palette"])
    def test_every_kind_of_picture(self, folder, kind):
        pixels = spots(*SPOTS)
        image = {
            "gray": lambda: Image.fromarray(pixels.max(axis=2)),
            "deep": lambda: Image.fromarray(pixels.max(axis=2).astype(np.uint16) * 257),
            "alpha": lambda: Image.fromarray(np.dstack([pixels, np.full((96, 128), 255, np.uint8)])),
            "tiny": lambda: Image.fromarray(pixels[:1, :1]),
            "palette": lambda: Image.fromarray(pixels).quantize(8),
        }
        name = "x.npy" if kind == "numbers" else "x.png"
        if kind == "numbers":
            np.save(name, pixels / 255)
        else:
            image[kind]().save(name)
        done("detect", "model", name, "-o", "out/", "--crops", "crops")
        drawn = np.asarray(Image.open("out/x-boxes.png"))
        assert drawn.shape == ((1, 1, 3) if kind == "tiny" else (96, 128, 3))
        if kind != "tiny":
            assert len(listing("crops")) > 0

    def test_the_first_of_several_frames(self, folder):
        frames = [Image.fromarray(spots(one)) for one in SPOTS[:2]]
        frames[0].save("x.gif", save_all=True, append_images=frames[1:])
        result = done("detect", "model", "x.gif", "-o", "y.gif", "--json")
        assert [one["class"] for one in json_lines(result)[0]["boxes"]] == ["blue"]
        assert "cnncli: x.gif: has several frames: objects are looked for in the first\n" in result.stderr
        with Image.open("y.gif") as written:
            assert getattr(written, "n_frames", 1) == 1


class TestLabels:
    @pytest.mark.parametrize("name", ["x.csv", "x.json", "x.jsonl", "x.tsv"])
    def test_a_file_holds_what_would_be_printed(self, folder, name):
        kind = {"json": "coco"}.get(name[2:], name[2:])
        printed = done("detect", "model", "a.png", "c.png", "--format", kind).stdout
        result = done("detect", "model", "a.png", "c.png", "--labels", name)
        assert result.stdout == ""
        written = (folder / name).read_text()
        if kind == "jsonl":
            written, printed = (
                [json.loads(line) | {"seconds": 0} for line in text.splitlines()] for text in (written, printed)
            )
        assert written == printed

    def test_yolo(self, folder):
        done("detect", "model", "a.png", "c.png", "--format", "yolo", "--labels", "labels")
        assert listing("labels") == ["a.txt", "c.txt", "classes.txt", "data.yaml"]
        assert (folder / "labels/classes.txt").read_text().split() == list(COLORS)
        rows = [list(map(float, line.split())) for line in (folder / "labels/a.txt").read_text().splitlines()]
        assert rows[0] == pytest.approx([2, 18 / 128, 28 / 96, 20 / 128, 24 / 96, 1][: len(rows[0])])
        assert (folder / "labels/c.txt").read_text() == ""

    def test_voc(self, folder):
        (folder / "in/deep").mkdir(parents=True)
        save_spots("in/deep/d.jpg", SPOTS[0], quality=100, subsampling=0)
        done("detect", "model", "-r", "in", "--format", "voc", "--labels", "labels/", "-o", "out/")
        assert listing("labels") == ["deep", "deep/d.xml"]
        assert listing("out") == ["deep", "deep/d-boxes.jpg"]
        root = ElementTree.parse("labels/deep/d.xml").getroot()
        assert [one.text for one in root.iter("name")] == ["blue"]

    @pytest.mark.parametrize("kind", [name for name, form in BOX_FORMATS.items() if form.read is not None])
    def test_labels_are_read_as_they_were_found(self, folder, kind):
        form = BOX_FORMATS[kind]
        (folder / "b.bmp").unlink()
        place = "." if form.place else f"x{form.ending}"
        done("detect", "model", "a.png", "c.png", "--format", kind, "--labels", place, "--threshold", "0.1")
        found = find_boxes(spot_detector(), "a.png", threshold=0.1)
        read = read_boxes(".", Reading())
        assert set(read.class_names) == set(COLORS)
        boxes = {os.path.basename(one.path): one.boxes for one in read.parts["train"]}
        assert len(boxes["c.png"].labels) == 0
        assert np.abs(boxes["a.png"].places - found.places).max() < 1e-5
        assert np.abs(boxes["a.png"].scores - found.scores).max() < 1e-5
        names = [read.class_names[label] for label in boxes["a.png"].labels]
        assert names == [COLORS[label] for label in found.labels]

    def test_a_report_for_each_image_however_many_files_it_gives(self, folder):
        words = ["a.png", "b.bmp", "-o", "out/", "--format", "yolo", "--labels", "labels", "--skip-existing"]
        result = done("detect", "model", *words, "--json")
        assert [line["output"] for line in json_lines(result)] == ["out/a-boxes.png", "out/b-boxes.bmp"]
        assert done("detect", "model", *words).stderr.startswith("0 done, 2 skipped in ")
        (folder / "labels/a.txt").unlink()
        assert done("detect", "model", *words).stderr.startswith("1 done, 1 skipped in ")
        assert (folder / "labels/a.txt").exists()

    def test_an_existing_file_stays(self, folder):
        (folder / "x.json").write_text("mine")
        assert cnncli("detect", "model", "a.png", "--labels", "x.json").exit_code == 2
        assert (folder / "x.json").read_text() == "mine"
        done("detect", "model", "a.png", "--labels", "x.json", "--force")
        (folder / "labels").mkdir()
        (folder / "labels/classes.txt").write_text("mine")
        words = ["detect", "model", "a.png", "--format", "yolo", "--labels", "labels"]
        result = cnncli(*words)
        assert (result.exit_code, "names other classes" in result.stderr) == (2, True)
        done(*words, "--force")

    def test_bad_files_are_named_and_the_others_listed(self, folder):
        result = cnncli("detect", "model", "a.png", "none.png", "--labels", "x.json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("cnncli: none.png: no such file\n")
        assert len(json.loads((folder / "x.json").read_text())["images"]) == 1


class TestCrops:
    def test_each_object_is_a_picture(self, folder):
        done("detect", "model", "a.png", "c.png", "--crops", "crops")
        assert listing("crops") == ["a-01-blue.png", "a-02-red.png"]
        crop = np.asarray(Image.open("crops/a-01-blue.png"))
        assert crop.shape == (24, 20, 3)
        assert (crop == spots(*SPOTS)[16:40, 8:28]).all()

    def test_numbers_of_16_bits_are_kept(self, folder):
        pixels = np.zeros((96, 128), np.uint16)
        pixels[16:40, 8:28] = np.arange(24 * 20).reshape(24, 20) + 60000
        Image.fromarray(pixels).save("deep.png")
        done("detect", "model", "deep.png", "--crops", "crops", "--top", "1")
        assert (np.asarray(Image.open("crops/deep-01-red.png")) == pixels[16:40, 8:28]).all()

    def test_nothing_is_overwritten(self, folder):
        done("detect", "model", "a.png", "--crops", "crops")
        again = cnncli("detect", "model", "a.png", "--crops", "crops")
        assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
        assert "crops/a-0" in again.stderr
        done("detect", "model", "a.png", "--crops", "crops", "--force")
        save_spots("crops.png", SPOTS[0])
        done("detect", "model", "crops.png", "--crops", "crops")  # another stem

    def test_what_is_done_stays(self, folder):
        words = ["detect", "model", "a.png", "-o", "out/", "--crops", "crops", "--skip-existing"]
        done(*words)
        assert done(*words, "--json").stdout.count('"skipped"') == 1
        (folder / "out/a-boxes.png").unlink()  # as if the first run had been stopped before it was written
        assert json_lines(done(*words, "--json"))[0]["status"] == "ok"
        (folder / "out/a-boxes.png").unlink()
        save_spots("crops/a-01-blue.png")
        result = cnncli(*words)
        assert (result.exit_code, (folder / "out/a-boxes.png").exists()) == (1, False)
        assert "crops/a-01-blue.png: cannot be written: exists already" in result.stderr

    def test_two_images_of_one_stem(self, folder):
        save_spots("a.bmp", SPOTS[0])
        result = cnncli("detect", "model", "a.png", "a.bmp", "--crops", "crops")
        assert (result.exit_code, listing(".").count("crops")) == (2, 0)
        assert "the crops of a.png and a.bmp would have the same names" in result.stderr

    def test_names_of_classes_are_made_safe(self, folder, monkeypatch):
        detector = spot_detector(names=("a/b", "..", "CON"))
        monkeypatch.setattr("cnncli.models.opening.load_model", lambda *_, **__: detector)
        done("detect", "model", "a.png", "--crops", "crops", "--threshold", "0.1")
        assert listing("crops") == ["a-01-_CON.png", "a-02-a_b.png", "a-03-_.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.png", "--threshold", "2"], "--threshold must be from 0 to 1"),
        (["a.png", "--nms", "x"], "--nms must be from 0 to 1"),
        (["a.png", "--scales", "2:1"], "--scales must be two factors up to 16"),
        (["a.png", "--exact"], "exact: for a classifier that slides"),
        (["a.png", "--json", "--format", "csv"], "--json is --format jsonl"),
        (["a.png", "--format", "yolo"], "name their folder with --labels"),
        (["a.png", "--labels", "x"], "say the kind of the labels with --format"),
        (["a.png", "--labels", "none/x.json"], "no such folder"),
        (["a.png", "--labels", "x.json", "-o", "y.png", "--skip-existing"], "leave out --skip-existing"),
        (["a.png", "--labels", ""], "labels are written to this machine"),
        (["a.png", "--labels", "s3://x/y.json"], "labels are written to this machine"),
        (["a.png", "--labels", "y", "--format", "voc", "--quality", "80"], "--quality is for images with boxes"),
        (["a.png", "--dry-run"], "--dry-run is for images with boxes"),
        (["a.png", "-o", "-", "--json"], "both write to standard output"),
        (["a.png", "-o", "-", "--format", "csv"], "both write to standard output"),
        (["a.png", "-o", "x.npy"], "does not hold a coloured picture"),
        (["a.png", "--crops", "a.png"], "crops are written into a folder"),
        (["a.png", "--crops", "s3://x/y"], "local folders"),
        (["a.png", "c.png", "-o", "x.png"], "2 inputs do not fit into one output"),
        ([], "no inputs"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(folder, words, message):
    before = listing(".")
    result = cnncli("detect", "model", *words)
    assert (result.exit_code, result.stdout, listing(".")) == (2, "", before)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_model_that_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_spots("a.png")
    result = cnncli("detect", "none", "a.png")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("cnncli: none: no such file or folder")


class TestProcesses:
    """With a classifier that slides, in processes of their own."""

    @pytest.fixture
    def files(self, tmp_path):
        save_model(str(tmp_path / "model.safetensors"), halves_model())
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(0, 256, (300, 400), dtype=np.uint8)).save(tmp_path / "a.png")
        return tmp_path

    @pytest.mark.skipif(os.name == "nt", reason="needs signals")
    def test_ctrl_c_leaves_nothing_half_written(self, files):
        (files / "list.txt").write_text("".join(f"./{'/' * n}a.png\n" for n in range(2000)))
        words = ["detect", "model.safetensors", "--files-from", "list.txt", "--labels", "x.csv", "--json"]
        command = [sys.executable, "-c", START, *words, "--threshold", "0.6"]
        with subprocess.Popen(command, cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            first = running.stdout.readline()
            # It cannot be through: the pipe does not hold what is printed of so many, and nobody has read on.
            running.send_signal(signal.SIGINT)
            rest, error = running.communicate(timeout=PATIENCE)
        assert running.returncode == 130
        assert (first + rest).endswith(b"}\n")
        assert b"cnncli: x.csv: not written, for images are left\n" in error
        assert b"Traceback" not in error
        assert listing(files) == ["a.png", "list.txt", "model.safetensors"]

    @pytest.mark.skipif(os.name == "nt", reason="needs limits of file sizes")
    @pytest.mark.parametrize("words", [["-o", "x.png"], ["--crops", "crops"], ["--labels", "x.csv"]])
    def test_a_disk_that_is_full(self, files, words):
        command = [
            sys.executable,
            "-c",
            LIMITED,
            "detect",
            "model.safetensors",
            "a.png",
            "--threshold",
            "0",
            *words,
            "-q",
        ]
        result = subprocess.run(command, cwd=files, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert "cannot be written: File too large" in result.stderr
        assert set(listing(files)) <= {"a.png", "model.safetensors", "crops"}

    def test_a_reader_that_leaves(self, files):
        command = f"{sys.executable} -m cnncli detect model.safetensors a.png --threshold 0.5 -q | head -1"
        result = subprocess.run(command, shell=True, cwd=files, capture_output=True, text=True, check=False)
        assert (result.stdout.count("\n"), result.stderr) == (1, "")

    def test_notes_are_said_once(self, files):
        result = process("detect", "model.safetensors", "a.png", "a.png", "--threshold", "0.99", cwd=files)
        assert result.stderr.decode().count("no class is called background") == 1


LIMITED = """
import resource, signal
import cnncli.cli.app
from cnncli.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
main()
"""
