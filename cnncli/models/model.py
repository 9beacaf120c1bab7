"""A network of ours with weights, and the file that holds everything needed to use it."""

import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.data import BYTES, RESIZES, SCALES
from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend, open_backend
from cnncli.engines.engine import Engine, Predicting, check_arrays
from cnncli.engines.head import probabilities
from cnncli.errors import ModelError
from cnncli.files.html import html_table
from cnncli.formats.files import named
from cnncli.formats.safetensors import INPUT, NETWORK
from cnncli.models.predictor import AnyPath, PictureModel, Predictor
from cnncli.models.safetensors import write_tensors
from cnncli.networks import Network
from cnncli.networks.heads import output_count
from cnncli.shapes import show_shape
from cnncli.values import Value

T = TypeVar("T")

CLASSES, NORMALIZATION, RESIZE = "cnncli.classes", "cnncli.normalization", "cnncli.resize"
SCALE, FINDS, VERSION = "cnncli.scale", "cnncli.finds", "cnncli.version"
"""The keys of the metadata beside the network and its input."""

BOXES = "boxes"
"""What a detector finds, as the metadata of its file says it; that of a classifier has no such key."""


class TrainedNetwork(PictureModel, Value):
    """A network of ours with weights, whatever its outputs mean; pictures are those of `PictureModel`.

    Attributes:
        network: with its input, and with a last softmax if it was given with one.
        parameters: the trained arrays by name, float32.
        buffers: the running statistics by name, float32.
        class_names: the classes in the order of the outputs.
        normalization: applied to pictures first.
        resize: the way to resize pictures of other sizes: a name in `RESIZES`.
        scale: the meaning of the numbers of pictures: a word of `SCALES`.
        backend: computes the network: NumPy, or what `on` has chosen.
        origin: where the weights come from; empty for a model that was trained here.

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
    backend: Backend = Backend()
    origin: str = ""

    def validate(self) -> None:
        self.normalize(class_names=tuple(self.class_names))
        float32 = np.dtype(np.float32)
        check_arrays(self.parameters, self.network.param_shapes(), "parameter", float32, ModelError)
        check_arrays(self.buffers, self.network.buffer_shapes(), "buffer", float32, ModelError)
        self.check_outputs()
        if len(self.network.input_shape) != 3 or len(self.normalization.mean) != self.network.input_shape[2]:
            channels, shape = len(self.normalization.mean), show_shape(self.network.input_shape)
            raise ModelError(f"is normalised for {channels} channels, but its network's input is {shape}")
        if self.resize not in RESIZES:
            raise ModelError(f"resizes pictures by {named(self.resize)!r}: the ways are {', '.join(RESIZES)}")
        if self.scale not in SCALES:
            raise ModelError(f"takes pixels on the scale {named(self.scale)!r}: the scales are {', '.join(SCALES)}")

    def check_outputs(self) -> None:
        """Check that the network's outputs are those of the classes.

        Raises:
            ModelError: they are not.
        """
        raise NotImplementedError

    __eq__ = object.__eq__  # comparing arrays takes long and is seldom meant
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.network}, {len(self.class_names)} classes>"

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

    def outputs(self, pictures: Array, jobs: int = 1) -> Array:
        """Return the outputs (N, *output_shape) for pictures (N, *input_shape), before normalization."""
        return self._predictor(jobs).predict(pictures, prepare=self.normalization.apply)

    @property
    def concurrent(self) -> bool:
        return self.backend.concurrent

    def layer_names(self) -> list[str]:
        """Return the names of the layers, in the order of computation.

        `0.conv` names what the convolution of the first word puts out, `0` the output of the whole word with its
        options; `4.res.main.0.conv` is inside a block.
        """
        from cnncli.engines.pixels.steps import Steps

        return list(Steps(self.network).names)

    def features(self, picture: AnyPath | npt.ArrayLike, layer: str) -> Array:
        """Return a layer's feature maps of a picture.

        Args:
            picture: one picture or path, as in `PictureModel`.
            layer: one of `layer_names`, or the index of a word in the network's text, from 0.

        Returns:
            (H_out, W_out, C_out), or (N,) after a flatten or a fully connected layer.

        Raises:
            ArgumentError: there is no such layer; the message lists the layers.

        Example:
            >>> load_model("runs/digits").features("digits/7/00.png", "0.conv").ndim
            3
        """
        from cnncli.engines.pixels.steps import full_names

        name = full_names(self.network, [layer])[layer]
        batch, _ = self._batch(picture)
        activations = self.engine().activations(self.normalization.apply(batch))
        found: Array = dict(activations)[name][0]
        return found

    def on(self, engine: str | Backend, device: str = "auto") -> Self:
        """Return the same model, computed by another engine.

        Args:
            engine: a name in `ENGINES`, `numpy` or `torch`; or a backend that is open.
            device: a name in `DEVICES`, such as `cuda`.

        Raises:
            ArgumentError: the engine is not installed, or has no such device.
        """
        return self.replace(backend=open_backend(engine, device) if isinstance(engine, str) else engine)

    def engine(self, jobs: int = 1) -> Engine:
        """Return an engine that computes the network as it is written; it is kept for the next call."""
        return _kept(_engines, self, jobs, self.backend.engine)

    def _predictor(self, jobs: int) -> Predicting:
        return _kept(_predictors, self, jobs, self.backend.predictor)

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


class Model(TrainedNetwork, Predictor):
    """A network of ours that names the classes of pictures.

    Example:
        >>> model = load_model("runs/digits")
        >>> model.class_names[model.predict("digits/7/00.png")]
        '7'
    """

    def check_outputs(self) -> None:
        outputs, classes = output_count(self.network), len(self.class_names)
        if outputs != classes and not (outputs == 1 and classes == 2):
            raise ModelError(f"has {classes} classes, but its network puts out {show_shape(self.network.output_shape)}")

    def _classified(self, pictures: Array, jobs: int) -> Array:
        return probabilities(self.outputs(pictures, jobs), self.network)


_engines: WeakKeyDictionary[TrainedNetwork, tuple[int, Engine]] = WeakKeyDictionary()
_predictors: WeakKeyDictionary[TrainedNetwork, tuple[int, Predicting]] = WeakKeyDictionary()
_keeping = Lock()


def _kept(
    store: WeakKeyDictionary[TrainedNetwork, tuple[int, T]], model: TrainedNetwork, jobs: int, make: Callable[..., T]
) -> T:
    """Return what was made for a model and a number of threads; what was made for another number is given up."""
    with _keeping:
        kept = store.get(model)
        if kept is None or kept[0] != jobs:
            kept = store[model] = jobs, make(model.network, model.parameters, model.buffers, jobs=jobs)
        return kept[1]


def save_model(path: AnyPath, model: TrainedNetwork) -> None:
    """Write a model as a safetensors file, whole or not at all; the same model gives the same bytes.

    Raises:
        ModelError: the file cannot be written.
    """
    write_tensors(path, {**model.parameters, **model.buffers}, model.metadata)
