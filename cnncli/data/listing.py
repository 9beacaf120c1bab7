"""The contents of a data set's folder: pictures, recognised by their content, and everything that is left out."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cnncli.errors import shortage
from cnncli.images.formats import PICTURE_SUFFIXES
from cnncli.images.reading import kind_of

_SYSTEM = frozenset(("@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found", "system volume information"))
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini", "icon\r"))
_RUN = ("config.toml", "checkpoint.safetensors")  # files that the folder of a run always holds
RUN = "folder of a training run"

_HEAD = 32
_NOUN = re.compile(r"(?<!\.)\b(file|folder|link)\b")
_NUMBERS = re.compile(r"(\d+)")


class Listing(NamedTuple):
    """The pictures below a folder.

    Attributes:
        pictures: files that are pictures by their name or content, in natural order.
        left_out: the number of other things, by kind: `.txt file`.
    """

    pictures: list[str]
    left_out: Counter[str]


def list_pictures(folder: str) -> Listing:
    """Find the pictures in a folder and below it: links are followed, each folder is visited once.

    Example:
        >>> len(list_pictures("samples/digits/0").pictures)
        40
    """
    found = Listing([], Counter())
    top = os.path.realpath(folder)
    visited = {top}
    waiting = [folder]
    while waiting:
        waiting.extend(reversed(list(_visit(waiting.pop(), found, visited, top))))
    return found


def _visit(folder: str, found: Listing, visited: set[str], top: str) -> Iterator[str]:
    """Add the files of a folder to a listing, and yield its folders."""
    try:
        with os.scandir(folder) as listing:
            seen = {entry.name: entry for entry in listing if not is_system(entry.name)}
    except OSError as error:
        if shortage(error):  # not the folder's fault, and the data would differ from run to run
            raise
        found.left_out["folder that cannot be listed"] += 1
        return
    for entry in (seen[name] for name in sorted(seen, key=natural_key)):
        if is_folder(entry):
            kind = _why_not_visited(entry.path, visited, top)
            if kind:
                found.left_out[kind] += 1
            else:
                yield entry.path
        elif kind := _why_no_picture(entry):
            found.left_out[kind] += 1
        else:
            found.pictures.append(entry.path)


def _why_not_visited(folder: str, visited: set[str], top: str) -> str:
    """Return the kind of a folder that is left out; empty for any other, which counts as visited from now on."""
    place = os.path.realpath(folder)
    if is_run(folder):
        return RUN
    if place in visited or top.startswith(place.rstrip(os.sep) + os.sep):
        return "link to a folder that is visited already"
    visited.add(place)
    return ""


def _why_no_picture(entry: os.DirEntry[str]) -> str:
    """Return the kind of a file that is not a picture; empty for a picture."""
    if not is_file(entry) and os.path.exists(entry.path):
        return "special file"
    if is_picture(entry.path):  # a broken link named as a picture fails by its name later
        return ""
    if not is_file(entry):
        return "broken link"
    suffix = os.path.splitext(entry.name)[1]
    return f"{suffix} file" if suffix else "file without a suffix"


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one; a link that leads in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a regular file, or a link to one: opening a pipe would wait for a writer."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_picture(path: str) -> bool:
    """Return whether a file is named as a picture, or begins as pictures do."""
    if path.lower().endswith(PICTURE_SUFFIXES):
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        if shortage(error):
            raise
        return False
    kind = kind_of(head)
    # Archives begin as .npz files do.
    return kind is not None and not kind.container


def is_system(name: str) -> bool:
    """Return whether a name is hidden, or one that systems give to their own files and folders.

    Example:
        >>> [is_system(name) for name in (".git", "__MACOSX", "@eaDir", "cats")]
        [True, True, True, False]
    """
    return name.startswith((".", "__")) or name.lower() in _SYSTEM or name.lower() in _SYSTEM_FILES


def is_run(folder: str) -> bool:
    """Return whether a folder is that of a training run."""
    return all(os.path.exists(os.path.join(folder, name)) for name in _RUN)


def visible_folders(path: str) -> list[str]:
    """Return the names of the folders in a folder that may hold pictures of a class, or a part of the data."""
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if is_folder(entry) and not is_system(entry.name)]
    return sorted((name for name in names if not is_run(os.path.join(path, name))), key=natural_key)


def counted(left_out: Counter[str]) -> str:
    """Return the kinds of things that were left out, with their numbers.

    Example:
        >>> counted(Counter({".txt file": 2, "special file": 1}))
        '2 .txt files, 1 special file'
    """

    def plural(kind: str) -> str:
        return _NOUN.sub(r"\1s", kind, count=1)

    return ", ".join(f"{count:,} {plural(kind) if count > 1 else kind}" for kind, count in left_out.most_common())


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Return a key that sorts numbers in names by their value, and letters without regard to case.

    Example:
        >>> sorted(["10", "9", "b2", "B10", "a1", "a"], key=natural_key)
        ['9', '10', 'a', 'a1', 'b2', 'B10']
    """
    parts = _NUMBERS.split(name.casefold())
    key = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
    return key, name  # names that differ in case alone have an order too
