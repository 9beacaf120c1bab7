"""Filtering one file into one sheet: the original, and the picture of each filter, labelled."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.plan import Job
from cnncli.drawing.sheets import Sheet
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.filters.bands import ArrayRows, whole
from cnncli.filters.operators.responses import white_level
from cnncli.filters.pictures import EdgePicture, pictures
from cnncli.filters.statistics import finite_range
from cnncli.images.formats import find_format
from cnncli.images.frames import Frame, Picture
from cnncli.images.metadata import Metadata
from cnncli.pipelines import common, pages
from cnncli.pipelines.common import Pipeline
from cnncli.pipelines.edging import EdgePipeline, edge_alpha
from cnncli.pipelines.notes import Details, Notes


class SheetPipeline(Pipeline):
    """Filtering of one file into one sheet for each frame.

    Attributes:
        edge: the filters and their options, and the fields of every `Pipeline`.
        direction: the direction that was asked for, to say so.
    """

    edge: EdgePipeline
    direction: str | None = None
    labels = ("sheet",)

    @property
    def format(self) -> str | None:
        return self.edge.format

    @property
    def quality(self) -> int | None:
        return self.edge.quality

    @property
    def max_pixels(self) -> int | None:
        return self.edge.max_pixels

    @property
    def options(self) -> str:
        return f"sheet {self.direction} {self.edge.options}"

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        notes = Notes("+".join(chain.name for chain in self.edge.chains), statistics=False)
        # The path of an object from a store is that of its copy here.
        title = "standard input" if job.input.path == STANDARD else os.path.basename(job.input.below)
        source = common.read_source(job.input.path)
        self.convert(source, targets[0], job.outputs[0], lambda frame, _: [self._page(frame, title, notes)])
        return [notes.details()]

    def _page(self, frame: Frame, title: str, notes: Notes) -> Picture:
        tiles = list(self._tiles(frame))
        labels = ["original, stretched" if frame.typed else "original", *(tile.label for tile in tiles)]
        height, width = frame.shape[:2]
        sizes = [(height, width), *((tile.edge.shape[0], tile.edge.shape[1]) for tile in tiles)]
        direction = f"direction {self.direction}, " if self.direction else ""
        sheet = Sheet(title, f"{direction}{width} x {height} pixels", labels, sizes)
        sheet.put(0, _on_white(_original(frame), frame.alpha(), frame.opaque))
        for number, tile in enumerate(tiles, start=1):
            opaque = np.iinfo(tile.edge.dtype).max
            pixels = _on_white(_bytes(whole(tile.edge)), edge_alpha(frame, tile.edge), opaque)
            sheet.put(number, pixels, ground=tile.ground)
        pixels = sheet.pixels()
        notes.shapes(frame, ArrayRows(pixels))
        return Picture(pixels.shape, pixels.dtype, [pixels], Metadata())

    def _tiles(self, frame: Frame) -> Iterator["_Tile"]:
        """Yield the pictures of a frame in the order of the filters, not yet computed."""
        for chain in self.edge.chains:
            filtering, rendering = self.edge.filtering_of([chain]), self.edge.rendering.over(chain)
            has_lines = chain.color != "each" and rendering.signed != "offset"
            ground = (255 if rendering.invert else 0) if has_lines else None
            response = self.edge.response(frame, chain, filtering)
            for edge in pictures(response, chain, filtering, self.edge.rendering):
                yield _Tile(chain.words + edge.renderer.suffix.replace("-", ", "), edge, ground)


class _Tile(NamedTuple):
    """A picture on a sheet: its label, itself, and the level of the ground if it is one of lines."""

    label: str
    edge: EdgePicture
    ground: int | None


def check_sheet(name: str) -> None:
    """Refuse a file or a format that holds numbers.

    Raises:
        ArgumentError: `name`, as in `check_format`, is one.
    """
    if find_format(common.check_format(name)).numeric:
        raise ArgumentError(f"{name} holds numbers, and a sheet is a picture: write png or another picture")


def _original(frame: Frame) -> Array:
    """Return a frame as bytes; the numbers of a typed matrix are stretched to their own range."""
    rows = pages.visible(frame)
    pixels = rows.rows(0, rows.shape[0])
    if frame.dtype != np.uint8 or frame.typed:
        low, high = finite_range(pixels) if frame.typed else (0.0, white_level(frame.dtype))
        with np.errstate(invalid="ignore", over="ignore"):
            shares = np.nan_to_num((pixels - low) / ((high - low) or 1))
        pixels = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return _gray_or_rgb(pixels)


def _bytes(levels: Array) -> Array:
    """Return levels of 8 or 16 bits as bytes."""
    return _gray_or_rgb(levels if levels.dtype == np.uint8 else (levels >> 8).astype(np.uint8))


def _gray_or_rgb(pixels: Array) -> Array:
    """Return bytes (H, W, C) with a mean in place of channels that are not red, green and blue."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    mean: Array = np.rint(pixels.mean(axis=2)).astype(np.uint8)
    return mean


def _on_white(pixels: Array, alpha: Array | None, opaque: float) -> Array:
    """Return a picture as it looks on white paper."""
    if alpha is None:
        return pixels
    share = np.clip(alpha.astype(np.float32) / opaque, 0, 1)
    share = share if pixels.ndim == 2 else share[..., np.newaxis]
    mixed: Array = np.rint(255 + share * (pixels.astype(np.float32) - 255)).astype(np.uint8)
    return mixed
