"""A trained network, and the file that holds all that is needed to use it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from cnncli.data import BYTES, RESIZES, SCALES, Dataset, Reading
from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend, Computing
from cnncli.engines.head import output_count, probabilities
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named, parse_json
from cnncli.formats.safetensors import INPUT, NETWORK
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.networks import Network, parse_network
from cnncli.shapes import show_shape
from cnncli.values import Value

Array = NDArray[Any]

CLASSES, NORMALIZATION, RESIZE = "cnncli.classes", "cnncli.normalization", "cnncli.resize"
SCALE, VERSION = "cnncli.scale", "cnncli.version"
"""What the metadata holds beside the network and its input."""

FILE_NAME = "model.safetensors"
"""The model's name in the folder of a run."""


class Model(Value):
    """A trained network.

    Attributes:
        network: with its input, and with a last softmax if it was given with one.
        parameters: the trained arrays by name, float32.
        buffers: the running statistics by name, float32.
        class_names: the classes in the order of the outputs.
        normalization: what is done to pictures first.
        resize: how pictures of other sizes get the network's: a name in `RESIZES`.
        scale: what the numbers of pictures mean: a word of `SCALES`.

    Raises:
        ModelError: the parts do not fit together.
    """

    network: Network
    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    class_names: tuple[str, ...]
    normalization: Normalization
    resize: str = "stretch"
    scale: str = BYTES

    def validate(self) -> None:
        """Check that the parts fit together."""
        self.settle(class_names=tuple(self.class_names))
        _check_arrays(self.parameters, self.network.param_shapes(), "parameter")
        _check_arrays(self.buffers, self.network.buffer_shapes(), "buffer")
        outputs, classes = output_count(self.network), len(self.class_names)
        if outputs != classes and not (outputs == 1 and classes == 2):
            puts_out = show_shape(self.network.output_shape)
            raise ModelError(f"has {classes} classes, and a network that puts out {puts_out}")
        if len(self.network.input_shape) != 3 or len(self.normalization.mean) != self.network.input_shape[2]:
            channels, shape = len(self.normalization.mean), show_shape(self.network.input_shape)
            raise ModelError(f"is normalised for {channels} channels, and its network's input is {shape}")
        if self.resize not in RESIZES:
            raise ModelError(f"resizes pictures by {named(self.resize)!r}: the ways are {', '.join(RESIZES)}")
        if self.scale not in SCALES:
            raise ModelError(f"takes pixels on the scale {named(self.scale)!r}: the scales are {', '.join(SCALES)}")

    __eq__ = object.__eq__  # arrays are not compared by the way
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Model {self.network}, {len(self.class_names)} classes>"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the pictures."""
        height, width, channels = self.network.input_shape
        return height, width, channels

    def reading(self, **changes: Any) -> Reading:
        """Return how pictures are read for this model."""
        height, width, channels = self.input_shape
        reading = Reading(size=(height, width), channels=channels, resize=self.resize, scale=self.scale)
        return reading._replace(**changes)

    def probabilities(self, images: Array, jobs: int = 1) -> Array:
        """Return the probability of each class.

        Args:
            images: (N, H, W, C) as they are stored: on the scale 0 to 255, not normalised.
            jobs: threads.

        Returns:
            (N, classes) float32, each row of which adds up to 1.

        Raises:
            ArgumentError: pictures of another shape.
        """
        if images.shape[1:] != self.input_shape:
            shapes = show_shape(self.input_shape), show_shape(images.shape[1:])
            raise ArgumentError(f"the model takes pictures of {shapes[0]}, got {shapes[1]}")
        return self.outputs(self.engine(jobs).predict(images, prepare=self.normalization.apply))

    def outputs(self, outputs: Array) -> Array:
        """Return the probabilities that the whole network's outputs (N, outputs) stand for."""
        return probabilities(outputs, self.network)

    def predict(self, images: Array, jobs: int = 1) -> NDArray[np.int64]:
        """Return the likeliest class of each picture, (N,)."""
        likeliest: NDArray[np.int64] = self.probabilities(images, jobs).argmax(axis=1).astype(np.int64)
        return likeliest

    def classify(self, dataset: Dataset, jobs: int = 1) -> Array:
        """Return the probabilities of a whole data set, (N, classes), whose pictures are read a few at a time."""
        parts = [self.probabilities(images, jobs) for _, images in dataset.chunks()]
        return np.concatenate(parts) if parts else np.empty((0, len(self.class_names)), np.float32)

    def on(self, backend: Backend) -> "Model":
        """Return the same model, computed by a backend: by NumPy unless it is told so."""
        model = self.replace()
        model.settle(_backend=backend)
        return model

    def engine(self, jobs: int = 1) -> Computing:
        """Return what computes; it is kept for the next call."""
        kept = self.__dict__.get("_engine")
        if kept is None or kept[0] != jobs:
            backend: Backend = self.__dict__.get("_backend") or Backend()
            kept = jobs, backend.engine(self.network, self.parameters, self.buffers, jobs=jobs)
            self.settle(_engine=kept)
        engine: Computing = kept[1]
        return engine

    @property
    def metadata(self) -> dict[str, str]:
        """The texts of the model's file."""
        from cnncli.models.versions import cnncli_version

        normalization = {"mean": self.normalization.mean, "std": self.normalization.std}
        return {
            NETWORK: str(self.network),
            INPUT: show_shape(self.network.input_shape),
            CLASSES: json.dumps(self.class_names, ensure_ascii=False),
            NORMALIZATION: json.dumps(normalization),
            RESIZE: self.resize,
            SCALE: self.scale,
            VERSION: cnncli_version(),
        }


def save_model(path: str | os.PathLike[str], model: Model) -> None:
    """Write a model as a safetensors file, whole or not at all; the same model gives the same bytes.

    Raises:
        ModelError: the file cannot be written.
    """
    write_tensors(path, {**model.parameters, **model.buffers}, model.metadata)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model.

    Args:
        path: its file, or the folder of a run that holds `model.safetensors`.

    Raises:
        ModelError: it is missing, damaged, or no model that cnncli trained.

    Example:
        >>> load_model("samples")
        Traceback (most recent call last):
        ...
        cnncli.errors.ModelError: samples: is a folder without model.safetensors: give a model or the folder of a run
    """
    file = model_path(path)
    arrays, metadata = read_tensors(file)
    try:
        return model_of(arrays, metadata)
    except (ModelError, ArgumentError) as error:
        raise ModelError(f"{file}: {error}") from error


def model_path(path: str | os.PathLike[str]) -> Path:
    """Return the file of a model, which the folder of a run stands for too.

    Raises:
        ModelError: it is not there, or a folder that holds none.
    """
    file = Path(path)
    if not os.path.lexists(file):
        raise ModelError(
            f"{path}: no such file or folder: a model is the folder of a run, or the {FILE_NAME} that `cnncli train` "
            "wrote"
        )
    if not file.is_dir():
        return file
    if not (file / FILE_NAME).exists():
        raise ModelError(f"{path}: is a folder without {FILE_NAME}: give a model or the folder of a run")
    return file / FILE_NAME


def model_of(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> Model:
    """Return the model of a file's arrays and texts.

    Raises:
        ModelError: they are not those of a model.
        ArgumentError: a text that cannot be read as a network or a normalization.
    """
    missing = [key for key in (NETWORK, CLASSES, NORMALIZATION) if key not in metadata]
    if missing and "cnncli.progress" in metadata:
        raise ModelError("the checkpoint of a run, which --resume goes on from: give the model.safetensors beside it")
    if missing:
        raise ModelError(f"no model that `cnncli train` wrote: its metadata has no {', '.join(missing)}")
    network = parse_network(metadata[NETWORK])
    shapes, buffer_shapes = network.param_shapes(), network.buffer_shapes()
    unknown = [name for name in arrays if name not in shapes and name not in buffer_shapes]
    if unknown:
        raise ModelError(f"holds the array {named(unknown[0])}, which its network does not have")
    return Model(
        network,
        {name: arrays[name] for name in shapes if name in arrays},
        {name: arrays[name] for name in buffer_shapes if name in arrays},
        _class_names(metadata[CLASSES]),
        _normalization(metadata[NORMALIZATION]),
        metadata.get(RESIZE, "stretch"),
        metadata.get(SCALE, BYTES),
    )


def _class_names(text: str) -> tuple[str, ...]:
    names = parse_json(b'{"classes":' + text.encode(errors="replace") + b"}", CLASSES).get("classes")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{CLASSES} in its metadata is no list of two names or more")
    if len(set(names)) < len(names):
        raise ModelError(f"{CLASSES} in its metadata names a class twice")
    return tuple(names)


def _normalization(text: str) -> Normalization:
    table = parse_json(text.encode(errors="replace"), NORMALIZATION)
    mean, std = table.get("mean"), table.get("std")
    if not _are_numbers(mean) or not _are_numbers(std):
        raise ModelError(f"{NORMALIZATION} in its metadata is no mean and std, each a list of numbers")
    return Normalization(tuple(mean), tuple(std))


def _are_numbers(found: Any) -> TypeGuard[list[float]]:
    return isinstance(found, list) and all(type(number) in (int, float) for number in found)


def _check_arrays(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    for name, shape in shapes.items():
        if name not in arrays:
            raise ModelError(f"lacks the {what} {name} of its network")
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32:
            found = f"{show_shape(array.shape)} {array.dtype}"
            raise ModelError(f"the {what} {name} is {found} where its network needs {show_shape(shape)} float32")
    if len(arrays) != len(shapes):
        extra = next(name for name in arrays if name not in shapes)
        raise ModelError(f"the {what} {named(extra)} is not the network's")
