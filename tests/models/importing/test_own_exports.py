"""What `export` writes is imported again: the same network and numbers, and the same probabilities everywhere."""

import json
import tracemalloc

import numpy as np
import pytest
from models import random_model, small_network
from word_grid import WORDS

from cnncli.errors import ModelError
from cnncli.models.exporting import onnx_model
from cnncli.models.importing.onnx import import_onnx
from cnncli.models.model import Model
from cnncli.networks import parse_network
from cnncli.networks.heads import output_count
from cnncli.networks.loading import zoo_names

pytest.importorskip("onnx")

QUICK = 2_000_000
"""Parameters of networks that every run tries."""


def trainable():
    for name in zoo_names():
        network = small_network(name)
        if output_count(network) is not None:
            slow = network.totals.params > QUICK
            yield pytest.param(name, marks=[pytest.mark.slow] if slow else [])


def model_of(text, **changes):
    outputs = output_count(parse_network(text))
    return random_model(text, tuple(f"class {number}" for number in range(max(2, outputs))), **changes)


def written(model, path, change=lambda proto: None):
    proto = onnx_model(model)
    change(proto)
    path.write_bytes(proto.SerializeToString())
    return path


def check_same(imported, model):
    assert imported.network == model.network
    for ours, theirs in ((model.parameters, imported.parameters), (model.buffers, imported.buffers)):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(theirs[name], array)
    assert imported.class_names == model.class_names
    assert imported.normalization == model.normalization
    assert (imported.resize, imported.scale) == (model.resize, model.scale)


def check_everywhere(path, imported, model, count=2, tolerance=1e-5):
    """Compare the model, the imported one and ONNX Runtime."""
    again = Model(imported.network, imported.parameters, imported.buffers, model.class_names, model.normalization)
    pictures = np.random.default_rng(3).integers(0, 256, (count, *model.input_shape), np.uint8)
    expected = model.probabilities(pictures)
    np.testing.assert_array_equal(again.probabilities(pictures), expected)
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"image": pictures.transpose(0, 3, 1, 2).astype(np.float32)})
    np.testing.assert_allclose(theirs, expected, atol=tolerance)
    np.testing.assert_array_equal(theirs.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("name", list(trainable()))
def test_every_trainable_network_of_the_zoo_comes_back(tmp_path, name):
    model = model_of(str(small_network(name)))
    path = written(model, tmp_path / "m.onnx")
    imported = import_onnx(path)
    check_same(imported, model)
    # Random weights make scores of some hundreds, of which single precision keeps 1e-4.
    check_everywhere(path, imported, model, count=1, tolerance=1e-4)


LAYERS_AND_BLOCKS = {
    "res": ["6x6x4 res[ conv3-4,same,bn,relu conv3-4,same,bn ]", "6x6x3 res[ conv3-4,s2,p1 | conv1-4,s2,bn ]"],
    "add": ["6x6x4 2xadd[ dw3,same conv1-4 ]"],
    "cat": ["6x6x3 cat[ res[ conv3-3,same ] | cat[ conv1-1 | avg3,s1,same ] | ]"],
    "tconv": ["4x5x4 tconv3-6,s2,p1,o1,g2"],
    "lrn": ["5x4x9 lrn4,alpha2,beta0.5"],
    "dw": ["6x6x3 dw3-6,s2,same,leaky0.2 drop0.3"],
    "pool": ["9x8x3 max3,s2,same avg3,s2,p1,ceil,count_include_pad", "8x8x3 sub relu6 zeropad-5"],
    "conv": ["10x9x4 conv1x3-8,g4,p1x0x0x2,s2", "14x14x6 conv5-16,table,tanh"],
}
GRID = [text for grid in (WORDS | LAYERS_AND_BLOCKS).values() for text in grid if not text.split()[0].isdigit()]


@pytest.mark.parametrize("text", [f"{text} fc-3" for text in GRID])
def test_every_word_comes_back(tmp_path, text):
    model = model_of(text, resize="crop")
    path = written(model, tmp_path / "m.onnx")
    imported = import_onnx(path)
    check_same(imported, model)
    check_everywhere(path, imported, model)


@pytest.mark.parametrize(
    "ending", ["fc-3,softmax", "fc-3,sigmoid", "rbf-3", "fc-1", "fc-1,sigmoid", "conv1-4 gap softmax", "conv1-1 gap"]
)
def test_every_head_comes_back(tmp_path, ending):
    model = model_of(f"6x6x3 conv3-5,bn,relu {ending}")
    path = written(model, tmp_path / "m.onnx")
    check_same(import_onnx(path), model)
    check_everywhere(path, import_onnx(path), model)


def _other_number(proto):
    scale = next(each for each in proto.graph.initializer if each.name == "normalization.scale")
    scale.raw_data = np.frombuffer(scale.raw_data, "<f4")[::-1].copy().tobytes()


def _other_setting(proto):
    conv = next(node for node in proto.graph.node if node.op_type == "Conv")
    next(each for each in conv.attribute if each.name == "pads").ints[:] = [2, 2, 0, 0]


def _other_network(proto):
    entry = next(each for each in proto.metadata_props if each.key == "cnncli.network")
    entry.value = entry.value.replace("tanh", "relu")


def _endless_number(proto):
    entry = next(each for each in proto.metadata_props if each.key == "cnncli.network")
    entry.value = entry.value.replace("tanh", "leaky1e300")


def _other_classes(proto):
    entry = next(each for each in proto.metadata_props if each.key == "cnncli.classes")
    entry.value = json.dumps(["one"])


@pytest.mark.parametrize("change", [_other_number, _other_setting, _other_network, _endless_number, _other_classes])
def test_a_file_that_was_changed_is_not_taken_for_what_its_metadata_says(tmp_path, change):
    model = model_of("6x6x3 conv3-5,same,tanh rbf-3")
    path = written(model, tmp_path / "m.onnx", change)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        import_onnx(path)


def test_a_network_of_the_metadata_alone_makes_no_matrices(tmp_path):
    def claim(proto):
        texts = {each.key: each for each in proto.metadata_props}
        texts["cnncli.network"].value = "1x1x20000 lrn gap"
        texts["cnncli.normalization"].value = json.dumps({"mean": [0] * 20000, "std": [1] * 20000})
        texts["cnncli.classes"].value = json.dumps([str(number) for number in range(20000)])

    path = written(model_of("6x6x3 conv3-5 rbf-3"), tmp_path / "m.onnx", claim)
    tracemalloc.start()
    with pytest.raises(ModelError, match="no network"):
        import_onnx(path)
    assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    tracemalloc.stop()
