"""The kinds of lists of boxes that `detect` writes, and their places."""

import os

from cnncli.batch.objects import is_url
from cnncli.choices import LABEL_KINDS
from cnncli.errors import ArgumentError
from cnncli.values import Value

TSV, CSV, JSONL, COCO, YOLO, VOC = LABEL_KINDS

_BY_SUFFIX = {".csv": CSV, ".tsv": TSV, ".txt": TSV, ".jsonl": JSONL, ".json": COCO}


class Labelling(Value):
    """The kind of the list of boxes, and its place.

    Attributes:
        kind: a word of `LABEL_KINDS`; by default what the suffix of the place says, `tsv` without a place.
        place: a file, or a folder for kinds with a file for each picture; None for standard output.
        as_json: whether standard output gets JSON lines, whatever goes to the place.

    Raises:
        ArgumentError: they do not go together.

    Example:
        >>> Labelling(place="found.json").kind, Labelling("yolo", "labels").folder, Labelling(as_json=True).printed
        ('coco', 'labels', 'jsonl')
    """

    kind: str = ""
    place: str | None = None
    as_json: bool = False

    def validate(self) -> None:
        if self.place is None:
            if self.kind in (YOLO, VOC):
                raise ArgumentError(f"--format {self.kind} is a file for each image: name their folder with --labels")
            if self.as_json and self.kind not in ("", JSONL):
                raise ArgumentError(f"--json is --format {JSONL}: leave out either it or --format {self.kind}")
            self.normalize(kind=self.kind or (JSONL if self.as_json else TSV))
            return
        if is_url(self.place) or not self.place:
            raise ArgumentError(f"--labels {self.place}: labels are written to this machine: name a file or a folder")
        if not self.kind:
            suffix = os.path.splitext(self.place)[1].lower()
            if suffix not in _BY_SUFFIX:
                raise ArgumentError(f"--labels {self.place}: say the kind of the labels with --format")
            self.normalize(kind=_BY_SUFFIX[suffix])

    @property
    def printed(self) -> str:
        """The kind of what is printed on standard output; empty for nothing."""
        return JSONL if self.as_json else "" if self.place is not None else self.kind

    @property
    def folder(self) -> str | None:
        """The folder of a file for each picture."""
        return self.place if self.kind in (YOLO, VOC) else None

    @property
    def file(self) -> str | None:
        """The file of all boxes."""
        return None if self.kind in (YOLO, VOC) else self.place
