"""COCO: a JSON file of pictures, categories and annotations, each a box as x, y, width, height in pixels.

Everything that boxes have is kept, in full precision: `iscrowd`, `area`, and scores, as `score` of an annotation where
they are not 1, so that the annotations of such a file are COCO's results too.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledBoxes, LabelledPicture, Labels, Row, number, stated_size
from cnncli.data.boxes.texts import holds, read_json
from cnncli.data.boxes.tree import Tree
from cnncli.errors import DataError

Record = dict[str, Any]

_NO_BOX = (None,) * 4


def find(tree: Tree) -> dict[str, list[str]]:
    """Return the JSON files of a data set by part; those of instances alone where COCO's other files stand beside."""
    files = [path for path in tree.ending(".json") if path == tree.chosen or _is_coco(path)]
    instances = [path for path in files if path.rpartition("instances_")[1]]
    return tree.by_part(instances or files, by_name=True)


def read(tree: Tree, files: Sequence[str], faults: Faults, max_bytes: int) -> Labels:
    """Return the labels in JSON files."""
    pictures: list[LabelledPicture] = []
    names: dict[str, None] = {}
    for path in files:
        try:
            content = _sections(read_json(path, max_bytes), path)
        except DataError as error:
            faults.add("damaged labels", str(error))
            continue
        classes = _classes(content["categories"], path, faults)
        names.update(dict.fromkeys(classes.values()))
        pictures += _pictures(tree, content, classes, path, faults)
    return Labels(pictures, tuple(names))


def text(pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> Iterator[str]:
    """Yield the text of a file, a line for each picture and box; pictures and classes are numbered from 1."""
    found = list(pictures)
    images = [
        {"id": item, "file_name": picture.path}
        | ({} if picture.size is None else {"width": picture.size[1], "height": picture.size[0]})
        for item, picture in enumerate(found, 1)
    ]
    categories = [{"id": item, "name": name} for item, name in enumerate(class_names, 1)]
    yield from _section('{"images": [', images)
    yield from _section('],\n"categories": [', categories)
    yield from _section('],\n"annotations": [', _annotations(found))
    yield "]}\n"


def _section(opening: str, records: Iterable[Record]) -> Iterator[str]:
    yield opening
    separator = "\n"
    for record in records:
        yield separator + json.dumps(record, allow_nan=False)
        separator = ",\n"


def _annotations(pictures: Iterable[LabelledBoxes]) -> Iterator[Record]:
    number = 0
    for item, picture in enumerate(pictures, 1):
        boxes = picture.boxes
        for place, label, score, crowd, area in zip(*(field.tolist() for field in boxes), strict=True):
            number += 1
            record = {"id": number, "image_id": item, "category_id": label + 1, "bbox": place}
            record |= {"area": area, "iscrowd": int(crowd)}
            yield record if score == 1 else record | {"score": score}


def _is_coco(path: str) -> bool:
    found = holds(path, b'"images"', b'"annotations"', b'"categories"', b'"caption"')
    return (found[0] or found[1]) and not found[3]


def _sections(content: Any, path: str) -> dict[str, list[Any]]:
    """Return the three lists of a file."""
    if isinstance(content, list):
        raise DataError(f"{path}: is a list of results, which names no pictures and classes")
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"{path}: is not COCO's: has no list of images")
    sections = {name: content.get(name, []) for name in ("images", "annotations", "categories")}
    odd = [name for name, section in sections.items() if not isinstance(section, list)]
    if odd:
        raise DataError(f"{path}: is not COCO's: {odd[0]} is not a list")
    return sections


def _records(section: list[Any], key: str, where: str, faults: Faults) -> Iterator[tuple[int, Any, Record]]:
    """Yield the number, the id and the fields of the records in a list; each id once, where it is the list's own."""
    known: dict[Any, int] = {}
    for item, record in enumerate(section, 1):
        mark = record.get(key) if isinstance(record, dict) else None
        if isinstance(mark, bool) or not isinstance(mark, int | str):
            faults.add("damaged entry", f"{where} {item}: has no {key}")
        elif key == "id" and mark in known:
            faults.add("damaged entry", f"{where} {item}: has the id {mark!r} of {known[mark]}")
        else:
            known[mark] = item
            yield item, mark, record


def _classes(categories: list[Any], path: str, faults: Faults) -> dict[Any, str]:
    names = {}
    for item, mark, record in _records(categories, "id", f"{path}: category", faults):
        if isinstance(name := record.get("name"), str) and name:
            names[mark] = name
        else:
            faults.add("damaged entry", f"{path}: category {item}: has no name")
    return names


def _pictures(
    tree: Tree, content: dict[str, list[Any]], classes: dict[Any, str], path: str, faults: Faults
) -> Iterator[LabelledPicture]:
    where = f"{path}: annotation"
    rows = defaultdict(list)
    for item, mark, record in _records(content["annotations"], "image_id", where, faults):
        rows[mark].append(_row(item, record, classes))
    for item, mark, record in _records(content["images"], "id", f"{path}: image", faults):
        name = record.get("file_name")
        found = rows.pop(mark, [])
        if isinstance(name, str) and name:
            size = stated_size(record.get("height"), record.get("width"))
            yield LabelledPicture(name, tree.picture(name, path, faults), where, found, size)
        else:
            faults.add("damaged entry", f"{path}: image {item}: has no file_name ({len(found)} boxes)")
    for mark, found in rows.items():
        for row in found:
            faults.add("no picture", f"{where} {row.number}: image_id {mark!r}")


def _row(item: int, record: Record, classes: dict[Any, str]) -> Row:
    box = record.get("bbox")
    values = box if isinstance(box, list) and len(box) == 4 else _NO_BOX
    x, y, width, height = map(number, values)
    mark = record.get("category_id")
    label = classes.get(mark) if isinstance(mark, int | str) else None
    return Row(
        item,
        f"id {mark!r}" if label is None else label,
        (x, y, width, height),
        number(record.get("score", 1)),
        record.get("iscrowd") in (1, True),
        number(record.get("area")),
    )
