"""Checkpoints: everything that a training needs to continue as if it had never stopped.

Every random number depends on the seed, the epoch, the step and the item, so that no state of a random generator has to
be kept.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.engine import check_arrays
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named, parse_json
from cnncli.formats.safetensors import NETWORK
from cnncli.models.model import CLASSES, VERSION
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.training.configuration import Configuration

PROGRESS, OPTIONS, DATA, SOURCE = "cnncli.progress", "cnncli.options", "cnncli.data", "cnncli.source"
"""Keys of the metadata beside those of a model."""

PARAMETERS, BUFFERS, OPTIMIZER = "parameters.", "buffers.", "optimizer."  # prefixes of the arrays' names
MAY_CHANGE = ("epochs", "strict")  # options that may change when a training goes on


class TrainingProgress(NamedTuple):
    """Progress of a training.

    Attributes:
        epoch: number of completed epochs.
        batch: number of completed batches of the epoch under way; their losses, weights and pictures follow.
        best_epoch: the epoch with the best validation, from 1; 0 for none.
        best_accuracy: its accuracy on the validation part; the balanced one where classes are weighted.
        best_loss: its loss there.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    weight: float = 0.0
    correct: int = 0
    seen: int = 0
    best_epoch: int = 0
    best_accuracy: float = 0.0
    best_loss: float = 0.0


class Checkpoint(NamedTuple):
    """State of a training that stopped.

    Attributes:
        optimizer_state: flat arrays of the optimizer, by name.
        network: the text of its network.
        classes: the names of its classes, as JSON.
        source: the model that it went on from, as `Source.record` says it; empty for none.
    """

    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    optimizer_state: Mapping[str, Array]
    progress: TrainingProgress
    configuration: Configuration
    network: str
    classes: str
    data_digest: str
    source: str = ""

    def check_options(self, configuration: Configuration, place: object) -> None:
        """Check that a training with these options may go on from here.

        Raises:
            ArgumentError: another option has changed; the message says which.
        """
        for name in configuration.fields:
            was, now = getattr(self.configuration, name), getattr(configuration, name)
            if was != now and name not in MAY_CHANGE:
                change = f"the run has {name} {_shown(was)}, now it is {_shown(now)}"
                raise ArgumentError(f"{place}: {change}: only the number of epochs may grow")
        length, wanted = self.configuration.epochs, configuration.epochs
        if length != wanted and configuration.schedule != "constant" and self.progress != TrainingProgress():
            raise ArgumentError(
                f"{place}: the run's {configuration.schedule} schedule is laid out over {length} epochs: over {wanted} "
                f"those that are done would have had other learning rates: start another run with --epochs {wanted}"
            )
        begun = self.progress.epoch + (self.progress.batch > 0)
        if wanted is not None and wanted < begun:
            raise ArgumentError(f"{place}: epoch {begun} is begun, {wanted} are asked for: their number can only grow")

    def check(self, other: "Checkpoint", place: object) -> None:
        """Check that a training that begins as `other` may go on from here.

        Raises:
            ArgumentError: the data or the network has changed; the message says which.
            ModelError: the arrays are not those that it needs.
        """
        for what in ("classes", "network"):
            was, now = getattr(self, what), getattr(other, what)
            if was != now:
                raise ArgumentError(f"{place}: the run has the {what} {was}, now it is {now}: start another run")
        if self.data_digest != other.data_digest:
            raise ArgumentError(
                f"{place}: the data has changed since the run began (pictures, labels or what is held out): "
                "start another run"
            )
        shapes = {name: array.shape for name, array in _arrays(other).items()}
        try:
            check_arrays(_arrays(self), shapes, "array", np.dtype(np.float32), ModelError)
        except ModelError as error:
            raise ModelError(f"{place}: {error}") from error


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        ModelError: it cannot be written.
    """
    from cnncli.version import __version__

    metadata = {
        NETWORK: checkpoint.network,
        CLASSES: checkpoint.classes,
        PROGRESS: json.dumps(checkpoint.progress._asdict()),
        OPTIONS: json.dumps(checkpoint.configuration.options, ensure_ascii=False),
        DATA: checkpoint.data_digest,
        VERSION: __version__,
    }
    if checkpoint.source:
        metadata[SOURCE] = checkpoint.source
    write_tensors(path, _arrays(checkpoint), metadata)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelError: it is missing, damaged, or not a checkpoint.
    """
    arrays, metadata = read_tensors(path)
    missing = [key for key in (NETWORK, CLASSES, PROGRESS, OPTIONS, DATA) if key not in metadata]
    if missing:
        raise ModelError(f"{path}: not a checkpoint of `cnncli train`: its metadata has no {', '.join(missing)}")
    try:
        progress = _progress(parse_json(metadata[PROGRESS].encode(errors="replace"), PROGRESS))
        options = parse_json(metadata[OPTIONS].encode(errors="replace"), OPTIONS)
        if SOURCE not in metadata:  # the network that was chosen for the pictures was not always among the options
            options["network"] = options.get("network") or metadata[NETWORK]
        configuration = Configuration(**options)
    except (ModelError, ArgumentError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error
    parameters, buffers, state = (
        {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        for prefix in _PARTS
    )
    texts = metadata[NETWORK], metadata[CLASSES], metadata[DATA], metadata.get(SOURCE, "")
    return Checkpoint(parameters, buffers, state, progress, configuration, *texts)


_PARTS = (PARAMETERS, BUFFERS, OPTIMIZER)


def _arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    parts = (checkpoint.parameters, checkpoint.buffers, checkpoint.optimizer_state)
    return {
        f"{prefix}{name}": array for prefix, part in zip(_PARTS, parts, strict=True) for name, array in part.items()
    }


def _progress(table: Mapping[str, Any]) -> TrainingProgress:
    """Return the progress of a table, checked."""
    if set(table) != set(TrainingProgress._fields):
        raise ModelError(f"{PROGRESS} in its metadata must have the fields {', '.join(TrainingProgress._fields)}")
    for name, default in TrainingProgress()._asdict().items():
        value = table[name]
        if type(value) not in ((int,) if isinstance(default, int) else (int, float)) or value < 0:
            raise ModelError(f"{PROGRESS} in its metadata has the {name} {named(value)}")
    return TrainingProgress(**table)


def _shown(value: object) -> str:
    return "unset" if value is None or value == "" else named(value)
