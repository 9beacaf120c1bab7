"""Pages of an output: rows of numbers or of levels, with transparency and metadata."""

import numpy as np

from cnncli.arrays import Array
from cnncli.filters.bands import ArrayRows, bands
from cnncli.filters.statistics import Statistics
from cnncli.filters.transparency import fill_hidden
from cnncli.images.formats import Format
from cnncli.images.frames import Frame, Picture
from cnncli.images.metadata import Metadata
from cnncli.images.sources import check_pixels
from cnncli.ops.borders import Rows
from cnncli.pipelines.notes import Notes


def visible(frame: Frame) -> Rows:
    """Return a frame as rows, its fully transparent pixels in the colour of the nearest visible one."""
    alpha = frame.alpha()
    if alpha is None or alpha.min() > 0:
        return frame
    return ArrayRows(fill_hidden(frame.array(), alpha))


def exact_picture(
    rows: Rows, form: Format, statistics: Statistics | None, *, metadata: Metadata | None = None, name: str = ""
) -> Picture:
    """Return rows as exact numbers to write, in floating point if the format holds nothing else."""
    dtype = np.promote_types(rows.dtype, np.float32) if form.floating else rows.dtype
    made = (_noted(band, statistics).astype(dtype, copy=False) for _, band in bands(rows))
    return Picture(rows.shape, dtype, made, metadata or Metadata(), name)


def visible_picture(rows: Rows, frame: Frame, alpha: Array | None, *, name: str = "") -> Picture:
    """Return rows as a picture to write, with alpha as its last channel."""
    metadata = true_metadata(rows, frame)
    if alpha is None:
        return Picture(rows.shape, rows.dtype, (band for _, band in bands(rows)), metadata, name)
    shape = (*rows.shape[:2], _channels(rows) + 1)
    made = (np.dstack([band, alpha[start : start + len(band)]]) for start, band in bands(rows))
    return Picture(shape, rows.dtype, made, metadata, name)


CELL = 32
"""Pixels of a side of a cell, in the picture of a matrix of no more than so many rows and columns."""


def enlarged(picture: Picture, frame: Frame, cell: int | None, max_pixels: int | None, notes: Notes) -> Picture:
    """Return the picture of a matrix given as text with cells that can be seen; other pictures stay as they are.

    Args:
        picture: made from `frame`.
        frame: a picture, or a matrix.
        cell: pixels of a side of each cell; by default `CELL` for small matrices and otherwise 1.
        max_pixels: the largest picture.
        notes: are told if nobody asked for it.

    Raises:
        ImageError: the picture would be too large.
    """
    height, width = picture.shape[:2]
    if not frame.typed or cell == 1 or (cell is None and max(height, width) > CELL):
        return picture
    if cell is None:
        notes.hint(f"each number is drawn as {CELL}x{CELL} pixels; --cell 1 draws one pixel")
    side = cell or CELL
    check_pixels("the output", width * side, height * side, max_pixels)
    made = (band.repeat(side, axis=0).repeat(side, axis=1) for band in picture.bands)
    return picture._replace(shape=(height * side, width * side, *picture.shape[2:]), bands=made)


def true_metadata(rows: Rows, frame: Frame) -> Metadata:
    """Return the metadata of a frame that is still true of rows made of it."""
    return frame.metadata.for_result(
        mode_changed=_channels(rows) != _channels(frame), size_changed=rows.shape[:2] != frame.shape[:2]
    )


def _channels(rows: Rows) -> int:
    return 1 if len(rows.shape) == 2 else rows.shape[2]


def _noted(band: Array, statistics: Statistics | None) -> Array:
    if statistics is not None:
        statistics.add(band)
    return band
