"""Harvesting: the windows of pictures without objects that a classifier takes for objects, to train on again.

A classifier has seen little of what is no object. Of pictures that hold none, every window in which it finds one is an
example of the background that it lacks (bootstrapping: Sung and Poggio 1998, Example-based learning for view-based
human face detection, IEEE PAMI 20(1), section 4).
"""

import io
import os
from itertools import chain, count
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.objects import is_url
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.resizing import Size, resized_part
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import open_whole
from cnncli.images.writing import write_image
from cnncli.models.finding.sliding.finder import BACKGROUND
from cnncli.models.sorting import path_names
from cnncli.ops.boxes import nms

MOST = 20
"""The most windows of a picture, unless told."""


class Harvest(NamedTuple):
    """Where false windows are written to, of the size that the classifier takes.

    They are named after the picture, the place in it and the class found: `street-40-12-64x64-face.png`.

    Attributes:
        folder: the folder of the background's class.
        window: (height, width) of the windows.
        names: the class names, as they are in paths.
        most: the most windows of a picture, the best of those that overlap little.
    """

    folder: str
    window: Size
    names: tuple[str, ...]
    most: int = MOST

    @classmethod
    def into(
        cls,
        folder: str,
        window: Size | None,
        class_names: tuple[str, ...],
        *,
        background: str | None = None,
        most: int | None = None,
    ) -> "Harvest":
        """Return the harvest of a classifier in a folder with a folder for each class, such as one to train on.

        Args:
            folder: the folder; made where it is missing.
            window: (height, width) of the windows; None for a model that does not slide.
            class_names: the classes in the order of labels.
            background: the class of windows without an object; None for `background`.
            most: the most windows of a picture; None for `MOST`.

        Raises:
            ArgumentError: the model does not slide, or it is not a local folder.
        """
        if window is None:
            raise ArgumentError("a model that was trained on boxes has no windows to harvest: a classifier has")
        if is_url(folder) or not folder or (os.path.lexists(folder) and not os.path.isdir(folder)):
            raise ArgumentError(f"windows are harvested into a local folder, got {folder!r}")
        nothing = background or BACKGROUND
        names = path_names(list(dict.fromkeys((*class_names, nothing))))
        return cls(
            os.path.join(folder, names[nothing]), window, tuple(names[name] for name in class_names), most or MOST
        )

    def write(self, source: Input, pixels: Array, boxes: Boxes) -> None:
        """Write the windows of a picture in which objects were found; a window that is there already stays.

        Args:
            source: the picture's file.
            pixels: (H, W, C), on the scale from 0 to 255.
            boxes: what was found.

        Raises:
            ImageError: one cannot be written.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise ImageError(f"{self.folder}: the folder cannot be made: {error.strerror}") from error
        stem = os.path.splitext(source.below)[0].replace(os.sep, "-")
        kept = boxes.chosen(nms(boxes.places, boxes.scores)[: self.most])
        for (x, y, width, height), label in zip(kept.places.tolist(), kept.labels.tolist(), strict=True):
            part = resized_part(pixels, self.window, (x, y, x + width, y + height))
            levels = np.rint(part).clip(0, 255).astype(np.uint8)
            place = f"{x:.0f}-{y:.0f}-{width:.0f}x{height:.0f}"
            _add(os.path.join(self.folder, f"{stem}-{place}-{self.names[label]}"), levels)


def _add(start: str, pixels: Array) -> None:
    """Write a picture under a name that no other has, unless the same is there."""
    file = io.BytesIO()
    write_image(file, pixels, format="png")
    content = file.getvalue()
    for ending in chain([""], (f"-{number}" for number in count(2))):
        path = f"{start}{ending}.png"
        if not os.path.lexists(path):
            with open_whole(path, ImageError, replace=False) as target:
                target.write(content)
            return
        if _is_in(path, content):
            return


def _is_in(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == content
    except OSError:
        return False
