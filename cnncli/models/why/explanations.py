"""What spoke for a class in a picture, by every method that a model allows."""

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.choices import did_you_mean
from cnncli.data import Reading, ReadingOptions, read_picture
from cnncli.data.pictures import fitted
from cnncli.data.resizing import put_back, resized
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.model import Model
from cnncli.models.opening import as_predictor
from cnncli.models.prediction import ModelFile
from cnncli.models.predictor import AnyPath, PictureModel, Predictor
from cnncli.models.why.gradcam import grad_cam
from cnncli.models.why.gradients import plain_gradient, smoothed_gradient
from cnncli.models.why.occlusion import Patches, occlude
from cnncli.models.why.options import GRADCAM, GRADIENT, METHODS, OCCLUSION, SMOOTH, Size, WhyFields, WhyOptions
from cnncli.models.why.scores import Scores

DEFAULT = WhyOptions()


class ClassMap(Protocol):
    """What one method finds: an `Occlusion`, a `Gradient` or a `GradCam`."""

    @property
    def method(self) -> str:
        """A word of `METHODS`."""

    @property
    def title(self) -> str:
        """The method in words."""

    @property
    def cells(self) -> Array:
        """(rows, columns), in the method's own resolution."""

    def over(self, size: Size) -> Array:
        """Return the map (H, W) over the network's input."""

    def facts(self, row: int, column: int) -> dict[str, Any]:
        """Return the numbers that a cell is made of."""

    def lines(self, row: int, column: int) -> list[str]:
        """Return the arithmetic of a cell in words."""


class ClassExplanation(NamedTuple):
    """What spoke for a class in a picture.

    Attributes:
        class_name: the class.
        probability: of the class, from 0 to 1.
        score: of the class, before softmax; None for a model that is no network of ours.
        picture: (H, W, C), the picture in its own size, on the scale of the model.
        input_size: (height, width) of the network's input.
        resize: the way in which the picture was brought to it.
        found: a `ClassMap` of each method, in the order of `METHODS`.
    """

    class_name: str
    probability: float
    score: float | None
    picture: Array
    input_size: Size
    resize: str
    found: tuple[ClassMap, ...]

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        height, width = self.picture.shape[:2]
        return height, width

    def of(self, method: str) -> ClassMap:
        """Return what a method found.

        Raises:
            ArgumentError: it was not asked, or the model does not allow it.
        """
        for one in self.found:
            if one.method == method:
                return one
        raise ArgumentError(f"there is no map of {method!r}: there are {', '.join(one.method for one in self.found)}")

    def map(self, method: str) -> Array:
        """Return the map (H, W) of a method in the picture's own size, float32; 0 for parts that the model never saw.

        Raises:
            ArgumentError: as in `of`.
        """
        return put_back(self.of(method).over(self.input_size), self.size, self.resize)

    def sheet(self, title: str = "") -> Array:
        """Return the picture and its maps side by side, (H, W, 3) bytes."""
        from cnncli.models.why.sheet import draw_explanation

        return draw_explanation(self, title)


def cell_of(found: ClassMap, cell: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return the (row, column) of a cell of a map; the strongest one by default.

    Raises:
        ArgumentError: it is not on the map.
    """
    cells = found.cells
    if cell is None:
        row, column = np.unravel_index(int(np.abs(cells).argmax()), cells.shape)
        return int(row), int(column)
    if not all(0 <= place < length for place, length in zip(cell, cells.shape, strict=True)):
        raise ArgumentError(
            f"cell {cell[0]},{cell[1]} is not on the map of {found.method}, which has {cells.shape[0]}x"
            f"{cells.shape[1]} cells, counted from 0,0: name another, or one --method"
        )
    return cell


class Explainer:
    """Explains the classes that a model names, from several threads.

    Args:
        model: names classes.
        class_name: the class to explain; None for the likeliest of each picture.
        options: how.

    Attributes:
        methods: those that the model allows, of those asked for.
        notes: notes for the user on those that it does not allow, a line each.

    Raises:
        ModelError: a model without gradients, if only those are asked for.
        ArgumentError: an unknown class or layer, or a patch that does not fit the network's input.
    """

    def __init__(self, model: Predictor, class_name: str | None = None, options: WhyOptions = DEFAULT) -> None:
        self.model, self.options = model, options
        if class_name is not None and class_name not in model.class_names:
            raise ArgumentError(f"the model has no class {class_name!r}: {did_you_mean(class_name, model.class_names)}")
        self._label = None if class_name is None else model.class_names.index(class_name)
        self._own = threading.local()
        self._turn: AbstractContextManager[object] = nullcontext() if model.concurrent else threading.Lock()
        self._size: Size = (model.input_shape[0], model.input_shape[1])
        self._layer = ""
        self.notes: list[str] = []
        self.methods = self._allowed()
        if OCCLUSION in self.methods:
            self._patches = Patches.of(self._size, options.patch, options.stride)

    def _allowed(self) -> tuple[str, ...]:
        """Return the methods that the model allows; where all are asked for, note those that it does not."""
        asked = self.options.methods or METHODS
        if isinstance(self.model, Model):
            if GRADCAM not in asked:
                return asked
            try:
                self._layer = self._scores.map_layer(self.options.layer)
            except ArgumentError as error:
                return self._refused(asked, [GRADCAM], error)
            return asked
        refusal = ModelError(f"{self.model.obstacle}: gradients need a network of ours, --method {OCCLUSION} does not")
        return self._refused(asked, [GRADIENT, SMOOTH, GRADCAM], refusal)

    def _refused(
        self, asked: tuple[str, ...], methods: list[str], error: ArgumentError | ModelError
    ) -> tuple[str, ...]:
        """Return the methods without some; raise the error where the user asked for one of these."""
        if set(methods) & set(self.options.methods or ()) or self.options.layer is not None:
            raise error
        self.notes.append(f"without {', '.join(methods)}: {error}")
        return tuple(method for method in asked if method not in methods)

    @property
    def _scores(self) -> Scores:
        """The scores of this thread."""
        if not hasattr(self._own, "scores"):
            assert isinstance(self.model, Model)
            self._own.scores = Scores(self.model)
        found: Scores = self._own.scores
        return found

    def explain(self, picture: Array, name: str = "the picture") -> ClassExplanation:
        """Return what spoke for the class.

        Args:
            picture: (H, W, C) of any size, with the channels that the network takes and on its scale.
            name: of the picture, in messages.

        Raises:
            ModelError: the model gives no finite numbers.
        """
        with self._turn:
            pixels = resized(picture, self._size, self.model.resize)
            probabilities = self.model.probabilities(pixels[np.newaxis])[0]
            if not np.isfinite(probabilities).all():
                raise ModelError(f"{name}: the model gives no finite probabilities for it")
            label = int(probabilities.argmax()) if self._label is None else self._label
            image = self.model.normalization.apply(pixels[np.newaxis])[0]
            ways = self._ways(pixels, image, label)
            score = self._scores.score(image, label) if isinstance(self.model, Model) else None
            found = tuple(ways[method]() for method in METHODS if method in self.methods)
        class_name, probability = self.model.class_names[label], float(probabilities[label])
        return ClassExplanation(class_name, probability, score, picture, self._size, self.model.resize, found)

    def _ways(self, pixels: Array, image: Array, label: int) -> dict[str, Callable[[], ClassMap]]:
        """Return what each method does."""
        said = {name: getattr(self.options, name) for name in ("samples", "noise", "seed")}
        return {
            OCCLUSION: lambda: occlude(self.model, pixels, label, self._patches),
            GRADIENT: lambda: plain_gradient(self._scores, image, label),
            SMOOTH: lambda: smoothed_gradient(self._scores, image, label, **said),
            GRADCAM: lambda: grad_cam(self._scores, image, label, self._layer),
        }


class ExplainFile(NamedTuple):
    """An explainer of a model by its file, for other processes, which load it once each."""

    file: ModelFile
    class_name: str | None
    options: WhyOptions

    def explain(self, picture: Array, name: str) -> ClassExplanation:
        """Return what `Explainer.explain` does.

        Raises:
            ModelError: the file is not there, or has changed since this reference was made.
        """
        if getattr(_own_explainers, "file", None) != self:
            model = as_predictor(self.file.model())
            _own_explainers.explainer = Explainer(model, self.class_name, self.options)
            _own_explainers.file = self
        found: ClassExplanation = _own_explainers.explainer.explain(picture, name)
        return found


_own_explainers = threading.local()


def reading_for(model: PictureModel, **changes: Unpack[ReadingOptions]) -> Reading:
    """Return how pictures are read to be explained: in their own size, with the channels and scale of the model."""
    return model.reading(size=None)._replace(**changes)


def explain_class(
    model: Predictor | AnyPath,
    picture: AnyPath | npt.ArrayLike,
    class_name: str | None = None,
    **options: Unpack[WhyFields],
) -> ClassExplanation:
    """Return what spoke for a class in a picture, by every method that the model allows.

    - `occlusion`: the probability of the class minus that with a patch of the picture covered (Zeiler and Fergus 2014,
      arXiv:1311.2901, section 4.2), in the mean over the patches that cover a pixel.
    - `gradient`: max over the channels of |d score / d pixel| (Simonyan et al. 2014, arXiv:1312.6034, section 3).
    - `smooth`: the same of the mean gradient of noisy pictures (Smilkov et al. 2017, arXiv:1706.03825).
    - `gradcam`: ReLU(sum_k alpha_k A^k), with the maps A^k of a layer and alpha_k the mean over the places of
      d score / d A^k (Selvaraju et al. 2017, arXiv:1610.02391).

    The score of a class is what the network puts out before softmax.

    Args:
        model: a model, or a word that `load_model` takes.
        picture: a path, or an array (H, W) or (H, W, C).
        class_name: the class; None for the likeliest.
        options: as in `WhyOptions`, such as `methods=("gradcam",)`.

    Raises:
        ModelError: the model cannot be read, finds boxes, or has no gradients where only those are asked for.
        ImageError: a picture that cannot be read, or has other channels or numbers than the model takes.
        ArgumentError: an option outside of its range, or that does not fit the model.

    Example:
        >>> found = explain_class("runs/digits", "digits/7/00.png", methods=("occlusion", "gradient"))
        >>> found.class_name, found.map("occlusion").shape
        ('7', (28, 28))
    """
    loaded = as_predictor(model)
    explainer, reading = Explainer(loaded, class_name, WhyOptions(**options)), reading_for(loaded)
    if isinstance(picture, str | os.PathLike):
        name = os.fspath(picture)
        return explainer.explain(read_picture(name, reading), name)
    array = as_numbers(picture, "a picture")
    if array.ndim not in (2, 3):
        raise ArgumentError(f"a picture has the shape (H, W) or (H, W, C), got {array.shape}")
    return explainer.explain(fitted(array, reading, "the picture", picture=array.dtype == np.uint16))
