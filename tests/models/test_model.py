"""Model files: they stand alone, the same model has the same bytes, and damaged ones are one line."""

import json
import pickle
from contextlib import suppress

import numpy as np
import pytest
from small_data import bars

from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, CnncliError, ModelError
from cnncli.models.model import Model, save_model
from cnncli.models.opening import load_model
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.networks import parse_network

TEXT = "8x8x1 conv3-4,bn,relu max2 fc-3,softmax"


def make_model(text=TEXT, classes=("cat", "dog", "猫"), **options):
    network = parse_network(text)
    parameters, buffers = initialize(network, seed=1)
    return Model(network, parameters, buffers, classes, Normalization((100.0,), (50.0,)), **options)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, make_model())
    return path


def assert_same(one, other):
    assert one.network == other.network
    assert str(one.network) == str(other.network)
    assert (one.class_names, one.normalization, one.resize) == (other.class_names, other.normalization, other.resize)
    for arrays, others in ((one.parameters, other.parameters), (one.buffers, other.buffers)):
        assert list(arrays) == list(others)
        assert all(np.array_equal(arrays[name], others[name]) for name in arrays)


def test_a_model_comes_back_as_it_was(tmp_path):
    model = make_model(resize="crop")
    save_model(tmp_path / "model.safetensors", model)
    assert_same(load_model(tmp_path / "model.safetensors"), model)
    assert_same(load_model(tmp_path), model)  # the folder of a run


def test_the_same_model_has_the_same_bytes(tmp_path, file):
    save_model(tmp_path / "again.safetensors", load_model(file))
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_the_safetensors_library_reads_it(file):
    safetensors = pytest.importorskip("safetensors")
    model = make_model()
    with safetensors.safe_open(file, "numpy") as opened:
        metadata = opened.metadata()
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- it is no dictionary
    assert metadata["cnncli.network"] == TEXT
    assert metadata["cnncli.input"] == "8x8x1"
    assert json.loads(metadata["cnncli.classes"]) == ["cat", "dog", "猫"]
    assert json.loads(metadata["cnncli.normalization"]) == {"mean": [100.0], "std": [50.0]}
    assert arrays.keys() == {**model.parameters, **model.buffers}.keys()
    assert all(np.array_equal(arrays[name], array) for name, array in model.parameters.items())


def test_files_of_the_safetensors_library_are_read(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    model = make_model()
    path = tmp_path / "model.safetensors"
    numpy_files.save_file({**model.parameters, **model.buffers}, path, model.metadata)
    assert_same(load_model(path), model)


@pytest.mark.parametrize("text", ["8x8x1 fc-3", "8x8x1 fc-3,softmax", "8x8x1 rbf-3"])
def test_probabilities_add_up_to_one_whatever_the_network_ends_in(text):
    images = bars(10)[0]
    probabilities = make_model(text).probabilities(images)
    assert probabilities.shape == (10, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.array_equal(make_model(text).predict(images), probabilities.argmax(axis=1))


def test_a_last_softmax_changes_no_probability():
    images = bars(10)[0]
    with_softmax, without = (make_model(f"8x8x1 fc-3{end}").probabilities(images) for end in (",softmax", ""))
    np.testing.assert_allclose(with_softmax, without, atol=1e-6)


def test_the_nearest_code_is_the_likeliest_class():
    model, images = make_model("8x8x1 rbf-3"), bars(10)[0]
    codes = model.buffers["0.rbf.weight"]
    distances = ((model.normalization.apply(images).reshape(10, -1, 1) - codes) ** 2).sum(axis=1)
    assert np.array_equal(model.predict(images), distances.argmin(axis=1))


@pytest.mark.parametrize("end", ["", ",sigmoid"])
def test_one_output_is_the_second_of_two_classes(end):
    model, images = make_model(f"8x8x1 fc-1{end}", ("no", "yes")), bars(10)[0]
    flat = model.normalization.apply(images).reshape(10, -1)
    second = 1 / (1 + np.exp(-(flat @ model.parameters["0.fc.weight"] + model.parameters["0.fc.bias"])))
    np.testing.assert_allclose(model.probabilities(images), np.hstack([1 - second, second]), atol=1e-6)


def test_jobs_change_no_bit():
    model, images = make_model(), bars(300)[0]
    assert np.array_equal(model.probabilities(images, jobs=1), model.probabilities(images, jobs=2))


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(ArgumentError, match="takes pictures of 8x8x1, got 8x9x1"):
        make_model().probabilities(np.zeros((1, 8, 9, 1), np.uint8))


@pytest.mark.parametrize(
    ("classes", "change", "message"),
    [
        (("a", "b"), {}, "2 classes"),
        (("a", "b", "c"), {"normalization": Normalization((1.0, 2.0), (1.0, 1.0))}, "normalised for 2 channels"),
        (("a", "b", "c"), {"resize": "bend"}, "'bend'"),
        (("a", "b", "c"), {"parameters": {}}, "lacks the parameter 0.conv.weight"),
        (("a", "b", "c"), {"buffers": {}}, "lacks the buffer 0.bn.running_mean"),
    ],
)
def test_parts_that_do_not_fit_are_refused(classes, change, message):
    model = make_model()
    with pytest.raises(ModelError, match=message):
        model.replace(class_names=classes, **change)


def rewrite(path, *, metadata=None, arrays=None, without=()):
    """Write a file again with changes."""
    old_arrays, old_metadata = read_tensors(path)
    texts = {key: text for key, text in {**old_metadata, **(metadata or {})}.items() if key not in without}
    numbers = {name: array for name, array in {**old_arrays, **(arrays or {})}.items() if name not in without}
    write_tensors(path, numbers, texts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": ["cnncli.network"]}, "is not a model that `cnncli train` wrote: .* cnncli.network"),
        ({"without": ["cnncli.classes", "cnncli.normalization"]}, "cnncli.classes, cnncli.normalization"),
        ({"without": ["0.bn.bias"]}, "lacks the parameter 0.bn.bias"),
        ({"arrays": {"9.conv.weight": np.zeros(1, np.float32)}}, "the array 9.conv.weight, which its network does not"),
        ({"arrays": {"0.bn.bias": np.zeros(5, np.float32)}}, "0.bn.bias is 5 float32 where its network needs 4"),
        ({"arrays": {"0.bn.bias": np.zeros(4)}}, "0.bn.bias is 4 float64"),
        ({"metadata": {"cnncli.network": "8x8x1 nonsense-4"}}, "nonsense-4"),
        ({"metadata": {"cnncli.network": "8x8x1 conv9-4"}}, "needs at least 9x9"),
        ({"metadata": {"cnncli.network": "8x8x1 9999999xfc-3"}}, "at most"),
        ({"metadata": {"cnncli.network": "8x8x1 fc-4000000000000000"}}, "array|parameter|at most|up to"),
        ({"metadata": {"cnncli.classes": "[1, 2, 3]"}}, "is not a list of two names"),
        ({"metadata": {"cnncli.classes": '["a", "a", "b"]'}}, "twice"),
        ({"metadata": {"cnncli.classes": '["a"]} '}}, "JSON"),
        ({"metadata": {"cnncli.classes": "[" * 100000}}, "JSON"),
        ({"metadata": {"cnncli.normalization": "{}"}}, "is not a mean and a std"),
        ({"metadata": {"cnncli.normalization": '{"mean": [NaN], "std": [1]}'}}, "normalization"),
        ({"metadata": {"cnncli.normalization": '{"mean": [0], "std": [0]}'}}, "std above 0"),
        ({"metadata": {"cnncli.normalization": '{"mean": [true], "std": [1]}'}}, "is not a mean and a std"),
        ({"metadata": {"cnncli.resize": "\x1b[2J"}}, "resizes pictures by"),
    ],
)
def test_hostile_texts_and_arrays_are_one_line(file, change, message):
    rewrite(file, **change)
    with pytest.raises(ModelError, match=message) as raised:
        load_model(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


def test_every_truncation_is_one_line(file):
    content = file.read_bytes()
    for length in [*range(0, 1200, 7), *range(1200, len(content), 97), len(content) - 1]:
        file.write_bytes(content[:length])
        with pytest.raises(ModelError) as raised:
            load_model(file)
        assert str(raised.value).count(str(file)) == 1
        assert "\n" not in str(raised.value)


def test_what_follows_the_arrays_is_no_model(file):
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(ModelError, match="damaged"):
        load_model(file)


def test_no_changed_byte_does_more_than_raise_a_model_error(file):
    content, rng = bytearray(file.read_bytes()), np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(400):
        place, value = int(rng.integers(header)), int(rng.integers(256))
        changed = content.copy()
        changed[place] = value
        file.write_bytes(changed)
        with suppress(ModelError):  # a changed number may be as good as the old
            load_model(file)


def with_header(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"PK\x03\x04" + b"\x00" * 60,
        pickle.dumps({"weight": [1, 2, 3]}),
        b"\xff" * 64,
        with_header(b"[]"),
        with_header(b"{"),
        with_header(b'{"a": 1}'),
        with_header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        with_header({"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}, bytes(16)),
        with_header({"a": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 2**64]}}, bytes(16)),
        with_header({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        with_header({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}, bytes(8)),
        with_header({name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "ab"}, bytes(8)),
        with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)),
    ],
    ids=range(15),
)
def test_other_files_are_one_line(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors") as raised:
        load_model(path)
    assert "\n" not in str(raised.value)


def test_what_is_not_there_is_one_line(tmp_path):
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(ModelError, match=str(path)):
            load_model(path)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(CnncliError, match="cannot be written"):
        save_model(tmp_path / "missing" / "model.safetensors", make_model())


OTHER_FILES = {
    "model.keras": (b"PK\x03\x04" + bytes(40), "a Keras model"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "a Keras or other HDF5 file"),
    "model.pth": (b"PK\x03\x04" + bytes(40), "a PyTorch file"),
    "old.pt": (b"\x80\x02}q\x00." + bytes(40), "a PyTorch file"),
    "files.zip": (b"PK\x03\x04" + bytes(40), "a zip archive"),
    "model.tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(40), "a TensorFlow Lite model"),
    "photo.jpg": (b"\xff\xd8\xff\xe0" + bytes(40), "not a model file"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_another_kind_of_file_is_named_and_what_to_do_said(tmp_path, name):
    content, kind = OTHER_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{kind}.*: give a model that cnncli has trained, the folder of a run"):
        load_model(path)
