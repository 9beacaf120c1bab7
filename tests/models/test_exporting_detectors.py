"""Exported detectors: another runtime's cells, a script's boxes by the file's own words, and `detect` on the file."""

import json
import math

import numpy as np
import onnx
import pytest
from models import random_detector
from onnx.reference import ReferenceEvaluator

from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ModelError
from cnncli.models.detector import Detector
from cnncli.models.exporting import export_onnx, onnx_model
from cnncli.models.finding.finder import find_boxes
from cnncli.models.opening import load_model

NETWORKS = {
    "plain": "24x32x3 conv3-8,same,s2,bn,relu conv3-8,same,s2,relu conv1-8",
    "grey": "24x16x1 conv3-8,same,relu max2 conv1-6",
    "blocks": "16x24x3 conv3-8,same,s2,bn,relu res[ conv3-8,same,bn,relu conv3-8,same,bn ] max2 conv1-7",
    "branches": "16x16x3 cat[ conv3-4,same,s2 | max2 conv1-4 ] bn relu conv1-15",
}


def pictures_for(model, count=5):
    return np.random.default_rng(3).integers(0, 256, (count, *model.input_shape), np.uint8)


def fed(pictures):
    return {"image": pictures.transpose(0, 3, 1, 2).astype(np.float32)}


@pytest.fixture(params=NETWORKS)
def model(request):
    return random_detector(NETWORKS[request.param])


def test_other_runtimes_give_our_cells(tmp_path, model):
    exported = export_onnx(model, tmp_path / "m.onnx")
    assert exported.difference < 1e-5
    pictures = pictures_for(model)
    wanted = model.outputs(pictures)
    assert wanted.shape == (5, *model.grid.cells, model.grid.channels)
    (found,) = ReferenceEvaluator(str(tmp_path / "m.onnx")).run(["cells"], fed(pictures))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    session = pytest.importorskip("onnxruntime").InferenceSession(str(tmp_path / "m.onnx"))
    (found,) = session.run(["cells"], fed(pictures))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_large_cells_are_compared_by_their_size(tmp_path):
    model = random_detector(NETWORKS["plain"])
    *_, bias, weight = sorted(name for name in model.parameters if name.startswith("2."))
    model.parameters[weight][:] *= 3e4
    exported = export_onnx(model, tmp_path / "m.onnx")
    assert exported.difference < 1e-5
    model.parameters[bias][0] = np.nan
    with pytest.raises(ModelError, match="not written"):
        export_onnx(model, tmp_path / "nan.onnx")


def test_the_file_comes_back_as_a_detector_that_finds_the_same(tmp_path, model):
    export_onnx(model, tmp_path / "m.onnx")
    again = load_model(tmp_path / "m.onnx")
    assert isinstance(again, Detector)
    assert again.class_names == model.class_names
    assert again.network == model.network
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, model.input_shape[2]), np.uint8)
    found, wanted = (find_boxes(each, picture, threshold=0.05) for each in (again, model))
    assert len(wanted.scores) > 1
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def decoded(session, picture, threshold):
    """Boxes before suppression, computed by nothing but what the file says in words."""
    metadata = session.get_modelmeta().custom_metadata_map
    names = json.loads(metadata["cnncli.classes"])
    _, _, height, width = session.get_inputs()[0].shape
    (cells,) = session.run(None, fed(picture[np.newaxis]))
    _, rows, columns, _ = cells.shape
    for row in range(rows):
        for column in range(columns):
            o, tx, ty, tw, th, *logits = map(float, cells[0, row, column])
            total = sum(map(math.exp, logits))
            across, down = width / columns, height / rows
            x, y = (column + 0.5 + tx) * across, (row + 0.5 + ty) * down
            w, h = math.exp(tw) * across, math.exp(th) * down
            best = max(logits)
            score = math.exp(best) / total / (1 + math.exp(-o))
            low, high = (max(0, x - w / 2), max(0, y - h / 2)), (min(width, x + w / 2), min(height, y + h / 2))
            if score >= threshold and low[0] < high[0] and low[1] < high[1]:
                yield (names[logits.index(best)], score, *low, high[0] - low[0], high[1] - low[1])


def listed(boxes: Boxes, model):
    return sorted(
        (model.class_names[label], score, *place)
        for label, score, place in zip(boxes.labels, boxes.scores, boxes.places, strict=True)
    )


def test_a_script_that_follows_the_metadata_finds_our_boxes(tmp_path, model):
    export_onnx(model, tmp_path / "m.onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(str(tmp_path / "m.onnx"))
    for picture in pictures_for(model, 3):
        wanted = listed(find_boxes(model, picture, threshold=0.05, nms=1, top=10_000), model)
        found = sorted(decoded(session, picture, 0.05))
        assert [each[0] for each in found] == [each[0] for each in wanted]
        assert len(wanted) > 4
        np.testing.assert_allclose([each[1:] for each in found], [each[1:] for each in wanted], atol=1e-3)


def test_the_metadata_says_how_cells_become_boxes(tmp_path):
    model = random_detector(NETWORKS["plain"])
    export_onnx(model, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(proto, full_check=True)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert metadata["cnncli.finds"] == "boxes"
    said = metadata["cnncli.cells"]
    for formula in (
        "sigmoid",
        "softmax",
        "(column + 0.5 + tx) * 4",
        "(row + 0.5 + ty) * 4",
        "exp(tw) * 4",
        "exp(th) * 4",
    ):
        assert formula in said
    (output,) = proto.graph.output
    assert output.doc_string == said
    shape = [one.dim_param or one.dim_value for one in output.type.tensor_type.shape.dim]
    assert (output.name, shape) == ("cells", ["batch", 6, 8, 8])


def _constant(proto):
    scale = next(each for each in proto.graph.initializer if each.name == "normalization.scale")
    scale.raw_data = np.frombuffer(scale.raw_data, "<f4")[::-1].copy().tobytes()


def _operator(proto):
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Sigmoid"


def _axes(proto):
    next(node for node in proto.graph.node if node.op_type == "Transpose").attribute[0].ints[:] = [0, 3, 2, 1]


def _task(proto):
    said = {entry.key: entry.value for entry in proto.metadata_props if entry.key != "cnncli.finds"}
    onnx.helper.set_model_props(proto, said)


def _classes(proto):
    next(entry for entry in proto.metadata_props if entry.key == "cnncli.classes").value = '["a", "b"]'


@pytest.mark.parametrize("change", [_constant, _operator, _axes, _task, _classes])
def test_a_file_that_was_changed_is_no_detector(tmp_path, change):
    proto = onnx_model(random_detector(NETWORKS["plain"]))
    change(proto)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(
        ModelError,
        match=r"^\S*m\.onnx: (its output cells is .*: not a number for each class$|is no network of known layers: )",
    ):
        load_model(tmp_path / "m.onnx")
