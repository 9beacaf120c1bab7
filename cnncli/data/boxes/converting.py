"""Files of boxes of one kind, written as another."""

import os

from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.boxes.reading import read_boxes
from cnncli.data.boxes.writing import check_kind, write_boxes
from cnncli.data.findings import Finding
from cnncli.data.parts import part_of
from cnncli.data.pictures import Reading

_FILES = {"train": "train", "validation": "val", "test": "test"}


def convert_boxes(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    kind: str,
    *,
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    replace: bool = False,
) -> tuple[Finding, ...]:
    """Write the boxes of a data set as files of another kind; pictures stay where they are.

    Args:
        path: a data set of boxes, as `open_boxes` takes it.
        output: the file; for data in parts, or of a kind with a file for each picture, the folder, which gets
            `train`, `val` and `test` of it.
        kind: a name in `BOX_FORMATS`.
        reading: its `strict`, `jobs` and limits count.
        replace: whether files may be replaced.

    Returns:
        Findings: whatever was left out or changed on the way, by name.

    Raises:
        ArgumentError: an unknown kind, or two pictures whose labels would be one file.
        DataError: the data cannot be read, or a file cannot be written.
        NoInputError: the data names no pictures.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(convert_boxes("samples/canvases", folder, "csv"), sorted(os.listdir(folder)))
        () ['train.csv', 'val.csv']
    """
    form = BOX_FORMATS[check_kind(kind)]
    data, place = read_boxes(path, reading), os.fspath(output)
    if form.place is not None:
        pictures = [_in_part(picture, part, len(data.parts)) for part, of in data.parts.items() for picture in of]
        return (*data.findings, *write_boxes(place, kind, pictures, data.class_names, replace=replace))
    findings = list(data.findings)
    for part, pictures in data.parts.items():
        file = place if len(data.parts) == 1 else os.path.join(place, _FILES[part] + form.ending)
        findings += write_boxes(file, kind, pictures, data.class_names, replace=replace)
    return tuple(findings)


def _in_part(picture: LabelledBoxes, part: str, parts: int) -> LabelledBoxes:
    """Return a picture in a folder of its part, if there are several and its name does not say which."""
    folders = picture.path.split("/")[:-1]
    known = next(filter(None, map(part_of, reversed(folders))), None)
    return picture if parts == 1 or known == part else picture._replace(path=f"{_FILES[part]}/{picture.path}")
