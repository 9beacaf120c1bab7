"""Findings: problems of the data that its owner should know about, above all the same picture twice."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnncli.data.datasets import Dataset, Pictures, Subset
from cnncli.errors import DataError

_SHOWN = 3


class Finding(NamedTuple):
    """Something about the data that its owner should know.

    Attributes:
        kind: `corrupt`, `duplicate`, `conflict`, `single class`, `empty class`, `ignored`, `scale`, `memory`,
            `held out` or `trained on`; a fault of boxes (`FAULTS` in cnncli/data/boxes/faults.py).
        message: the whole finding in one line.
        items: everything that it is about, by name.
    """

    kind: str
    message: str
    items: tuple[str, ...] = ()


def raw_finding(path: str) -> Finding:
    """Return the finding that the numbers of the data have no scale that could be recognised."""
    return Finding(
        "scale",
        f"{path}: its numbers are not brightness from 0 to 255, 0 to 1 or 0 to 65,535: they are taken as they are, and "
        "the model will take such numbers alone",
    )


def find_duplicates(
    seen: Pictures, held_out: Pictures, seen_part: str = "training", part: str = "held-out"
) -> Finding | None:
    """Return the finding that pictures are in both parts, if some are: a network may know them by heart.

    Files are compared byte by byte, pictures in memory pixel by pixel; a file and a picture in memory by the pixels.
    A network learns from the first part, or is chosen by it; the second judges it.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.array([0, 1, 0]), ("a", "b"), "x")
        >>> other = ArrayDataset(pixels[2:], np.array([0]), ("a", "b"), "y")
        >>> find_duplicates(data, other).message
        '1 picture of the held-out part is in the training part too: y[0] = x[2]'
    """
    if seen.fingerprint_kind == held_out.fingerprint_kind:
        known, asked = seen.fingerprints, held_out.fingerprints
        shared = set(known) & set(asked)
        known, asked = _certain(seen, known, shared), _certain(held_out, asked, shared)
    elif seen.shape == held_out.shape:
        known, asked = seen.pixel_fingerprints(), held_out.pixel_fingerprints()
    else:
        return None
    items = {mark: item for item, mark in reversed(list(enumerate(known)))}
    shown = [f"{held_out.names[item]} = {seen.names[items[mark]]}" for item, mark in enumerate(asked) if mark in items]
    if not shown:
        return None
    count, verb = (f"{len(shown)} pictures", "are") if len(shown) > 1 else ("1 picture", "is")
    message = f"{count} of the {part} part {verb} in the {seen_part} part too: {some(shown)}"
    return Finding("duplicate", message, tuple(shown))


def find_conflicts(dataset: Dataset) -> Finding | None:
    """Return the finding that pictures have two labels, one of them wrong, if some do."""
    marks = dataset.fingerprints
    repeated = {mark for mark, count in Counter(marks).items() if count > 1}
    first: dict[bytes, int] = {}
    shown = []
    for item, mark in enumerate(_certain(dataset, marks, repeated)):
        other = first.setdefault(mark, item)
        if dataset.labels[other] != dataset.labels[item]:
            shown.append(f"{_labelled(dataset, other)} = {_labelled(dataset, item)}")
    if not shown:
        return None
    message = f"{len(shown)} picture{'s have' if len(shown) > 1 else ' has'} two labels: {some(shown)}"
    return Finding("conflict", message, tuple(shown))


def find_single_class(path: str, dataset: Dataset) -> Finding | None:
    """Return the finding that all pictures are of one class, if they are."""
    present = np.flatnonzero(dataset.counts()).tolist()
    if len(present) > 1:
        return None
    name = dataset.class_names[present[0]]
    message = f"{path}: all {len(dataset)} pictures are of one class, {name!r}: there is nothing to tell apart"
    return Finding("single class", message, (name,))


def known_classes(path: str, part: str, dataset: Dataset, names: Sequence[str]) -> tuple[Dataset, Finding | None]:
    """Return the pictures of a held-out part whose classes are known, and the finding that others are left out.

    Raises:
        DataError: no class is known.
    """
    known = np.isin(dataset.labels, [label for label, name in enumerate(dataset.class_names) if name in names])
    if known.all() or not known.any():
        try:
            return dataset.with_classes(names), None
        except DataError as error:
            raise DataError(f"{path}: {part} part: {error}") from error
    others = tuple(dataset.class_names[label] for label in np.unique(dataset.labels[~known]).tolist())
    count = int((~known).sum())
    noun = "1 picture" if count == 1 else f"{count:,} pictures"
    message = f"{path}: {noun} of class {', '.join(others)} in the {part} part alone: left out"
    kept = Subset(dataset, np.flatnonzero(known)).with_classes(names)
    return kept, Finding("empty class", message, others)


def some(texts: Sequence[str]) -> str:
    """Return the first few texts, and how many more there are.

    Example:
        >>> some(["a", "b", "c", "d", "e"])
        'a; b; c; and 2 more'
    """
    return "; ".join(texts[:_SHOWN]) + (f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")


def _certain(dataset: Pictures, marks: list[bytes], doubtful: set[bytes]) -> list[bytes]:
    """Return fingerprints, with certain ones in place of those that occur elsewhere too."""
    return [dataset.full_fingerprint(item) if mark in doubtful else mark for item, mark in enumerate(marks)]


def _labelled(dataset: Dataset, item: int) -> str:
    return f"{dataset.names[item]} ({dataset.class_names[dataset.labels[item]]})"
