"""What takes pictures, and what names their classes: a network of ours, or a graph in another runtime."""

import os
from collections.abc import Sequence
from math import prod
from typing import Self, Unpack, overload

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.data import Dataset, Reading, ReadingOptions, Resized, read_picture
from cnncli.data.normalization import Normalization
from cnncli.data.pictures import fitted
from cnncli.engines.backends import Backend
from cnncli.errors import ArgumentError, ModelError
from cnncli.images.sources import MAX_PIXELS
from cnncli.shapes import show_shape

AnyPath = str | os.PathLike[str]
Pictures = AnyPath | Sequence[AnyPath] | npt.ArrayLike


class PictureModel:
    """What takes pictures: how they are brought to a trained network, however it is computed.

    A picture is an array (H, W) or (H, W, C), or a path; it is converted as `cnncli predict` converts files: to the
    scale 0 to 255 and the channels and size of the network. A batch is an array (N, H, W, C) that has them already, or
    a list of paths.

    Attributes:
        class_names: the classes in the order of the outputs.
        normalization: applied to pictures first.
        resize: the way to resize pictures of other sizes: a name in `RESIZES`.
        scale: the meaning of the numbers of pictures: a word of `SCALES`.
        origin: where the weights come from; empty for a model that was trained here.
    """

    class_names: tuple[str, ...]
    normalization: Normalization
    resize: str
    scale: str
    origin: str

    @property
    def concurrent(self) -> bool:
        """Whether threads may call it at the same time."""
        return False

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the pictures."""
        raise NotImplementedError

    def on(self, engine: str | Backend, device: str = "auto") -> Self:
        """Return the same model, computed by another engine."""
        raise NotImplementedError

    @property
    def preprocessing(self) -> str:
        """How images are brought to the network, in words."""
        return f"images {show_shape(self.input_shape)} ({self.resize}), {self.normalization.words}"

    def reading(self, **changes: Unpack[ReadingOptions]) -> Reading:
        """Return how pictures are read for this model."""
        height, width, channels = self.input_shape
        reading = Reading(size=(height, width), channels=channels, resize=self.resize, scale=self.scale)
        return reading._replace(**changes)

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


class Predictor(PictureModel):
    """A trained network that names the classes of pictures, which are those of `PictureModel`."""

    @property
    def obstacle(self) -> str:
        """Why there is no network of ours to train, export or look into; empty where there is one."""
        return ""

    def _classified(self, pictures: Array, jobs: int) -> Array:
        """Return the probabilities (N, classes) of pictures (N, *input_shape), before normalization."""
        raise NotImplementedError

    @overload
    def predict(self, pictures: AnyPath, jobs: int = 1) -> int: ...
    @overload
    def predict(self, pictures: Pictures, jobs: int = 1) -> int | npt.NDArray[np.int64]: ...
    def predict(self, pictures: Pictures, jobs: int = 1) -> int | npt.NDArray[np.int64]:
        """Return the index of the likeliest class in `class_names`.

        Args:
            pictures: a picture, a path, or a batch of these, as in `PictureModel`.
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
        found = self._classified(batch, jobs)
        return found[0] if is_single else found

    def classify(self, dataset: Dataset, jobs: int = 1) -> Array:
        """Return the probabilities of a whole data set, (N, classes), reading a few pictures at a time.

        Pictures of another size than the network's are resized as files are.
        """
        size = self.input_shape[:2]
        dataset = dataset if dataset.shape[:2] == size else Resized(dataset, size, self.resize)
        parts = [self.probabilities(images, jobs) for _, images in dataset.chunks()]
        return np.concatenate(parts) if parts else np.empty((0, len(self.class_names)), np.float32)


def check_pixels(size: Sequence[int]) -> None:
    """Refuse a model of pictures larger than any that is read: every picture would be made as large.

    Raises:
        ModelError: the product of a size is too large.
    """
    if prod(size) > MAX_PIXELS:
        raise ModelError(f"takes pictures of {show_shape(size)}: at most {MAX_PIXELS} pixels are read")
