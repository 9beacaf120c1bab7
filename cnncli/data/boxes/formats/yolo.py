"""YOLO: a text file for each picture, with a line for each box: its class, centre and sides, in parts of the picture.

The file stands beside its picture, or in a folder `labels` where the picture stands in `images`. The names of classes
are in a YAML file (`names`), or `classes.txt`, a line each; otherwise they are numbers. A line may have a score behind
its box; one with more numbers is an outline, whose bounding box is taken.

Twelve decimals are written: boxes come back to a millionth of a pixel in pictures of up to a million pixels a side.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.formats.names import names_text, read_names
from cnncli.data.boxes.labels import LabelledBoxes, LabelledPicture, Labels, Row, number
from cnncli.data.boxes.texts import holds, read_text
from cnncli.data.boxes.tree import Tree
from cnncli.errors import DataError
from cnncli.files.text import cleaned
from cnncli.images.formats import PICTURE_SUFFIXES

CLASSES, YAML = "classes.txt", "data.yaml"

_LOOKED_AT = 20  # label files: the first may be empty


def find(tree: Tree) -> dict[str, list[str]]:
    """Return the pictures of a data set by part, those without labels too."""
    texts = set(tree.ending(".txt"))
    pictures = [path for path in tree.pictures if path.lower().endswith(PICTURE_SUFFIXES)] if texts else []
    files = [file for file in (_label_file(path, tree.root, texts) for path in pictures) if file in texts]
    files = files[:_LOOKED_AT]
    if not any(map(_has_boxes, files)) and not (files and _names_files(tree)):
        return {}
    return tree.by_part(pictures)


def read(tree: Tree, files: Sequence[str], faults: Faults, max_bytes: int) -> Labels:
    """Return the labels of pictures."""
    names = _names(tree, faults)
    texts = set(tree.ending(".txt"))
    pictures = []
    label_files: dict[str, str] = {}
    for picture in files:
        path = _label_file(picture, tree.root, texts)
        if path not in texts:
            faults.add("negative", picture)
            pictures.append(LabelledPicture(picture, picture, f"{path}: line", [], relative=True))
            continue
        if path in label_files:
            faults.add("damaged entry", f"{picture}: has the label file of {label_files[path]}")
            continue
        label_files[path] = picture
        try:
            rows = list(_rows(path, names, faults))
        except DataError as error:
            faults.add("damaged labels", str(error))
            continue
        pictures.append(LabelledPicture(picture, picture, f"{path}: line", rows, relative=True))
    _name_orphans(texts, label_files, faults)
    return Labels(pictures, None if names is None else tuple(dict.fromkeys(names.values())))


def text(pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a picture's file.

    Raises:
        DataError: nobody knows its size.
    """
    for picture in pictures:
        if picture.size is None:
            raise DataError(f"{picture.path}: its size must be known to write its boxes as parts of it")
        boxes = picture.boxes
        sides = np.array(picture.size[::-1] * 2, np.float64)
        places = np.hstack([boxes.places[:, :2] + boxes.places[:, 2:] / 2, boxes.places[:, 2:]]) / sides
        for label, place, score in zip(boxes.labels.tolist(), places.tolist(), boxes.scores.tolist(), strict=True):
            yield " ".join([str(label), *map(_decimal, place), *([] if score == 1 else [repr(score)])]) + "\n"


def beside(class_names: Sequence[str]) -> dict[str, str]:
    """Return the names and texts of the files with the classes."""
    return {
        CLASSES: "".join(f"{cleaned(name)}\n" for name in class_names),
        YAML: names_text(class_names),
    }


def _decimal(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


def place(name: str) -> str:
    """Return the place of a picture's label file: `labels` for the last folder `images` on the way, or beside it."""
    parts = os.path.splitext(name)[0].split("/")
    places = [place for place, part in enumerate(parts[:-1]) if part.lower() == "images"]
    if places:
        parts[places[-1]] = "labels"
    return "/".join(parts) + ".txt"


def _label_file(picture: str, root: str, texts: set[str]) -> str:
    """Return the label file of a picture in a folder: beside it where there is none in the proper place."""
    proper = os.path.join(root, *place(os.path.relpath(picture, root).replace(os.sep, "/")).split("/"))
    beside = os.path.splitext(picture)[0] + ".txt"
    return beside if proper not in texts and beside in texts else proper


def _has_boxes(path: str) -> bool:
    try:
        lines = read_text(path).splitlines()
    except DataError:
        return False
    words = next((line.split() for line in lines if line.strip()), [])
    return len(words) >= 5 and not any(np.isnan(number(word)) for word in words)


def _names_files(tree: Tree) -> list[str]:
    files = [path for path in tree.ending(".yaml", ".yml") if holds(path, b"names:")[0]]
    return files or [path for path in tree.files if os.path.basename(path) == CLASSES]


def _names(tree: Tree, faults: Faults) -> dict[int, str] | None:
    """Return the names of classes by number; None where no file names them."""
    for path in _names_files(tree):
        try:
            return read_names(path)
        except DataError as error:
            faults.add("damaged labels", str(error))
    return None


def _rows(path: str, names: dict[int, str] | None, faults: Faults) -> Iterator[Row]:
    for line, written in enumerate(read_text(path).splitlines(), 1):
        words = written.split()
        if len(words) >= 5 and (len(words) < 7 or len(words) % 2):
            yield _row(line, words, names)
        elif words:
            faults.add("damaged entry", f"{path}: line {line}: has {len(words)} words, a box has 5")


def _row(line: int, words: list[str], names: dict[int, str] | None) -> Row:
    index = number(words[0])
    known = index.is_integer() and index >= 0
    label = f"class {words[0]}"
    if known:
        label = str(int(index)) if names is None else names.get(int(index), label)
    values = list(map(number, words[1:]))
    if len(values) > 5:
        across, down = values[::2], values[1::2]
        return Row(line, label, (min(across), min(down), max(across) - min(across), max(down) - min(down)))
    x, y, width, height = values[:4]
    score = values[4] if len(values) > 4 else 1.0
    return Row(line, label, (x - width / 2, y - height / 2, width, height), score)


def _name_orphans(texts: set[str], label_files: dict[str, str], faults: Faults) -> None:
    folders = {os.path.dirname(path) for path in label_files}
    for path in sorted(texts - label_files.keys()):
        if os.path.dirname(path) in folders and _has_boxes(path):
            faults.add("missing picture", f"{path}: has no picture of its name")
