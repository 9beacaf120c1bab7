"""Faults of files of boxes: each is named, counted and told as a finding, so that nothing is lost silently."""

import re

from cnncli.data.findings import Finding, some
from cnncli.errors import DataError

FAULTS = {
    "damaged labels": ("label file cannot be read and is left out", "label files cannot be read and are left out"),
    "damaged entry": ("entry cannot be understood and is left out", "entries cannot be understood and are left out"),
    "missing picture": (
        "picture is not there: its boxes are left out",
        "pictures are not there: their boxes are left out",
    ),
    "unread picture": (
        "picture cannot be read: the size that its labels state is taken",
        "pictures cannot be read: the sizes that their labels state are taken",
    ),
    "no picture": ("box belongs to no picture and is left out", "boxes belong to no picture and are left out"),
    "repeated picture": (
        "picture is listed twice: its boxes are put together",
        "pictures are listed twice: their boxes are put together",
    ),
    "unknown class": ("box is of an unknown class and is left out", "boxes are of unknown classes and are left out"),
    "not a number": (
        "box has a number that is missing or not finite and is left out",
        "boxes have numbers that are missing or not finite and are left out",
    ),
    "no size": ("box has no width or no height and is left out", "boxes have no width or no height and are left out"),
    "outside": ("box lies outside its picture and is left out", "boxes lie outside their pictures and are left out"),
    "clipped": ("box reaches out of its picture and is clipped", "boxes reach out of their pictures and are clipped"),
    "picture size": (
        "picture has another size than its labels say",
        "pictures have other sizes than their labels say",
    ),
}
"""Kind of a fault to what is said about one and about several."""

NOTES = {
    "single pixel": (
        "box is a single pixel, perhaps a slip of the hand: kept",
        "boxes are a single pixel, perhaps a slip of the hand: kept",
    ),
    "turned": (
        "picture has boxes in pixels of the picture as it is stored, on its side: they are turned with it",
        "pictures have boxes in pixels of the picture as it is stored, on its side: they are turned with it",
    ),
    "led outside": (
        "file name leads outside the data: only its last part is looked for",
        "file names lead outside the data: only their last part is looked for",
    ),
    "negative": (
        "picture has no label file: taken as one without objects",
        "pictures have no label files: taken as ones without objects",
    ),
    "no labels": (
        "picture is named by no labels that are read: left out",
        "pictures are named by no labels that are read: left out",
    ),
}
"""Kind of a thing worth knowing that loses nothing to what is said about it; `strict` does not refuse it."""


class Faults:
    """The faults that were met while boxes are read.

    Args:
        path: name of the data in messages.
        strict: refuse the first fault instead of going on without what it is about.

    Example:
        >>> faults = Faults("cells", strict=False)
        >>> faults.add("no size", "a.xml: object 2: 0x5")
        >>> [finding.message for finding in faults.findings()]
        ['cells: 1 box has no width or no height and is left out: a.xml: object 2: 0x5']
    """

    def __init__(self, path: str, *, strict: bool) -> None:
        self.path, self.strict = path, strict
        self._found: dict[str, dict[str, None]] = {}

    def add(self, kind: str, text: str) -> None:
        """Take note of a fault.

        Args:
            kind: a key of `FAULTS` or `NOTES`.
            text: its place, and what was found there.

        Raises:
            DataError: it is one of `FAULTS`, and they are refused.
        """
        if self.strict and kind == "damaged labels":
            raise DataError(text)
        if self.strict and kind in FAULTS:
            raise DataError(f"{text}: {re.split(' and |: ', FAULTS[kind][0])[0]}")
        self._found.setdefault(kind, {})[text] = None

    def findings(self) -> tuple[Finding, ...]:
        """Return a finding for each kind, in the order of the tables."""
        said = {**FAULTS, **NOTES}
        return tuple(
            Finding(
                kind, f"{self.path}: {len(texts):,} {said[kind][len(texts) > 1]}: {some(list(texts))}", tuple(texts)
            )
            for kind in said
            if (texts := self._found.get(kind))
        )
