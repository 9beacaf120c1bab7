"""ONNX graphs as our own networks with weights, where the notation can say them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import FileBytes, named, naming_errors, opened
from cnncli.formats.onnx.graph import Graph, GraphInput, OnnxModel, read_graph, read_shapes
from cnncli.formats.onnx.inputs import is_channels_last
from cnncli.formats.onnx.numbers import read_metadata, read_numbers
from cnncli.formats.onnx.operations import UnknownShape
from cnncli.formats.onnx.protobuf import Reader
from cnncli.formats.onnx.recording import Recorder
from cnncli.formats.onnx.tensors import Tensor
from cnncli.models.importing.graphs.assembly import as_network, normalization
from cnncli.models.importing.graphs.branches import as_elements
from cnncli.models.importing.graphs.constants import Constants
from cnncli.models.importing.graphs.folding import folded
from cnncli.models.importing.graphs.nodes import TRANSLATORS, Translator
from cnncli.models.importing.graphs.patterns import with_layers
from cnncli.models.importing.graphs.pieces import LOG_SOFTMAX
from cnncli.models.importing.graphs.translation import Translation
from cnncli.models.importing.imported import Imported, NotANetworkError
from cnncli.models.importing.own_exports import read_own
from cnncli.models.importing.trained import read_class_names
from cnncli.models.model import CLASSES
from cnncli.shapes import Pair

OLDEST = 7
"""The first version of ONNX's operations with NumPy's rules of broadcasting."""


def import_onnx(path: str | os.PathLike[str], size: Pair | None = None) -> Imported:
    """Return the network of an ONNX file, with its weights.

    Args:
        path: the file.
        size: height and width of the pictures, where the file leaves them open.

    Raises:
        NotANetworkError: the graph is no network of known layers, blocks and branches.
        ModelError: the file is missing or damaged.
    """
    path = Path(path)
    with naming_errors(path), opened(path) as buffer:
        try:
            return _imported(buffer, path.parent, size)
        except RecursionError as error:
            raise ModelError("nested too deeply") from error
        except MemoryError as error:
            raise ModelError("does not fit into memory") from error


def _imported(buffer: FileBytes, folder: Path, size: Pair | None) -> Imported:
    reader = Reader(buffer)
    model = read_graph(reader, len(buffer))
    constants = model.graph.constants
    metadata = read_metadata(reader)
    own = read_own(model.graph, metadata, lambda name: read_numbers(reader, constants[name], folder))
    if own is not None:
        return own._replace(origin="an ONNX graph that cnncli exported")
    try:
        found = _translated(model, reader, folder, size)
    except NotANetworkError as error:
        raise NotANetworkError(f"is no network of known layers: {error}") from error
    classes = read_class_names(metadata[CLASSES]) if CLASSES in metadata else None
    return found._replace(class_names=classes)


def _translated(model: OnnxModel, reader: Reader, folder: Path, size: Pair | None) -> Imported:
    if model.opset < OLDEST:
        raise NotANetworkError(f"its operations are of opset {model.opset}, before {OLDEST}")
    recorder = Recorder(model, reader)
    try:
        start = _begin(recorder, size)
        recorder.run(model.graph, recorder.scope)
    except ModelError as error:  # shapes that do not fit here may do so in a runtime
        raise NotANetworkError(str(error)) from error
    outputs = recorder.outputs
    if len(model.graph.outputs) != 1 or len(outputs) != 1:
        raise NotANetworkError(f"it has {len(model.graph.outputs)} outputs")
    steps = recorder.needed(outputs)
    constants = Constants(reader, folder, recorder.stored, recorder.steps)
    said = read_shapes(Reader(reader.buffer), len(reader.buffer))
    translation = Translation(constants, start, model.opset, said)
    for step in steps:
        if not all(each.constant for each in step.outputs):
            translation.step = step
            with _placed(step.call.node.name, step.op):
                _translator(step.op)(translation)
    elements = with_layers(as_elements(translation.pieces, translation.result(outputs[0])))
    if elements and elements[-1].is_a(LOG_SOFTMAX):  # a softmax of its outputs is that of its inputs
        elements = elements[:-1]
    shape = translation.pieces[0].shape
    found, elements = normalization(elements, shape[-1])
    network, parameters, buffers = as_network(folded(elements), shape)
    producer = f" written by {named(model.producer)}" if model.producer else ""
    return Imported(network, parameters, buffers, normalization=found, origin=f"an ONNX graph{producer}")


def _begin(recorder: Recorder, size: Pair | None) -> Tensor:
    """Enter the input, and return it."""
    graph = recorder.model.graph
    inputs = [each for each in graph.inputs if each.name not in graph.constants]
    if len(inputs) != 1:
        raise NotANetworkError(f"it has {len(inputs)} inputs")
    graph.inputs[graph.inputs.index(inputs[0])] = taken = _of_any_batch(inputs[0], graph, size)
    if any(isinstance(each, str) for each in (taken.dimensions or ())[1:]):
        raise NotANetworkError(f"its input {named(taken.name)} leaves the size of pictures open: give it with --size")
    recorder.begin(None)
    return recorder.scope.tensors[inputs[0].name]


def _of_any_batch(each: GraphInput, graph: Graph, size: Pair | None) -> GraphInput:
    """Return the input with an open batch, and with a size where the file leaves it open."""
    said = list(each.dimensions or ())
    if len(said) == 4:
        said[0] = "N"
        places = (1, 2) if is_channels_last(each.name, tuple(said), graph.nodes) else (2, 3)
        for place, given in zip(places, size or (), strict=False):
            said[place] = given if isinstance(said[place], str) else said[place]
    return each._replace(dimensions=tuple(said) if said else None)


def _translator(op: str) -> Translator:
    if op not in TRANSLATORS:
        raise NotANetworkError("is no layer of the notation")
    return TRANSLATORS[op]


@contextmanager
def _placed(name: str, op: str) -> Iterator[None]:
    """Name the node in messages about what stands in the way."""
    try:
        yield
    except UnknownShape as error:
        raise NotANetworkError(
            f"node {named(name)} ({named(op)}) depends on shapes that the file does not tell"
        ) from error
    except (NotANetworkError, ArgumentError) as error:
        raise NotANetworkError(f"node {named(name)} ({named(op)}): {error}") from error
    except (ValueError, IndexError, TypeError) as error:
        raise NotANetworkError(f"node {named(name)} ({named(op)}): its shapes do not fit each other") from error
