"""Inputs: files, globs, folders, lists, and shards of them."""

import glob
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cnncli.batch import objects
from cnncli.batch.objects import Seen, is_url, without_file_scheme, without_query
from cnncli.errors import ArgumentError, NoInputError
from cnncli.files.temporary import STANDARD
from cnncli.files.web import is_web


class Input(NamedTuple):
    """A file to work on.

    Attributes:
        path: as it was given or found, or `-`.
        below: its path below the folder that it was found in, or its name.
        found: whether it was found in a folder or by a glob, and not named itself.
        seen: the entry in a store's listing, if it was found in one.
    """

    path: str
    below: str
    found: bool = False
    seen: Seen | None = None


def find_inputs(
    words: Iterable[str],
    listed: Iterable[str] = (),
    *,
    recursive: bool = False,
    suffixes: Sequence[str] = (),
    left_out: list[str] | None = None,
    repeats: bool = False,
) -> list[Input]:
    """Return the files that words stand for: files, globs, folders (with `recursive`) and `-`.

    A file that is not there is an input all the same: it will fail by name, and the others will not. A file named twice
    is worked on once, unless `repeats` are asked for; standard input can be read once. Pipes, sockets and devices are
    read where a word names them; where they are found or listed they are left out, for opening one might wait for ever.

    Args:
        words: the words of the user; URLs may be files, globs or folders too, and `file://` is a path.
        listed: paths from a list, taken as they are: in a list of thousands, one that is a folder or has a `[` in its
            name must not stop the others.
        recursive: go through folders, taking files with one of `suffixes`.
        suffixes: lower-case endings.
        left_out: gets the paths of special files that are left out.
        repeats: return a file as often as it is named.

    Raises:
        ArgumentError: a folder without `recursive`.
        NoInputError: a glob or a folder that holds nothing.
    """
    search = _Search(recursive, tuple(suffixes), [] if left_out is None else left_out)
    inputs: list[Input] = []
    for word in words:
        inputs += search.expand(without_file_scheme(word))
    for path in listed:
        path = os.path.join(os.curdir, path) if path == STANDARD else without_file_scheme(path)
        inputs += search.expand_listed(path)
    if not inputs:
        raise NoInputError("the list of inputs is empty")
    first = {found.path: found for found in reversed(inputs)}
    return [found for found in inputs if first[found.path] is found or (repeats and found.path != STANDARD)]


class _Search(NamedTuple):
    """A search for input files, with the arguments of `find_inputs`."""

    recursive: bool
    suffixes: tuple[str, ...]
    left_out: list[str]

    def expand(self, word: str) -> Iterator[Input]:
        """Yield the inputs that a word of the command line stands for."""
        if word == STANDARD:
            yield Input(word, "stdin")
        elif is_url(word):
            yield from self._expand_url(word)
        elif os.path.isdir(word):
            yield from self._walk(word)
        elif glob.has_magic(word) and not os.path.lexists(word):
            yield from self._match(word)
        else:
            yield _named(word)

    def expand_listed(self, path: str) -> Iterator[Input]:
        """Yield the inputs of a path of a list; a URL that ends in a slash is a folder, because asking takes long."""
        if is_url(path):
            is_folder = self.recursive and path.endswith("/") and not is_web(path)
            yield from self._walk(path) if is_folder else [_named(path)]
            return
        mode = mode_of(path)
        if self.recursive and mode is not None and stat.S_ISDIR(mode):
            yield from self._walk(path)
        elif self._takes(path, mode):
            yield _named(path)

    def _takes(self, path: str, mode: int | None) -> bool:
        """Return whether a path is an input: special files are not; a broken link is, so that it is reported."""
        if mode is None or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return True
        self.left_out.append(path)
        return False

    def _takes_file(self, path: str) -> bool:
        mode = mode_of(path)
        return not (mode is not None and stat.S_ISDIR(mode)) and self._takes(path, mode)

    def _match(self, pattern: str) -> Iterator[Input]:
        try:
            paths = sorted(glob.glob(pattern, recursive=True))
        except RecursionError as error:
            raise ArgumentError(
                f"{pattern}: goes through folders too deep for a glob: name the folder, with -r"
            ) from error
        inputs = [Input(path, os.path.basename(path), found=True) for path in paths if self._takes_file(path)]
        if not inputs:
            raise NoInputError(f"{pattern}: the glob matches no file")
        yield from inputs

    def _expand_url(self, word: str) -> Iterator[Input]:
        objects.check(word)
        if is_web(word):  # which lists nothing
            yield _named(word)
        elif glob.has_magic(without_query(word)) and objects.look(word) is None:
            matches = objects.match(word)
            if not matches:
                raise NoInputError(f"{word}: the glob matches no file")
            yield from (Input(url, os.path.basename(url), found=True, seen=seen) for url, seen in matches.items())
        elif word.endswith("/") or objects.is_folder(word):
            yield from self._walk(word)
        else:
            yield _named(word)

    def _walk(self, folder: str) -> Iterator[Input]:
        if not self.recursive:
            raise ArgumentError(
                f"{folder} is a folder: add -r to go through it, or quote a glob such as '{folder.rstrip('/')}/*.jpg'"
            )
        found = _objects(folder, self.suffixes) if is_url(folder) else self._files(folder)
        first = next(found, None)
        if first is None:
            raise NoInputError(f"{folder}: the folder holds no files that end in {' '.join(self.suffixes)}")
        yield first
        yield from found

    def _files(self, top: str) -> Iterator[Input]:
        """Yield the files of a folder, then those of its folders, by name, without hidden ones.

        A folder that may not be listed is yielded itself: it fails by name, and the others are done.
        """
        waiting = [(top, "")]
        while waiting:
            folder, below = waiting.pop()
            try:
                with os.scandir(folder) as listing:
                    entries = sorted((entry for entry in listing if entry.name[0] != "."), key=lambda entry: entry.name)
            except OSError:
                yield Input(folder, below or os.path.basename(folder), found=True)
                continue
            for entry in entries:
                # Facts from the listing need no further request; a link to a folder may be circular.
                if entry.name.lower().endswith(self.suffixes) and (
                    entry.is_file(follow_symlinks=False) or self._takes_file(entry.path)
                ):
                    yield Input(os.path.join(folder, entry.name), os.path.join(below, entry.name), found=True)
            folders = [entry.name for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]
            waiting += [(os.path.join(folder, name), os.path.join(below, name)) for name in folders]


def mode_of(path: str) -> int | None:
    """Return the mode of the file that a path leads to; None where it leads nowhere, or cannot be followed."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return None


def _named(path: str) -> Input:
    return Input(path, os.path.basename(without_query(path)))


def _objects(folder: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    """Yield the objects below a URL by name, without hidden ones."""
    for url, seen in objects.find(folder).items():
        below = objects.below(url, folder)
        if below.lower().endswith(suffixes) and not any(part.startswith(".") for part in below.split("/")):
            yield Input(url, below, found=True, seen=seen)


class Shard(NamedTuple):
    """One of `total` equal shares of a batch, numbered from 1, for schedulers that run many processes."""

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
        """Return whether an input belongs to this share: by a hash of its relative path, the same on every machine."""
        path = source.below.replace(os.sep, "/")
        return zlib.crc32(os.fsencode(path)) % self.total == self.number - 1
