"""`cnncli draw`: files, messages and refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from shell import cnncli, done

from cnncli import draw_network, load_network, summarize_network
from cnncli.models.safetensors import write_tensors


def test_a_drawing_is_the_library_s(tmp_path):
    file = tmp_path / "net.svg"
    result = done("draw", "vgg16", "-o", file, "--style", "boxes")
    drawing = draw_network("vgg16", style="boxes")
    assert file.read_text(encoding="utf-8") == str(drawing) == str(draw_network(load_network("vgg16"), style="boxes"))
    assert result.stdout == f"{file}: VGG-16, {drawing.width:.0f}x{drawing.height:.0f} pixels\n"


def test_standard_output_holds_the_drawing_alone():
    result = done("draw", "6x6x3", "conv3-10", "-o", "-")
    assert result.stdout == str(draw_network(summarize_network("6x6x3 conv3-10")))
    assert ElementTree.fromstring(result.stdout).tag.endswith("svg")


def test_standard_output_is_utf_8_in_any_locale(tmp_path):
    (tmp_path / "net.toml").write_text('title = "名字"\ninput = "6x6x3"\nlayers = "conv3-10"\n', encoding="utf-8")
    words = [sys.executable, "-m", "cnncli", "draw", tmp_path / "net.toml", "-o", "-"]
    drawn = subprocess.run(words, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True)
    assert drawn.stdout.decode() == str(draw_network(tmp_path / "net.toml"))


def test_json_says_what_was_drawn(tmp_path):
    file = tmp_path / "net.svg"
    told = json.loads(done("draw", "lenet5", "-o", file, "--json").stdout)
    drawing = draw_network("lenet5")
    size = {"width": round(drawing.width), "height": round(drawing.height)}
    assert told == {"network": drawing.title, "output": str(file), "style": "volumes"} | size


def test_what_is_not_known_of_a_network_is_not_told_before_an_error(tmp_path):
    write_tensors(tmp_path / "alone.safetensors", {"conv.weight": np.zeros((8, 3, 3, 3), np.float32)}, {})
    result = cnncli("draw", tmp_path / "alone.safetensors", "-o", tmp_path / "net.svg", "--highlight", "pink")
    assert result.stderr.startswith("cnncli: no layer is called 'pink': ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no output: give -o FILE.svg"),
        (("-o", "net.jpg"), "net.jpg: drawings are written as .svg, .png or .pdf"),
        (("-o", "-", "--json"), "give --json with -o FILE.svg"),
        (("vgg16", "-o", "-"), "a drawing has one network, got 2"),
        (("-o", "-", "--highlight", "conv9"), "no layer is called 'conv9'"),
        (("-o", "-", "--style", "cubes"), "Invalid value for '--style': 'cubes' is not one of"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words, message):
    result = cnncli("draw", "lenet5", *words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message in result.stderr


def test_files_are_overwritten_with_force_alone(tmp_path):
    file = tmp_path / "net.svg"
    file.write_text("kept")
    result = cnncli("draw", "lenet5", "-o", file)
    assert (result.exit_code, file.read_text()) == (2, "kept")
    assert "--force overwrites" in result.stderr
    done("draw", "lenet5", "-o", file, "--force", "-q")
    assert file.read_text().startswith("<svg")


def test_an_input_is_never_overwritten(tmp_path):
    file = tmp_path / "net.toml"
    file.write_text('input = "6x6x3"\nlayers = "conv3-10"\n')
    link = tmp_path / "net.svg"
    link.symlink_to(file)
    result = cnncli("draw", file, "-o", link, "--force")
    assert result.exit_code == 2
    assert "is an input" in result.stderr
    assert file.read_text().startswith("input")


def residual(folder, last="Relu"):
    """An ONNX file with a residual block of one convolution."""
    from onnx_files import model, node, save, weight

    nodes = [
        node("Conv", ["x", "w"], "a", pads=[1, 1, 1, 1]),
        node("Add", ["a", "x"], "b"),
        node(last, ["b"], "y"),
    ]
    return save(folder, model(nodes, {"x": (1, 4, 8, 8)}, constants=[weight("w", 4, 4, 3, 3)]))


@pytest.fixture
def onnx_files(monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "formats"))


@pytest.mark.usefixtures("onnx_files")
def test_a_residual_block_of_an_onnx_file_has_its_skip(tmp_path):
    file = residual(tmp_path)
    text = done("draw", file, "-o", "-").stdout
    assert ">identity<" in text
    assert "res: relu(main + shortcut)" in text
    assert done("params", file, "--total").stdout.strip() == "144"
    assert "144 params, 9,216 multiply-adds" in text


@pytest.mark.usefixtures("onnx_files")
def test_an_onnx_file_with_other_operations_is_drawn_in_its_order(tmp_path):
    text = done("draw", residual(tmp_path, "Erf"), "-o", "-").stdout
    assert ">identity<" not in text
    assert ">Erf<" in text
    assert "in the order of the file" in text
