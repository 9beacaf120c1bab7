"""`cnncli predict`: lines, JSON, lists, failures, features."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import CLASSES, halves_model, write_halves
from PIL import Image
from shell import PATIENCE, cnncli, done, json_lines, listing, process
from terminal import START

from cnncli.models.model import save_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())
    write_halves("data", 3)
    return tmp_path


def test_a_line_each_in_their_order(folder):
    result = done("predict", "model.safetensors", "data/top/1.png", "data/left/0.png", "data/right/2.png")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["data/top/1.png", "top"],
        ["data/left/0.png", "left"],
        ["data/right/2.png", "right"],
    ]
    assert all(0.5 < float(line[2]) <= 1 for line in lines)
    assert result.stderr.startswith("3 done in ")


def test_the_likeliest_classes(folder):
    words = done("predict", "model.safetensors", "data/top/1.png", "--top", "9").stdout.strip().split("\t")
    assert sorted(words[1::2]) == sorted(CLASSES)
    shares = list(map(float, words[2::2]))
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("inputs", [["-r", "data"], ["data/*/*.png"], ["data/**/*.png"]])
def test_folders_and_globs(folder, inputs):
    found = json_lines(done("predict", "model.safetensors", *inputs, "--json"))
    assert len(found) == 9
    for line in found:
        assert line["class"] in line["input"]
        assert line["top"][0] == {"class": line["class"], "probability": line["probability"]}
        assert sorted(one["class"] for one in line["top"]) == sorted(CLASSES)
        assert line["error"] is None


def test_lists_and_standard_input(folder):
    (folder / "list.txt").write_text("data/top/0.png\r\n\ndata/left/1.png\n")
    assert len(done("predict", "model.safetensors", "--files-from", "list.txt").stdout.splitlines()) == 2
    listed = done("predict", "model.safetensors", "--files-from", "-", stdin=b"data/top/0.png\ndata/left/1.png\n")
    assert [line.split("\t")[1] for line in listed.stdout.splitlines()] == ["top", "left"]
    listed = done("predict", "model.safetensors", "--files-from0", "-", stdin=b"data/left/1.png\0data/top/0.png\0")
    assert [line.split("\t")[1] for line in listed.stdout.splitlines()] == ["left", "top"]
    picture = done("predict", "model.safetensors", "-", stdin=(folder / "data/left/1.png").read_bytes())
    assert picture.stdout.startswith("-\tleft\t")


def test_a_run_s_folder_is_a_model(folder):
    (folder / "run").mkdir()
    (folder / "model.safetensors").rename(folder / "run" / "model.safetensors")
    assert done("predict", "run", "data/top/0.png").stdout.startswith("data/top/0.png\ttop\t")


def test_bad_files_are_named_and_the_others_done(folder):
    (folder / "junk.png").write_text("junk")
    result = cnncli("predict", "model.safetensors", "junk.png", "data/top/0.png", "none.png")
    assert result.exit_code == 1
    assert result.stdout.startswith("data/top/0.png\ttop")
    junk, none, last = result.stderr.splitlines()
    assert junk.startswith("cnncli: junk.png: ")
    assert none == "cnncli: none.png: no such file"
    assert last.startswith("1 done, 2 failed in ")


def test_bad_files_in_json(folder):
    (folder / "junk.png").write_text("junk")
    result = cnncli("predict", "model.safetensors", "junk.png", "data/top/0.png", "--json", "-q")
    assert (result.exit_code, result.stderr) == (1, "")
    bad, good = json_lines(result)
    assert (bad["input"], bad["class"], bad["probability"], bad["top"]) == ("junk.png", None, None, [])
    assert bad["error"].startswith("junk.png: ")
    assert good["class"] == "top"


def test_a_csv_table_has_a_header_and_a_row_each(folder):
    (folder / "junk.png").write_text("junk")
    words = ["predict", "model.safetensors", "data/top/1.png", "junk.png", "data/left/0.png"]
    result = cnncli(*words, "--format", "csv", "--top", 9)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert (result.exit_code, "junk.png: " in result.stderr) == (1, True)
    assert list(rows[0]) == ["input", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]
    assert [(row["input"], row["class"]) for row in rows] == [("data/top/1.png", "top"), ("data/left/0.png", "left")]
    for row, line in zip(rows, json_lines(cnncli(*words, "--format", "jsonl"))[::2], strict=True):
        shares = {row[f"class{n}"]: float(row[f"probability{n}"]) for n in ("", "_2", "_3")}
        assert shares == pytest.approx({one["class"]: one["probability"] for one in line["top"]}, abs=1e-6)


def test_names_in_a_csv_table_are_safe(folder):
    names = ["two\nlines.png", 'a, "b".png', "=1+1.png"]
    for name in names:
        shutil.copy("data/top/1.png", name)
    shown = names
    if os.name != "nt":
        names, shown = [*names, os.fsdecode(b"gr\xf6n.png"), "\x1b[2J.png"], [*names, r"gr\xf6n.png", r"\x1b[2J.png"]
        for name in names[3:]:
            shutil.copy("data/top/1.png", name)
    rows = csv.reader(io.StringIO(done("predict", "model.safetensors", *names, "--format", "csv").stdout, newline=""))
    assert [row[:2] for row in rows] == [["input", "class"], *([name, "top"] for name in shown)]


def test_formats_have_the_names_of_the_lines_before(folder):
    words = ["predict", "model.safetensors", "data/top/1.png", "data/left/0.png"]
    assert done(*words, "--format", "tsv").stdout == done(*words).stdout
    assert done(*words, "--format", "jsonl").stdout == done(*words, "--json").stdout
    assert done(*words, "--format", "jsonl", "--json").stdout == done(*words, "--json").stdout


def test_a_table_without_pictures_has_its_header(folder):
    result = cnncli("predict", "model.safetensors", "none.png", "--format", "csv")
    assert (result.exit_code, result.stdout) == (1, "input,class,probability\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["model.safetensors"], 2, "no inputs"),
        (["model.safetensors", "--format", "csv"], 2, "no inputs"),
        (["model.safetensors", "data/top/0.png", "--format", "xml"], 2, "--format"),
        (["model.safetensors", "data/top/0.png", "--format", "csv", "--json"], 2, "leave out either"),
        (["none.safetensors", "data/top/0.png"], 1, "none.safetensors"),
        (["data/top/0.png", "data/top/0.png"], 1, "data/top/0.png"),
        (["model.safetensors", "nothing/*.png"], 3, "the glob matches no file"),
        (["model.safetensors", "data"], 2, "add -r"),
        (["model.safetensors", "data/top/0.png", "-o", "x.png"], 2, "--features"),
        (["model.safetensors", "data/top/0.png", "--features", "9"], 2, "there are 0.fc"),
        (["model.safetensors", "data/top/0.png", "data/top/1.png", "--features", "0.fc"], 2, "one image file"),
        (["model.safetensors", "data/top/0.png", "--features", "0.fc", "--json"], 2, "leave out"),
        (["model.safetensors", "data/top/0.png", "--features", "0.fc", "-o", "x.jpg"], 2, "end in .png"),
        (["model.safetensors", "-", "--files-from", "-"], 2, "standard input"),
        (["model.safetensors", "--files-from", "none.txt"], 2, "none.txt"),
        (["model.safetensors", "data/top/0.png", "--top", "0"], 2, "--top"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    before = listing(folder)
    result = cnncli("predict", *words, stdin=b"")
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert listing(folder) == before


def test_features_are_drawn_and_not_over_others(folder):
    result = done("predict", "model.safetensors", "data/top/0.png", "--features", "0.fc", "-o", "sheet.png")
    assert result.stderr == "data/top/0.png -> sheet.png\n"
    with Image.open("sheet.png") as image:
        assert image.format == "PNG"
    assert cnncli("predict", "model.safetensors", "data/top/0.png", "--features", "0", "-o", "sheet.png").exit_code == 2
    done("predict", "model.safetensors", "data/top/0.png", "--features", "0", "-o", "sheet.png", "--force")
    done("predict", "model.safetensors", "data/top/0.png", "--features", "0")
    assert "0-0.png" in os.listdir("data/top")
    forced = cnncli(
        "predict", "model.safetensors", "data/top/0.png", "--features", "0", "-o", "data/top/0.png", "--force"
    )
    assert (forced.exit_code, "is an input" in forced.stderr) == (2, True)


def test_ten_thousand_files_come_out_in_their_order(folder):
    for number in range(10_000):
        os.link(f"data/{CLASSES[number % 3]}/0.png", f"{number:05}.png")
    found = done("predict", "model.safetensors", "0*.png").stdout.splitlines()
    assert [line.split("\t")[:2] for line in found] == [[f"{n:05}.png", CLASSES[n % 3]] for n in range(10_000)]


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_finishes_the_batch(folder):
    Image.fromarray(np.zeros((500, 500), np.uint8)).save("large.png")
    (folder / "list.txt").write_text("".join(f"./{'/' * n}large.png\n" for n in range(4000)))
    command = [sys.executable, "-c", START, "predict", "model.safetensors", "--files-from", "list.txt", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        first = running.stdout.readline()
        # It cannot be through: the pipe does not hold what is printed of so many, and nobody has read on.
        running.send_signal(signal.SIGINT)
        rest, error = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert first.startswith(b'{"input": ')
    assert (first + rest).endswith(b"}\n")
    assert b"left in" in error
    assert b"Traceback" not in error


def test_names_that_are_no_text(folder):
    name = os.fsdecode(b"a\xff\nb.png")
    Path("data/top/0.png").rename(name)
    result = process("predict", "model.safetensors", name)
    assert result.returncode == 0
    assert result.stdout.count(b"\n") == 1
    assert process("predict", "model.safetensors", name, "--json").returncode == 0


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_picture_named_twice_has_a_line_each_time(folder, jobs):
    (folder / "list.txt").write_text("data/top/0.png\ndata/left/0.png\n")
    names = ["data/top/0.png", "data/left/0.png", "missing.png", "data/top/0.png", "missing.png"]
    words = [*names, "data/top/0.*", "--files-from", "list.txt", "--json", "--jobs", jobs]
    result = cnncli("predict", "model.safetensors", *words)
    assert result.exit_code == 1
    lines = json_lines(result)
    assert [line["input"] for line in lines] == [*names, "data/top/0.png", "data/top/0.png", "data/left/0.png"]
    assert [line["class"] for line in lines] == ["top", "left", None, "top", None, "top", "top", "left"]


def test_the_number_of_jobs_changes_no_bit(folder):
    write_halves("more", 50)
    found = [
        done("predict", "model.safetensors", "-r", "more", "--json", "--jobs", jobs).stdout for jobs in (1, 2, 3, 8)
    ]
    assert len(found[0].splitlines()) == 150
    assert len(set(found)) == 1
