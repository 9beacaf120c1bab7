"""Writing pictures in any format."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.files.temporary import writing
from cnncli.images.formats import FORMATS, Format, find_format, formats_for, listed
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata

Target = str | Path | BinaryIO


def write_frames(
    target: Target,
    frames: Iterable[Picture],
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
) -> None:
    """Write pictures as the frames of one file.

    Args:
        target: a path or a binary stream. A file is written in place: for an exchange in one step, write to
            another name and rename it.
        frames: the pictures; each is used completely before the next is requested.
        format: a key of `FORMATS` or a suffix; by default the path's suffix says.
        quality: from 1 to 100, for a lossy format; None for the default of the format.

    Raises:
        ImageError: the format is unknown, cannot hold such pictures or has no quality, or the file cannot be written.

    Example:
        >>> import io, numpy as np
        >>> stream = io.BytesIO()
        >>> bands = [np.zeros((2, 3), np.uint8), np.ones((4, 3), np.uint8)]
        >>> write_frames(stream, [Picture((6, 3), np.dtype(np.uint8), bands)], format="png")
    """
    name = str(target) if isinstance(target, str | Path) else str(getattr(target, "name", "stream"))
    form = find_format(format or name)
    options = {} if quality is None else {"quality": check_quality(quality, form)}
    module = import_module(f"cnncli.images.formats.{form.module}")
    pictures = (_fit(picture, form) for picture in frames)
    first = next(pictures, None)
    if first is None:
        raise ImageError(f"{name}: no frames to write")
    with (
        writing(name, ImageError),
        open(target, "wb") if isinstance(target, str | Path) else nullcontext(target) as file,
    ):
        module.write(file, chain([first], pictures), form, **options)
        if not form.frames and next(pictures, None):
            able = formats_for(first.dtype.name, first.channels, frames=2)
            raise ImageError(f"{form.name} holds one frame, found several; {able} hold more")
        file.flush()


def write_image(
    path: Target,
    image: Array,
    *,
    format: str | None = None,  # noqa: A002
    metadata: Metadata | None = None,
    quality: int | None = None,
) -> None:
    """Write one image.

    Args:
        path: a path, whose suffix says the format, or a binary stream.
        image: (H, W), or (H, W, C) with C 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; uint8 or uint16, and
            any numbers for `.npy`, `.npz`, `.txt`, `.csv` and TIFF.
        format: a key of `FORMATS` or a suffix, where the path does not say.
        metadata: what the file should say of the picture.
        quality: from 1 to 100, for `.jpg` (90 by default) and `.webp` (lossless by default).

    Raises:
        ImageError: the format is unknown, cannot hold the image or has no quality, or the file cannot be written.

    Example:
        >>> import io, numpy as np
        >>> write_image(io.BytesIO(), np.zeros((6, 6), np.uint8), format="png")
    """
    image = np.asarray(image)
    picture = Picture(image.shape, image.dtype, [image], metadata or Metadata())
    write_frames(path, [picture], format=format, quality=quality)


def check_quality(quality: int, form: Format) -> int:
    """Return a quality at which a format can be written.

    Raises:
        ImageError: it is not from 1 to 100, or the format has no such setting.
    """
    if not form.lossy:
        able = listed([other.name for other in FORMATS.values() if other.lossy])
        raise ImageError(f"{form.name} has no quality setting: leave it out, or write {able}")
    if not 1 <= quality <= 100:
        raise ImageError(f"quality must be from 1 to 100, got {quality}")
    return quality


def _fit(picture: Picture, form: Format) -> Picture:
    """Return the picture as the format can hold it."""
    if len(picture.shape) not in (2, 3) or 0 in picture.shape:
        raise ImageError(f"shape {picture.shape} is not a picture; expected (H, W) or (H, W, C)")
    dtype, channels = picture.dtype.name, picture.channels
    if not form.has_room(picture.shape):
        raise _too_large(picture, form)
    picture = picture._replace(metadata=picture.metadata.within(form.capacity))
    if form.holds(dtype, channels):
        if form.numeric or len(picture.shape) == 2 or channels > 1:
            return picture
        return picture._replace(shape=picture.shape[:2], bands=(band[..., 0] for _, band in picture.placed()))
    if channels in (2, 4) and form.holds(dtype, channels - 1):
        return _opaque(picture, form)
    able = formats_for(dtype, channels)
    what = f"{dtype} with {channels} channel{'s' if channels != 1 else ''}"
    raise ImageError(f"{form.name} cannot hold {what}; " + (f"{able} can" if able else "convert the numbers first"))


def _too_large(picture: Picture, form: Format) -> ImageError:
    height, width = picture.shape[:2]
    able = formats_for(picture.dtype.name, picture.channels, frames=1 + form.frames, shape=picture.shape, most=2)
    most = f"{form.side:,} pixels a side" if max(height, width) > form.side else f"{form.size:,} bytes"
    return ImageError(f"{width} x {height} cannot be written as {form.name}, which holds {most}; write {able}")


def _opaque(picture: Picture, form: Format) -> Picture:
    """Return the picture without its alpha, which must be opaque throughout: it is checked as the bands pass."""

    def bands() -> Iterator[Array]:
        full = np.iinfo(picture.dtype).max if picture.dtype.kind in "iu" else 1
        for _, band in picture.placed():
            if (band[..., -1] != full).any():
                able = formats_for(picture.dtype.name, picture.channels)
                raise ImageError(f"{form.name} cannot hold transparency; {able} can")
            yield band[..., 0] if picture.channels == 2 else band[..., :-1]

    shape = picture.shape[:2] if picture.channels == 2 else (*picture.shape[:2], picture.channels - 1)
    return picture._replace(shape=shape, bands=bands())
