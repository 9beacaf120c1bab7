"""The parts of a data set, to train on, to validate by and to test by: given as folders, or split off."""

import os
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.data.datasets import Dataset, Indices, Pictures
from cnncli.data.findings import Finding
from cnncli.data.listing import visible_folders
from cnncli.errors import ArgumentError, DataError

PART_NAMES = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "validate", "dev", "devel", "development", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
"""Part to the words that name its folder."""

FILLERS = ("dataset", "set", "data", "images", "image", "imgs", "img", "pictures", "photos", "files", "split", "part")
"""Words that say nothing of what a folder holds but pictures."""

_PARTS = {word: part for part, words in PART_NAMES.items() for word in words}
_WORDS = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Parts(NamedTuple):
    """A data set in its parts.

    Attributes:
        train: the training part; everything where the data has no parts.
        validation: for choosing between networks; None where the data has no such part.
        test: for judging the one that was chosen; None where the data has no such part.
        findings: problems that its owner should know about.
        folders: part to its folder; empty where the parts are not folders.
    """

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None
    findings: tuple[Finding, ...] = ()
    folders: Mapping[str, str] = MappingProxyType({})


def find_parts(path: str) -> dict[str, str]:
    """Return the folders that hold the parts of a data set, by part; none where there are not two of them.

    Names are read in any case and spelling. A single folder named after a part is that part too, if it holds folders;
    with others beside it, it is a class.

    Raises:
        DataError: two folders are the same part.

    Example:
        >>> find_parts("samples")
        {}
    """
    names = visible_folders(path)
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}  # (part, folder) by the rest of the folder's name
    for rest, part, folder in filter(None, map(_part_folder, names)):
        groups.setdefault(rest, []).append((part, folder))
    parts = [found for group in groups.values() if len({part for part, _ in group}) > 1 for found in group]
    if not parts and len(names) == 1 and groups:
        parts = [found for group in groups.values() for found in group]
    # Classes are folders of pictures; parts are folders of folders.
    hold_folders = any(visible_folders(os.path.join(path, folder)) for _, folder in parts)
    return _by_part(path, parts) if hold_folders or len(names) == len(parts) > 1 else {}


def part_of(name: str) -> str | None:
    """Return the part that a folder or file is by its name; None where it is none, or could be two.

    Example:
        >>> part_of("val2017"), part_of("seg_train"), part_of("cats")
        ('validation', 'train', None)
    """
    found = {_PARTS[word] for word in words_of(name) if word in _PARTS}
    return found.pop() if len(found) == 1 else None


def _part_folder(folder: str) -> tuple[tuple[str, ...], str, str] | None:
    """Return the rest of a folder's name, and its part: `seg_train` is the training part of seg."""
    part = part_of(folder)
    if part is None:
        return None
    return tuple(word for word in words_of(folder) if word not in _PARTS and word not in FILLERS), part, folder


def words_of(name: str) -> Iterator[str]:
    """Yield the words of a name in small letters.

    Example:
        >>> [list(words_of(name)) for name in ("TrainSet", "train_set", "trainset")]
        [['train', 'set'], ['train', 'set'], ['train']]
    """
    for word in map(str.casefold, _WORDS.findall(_CAPITAL.sub(" ", name))):
        filler = next((filler for filler in FILLERS if word.removesuffix(filler) in _PARTS), "")
        yield word.removesuffix(filler)


def _by_part(path: str, found: list[tuple[str, str]]) -> dict[str, str]:
    by_part: dict[str, str] = {}
    for part in PART_NAMES:
        folders = [folder for its_part, folder in found if its_part == part]
        if len(folders) > 1:
            raise DataError(
                f"{path}: {' and '.join(folders)} are both the {part} part by their names: rename or move one of them"
            )
        if folders:
            by_part[part] = folders[0]
    return by_part


def split(dataset: Dataset, fraction: float) -> tuple[Indices, Indices]:
    """Return the items to train on and those to validate by.

    The given share of every class is held out, at least one item and never all (a class of one item is trained on).
    The choice depends on the content of the items alone, by a hash: not on the order of files, their names, the
    machine or chance. The same content never stands on both sides, and when items are added, most others stay on
    their side.

    Args:
        dataset: the items.
        fraction: the share of each class that is held out, between 0 and 1.

    Returns:
        (train, validation): indices of items, each in rising order.

    Raises:
        ArgumentError: a fraction out of range, or data without two different items of a class.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.arange(20) % 2, ("even", "odd"), "x")
        >>> train, validation = split(data, 0.2)
        >>> len(train), len(validation), np.bincount(data.labels[validation]).tolist()
        (16, 4, [2, 2])
    """
    marks = _marks(dataset, fraction)
    held_out = np.zeros(len(dataset), bool)
    for label in np.unique(dataset.labels).tolist():
        members = np.flatnonzero(dataset.labels == label)
        held_out[members] = _lowest(marks[members], fraction)
    if not held_out.any():
        raise ArgumentError(
            "no class has two different pictures: nothing can be held out; give other data to --val, or 0 for none"
        )
    return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)


def split_pictures(pictures: Pictures, fraction: float) -> tuple[Indices, Indices]:
    """Return the items to train on and those to validate by, as `split` does, without regard to classes.

    Raises:
        ArgumentError: a fraction out of range, or data without two different pictures.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
        >>> train, validation = split_pictures(ArrayDataset(pixels, np.arange(20) % 2, ("even", "odd"), "x"), 0.2)
        >>> len(train), len(validation)
        (16, 4)
    """
    held_out = _lowest(_marks(pictures, fraction), fraction)
    if not held_out.any():
        raise ArgumentError(
            "there are no two different pictures: nothing can be held out; give other data to --val, or 0 for none"
        )
    return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)


def _marks(pictures: Pictures, fraction: float) -> NDArray[np.uint64]:
    """Return a number for each item that stands for its content, after a look at the fraction."""
    if not 0 < fraction < 1:
        raise ArgumentError(f"the part held out must be between 0 and 1, got {fraction!r}")
    return np.array([int.from_bytes(mark[:8], "little") for mark in pictures.fingerprints], np.uint64)


def _lowest(marks: NDArray[Any], fraction: float) -> NDArray[np.bool_]:
    """Return a mask of the lowest marks: equal ones go together, and never all."""
    ranked = np.sort(marks)
    count = max(1, round(fraction * len(marks)))
    chosen: NDArray[np.bool_] = marks <= ranked[min(count, len(marks)) - 1]
    return marks < ranked[-1] if chosen.all() else chosen
