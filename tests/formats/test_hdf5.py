"""Keras models and weights in HDF5: counted by names and shapes; damaged and hostile files are one line."""

import json
import struct

import numpy as np
import pytest
from keras_files import archive, conv, layer, sequential, start

from cnncli.errors import ModelError
from cnncli.formats import read_model


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="the extra cnncli[keras] is not installed")


MODEL = sequential(
    [
        start(8, 8, 3),
        conv("c1", 4),
        layer("BatchNormalization", "bn", axis=-1, center=True, scale=True),
        layer("GlobalAveragePooling2D", "gap", keepdims=False, data_format="channels_last"),
        layer("Dense", "dense", units=10, use_bias=True, activation="softmax"),
    ]
)


def save(h5py, path, arrays=(), **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, shape in dict(arrays).items():
            file.create_dataset(name, shape, np.float32)
    return path


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_model_in_hdf5_is_the_one_that_its_configuration_describes(h5py, tmp_path, kind):
    arrays = {"model_weights/c1/c1/kernel:0": (3, 3, 3, 4), "optimizer_weights/Adam/m:0": (3, 3, 3, 4)}
    path = save(h5py, tmp_path / "model.h5", arrays, model_config=kind(json.dumps(MODEL)))
    found, same = read_model(path), read_model(archive(tmp_path, MODEL))
    assert (found.rows, found.totals) == (same.rows, same.totals)
    assert (found.totals.params, found.totals.buffers) == (112 + 8 + 50, 8)
    assert read_model(path, (16, 16, 3)).rows[0].output_shape == (16, 16, 4)


def test_a_sequential_model_that_is_a_list_of_layers_is_read(h5py, tmp_path):
    config = {"class_name": "Sequential", "config": [start(8, 8, 3), conv("c", 4)]}
    path = save(h5py, tmp_path / "old.h5", model_config=json.dumps(config))
    assert read_model(path).totals.params == 112


def test_weights_of_keras_2_are_told_apart_by_their_names(h5py, tmp_path):
    others = {"normalization_1/mean:0": (3,), "normalization_1/variance:0": (3,)}
    names = {
        "kernel:0": (3, 3, 3, 4),
        "gamma:0": (4,),
        "beta:0": (4,),
        "moving_mean:0": (4,),
        "moving_variance:0": (4,),
    }
    arrays = {f"layer/layer/{name}": shape for name, shape in names.items()} | others
    found = read_model(save(h5py, tmp_path / "w.h5", arrays, layer_names=[b"layer"], backend="tensorflow"))
    assert (found.totals.params, found.totals.buffers) == (108 + 8, 8 + 6)
    assert found.unknown == {"macs", "activations"}
    assert "layer/layer/moving_mean" in [row.name for row in found.rows]


@pytest.mark.parametrize("layer_name", ["batch_normalization_3", "bn1"])
def test_weights_of_keras_3_are_told_apart_by_their_layers(h5py, tmp_path, layer_name):
    arrays = {
        "layers/conv2d/vars/0": (3, 3, 3, 4),
        "layers/conv2d/vars/1": (4,),
        **{f"layers/{layer_name}/vars/{index}": (4,) for index in range(4)},
        **{f"layers/normalization/vars/{index}": (3,) for index in range(2)},
        "layers/dropout/seed_generator/vars/0": (2,),
        "optimizer/vars/1": (3, 3, 3, 4),
    }
    found = read_model(save(h5py, tmp_path / "model.weights.h5", arrays))
    assert (found.totals.params, found.totals.buffers) == (112 + 8, 8 + 6 + 2)


def test_a_batch_normalization_without_scale_has_its_statistics_last(h5py, tmp_path):
    arrays = {f"layers/batch_normalization/vars/{index}": (4,) for index in range(3)}
    found = read_model(save(h5py, tmp_path / "model.weights.h5", arrays))
    assert (found.totals.params, found.totals.buffers) == (4, 8)


def test_other_hdf5_files_are_refused(h5py, tmp_path):
    with pytest.raises(ModelError, match="an HDF5 file, but not a Keras model or weights"):
        read_model(save(h5py, tmp_path / "data.h5", {"temperatures": (365,)}))


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("cnncli.formats.keras.hdf5.find_spec", lambda name: None)
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(ModelError, match=r"pip install 'cnncli\[keras\]'; a .keras file needs no package"):
        read_model(path)


def test_links_are_not_followed_out_of_the_file(h5py, tmp_path):
    save(h5py, tmp_path / "secret.h5", {"a": (7, 7)})
    path = save(h5py, tmp_path / "model.weights.h5", {"layers/dense/vars/0": (4, 5)})
    with h5py.File(path, "a") as file:
        file["layers/dense/vars/1"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/a")
        file["layers/dense/vars/2"] = h5py.SoftLink("/layers/dense/vars/0")
        file["layers/again"] = file["layers"]  # a circle
        file.create_dataset("layers/dense/vars/3", (1,), h5py.ref_dtype)[0] = file["layers"].ref
    with pytest.raises(ModelError, match="groups in groups without end"):
        read_model(path)
    with h5py.File(path, "a") as file:
        del file["layers/again"]
    assert read_model(path).totals.params == 20


def huge(h5py, file):
    file.create_dataset("layers/dense/vars/0", (2**31, 2**31), np.float32, chunks=(1, 1))


def many(h5py, file):
    group = file.create_group("layers/dense/vars")
    space, kind = h5py.h5s.create_simple((2,)), h5py.h5t.IEEE_F32LE
    for index in range(11_000):
        h5py.h5d.create(group.id, str(index).encode(), kind, space)


def deep(h5py, file):
    for _ in range(200):
        file = file.create_group("layers")
    file.create_dataset("vars", (3,), np.float32)


def long_text(h5py, file):
    file.attrs["model_config"] = " " * 9 * 2**20


def numbers(h5py, file):
    file.attrs["model_config"] = np.zeros(100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (many, "more than 10000 arrays"),
        (deep, "groups in groups without end"),
        (long_text, "bytes at once"),
        (numbers, "not a text"),
    ],
)
def test_what_is_too_much_is_one_line(h5py, tmp_path, make, message):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", libver="latest") as file:
        make(h5py, file)
    with pytest.raises(ModelError, match=message) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)


def test_an_array_that_the_disk_could_not_hold_is_counted_by_its_shape(h5py, tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        huge(h5py, file)
    assert read_model(path).totals.params == 2**62


def test_damaged_files_are_one_line(h5py, tmp_path):
    arrays = {f"layers/dense_{index}/vars/0": (4, 5) for index in range(8)}
    path = save(h5py, tmp_path / "model.h5", arrays, model_config=json.dumps(MODEL))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for stop in rng.integers(1, len(whole), 8):
        path.write_bytes(whole[:stop])
        assert said_of(path)
    for _ in range(12):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(8, len(whole), 40)] = rng.integers(0, 256, 40)
        path.write_bytes(damaged.tobytes())
        assert "\n" not in said_of(path)


def test_a_file_that_the_library_never_ends_is_given_up(h5py, tmp_path, monkeypatch):
    """A heap with an object of no size, which HDF5 passes by again and again."""
    path = save(h5py, tmp_path / "model.h5", model_config=json.dumps(MODEL))
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 16
    content[heap : heap + 2] = struct.pack("<H", 7)  # another object than the attribute's
    content[heap + 8 : heap + 16] = struct.pack("<Q", 2**64 - 16)
    path.write_bytes(content)
    monkeypatch.setattr("cnncli.formats.keras.hdf5._SECONDS", 3)
    assert "damaged HDF5 file" in said_of(path)


def said_of(path):
    try:
        read_model(path)
    except ModelError as error:
        return str(error)
    return ""
