"""TIFF files, written by tifffile."""

import io
from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import Any, BinaryIO

import numpy as np

from cnncli.images.formats import Format
from cnncli.images.frames import Picture
from cnncli.images.sources import silence

silence("tifffile")
_CLASSIC_LIMIT = 4_000_000_000


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write every frame as a page, uncompressed, its bands as they come."""
    from tifffile import TiffWriter

    target = file if file.seekable() else io.BytesIO()
    first = next(frames)
    # Offsets of 32 bits end at 4 GB; how many pages follow the first is not known, so that one decides.
    with TiffWriter(target, bigtiff=prod(first.shape) * first.dtype.itemsize > _CLASSIC_LIMIT) as writer:
        for picture in chain([first], frames):
            shape = picture.shape if picture.channels > 1 else picture.shape[:2]
            writer.write(
                (np.ascontiguousarray(band).reshape(len(band), *shape[1:]) for _, band in picture.placed()),
                shape=shape,
                dtype=picture.dtype,
                metadata=None,
                contiguous=False,
                **_options(picture),
            )
    if isinstance(target, io.BytesIO) and target is not file:
        file.write(target.getbuffer())


def _options(picture: Picture) -> dict[str, Any]:
    """Return the writer's arguments for a picture's channels and metadata."""
    metadata = picture.metadata.for_channels(picture.channels)
    options: dict[str, Any] = {"photometric": "minisblack"}
    if picture.channels in (3, 4):
        options["photometric"] = "rgb"
    if picture.channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    if picture.channels > 1:
        options["planarconfig"] = "contig"
    if metadata.icc_profile:
        options["iccprofile"] = metadata.icc_profile
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    return options
