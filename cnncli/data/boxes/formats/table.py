"""CSV: a row for each box, under a header: file, class, x, y, width, height, and perhaps score and crowd.

Boxes are in pixels, in full precision. A picture without boxes is a row whose other cells are empty.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledBoxes, LabelledPicture, Labels, Row, number
from cnncli.data.boxes.texts import read_text
from cnncli.data.boxes.tree import Tree
from cnncli.errors import DataError

COLUMNS = ("file", "class", "x", "y", "width", "height")
_TRUE = ("1", "true", "yes")


def find(tree: Tree) -> dict[str, list[str]]:
    """Return the CSV files with such a header, by part."""
    files = [path for path in tree.ending(".csv") if path == tree.chosen or _is_table(path)]
    return tree.by_part(files, by_name=True)


def read(tree: Tree, files: Sequence[str], faults: Faults, max_bytes: int) -> Labels:
    """Return the labels in CSV files."""
    pictures: list[LabelledPicture] = []
    for path in files:
        try:
            rows = _rows(path, faults, max_bytes)
        except DataError as error:
            faults.add("damaged labels", str(error))
            continue
        pictures += [
            LabelledPicture(name, tree.picture(name, path, faults), f"{path}: line", boxes)
            for name, boxes in rows.items()
        ]
    return Labels(pictures)


def text(pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> Iterator[str]:
    """Yield the text of a file, with columns of scores and crowds where some box has them."""
    found = list(pictures)
    has_scores = any((picture.boxes.scores != 1).any() for picture in found)
    has_crowds = any(picture.boxes.crowd.any() for picture in found)
    header = (*COLUMNS, *("score",) * has_scores, *("crowd",) * has_crowds)
    yield _line(header)
    for picture in found:
        boxes = picture.boxes
        if not len(boxes.places):
            yield _line([picture.path, *("",) * (len(header) - 1)])
        for place, label, score, crowd in zip(*(field.tolist() for field in boxes[:4]), strict=True):
            yield _line([picture.path, class_names[label], *place, *(score,) * has_scores, *(int(crowd),) * has_crowds])


def _line(cells: Sequence[object]) -> str:
    line = StringIO(newline="")
    csv.writer(line).writerow(cells)  # numbers by their shortest text that reads back the same
    return line.getvalue()


def _is_table(path: str) -> bool:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            header = file.readline(4096)
    except OSError:
        return False
    return set(COLUMNS) <= {cell.strip() for cell in header.split(",")}


def _rows(path: str, faults: Faults, max_bytes: int) -> dict[str, list[Row]]:
    """Return the rows of each picture."""
    reader = csv.reader(StringIO(read_text(path, max_bytes), newline=""), strict=True)
    pictures: dict[str, list[Row]] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if missing := [column for column in COLUMNS if column not in header]:
            raise DataError(f"{path}: its first line names no {', '.join(missing)}; it should be {','.join(COLUMNS)}")
        for cells in reader:
            if len(cells) == len(header):
                record = dict(zip(header, cells, strict=True))
                boxes = pictures.setdefault(record["file"], [])
                if any(record[column].strip() for column in COLUMNS[1:]):
                    boxes.append(_row(reader.line_num, record))
            elif cells:
                faults.add("damaged entry", f"{path}: line {reader.line_num}: has {len(cells)} cells of {len(header)}")
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: is not CSV: {error}") from error
    return pictures


def _row(line: int, record: dict[str, str]) -> Row:
    x, y, width, height = (number(record[column]) for column in COLUMNS[2:])
    score = record.get("score", "").strip()
    crowd = record.get("crowd", "").strip().lower() in _TRUE
    return Row(line, record["class"].strip(), (x, y, width, height), number(score) if score else 1.0, crowd)
