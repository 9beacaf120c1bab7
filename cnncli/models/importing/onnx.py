"""ONNX graphs as our own networks with weights, where the notation can say them."""

import os
from pathlib import Path

from cnncli.formats.files import naming_errors, opened
from cnncli.formats.onnx.graph import read_graph
from cnncli.formats.onnx.numbers import read_metadata, read_numbers
from cnncli.formats.onnx.protobuf import Reader
from cnncli.models.importing.imported import Imported, NotANetworkError
from cnncli.models.importing.own_exports import read_own
from cnncli.shapes import Pair


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
        reader = Reader(buffer)
        model = read_graph(reader, len(buffer))
        metadata = read_metadata(reader)
        constants = model.graph.constants
        own = read_own(model.graph, metadata, lambda name: read_numbers(reader, constants[name], path.parent))
        if own is None:
            raise NotANetworkError("is not an export of cnncli, the only ONNX graphs that are read as networks")
        return own
