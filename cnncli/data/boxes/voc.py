"""Pascal VOC: an XML file for each picture.

Corners are pixels, counted from 1, and the last one belongs to the box, as in VOC2012's development kit: x is xmin - 1,
width is xmax - xmin + 1, so that 1,1 to the picture's width and height is all of it. Detectron2 reads them in the same
way. Numbers may have decimals: every box comes back as it was written, but for rounding of floating point.
"""

import math
import os
from collections.abc import Sequence

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledPicture, Labels, Row, number
from cnncli.data.boxes.texts import Element, parse_xml, read_bytes
from cnncli.data.boxes.tree import Tree
from cnncli.data.pictures import Size
from cnncli.errors import DataError

_SETS = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def find(tree: Tree) -> dict[str, list[str]]:
    """Return the XML files of a data set by part: by the lists in ImageSets/Main, or by the folders."""
    files = tree.ending(".xml")
    if not files or b"<annotation" not in read_bytes(files[0])[:4096]:
        return {}
    return _listed(tree, files) or tree.by_part(files)


def read(tree: Tree, files: Sequence[str], faults: Faults, max_bytes: int) -> Labels:
    """Return the labels in XML files."""
    pictures = []
    for path in files:
        try:
            found = _read_file(tree, path, faults)
        except DataError as error:
            faults.add("damaged labels", str(error))
            continue
        if found is not None:
            pictures.append(found)
    return Labels(pictures)


def _listed(tree: Tree, files: list[str]) -> dict[str, list[str]]:
    """Return the files by the lists of stems in ImageSets/Main; none without such lists."""
    lists = {
        os.path.splitext(os.path.basename(path))[0]: path
        for path in tree.ending(".txt")
        if os.path.dirname(path).lower().endswith(os.path.join("imagesets", "main"))
    }
    by_stem = {os.path.splitext(os.path.basename(path))[0]: path for path in files}
    parts = {}
    for part, names in _SETS.items():
        path = next((lists[name] for name in names if name in lists), None)
        if path is not None:
            lines = read_bytes(path).decode("utf-8", "surrogateescape").splitlines()
            stems = dict.fromkeys(line.split()[0] for line in lines if line.strip())
            parts[part] = [by_stem[stem] for stem in stems if stem in by_stem]
    return {part: found for part, found in parts.items() if found} if "train" in parts else {}


def _read_file(tree: Tree, path: str, faults: Faults) -> LabelledPicture | None:
    root = parse_xml(read_bytes(path), path)
    if root.tag != "annotation":
        raise DataError(f"{path}: is not an annotation: its outermost element is {root.tag}")
    name = root.word("filename")
    picture = tree.picture(os.path.basename(path), path, faults, by_stem=True)
    picture = picture or tree.picture(name, path, faults)
    if picture is None:
        faults.add("missing picture", f"{path}: {name or 'names none'}")
        return None
    where = f"{path}: object"
    rows = [_row(item, element) for item, element in enumerate(root.all("object"), 1)]
    for row in rows:
        if row.place[2:] == (1, 1):
            faults.add("single pixel", f"{where} {row.number}: {row.label}")
    return LabelledPicture(picture, where, rows, _size(root))


def _row(item: int, element: Element) -> Row:
    left, top, right, bottom = (number(element.word("bndbox", name)) for name in _CORNERS)
    score = element.word("score")
    return Row(
        item,
        element.word("name"),
        (left - 1, top - 1, right - left + 1, bottom - top + 1),
        number(score) if score else 1.0,
        element.word("difficult") == "1",
    )


def _size(root: Element) -> Size | None:
    """Return the size that the file states; None for the zeros of programs that do not know it."""
    height, width = number(root.word("size", "height")), number(root.word("size", "width"))
    if not (math.isfinite(height) and math.isfinite(width) and min(height, width) >= 1):
        return None
    return round(height), round(width)
