"""The files of a data set of boxes: labels by part, pictures by name."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from cnncli.data.boxes.faults import Faults
from cnncli.data.listing import is_folder, is_run, is_system, natural_key
from cnncli.data.parts import FILLERS, part_of, words_of
from cnncli.errors import DataError

_LABELS = ("annotations", "annotation", "labels", "label", "xml", "xmls", "jpegimages", "imagesets", "main", "boxes")
_ABSOLUTE = re.compile(r"[\\/]|[A-Za-z]:[\\/]")
_LABEL_SUFFIXES = (".xml", ".json", ".txt", ".csv", ".yaml", ".yml")


class Tree:
    """The files in a folder, and in those below it that are named after a part, after pictures or after labels.

    Other folders are left alone, unless one above them has such a name: a folder with a thousand folders of pictures,
    a class each, is looked through at once.

    Args:
        path: the folder, or a file of labels: then the folder that it stands in, and the one above if that is a folder
            of labels.

    Attributes:
        root: the folder.
        chosen: the file of labels that was given; None where a folder was.
        files: the paths of the files, in natural order.
    """

    def __init__(self, path: str) -> None:
        self.chosen = None if os.path.isdir(path) else path
        self.root = root = path if self.chosen is None else _folder_of(path)
        self._parts: dict[str, str | None] = {}
        self.files = list(_files(root, {os.path.realpath(root)}, is_known=False))

    def ending(self, *suffixes: str) -> list[str]:
        """Return the files with one of some suffixes: of labels, the chosen one alone if it has one of them."""
        if self.chosen is not None and self.chosen.lower().endswith(suffixes):
            return [self.chosen]
        return [path for path in self.files if path.lower().endswith(suffixes)]

    def picture(self, name: str, label_file: str, faults: Faults, *, by_stem: bool = False) -> str | None:
        r"""Return the path of the picture that a label file names; None if it is not there.

        A name may have folders, with slashes or backslashes. Of an absolute one, or one that leads upwards, only the
        last part is looked for, so that nothing outside the folder is opened.

        Args:
            name: the name.
            label_file: the file that names it: of several pictures of a name, the nearest is taken.
            faults: is told of names that lead outside.
            by_stem: whether it is a name without its suffix.
        """
        known = self._by_stem if by_stem else self._by_name
        parts = [name] if name in known else [part for part in re.findall(r"[^\\/]+", name) if part != "."]
        if ".." in parts or _ABSOLUTE.match(name):
            faults.add("led outside", f"{label_file}: {name}")
            parts = parts[-1:]
        if not parts or parts == [".."]:
            return None
        own = next(filter(None, map(part_of, reversed(parts[:-1]))), None) or self.part(label_file, by_name=True)
        near = [path for path in known.get(parts[-1], ()) if None in (own, part := self.part(path)) or part == own]
        if not near:
            direct = os.path.join(os.path.dirname(label_file), *parts)
            return direct if not by_stem and os.path.isfile(direct) else None
        return max(near, key=lambda path: self._nearness(path, parts, label_file)) if len(near) > 1 else near[0]

    def part(self, path: str, *, by_name: bool = False) -> str | None:
        """Return the part that a file belongs to: that of the last of its folders, or itself, with such a name."""
        folder, name = os.path.split(path)
        if by_name and (part := part_of(os.path.splitext(name)[0])):
            return part
        if folder not in self._parts:
            folders = reversed(os.path.relpath(folder or os.curdir, self.root).split(os.sep))
            self._parts[folder] = next(filter(None, map(part_of, folders)), None)
        return self._parts[folder]

    def by_part(self, paths: Iterable[str], *, by_name: bool = False) -> dict[str, list[str]]:
        """Return label files by the part that they belong to, `train` if none has one.

        Raises:
            DataError: there are parts, but none to train on.
        """
        parts = [(self.part(path, by_name=by_name), path) for path in paths]
        found = _grouped((part, path) for part, path in parts if part is not None)
        if not found or self.chosen is not None:
            return {"train": [path for _, path in parts]} if parts else {}
        if "train" not in found:
            raise DataError(
                f"{self.root}: has labels of {' and '.join(found)}, but no part to train on: name the folder of one"
            )
        return found

    def _nearness(self, path: str, parts: list[str], label_file: str) -> tuple[bool, bool, int]:
        """Return how well a picture fits the name that a label file gives: by its folders, its part, its place."""
        ends = os.path.relpath(path, self.root).split(os.sep)[-len(parts) :] == parts
        return ends, self.part(path) is not None, len(os.path.commonpath([path, label_file]))

    @cached_property
    def pictures(self) -> list[str]:
        """The files that are not labels."""
        return [path for path in self.files if not path.lower().endswith(_LABEL_SUFFIXES)]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped((os.path.basename(path), path) for path in self.pictures)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped((os.path.splitext(os.path.basename(path))[0], path) for path in self.pictures)


def _folder_of(path: str) -> str:
    folder = os.path.dirname(path)
    is_labels = any(word in _LABELS for word in words_of(os.path.basename(folder)))
    return (os.path.dirname(folder) if is_labels else folder) or os.curdir


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for key, path in pairs:
        groups[key].append(path)
    return dict(groups)


def _files(folder: str, visited: set[str], *, is_known: bool) -> Iterator[str]:
    """Yield the files of a folder and of those below it that are looked into, each once, in natural order."""
    with os.scandir(folder) as listing:
        entries = sorted((entry for entry in listing if not is_system(entry.name)), key=lambda e: natural_key(e.name))
    for entry in entries:
        if not is_folder(entry):
            if entry.is_file() or not os.path.exists(
                entry.path
            ):  # no pipe, which is waited for; a broken link fails later
                yield entry.path
            continue
        is_named = is_known or any(word in FILLERS or word in _LABELS for word in words_of(entry.name))
        place = os.path.realpath(entry.path)
        if (is_named or part_of(entry.name)) and place not in visited and not is_run(entry.path):
            visited.add(place)
            yield from _files(entry.path, visited, is_known=is_named)
