"""Inputs: files, globs, folders, lists, and shards of them."""

import glob
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cnncli.batch import objects
from cnncli.batch.stamps import Seen
from cnncli.batch.urls import is_url, without_file_scheme
from cnncli.errors import ArgumentError, NoInputError

STANDARD = "-"
"""Stands for standard input among inputs and for standard output among outputs."""


class Input(NamedTuple):
    """A file to work on.

    Attributes:
        path: as it was given or found, or `-`.
        below: its path below the folder that it was found in, or its name.
        found: whether it was found in a folder or by a glob, and not named itself.
        seen: what the listing of a store said of it, where it was found in one.
    """

    path: str
    below: str
    found: bool = False
    seen: Seen | None = None


def find_inputs(
    words: Iterable[str], listed: Iterable[str] = (), *, recursive: bool = False, suffixes: Sequence[str] = ()
) -> list[Input]:
    """Return the files that words stand for: files, globs, folders (with `recursive`) and `-`.

    A file that is not there is an input all the same: it will fail by name, and the others will not. A file named twice
    is worked on once.

    Args:
        words: what the user wrote; URLs are files, globs and folders in the same ways, and `file://` is a path.
        listed: paths from a list, taken as they are: in a list of thousands, one that is a folder or has a `[` in its
            name must not stop the others.
        recursive: go through folders, taking files with one of `suffixes`.
        suffixes: lower-case endings.

    Raises:
        ArgumentError: a folder without `recursive`.
        NoInputError: a glob or a folder that holds nothing.
    """
    inputs: dict[str, Input] = {}
    for word in words:
        for found in _expand(without_file_scheme(word), recursive, tuple(suffixes)):
            inputs.setdefault(found.path, found)
    for path in listed:
        path = os.path.join(os.curdir, path) if path == STANDARD else without_file_scheme(path)
        for found in _walk(path, tuple(suffixes)) if recursive and _is_listed_folder(path) else [_named(path)]:
            inputs.setdefault(found.path, found)
    if not inputs:
        raise NoInputError("the list of inputs is empty")
    return list(inputs.values())


def _expand(word: str, recursive: bool, suffixes: tuple[str, ...]) -> Iterator[Input]:
    if word == STANDARD:
        yield Input(word, "stdin")
    elif is_url(word):
        yield from _expand_url(word, recursive, suffixes)
    elif os.path.isdir(word):
        if not recursive:
            raise _folder_without_r(word)
        yield from _walk(word, suffixes)
    elif glob.has_magic(word) and not os.path.lexists(word):
        matches = [path for path in sorted(glob.glob(word, recursive=True)) if not os.path.isdir(path)]
        if not matches:
            raise NoInputError(f"{word}: the glob matches no file")
        yield from (Input(path, os.path.basename(path), found=True) for path in matches)
    else:
        yield _named(word)


def _expand_url(word: str, recursive: bool, suffixes: tuple[str, ...]) -> Iterator[Input]:
    objects.check(word)
    if glob.has_magic(word) and objects.look(word) is None:
        matches = objects.match(word)
        if not matches:
            raise NoInputError(f"{word}: the glob matches no file")
        yield from (Input(url, os.path.basename(url), found=True, seen=seen) for url, seen in matches.items())
    elif word.endswith("/") or objects.is_folder(word):
        if not recursive:
            raise _folder_without_r(word.rstrip("/"))
        yield from _walk(word, suffixes)
    else:
        yield _named(word)


def _folder_without_r(word: str) -> ArgumentError:
    return ArgumentError(f"{word} is a folder: add -r to go through it, or quote a glob such as '{word}/*.jpg'")


def _is_listed_folder(path: str) -> bool:
    """Whether a listed path is a folder; of a URL its end says so, for asking would take thousands of questions."""
    return path.endswith("/") if is_url(path) else os.path.isdir(path)


def _named(path: str) -> Input:
    return Input(path, os.path.basename(path))


def _walk(folder: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    found = _objects(folder, suffixes) if is_url(folder) else _files(folder, "", suffixes)
    first = next(found, None)
    if first is None:
        raise NoInputError(f"{folder}: the folder holds no files that end in {' '.join(suffixes)}")
    yield first
    yield from found


def _files(folder: str, below: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    """Yield the files of a folder, then those of its folders, by name; whatever is hidden is left out.

    A folder that may not be listed is yielded itself: it fails by name, and the others are done.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError:
        yield Input(folder, below or os.path.basename(folder), found=True)
        return
    for entry in entries:
        if entry.name.lower().endswith(suffixes) and _is_file(entry):
            yield Input(os.path.join(folder, entry.name), os.path.join(below, entry.name), found=True)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(os.path.join(folder, entry.name), os.path.join(below, entry.name), suffixes)


def _objects(folder: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    """Yield the objects below a URL by name; whatever is hidden is left out."""
    for url, seen in objects.find(folder).items():
        below = objects.below(url, folder)
        if below.lower().endswith(suffixes) and not any(part.startswith(".") for part in below.split("/")):
            yield Input(url, below, found=True, seen=seen)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file or a link to none; opening a pipe would wait for somebody to write to it."""
    return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))


class Shard(NamedTuple):
    """One of several equal shares of a batch, for schedulers that run many processes.

    Attributes:
        number: from 1 to `total`.
        total: how many shares there are.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`.

        Raises:
            ArgumentError: it is not that, or I is not from 1 to N.

        Example:
            >>> Shard.parse("2/8")
            Shard(number=2, total=8)
        """
        number, _, total = text.partition("/")
        if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise ArgumentError(f"shard must be I/N with I from 1 to N, such as 2/8, got {text!r}")
        return cls(int(number), int(total))

    def holds(self, source: Input) -> bool:
        """Whether an input belongs to this share: by a hash of its relative path, the same on every machine."""
        path = source.below.replace(os.sep, "/")
        return zlib.crc32(os.fsencode(path)) % self.total == self.number - 1
