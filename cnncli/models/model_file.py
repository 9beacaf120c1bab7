"""A model by the name of its file: what goes to other processes, which load it for themselves, once."""

import hashlib
import os
import threading
from functools import lru_cache
from typing import NamedTuple

from cnncli.engines.backends import open_backend
from cnncli.errors import ModelError
from cnncli.models.model import Array, Model, load_model, model_path


class ModelFile(NamedTuple):
    """Where a model is, what its file holds, and how it is computed.

    Attributes:
        path: its file, from the root.
        digest: of the file's content: elsewhere another may have this name.
        engine: a name in `ENGINES`.
        device: a name in `DEVICES`.
    """

    path: str
    digest: str
    engine: str = "numpy"
    device: str = "auto"

    @classmethod
    def of(cls, path: str | os.PathLike[str], engine: str = "numpy", device: str = "auto") -> "ModelFile":
        """Return what stands for a model, or for that of a run's folder.

        Raises:
            ModelError: it is missing.
        """
        file = os.path.abspath(model_path(path))
        return cls(file, _digest(file), engine, device)

    def probabilities(self, images: Array) -> Array:
        """Return the probability of each class: the model is loaded by the first call in a process.

        Raises:
            ModelError: the file is not there, or is another than it was where this value was made.
            ArgumentError: the engine is not installed.
        """
        return _own(self).probabilities(images)


_own_models = threading.local()
_loading = threading.Lock()


def _own(file: ModelFile) -> Model:
    """Return this thread's model, which shares its numbers with those of others: engines have memory to work in."""
    if getattr(_own_models, "file", None) != file:
        with _loading:
            loaded = _load(file.path, file.digest)
        _own_models.model = loaded.on(open_backend(file.engine, file.device))
        _own_models.file = file
    model: Model = _own_models.model
    return model


@lru_cache(maxsize=1)
def _load(path: str, digest: str) -> Model:
    if _digest(path) != digest:
        raise ModelError(f"{path}: is another model here: put the same where all machines have it by the same name")
    return load_model(path)


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file: put the model where all machines have it by this name") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
