"""Opening a model, whatever it is kept in."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnncli.batch.objects import is_url
from cnncli.choices import nearest
from cnncli.data.normalization import Normalization
from cnncli.engines.backends import open_backend
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import naming_errors, opened
from cnncli.formats.reading import RUN_MODEL, recognise
from cnncli.models.detector import Detector
from cnncli.models.importing.imported import Imported, NotANetworkError, check_finite
from cnncli.models.model import Model
from cnncli.models.predictor import AnyPath, PictureModel, Predictor, check_pixels
from cnncli.models.told import Told
from cnncli.networks import Network
from cnncli.networks.heads import output_count
from cnncli.networks.loading import is_name, zoo_names
from cnncli.shapes import show_shape

UNTOLD = Told()

UNNORMALIZED = Normalization.called("unit")
"""What weights are taken to expect where nothing says it: pixels from 0 to 1."""


class ModelWord(NamedTuple):
    """The word that names a model.

    Attributes:
        file: the file, or the folder of a run.
        network: the name in the zoo of the network whose weights the file holds; None where the file says it.
    """

    file: str
    network: str | None = None

    @classmethod
    def of(cls, word: AnyPath) -> "ModelWord":
        """Return the parts of a word such as `runs/digits` or `resnet18=weights.safetensors`.

        Example:
            >>> ModelWord.of("resnet18=weights.pth")
            ModelWord(file='weights.pth', network='resnet18')
        """
        text = os.fspath(word)
        network, equals, file = text.partition("=")
        is_path = os.sep in network and not network.endswith(".toml")
        if not equals or not network or is_path or is_url(text) or os.path.lexists(text):
            return cls(text)
        if not file:
            raise ArgumentError(f"{text}: names no file: write {network}=FILE")
        return cls(file, network)

    def path(self) -> Path:
        """Return the file, which a run's folder holds.

        Raises:
            ModelError: there is nothing, or a folder without a model; or no network has this name.
        """
        file = Path(self.file)
        if self.network is not None and not is_name(self.network):
            found = nearest(self.network, zoo_names())
            hint = f": did you mean {found}?" if found else ""
            raise ModelError(f"{self}: no such file, and no network is called {self.network!r}{hint}")
        if not self.file or not os.path.lexists(file):
            raise ModelError(f"{self.file}: {self._missing()}")
        if not file.is_dir():
            return file
        if not (file / RUN_MODEL).exists():
            raise ModelError(f"{file}: is a folder without {RUN_MODEL}: give a model or the folder of a run")
        return file / RUN_MODEL

    def _missing(self) -> str:
        """Return why there is no file, and what to give."""
        if is_url(self.file):
            return "models are read from files on this machine: download it first"
        if self.network is not None:
            return "no such file"
        if is_name(self.file) and not self.file.endswith(".toml"):
            return f"a network without weights: give some, {self.file}=FILE, or a model that was trained"
        return (
            "no such file or folder: a model is the folder of a run, a file (.safetensors, .onnx), or NAME=FILE for a "
            "network of the zoo with weights of its own"
        )

    def __str__(self) -> str:
        return self.file if self.network is None else f"{self.network}={self.file}"


def load_model(path: AnyPath, engine: str = "numpy", device: str = "auto", told: Told = UNTOLD) -> Predictor | Detector:
    """Read a trained model.

    Args:
        path: the folder of a run; a `.safetensors` that `cnncli train` wrote; an `.onnx`; or `NAME=FILE`, a network of
            the zoo with the weights of torchvision, timm or Keras for it.
        engine: a name in `ENGINES`, `numpy` or `torch`.
        device: where: a name in `DEVICES`, such as `cuda`.
        told: what the file does not say.

    Returns:
        A `Model`; a `Detector`, if it was trained on boxes; a `RuntimeModel`, which predicts and no more, for an ONNX
        graph that is no network of known layers.

    Raises:
        ModelError: it is missing, damaged, or no model.
        ArgumentError: the engine is not installed, or has no such device; or what is told does not fit.

    Example:
        >>> load_model("runs/digits", told=Told(normalization="unit")).normalization
        Normalization(mean=(0.0,), std=(255.0,))
        >>> load_model("samples")
        Traceback (most recent call last):
        ...
        cnncli.errors.ModelError: samples: is a folder without model.safetensors: give a model or the folder of a run
    """
    backend = open_backend(engine, device)
    word = ModelWord.of(path)
    file = word.path()
    try:
        found = _read(word, file, told)
    except NotANetworkError as error:
        from cnncli.models.runtime import RuntimeModel

        return RuntimeModel(file, told, str(error)).on(backend)
    if found.class_names is None and told.classes is None and word.network is None:
        raise ModelError(f"{file}: does not name its classes: give their names, one a line, with --classes FILE")
    return _model(file, found, told).on(backend)


def load_trainable(path: AnyPath, told: Told = UNTOLD, *, unnamed: str = "") -> Model | Detector:
    """Read a model whose network is to be trained on, exported or looked into.

    Classes without names get numbers, after the word `unnamed`.

    Raises:
        ModelError: it is missing, damaged, or a graph that is no network of known layers: the message names the
            operator that stood in the way.
        ArgumentError: what is told does not fit.
    """
    word = ModelWord.of(path)
    file = word.path()
    return _model(file, _read(word, file, told), told, unnamed)


def as_model(model: Predictor | Detector | AnyPath) -> Predictor | Detector:
    """Return a model, loaded if it is a path."""
    return load_model(model) if isinstance(model, str | os.PathLike) else model


def as_predictor(model: PictureModel | AnyPath) -> Predictor:
    """Return what names the classes of pictures, loaded if it is a path.

    Raises:
        ModelError: it finds boxes instead.
    """
    loaded = model if isinstance(model, PictureModel) else load_model(model)
    if isinstance(loaded, Predictor):
        return loaded
    word = "the model" if isinstance(model, PictureModel) else f"{os.fspath(model)}:"
    raise ModelError(f"{word} finds boxes in pictures, and names no class of a whole one: use `cnncli detect`")


def as_trainable(model: PictureModel | AnyPath) -> Model | Detector:
    """Return the network of ours that a model is, loaded if it is a path.

    Raises:
        ModelError: there is none.
    """
    if not isinstance(model, PictureModel):
        return load_trainable(model)
    if isinstance(model, Model | Detector):
        return model
    raise ModelError(model.obstacle if isinstance(model, Predictor) else "is no network of ours")


def _read(word: ModelWord, file: Path, told: Told) -> Imported:
    """Read a file by the kind that its content shows.

    Raises:
        NotANetworkError: an ONNX graph that is no network of known layers.
    """
    if word.network is not None:
        from cnncli.models.importing.named import import_named

        return import_named(word.network, file, told.normalization)
    with naming_errors(file), opened(file) as buffer:
        kind = recognise(buffer, file.suffix)
    if kind is not None and ".onnx" in kind.suffixes:
        from cnncli.models.importing.onnx import import_onnx

        return _finite(file, import_onnx(file, told.size))
    from cnncli.models.importing.trained import read_trained

    return _finite(file, read_trained(file))


def _finite(file: Path, found: Imported) -> Imported:
    """Return what a file gives, if all its weights are finite."""
    with naming_errors(file):
        for name, array in (*found.parameters.items(), *found.buffers.items()):
            check_finite(name, array)
    return found


def _model(file: Path, found: Imported, told: Told, unnamed: str = "") -> Model | Detector:
    """Return a model of what a file gives and of what is told."""
    try:
        network = found.network if told.size is None else _resized(found.network, told.size)
        check_pixels(network.input_shape[:2])
        if told.classes:
            outputs = output_count(network)
            known = len(found.class_names or ()) if found.finds_boxes else outputs and max(2, outputs)
            _check_count(told.classes, known)
        normalization = told.normalization or found.normalization or UNNORMALIZED
        kind = Detector if found.finds_boxes else Model
        return kind(
            network,
            found.parameters,
            found.buffers,
            told.classes or found.class_names or _numbers(network, unnamed),
            normalization.over(network.input_shape[-1]),
            found.resize,
            found.scale,
            origin=found.origin,
        )
    except (ModelError, ArgumentError) as error:
        raise ModelError(f"{file}: {error}") from error


def _resized(network: Network, size: tuple[int, int]) -> Network:
    """Return a network for pictures of another size."""
    other = network.replace(input_shape=(*size, *network.input_shape[2:]))
    if other.param_shapes() != network.param_shapes():
        raise ModelError(f"takes pictures of {show_shape(network.input_shape[:2])} alone: leave out --size")
    return other


def _check_count(classes: Sequence[str], known: int | None) -> None:
    """Refuse a list of classes where a network tells another number of them apart, or nobody knows how many."""
    if known is not None and len(classes) != known:
        raise ModelError(f"tells {known} classes apart, but {len(classes)} are named in --classes")


def _numbers(network: Network, unnamed: str) -> tuple[str, ...]:
    """Return names for classes that have none."""
    outputs = output_count(network) or 0
    return tuple(f"{unnamed}{number}" for number in range(max(2, outputs)))
