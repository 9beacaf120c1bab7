"""Exported models, through onnx's checker and reference evaluator."""

import json
import sys

import numpy as np
import onnx
import pytest
from models import CLASSES, halves_model, random_model
from onnx.reference import ReferenceEvaluator

from cnncli.errors import ModelError
from cnncli.formats import read_model
from cnncli.models import exporting
from cnncli.models.exporting import CHECKED, compare, export_onnx, onnx_model
from cnncli.models.model import Model

ENDINGS = {
    "fc-3": CLASSES,
    "fc-3,softmax": CLASSES,
    "fc-3,sigmoid": CLASSES,
    "fc-8,tanh rbf-3": CLASSES,
    "fc-1": ("no", "yes"),
    "fc-1,sigmoid": ("no", "yes"),
    "conv6x5-3 flatten softmax": CLASSES,
}


@pytest.fixture(autouse=True)
def _quiet_evaluator(recwarn):
    """The evaluator's own warnings are not ours."""


def probabilities(path, images):
    (found,) = ReferenceEvaluator(str(path)).run(None, {"image": images.transpose(0, 3, 1, 2).astype(np.float32)})
    return found


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_another_runtime_gives_our_probabilities(tmp_path, ending, channels):
    model = random_model(
        f"12x10x{channels} conv3-4,bn,relu max2,ceil,s2 {ending}".replace("conv6x5", "conv5x4"), ENDINGS[ending]
    )
    exported = export_onnx(model, tmp_path / "m.onnx")
    images = np.random.default_rng(5).integers(0, 256, (7, *model.input_shape), dtype=np.uint8)
    found = probabilities(tmp_path / "m.onnx", images)
    assert found.shape == (7, len(model.class_names))
    np.testing.assert_allclose(found, model.probabilities(images), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert exported.difference < 1e-5
    assert (exported.pictures, exported.size) == (CHECKED, (tmp_path / "m.onnx").stat().st_size)


def test_what_the_file_says(tmp_path):
    model = random_model("12x10x3 conv3-4,bn,relu fc-3,softmax", ("größe", "a b", "犬"), resize="crop")
    export_onnx(model, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(proto, full_check=True)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(metadata["cnncli.classes"]) == ["größe", "a b", "犬"]
    assert metadata["cnncli.network"] == str(model.network)
    assert metadata["cnncli.resize"] == "crop"
    (given,), (put_out,) = proto.graph.input, proto.graph.output
    shape = [one.dim_param or one.dim_value for one in given.type.tensor_type.shape.dim]
    assert (given.name, shape) == ("image", ["batch", 3, 12, 10])
    shape = [one.dim_param or one.dim_value for one in put_out.type.tensor_type.shape.dim]
    assert (put_out.name, shape) == ("probabilities", ["batch", 3])
    assert proto.producer_name == "cnncli"


def test_our_own_reader_counts_the_same_layers(tmp_path):
    model = random_model("12x10x1 conv3-4,relu max2 res[ conv3-4,same ] fc-3,softmax")
    export_onnx(model, tmp_path / "m.onnx")
    summary = read_model(tmp_path / "m.onnx")
    assert summary.totals.macs == model.network.totals.macs
    assert summary.totals.params == model.network.totals.params
    assert summary.totals.buffers == 2  # mean and scale of the normalisation, which are not trained
    assert tuple(summary.input_shape) == (12, 10, 1)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in "ab":
        export_onnx(random_model("8x8x1 conv3-4,bn,relu fc-3"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_differs_is_not_written(tmp_path, monkeypatch):
    model = halves_model()
    other = Model(
        model.network,
        {"0.fc.weight": model.parameters["0.fc.weight"] * 1.01, "0.fc.bias": model.parameters["0.fc.bias"]},
        {},
        CLASSES,
        model.normalization,
    )
    monkeypatch.setattr(exporting, "onnx_model", lambda _: onnx_model(other))
    with pytest.raises(ModelError, match=r"not written.*0\.fc") as error:
        export_onnx(model, tmp_path / "m.onnx")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_difference_that_softmax_hides_is_seen():
    sure = random_model("8x8x1 fc-3", seed=1)
    sure = sure.replace(
        parameters={"0.fc.weight": sure.parameters["0.fc.weight"], "0.fc.bias": np.float32([500, 0, 0])}
    )
    other = sure.replace(parameters={**sure.parameters, "0.fc.bias": np.float32([500, 1, 0])})
    probability, layer, name = compare(sure, onnx_model(other))
    assert probability < 1e-6
    assert layer > 1e-4
    assert name == "0.fc"


def test_numbers_that_are_not_finite_are_a_difference(tmp_path):
    model = halves_model()
    broken = model.replace(parameters={name: array * np.nan for name, array in model.parameters.items()})
    with pytest.raises(ModelError, match="not written"):
        export_onnx(broken, tmp_path / "m.onnx")


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(ModelError, match="cannot be written"):
        export_onnx(halves_model(), tmp_path / "none" / "m.onnx")


def test_without_the_package_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"pip install 'cnncli\[onnx\]'"):
        export_onnx(halves_model(), tmp_path / "m.onnx")
