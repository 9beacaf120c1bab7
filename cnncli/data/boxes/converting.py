"""Files of boxes of one kind, written as another."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from cnncli.data.boxes.formats import BOX_FORMATS, BoxFormat
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.boxes.reading import BoxFiles, read_boxes
from cnncli.data.boxes.writing import PlannedFiles, check_kind, plan_files
from cnncli.data.findings import Finding, some
from cnncli.data.listing import natural_key
from cnncli.data.parts import part_of
from cnncli.data.pictures import Reading
from cnncli.errors import ArgumentError

_FILES = {"train": "train", "validation": "val", "test": "test"}


class Conversion(NamedTuple):
    """Boxes that were written as files of another kind.

    Attributes:
        kind: the kind of the files that were read: a name in `BOX_FORMATS`.
        files: the files that were written.
        pictures: the number of pictures.
        boxes: the number of boxes that were read.
        class_names: the classes in order.
        findings: whatever was left out or changed on the way, by name, and what the files cannot hold.
    """

    kind: str
    files: tuple[str, ...]
    pictures: int
    boxes: int
    class_names: tuple[str, ...]
    findings: tuple[Finding, ...]


def convert_boxes(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    kind: str | None = None,
    *,
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    replace: bool = False,
) -> Conversion:
    """Write the boxes of a data set as files of another kind; pictures stay where they are.

    Args:
        path: a data set of boxes, as `open_boxes` takes it.
        output: the file; for data in parts, or of a kind with a file for each picture, the folder, which gets
            `train`, `val` and `test` of it.
        kind: a name in `BOX_FORMATS`; None for that of the suffix of `output`.
        reading: its `strict`, `jobs` and limits count.
        replace: whether files may be replaced; those that are read never are.

    Raises:
        ArgumentError: an unknown kind, a file for data in parts, two pictures whose labels would be one file, or a
            file that stands there already: then nothing is written.
        DataError: the data cannot be read, or a file cannot be written.
        NoInputError: the data names no pictures.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = convert_boxes("samples/canvases", folder, "csv")
        ...     print(done.kind, done.pictures, sorted(os.listdir(folder)))
        coco 150 ['train.csv', 'val.csv']
    """
    place = os.fspath(output)
    kind = _kind_of(place) if kind is None else check_kind(kind)
    data = read_boxes(path, reading)
    plans = list(_plans(data, place, kind))
    files = tuple(file for plan in plans for file in plan.texts)
    _check(files, data, replace=replace)
    for plan in plans:
        plan.write(replace=replace)
    pictures = [picture for part in data.parts.values() for picture in part]
    lost = [finding for plan in plans for finding in plan.findings]
    findings = (*data.findings, *lost, *_lost(data, pictures, place, BOX_FORMATS[kind], kind))
    boxes = sum(len(picture.boxes.places) for picture in pictures)
    return Conversion(data.kind, files, len(pictures), boxes, data.class_names, findings)


def _kind_of(output: str) -> str:
    """Return the kind of files that a name's suffix says."""
    for kind, form in BOX_FORMATS.items():
        if form.place is None and output.lower().endswith(form.ending):
            return kind
    raise ArgumentError(f"{output}: its name does not say its kind: choose --format from {', '.join(BOX_FORMATS)}")


def _plans(data: BoxFiles, output: str, kind: str) -> Iterator[PlannedFiles]:
    """Yield the files of each part; of a kind with a file for each picture, those of all."""
    form, names = BOX_FORMATS[kind], data.class_names
    if form.place is not None:
        pictures = [_in_part(picture, part, len(data.parts)) for part, of in data.parts.items() for picture in of]
        yield plan_files(output, kind, pictures, names)
        return
    is_folder = os.path.isdir(output) or not os.path.splitext(output)[1]
    if len(data.parts) > 1 and not is_folder:
        raise ArgumentError(f"{output}: the data has the parts {', '.join(data.parts)}, a file each: name a folder")
    for part, pictures in data.parts.items():
        stem = _FILES[part] if len(data.parts) > 1 else "boxes"
        yield plan_files(os.path.join(output, stem + form.ending) if is_folder else output, kind, pictures, names)


def _check(files: tuple[str, ...], data: BoxFiles, *, replace: bool) -> None:
    """Refuse files that are read, and files that stand there unless they may be replaced."""
    sources = set(map(os.path.realpath, data.sources))
    for file in files:
        if os.path.realpath(file) in sources:
            raise ArgumentError(f"{file} is an input: inputs are never overwritten, choose another output")
        if os.path.lexists(file) and not replace:
            raise ArgumentError(f"{file} exists already: --force overwrites")


def _lost(data: BoxFiles, pictures: list[LabelledBoxes], output: str, form: BoxFormat, kind: str) -> Iterator[Finding]:
    """Yield what the files cannot hold of classes and pictures."""
    seen = {data.class_names[label] for picture in pictures for label in picture.boxes.labels.tolist()}
    if "classes" in form.lacks and list(data.class_names) != sorted(seen, key=natural_key):
        order = f"{output}: {kind} lists no classes, so that their order is lost: {', '.join(data.class_names)}"
        yield Finding("classes", order, data.class_names)
    absent = tuple(picture.path for picture in pictures if picture.path in data.absent and picture.size is not None)
    if "size" in form.lacks and absent:
        message = f"{output}: {kind} holds no sizes of pictures, and some are not there to be measured: {some(absent)}"
        yield Finding("size", message, absent)


def _in_part(picture: LabelledBoxes, part: str, parts: int) -> LabelledBoxes:
    """Return a picture in a folder of its part, if there are several and its name does not say which."""
    folders = picture.path.split("/")[:-1]
    known = next(filter(None, map(part_of, reversed(folders))), None)
    return picture if parts == 1 or known == part else picture._replace(path=f"{_FILES[part]}/{picture.path}")
