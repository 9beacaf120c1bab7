"""A trained network, and the file that holds everything needed to use it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, Unpack, overload
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.data import BYTES, RESIZES, SCALES, Dataset, Reading, ReadingOptions, read_picture
from cnncli.data.normalization import Normalization
from cnncli.data.pictures import fitted
from cnncli.engines.backends import Backend, open_backend
from cnncli.engines.engine import Engine, check_arrays
from cnncli.engines.head import probabilities
from cnncli.errors import ArgumentError, ModelError
from cnncli.files.html import html_table
from cnncli.formats.files import named, parse_json
from cnncli.formats.reading import RUN_MODEL
from cnncli.formats.safetensors import INPUT, NETWORK
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.networks import Network, parse_network
from cnncli.networks.heads import output_count
from cnncli.shapes import show_shape
from cnncli.values import Value

AnyPath = str | os.PathLike[str]
Pictures = AnyPath | Sequence[AnyPath] | npt.ArrayLike

CLASSES, NORMALIZATION, RESIZE = "cnncli.classes", "cnncli.normalization", "cnncli.resize"
SCALE, VERSION = "cnncli.scale", "cnncli.version"
"""The keys of the metadata beside the network and its input."""


class Model(Value):
    """A trained network: it gives pictures the probabilities of classes.

    A picture is an array (H, W) or (H, W, C), or a path; it is converted as `cnncli predict` converts files: to the
    scale 0 to 255 and the channels and size of the network. A batch is an array (N, H, W, C) that has them already, or
    a list of paths.

    Attributes:
        network: with its input, and with a last softmax if it was given with one.
        parameters: the trained arrays by name, float32.
        buffers: the running statistics by name, float32.
        class_names: the classes in the order of the outputs.
        normalization: applied to pictures first.
        resize: the way to resize pictures of other sizes: a name in `RESIZES`.
        scale: the meaning of the numbers of pictures: a word of `SCALES`.
        backend: computes the network: NumPy, or what `on` has chosen.

    Raises:
        ModelError: the parts do not fit together.

    Example:
        >>> model = load_model("runs/digits")
        >>> model.class_names[model.predict("digits/7/00.png")]
        '7'
    """

    network: Network
    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    class_names: tuple[str, ...]
    normalization: Normalization
    resize: str = "stretch"
    scale: str = BYTES
    backend: Backend = Backend()

    def validate(self) -> None:
        self.normalize(class_names=tuple(self.class_names))
        float32 = np.dtype(np.float32)
        check_arrays(self.parameters, self.network.param_shapes(), "parameter", float32, ModelError)
        check_arrays(self.buffers, self.network.buffer_shapes(), "buffer", float32, ModelError)
        outputs, classes = output_count(self.network), len(self.class_names)
        if outputs != classes and not (outputs == 1 and classes == 2):
            raise ModelError(f"has {classes} classes, but its network puts out {show_shape(self.network.output_shape)}")
        if len(self.network.input_shape) != 3 or len(self.normalization.mean) != self.network.input_shape[2]:
            channels, shape = len(self.normalization.mean), show_shape(self.network.input_shape)
            raise ModelError(f"is normalised for {channels} channels, but its network's input is {shape}")
        if self.resize not in RESIZES:
            raise ModelError(f"resizes pictures by {named(self.resize)!r}: the ways are {', '.join(RESIZES)}")
        if self.scale not in SCALES:
            raise ModelError(f"takes pixels on the scale {named(self.scale)!r}: the scales are {', '.join(SCALES)}")

    __eq__ = object.__eq__  # comparing arrays takes long and is seldom meant
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Model {self.network}, {len(self.class_names)} classes>"

    def _repr_html_(self) -> str:
        rows = [
            ("classes", ", ".join(self.class_names)),
            ("mean", ", ".join(f"{mean:.4g}" for mean in self.normalization.mean)),
            ("std", ", ".join(f"{std:.4g}" for std in self.normalization.std)),
            ("resize", self.resize),
        ]
        return html_table("model", ("", ""), rows) + self.network._repr_html_()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the pictures."""
        height, width, channels = self.network.input_shape
        return height, width, channels

    def reading(self, **changes: Unpack[ReadingOptions]) -> Reading:
        """Return how pictures are read for this model."""
        height, width, channels = self.input_shape
        reading = Reading(size=(height, width), channels=channels, resize=self.resize, scale=self.scale)
        return reading._replace(**changes)

    @overload
    def predict(self, pictures: AnyPath, jobs: int = 1) -> int: ...
    @overload
    def predict(self, pictures: Pictures, jobs: int = 1) -> int | npt.NDArray[np.int64]: ...
    def predict(self, pictures: Pictures, jobs: int = 1) -> int | npt.NDArray[np.int64]:
        """Return the index of the likeliest class in `class_names`.

        Args:
            pictures: a picture, a path, or a batch of these, as in `Model`.
            jobs: threads.

        Returns:
            An integer for one picture, (N,) for a batch.

        Raises:
            ArgumentError: a batch of another shape than the network's input.
            ImageError: a picture that cannot be read, or has other channels or numbers than the model takes.

        Example:
            >>> model = load_model("runs/digits")
            >>> model.predict(["digits/0/00.png", "digits/7/00.png"]).shape
            (2,)
        """
        likeliest = self.probabilities(pictures, jobs).argmax(axis=-1)
        return int(likeliest) if likeliest.ndim == 0 else likeliest.astype(np.int64)

    def probabilities(self, pictures: Pictures, jobs: int = 1) -> Array:
        """Return the probability of each class; arguments and errors are those of `predict`.

        Returns:
            float32, (classes,) for one picture, (N, classes) for a batch; each row adds up to 1.

        Example:
            >>> model = load_model("runs/digits")
            >>> model.probabilities("digits/7/00.png").shape
            (10,)
        """
        batch, is_single = self._batch(pictures)
        outputs = self.engine(jobs).predict(batch, prepare=self.normalization.apply)
        found = probabilities(outputs, self.network)
        return found[0] if is_single else found

    def _batch(self, pictures: Pictures) -> tuple[Array, bool]:
        """Return pictures as a batch that the network takes, and whether they are a single one."""
        if isinstance(pictures, str | os.PathLike):
            return read_picture(os.fspath(pictures), self.reading())[None], True
        if isinstance(pictures, list | tuple) and pictures and isinstance(pictures[0], str | os.PathLike):
            return np.stack([read_picture(os.fspath(path), self.reading()) for path in pictures]), False
        array = as_numbers(pictures, "a picture")
        if array.ndim in (2, 3):
            return fitted(array, self.reading(), "the picture", picture=array.dtype == np.uint16)[None], True
        if array.ndim != 4:
            raise ArgumentError(f"a picture has the shape (H, W) or (H, W, C), a batch (N, H, W, C), got {array.shape}")
        if array.shape[1:] != self.input_shape:
            shapes = show_shape(self.input_shape), show_shape(array.shape[1:])
            raise ArgumentError(f"the model takes pictures of {shapes[0]}, got {shapes[1]}")
        return array, False

    def classify(self, dataset: Dataset, jobs: int = 1) -> Array:
        """Return the probabilities of a whole data set, (N, classes), reading a few pictures at a time."""
        parts = [self.probabilities(images, jobs) for _, images in dataset.chunks()]
        return np.concatenate(parts) if parts else np.empty((0, len(self.class_names)), np.float32)

    def layer_names(self) -> list[str]:
        """Return the names of the layers, in the order of computation.

        `0.conv` names what the convolution of the first word puts out, `0` the output of the whole word with its
        options; `4.res.main.0.conv` is inside a block.
        """
        return [name for name, _ in self._activations(np.zeros((1, *self.input_shape), np.uint8))]

    def features(self, picture: AnyPath | npt.ArrayLike, layer: str) -> Array:
        """Return a layer's feature maps of a picture.

        Args:
            picture: one picture or path, as in `Model`.
            layer: one of `layer_names`, or the index of a word in the network's text, from 0.

        Returns:
            (H_out, W_out, C_out), or (N,) after a flatten or a fully connected layer.

        Raises:
            ArgumentError: there is no such layer; the message lists the layers.

        Example:
            >>> load_model("runs/digits").features("digits/7/00.png", "0.conv").ndim
            3
        """
        batch, _ = self._batch(picture)
        outputs = dict(self._activations(batch))
        # The output of a whole word comes after those of all its layers.
        of_word = (name for name in reversed(outputs) if name.partition(".")[0] == layer)
        name = layer if layer in outputs else next(of_word, None)
        if name is None:
            raise ArgumentError(f"the model has no layer {layer!r}: there are {', '.join(outputs)}")
        found: Array = outputs[name][0]
        return found

    def _activations(self, pictures: Array) -> Iterator[tuple[str, Array]]:
        return self.engine().activations(self.normalization.apply(pictures))

    def on(self, engine: str | Backend, device: str = "auto") -> "Model":
        """Return the same model, computed by another engine.

        Args:
            engine: a name in `ENGINES`, `numpy` or `torch`; or a backend that is open.
            device: a name in `DEVICES`, such as `cuda`.

        Raises:
            ArgumentError: the engine is not installed, or has no such device.
        """
        return self.replace(backend=open_backend(engine, device) if isinstance(engine, str) else engine)

    def engine(self, jobs: int = 1) -> Engine:
        """Return the engine that computes the network; it is kept for the next call."""
        kept = _engines.get(self)
        if kept is None or kept[0] != jobs:
            kept = jobs, self.backend.engine(self.network, self.parameters, self.buffers, jobs=jobs)
            _engines[self] = kept
        return kept[1]

    @property
    def metadata(self) -> dict[str, str]:
        """The texts of the model's file."""
        from cnncli.version import __version__

        normalization = {"mean": self.normalization.mean, "std": self.normalization.std}
        return {
            NETWORK: str(self.network),
            INPUT: show_shape(self.network.input_shape),
            CLASSES: json.dumps(self.class_names, ensure_ascii=False),
            NORMALIZATION: json.dumps(normalization),
            RESIZE: self.resize,
            SCALE: self.scale,
            VERSION: __version__,
        }


_engines: WeakKeyDictionary[Model, tuple[int, Engine]] = WeakKeyDictionary()


def save_model(path: AnyPath, model: Model) -> None:
    """Write a model as a safetensors file, whole or not at all; the same model gives the same bytes.

    Raises:
        ModelError: the file cannot be written.
    """
    write_tensors(path, {**model.parameters, **model.buffers}, model.metadata)


def load_model(path: AnyPath, engine: str = "numpy", device: str = "auto") -> Model:
    """Read a trained model.

    Args:
        path: its file, or the folder of a run that holds `model.safetensors`.
        engine: a name in `ENGINES`, `numpy` or `torch`.
        device: where: a name in `DEVICES`, such as `cuda`.

    Raises:
        ModelError: it is missing, damaged, or not a model that cnncli trained.
        ArgumentError: the engine is not installed, or has no such device.

    Example:
        >>> load_model("samples")
        Traceback (most recent call last):
        ...
        cnncli.errors.ModelError: samples: is a folder without model.safetensors: give a model or the folder of a run
    """
    backend = open_backend(engine, device)
    file = model_path(path)
    arrays, metadata = read_tensors(file)
    try:
        return model_of(arrays, metadata).on(backend)
    except (ModelError, ArgumentError) as error:
        raise ModelError(f"{file}: {error}") from error


def as_model(model: Model | AnyPath) -> Model:
    """Return a model, loaded if it is a path."""
    return model if isinstance(model, Model) else load_model(model)


def model_path(path: AnyPath) -> Path:
    """Return the file of a model, which may be given as the folder of a run.

    Raises:
        ModelError: there is nothing, or a folder without a model.
    """
    file = Path(path)
    if not os.path.lexists(file):
        raise ModelError(
            f"{path}: no such file or folder: a model is the folder of a run, or the {RUN_MODEL} that `cnncli train` "
            "wrote"
        )
    if not file.is_dir():
        return file
    if not (file / RUN_MODEL).exists():
        raise ModelError(f"{path}: is a folder without {RUN_MODEL}: give a model or the folder of a run")
    return file / RUN_MODEL


def model_of(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> Model:
    """Return the model of a file's arrays and texts.

    Raises:
        ModelError: they are not those of a model.
        ArgumentError: a text that cannot be read as a network or a normalization.
    """
    missing = [key for key in (NETWORK, CLASSES, NORMALIZATION) if key not in metadata]
    if missing and "cnncli.progress" in metadata:
        raise ModelError("is the checkpoint of a run, for --resume: give the model.safetensors beside it")
    if missing:
        raise ModelError(f"is not a model that `cnncli train` wrote: its metadata has no {', '.join(missing)}")
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
        raise ModelError(f"{CLASSES} in its metadata is not a list of two names or more")
    if len(set(names)) < len(names):
        raise ModelError(f"{CLASSES} in its metadata names a class twice")
    return tuple(names)


def _normalization(text: str) -> Normalization:
    table = parse_json(text.encode(errors="replace"), NORMALIZATION)
    mean, std = table.get("mean"), table.get("std")
    if not _are_numbers(mean) or not _are_numbers(std):
        raise ModelError(f"{NORMALIZATION} in its metadata is not a mean and a std, each a list of numbers")
    return Normalization(tuple(mean), tuple(std))


def _are_numbers(found: Any) -> TypeGuard[list[float]]:
    return isinstance(found, list) and all(type(number) in (int, float) for number in found)
