"""`cnncli evaluate`: a table, JSON, and an exit code."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from drawings import drawn_size
from models import CLASSES, halves_model, random_model, write_halves
from shell import cnncli, done

from cnncli.models.model import save_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())
    write_halves("data", 4)
    shutil.move("data/left/3.png", "data/top/wrong.png")
    return tmp_path


def test_the_table(folder):
    result = done("evaluate", "model.safetensors", "data")
    lines = result.stdout.splitlines()
    assert lines[0] == "accuracy   91.67% (11 of 12 images)"
    assert "95% interval 64.61% to 98.51%" in lines[1]
    assert lines[2].startswith("macro F1   0.91")
    assert any(line.split() == ["left", "0.7500", "1.0000", "0.8571", "3"] for line in lines)
    assert any(line.split() == ["top", "1", "·", "4"] for line in lines)


def test_json(folder):
    found = json.loads(done("evaluate", "model.safetensors", "data", "--json").stdout)
    assert found["accuracy"] == pytest.approx(11 / 12)
    assert found["accuracy_interval"] == pytest.approx([0.6461, 0.9851], abs=1e-4)
    assert [one["class"] for one in found["per_class"]] == found["classes"] == list(CLASSES)
    assert {"precision", "recall", "f1", "support"} < set(found["per_class"][0])
    assert found["confusion"] == [[3, 0, 0], [0, 4, 0], [1, 0, 4]]
    assert found["macro_f1"] == pytest.approx(np.mean([one["f1"] for one in found["per_class"]]))
    assert (found["items"], found["part"]) == (12, "train")


@pytest.mark.parametrize(("least", "code"), [("0.9", 0), ("90%", 0), ("0.92", 1), ("99%", 1), ("0", 0), ("1", 1)])
def test_the_least_accuracy_sets_the_exit_code(folder, least, code):
    result = cnncli("evaluate", "model.safetensors", "data", "--min-accuracy", least)
    assert result.exit_code == code
    assert result.stdout.startswith("accuracy")
    expected = f"cnncli: the accuracy 0.9167 is below --min-accuracy {least}\n" if code else ""
    assert result.stderr == expected


def test_quiet_is_one_number(folder):
    assert done("evaluate", "model.safetensors", "data", "-q").stdout == "0.9167\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["model.safetensors", "none"], 1, "none: no such file or folder"),
        (["none", "data"], 1, "none"),
        (["model.safetensors", "data", "--min-accuracy", "x"], 2, "--min-accuracy must be"),
        (["model.safetensors", "data", "--min-accuracy", "95"], 2, "--min-accuracy must be"),
        (["model.safetensors", "data", "--part", "half"], 2, "--part must be"),
        (["model.safetensors", "data", "--part", "test"], 1, "has no test part"),
        (["other.safetensors", "data"], 1, "not among the known ones: cat, dog"),
        (["model.safetensors"], 2, "DATA"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    save_model("other.safetensors", random_model("12x12x1 fc-2", ("cat", "dog")))
    result = cnncli("evaluate", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)


def test_findings_are_said_and_the_rest_judged(folder):
    (folder / "data" / "top" / "0.png").write_text("junk")
    result = done("evaluate", "model.safetensors", "data")
    assert "0.png" in result.stderr
    assert "of 11 images" in result.stdout
    assert cnncli("evaluate", "model.safetensors", "data", "--strict").exit_code == 1


def test_pictures_are_drawn_and_not_over_others(folder):
    done("evaluate", "model.safetensors", "data", "--pictures", "drawn")
    for name in ("confusion.svg", "mistakes.png"):
        assert min(drawn_size(folder / "drawn" / name)) > 100
    again = cnncli("evaluate", "model.safetensors", "data", "--pictures", "drawn")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "cnncli: drawn/confusion.svg exists already: --force overwrites\n"
    done("evaluate", "model.safetensors", "data", "--pictures", "drawn", "--force")
    assert cnncli("evaluate", "model.safetensors", "data", "--pictures", "model.safetensors").exit_code == 2


def test_mistakes_are_listed(folder):
    result = done("evaluate", "model.safetensors", "data", "--mistakes", "wrong.csv")
    assert result.stdout.startswith("accuracy   91.67%")
    with open("wrong.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["label"], row["predicted"]) == ("data/top/wrong.png", "top", "left")
    assert row["probability"] == row["P(left)"]
    assert sum(float(row[f"P({name})"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)


def test_no_mistakes_are_an_empty_table(folder):
    os.remove("data/top/wrong.png")
    done("evaluate", "model.safetensors", "data", "--mistakes", "wrong.csv")
    assert Path("wrong.csv").read_text() == "file,label,predicted,probability,P(left),P(right),P(top)\n"


def test_the_list_of_mistakes_replaces_nothing_unasked(folder):
    Path("wrong.csv").write_text("mine")
    for path, words in [
        ("wrong.csv", "exists already"),
        ("none/wrong.csv", "no such folder"),
        ("data", "is a folder"),
        ("-", "needs the name of a file"),
        ("model.safetensors", "is an input"),
    ]:
        result = cnncli("evaluate", "model.safetensors", "data", "--mistakes", path)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert words in result.stderr
    forced = cnncli("evaluate", "model.safetensors", "data", "--mistakes", "model.safetensors", "--force")
    assert (forced.exit_code, "is an input" in forced.stderr) == (2, True)
    assert Path("wrong.csv").read_text() == "mine"
    done("evaluate", "model.safetensors", "data", "--mistakes", "wrong.csv", "--force")
    assert Path("wrong.csv").read_text().startswith("file,label")


def test_many_classes_are_listed_by_their_mistakes(folder):
    names = tuple(f"class {number}" for number in range(30))
    save_model("many.safetensors", random_model("4x4x1 fc-30", names))
    rng = np.random.default_rng(0)
    np.savez("many.npz", x=rng.integers(0, 256, (90, 4, 4), dtype=np.uint8), y=rng.integers(0, 30, 90))
    result = cnncli("evaluate", "many.safetensors", "many.npz")
    assert result.exit_code == 1  # "0" is not "class 0"
    save_model("many.safetensors", random_model("4x4x1 fc-30", tuple(map(str, range(30)))))
    assert "the most frequent mistakes" in done("evaluate", "many.safetensors", "many.npz").stdout
