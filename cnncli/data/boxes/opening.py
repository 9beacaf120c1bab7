"""Recognising a data set of boxes, and opening it."""

import os
from collections.abc import Sequence
from typing import NamedTuple, Unpack

from cnncli.data.arrays import one_line_errors
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledPicture, Labels
from cnncli.data.boxes.reading import Stated, find_labels, read_labels
from cnncli.data.boxes.settling import settled
from cnncli.data.datasets import unknown_classes
from cnncli.data.files import SizesDifferError, check_pictures
from cnncli.data.findings import Finding, find_duplicates
from cnncli.data.listing import natural_key
from cnncli.data.pictures import Reading, ReadingOptions
from cnncli.data.resizing import Size
from cnncli.errors import DataError, NoInputError


class BoxParts(NamedTuple):
    """A data set of boxes in its parts.

    Attributes:
        train: the training part; everything where the data has no parts.
        validation: for choosing between networks; None where the data has no such part.
        test: for judging the one that was chosen; None where the data has no such part.
        findings: problems that its owner should know about.
        kind: the kind of its files: a name in `BOX_FORMATS`.
        unknown: the classes of boxes that were left out, because they are not among those that boxes are labelled by.
    """

    train: BoxDataset
    validation: BoxDataset | None = None
    test: BoxDataset | None = None
    findings: tuple[Finding, ...] = ()
    kind: str = ""
    unknown: tuple[str, ...] = ()


def has_boxes(path: str | os.PathLike[str]) -> bool:
    """Return whether there are files of boxes at a path.

    Example:
        >>> has_boxes("samples/digits")
        False
    """
    place = os.fspath(path)
    if not os.path.exists(place):
        return False
    with one_line_errors(place):
        return find_labels(place) is not None


def open_boxes(
    path: str | os.PathLike[str],
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    *,
    several: Size | None = None,
    **options: Unpack[ReadingOptions],
) -> BoxParts:
    """Open a data set of pictures with boxes.

    Args:
        path: a folder or a file of labels of a kind in `BOX_FORMATS`. Folders, files and lists named after parts
            (`train`, `val`, `test`) are such parts; otherwise everything is the training part.
        reading: the size and channels that pictures get, and limits; the defaults unless given.
        several: the size that pictures get where they have several and `size` is None; None to refuse them.
        **options: fields of `Reading` by name, such as `size=(240, 320)`.

    Returns:
        Its parts, and findings: whatever was left out, clipped, scaled or turned, by name. Without `class_names`, the
        classes are those that the training part has boxes of: in the order of the file that lists them, or by name.

    Raises:
        DataError: it cannot be read, or has no box of a known class; with `strict`, anything is wrong with a box.
        NoInputError: it holds no pictures.
        SizesDifferError: pictures differ in size, and neither size is given.
        ImageError: a picture cannot be read, and `strict` refuses that.

    Example:
        >>> canvases = open_boxes("samples/canvases").train
        >>> canvases, canvases.class_names[:3], canvases.images([0]).shape
        (<BoxDataset: 120 pictures of 96x128x1, 372 boxes>, ('0', '1', '2'), (1, 96, 128, 1))
    """
    place, reading = os.fspath(path), reading._replace(**options)
    with one_line_errors(place):
        return _open(place, read_labels(place, reading), reading, several)


def _open(path: str, stated: Stated, reading: Reading, several: Size | None) -> BoxParts:
    faults = stated.faults
    names, findings = _class_names(path, stated.parts["train"], reading.class_names)
    opened: dict[str, BoxDataset] = {}
    for part in ("train", "validation", "test"):
        if part in stated.parts:
            opened[part], more = _open_part(path, stated.parts[part].pictures, names, reading, several, faults)
            findings += more
            height, width, channels = opened["train"].shape
            reading = reading._replace(size=(height, width), channels=channels, scale=opened["train"].scale)
    train, validation, test = opened["train"], opened.get("validation"), opened.get("test")
    same = [find_duplicates(train, other) for other in (validation, test) if other is not None]
    if validation is not None and test is not None:
        same.append(find_duplicates(validation, test, "validation", "test"))
    findings += [*faults.findings(), *filter(None, same)]
    seen = {row.label for labels in stated.parts.values() for picture in labels.pictures for row in picture.rows}
    unknown = tuple(sorted(seen - {"", *names}, key=natural_key))
    return BoxParts(train, validation, test, tuple(findings), stated.kind, unknown)


def _class_names(path: str, train: Labels, given: Sequence[str] | None) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the classes that boxes are labelled by, and findings about those that are not used."""
    seen = {row.label for picture in train.pictures for row in picture.rows}
    if given is not None:
        if seen and seen.isdisjoint(given):
            raise DataError(f"{path}: {unknown_classes(sorted(seen, key=natural_key), given)}")
        return tuple(given), []
    listed = train.class_names
    if listed is None:
        return tuple(sorted(seen - {""}, key=natural_key)), []
    absent = tuple(name for name in listed if name not in seen)
    message = f"{path}: no boxes of class {', '.join(absent)} to train on: left out"
    return tuple(name for name in listed if name in seen), [Finding("empty class", message, absent)] if absent else []


def _open_part(
    path: str,
    pictures: list[LabelledPicture],
    names: Sequence[str],
    reading: Reading,
    several: Size | None,
    faults: Faults,
) -> tuple[BoxDataset, tuple[Finding, ...]]:
    there = [(picture, picture.path) for picture in pictures if picture.path is not None]
    for picture in pictures:
        if picture.path is None:
            faults.add("missing picture", f"{picture.file}: {picture.name} ({len(picture.rows)} boxes)")
    if not there:
        first = next(iter(faults.findings()), None)
        raise NoInputError(first.message if first else f"{path}: its labels name no pictures")
    try:
        files = check_pictures(path, [place for _, place in there], reading)
    except SizesDifferError:
        if several is None:
            raise
        files = check_pictures(path, [place for _, place in there], reading._replace(size=several))
    classes = {name: index for index, name in enumerate(names)}
    boxes = [settled(there[item][0], size, classes, faults) for item, size in zip(files.good, files.sizes, strict=True)]
    return BoxDataset(files, boxes, names), files.findings
