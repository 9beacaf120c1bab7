"""Detectors: their file, and boxes in pictures of any size."""

import json

import numpy as np
import pytest
from models import random_detector, random_model
from small_boxes import squares_folder

from cnncli.data.boxes.opening import open_boxes
from cnncli.errors import ModelError
from cnncli.models.detector import Detector
from cnncli.models.model import save_model
from cnncli.models.opening import as_predictor, load_model
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.models.told import Told

TEXT = "16x24x3 conv3-8,s4,p1,bn,relu conv1-8"


@pytest.fixture
def detector():
    return random_detector(TEXT, resize="pad")


def changed(path, **texts):
    """Change texts of a model's file; None takes one out."""
    arrays, metadata = read_tensors(path)
    metadata |= {f"cnncli.{name}": text for name, text in texts.items()}
    write_tensors(path, arrays, {name: text for name, text in metadata.items() if text is not None})
    return path


@pytest.mark.parametrize("classes", [1, 3])
def test_it_is_read_as_it_was_written(tmp_path, classes):
    detector = random_detector(f"16x24x3 conv3-8,s4,p1,bn,relu conv1-{5 + classes}", resize="pad")
    save_model(tmp_path / "model.safetensors", detector)
    again = load_model(tmp_path / "model.safetensors")
    assert isinstance(again, Detector)
    assert again.metadata == detector.metadata
    assert (again.class_names, again.resize, again.grid) == (detector.class_names, "pad", detector.grid)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3)).astype(np.uint8)
    assert np.array_equal(again.outputs(pictures), detector.outputs(pictures))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"classes": '["a", "b"]'}, "puts out 4x6x8: boxes of 2 classes need conv1-7 as its last word"),
        ({"classes": "[]"}, "is not a list of one name or more"),
        ({"classes": '["a", "b", "a"]'}, "names a class twice"),
        ({"classes": "7"}, "is not a list of one name or more"),
        ({"finds": "key\npoints"}, r"finds key\?points, and this version of cnncli knows boxes alone"),
        ({"finds": None}, "has 3 classes, but its network puts out 4x6x8"),
        ({"input": "17x25x3", "network": "17x25x3 conv3-8,s4,p1,bn,relu conv1-8"}, "does not divide an input of 17x25"),
        ({"resize": "fold"}, "resizes pictures by 'fold'"),
        ({"network": f"{TEXT},relu"}, "the network ends in relu"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, detector, texts, message):
    path = tmp_path / "model.safetensors"
    save_model(path, detector)
    changed(path, **texts)
    with pytest.raises(ModelError, match=message) as raised:
        load_model(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_classifier_does_not_find_boxes_by_its_text_alone(tmp_path):
    save_model(tmp_path / "model.safetensors", random_model("8x8x1 conv3-4,relu gap fc-3"))
    with pytest.raises(ModelError, match="puts out 3: boxes of 3 classes need conv1-8"):
        load_model(changed(tmp_path / "model.safetensors", finds="boxes"))


def test_classes_may_be_told_and_the_size_where_the_cells_fit(tmp_path, detector):
    path = tmp_path / "model.safetensors"
    save_model(path, detector)
    assert load_model(path, told=Told(classes=("x", "y", "z"))).class_names == ("x", "y", "z")
    with pytest.raises(ModelError, match="tells 3 classes apart, but 2 are named"):
        load_model(path, told=Told(classes=("x", "y")))
    assert load_model(path, told=Told(size=(32, 32))).grid.cells == (8, 8)


def test_it_names_no_class_of_a_whole_picture(tmp_path, detector):
    save_model(tmp_path / "model.safetensors", detector)
    with pytest.raises(ModelError, match="the model finds boxes in pictures, and names no class of a whole one"):
        as_predictor(detector)
    with pytest.raises(ModelError, match=r"model\.safetensors: finds boxes"):
        as_predictor(tmp_path / "model.safetensors")


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(16, 24), (48, 72), (60, 40), (9, 50)])
def test_boxes_are_inside_pictures_of_any_size(resize, size):
    detector = random_detector(TEXT, resize=resize)
    outputs = np.random.default_rng(0).normal(0, 2, (5, 4, 6, 8))
    found = detector.boxes(outputs, [size] * 5, threshold=0.1, top=7)
    assert all(0 < len(boxes.labels) <= 7 for boxes in found)
    for boxes in found:
        assert (boxes.places[:, :2] >= 0).all()
        assert (boxes.places[:, 2:] > 0).all()
        assert (boxes.places[:, :2] + boxes.places[:, 2:] <= np.array(size[::-1]) + 1e-9).all()
        assert (np.diff(boxes.scores) <= 0).all()
        assert (boxes.scores >= 0.1).all()


def test_pictures_of_a_data_set_are_brought_to_it_its_own_way(tmp_path, detector):
    """Also where they have its size already, but another way."""
    folder = squares_folder(tmp_path / "squares", 6, size=(20, 50))
    whole = open_boxes(folder).train
    found = [detector.find_all(dataset) for dataset in (whole, open_boxes(folder, size=(16, 24)).train)]
    assert json.dumps([boxes.places.tolist() for boxes in found[0]]) == json.dumps(
        [boxes.places.tolist() for boxes in found[1]]
    )
