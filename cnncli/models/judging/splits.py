"""The run that a model comes from: which pictures it trained on, and which it held out."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.data import Resized
from cnncli.data.datasets import Pictures
from cnncli.errors import ArgumentError, ModelError
from cnncli.files.toml import read_toml
from cnncli.formats.reading import RUN_MODEL
from cnncli.models.opening import ModelWord
from cnncli.models.predictor import AnyPath
from cnncli.models.safetensors import read_tensors, write_tensors

SPLIT, CONFIG = "split.safetensors", "config.toml"
"""Files of a run's folder: the split of its pictures, and its options."""

KIND = "cnncli.fingerprints"

Marks = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Split(NamedTuple):
    """The pictures of a run by their fingerprints: 8 bytes each, of which two pictures of a million share none.

    Attributes:
        kind: source of the fingerprints: `pixels` or `file` (its size, its first 64 KB and its last).
        train: fingerprints of the pictures that it trained on.
        held_out: fingerprints of those that its epochs were judged by.
    """

    kind: str
    train: Marks
    held_out: Marks

    @classmethod
    def of(cls, train: Pictures, held_out: Pictures | None) -> "Split":
        """Return the split of a training; parts of another kind than the training part are not compared with it.

        Example:
            >>> from cnncli.data import ArrayDataset
            >>> pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
            >>> data = ArrayDataset(pixels, np.array([0, 1, 0]), ("a", "b"), "x")
            >>> Split.of(data, None).trained_on(data)
            array([ True,  True,  True])
        """
        kind = train.fingerprint_kind
        known = held_out is not None and held_out.fingerprint_kind == kind
        return cls(kind, np.unique(_marks(train)), np.unique(_marks(held_out)) if held_out and known else _marks(None))

    def after(self, earlier: "Split") -> "Split":
        """Return the split of a training that goes on from weights that an earlier one trained."""
        return self._replace(train=np.union1d(self.train, earlier.train)) if earlier.kind == self.kind else self

    def trained_on(self, dataset: Pictures) -> Mask | None:
        """Return which items the run trained on; None where their fingerprints are of another kind."""
        return np.isin(_marks(dataset), self.train) if dataset.fingerprint_kind == self.kind else None

    def holds_out(self, dataset: Pictures) -> Mask | None:
        """Return which items the run held out; None where their fingerprints are of another kind."""
        if dataset.fingerprint_kind != self.kind:
            return None
        marks = _marks(dataset)
        return np.isin(marks, self.held_out) & ~np.isin(marks, self.train)


def _marks(dataset: Pictures | None) -> Marks:
    return np.frombuffer(b"".join(mark[:8] for mark in _fingerprints(dataset)), "<i8").astype(np.int64)


def _fingerprints(dataset: Pictures | None) -> list[bytes]:
    """Return the fingerprints that the same data has when it is read for the model, at the size of its input."""
    if dataset is None:
        return []
    brought = dataset.fingerprint_kind == "pixels" and isinstance(dataset, Resized)
    return dataset.pixel_fingerprints() if brought else dataset.fingerprints


def save_split(path: AnyPath, split: Split) -> None:
    """Write the split of a run, whole or not at all.

    Raises:
        ModelError: the file cannot be written.
    """
    write_tensors(path, {"train": split.train, "held_out": split.held_out}, {KIND: split.kind})


class Run(NamedTuple):
    """The run that a model comes from.

    Attributes:
        folder: its folder.
        split: its split; None where an earlier version wrote it, which recorded none.
    """

    folder: Path
    split: Split | None

    def trained_at(self, data: AnyPath) -> bool:
        """Return whether its configuration names this data."""
        try:
            named = read_toml(self.folder / CONFIG, "a configuration").get("data")
            return isinstance(named, str) and os.path.samefile(named, data)
        except (ArgumentError, OSError, ValueError):
            return False


def find_run(model: AnyPath) -> Run | None:
    """Return the run that a model comes from, by the word that names it; None for a file by itself.

    Raises:
        ModelError: the model is missing, or the split of its run is damaged.
    """
    word = ModelWord.of(model)
    file = word.path()
    if word.network is not None or file.name != RUN_MODEL or not (file.parent / CONFIG).is_file():
        return None
    path = file.parent / SPLIT
    if not path.exists():
        return Run(file.parent, None)
    arrays, metadata = read_tensors(path)
    marks = [arrays.get(name, np.zeros(1)) for name in ("train", "held_out")]
    if any(array.dtype != np.int64 or array.ndim != 1 for array in marks):
        raise ModelError(f"{path}: does not hold the fingerprints of a run's pictures")
    return Run(file.parent, Split(metadata.get(KIND, ""), *marks))
