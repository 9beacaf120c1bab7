"""What is done already: a list in each output folder of the outputs that were finished, and from what.

A line names an output, its size and time, the content of the input and the options that it was made from. It is written
when the output is complete and before it gets its name: an output without a line is somebody else's.
"""

import hashlib
import json
import os
import threading
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
        digest: of the content, which counts where the time differs.
    """

    size: int
    time: int
    digest: str

    @classmethod
    def of(cls, path: str) -> "Stamp":
        """Return the stamp of a file."""
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, _digest(path))

    def fits(self, path: str) -> bool:
        """Whether a file is there and the same."""
        try:
            status = os.stat(path)
            if status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.time or _digest(path) == self.digest
        except OSError:
            return False


class Manifests:
    """The lists of all output folders of a batch.

    Args:
        options: what the outputs depend on beside their inputs.
    """

    def __init__(self, options: str) -> None:
        self.options = hashlib.blake2b(options.encode(), digest_size=16).hexdigest()
        self._folders: dict[str, dict[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def is_done(self, job: Job) -> bool:
        """Whether every output of a job was finished with these options from this input, and is whole."""
        return all(self._is_done(job.input.path, output) for output in job.outputs)

    def is_ours(self, output: str) -> bool:
        """Whether an output that exists is listed, finished or not."""
        folder, name = os.path.split(output)
        return name in self._entries(folder)

    def _is_done(self, source: str, output: str) -> bool:
        if STANDARD in (source, output):
            return False
        folder, name = os.path.split(output)
        entry = self._entries(folder).get(name)
        if entry is None or entry.get("options") != self.options:
            return False
        try:
            made, input_ = Stamp(*entry["output"]), Stamp(*entry["input"])
        except (KeyError, TypeError):
            return False
        return made.fits(output) and input_.fits(source)

    def record(self, output: str, temporary: str, source: Stamp) -> None:
        """Add a line for an output that is complete under a temporary name."""
        folder, name = os.path.split(output)
        entry = {"name": name, "options": self.options, "output": Stamp.of(temporary), "input": source}
        line = (json.dumps(entry) + "\n").encode()
        path = os.path.join(folder, NAME)
        with self._lock, open(path, "ab+", buffering=0) as listing:
            if listing.tell() and not _ends_line(listing):
                line = b"\n" + line  # a line that a full disk cut short spoils no other
            # One write to a file opened for appending: processes that share a folder do not mix their lines.
            if listing.write(line) != len(line):
                raise OSError(28, "No space left on device", path)

    def _entries(self, folder: str) -> dict[str, dict[str, Any]]:
        if folder not in self._folders:
            self._folders[folder] = _read(os.path.join(folder, NAME))
        return self._folders[folder]


def _read(path: str) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as listing:
        for line in listing:
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                    entries[entry["name"]] = entry
    return entries


def _ends_line(listing: Any) -> bool:
    listing.seek(-1, os.SEEK_END)
    return bool(listing.read(1) == b"\n")


def same_content(path: str, other: str) -> bool:
    """Whether two files hold the same."""
    return os.path.getsize(path) == os.path.getsize(other) and _digest(path) == _digest(other)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
