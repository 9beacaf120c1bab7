"""Finding objects in pictures, with whatever finds them: a trained detector, or a classifier that slides."""

import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.data import Reading, ReadingOptions, read_picture
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.pictures import fitted, with_channels
from cnncli.data.resizing import Size, resized
from cnncli.errors import ArgumentError
from cnncli.models.detector import Detector
from cnncli.models.finding.options import FindingFields, FindingOptions
from cnncli.models.finding.sliding.finder import SlidingFinder
from cnncli.models.opening import as_model
from cnncli.models.prediction import ModelFile
from cnncli.models.predictor import AnyPath, PictureModel, Predictor

DEFAULT = FindingOptions()

TOGETHER = 8
"""Pictures that go through a detector together, if nothing but their boxes is wanted. 200 photographs, as a process,
took 1.48 of ONNX Runtime's time one by one, 1.18 by four, 1.08 by six and 1.07 by eight."""


class Finder(Protocol):
    """What finds the objects of a picture: a detector or a classifier that slides, with its options."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the labels of boxes."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for users on what it finds, a line each."""

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture: suppressed, the best first, in its pixels.

        Args:
            picture: (H, W, C) of any size, with the channels that the network takes and on its scale: not to be scaled
                again, for a dark picture would pass for fractions.
            name: of the picture, in messages.

        Raises:
            ImageError: a picture that the network cannot be run on.
        """


class DetectorFinder(NamedTuple):
    """A detector as a `Finder`."""

    detector: Detector
    options: FindingOptions = DEFAULT

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the labels of boxes."""
        return self.detector.class_names

    @property
    def notes(self) -> Sequence[str]:
        """None."""
        return ()

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture, as `Finder` says."""
        height, width = picture.shape[:2]
        return self.find_all([self.ready(picture)], [(height, width)])[0]

    def ready(self, picture: Array) -> Array:
        """Return a picture in the size of the network's input."""
        return resized(picture, self.detector.input_shape[:2], self.detector.resize)

    def find_all(self, pictures: Sequence[Array], sizes: Sequence[Size]) -> list[Boxes]:
        """Return the objects of pictures that are ready, in pixels of their sizes before."""
        said = {name: getattr(self.options, name) for name in ("threshold", "nms", "top")}
        return self.detector.boxes(self.detector.outputs(np.stack(pictures)), sizes, **said)


def as_finder(model: Predictor | Detector | AnyPath, options: FindingOptions = DEFAULT) -> Finder:
    """Return what finds objects with a model: the detector that it is, or a classifier that slides over pictures.

    Args:
        model: a model, or a word that `load_model` takes.
        options: which boxes are given, and how a classifier slides.

    Raises:
        ModelError: the model cannot be read, or cannot slide.
        ArgumentError: options on sliding for a detector; a class of the background that the model does not have.
    """
    loaded = as_model(model)
    if not isinstance(loaded, Detector):
        return SlidingFinder(loaded, options)
    if options.of_sliding:
        raise ArgumentError(
            f"{' and '.join(options.of_sliding)}: for a classifier that slides; this model was trained on "
            "boxes, and takes them whole: leave it out"
        )
    return DetectorFinder(loaded, options)


class Search:
    """A search for objects in pictures as they are, in colour or grey, from several threads.

    Args:
        model: a model that takes pictures.
        options: which boxes are given, and how a classifier slides.

    Raises:
        ModelError: a model that cannot slide.
        ArgumentError: options that do not fit the model.
    """

    def __init__(self, model: Predictor | Detector, options: FindingOptions = DEFAULT) -> None:
        self._finder = as_finder(model, options)
        self._channels = model.input_shape[2]
        self._turn: AbstractContextManager[object] = nullcontext() if model.concurrent else threading.Lock()

    @property
    def notes(self) -> Sequence[str]:
        """Notes for users on what it finds, a line each."""
        return self._finder.notes

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the labels of boxes."""
        return self._finder.class_names

    @property
    def window(self) -> Size | None:
        """(height, width) of the windows of a classifier that slides; None for a detector."""
        return self._finder.slider.windows.size if isinstance(self._finder, SlidingFinder) else None

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture (H, W, C) on the scale of the model.

        Raises:
            ImageError: it has other channels than the model takes.
        """
        with self._turn:
            return self._finder.find(with_channels(picture, self._channels, name), name)

    @property
    def together(self) -> int:
        """How many pictures go through the network together; 1 for a classifier, which slides over each."""
        return TOGETHER if isinstance(self._finder, DetectorFinder) else 1

    def ready(self, picture: Array, name: str) -> Array:
        """Return a picture as `find_all` takes it; errors are those of `find`."""
        return self._detector.ready(with_channels(picture, self._channels, name))

    def find_all(self, pictures: Sequence[Array], sizes: Sequence[Size]) -> list[Boxes]:
        """Return the objects of pictures that are ready, which had these sizes."""
        with self._turn:
            return self._detector.find_all(pictures, sizes)

    @property
    def _detector(self) -> DetectorFinder:
        assert isinstance(self._finder, DetectorFinder)  # `together` says so
        return self._finder


class SearchFile(NamedTuple):
    """A search with a model by its file, for other processes, which load it once each."""

    file: ModelFile
    options: FindingOptions = DEFAULT
    together: int = 1

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture, as `Search` does; further errors are those of `_search`."""
        return self._search().find(picture, name)

    def ready(self, picture: Array, name: str) -> Array:
        """Return a picture as `find_all` takes it."""
        return self._search().ready(picture, name)

    def find_all(self, pictures: Sequence[Array], sizes: Sequence[Size]) -> list[Boxes]:
        """Return the objects of pictures that are ready, which had these sizes."""
        return self._search().find_all(pictures, sizes)

    def _search(self) -> Search:
        """Return the search, loaded once.

        Raises:
            ModelError: the file is not there, or has changed since this reference was made.
        """
        if getattr(_own_searches, "file", None) != self:
            _own_searches.search = Search(self.file.model(), self.options)
            _own_searches.file = self
        search: Search = _own_searches.search
        return search


_own_searches = threading.local()


def reading_for(model: PictureModel, **changes: Unpack[ReadingOptions]) -> Reading:
    """Return how pictures are read to look for objects: in their own size and colours, on the scale of the model."""
    return model.reading(size=None, channels=None)._replace(**changes)


def find_boxes(
    model: Predictor | Detector | AnyPath, picture: AnyPath | npt.ArrayLike, **options: Unpack[FindingFields]
) -> Boxes:
    """Return the objects of a picture, the best first.

    Args:
        model: a model, or a word that `load_model` takes: one that was trained on boxes, or a classifier, which slides.
        picture: a path, or an array (H, W) or (H, W, C).
        options: as in `FindingOptions`, such as `threshold=0.3`.

    Returns:
        Boxes in pixels of the picture as the viewer sees it; their labels are indices of the model's `class_names`.

    Raises:
        ModelError: the model cannot be read, or finds nothing in pictures.
        ImageError: a picture that cannot be read, or has other channels or numbers than the model takes.
        ArgumentError: an option outside of its range, or that does not fit the model.

    Example:
        >>> found = find_boxes("runs/digits", "digits/7/00.png", scales=(1, 1), threshold=0)  # a classifier
        >>> found.places.tolist()
        [[0.0, 0.0, 28.0, 28.0]]
    """
    loaded = as_model(model)
    search, reading = Search(loaded, FindingOptions(**options)), reading_for(loaded)
    if isinstance(picture, str | os.PathLike):
        name = os.fspath(picture)
        return search.find(read_picture(name, reading), name)
    array = as_numbers(picture, "a picture")
    if array.ndim not in (2, 3):
        raise ArgumentError(f"a picture has the shape (H, W) or (H, W, C), got {array.shape}")
    pixels = fitted(array, reading, "the picture", picture=array.dtype == np.uint16)
    return search.find(pixels, "the picture")
