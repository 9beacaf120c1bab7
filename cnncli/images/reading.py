"""Opening an image file of any kind, recognised by its content."""

from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnncli.errors import ImageError
from cnncli.files.matrices import TEXT_SUFFIXES
from cnncli.images.frames import Array
from cnncli.images.kinds import KINDS, READABLE, kind_of, kind_of_weak, why_refused
from cnncli.images.opened import OpenedImage
from cnncli.images.sources import MAX_PIXELS, Source, open_source

_TEXT_READER = ("arrays", "TextImage")
_ENOUGH_TO_KNOW = 4096


def open_image(source: Source, *, gray: bool = False, max_pixels: int | None = MAX_PIXELS) -> OpenedImage:
    """Open an image file of any kind that is read; close it, or use it in a `with` statement.

    Args:
        source: a path, or a binary stream (which is read to its end).
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
        kind = _recognise(stream, name, is_stream=stream is not source and _is_stream(source))
        stream.seek(0)
        module, reader = KINDS[kind].reader if kind in KINDS else _TEXT_READER
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
        source: a path or a binary stream.
        gray: as BT.601 luma.
        alpha: append the transparency as the last channel; opaque where the file has none.
        max_pixels: the largest width x height accepted; None for any.

    Returns:
        (H, W) for grey, (H, W, 3) for colour; with alpha (H, W, 2) or (H, W, 4). uint8 or uint16 for pictures as
        their file has them; int32, int64, float32 or float64 for files of other numbers.

    Raises:
        ImageError: the file cannot be read, is damaged, of an unknown kind, or too large.

    Example:
        >>> read_image("samples/step.png").shape  # doctest: +SKIP
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


def _is_stream(source: Source) -> bool:
    return not isinstance(source, str | Path)


def _is_text(beginning: bytes) -> bool:
    if b"\0" in beginning:
        return False
    try:
        beginning[:-3].decode("utf-8-sig")  # the last character may be cut in two
    except UnicodeDecodeError:
        return False
    return True


def _recognise(stream: BinaryIO, name: str, *, is_stream: bool) -> str:
    beginning, suffix = stream.read(_ENOUGH_TO_KNOW), Path(name).suffix.lower()
    kind = kind_of(beginning)
    if kind:
        return kind
    is_text = _is_text(beginning)
    if is_text and (is_stream or suffix in TEXT_SUFFIXES):
        return "TXT"
    kind = None if is_text else kind_of_weak(stream, beginning, suffix)
    if kind:
        return kind
    if is_text:
        known = f"holds text, not a picture; matrices are read from {' and '.join(TEXT_SUFFIXES)}"
    else:
        known = f"is of no known kind; pictures are read from {READABLE}"
    raise ImageError(f"{name}: {why_refused(beginning) or known}")
