"""A classifier that slides over pictures, as what finds objects: windows that show one become boxes."""

from collections.abc import Iterator

import numpy as np

from cnncli.arrays import Array
from cnncli.choices import did_you_mean
from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ArgumentError
from cnncli.models.finding.options import FindingOptions
from cnncli.models.finding.sliding.pyramids import SCALES, pyramid
from cnncli.models.finding.sliding.sliders import Slider, slider_of
from cnncli.models.finding.sliding.tiles import level_scores
from cnncli.models.predictor import Predictor
from cnncli.ops.boxes import nms

BACKGROUND = "background"
"""The name of a class that makes no boxes, unless told."""

_FIRST_SUPPRESSED = 10_000


class SlidingFinder:
    """A classifier that slides over pictures, as a `Finder`.

    Every window makes a box with its likeliest class, if that is probable enough: the box is the window's pixels
    exactly. Then non-maximum suppression keeps the best of each class. The last pixels of a picture, fewer than the
    distance between windows, may be in none.

    Factors of the pyramid follow each other so closely that the sides of windows grow by at most twice the distance
    between windows, within 19 to 41 %. A factor that makes the picture smaller than a window is left out; if all do,
    the picture is enlarged so that one window fits.

    Args:
        model: the classifier.
        options: which boxes are given, and how it slides.
        jobs: threads that compute the tiles of a picture.

    Attributes:
        class_names: the classes in the order of the labels of boxes; that of the background makes none.
        slider: what computes the windows.

    Raises:
        ModelError: a network that cannot slide in one pass.
        ArgumentError: a class of the background that the model does not have.
    """

    def __init__(
        self,
        model: Predictor,
        options: FindingOptions = FindingOptions(),  # noqa: B008 -- a value that never changes
        jobs: int = 1,
    ) -> None:
        self.options, self.class_names = options, model.class_names
        self._objects = _object_labels(model.class_names, options.background)
        self.slider: Slider = slider_of(model, exact=options.exact, jobs=jobs)

    @property
    def notes(self) -> list[str]:
        """Notes for users on what it finds, a line each."""
        padded, notes = self.slider.windows.padded, []
        if padded and not self.options.exact:
            notes.append(
                f"{padded} pads its input: inside a picture windows see their surroundings where pictures of "
                "their own have zeros, so their probabilities differ; --exact computes each window as a picture"
            )
        if len(self._objects) == len(self.class_names):
            notes.append(f"no class is called {BACKGROUND}: every window is taken for an object of some class")
        return notes

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture, as `Finder` says."""
        found = list(self._candidates(picture))
        boxes = Boxes.of(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        return boxes.chosen(suppressed(boxes, self.options.nms, self.options.top))

    def _candidates(self, picture: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Yield places, labels and scores of the windows that are probable enough, tile by tile."""
        size, stride = (np.array(pair[::-1]) for pair in self.slider.windows[:2])
        given = picture.shape[:2]
        for level in pyramid((given[0], given[1]), self.slider.windows, self.options.scales or SCALES):
            scale = np.array(level[::-1]) / given[::-1]
            for row, column, probabilities in level_scores(picture, level, self.slider):
                chosen = probabilities[..., self._objects]
                best = chosen.argmax(axis=-1)
                scores = np.take_along_axis(chosen, best[..., np.newaxis], axis=-1)[..., 0]
                rows, columns = np.nonzero(scores >= self.options.threshold)
                corners = np.stack([columns + column, rows + row], axis=1) * stride / scale
                places = np.concatenate([corners, np.broadcast_to(size / scale, corners.shape)], axis=1)
                yield places, self._objects[best[rows, columns]], scores[rows, columns]


def _object_labels(class_names: tuple[str, ...], background: str | None) -> Array:
    """Return the labels of the classes that make boxes."""
    if background is not None and background not in class_names:
        raise ArgumentError(f"the model has no class {background!r}: {did_you_mean(background, class_names)}")
    nothing = background or BACKGROUND
    labels = np.array([label for label, name in enumerate(class_names) if name != nothing], np.int64)
    if not len(labels):
        raise ArgumentError(f"the model has no class beside {nothing!r}: nothing can be found")
    return labels


def suppressed(boxes: Boxes, threshold: float, top: int) -> Array:
    """Return the indices of the boxes that are best in their place for their class, the best first, at most `top`."""
    order = np.argsort(-boxes.scores, kind="stable")
    count = _FIRST_SUPPRESSED
    while True:  # what is kept of the best does not depend on the rest
        first = order[:count]
        kept = nms(boxes.places[first], boxes.scores[first], threshold, boxes.labels[first])
        if len(kept) >= top or count >= len(order):
            return first[kept[:top]]
        count *= 4
