"""A model as an ONNX graph that takes pictures and gives probabilities."""

import numpy as np

from cnncli.engines.head import output_kind
from cnncli.formats.onnx.writing import OnnxGraph
from cnncli.models.model import Model

INPUT, OUTPUT, BATCH = "image", "probabilities", "batch"
"""Names of the graph's input, its output, and their first dimension."""


def write_model(graph: OnnxGraph, model: Model) -> None:
    """Add the nodes of a model, from its input `INPUT` to its output `OUTPUT`."""
    x = graph.layer(model.network.layers, "", _normalized(graph, model), model.input_shape)
    graph.node("Identity", OUTPUT, _probabilities(graph, x, model))


def _normalized(graph: OnnxGraph, model: Model) -> str:
    mean = np.asarray(model.normalization.mean, np.float32)[:, np.newaxis, np.newaxis]
    scale = 1 / np.asarray(model.normalization.std, np.float32)[:, np.newaxis, np.newaxis]
    centred = graph.node("Sub", "normalization.centred", INPUT, graph.constant("normalization.mean", mean))
    return graph.node("Mul", "normalization.scaled", centred, graph.constant("normalization.scale", scale))


def _probabilities(graph: OnnxGraph, x: str, model: Model) -> str:
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
