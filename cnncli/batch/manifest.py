"""Lists, beside the outputs, of what is finished, and from what it was made.

A line names an output, what tells whether it is still the same, the same of the input, and the options that it was made
with. An output without a line is another's.

In a folder the list is one file, which grows by a line when an output is complete and before it gets its name. Workers
on several machines have a file each, in a folder beside it: appending is safe between processes of one machine, and not
between machines that share a folder over a network.

In object stores nothing can be appended. There the list is a folder of small objects, each written once with the lines
of a second or two, after the outputs that they name: a killed process loses these few lines, and the next run makes
those outputs again and finds them equal. An object a line, or a tag on each output, would lose none, and would cost a
put or a question for every picture; these cost one for thirty, and are read a thousand names at a time.
"""

import errno
import os
import stat
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from time import time_ns
from typing import Any, NamedTuple

from cnncli.batch import objects
from cnncli.batch.inputs import Input
from cnncli.batch.objects import Seen, is_url
from cnncli.batch.plan import Job
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import MACHINE, STANDARD
from cnncli.files.web import is_web

NAME = ".cnncli-done.jsonl"
PARTS = ".cnncli-done"
"""The folder of lists written by several machines, or in stores."""

_LONG_ENOUGH = 2.0  # seconds after which lines for a store are written

_FRESH = 2_000_000_000
"""Nanoseconds in which two changes may have equal times, on the coarsest file systems."""

_SETTLING = 100_000_000  # nanoseconds for a complete file to get its name, which changes its entry


class Stamp(NamedTuple):
    """The facts that show whether a file is unchanged.

    Its content is read only if its times do not rule out a change: a modification time can be set back, and tools
    that copy or edit in place do so, but the time of the last change of a file's entry (ctime) cannot.

    Attributes:
        size: bytes.
        time: modification time in nanoseconds.
        checksum: CRC-32 of the content, which decides if the times do not. It guards against accidents, and a
            cryptographic digest would take 3 to 5 % of a batch of photographs (blake2b) where this takes 1 %.
        settled: the latest ctime, in nanoseconds, with which an equal modification time means that
            nothing changed; 0 if the content has to be read.
    """

    size: int
    time: int
    checksum: int
    settled: int = 0

    @classmethod
    def of(cls, path: str, *, settling: bool = False) -> "Stamp":
        """Return the stamp of a file; with `settling`, of one that is about to be renamed."""
        status = os.stat(path)
        settled = status.st_ctime_ns + _SETTLING if settling else _settled(status)
        return cls(status.st_size, status.st_mtime_ns, _checksum(path), settled)

    def check(self, path: str) -> "Stamp | None":
        """Return the current stamp of a file if it is unchanged, else None."""
        try:
            status = os.stat(path)
            if status.st_size != self.size:
                return None
            if status.st_mtime_ns == self.time and status.st_ctime_ns <= self.settled:
                return self
            if _checksum(path) != self.checksum:
                return None
        except OSError:
            return None
        return self._replace(time=status.st_mtime_ns, settled=_settled(status))


def _settled(status: os.stat_result) -> int:
    """Return the ctime of a file; 0 if it is so recent that a second change could have the same time."""
    return status.st_ctime_ns if time_ns() - status.st_ctime_ns > _FRESH else 0


class Entry(NamedTuple):
    """A line of a list: the options, the output, and the input that it was made from."""

    options: str
    output: Stamp | Seen
    input: Stamp | Seen


Entries = dict[str, list[Entry]]
"""All lines of each name, for a killed process may have listed an output before renaming it."""


class Manifests:
    """The lists of all output folders of a batch.

    Args:
        options: text of the options that the outputs depend on.
    """

    def __init__(self, options: str) -> None:
        from hashlib import blake2b  # 3 ms, for batches alone

        self.options = blake2b(options.encode(), digest_size=16).hexdigest()
        self.apart = False
        self._folders: dict[str, Entries] = {}
        self._seen: dict[str, Seen | None] = {}
        self._kept: dict[str, list[bytes]] = defaultdict(list)
        self._since = 0.0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def share(self, jobs: Sequence[Job], *, skip: bool) -> "Manifests":
        """Return the part of the lists that another machine needs for some jobs, what is done only with `skip`.

        So no machine reads the whole lists.
        """
        other = self.__class__.__new__(self.__class__)
        other.__setstate__({**self.__getstate__(), "apart": True, "_kept": defaultdict(list)})
        other._folders, other._seen = {}, {}
        for output in (output for job in jobs for output in job.outputs if skip):
            folder, name = os.path.split(output)
            other._folders.setdefault(folder, {})[name] = self._lines(output)
        if skip:
            other._seen = {name: self._seen[name] for job in jobs for name in _names(job) if name in self._seen}
        return other

    def check(self, jobs: Sequence[Job]) -> None:
        """Check that the lists of output folders are regular files: a pipe would block, a link lead elsewhere.

        Raises:
            ArgumentError: one is something else.
        """
        outputs = [output for job in jobs for output in job.outputs if output != STANDARD and not is_url(output)]
        for folder in sorted(set(map(os.path.dirname, outputs))):
            path = os.path.join(folder, NAME)
            if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
                raise ArgumentError(f"{path}: should be a file, the list of what is done: remove it")

    def look(self, jobs: Sequence[Job]) -> None:
        """Fetch from stores, in as few requests as possible, the facts that `is_done` needs about these jobs."""
        names = (name for job in jobs for name in (job.outputs if job.input.seen else _names(job)))
        # Web addresses can only be asked one by one: that is done where their files are, several at a time.
        asked = (name for name in names if is_url(name) and not is_web(name))
        self._seen |= objects.look_at_all(name for name in asked if name not in self._seen)

    def unlisted(self, jobs: Sequence[Job]) -> list[str]:
        """Return the outputs that exist and have no line, as a run without lists leaves them; call `look` first."""
        outputs = (output for job in jobs for output in job.outputs if output != STANDARD)
        return [output for output in outputs if self._exists(output) and not self._lines(output)]

    def _exists(self, output: str) -> bool:
        return self._seen[output] is not None if is_url(output) else os.path.isfile(output)

    def is_done(self, job: Job, *, renew: bool = False) -> bool:
        """Return whether every output of a job was finished with these options from this input, and is whole.

        Args:
            job: an input and its outputs.
            renew: add a new line for a file whose content had to be read, so that its times suffice next time.
        """
        done = [self._done(job.input, output) for output in job.outputs]
        for output, line in zip(job.outputs, done, strict=True):
            if renew and line and line not in self._lines(output) and not is_url(output):
                with suppress(OSError):  # a folder that cannot be written to is read again
                    self._append(output, line)
        return None not in done

    def may_replace(self, output: str, other: str) -> bool:
        """Return whether an existing output was written by cnncli: as it was listed, or the beginning of it.

        A file that somebody changed since is theirs.
        """
        lines = self._lines(output)
        if is_url(output):
            seen = objects.look(output)
            return any(_same(line.output, seen) for line in lines)
        stamps = (line.output for line in lines)
        is_listed = any(isinstance(stamp, Stamp) and stamp.check(output) is not None for stamp in stamps)
        return is_listed or (bool(lines) and _begins(output, other))

    def _done(self, source: Input, output: str) -> Entry | None:
        """Return the line of an output that is done, as it would be written now; the newest come first."""
        if STANDARD in (source.path, output):
            return None
        for line in reversed(self._lines(output)):
            if line.options == self.options:
                made = self._check(line.output, output)
                read = made and self._check(line.input, source.path, source.seen)
                if made and read:
                    return line._replace(output=made, input=read)
        return None

    def _check(self, stamp: Stamp | Seen, path: str, seen: Seen | None = None) -> Stamp | Seen | None:
        """Return the stamp that a file or an object has now, if it is the same."""
        if not is_url(path):
            return stamp.check(path) if isinstance(stamp, Stamp) else None
        if seen is None and path not in self._seen:
            self._seen[path] = objects.look(path)
        return stamp if _same(stamp, seen or self._seen[path]) else None

    def record(self, output: str, complete: str, source: Stamp | Seen) -> None:
        """Add a line for an output that is complete: under a temporary name, or in its store."""
        if is_url(output):
            self._keep(output, source)
            return
        self._append(output, Entry(self.options, Stamp.of(complete, settling=complete != output), source))

    def _append(self, output: str, entry: Entry) -> None:
        folder, name = os.path.split(output)
        line = _text(name, entry)
        path = os.path.join(folder, NAME)
        if self.apart:
            os.makedirs(os.path.join(folder, PARTS), exist_ok=True)
            path = os.path.join(folder, PARTS, f".{MACHINE}.jsonl")
        with self._lock, open(path, "ab+", buffering=0, opener=_open_plain) as listing:
            if listing.tell():
                listing.seek(-1, os.SEEK_END)
                # A line that a full disk cut short spoils no other.
                line = line if listing.read(1) == b"\n" else b"\n" + line
            # One write to a file opened for appending: processes that share a folder do not mix their lines.
            if listing.write(line) != len(line):
                raise OSError(28, "No space left on device", path)

    def flush(self) -> None:
        """Write the lines that are still kept for stores."""
        with self._lock:
            kept, self._kept = self._kept, defaultdict(list)
        for folder, lines in kept.items():
            name = f".{time.time_ns():x}-{os.urandom(6).hex()}.jsonl"
            objects.write(f"{folder}/{PARTS}/{name}", b"".join(lines))

    def _keep(self, output: str, source: Stamp | Seen) -> None:
        seen = objects.look(output)
        if seen is None:
            raise ImageError(f"{output}: was written, and is gone")
        folder, name = os.path.split(output)
        now = time.monotonic()
        with self._lock:
            self._since = self._since if self._kept else now
            self._kept[folder].append(_text(name, Entry(self.options, seen, source)))
        if now - self._since > _LONG_ENOUGH:
            self.flush()

    def _lines(self, output: str) -> list[Entry]:
        folder, name = os.path.split(output)
        with self._lock:
            if folder not in self._folders:
                self._folders[folder] = _entries(_read(folder))
        return self._folders[folder].get(name, [])


def _text(name: str, line: Entry) -> bytes:
    import json  # 3 ms, for batches alone

    return (json.dumps({"name": name} | line._asdict()) + "\n").encode()


def stamp_of(source: Input) -> Stamp | Seen:
    """Return the stamp of an input.

    Raises:
        ImageError: an object that is not there.
        OSError: a file that is not there.
    """
    if not is_url(source.path):
        return Stamp.of(source.path)
    seen = source.seen or objects.look(source.path)
    if seen is None:
        raise ImageError(f"{source.path}: no such file")
    return seen


def _names(job: Job) -> tuple[str, ...]:
    return (job.input.path, *job.outputs)


def _same(stamp: Stamp | Seen, seen: Seen | None) -> bool:
    """Return whether an object is unchanged; one without a tag never counts as unchanged."""
    return isinstance(stamp, Seen) and stamp == seen and bool(stamp.tag)


def _read(folder: str) -> Iterator[bytes]:
    """Yield the lines of all lists of a folder."""
    if is_url(folder):
        for content in objects.read_all(f"{folder}/{PARTS}", ".jsonl"):
            yield from content.splitlines()
        return
    paths = [os.path.join(folder, NAME)]
    with suppress(OSError):
        parts = os.path.join(folder, PARTS)
        paths += [os.path.join(parts, name) for name in sorted(os.listdir(parts)) if name.endswith(".jsonl")]
    for path in paths:
        with suppress(OSError), open(path, "rb", opener=_open_plain) as listing:
            yield from listing


def _open_plain(path: str, flags: int) -> int:
    """Open a regular file; refuse links, pipes and whatever else was put in its place."""
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "is not a file", path)


def _entries(lines: Iterable[bytes]) -> Entries:
    import json

    entries: Entries = {}
    for text in lines:
        # Skip a line that was cut short by a killed process or a full disk, or was edited.
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            entry = json.loads(text.decode(errors="surrogateescape"))
            line = Entry(entry["options"], _stamp(entry["output"]), _stamp(entry["input"]))
            entries.setdefault(str(entry["name"]), []).append(line)
    return entries


def _stamp(values: list[Any]) -> Stamp | Seen:
    return Seen(*values) if len(values) == len(Seen._fields) else Stamp(*values)


def _begins(path: str, other: str) -> bool:
    """Return whether a file holds the beginning of another."""
    left = os.path.getsize(path)
    if left > os.path.getsize(other):
        return False
    with open(path, "rb") as file, open(other, "rb") as whole:
        while block := file.read(1 << 20):
            if block != whole.read(len(block)):
                return False
    return True


def same_content(path: str, other: str) -> bool:
    """Return whether two files, the first perhaps an object, have the same content."""
    if is_url(path):
        return objects.same_content(path, other)
    from filecmp import cmp

    return cmp(path, other, shallow=False)


def _checksum(path: str) -> int:
    total = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
