"""Crops: each object that was found, as a picture of its own."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.manifest import same_content
from cnncli.batch.objects import is_url
from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import Ending, open_temporary, whole_file, writing
from cnncli.images.writing import write_image
from cnncli.models.sorting import path_names

_SLACK = 1e-6  # pixels that a sum may be off
_NUMBER = r"-\d{2,}-.*\.png"


class Crops(NamedTuple):
    """Where the objects of pictures are written to: `{stem}-01-{class}.png` in a folder, the best first.

    Attributes:
        folder: the folder; those below it are the inputs' below the folder that was searched.
        names: the class names, as they are in paths.
        replace: whether crops replace files that exist.
        keep: whether files that exist with the same content stay; those with another are an error.
    """

    folder: str
    names: tuple[str, ...]
    replace: bool = False
    keep: bool = False

    @classmethod
    def into(cls, folder: str, class_names: Sequence[str], *, replace: bool = False, keep: bool = False) -> "Crops":
        """Return the crops of some classes in a folder.

        Raises:
            ArgumentError: it is not a local folder.
        """
        if is_url(folder):
            raise ArgumentError(f"{folder}: crops are written into local folders: name one, and copy it from there")
        if not folder or (os.path.lexists(folder) and not os.path.isdir(folder)):
            raise ArgumentError(f"crops are written into a folder, got {folder!r}")
        names = path_names(class_names)
        return cls(folder, tuple(names[name] for name in class_names), replace, keep)

    def check(self, inputs: Sequence[Input]) -> None:
        """Refuse inputs whose crops would have the names of others, or that exist and neither give way nor stay.

        Raises:
            ArgumentError: some do.
        """
        first: dict[str, Input] = {}
        existing: dict[str, list[str]] = {}
        for source in inputs:
            start = self.start(source)
            if (other := first.setdefault(start, source)) is not source:
                raise ArgumentError(
                    f"the crops of {other.path} and {source.path} would have the same names, {start}-01-...: look for "
                    "objects in them in separate runs, with another folder"
                )
            folder, stem = os.path.split(start)
            if folder not in existing:
                existing[folder] = os.listdir(folder) if os.path.isdir(folder) else []
            found = next((name for name in existing[folder] if re.fullmatch(re.escape(stem) + _NUMBER, name)), None)
            if found and not (self.replace or self.keep):
                raise ArgumentError(f"{os.path.join(folder, found)} exists already: --force overwrites it")

    def start(self, source: Input) -> str:
        """Return the beginning of the paths of an input's crops."""
        return os.path.join(self.folder, os.path.splitext(source.below)[0])

    def write(self, source: Input, pixels: Array, boxes: Boxes) -> int:
        """Write the objects of a picture, each whole or not at all; return their number.

        Raises:
            ImageError: one cannot be written.
        """
        start = self.start(source)
        try:
            os.makedirs(os.path.dirname(start), exist_ok=True)
        except OSError as error:
            raise ImageError(f"{os.path.dirname(start)}: the folder cannot be made: {error.strerror}") from error
        pairs = zip(_parts(pixels, boxes), boxes.labels.tolist(), strict=True)
        for number, (part, label) in enumerate(pairs, start=1):
            path = f"{start}-{number:02}-{self.names[label]}.png"
            with (
                writing(path, ImageError),
                whole_file(path, partial(self._ending, path)) as temporary,
                open_temporary(temporary) as file,
            ):
                write_image(file, part, format="png")
        return len(boxes.labels)

    def _ending(self, path: str, temporary: str) -> Ending:
        """Return what becomes of a crop that is complete."""
        if self.replace:
            return "replace"
        return "discard" if self.keep and os.path.isfile(path) and same_content(path, temporary) else "add"


def _parts(pixels: Array, boxes: Boxes) -> Iterator[Array]:
    """Yield the pixels that boxes touch, at least one each."""
    height, width = pixels.shape[:2]
    for x, y, across, down in boxes.places.tolist():
        left, top = (min(max(0, math.floor(edge + _SLACK)), side - 1) for edge, side in ((x, width), (y, height)))
        right, bottom = (
            max(start + 1, math.ceil(edge - _SLACK)) for start, edge in ((left, x + across), (top, y + down))
        )
        yield np.ascontiguousarray(pixels[top:bottom, left:right])
