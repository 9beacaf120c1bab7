"""Stamps: what tells whether a file or an object is still the same."""

import os
import zlib
from time import time_ns
from typing import NamedTuple

_FRESH = 2_000_000_000
"""Nanoseconds within which a second change may have the time of the first, on the coarsest file systems."""

_SETTLING = 100_000_000
"""Nanoseconds for a complete file to get its name, which changes its entry."""


class Stamp(NamedTuple):
    """What tells whether a file is still the same.

    Its content is read only where its times leave room for a change: a modification time can be set back, and tools
    that copy or edit in place do so; the time at which the system changed a file's entry cannot.

    Attributes:
        size: bytes.
        time: modification time in nanoseconds.
        checksum: CRC-32 of the content, which counts where the times do not tell. It guards against accidents, and a
            cryptographic digest would take 3 to 5 % of a batch of photographs (blake2b) where this takes 1 %.
        settled: the last change of the file's entry, in nanoseconds, with which the same modification time says that
            nothing changed; 0 where the content has to be read.
    """

    size: int
    time: int
    checksum: int
    settled: int = 0

    @classmethod
    def of(cls, path: str, *, settling: bool = False) -> "Stamp":
        """Return the stamp of a file; of one that is about to get its name with `settling`."""
        status = os.stat(path)
        settled = status.st_ctime_ns + _SETTLING if settling else _settled(status)
        return cls(status.st_size, status.st_mtime_ns, _checksum(path), settled)

    def check(self, path: str) -> "Stamp | None":
        """Return the stamp that a file has now, if it is there and the same."""
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
    """Return when a file was changed, unless that was just now: it may be changed again at the same time."""
    return status.st_ctime_ns if time_ns() - status.st_ctime_ns > _FRESH else 0


class Seen(NamedTuple):
    """What a store says of an object: it costs no reading, and a listing says it of a thousand at a time.

    Attributes:
        size: bytes.
        tag: what changes when the object does: an ETag, a digest or a time, whichever the store has.
    """

    size: int
    tag: str


def _checksum(path: str) -> int:
    total = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
