"""Boxes with scores as rows of CSV or JSON lines, as `detect` prints them."""

import csv
import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.data.boxes.labels import number
from cnncli.errors import DataError
from cnncli.files.text import csv_text, json_text
from cnncli.ops.boxes import from_corners, nms

SIDES = ("x", "y", "width", "height")
CORNERS = ("left", "top", "right", "bottom")
_FILES = ("file", "input")  # the column that names the picture: the first of these that is there

Record = dict[str, Any]


class ScoredBoxes(NamedTuple):
    """Boxes that were found in any number of pictures, with the rows that state them.

    Attributes:
        places: (N, 4) float64: x, y, width, height.
        scores: (N,) float64.
        classes: (N,) names; empty texts where there is no such column.
        files: (N,) names of pictures; empty texts where there is no such column.
        rows: what each row holds, by column.
        header: the columns of CSV; none of JSON lines.
    """

    places: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: tuple[str, ...]
    files: tuple[str, ...]
    rows: tuple[Record, ...]
    header: tuple[str, ...]

    def pictures(self) -> list[NDArray[np.int64]]:
        """Return the indices of the boxes of each picture, the best first."""
        numbers = _numbered(self.files)
        order = np.lexsort([-self.scores, numbers])
        return np.split(order, np.bincount(numbers).cumsum()[:-1]) if len(order) else []

    def chosen(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """Return the places, the scores and the classes of some boxes."""
        return self.places[places], self.scores[places], [self.classes[place] for place in places.tolist()]

    def kept(self, threshold: float = 0.5) -> NDArray[np.int64]:
        """Return the indices of the boxes that suppression by picture and class keeps: by picture, the best first.

        Raises:
            ArgumentError: the threshold is not from 0 to 1.
        """
        pairs = [*zip(self.files, self.classes, strict=True)]
        kept = nms(self.places, self.scores, threshold, _numbered(pairs))
        return kept[np.argsort(_numbered(self.files)[kept], kind="stable")]

    def facts(self, place: int) -> Record:
        """Return a box for JSON.

        Example:
            >>> line = '{"class": "cat", "score": 1, "left": 5, "top": 5, "right": 9, "bottom": 8}'
            >>> parse_scored(line, "-", as_corners=True).facts(0)
            {'class': 'cat', 'score': 1.0, 'x': 5.0, 'y': 5.0, 'width': 4.0, 'height': 3.0}
        """
        names = {
            name: column[place] for name, column in (("file", self.files), ("class", self.classes)) if column[place]
        }
        return names | {"score": self.scores[place].item()} | dict(zip(SIDES, self.places[place].tolist(), strict=True))

    def lines(self, places: Iterable[int]) -> Iterator[str]:
        """Yield rows as they were: CSV under its header, or JSON lines."""
        if not self.header:
            yield from (json_text(self.rows[place]) for place in places)
            return
        yield csv_text(self.header)
        yield from (csv_text(self.rows[place].values()) for place in places)


def parse_scored(text: str, name: str, *, as_corners: bool = False) -> ScoredBoxes:
    r"""Return the boxes that a table holds.

    Args:
        text: CSV with a header, or JSON lines: an object for each box, or for each picture with its boxes in a list, as
            `detect` prints them. Fields are class, score, x, y, width, height and file; class and file may be absent.
            Pictures without boxes are left out.
        name: of the file, in messages.
        as_corners: whether a box is left, top, right, bottom instead.

    Raises:
        DataError: it is not such a table, or has a number that is not finite, or a side below 0; the line is named.

    Example:
        >>> boxes = parse_scored("class,score,x,y,width,height\ncat,0.5,0,0,9,9\ncat,0.9,1,0,9,9\n", "boxes.csv")
        >>> print(*boxes.lines(boxes.kept(0.5)), sep="\n")
        class,score,x,y,width,height
        cat,0.9,1,0,9,9
    """
    header, rows = _rows(text.removeprefix("\ufeff"), name)
    wanted = CORNERS if as_corners else SIDES
    numbers = np.array([[_number(row, field, where) for field in ("score", *wanted)] for where, row in rows])
    scores, places = numbers.reshape(-1, 5)[:, 0], numbers.reshape(-1, 5)[:, 1:]
    places = from_corners(places) if as_corners else places
    for (where, _), sides in zip(rows, places[:, 2:], strict=True):
        if (sides < 0).any():
            raise DataError(f"{where}: width and height must be from 0, got {sides[0]:g} and {sides[1]:g}")
    records = tuple(row for _, row in rows)
    classes = tuple(str(row.get("class", "")) for row in records)
    files = tuple(str(next((row[field] for field in _FILES if field in row), "")) for row in records)
    return ScoredBoxes(places, scores, classes, files, records, header)


def _rows(text: str, name: str) -> tuple[tuple[str, ...], list[tuple[str, Record]]]:
    """Return the header of CSV, and the place and the record of each row."""
    if text.lstrip()[:1] == "{":
        return (), [*_json_rows(text, name)]
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        cells = [(f"{name}: line {reader.line_num}", row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{name}: line {reader.line_num}: is not CSV: {error}") from error
    header = tuple(cell.strip() for cell in cells[0][1]) if cells else ()
    if "score" not in header or len(set(header)) < len(header):
        found = f"got {text[:60]!r}" if text.strip() else "and the file is empty"
        raise DataError(f"{name}: the first line must name the columns class,score,x,y,width,height, {found}")
    for where, row in cells:
        if len(row) != len(header):
            raise DataError(f"{where}: has {len(row)} cells where the first line has {len(header)}")
    records = [(where, dict(zip(header, row, strict=True))) for where, row in cells[1:]]
    return header, [(where, row) for where, row in records if not _is_bare(row)]


def _is_bare(row: Record) -> bool:
    """Return whether a row names a picture without boxes."""
    return any(row.get(field) for field in _FILES) and not any(row[field] for field in row.keys() - {*_FILES})


def _json_rows(text: str, name: str) -> Iterator[tuple[str, Record]]:
    for place, line in enumerate(text.split("\n"), 1):
        where = f"{name}: line {place}"
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: is not JSON: {error}") from error
        boxes, picture = [record], Record()
        if isinstance(record, dict) and "boxes" in record:
            boxes = record["boxes"] or []  # null for a picture that failed
            picture = {field: record[field] for field in _FILES if field in record}
        boxes = boxes if isinstance(boxes, list) else [boxes]
        for box in boxes:
            if not isinstance(box, dict):
                raise DataError(f"{where}: must be an object with the fields of a box, got {str(box)[:60]}")
            yield where, picture | box


def _numbered(names: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return a number for each name, the same for equal ones, in the order in which they first appear."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _number(row: Record, field: str, where: str) -> float:
    value = row.get(field)
    found = number(value)
    if not np.isfinite(found):
        raise DataError(f"{where}: {field} must be a finite number, got {'none' if value is None else repr(value)}")
    return found
