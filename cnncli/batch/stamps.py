"""Stamps: what tells whether a file or an object is still the same."""

import os
import zlib
from typing import NamedTuple


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
