"""`cnncli export`: a checked ONNX file, or a line that says why not."""

import json
import sys

import onnx
import pytest
from models import CLASSES, halves_model
from shell import cnncli, done, listing

from cnncli.models.model import save_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.safetensors", halves_model())
    return tmp_path


def test_a_file_and_what_is_in_it(folder):
    result = done("export", "model.safetensors", "m.onnx")
    assert "image, float32 batchx1x12x12, from 0 to 255" in result.stdout
    assert "the largest difference is" in result.stdout
    onnx.checker.check_model("m.onnx", full_check=True)
    assert "12x12x1" in done("params", "m.onnx").stdout


def test_json(folder):
    found = json.loads(done("export", "model.safetensors", "m.onnx", "--json").stdout)
    assert (found["output"], found["classes"]) == ("m.onnx", list(CLASSES))
    assert found["difference"] < 1e-5
    assert found["size"] == (folder / "m.onnx").stat().st_size


def test_quiet_prints_nothing(folder):
    result = done("export", "model.safetensors", "m.onnx", "-q")
    assert (result.stdout, result.stderr) == ("", "")


def test_nothing_is_overwritten(folder):
    (folder / "m.onnx").write_text("mine")
    result = cnncli("export", "model.safetensors", "m.onnx")
    assert (result.exit_code, result.stderr) == (2, "cnncli: m.onnx exists already: --force overwrites\n")
    done("export", "model.safetensors", "m.onnx", "--force")
    onnx.checker.check_model("m.onnx")


def test_without_the_package_a_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = cnncli("export", "model.safetensors", "m.onnx")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "pip install 'cnncli[onnx]'" in result.stderr
    assert listing(folder) == ["model.safetensors"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["model.safetensors", "m.pb"], 2, "end in .onnx"),
        (["none.safetensors", "m.onnx"], 1, "none.safetensors"),
        (["model.safetensors", "none/m.onnx"], 1, "cannot be written"),
        (["model.safetensors"], 2, "FILE.onnx"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    result = cnncli("export", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
