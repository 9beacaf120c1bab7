"""A model as an ONNX file that takes pictures and gives probabilities."""

import os
import warnings
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.detection.grid import LOG_SIDE_LIMIT
from cnncli.errors import ModelError
from cnncli.files.temporary import check_output, open_whole
from cnncli.formats.onnx.writing import OPSET, OnnxGraph
from cnncli.models.detector import Detector
from cnncli.models.graph import BATCH, INPUT, output_name, write_model
from cnncli.models.model import Model
from cnncli.models.opening import as_trainable
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.shapes import show_shape
from cnncli.version import __version__

TOLERANCE = 1e-4
"""Largest difference between a runtime's probabilities and ours, and between outputs of a layer, as a share of its
largest."""

CELLS = "cnncli.cells"
"""The key of the metadata that says how a detector's outputs become boxes."""

CHECKED = 3  # number of random pictures that are compared


class Exported(NamedTuple):
    """An ONNX file that was written.

    Attributes:
        difference: the largest between its outputs, as onnx's reference evaluator computes them, and the model's; where
            outputs are larger than 1, as a share of the largest.
        pictures: number of random pictures that were compared.
        size: bytes of the file.
        gives: the name of its output: `probabilities`, or `cells` of a detector.
        shape: of its output for one picture.
    """

    path: str
    difference: float
    pictures: int
    size: int
    gives: str
    shape: tuple[int, ...]


def export_onnx(model: PictureModel | AnyPath, path: AnyPath, *, force: bool = False, seed: int = 0) -> Exported:
    """Write a model as ONNX, whole or not at all, after comparing it with the model's own predictions.

    The input `image` is float32 (batch, C, H, W) on the scale 0 to 255, RGB or grey, as pictures are stored: the
    normalisation is inside. The output `probabilities` is (batch, classes). The class names, in order, are in the
    metadata under `cnncli.classes`, as a JSON list, beside the network's text and how pictures are resized.

    The output of a detector is `cells`, (batch, rows, columns, 5 + classes), as its network computes them; the metadata
    says under `cnncli.cells` how they become boxes.

    Args:
        model: a model, or a word that `load_model` takes.
        path: the file to write.
        force: overwrite the file if it exists.
        seed: seed of the random pictures for the comparison.

    Raises:
        ModelError: the model cannot be read or is too large for one file, the package onnx is missing, the file cannot
            be written, or its probabilities differ from the model's by more than `TOLERANCE`.
        ArgumentError: the file exists already.

    Example:
        >>> exported = export_onnx("runs/digits", "digits.onnx")
        >>> exported.path, exported.difference < 1e-4
        ('digits.onnx', True)
    """
    check_output(os.fspath(path), force=force)
    model = as_trainable(model)
    _check_onnx()
    proto = onnx_model(model)
    try:
        content = proto.SerializeToString()
    except Exception as error:  # protobuf's own, whose class differs between its versions
        raise ModelError(f"{path}: the model does not fit into one ONNX file (2 GB): {error}") from error
    difference, apart, layer = compare(model, proto, seed)
    if max(difference, apart) > TOLERANCE:
        what = f"its probabilities differ by {difference:.2g}" + (
            f", {layer} by {apart:.2g} of its range" * bool(layer)
        )
        raise ModelError(f"{path}: not written, because it does not compute what the model does: {what}")
    with open_whole(path, ModelError, replace=force) as file:
        file.write(content)
    return Exported(os.fspath(path), difference, CHECKED, len(content), output_name(model), _output_shape(model))


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except Exception as error:  # a half-installed package raises anything
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnx"
        reason = "" if missing else f", which is broken ({error})"
        raise ModelError(f"ONNX files are written with the package onnx{reason}: pip install 'cnncli[onnx]'") from error


def onnx_model(model: Model | Detector) -> Any:
    """Return a model as onnx's `ModelProto`, checked by onnx."""
    from onnx import TensorProto, checker, helper

    height, width, channels = model.input_shape
    graph = OnnxGraph({**model.parameters, **model.buffers}, taken=(INPUT,))
    write_model(graph, model)
    nodes, constants = graph.protos()
    info = helper.make_tensor_value_info
    found = helper.make_graph(
        nodes,
        "cnncli",
        [info(INPUT, TensorProto.FLOAT, [BATCH, channels, height, width])],
        [info(output_name(model), TensorProto.FLOAT, [BATCH, *_output_shape(model)])],
        constants,
    )
    colour = "RGB" if channels == 3 else "grey"
    found.input[0].doc_string = f"{colour} pictures from 0 to 255, channels first, not normalised"
    found.output[0].doc_string = _meaning(model)
    proto = helper.make_model(
        found,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="cnncli",
        producer_version=__version__,
    )
    said = {CELLS: _meaning(model)} if isinstance(model, Detector) else {}
    helper.set_model_props(proto, model.metadata | said)
    checker.check_model(proto, full_check=True)
    return proto


def _meaning(model: Model | Detector) -> str:
    """Return what the output's numbers mean: all that a program needs to make boxes of a detector's."""
    if not isinstance(model, Detector):
        return f"probabilities of {', '.join(model.class_names)}"[:1000]
    grid, (down, across) = model.grid, model.grid.strides
    return (
        f"{show_shape(grid.cells)} cells of {grid.channels} numbers: o, tx, ty, tw, th and a number for each class. "
        "A cell's object is of the class with the largest; its score is sigmoid(o) times the softmax of these for it. "
        f"The middle of its box is x = (column + 0.5 + tx) * {across}, y = (row + 0.5 + ty) * {down} in pixels of the "
        f"image, its width exp(tw) * {across}, its height exp(th) * {down}, with tw and th at most {LOG_SIDE_LIMIT:g}. "
        "Of boxes of a class that overlap, the one with the best score counts."
    )


def compare(model: Model | Detector, proto: Any, seed: int = 0) -> tuple[float, float, str]:
    """Compare onnx's reference evaluator with the model, on random pictures.

    Layers are compared too: probabilities alone hide errors where one of them is nearly 1. Return the largest
    difference between probabilities, or cells; the largest between outputs of a layer, as a share of its largest
    number; and that layer's name.
    """
    from onnx.reference import ReferenceEvaluator

    pictures = np.random.default_rng(seed).integers(0, 256, (CHECKED, *model.input_shape), np.uint8)
    computed = {name for node in proto.graph.node for name in node.output}
    normalized = model.normalization.apply(pictures)
    layers = {f"{name}.output": output for name, output in model.engine().activations(normalized)}
    layers = {name: output for name, output in layers.items() if name in computed}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the evaluator's own
        feeds = {INPUT: pictures.transpose(0, 3, 1, 2).astype(np.float32)}
        found, *outputs = ReferenceEvaluator(proto).run([output_name(model), *layers], feeds)
    apart = {
        name.removesuffix(".output"): _difference(np.moveaxis(np.asarray(theirs), 1, -1), ours)
        / max(1e-6, float(np.abs(ours).max()))
        for (name, ours), theirs in zip(layers.items(), outputs, strict=True)
    }
    worst = max(apart, key=lambda name: apart[name], default="")
    wanted = model.outputs(pictures) if isinstance(model, Detector) else model.probabilities(pictures)
    # Cells have no limit, as probabilities have, and single precision gives large ones fewer decimals.
    size = max(1.0, float(np.abs(wanted).max()))
    return _difference(np.asarray(found), wanted) / size, apart.get(worst, 0.0), worst


def _output_shape(model: Model | Detector) -> tuple[int, ...]:
    return model.network.output_shape if isinstance(model, Detector) else (len(model.class_names),)


def _difference(theirs: Array, ours: Array) -> float:
    """Return the largest difference; infinity where one side is not finite."""
    if theirs.shape != ours.shape:
        return float("inf")
    difference = float(np.abs(theirs - ours).max())
    return difference if np.isfinite(difference) else float("inf")
