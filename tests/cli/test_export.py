"""`cnncli export`: a checked ONNX file, or a line that says why not."""

import json
import sys

import numpy as np
import onnx
import pytest
from models import CLASSES, halves_model, random_detector
from PIL import Image
from shell import cnncli, done, listing

from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.models.model import Model, save_model
from cnncli.networks import load_network
from cnncli.networks.heads import with_outputs


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


def test_a_detector_is_written_with_its_cells_and_finds_the_same(folder):
    save_model("boxes.safetensors", random_detector("24x32x3 conv3-8,same,s2,bn,relu conv3-8,same,s2,relu conv1-8"))
    result = done("export", "boxes.safetensors", "boxes.onnx")
    assert "output  cells, float32 batchx6x8x8" in result.stdout
    found = json.loads(done("export", "boxes.safetensors", "boxes.onnx", "--json", "--force").stdout)
    assert (found["gives"], found["shape"]) == ("cells", [6, 8, 8])
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save("photo.png")
    lines = [
        done("detect", model, "photo.png", "--threshold", "0.1").stdout for model in ("boxes.safetensors", "boxes.onnx")
    ]
    assert lines[0] == lines[1]
    assert lines[0].count("\n") > 1


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
        (["model.safetensors", "m.pb"], 2, "end in .onnx or .safetensors"),
        (["model.safetensors", "m.onnx", "--names", "timm"], 2, "--names is about arrays of .safetensors files"),
        (["model.safetensors", "m.safetensors", "--names", "timm"], 2, "not a network whose names in timm are known"),
        (["model.safetensors", "m.safetensors", "--names", "caffe"], 2, "one of torchvision, timm"),
        (["model.safetensors", "model.safetensors", "--force"], 2, "is an input"),
        (["none.safetensors", "m.onnx"], 1, "none.safetensors"),
        (["model.safetensors", "none/m.onnx"], 1, "cannot be written"),
        (["model.safetensors"], 2, "FILE"),
    ],
)
def test_errors_are_one_line(folder, words, code, message):
    result = cnncli("export", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)


def test_what_is_taken_for_granted_of_pictures_is_said(folder):
    network = with_outputs(load_network("squeezenet1.1"), 3)
    save_model(
        "run.safetensors",
        Model(network, *initialize(network, seed=0), ("a", "b", "c"), Normalization.called("unit").over(3)),
    )
    done("export", "run.safetensors", "tv.safetensors", "--names", "torchvision")
    words = ("export", "squeezenet1.1=tv.safetensors", "m.safetensors", "--force")
    assert (
        done(*words).stderr
        == "cnncli: squeezenet1.1 with weights of torchvision: images 224x224x3 (stretch), pixels from 0 to 1\n"
    )
    assert "mean 123.7" in done(*words, "--normalize", "imagenet").stderr
    assert done(*words, "-q").stderr == ""
    assert done("export", "run.safetensors", "copy.safetensors").stderr == ""


def test_a_model_for_cnncli_again(folder):
    result = done("export", "model.safetensors", "copy.safetensors")
    assert result.stdout.startswith("copy.safetensors: ")
    assert "a model for cnncli" in result.stdout
    assert (folder / "copy.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_weights_under_other_names_can_be_counted_and_used(folder):
    network = with_outputs(load_network("squeezenet1.1"), 3)
    model = Model(network, *initialize(network, seed=0), ("a", "b", "c"), Normalization.called("imagenet"))
    save_model("run.safetensors", model)
    found = json.loads(done("export", "run.safetensors", "tv.safetensors", "--names", "torchvision", "--json").stdout)
    assert (found["names"], found["arrays"], found["classes"]) == ("torchvision", 52, ["a", "b", "c"])
    assert done("params", "squeezenet1.1=tv.safetensors", "vgg16", "--total").stdout.split() == ["724035", "138357544"]
    page = done("params", "squeezenet1.1=tv.safetensors")
    assert "squeezenet1.1 with weights of torchvision: every array has its place" in page.stdout
    assert json.loads(done("params", "squeezenet1.1=tv.safetensors", "--json").stdout)["totals"]["params"] == 724035
    result = cnncli("params", "vgg11=tv.safetensors")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "tv.safetensors: does not fit vgg11" in result.stderr
    assert "did you mean squeezenet1.1?" in cnncli("params", "squeezenet1.2=tv.safetensors").stderr
