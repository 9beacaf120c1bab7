"""Opening an image file of any kind, recognised by its content."""

import re
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.files.matrices import TEXT_SUFFIXES
from cnncli.images.formats import KINDS, FileKind
from cnncli.images.frames import OpenedImage
from cnncli.images.sources import MAX_PIXELS, Source, open_source

_ENOUGH_TO_KNOW, _TEXT = 4096, "TXT"

# Formats that are recognised but not read, and the reasons.
_REFUSED: dict[str, tuple[bytes, str]] = {
    "PostScript": (rb"%!PS|\xc5\xd0\xd3\xc6", "it is a program, which would have to be run"),
    "PDF": (rb"%PDF-", "it is a document; save its pages as pictures"),
    "WMF or EMF": (rb"\xd7\xcd\xc6\x9a\0\0|\x01\0\0\0.{36} EMF", "it is a drawing; save it as a picture"),
    "FITS": (rb"SIMPLE  =", "Pillow leaves out its scale and offset; save it as .npy"),
    "HDF5": (rb"\x89HDF\r\n\x1a\n", "it holds any data; save the array as .npy"),
    "GRIB or BUFR": (rb"GRIB.{3}\x01|BUFR", "it has no decoder; save the array as .npy"),
    "MPEG": (rb"\0\0\x01\xb3", "it is a film; save its frames as pictures"),
    "OLE": (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is a file system of other files"),
    # And without signatures: IPTC, which opens a file of any kind inside itself, and IM Tools, which any text may be.
}
_BEGINNINGS = [(kind, re.compile(kind.begins, re.DOTALL)) for kind in KINDS.values() if kind.begins]


def open_image(source: Source, *, gray: bool = False, max_pixels: int | None = MAX_PIXELS) -> OpenedImage:
    """Open an image file of any kind that is read; close it, or use it in a `with` statement.

    Args:
        source: a path, a web address, or a binary stream (which is read to its end).
        gray: give every frame as BT.601 luma, (H, W).
        max_pixels: the largest width x height accepted; None for any.

    Returns:
        The opened file: its `frames()` come one at a time.

    Raises:
        ImageError: the file cannot be read, is damaged, of an unknown kind, or too large.

    Example:
        >>> with open_image("samples/spinner.gif") as image:  # doctest: +SKIP
        ...     shapes = [frame.shape for frame in image.frames()]
    """
    stream, name = open_source(source)
    try:
        kind = _recognise(stream, name, is_stream=not isinstance(source, str | Path))
        stream.seek(0)
        module, _, reader = kind.reader.rpartition(".")
        opened: OpenedImage = getattr(import_module(f"cnncli.images.formats.{module}"), reader)(
            stream, name, kind, gray=gray, max_pixels=max_pixels
        )
    except BaseException:
        stream.close()
        raise
    return opened


def read_image(
    source: Source, *, gray: bool = False, alpha: bool = False, max_pixels: int | None = MAX_PIXELS
) -> Array:
    """Read an image file's first frame.

    Args:
        source: a path, a web address or a binary stream.
        gray: as BT.601 luma.
        alpha: append the transparency as the last channel; opaque where the file has none.
        max_pixels: the largest width x height accepted; None for any.

    Returns:
        (H, W) for grey, (H, W, 3) for colour; with alpha (H, W, 2) or (H, W, 4). uint8 or uint16 for pictures as
        their file has them; int32, int64, float32 or float64 for files of other numbers.

    Raises:
        ImageError: the file cannot be read, is damaged, of an unknown kind, or too large.

    Example:
        >>> read_image("samples/step.png").shape
        (6, 6)
    """
    with open_image(source, gray=gray, max_pixels=max_pixels) as image:
        frame = next(image.frames())
        pixels = frame.array()
        if not alpha:
            return pixels if pixels.flags.owndata and pixels.flags.writeable else pixels.copy()
        transparency = frame.alpha()
        if transparency is None:
            opaque = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
            transparency = np.full(pixels.shape[:2], opaque, pixels.dtype)
        return np.dstack([pixels, transparency])


def kind_of(beginning: bytes) -> FileKind | None:
    """Return the kind of file that begins with these bytes; None if no kind does.

    Example:
        >>> kind_of(b"GIF89a").name
        'GIF'
    """
    return next((kind for kind, begins in _BEGINNINGS if begins.match(beginning)), None)


def _recognise(stream: BinaryIO, name: str, *, is_stream: bool) -> FileKind:
    beginning = stream.read(_ENOUGH_TO_KNOW)
    if kind := kind_of(beginning):
        return kind
    suffix = Path(name).suffix.lower()
    if _is_text(beginning):
        if is_stream or suffix in TEXT_SUFFIXES:
            return KINDS[_TEXT]
        known = f"holds text, not a picture; matrices are read from {' and '.join(TEXT_SUFFIXES)}"
    else:
        for kind in KINDS.values():
            if kind.seems and kind.seems(stream, beginning, suffix):
                return kind
        pictures = ", ".join(kind for kind in KINDS if kind != _TEXT)
        known = f"is of no known kind; pictures are read from {pictures}, .txt and .csv"
    raise ImageError(f"{name}: {_why_refused(beginning) or known}")


def _is_text(beginning: bytes) -> bool:
    if b"\0" in beginning:
        return False
    try:
        beginning[:-3].decode("utf-8-sig")  # the last character may be cut in two
    except UnicodeDecodeError:
        return False
    return True


def _why_refused(beginning: bytes) -> str | None:
    """Return the reason for not reading a known kind of file that begins with these bytes; None for other kinds."""
    for name, (begins, reason) in _REFUSED.items():
        if re.match(begins, beginning, re.DOTALL):
            return f"is a {name} file: {reason}"
    return None
