"""Data sets of pictures with boxes."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnncli.data.boxes.boxes import CROWD, NO_BOX, Boxes
from cnncli.data.datasets import Dataset, unknown_classes
from cnncli.data.files import CheckedFiles, FilePictures, PictureCache
from cnncli.data.parts import split_pictures
from cnncli.data.resizing import Placement, Size
from cnncli.errors import DataError


class BoxDataset(FilePictures):
    """Pictures in files, with boxes.

    Attributes:
        class_names: the classes in order.
        sizes: (N, 2), height and width of each picture as it is, upright.
        boxes: the boxes of each picture, in pixels of the picture as it is.
    """

    def __init__(self, files: CheckedFiles, boxes: Sequence[Boxes], class_names: Sequence[str]) -> None:
        super().__init__(files)
        self._files = files
        self.class_names = tuple(class_names)
        self.sizes: NDArray[np.int64] = np.array(files.sizes, np.int64).reshape(-1, 2)
        self.boxes = boxes

    def __repr__(self) -> str:
        size, count = "x".join(map(str, self.shape)), sum(len(boxes.places) for boxes in self.boxes)
        return f"<{type(self).__name__}: {len(self):,} pictures of {size}, {count:,} boxes>"

    def counts(self) -> NDArray[np.int64]:
        """Return the number of boxes of each class, without crowds."""
        labels = [boxes.labels[~boxes.crowd] for boxes in self.boxes]
        return np.bincount(np.concatenate([*labels, []]).astype(np.int64), minlength=len(self.class_names))

    @cached_property
    def labels(self) -> NDArray[np.float32]:
        """The boxes as a network takes them, (N, M, 5): class, x, y, width, height in pixels of the resized picture.

        M is the largest number of boxes of a picture, at least 1; rows without a box have the class -1, crowds -2.
        """
        most = max((len(boxes.places) for boxes in self.boxes), default=0)
        labels = np.zeros((len(self), max(1, most), 5), np.float32)
        labels[..., 0] = NO_BOX
        for rows, boxes in zip(labels, self.placed(), strict=True):
            rows = rows[: len(boxes.places)]
            rows[:, 0] = np.where(boxes.crowd, CROWD, boxes.labels)
            rows[:, 1:] = boxes.places
        return labels

    def placed(self) -> list[Boxes]:
        """Return the boxes of each picture in pixels of the resized one, crowds with their classes."""
        ways = (
            Placement.of((height, width), self.shape[:2], self._reading.resize) for height, width in self.sizes.tolist()
        )
        return [boxes.moved(way.forward(boxes.places)) for boxes, way in zip(self.boxes, ways, strict=True)]

    def take(self, indices: Any) -> Self:
        """Return the data set of some of the pictures, in the order of their indices."""
        items = np.asarray(indices, np.int64).tolist()
        files = self._files._replace(
            paths=[self._files.paths[item] for item in items], sizes=[self._files.sizes[item] for item in items]
        )
        return type(self)(files, [self.boxes[item] for item in items], self.class_names)

    def resized(self, size: Size, how: str) -> Self:
        """Return the same pictures brought to another size, as `resized` does each."""
        if (size, how) == (self.shape[:2], self._reading.resize):
            return self
        reading, cache = self._reading._replace(size=size, resize=how), PictureCache(self._reading.cache_bytes)
        files = self._files._replace(shape=(*size, self.shape[2]), reading=reading, cache=cache)
        return type(self)(files, self.boxes, self.class_names)

    def with_classes(self, class_names: Sequence[str]) -> Self:
        """Return the same pictures, whose boxes are labelled by the index of their class in another list of classes.

        Raises:
            DataError: a class is not in the list.
        """
        unknown = [name for name in self.class_names if name not in class_names]
        if unknown:
            raise DataError(unknown_classes(unknown, class_names))
        places = np.array([class_names.index(name) for name in self.class_names], np.int64)
        boxes = [one._replace(labels=places[one.labels]) for one in self.boxes]
        return type(self)(self._files, boxes, class_names)


Labelled = Dataset | BoxDataset
"""Pictures of which each has a class, or boxes."""


def split_boxes(dataset: BoxDataset, fraction: float) -> tuple[BoxDataset, BoxDataset]:
    """Return the part to train on and the part to validate by: whole pictures, chosen by a hash of their content.

    The choice is the same on every machine and in any order of the files; equal pictures stay together.

    Raises:
        ArgumentError: a fraction out of range, or fewer than two different pictures.
    """
    train, validation = split_pictures(dataset, fraction)
    return dataset.take(train), dataset.take(validation)
