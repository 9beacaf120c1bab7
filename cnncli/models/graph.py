"""A model as an ONNX graph that takes pictures and gives probabilities, or the cells of a detector."""

import numpy as np

from cnncli.engines.head import output_kind
from cnncli.formats.onnx.writing import OnnxGraph
from cnncli.models.detector import Detector
from cnncli.models.model import TrainedNetwork

INPUT, BATCH = "image", "batch"
"""Names of the graph's input, and of its first dimension and the output's."""

_PROBABILITIES, _CELLS = "probabilities", "cells"


def output_name(model: TrainedNetwork) -> str:
    """Return the name of the graph's output."""
    return _CELLS if isinstance(model, Detector) else _PROBABILITIES


def write_model(graph: OnnxGraph, model: TrainedNetwork) -> None:
    """Add the nodes of a model, from its input `INPUT` to its output, which is channels last."""
    x = graph.layer(model.network.layers, "", _normalized(graph, model), model.input_shape)
    if isinstance(model, Detector):
        made = graph.node("Transpose", "cells.last", x, perm=[0, 2, 3, 1])
    else:
        made = _probabilities(graph, x, model)
    graph.node("Identity", output_name(model), made)


def _normalized(graph: OnnxGraph, model: TrainedNetwork) -> str:
    mean = np.asarray(model.normalization.mean, np.float32)[:, np.newaxis, np.newaxis]
    scale = 1 / np.asarray(model.normalization.std, np.float32)[:, np.newaxis, np.newaxis]
    centred = graph.node("Sub", "normalization.centred", INPUT, graph.constant("normalization.mean", mean))
    return graph.node("Mul", "normalization.scaled", centred, graph.constant("normalization.scale", scale))


def _probabilities(graph: OnnxGraph, x: str, model: TrainedNetwork) -> str:
    """Add the nodes that do the same as `cnncli.engines.head.probabilities`."""
    kind, found = output_kind(model.network), x
    if len(model.network.output_shape) == 3:  # 1x1 pixels: what ends in convolutions and an average
        found = x = graph.node("Flatten", "probabilities.flat", x, axis=1)
    if model.network.output_shape[-1] == 1:
        if kind != "chances":
            found = graph.node("Sigmoid", "probabilities.sigmoid", x)
        one = graph.constant("probabilities.one", np.ones(1, np.float32))
        other = graph.node("Sub", "probabilities.other", one, found)
        found = graph.node("Concat", "probabilities.both", other, found, axis=1)
    elif kind != "probabilities":
        if kind == "distances":
            found = graph.node("Neg", "probabilities.near", x)
        found = graph.node("Softmax", "probabilities.softmax", found, axis=1)
    return found
