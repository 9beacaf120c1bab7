"""Weights as files of named arrays, for us or for other programs."""

import json

import numpy as np
import pytest
from models import halves_model, random_model
from safetensors.numpy import load_file

from cnncli import export_weights, load_model
from cnncli.choices import WEIGHT_NAMES
from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.model import Model, save_model
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.networks import load_network, zoo_names
from cnncli.networks.heads import with_outputs
from cnncli.networks.weights import published_weights


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zoo_model(name, input_shape=None, classes=("a", "b", "c")):
    network = with_outputs(load_network(name, input_shape=input_shape), len(classes))
    return Model(network, *initialize(network, seed=0), classes, Normalization.called("imagenet"), "crop")


def test_programs_are_those_that_the_zoo_knows():
    programs = {program for name in zoo_names() for program in published_weights(name)}
    assert set(WEIGHT_NAMES) <= programs


def test_without_names_the_file_is_the_models_own(folder):
    model = halves_model()
    save_model("own.safetensors", model)
    exported = export_weights("own.safetensors", "copy.safetensors")
    assert (folder / "copy.safetensors").read_bytes() == (folder / "own.safetensors").read_bytes()
    assert exported == ("copy.safetensors", None, len(model.parameters), (folder / "own.safetensors").stat().st_size)


def test_a_model_is_found_in_the_zoo_by_its_layers(folder):
    model = zoo_model("resnet18", (64, 80, 3))
    save_model("run.safetensors", model)  # which keeps the text, and forgets the name
    assert load_model("run.safetensors").network.name == ""
    export_weights("run.safetensors", "tv.safetensors", names="torchvision")
    found = load_file("tv.safetensors")
    assert found["conv1.weight"].shape == (64, 3, 7, 7)
    assert found["fc.weight"].shape == (3, 512)
    assert np.array_equal(found["fc.weight"].T, model.parameters["11.fc.weight"])
    header = (folder / "tv.safetensors").read_bytes()
    metadata = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]
    assert metadata["format"] == "pt"
    assert "cnncli.network" not in metadata


def test_weights_under_other_names_take_pictures_of_the_same_size_again(folder):
    model = zoo_model("resnet18", (64, 80, 3))
    export_weights(model, "tv.safetensors", names="torchvision")
    again = load_model("resnet18=tv.safetensors")
    assert again.input_shape == (64, 80, 3)
    picture = np.arange(100 * 70 * 3, dtype=np.uint8).reshape(100, 70, 3)
    assert np.array_equal(again.probabilities(picture), model.probabilities(picture))


@pytest.mark.parametrize(
    ("size", "message"), [("2x2x3", "does not fit"), ("64x64x1", "wrong shape"), ("99999x99999x3", "pixels")]
)
def test_a_size_that_does_not_suit_the_weights_is_refused(folder, size, message):
    export_weights(zoo_model("squeezenet1.1", (64, 64, 3)), "tv.safetensors", names="torchvision")
    arrays, metadata = read_tensors("tv.safetensors")
    write_tensors("tv.safetensors", arrays, {**metadata, "cnncli.input": size})
    with pytest.raises(ModelError, match=f"^tv.safetensors: .*{message}"):
        load_model("squeezenet1.1=tv.safetensors")


def test_a_network_that_no_program_has_is_refused():
    with pytest.raises(
        ArgumentError, match=r"not a network whose names in timm are known: these are convnext-t, .*vgg19"
    ):
        export_weights(random_model("8x8x3 conv3-4 gap fc-3"), "x.safetensors", names="timm")
    with pytest.raises(ArgumentError, match="names must be one of torchvision, timm, got 'keras'"):
        export_weights(halves_model(), "x.safetensors", names="keras")


def test_weights_that_fit_one_size_of_pictures_alone_are_not_given_another_names():
    with pytest.raises(
        ArgumentError, match=r"vgg11 for pictures of 224x224x3 alone: with 32x32x3, classifier\.0\.weight"
    ):
        export_weights(zoo_model("vgg11", (32, 32, 3)), "x.safetensors", names="torchvision")


def test_nothing_is_overwritten(folder):
    save_model("own.safetensors", halves_model())
    (folder / "mine").write_text("mine")
    with pytest.raises(ArgumentError, match="mine exists already"):
        export_weights("own.safetensors", "mine")
    with pytest.raises(ArgumentError, match="is an input"):
        export_weights("own.safetensors", "own.safetensors", force=True)
    export_weights("own.safetensors", "mine", force=True)
    assert (folder / "mine").read_bytes() == (folder / "own.safetensors").read_bytes()
