"""ONNX files that `export` wrote: their metadata holds the network, and their constants are named after its arrays.

The file is believed only where it is, node by node and number by number, what `export` writes for that network: a file
that was changed since is read as any other graph.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.onnx.graph import Graph, Node
from cnncli.formats.onnx.writing import OnnxGraph
from cnncli.formats.safetensors import NETWORK
from cnncli.models.detector import Detector
from cnncli.models.graph import BATCH, INPUT, output_name, write_model
from cnncli.models.importing.imported import Imported
from cnncli.models.importing.trained import imported_of
from cnncli.models.model import Model
from cnncli.networks import Network, parse_network
from cnncli.networks.layers import Compound, Conv, GlobalAvgPool, Layer, LocalResponseNorm, TransposedConv
from cnncli.networks.layers.convolution import TABLE_INPUTS, TABLE_OUTPUTS
from cnncli.shapes import Shape

Numbers = Callable[[str], Array]
"""A function that returns the numbers of a constant by its name."""


class _Different(Exception):  # noqa: N818 - no error: the file is then read in another way
    """A file that is not what `export` writes."""


def read_own(graph: Graph, metadata: Mapping[str, str], numbers: Numbers) -> Imported | None:
    """Return the network of a file that `export` wrote; None where it is another's, or was changed."""
    if NETWORK not in metadata:
        return None
    try:
        network = parse_network(metadata[NETWORK])
        found = imported_of(dict(_arrays(network, graph, numbers)), metadata)
        with np.errstate(all="ignore"):  # settings that are too large for single precision are not those of the file
            _Comparison({**found.parameters, **found.buffers}, graph, numbers).check(_model(found))
    except (_Different, ModelError, ArgumentError, ValueError, IndexError, OverflowError):
        return None
    return found


def _model(found: Imported) -> Model | Detector:
    if found.class_names is None or found.normalization is None:
        raise _Different
    kind = Detector if found.finds_boxes else Model
    return kind(found.network, found.parameters, found.buffers, found.class_names, found.normalization)


def _arrays(network: Network, graph: Graph, numbers: Numbers) -> Iterator[tuple[str, Array]]:
    for prefix, layer, shape in _leaves(network.layers, "", network.input_shape):
        for name, size in _matrices(layer, shape):
            if prefix + name not in graph.constants or graph.constants[prefix + name].size != size:
                raise _Different
        for name, wanted in {**layer.param_shapes(shape), **layer.buffer_shapes(shape)}.items():
            if prefix + name not in graph.constants:
                raise _Different
            found = numbers(prefix + name)
            if found.dtype != np.float32:
                raise _Different
            yield prefix + name, np.array(_in_our_axes(found, layer, name).reshape(wanted), order="C")


def _matrices(layer: Layer, shape: Shape) -> Iterator[tuple[str, int]]:
    """Yield constants that a writer computes, and their sizes: a file that lacks them must not make them."""
    if isinstance(layer, LocalResponseNorm):
        yield "band", shape[-1] ** 2
    elif isinstance(layer, GlobalAvgPool) and layer.output_size != (1, 1):
        yield from (("rows", layer.output_size[0] * shape[0]), ("columns", layer.output_size[1] * shape[1]))


def _leaves(layer: Layer, prefix: str, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
    layer = layer.meaning(shape)
    if not isinstance(layer, Compound):
        yield prefix, layer, shape
        return
    for part in layer.parts(shape):
        yield from _leaves(part.layer, prefix + part.prefix, part.input_shape)


def _in_our_axes(array: Array, layer: Layer, name: str) -> Array:
    """Return an array as the layer has it: the reverse of the layer's writer."""
    if name != "weight" or array.ndim != 4:
        return array
    if isinstance(layer, Conv):
        array = array.transpose(2, 3, 1, 0)
        return array[:, :, TABLE_INPUTS, TABLE_OUTPUTS] if layer.table else array
    if isinstance(layer, TransposedConv):
        return grouped(array.transpose(2, 3, 0, 1), layer.groups)
    return array


def grouped(weight: Array, groups: int) -> Array:
    """Return weights (f_h, f_w, C_in, C_out) that are zero between groups as (f_h, f_w, C_in / groups, C_out)."""
    height, width, channels, filters = weight.shape
    parts = weight.reshape(height, width, groups, channels // groups, groups, filters // groups)
    found: Array = np.concatenate([parts[:, :, group, :, group] for group in range(groups)], axis=3)
    return found


class _Comparison(OnnxGraph):
    """Writes a network, and compares each constant and node with those of a file; nothing is kept."""

    def __init__(self, arrays: Mapping[str, Array], graph: Graph, numbers: Numbers) -> None:
        super().__init__(arrays, taken=(INPUT,))
        self._graph, self._numbers = graph, numbers
        self._written = 0

    def check(self, model: Model | Detector) -> None:
        """Raise `_Different` unless a model is written as the file has it."""
        (height, width, channels), graph = model.input_shape, self._graph
        inputs = [(each.name, each.dimensions) for each in graph.inputs]
        if inputs != [(INPUT, (BATCH, channels, height, width))] or graph.outputs != [output_name(model)]:
            raise _Different
        write_model(self, model)
        if list(map(_comparable, self.nodes)) != list(map(_comparable, graph.nodes)):
            raise _Different
        if self._written != len(graph.constants):
            raise _Different

    def take(self, name: str, array: Array) -> None:
        self._written += 1
        constant = self._graph.constants.get(name)
        if constant is None or constant.shape != array.shape:
            raise _Different
        if name in self.arrays and self.arrays[name].size == array.size:
            return  # it is the file's, with its axes turned there and back
        theirs = self._numbers(name)
        if theirs.dtype != array.dtype or not np.array_equal(theirs, array):
            raise _Different


def _comparable(node: Node) -> Node:
    settings: dict[str, Any] = {name: _plain(value) for name, value in node.attributes.items()}
    return node._replace(attributes=settings)


def _plain(value: object) -> object:
    """Return a setting as it is after it was written and read."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return struct.unpack("<f", struct.pack("<f", value))[0]
    return value
