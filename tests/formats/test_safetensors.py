import json

import numpy as np
import pytest

from cnncli.errors import ModelError
from cnncli.formats import read_model
from cnncli.formats.files import parse_json
from cnncli.formats.safetensors import BITS, read_header
from cnncli.networks import parse_network


def header(entries, data=b"", length=None):
    text = json.dumps(entries).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def save(folder, content, name="model.safetensors"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_library_and_we_see_the_same_arrays(tmp_path):
    numpy_format = pytest.importorskip("safetensors.numpy")
    arrays = {
        "conv.weight": np.zeros((8, 3, 3, 3), np.float32),
        "bn.running_mean": np.zeros(8, np.float32),
        "bn.num_batches_tracked": np.zeros((), np.int64),
        "half": np.zeros((2, 2), np.float16),
    }
    numpy_format.save_file(arrays, tmp_path / "it.safetensors", {"format": "pt"})
    summary = read_model(tmp_path / "it.safetensors")
    assert {row.name: row.spec for row in summary.rows} == {
        "conv.weight": "8x3x3x3 F32",
        "bn.running_mean": "8 F32",
        "bn.num_batches_tracked": "1 I64",
        "half": "2x2 F16",
    }
    assert (summary.totals.params, summary.totals.buffers) == (8 * 27 + 4, 9)
    assert all(row.output_shape is None for row in summary.rows)
    assert any("need the architecture" in note for note in summary.notes)


@pytest.mark.parametrize("dtype", BITS)
def test_every_type_is_read(tmp_path, dtype):
    size = BITS[dtype]  # eight numbers
    content = header({"w": {"dtype": dtype, "shape": [2, 4], "data_offsets": [0, size]}}, bytes(size))
    [row] = read_model(save(tmp_path, content)).rows
    assert row.params + row.buffers == 8


def trained(network, without=()):
    shapes = {**network.param_shapes(), **network.buffer_shapes()}
    entries, at = {}, 0
    for name, shape in shapes.items():
        if name not in without:
            size = 4 * int(np.prod(shape))
            entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
            at += size
    words = str(network).split(" ", 1)
    entries["__metadata__"] = {"cnncli.network": words[1], "cnncli.input": words[0]}
    return header(entries, bytes(at))


def test_a_network_in_the_metadata_is_shown_whole(tmp_path):
    network = parse_network("28x28x1 conv5-6,bn,relu max2 fc-10")
    summary = read_model(save(tmp_path, trained(network)))
    assert summary.rows == network.summary().rows
    assert summary.name == "model"


def test_arrays_that_are_not_the_networks_are_said(tmp_path):
    network = parse_network("28x28x1 conv5-6,relu max2 fc-10")
    with pytest.raises(ModelError, match=r"needs the array 2.fc.bias of 10, which is missing"):
        read_model(save(tmp_path, trained(network, without=["2.fc.bias"])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "cut short"),
        (header({}, length=2**60), "claims 1152921504606846976 bytes"),
        (header({}, bytes(9 * 2**20), length=9 * 2**20), "too large"),
        (header([]), "must be a JSON object"),
        (header({"w": 3}), "no description"),
        (header({"w": {"dtype": "F32", "shape": [-3], "data_offsets": [0, 12]}}), "dimension of -3"),
        (header({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}), "cut short"),
        (header({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 13]}}, bytes(13)), "in 13 bytes"),
        (header({"w": {"dtype": "F32", "shape": [3], "data_offsets": [12, 0]}}), "data_offsets"),
        (header({"w": {"dtype": "F32", "shape": [3]}}), "data_offsets"),
        (header({"w": {"dtype": ["F32"], "shape": [3]}}), "unknown type"),
        (header({"w": {"dtype": "Q7", "shape": [3]}}), "unknown type Q7"),
        (header({"__metadata__": 3}), "__metadata__"),
        (header({"__metadata__": {"cnncli.network": "conf3"}}), "unknown layer 'conf3'"),
        (header({"__metadata__": {"cnncli.network": "fc-3", "cnncli.input": "axb"}}), "metadata"),
        ((5).to_bytes(8, "little") + b"{nope", "not JSON"),
    ],
)
def test_a_damaged_header_is_said_in_one_line(tmp_path, content, message):
    with pytest.raises(ModelError, match=message) as caught:
        read_model(save(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "model.safetensors"))


def test_bytes_do_as_well_as_a_map():
    assert read_header(header({})).arrays == ()


def test_more_arrays_than_a_summary_shows_are_refused(tmp_path):
    entries = {f"a{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
    with pytest.raises(ModelError, match="more than 10000 arrays"):
        read_model(save(tmp_path, header(entries)))


def test_a_name_that_is_there_twice_is_found_soon_among_many():
    members = ", ".join(f'"{number}": 0' for number in [*range(300_000), 299_999])
    with pytest.raises(ModelError, match="holds 299999 twice"):
        parse_json(f"{{{members}}}".encode(), "the header")
