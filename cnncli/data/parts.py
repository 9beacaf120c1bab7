"""Which folders are the parts of a data set: told by their names, in any case and spelling."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from cnncli.data.listing import visible_folders
from cnncli.errors import DataError

PART_NAMES = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "validate", "dev", "devel", "development", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
"""Part to the words that folders call it by."""

_FILLERS = ("dataset", "set", "data", "images", "image", "imgs", "img", "pictures", "photos", "files", "split", "part")

_PARTS = {word: part for part, words in PART_NAMES.items() for word in words}
_WORDS = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class _Name(NamedTuple):
    """A folder whose name has the word of a part, and what else it says: `seg_train` is the training part of seg."""

    part: str
    rest: tuple[str, ...]
    folder: str


def find_parts(path: str) -> dict[str, str]:
    """Return the folders that hold the parts of a data set, by part; none where there are not two of them.

    A single folder is the part that it is named after too, if it holds folders; with others beside it, it is a class.

    Raises:
        DataError: two folders are the same part.

    Example:
        >>> find_parts("samples")
        {}
    """
    names = visible_folders(path)
    groups: dict[tuple[str, ...], list[_Name]] = {}
    for found in filter(None, map(_read, names)):
        groups.setdefault(found.rest, []).append(found)
    parts = [found for group in groups.values() if len({found.part for found in group}) > 1 for found in group]
    if not parts and len(names) == 1 and groups:
        parts = [found for group in groups.values() for found in group]
    # Pictures of classes lie in their folders, those of parts in folders of classes.
    hold_folders = any(visible_folders(os.path.join(path, found.folder)) for found in parts)
    return _by_part(path, parts) if hold_folders or len(names) == len(parts) > 1 else {}


def _read(folder: str) -> _Name | None:
    words = list(_words(folder))
    parts = {_PARTS[word] for word in words if word in _PARTS}
    if len(parts) != 1:
        return None
    return _Name(parts.pop(), tuple(word for word in words if word not in _PARTS and word not in _FILLERS), folder)


def _words(name: str) -> Iterator[str]:
    """Yield the words of a name in small letters; `TrainSet`, `train_set` and `trainset` have the word train."""
    for word in map(str.casefold, _WORDS.findall(_CAPITAL.sub(" ", name))):
        filler = next((filler for filler in _FILLERS if word.removesuffix(filler) in _PARTS), "")
        yield word.removesuffix(filler)


def _by_part(path: str, found: list[_Name]) -> dict[str, str]:
    by_part: dict[str, str] = {}
    for part in PART_NAMES:
        folders = [name.folder for name in found if name.part == part]
        if len(folders) > 1:
            raise DataError(
                f"{path}: {' and '.join(folders)} are both the {part} part by their names: rename or move one of them"
            )
        if folders:
            by_part[part] = folders[0]
    return by_part
