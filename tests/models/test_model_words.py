"""Opening models by their words, and what is told about them."""

import numpy as np
import pytest
from models import halves_model, random_model

from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.model import save_model
from cnncli.models.opening import ModelWord, as_trainable, load_model, load_trainable
from cnncli.models.told import Told, read_class_list


def test_a_word_with_an_equals_sign_names_network_and_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ModelWord.of("resnet18=a=b.pth") == ("a=b.pth", "resnet18")
    assert ModelWord.of("runs/lr=1/model.onnx") == ("runs/lr=1/model.onnx", None)
    (tmp_path / "lr=1").mkdir()
    assert ModelWord.of("lr=1") == ("lr=1", None)  # what exists is a file
    with pytest.raises(ArgumentError, match="resnet18=FILE"):
        ModelWord.of("resnet18=")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "resnet-18=w.pth",
            "resnet-18=w.pth: no such file, and no network is called 'resnet-18': did you mean resnet18",
        ),
        ("lr=0.1.onnx", "lr=0.1.onnx: no such file, and no network is called 'lr'$"),
        ("resnet18=w.pth", "^w.pth: no such file$"),
        ("nets/mine.toml=w.pth", "^w.pth: no such file$"),
        ("https://x.org/a=b.onnx", "https://x.org/a=b.onnx: models are read from files on this machine: download it"),
        (
            "resnet18=https://x.org/w.pth",
            "^https://x.org/w.pth: models are read from files on this machine: download it",
        ),
        ("VGG16", "VGG16: a network without weights: give some, VGG16=FILE, or a model that was trained"),
        ("", "^: no such file or folder: a model is"),
        ("=x", "^=x: no such file or folder: a model is"),
        ("nets/a=b/c.onnx", "^nets/a=b/c.onnx: no such file or folder: a model is"),
    ],
)
def test_a_word_for_nothing_says_what_to_give(tmp_path, monkeypatch, word, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_model(word)


def test_what_is_told_overrules_the_file(tmp_path):
    model = halves_model()
    save_model(tmp_path / "m.safetensors", model)
    names = tuple(f"class {number}" for number in range(len(model.class_names)))
    told = load_model(tmp_path / "m.safetensors", told=Told(names, Normalization((0.0,), (1.0,))))
    assert told.class_names == names
    assert told.normalization.mean == (0.0,) * told.input_shape[2]
    with pytest.raises(ModelError, match=r"m\.safetensors: tells \d+ classes apart, but 7 are named in --classes"):
        load_model(tmp_path / "m.safetensors", told=Told(tuple("abcdefg")))
    picture = np.zeros(model.input_shape, np.uint8)
    assert np.array_equal(as_trainable(told).probabilities(picture), told.probabilities(picture))
    assert load_trainable(tmp_path / "m.safetensors").class_names == model.class_names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n\nb\n", "line 2 is empty"),
        (b"a,b,c\n", "two classes or more, each once, got 1: give one a line"),
        (b"a\nb\na", "got 'a' twice"),
        (b"\x80\x02", "not a text in UTF-8"),
    ],
)
def test_a_list_of_classes_names_each_once(tmp_path, content, message):
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=rf"classes\.txt: .*{message}"):
        read_class_list(str(path))


def test_names_of_classes_are_told_once_each():
    with pytest.raises(
        ArgumentError, match=r"^a model needs the names of two classes or more, each once, got 'a' twice$"
    ):
        Told(["a", "b", "a"])
    assert len(Told([str(number) for number in range(30_000)]).classes) == 30_000


def test_a_list_of_classes_has_an_end():
    with pytest.raises(ArgumentError, match="/dev/zero: more than 4194304 letters: not a list of classes"):
        read_class_list("/dev/zero")


def test_a_network_of_one_size_says_so(tmp_path):
    save_model(tmp_path / "m.safetensors", halves_model())
    with pytest.raises(ModelError, match=r"m\.safetensors: takes pictures of 12x12 alone: leave out --size"):
        load_model(tmp_path / "m.safetensors", told=Told(size=(9, 9)))
    save_model(tmp_path / "m.safetensors", random_model("12x12x1 conv3-3 gap"))
    assert load_model(tmp_path / "m.safetensors", told=Told(size=(9, 8))).input_shape == (9, 8, 1)


def test_a_list_of_classes_is_read_as_text_editors_write_it(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffcat\r\nhouse wren\r\n\r\n".encode())
    assert read_class_list(str(path)) == ("cat", "house wren")
