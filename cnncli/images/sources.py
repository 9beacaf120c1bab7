"""Opening files to read, with one line for each thing that can go wrong."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cnncli.errors import CnncliError, ImageError, shortage
from cnncli.files.text import without_secrets
from cnncli.files.web import WebStore, is_web

Source = str | Path | BinaryIO

# Pillow's limit, a quarter of a GiB of 24-bit pixels; written here so that reading arrays needs no Pillow.
MAX_PIXELS = 1024**3 // 4 // 3

# Rows are filtered whole, which takes the memory of some 16 decoded ones: wider pictures count as that many at least.
_WIDE, _LEAST_ROWS = 1 << 16, 16

# A frame counts as this many pixels however small it is: opening, filtering and writing it takes 0.6 ms all the same.
FRAME_PIXELS = 1 << 14

# Frames are worked on one after another: together they take the time of many pictures, and the memory of one.
TOGETHER = 10

_STANDARD_INPUT = "standard input"
_WARNINGS_ARE_OFF = threading.Lock()


def open_source(source: Source) -> tuple[BinaryIO, str]:
    """Open a path, a web address or a stream as a seekable binary stream; return it with its name in messages.

    Raises:
        ImageError: the file is missing, is a folder, may not be read, or is empty.
    """
    if isinstance(source, str) and is_web(source):
        name = without_secrets(source)
        return _whole(partial(WebStore().cat_file, source), name), name
    if not isinstance(source, str | Path):
        return _whole(source.read, _name_of(source)), _name_of(source)
    stream, name = _open_file(source), str(source)
    if not stream.seekable():  # a pipe with a name
        with stream:
            return _whole(stream.read, name), name
    if not stream.read(1):
        stream.close()
        raise ImageError(f"{name}: is empty (0 bytes)")
    stream.seek(0)
    return stream, name


def read_standard_input() -> bytes:
    """Return the content of standard input.

    Raises:
        ImageError: it is closed, empty, or cannot be read.
    """
    if sys.stdin is None:
        raise ImageError(f"{_STANDARD_INPUT} is closed")
    return _whole(sys.stdin.buffer.read, _STANDARD_INPUT).getvalue()


def check_pixels(name: str, width: int, height: int, max_pixels: int | None) -> None:
    """Refuse a picture larger than the limit; to be called before anything is decoded.

    Raises:
        ImageError: there are more than `max_pixels` pixels, or none.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels ({width} x {height})")
    rows = max(height, _LEAST_ROWS) if width > _WIDE else height
    if max_pixels is not None and width * rows > max_pixels:
        count = f"is {width * rows:,} pixels" if rows == height else f"counts as {rows} rows, {width * rows:,} pixels"
        raise ImageError(
            f"{name}: {width} x {height} {count}, over the limit of {max_pixels:,}; "
            f"raise it with --max-pixels {width * rows}"
        )


def check_frames(name: str, count: int, pixels: int, max_pixels: int | None) -> None:
    """Refuse frames of more than `TOGETHER` times the limit in all; to be called before any is decoded.

    Args:
        name: name of the file in messages.
        count: number of frames; the limit does not apply to a single one.
        pixels: pixels of all frames, each counted as at least `FRAME_PIXELS`.
        max_pixels: the limit of one picture; None for any.

    Raises:
        ImageError: they count for more.
    """
    if count > 1 and max_pixels is not None and pixels > TOGETHER * max_pixels:
        raise ImageError(
            f"{name}: its {count:,} frames count as {pixels:,} pixels ({FRAME_PIXELS:,} each at least), "
            f"over {TOGETHER} times the limit of {max_pixels:,}; raise it with --max-pixels {-(-pixels // TOGETHER)}"
        )


@contextmanager
def decoding(name: str, kind: str) -> Iterator[None]:
    """Turn any error of a decoder on a damaged file into one line.

    Decoders fed with broken bytes raise errors of any class, and promise none; so only calls
    of decoders belong inside this.
    """
    try:
        yield
    except CnncliError as error:
        if str(error).startswith(name):
            raise
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:
        if words := shortage(error):
            raise ImageError(f"{name}: {words}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name}: a damaged or unsupported {kind} file: {reason}") from error


@contextmanager
def no_warnings() -> Iterator[None]:
    """Suppress a decoder's warnings: anything serious is raised as an error.

    Python's warning filters belong to the whole process, so threads take turns: only short calls belong inside.
    """
    with _WARNINGS_ARE_OFF, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def silence(library: str) -> None:
    """Keep a library's log from the user: Python prints warnings of loggers that nobody handles."""
    import logging

    logging.getLogger(library).addHandler(logging.NullHandler())


def _open_file(path: str | Path) -> BinaryIO:
    try:
        return open(os.fspath(path), "rb")
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: is a folder, not a picture") from error
    except PermissionError as error:
        raise ImageError(f"{path}: permission denied") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _whole(read: Callable[[], bytes], name: str) -> BytesIO:
    try:
        content = read()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error.strerror or error}") from error
    if not content:
        raise ImageError(f"{name}: is empty (0 bytes)")
    return BytesIO(content)


def _name_of(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)
    return _STANDARD_INPUT if name in (0, "<stdin>") else str(name or "stream")
