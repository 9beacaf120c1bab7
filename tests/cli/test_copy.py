"""`cnncli predict --copy`: lines, tables, refusals, and interrupts."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from models import CLASSES, halves_model, write_halves
from shell import PATIENCE, cnncli, done, json_lines, listing
from terminal import START

from cnncli.models.model import save_model

COPY = ["--copy", "sorted/{class}/"]
BELOW = ["--copy", "sorted/{class}/{below}/"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())
    write_halves("data", 3)
    return tmp_path


def copies():
    return [path for path in listing(".") if path.startswith("sorted/") and path.endswith(".png")]


def test_a_line_ends_with_the_copy(folder):
    result = done("predict", "model.safetensors", "data/top/1.png", "data/left/0.png", *COPY)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(line[0], line[1], line[3]) for line in lines] == [
        ("data/top/1.png", "top", "sorted/top/1.png"),
        ("data/left/0.png", "left", "sorted/left/0.png"),
    ]
    assert result.stderr == "2 copied\n"
    assert copies() == ["sorted/left/0.png", "sorted/top/1.png"]


def test_a_whole_folder(folder):
    result = done("predict", "model.safetensors", "data", "-r", *BELOW)
    assert len(result.stdout.splitlines()) == len(copies()) == 9
    assert Path("sorted/top/top/2.png").read_bytes() == Path("data/top/2.png").read_bytes()
    again = cnncli("predict", "model.safetensors", "data", "-r", *BELOW)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == (
        "cnncli: sorted/left/left/0.png and 8 more exist already: --force overwrites, --skip-existing keeps what is "
        "done\n"
    )
    assert done("predict", "model.safetensors", "data", "-r", *BELOW, "--skip-existing").stderr == "9 skipped\n"
    assert done("predict", "model.safetensors", "data", "-r", *BELOW, "--force").stderr == "9 copied\n"


def test_a_table_has_a_column_for_the_copy(folder):
    (folder / "junk.png").write_text("junk")
    words = ["data/top/1.png", "junk.png", "data/left/0.png", "--format", "csv", "--top", "2"]
    result = cnncli("predict", "model.safetensors", *words, *COPY)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["input", "class", "probability", "class_2", "probability_2", "copy"]
    assert [row["copy"] for row in rows] == ["sorted/top/1.png", "sorted/left/0.png"]
    error, last = result.stderr.splitlines()
    assert (result.exit_code, error.startswith("cnncli: junk.png: "), last) == (1, True, "2 copied, 1 failed")


def test_json_lines_keep_their_order(folder):
    (folder / "junk.png").write_text("junk")
    words = ["junk.png", "data/top/1.png", "none.png", "data/left/0.png", "--json", "--min", "20%", "-q"]
    result = cnncli("predict", "model.safetensors", *words, *COPY)
    found = json_lines(result)
    assert (result.exit_code, result.stderr) == (1, "")
    assert [line["copy"] for line in found] == [None, "sorted/top/1.png", None, "sorted/left/0.png"]
    assert [line["error"] is None for line in found] == [False, True, False, True]
    assert [line["input"] for line in found] == words[:4]
    assert "copy" not in json_lines(cnncli("predict", "model.safetensors", "data/top/1.png", "--json"))[0]


def test_images_below_the_least_probability_are_counted(folder):
    model = halves_model()
    unsure = {name: array / 50 for name, array in model.parameters.items()}
    save_model("model.safetensors", model.replace(parameters=unsure))
    found = json_lines(done("predict", "model.safetensors", "data", "-r", "--json"))
    shares = sorted((line["probability"] for line in found), reverse=True)
    least = (shares[3] + shares[4]) / 2
    for text in (f"{least:.6f}", f"{100 * least:.6f}%"):
        result = done("predict", "model.safetensors", "data", "-r", *BELOW, "--min", text, "--force")
        assert len(copies()) == 4
        assert [line.split("\t")[3] != "" for line in result.stdout.splitlines()] == [
            line["probability"] >= least for line in found
        ]
        assert result.stderr.startswith("4 copied, 5 below --min ")
    assert done("predict", "model.safetensors", "data", "-r", *BELOW, "--min", "1", "--force").stderr == (
        "9 below --min 100%\n"
    )


def test_a_dry_run_prints_the_plan_alone(folder):
    before = listing(folder)
    planned = done("predict", "model.safetensors", "data", "-r", *BELOW, "--dry-run")
    assert (listing(folder), planned.stderr) == (before, "9 to copy\n")
    assert done("predict", "model.safetensors", "data", "-r", *BELOW).stdout == planned.stdout


def test_one_image_is_copied_without_a_summary(folder):
    result = done("predict", "model.safetensors", "data/top/1.png", *COPY)
    assert (result.stdout.count("\n"), result.stderr) == (1, "")
    assert result.stdout.endswith("\tsorted/top/1.png\n")


def test_an_image_named_twice_is_copied_once(folder):
    assert done("predict", "model.safetensors", "data/top/1.png", "data/top/1.png", *COPY).stdout.count("\n") == 1


def test_copies_of_before_are_not_inputs(folder):
    words = ["predict", "model.safetensors", ".", "-r", "--copy", "sorted/{class}/{below}/"]
    assert len(done(*words).stdout.splitlines()) == 9
    again = done(*words, "--skip-existing")
    assert again.stderr == "cnncli: 9 images found in the folder of the copies are left out\n9 skipped\n"
    assert len(copies()) == 9
    alone = cnncli("predict", "model.safetensors", "sorted/top/*/*/*.png", "--copy", "sorted/{class}/")
    assert alone.exit_code == 0  # named, though they are there


def test_unsafe_classes_are_told(folder):
    save_model("odd.safetensors", halves_model().replace(class_names=("../up", "right", "a\nb")))
    result = done("predict", "odd.safetensors", "data/top/1.png", "data/left/0.png", *COPY)
    assert result.stderr.splitlines() == [
        "cnncli: class '../up' is '_.._up' in the names of copies",
        "cnncli: class 'a\\nb' is 'a_b' in the names of copies",
        "2 copied",
    ]
    assert copies() == ["sorted/_.._up/0.png", "sorted/a_b/1.png"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["data", "-r", *COPY], 2, "would both become sorted/{class}/0.png: tell them apart with a template such as"),
        (["data/top/0.png", "--copy", "sorted/"], 2, "has no {class}"),
        (["data/top/0.png", "--copy", "{clas}/"], 2, "unknown field {clas}"),
        (["data/top/0.png", "--copy", "model.safetensors/{class}/"], 2, "model.safetensors"),
        (["-", *COPY], 2, "standard input has no name to copy it by"),
        (["data/top/0.png", "--min", "80%"], 2, "--min needs --copy"),
        (["data/top/0.png", "--skip-existing"], 2, "--skip-existing needs --copy"),
        (["data/top/0.png", "--dry-run"], 2, "--dry-run needs --copy"),
        (["data/top/0.png", *COPY, "--min", "80"], 2, "--min must be from 0 to 1, or a percentage"),
        (["data/top/0.png", *COPY, "--min", "x"], 2, "--min must be from 0 to 1, or a percentage"),
        (["data/top/0.png", *COPY, "--features", "0"], 2, "leave out --copy"),
        (["none/*.png", *COPY], 3, "the glob matches no file"),
        ([*COPY], 2, "no inputs"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    before = listing(folder)
    result = cnncli("predict", "model.safetensors", *words, stdin=b"")
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert listing(folder) == before


INTERRUPTED = """
import os, shutil, signal, threading
from cnncli.cli.files.interrupts import Stop
told, tell, copy, made = threading.Event(), Stop.set, shutil.copyfileobj, []
def heard(stop):
    tell(stop)
    told.set()
def slow(source, target, length):
    target.write(source.read(50))
    target.flush()
    made.append(source.name)
    if len(made) == 3:
        os.kill(os.getpid(), signal.SIGINT)
        told.wait(600)
    copy(source, target, length)
Stop.set, shutil.copyfileobj = heard, slow
"""


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_leaves_whole_copies(folder):
    words = ["predict", "model.safetensors", "data", "-r", *BELOW, "-j", "1"]
    command = [sys.executable, "-c", INTERRUPTED + START, *words]
    result = subprocess.run(command, capture_output=True, timeout=PATIENCE, text=True)
    assert result.returncode == 130, result.stderr
    assert result.stderr.splitlines()[-1] == "interrupted: 3 copied, 6 left"
    assert [line.split("\t")[3] for line in result.stdout.splitlines()] == copies()
    assert len(copies()) == 3
    for path in copies():
        assert Path(path).read_bytes() == Path("data", *Path(path).parts[2:]).read_bytes()
    assert not [path for path in listing("sorted") if ".cnncli" in path]


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_while_predicting_copies_nothing(folder):
    early = INTERRUPTED.partition("def slow")[0] + (
        "import cnncli.models.prediction as prediction\n"
        "read = prediction.read_picture\n"
        "def once(*words):\n"
        "    if not told.is_set():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        told.wait(600)\n"
        "    return read(*words)\n"
        "Stop.set, prediction.read_picture = heard, once\n"
    )
    for number in range(200):
        os.link("data/top/0.png", f"{number:03}.png")
    command = [sys.executable, "-c", early + START, "predict", "model.safetensors", "*.png", *COPY, "-j", "1"]
    result = subprocess.run(command, capture_output=True, timeout=PATIENCE, text=True)
    assert result.returncode == 130, result.stderr
    assert result.stdout == ""
    assert not os.path.exists("sorted")
    assert result.stderr.splitlines()[-1].startswith("interrupted: ")


def test_classes_are_folders(folder):
    """What is sorted is a data set."""
    done("predict", "model.safetensors", "data", "-r", *BELOW, "-q")
    assert sorted(os.listdir("sorted")) == sorted(CLASSES)
    assert "accuracy   100.00% (9 of 9 images)" in done("evaluate", "model.safetensors", "sorted").stdout
