"""Reading arrays out of files that may lie about their size."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import CnncliError, DataError

_DEFLATE_LIMIT = 1032  # deflate makes no byte into more (zlib's technical notes)
_SLACK = 4096
# What small files may unfold to, and how many times its own size a larger one: pictures shrink to a tenth at best.
_UNFOLDED, _UNFOLDING = 1 << 28, 100
_PIECE = 1 << 20


def check_size(name: str, claimed: int, stored: int, max_bytes: int, *, unpack: str | None) -> None:
    """Refuse an array that cannot be there, or is too large, before any memory is taken.

    Args:
        name: what messages call the file.
        claimed: bytes that the header says.
        stored: bytes that the file has.
        max_bytes: the largest array accepted.
        unpack: what stores them uncompressed, where they are compressed.

    Raises:
        DataError: the header cannot be true, or the array is too large.
    """
    room = stored * _DEFLATE_LIMIT + _SLACK if unpack else stored
    if claimed > room:
        raise DataError(f"{name}: truncated or damaged: its header speaks of {claimed:,} bytes, it cannot hold them")
    if claimed > max_bytes:
        raise DataError(
            f"{name}: holds {claimed:,} bytes, over the limit of {max_bytes:,} for data kept in memory; "
            "a folder of pictures is read as needed"
        )
    if unpack and claimed > max(_UNFOLDED, stored * _UNFOLDING):
        raise DataError(
            f"{name}: {stored:,} bytes unfold to {claimed:,}, over the limit of {_UNFOLDING} times for more than "
            f"{_UNFOLDED:,}; where that is meant, store it uncompressed ({unpack})"
        )


def read_exactly(stream: BinaryIO | Any, size: int, name: str) -> NDArray[np.uint8]:
    """Read so many bytes, a piece at a time, so that a file that ends early has taken no memory for the rest.

    Raises:
        DataError: the file ends before.
    """
    whole = np.empty(size, np.uint8)
    done = 0
    while done < size:
        piece = stream.read(min(_PIECE, size - done))
        if not piece:
            raise DataError(f"{name}: truncated: ends after {done:,} of {size:,} bytes")
        whole[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    return whole


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what can go wrong while a data file is read into one line."""
    try:
        yield
    except CnncliError:
        raise
    except MemoryError as error:
        raise DataError(f"{name}: does not fit into memory") from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name}: cannot be read: {reason}") from error
