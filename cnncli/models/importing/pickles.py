"""Weights that PyTorch saved: pickles, read with PyTorch's reader that runs no code of the file."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.formats.files import named
from cnncli.models.importing.arrays import StoredArray, StoredArrays

INSIDE = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "net", "weights")
"""The names under which checkpoints keep weights beside other things."""


@contextmanager
def pickled_arrays(path: Path) -> Iterator[StoredArrays]:
    """Open the arrays of a `.pth` file, in its own order.

    Raises:
        ModelError: PyTorch is missing, or the file is damaged, holds other objects than arrays, or none.
    """
    tensors = _tensors(_loaded(path))
    yield StoredArrays({name: _stored(name, tensor) for name, tensor in tensors.items()})


def _loaded(path: Path) -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(
            "PyTorch's files are read with PyTorch: pip install 'cnncli[torch]', or save the weights with "
            "safetensors.torch.save_file"
        ) from error
    _check_is_stored(path)
    # Only archives can be mapped; what torch.save wrote before version 1.6 is none.
    mapped = zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old kinds of arrays, and of damaged files before they are refused
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ModelError(
                f"holds {named(found[1])}, which only code could make and is not read: save model.state_dict() alone"
            ) from error
        raise ModelError("cannot be read as a PyTorch file: damaged, or of another kind") from error
    except MemoryError as error:
        raise ModelError("does not fit into memory") from error
    except Exception as error:  # torch raises RuntimeError, EOFError, KeyError and others for damaged files
        said = str(error).strip().split("\n")[0]
        raise ModelError(f"cannot be read as a PyTorch file: {named(said, 200) or type(error).__name__}") from error


def _check_is_stored(path: Path) -> None:
    """Refuse an archive with compressed parts, which torch.save never writes: a small one may unpack to any size."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"a damaged archive: {named(error)}") from error
    if any("/code/" in part.filename for part in parts):
        raise ModelError("a TorchScript program, which is code and not read: save model.state_dict() alone")
    for part in parts:
        if part.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"its part {named(part.filename)} is compressed, as PyTorch does not write it")


def _tensors(found: Any) -> dict[str, Any]:
    """Return the tensors of a state, which may be one of several things in a checkpoint."""
    import torch

    states = [found, *map(found.get, INSIDE), *found.values()] if isinstance(found, Mapping) else []
    for state in states:
        parts = state.items() if isinstance(state, Mapping) else ()
        if tensors := {str(name): part for name, part in parts if isinstance(part, torch.Tensor)}:
            return tensors
    raise ModelError("holds no arrays with names: save model.state_dict()")


def _stored(name: str, tensor: Any) -> StoredArray:
    import torch

    if tensor.layout is not torch.strided:
        raise ModelError(f"the array {named(name)} is not stored as numbers one after the other")
    if tensor.nbytes > tensor.untyped_storage().nbytes():  # with steps of 0, and perhaps larger than any memory
        raise ModelError(f"the array {named(name)} claims more numbers than the file holds")
    return StoredArray(tuple(tensor.shape), lambda: _numbers(name, tensor))


def _numbers(name: str, tensor: Any) -> Array:
    import torch

    if not tensor.is_floating_point():
        raise ModelError(f"the array {named(name)} is of type {tensor.dtype}: weights are floating point")
    numbers: Array = tensor.detach().to(torch.float32).numpy()
    return numbers
