"""ONNX graphs as networks of ours."""

from pathlib import Path

from cnncli.formats.files import named
from cnncli.models.importing.imported import Imported, NotANetworkError


def import_onnx(path: Path) -> Imported:
    """Return the network of an ONNX file."""
    raise NotANetworkError(f"{named(path)}: ONNX models are not read yet")
