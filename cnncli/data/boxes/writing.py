"""Writing files of boxes, each whole or not at all."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.formats import BOX_FORMATS, BoxFormat
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.findings import Finding, some
from cnncli.errors import ArgumentError, DataError
from cnncli.files.temporary import open_whole


class _Loss(NamedTuple):
    """Something that boxes have and a kind of file does not hold: what is said of one, and of several."""

    one: str
    several: str


LOSSES = {
    "area": _Loss("box has an area of its own, which is not kept", "boxes have areas of their own, which are not kept"),
    "crowd": _Loss("crowd or difficult box is left out", "crowd or difficult boxes are left out"),
}
"""What a kind of files may lack to what is said about boxes that have it."""


class PlannedFiles(NamedTuple):
    """Files of boxes that are to be written: the text of each by its path, and findings about what is lost."""

    texts: Mapping[str, Iterable[str]]
    findings: tuple[Finding, ...]

    def write(self, *, replace: bool) -> None:
        """Write the files, each whole or not at all.

        Raises:
            DataError: one cannot be written, or stands there and is not to be replaced; a size is missing.
        """
        for path, text in self.texts.items():
            os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
            with open_whole(path, DataError, replace=replace) as file:
                for piece in text:
                    file.write(piece.encode("utf-8", "backslashreplace"))


def write_boxes(
    output: str | os.PathLike[str],
    kind: str,
    pictures: Iterable[LabelledBoxes],
    class_names: Sequence[str],
    *,
    replace: bool = True,
) -> tuple[Finding, ...]:
    """Write boxes as files of a kind.

    Args:
        output: the file, or where each picture has one of its own, the folder that they are written to.
        kind: a name in `BOX_FORMATS`.
        pictures: the boxes; their paths are written as the names of pictures, relative ones with `/`.
        class_names: names by label.
        replace: whether files may be replaced.

    Returns:
        Findings about what this kind of files does not hold of boxes.

    Raises:
        ArgumentError: an unknown kind, or two pictures whose labels would be one file.
        DataError: a file cannot be written, or stands there and is not to be replaced; a size is missing.
    """
    planned = plan_files(os.fspath(output), kind, pictures, class_names)
    planned.write(replace=replace)
    return planned.findings


def plan_files(output: str, kind: str, pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> PlannedFiles:
    """Return the files that `write_boxes` writes, with the same arguments and errors."""
    form = BOX_FORMATS[check_kind(kind)]
    kept, findings = _holdable(list(pictures), form, output)
    return PlannedFiles(dict(_files(kept, class_names, form, output)), findings)


def check_kind(kind: str) -> str:
    """Return a kind of files of boxes if it is one.

    Raises:
        ArgumentError: it is not.
    """
    if kind not in BOX_FORMATS:
        raise ArgumentError(f"unknown kind of files of boxes {kind!r}: the kinds are {', '.join(BOX_FORMATS)}")
    return kind


def _files(
    pictures: list[LabelledBoxes], class_names: Sequence[str], form: BoxFormat, output: str
) -> Iterable[tuple[str, Iterable[str]]]:
    """Yield each file's path and its text, a piece at a time."""
    if form.place is None:
        yield output, form.text(pictures, class_names)
        return
    names: dict[str, str] = {}
    for picture in pictures:
        name = form.place(picture.path)
        if os.path.isabs(name) or os.pardir in name.replace(os.sep, "/").split("/"):
            raise ArgumentError(f"{picture.path}: a name that leads out of {output} cannot be written")
        if name in names:
            raise ArgumentError(f"the boxes of {names[name]} and of {picture.path} would both be written to {name}")
        names[name] = picture.path
    for name, picture in zip(names, pictures, strict=True):
        yield os.path.join(output, name), form.text([picture], class_names)
    if form.beside is not None:
        for name, text in form.beside(class_names).items():
            if name in names:
                raise ArgumentError(
                    f"the boxes of {names[name]} and the names of classes would both be written to {name}"
                )
            yield os.path.join(output, name), [text]


def _holdable(
    pictures: list[LabelledBoxes], form: BoxFormat, output: str
) -> tuple[list[LabelledBoxes], tuple[Finding, ...]]:
    """Return the pictures with the boxes that a kind of files holds, and findings about what is lost."""
    findings = []
    for what in form.lacks:
        if what not in LOSSES:
            continue
        masks = [_having(what, picture.boxes) for picture in pictures]
        names = tuple(picture.path for picture, mask in zip(pictures, masks, strict=True) if mask.any())
        if count := sum(int(mask.sum()) for mask in masks):
            findings.append(Finding(what, f"{output}: {count:,} {LOSSES[what][count > 1]}: {some(names)}", names))
        if what == "crowd":
            pictures = [
                picture._replace(boxes=picture.boxes.chosen(~mask))
                for picture, mask in zip(pictures, masks, strict=True)
            ]
    return pictures, tuple(findings)


def _having(what: str, boxes: Boxes) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    if what == "crowd":
        return boxes.crowd
    return ~np.isclose(boxes.areas, boxes.places[:, 2] * boxes.places[:, 3])
