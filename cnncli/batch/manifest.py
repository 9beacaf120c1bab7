"""What is done already: a list in each output folder of the outputs that were finished, and from what.

A line names an output, its size and time, the content of the input and the options that it was made from. It is written
when the output is complete and before it gets its name: an output without a line is somebody else's.
"""

import os
import threading
import zlib
from contextlib import suppress
from typing import Any, NamedTuple

from cnncli.batch.inputs import STANDARD
from cnncli.batch.plan import Job

NAME = ".cnncli-done.jsonl"


class Stamp(NamedTuple):
    """What tells whether a file is still the same.

    Attributes:
        size: bytes.
        time: modification time in nanoseconds.
        checksum: CRC-32 of the content, which counts where the time differs. It guards against accidents, and a
            cryptographic digest would take 3 to 5 % of a batch of photographs (blake2b) where this takes 1 %.
    """

    size: int
    time: int
    checksum: int

    @classmethod
    def of(cls, path: str) -> "Stamp":
        """Return the stamp of a file."""
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, _checksum(path))

    def fits(self, path: str) -> bool:
        """Whether a file is there and the same."""
        try:
            status = os.stat(path)
            if status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.time or _checksum(path) == self.checksum
        except OSError:
            return False


class Line(NamedTuple):
    """What was made of an input with some options."""

    options: str
    output: Stamp
    input: Stamp


Entries = dict[str, list[Line]]
"""The lines of each name: all, for a killed process may have listed what it did not come to rename."""


class Manifests:
    """The lists of all output folders of a batch.

    Args:
        options: what the outputs depend on beside their inputs.
    """

    def __init__(self, options: str) -> None:
        from hashlib import blake2b  # 3 ms, for batches alone

        self.options = blake2b(options.encode(), digest_size=16).hexdigest()
        self._folders: dict[str, Entries] = {}
        self._lock = threading.Lock()

    def is_done(self, job: Job) -> bool:
        """Whether every output of a job was finished with these options from this input, and is whole."""
        return all(self._is_done(job.input.path, output) for output in job.outputs)

    def may_replace(self, output: str, other: str) -> bool:
        """Whether an output that exists is our own work: as it was listed, or the beginning of a whole one.

        A file that somebody changed since is theirs.
        """
        lines = self._lines(output)
        return any(line.output.fits(output) for line in lines) or (bool(lines) and _begins(output, other))

    def _is_done(self, source: str, output: str) -> bool:
        if STANDARD in (source, output):
            return False
        made = [line for line in self._lines(output) if line.options == self.options]
        return any(line.output.fits(output) and line.input.fits(source) for line in made)

    def record(self, output: str, temporary: str, source: Stamp) -> None:
        """Add a line for an output that is complete under a temporary name."""
        folder, name = os.path.split(output)
        entry = Line(self.options, Stamp.of(temporary), source)
        import json  # 3 ms, for batches alone

        line = (json.dumps({"name": name} | entry._asdict()) + "\n").encode()
        path = os.path.join(folder, NAME)
        with self._lock, open(path, "ab+", buffering=0) as listing:
            if listing.tell() and not _ends_line(listing):
                line = b"\n" + line  # a line that a full disk cut short spoils no other
            # One write to a file opened for appending: processes that share a folder do not mix their lines.
            if listing.write(line) != len(line):
                raise OSError(28, "No space left on device", path)

    def _lines(self, output: str) -> list[Line]:
        folder, name = os.path.split(output)
        with self._lock:
            if folder not in self._folders:
                self._folders[folder] = _read(os.path.join(folder, NAME))
        return self._folders[folder].get(name, [])


def _read(path: str) -> Entries:
    import json

    entries: Entries = {}
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as listing:
        for text in listing:
            # A line that a killed process or a full disk cut short, or that somebody edited, tells nothing.
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                entry = json.loads(text)
                line = Line(entry["options"], Stamp(*entry["output"]), Stamp(*entry["input"]))
                entries.setdefault(str(entry["name"]), []).append(line)
    return entries


def _begins(path: str, other: str) -> bool:
    """Whether a file holds the beginning of another."""
    left = os.path.getsize(path)
    if left > os.path.getsize(other):
        return False
    with open(path, "rb") as file, open(other, "rb") as whole:
        while block := file.read(1 << 20):
            if block != whole.read(len(block)):
                return False
    return True


def _ends_line(listing: Any) -> bool:
    listing.seek(-1, os.SEEK_END)
    return bool(listing.read(1) == b"\n")


def same_content(path: str, other: str) -> bool:
    """Whether two files hold the same."""
    from filecmp import cmp

    return cmp(path, other, shallow=False)


def _checksum(path: str) -> int:
    total = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
