"""Recognising a data set of boxes, and opening it."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Unpack

from cnncli.data.arrays import one_line_errors
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.labels import LabelledPicture, Labels, joined, settled
from cnncli.data.boxes.tree import Tree
from cnncli.data.datasets import unknown_classes
from cnncli.data.files import check_pictures
from cnncli.data.findings import Finding, find_duplicates
from cnncli.data.listing import natural_key
from cnncli.data.pictures import Reading, ReadingOptions, Size
from cnncli.errors import CnncliError, DataError, NoInputError
from cnncli.images.reading import open_image


class BoxParts(NamedTuple):
    """A data set of boxes in its parts.

    Attributes:
        train: the training part; everything where the data has no parts.
        validation: for choosing between networks; None where the data has no such part.
        test: for judging the one that was chosen; None where the data has no such part.
        findings: problems that its owner should know about.
        kind: the kind of its files: a name in `BOX_FORMATS`.
    """

    train: BoxDataset
    validation: BoxDataset | None = None
    test: BoxDataset | None = None
    findings: tuple[Finding, ...] = ()
    kind: str = ""


class _Found(NamedTuple):
    """The files of labels at a path."""

    kind: str
    tree: Tree
    files: dict[str, list[str]]


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
        return _find(place) is not None


def open_boxes(
    path: str | os.PathLike[str],
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    **options: Unpack[ReadingOptions],
) -> BoxParts:
    """Open a data set of pictures with boxes.

    Args:
        path: a folder or a file of labels of a kind in `BOX_FORMATS`. Folders, files and lists named after parts
            (`train`, `val`, `test`) are such parts; otherwise everything is the training part.
        reading: the size and channels that pictures get, and limits; the defaults unless given.
        **options: fields of `Reading` by name, such as `size=(240, 320)`.

    Returns:
        Its parts, and findings: whatever was left out, clipped, scaled or turned, by name. Without `class_names`, the
        classes are those that the training part has boxes of: in the order of the file that lists them, or by name.

    Raises:
        DataError: it cannot be read, or has no box of a known class; with `strict`, anything is wrong with a box.
        NoInputError: it holds no pictures.
        SizesDifferError: pictures differ in size, and no size is given.
        ImageError: a picture cannot be read, and `strict` refuses that.
    """
    place, reading = os.fspath(path), reading._replace(**options)
    with one_line_errors(place):
        found = _find(place)
        if found is None:
            wanted = "; ".join(form.about for form in BOX_FORMATS.values())
            what = "holds no files of boxes" if os.path.exists(place) else "no such file or folder"
            raise DataError(f"{place}: {what}. Looked for: {wanted}")
        return _open(place, found, reading)


def _find(path: str) -> _Found | None:
    tree = Tree(path)
    for kind, form in BOX_FORMATS.items():
        if files := form.find(tree):
            return _Found(kind, tree, files)
    return None


def _open(path: str, found: _Found, reading: Reading) -> BoxParts:
    faults = Faults(path, strict=reading.strict)
    labels = {}
    for part, files in found.files.items():
        stated = BOX_FORMATS[found.kind].read(found.tree, files, faults, reading.max_bytes)
        labels[part] = stated._replace(pictures=joined(stated.pictures, faults))
    names, findings = _class_names(path, labels["train"], reading.class_names)
    opened: dict[str, BoxDataset] = {}
    for part in ("train", "validation", "test"):
        if part in labels:
            opened[part], more = _open_part(path, labels[part].pictures, names, reading, faults)
            findings += more
            height, width, channels = opened["train"].shape
            reading = reading._replace(size=(height, width), channels=channels, scale=opened["train"].scale)
    train, validation, test = opened["train"], opened.get("validation"), opened.get("test")
    same = [find_duplicates(train, other) for other in (validation, test) if other is not None]
    if validation is not None and test is not None:
        same.append(find_duplicates(validation, test, "validation", "test"))
    findings += [*faults.findings(), *filter(None, same)]
    return BoxParts(train, validation, test, tuple(findings), found.kind)


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
    path: str, pictures: list[LabelledPicture], names: Sequence[str], reading: Reading, faults: Faults
) -> tuple[BoxDataset, tuple[Finding, ...]]:
    if not pictures:
        first = next(iter(faults.findings()), None)
        raise NoInputError(first.message if first else f"{path}: its labels name no pictures")
    files = check_pictures(path, [picture.path for picture in pictures], reading)
    classes = {name: index for index, name in enumerate(names)}
    boxes = [_boxes(pictures[item], size, classes, faults) for item, size in zip(files.good, files.sizes, strict=True)]
    return BoxDataset(files, boxes, names), files.findings


def _boxes(picture: LabelledPicture, size: Size, classes: Mapping[str, int], faults: Faults) -> Boxes:
    on_its_side = picture.size == size[::-1] != size
    return settled(picture, size, _orientation(picture.path) if on_its_side else 1, classes, faults)


def _orientation(path: str) -> int:
    try:
        with open_image(path) as image:
            return image.orientation
    except CnncliError:
        return 1
