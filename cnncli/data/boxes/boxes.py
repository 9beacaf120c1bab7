"""The boxes of one picture: places, classes, scores."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array

Floats = NDArray[np.float64]

NO_BOX, CROWD = -1, -2
"""What stands for a class in rows of labels that hold no box, or one that is neither trained on nor counted."""


class Boxes(NamedTuple):
    """The boxes of one picture: labels of a data set, or what a model found.

    Attributes:
        places: (n, 4) float64: x, y, width, height in pixels of the upright picture, 0,0 at its top left.
        labels: (n,) int64, the index of each one's class.
        scores: (n,) float64, from 0 to 1; 1 for labels.
        crowd: (n,) bool: whether it stands for many objects, or one too hard to judge: such boxes are neither trained
            on nor counted.
        areas: (n,) float64: area of the object, which COCO's files give apart from its box; else that of the box.

    Example:
        >>> Boxes.of([[0, 0, 4, 5]], [2]).areas.tolist()
        [20.0]
    """

    places: Floats
    labels: NDArray[np.int64]
    scores: Floats
    crowd: NDArray[np.bool_]
    areas: Floats

    @classmethod
    def of(
        cls,
        places: object = (),
        labels: object = (),
        scores: object = None,
        crowd: object = None,
        areas: object = None,
    ) -> "Boxes":
        """Return boxes from anything that NumPy makes arrays of; scores are 1 and crowd is False by default."""
        found = np.asarray(places, np.float64).reshape(-1, 4)
        return cls(
            found,
            np.asarray(labels, np.int64).reshape(-1),
            np.ones(len(found)) if scores is None else np.asarray(scores, np.float64),
            np.zeros(len(found), bool) if crowd is None else np.asarray(crowd, bool),
            found[:, 2] * found[:, 3] if areas is None else np.asarray(areas, np.float64),
        )

    @classmethod
    def of_rows(cls, rows: Array) -> "Boxes":
        """Return the boxes of rows of labels (M, 5), as `BoxDataset.labels` has them; the class of crowds is 0.

        Example:
            >>> Boxes.of_rows(np.array([[1, 2, 3, 4, 5], [-1, 0, 0, 0, 0], [-2, 6, 6, 6, 6]])).crowd.tolist()
            [False, True]
        """
        crowd = rows[:, 0] == CROWD
        boxes = cls.of(rows[:, 1:], np.where(crowd, 0, rows[:, 0]), crowd=crowd)
        return boxes.chosen((rows[:, 0] >= 0) | crowd)

    def chosen(self, which: Array | slice) -> "Boxes":
        """Return some of the boxes: by indices, or by a mask.

        Example:
            >>> Boxes.of([[0, 0, 4, 5], [1, 1, 2, 2]], [2, 0]).chosen(np.array([1])).labels.tolist()
            [0]
        """
        fields = {name: array[which] for name, array in self._asdict().items()}
        return Boxes(**fields)

    def moved(self, places: Array) -> "Boxes":
        """Return the boxes in other places (n, 4), their areas scaled as the places are."""
        before, after = self.places[:, 2:].prod(axis=1), places[:, 2:].prod(axis=1)
        return self._replace(places=places, areas=self.areas * after / np.where(before > 0, before, 1))

    def inside(self, size: tuple[int, int]) -> "Boxes":
        """Return the boxes cut at the border of a picture of a size (height, width), without those outside it.

        Example:
            >>> Boxes.of([[-2, 1, 4, 5], [9, 1, 2, 2]], [2, 0]).inside((8, 8)).places.tolist()
            [[0.0, 1.0, 2.0, 5.0]]
        """
        limits = np.array([size[1], size[0]], np.float64)
        low = self.places[:, :2].clip(0, limits)
        high = (self.places[:, :2] + self.places[:, 2:]).clip(0, limits)
        cut = self.moved(np.concatenate([low, high - low], axis=1))
        return cut.chosen(cut.places[:, 2:].min(axis=1, initial=np.inf) > 0)
