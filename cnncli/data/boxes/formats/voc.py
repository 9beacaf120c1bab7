"""Pascal VOC: an XML file for each picture.

Corners are pixels, counted from 1, and the last one belongs to the box, as in VOC2012's development kit: x is xmin - 1,
width is xmax - xmin + 1, so that 1,1 to the picture's width and height is all of it. Detectron2 reads them in the same
way. Numbers may have decimals: every box comes back as it was written, but for rounding of floating point.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledBoxes, LabelledPicture, Labels, Row, number, stated_size
from cnncli.data.boxes.texts import Element, holds, parse_xml, read_bytes
from cnncli.data.boxes.tree import Tree
from cnncli.errors import DataError
from cnncli.files.text import cleaned

_LOOKED_AT = 20  # files: some may be damaged
_SETS = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def find(tree: Tree) -> dict[str, list[str]]:
    """Return the XML files of a data set by part: by the lists in ImageSets/Main, or by the folders."""
    files = tree.ending(".xml")
    if not any(holds(path, b"<annotation")[0] for path in files[:_LOOKED_AT]):
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
        pictures.append(found)
    return Labels(pictures)


def text(pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> Iterator[str]:
    """Yield the text of a picture's file; a score that is not 1 is an element of its object."""
    for picture in pictures:
        yield f"<annotation>\n\t<filename>{_escaped(os.path.basename(picture.path))}</filename>\n"
        if picture.size is not None:
            height, width = picture.size
            sides = f"<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>"
            yield f"\t<size>\n\t\t{sides}\n\t</size>\n"
        boxes = picture.boxes
        for place, label, score, crowd in zip(*(field.tolist() for field in boxes[:4]), strict=True):
            yield f"\t<object>\n\t\t<name>{_escaped(class_names[label])}</name>\n"
            yield f"\t\t<difficult>{int(crowd)}</difficult>\n"
            if score != 1:
                yield f"\t\t<score>{score!r}</score>\n"
            yield f"\t\t<bndbox>\n{_bounds(place)}\t\t</bndbox>\n\t</object>\n"
        yield "</annotation>\n"


def place(name: str) -> str:
    """Return the place of a picture's file: `Annotations` for a folder `JPEGImages`, or beside it."""
    parts = os.path.splitext(name)[0].split("/")
    return "/".join(["Annotations" if part == "JPEGImages" else part for part in parts]) + ".xml"


def _absent(path: str, name: str) -> str:
    """Return the path of a picture that is not there, by that of its file: as `place` has it the other way round."""
    if os.path.dirname(name.replace("\\", "/")):
        return name
    *folders, _ = path.split(os.sep)
    return "/".join(["JPEGImages" if folder == "Annotations" else folder for folder in folders] + [name])


def _escaped(name: str) -> str:
    return escape(cleaned(name), quote=False)


def _bounds(place: list[float]) -> str:
    x, y, width, height = place
    corners = zip(_CORNERS, (x + 1, y + 1, x + width, y + height), strict=True)
    return "".join(f"\t\t\t<{name}>{_number(value)}</{name}>\n" for name, value in corners)


def _number(value: float) -> str:
    """Return a whole number without decimals, which many programs that read such files expect."""
    return str(int(value)) if value.is_integer() else repr(value)


def _listed(tree: Tree, files: list[str]) -> dict[str, list[str]]:
    """Return the files by the lists of stems in ImageSets/Main; none without such lists."""
    lists = {
        os.path.splitext(os.path.basename(path))[0]: path
        for path in tree.ending(".txt")
        if os.path.dirname(path).lower().endswith(os.path.join("imagesets", "main"))
    }
    folder = os.path.dirname(files[0])
    by_stem = {os.path.splitext(os.path.basename(path))[0]: path for path in files}
    parts = {}
    for part, names in _SETS.items():
        path = next((lists[name] for name in names if name in lists), None)
        if path is not None:
            lines = read_bytes(path).decode("utf-8", "surrogateescape").splitlines()
            stems = dict.fromkeys(filter(None, map(str.strip, lines)))
            if any(stem in by_stem for stem in stems):  # those that are not there are told when they are read
                parts[part] = [by_stem.get(stem, os.path.join(folder, f"{stem}.xml")) for stem in stems]
    return parts if "train" in parts else {}


def _read_file(tree: Tree, path: str, faults: Faults) -> LabelledPicture:
    root = parse_xml(read_bytes(path), path)
    if root.tag != "annotation":
        raise DataError(f"{path}: is not an annotation: its outermost element is {root.tag}")
    name = root.word("filename")
    stem = os.path.splitext(os.path.basename(path))[0]
    # File names inside are often those of another computer, or of the file that this one was copied from.
    picture = tree.picture(name, path, faults) if os.path.splitext(name)[0] == stem else None
    picture = picture or tree.picture(stem, path, faults, by_stem=True) or tree.picture(name, path, faults)
    where = f"{path}: object"
    rows = [_row(item, element) for item, element in enumerate(root.all("object"), 1)]
    for row in rows:
        if row.place[2:] == (1, 1):
            faults.add("single pixel", f"{where} {row.number}: {row.label}")
    return LabelledPicture(
        _absent(os.path.relpath(path, tree.root), name or stem),
        picture,
        where,
        rows,
        stated_size(root.word("size", "height"), root.word("size", "width")),
    )


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
