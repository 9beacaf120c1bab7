"""Finding and reading files of boxes, without their pictures' pixels."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from cnncli.data.arrays import one_line_errors
from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.labels import LabelledBoxes, LabelledPicture, Labels, joined
from cnncli.data.boxes.settling import settled
from cnncli.data.boxes.tree import Tree
from cnncli.data.files import in_parallel
from cnncli.data.findings import Finding
from cnncli.data.listing import natural_key
from cnncli.data.pictures import Reading
from cnncli.data.resizing import Size
from cnncli.errors import DataError, ImageError, NoInputError
from cnncli.images.formats import PICTURE_SUFFIXES
from cnncli.images.reading import open_image


class FoundLabels(NamedTuple):
    """The files of labels at a path: their kind, a name in `BOX_FORMATS`, those around them, and they by part."""

    kind: str
    tree: Tree
    files: dict[str, list[str]]


class Stated(NamedTuple):
    """The labels at a path, by part, as they are stated; the faults that were met are gathered on."""

    kind: str
    root: str
    parts: dict[str, Labels]
    faults: Faults


class BoxFiles(NamedTuple):
    """Boxes that were read from files, without the pixels of their pictures.

    Attributes:
        parts: `train`, `validation` and `test`, as far as there are such parts, to their pictures, whose
            paths are relative to the data, with `/`.
        class_names: names by label: in the order of the file that lists them, or by name.
        kind: a name in `BOX_FORMATS`.
        findings: whatever was left out, clipped, scaled or turned, by name.
        sources: the files that state boxes.
        absent: the pictures that are not there.
    """

    parts: Mapping[str, list[LabelledBoxes]]
    class_names: tuple[str, ...]
    kind: str
    findings: tuple[Finding, ...]
    sources: frozenset[str]
    absent: frozenset[str]


def find_labels(path: str) -> FoundLabels | None:
    """Return the files of labels at a path: a file, or all in a folder; None without."""
    is_folder = os.path.isdir(path)
    forms = {
        kind: form.find
        for kind, form in BOX_FORMATS.items()
        if form.find and (is_folder or (form.place is None and path.lower().endswith(form.ending)))
    }
    tree = Tree(path) if forms else None
    for kind, find in forms.items():
        if tree and (files := find(tree)):
            return FoundLabels(kind, tree, files)
    return None


def read_labels(path: str, reading: Reading) -> Stated:
    """Read the files of labels at a path.

    Raises:
        DataError: there are none, or with `reading.strict` one is damaged.
    """
    found = find_labels(path) if os.path.exists(path) else None
    if found is None:
        wanted = "; ".join(form.about for form in BOX_FORMATS.values() if form.find)
        what = "holds no files of boxes" if os.path.exists(path) else "no such file or folder"
        raise DataError(f"{path}: {what}. Looked for: {wanted}")
    faults, parts = Faults(path, strict=reading.strict), {}
    read = BOX_FORMATS[found.kind].read
    for part, files in found.files.items():
        if read is not None:
            stated = read(found.tree, files, faults, reading.max_bytes)
            parts[part] = stated._replace(pictures=joined(stated.pictures, faults))
    if found.tree.chosen is None:
        named = {picture.path for labels in parts.values() for picture in labels.pictures}
        for picture in found.tree.pictures:
            if picture not in named and picture.lower().endswith(PICTURE_SUFFIXES):
                faults.add("no labels", picture)
    return Stated(found.kind, found.tree.root, parts, faults)


def read_boxes(
    path: str | os.PathLike[str],
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
) -> BoxFiles:
    """Read files of boxes, without the pixels of their pictures: of those, sizes alone are asked for.

    Pictures that are not there keep their boxes, clipped to the size that the labels state.

    Args:
        path: as `open_boxes` takes it.
        reading: its `strict`, `jobs` and limits count.

    Raises:
        DataError: there are none, or with `reading.strict` anything is wrong.
        NoInputError: they name no pictures.
    """
    place = os.fspath(path)
    with one_line_errors(place):
        stated = read_labels(place, reading)
        names = _all_names(stated)
        parts = {part: _settled_part(labels.pictures, names, stated, reading) for part, labels in stated.parts.items()}
    findings = stated.faults.findings()
    if not any(parts.values()):
        raise NoInputError(findings[0].message if findings else f"{place}: its labels name no pictures")
    pictures = [picture for labels in stated.parts.values() for picture in labels.pictures]
    absent = frozenset(_name(picture, stated.root) for picture in pictures if picture.path is None)
    return BoxFiles(parts, names, stated.kind, findings, frozenset(picture.file for picture in pictures), absent)


def _all_names(stated: Stated) -> tuple[str, ...]:
    listed = [labels.class_names for labels in stated.parts.values() if labels.class_names is not None]
    if listed:
        return tuple(dict.fromkeys(name for names in listed for name in names))
    seen = {row.label for labels in stated.parts.values() for picture in labels.pictures for row in picture.rows}
    return tuple(sorted(seen - {""}, key=natural_key))


def _settled_part(
    pictures: list[LabelledPicture], names: tuple[str, ...], stated: Stated, reading: Reading
) -> list[LabelledBoxes]:
    classes = {name: index for index, name in enumerate(names)}
    settled_pictures = []
    sizes = in_parallel(lambda picture: _size(picture, reading), pictures, reading.jobs)
    for picture, size in zip(pictures, sizes, strict=True):
        if isinstance(size, str):
            stated.faults.add("unread picture", size)
            size = picture.size
        if size is None and picture.relative:
            continue
        boxes = settled(picture, size, classes, stated.faults)
        settled_pictures.append(LabelledBoxes(_name(picture, stated.root), boxes, size))
    return settled_pictures


def _size(picture: LabelledPicture, reading: Reading) -> Size | str | None:
    """Return the size of a picture, the one that is stated where it is not there, or why it cannot be read."""
    if picture.path is None:
        return picture.size
    try:
        with open_image(picture.path, max_pixels=reading.max_pixels) as image:
            return image.upright_size()
    except ImageError as error:
        return str(error)


def _name(picture: LabelledPicture, root: str) -> str:
    if picture.path is not None:
        return os.path.relpath(picture.path, root).replace(os.sep, "/")
    parts = [part for part in picture.name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)
