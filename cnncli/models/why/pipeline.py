"""Explaining the classes of picture files, any number of them: a sheet of each, and its maps as arrays."""

import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.memory import DECODED
from cnncli.batch.naming import OutputRule
from cnncli.batch.plan import Job
from cnncli.batch.task import Grouping, Report
from cnncli.data import Reading
from cnncli.data.pictures import fitted, on_white
from cnncli.errors import ImageError
from cnncli.files.temporary import STANDARD, open_temporary, writing
from cnncli.files.text import json_text
from cnncli.images.formats import find_format
from cnncli.images.frames import Picture
from cnncli.images.reading import open_image
from cnncli.models.why.explanations import ClassExplanation, ClassMap, cell_of
from cnncli.pipelines.common import Pipeline, check_coloured, open_stream, read_source, write_pages
from cnncli.pipelines.notes import Details

Explain = Callable[[Array, str], ClassExplanation]
"""Explains the class of a picture (H, W, C) of a name."""

_BESIDE = 16  # bytes that a pixel takes beside its decoding: as RGB, as a map, and with its colours

SEVERAL_FRAMES = "has several frames: the first is explained"


class WhyRule(OutputRule):
    """A rule that names what is written of each picture: its sheet, and in a folder of their own its maps.

    Args:
        target: where sheets go, as in `OutputRule`.
        methods: the methods whose maps are written.
        folder: where maps go, below it as the inputs are below the folder that was searched; None for nowhere.

    Example:
        >>> WhyRule("out/", ("gradcam",), "maps").outputs(Input("in/a.jpg", "a.jpg"))
        ('out/a-why.png', 'maps/a-gradcam.npy', 'maps/a-gradcam-cells.npy')
    """

    together = True

    def __init__(self, target: str | None, methods: tuple[str, ...] = (), folder: str | None = None) -> None:
        super().__init__(target, ("why",))
        self.methods, self.folder = methods, folder
        self.makes_folders |= folder is not None

    def outputs(self, source: Input) -> tuple[str, ...]:
        sheets = super().outputs(source)
        if self.folder is None:
            return sheets
        start = os.path.join(self.folder, os.path.splitext(source.below)[0])
        return (*sheets, *(f"{start}-{method}{end}.npy" for method in self.methods for end in ("", "-cells")))

    def renamed(self, target: str) -> "WhyRule":
        return WhyRule(target, self.methods, self.folder)


class WhyPipeline(Pipeline):
    """What spoke for a class in one picture file: reported, drawn as a sheet, and written as maps.

    Attributes:
        explain: explains the class of a picture.
        methods: the methods, in the order of the maps.
        reading: how pictures are read, in their own size.
        map_folder: where maps go; None for nowhere.
        place: the (row, column) of the cell whose numbers are reported; None for the strongest of each map.
        model: says which model it is and what it is told, where outputs that exist are skipped.

    The other fields are those of every `Pipeline`.
    """

    explain: Explain
    methods: tuple[str, ...]
    reading: Reading
    map_folder: str | None = None
    place: tuple[int, int] | None = None
    model: str = ""
    quality: int | None = None
    format: str | None = None
    cell: int | None = None
    labels = ("why",)
    grouping = Grouping(in_order=True)

    @property
    def max_pixels(self) -> int | None:
        return self.reading.max_pixels

    @property
    def options(self) -> str:
        return json_text([version("cnncli"), self.model, self.methods, self.map_folder, self.quality])

    def check_single(self, output: str) -> None:
        if output != STANDARD:
            check_coloured(output)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        path = job.input.path
        name = "standard input" if path == STANDARD else path
        with (
            open_image(
                open_stream(read_source(path)), gray=self.reading.channels == 1, max_pixels=self.max_pixels
            ) as image,
            DECODED.take(image.decoded_bytes() + _BESIDE * image.pixels),
        ):
            frame = next(image.frames())
            pixels = fitted(on_white(frame), self.reading, name, picture=not image.kind.numeric)
            found = self.explain(pixels, name)
            maps = [self._numbers(one) for one in found.found]
            sheet = found.sheet(os.path.basename(name))
            form = find_format("png" if job.outputs[0] == STANDARD else job.outputs[0])
            page = Picture(sheet.shape, sheet.dtype, [sheet])
            write_pages([page], form, targets[0], job.outputs[0], self.quality if form.lossy else None)
            self._write_maps(found, job.outputs[1:], targets[1:])
            details: Details = {"explained": found._replace(picture=pixels[:0], found=()), "size": found.size}
            details |= {"maps": maps, "files": job.outputs[1:]}
            return [details | ({"hints": [SEVERAL_FRAMES]} if image.frame_count > 1 else {})]

    def _numbers(self, found: ClassMap) -> dict[str, Any]:
        """Return what is reported of a map: a cell of it, its numbers and its arithmetic."""
        row, column = cell_of(found, self.place)
        value = float(found.cells[row, column])
        cell = {"row": row, "column": column, "value": value, **found.facts(row, column)}
        return {
            "method": found.method,
            "title": found.title,
            "shape": list(found.cells.shape),
            "cell": cell,
            "lines": found.lines(row, column),
        }

    def _write_maps(self, found: ClassExplanation, outputs: Sequence[str], targets: Sequence[str]) -> None:
        """Write the map and the cells of each method."""
        for number in range(len(outputs)):
            one = found.found[number // 2]
            array = one.cells if number % 2 else found.map(one.method)
            with writing(outputs[number], ImageError), open_temporary(targets[number]) as file:
                np.save(file, array.astype(np.float32, copy=False))

    def facts(self, report: Report) -> dict[str, Any]:
        found: ClassExplanation | None = report.details.get("explained")
        files = report.details.get("files") or ()
        height, width = report.details.get("size") or (None, None)
        maps = [
            {name: one[name] for name in ("method", "shape", "cell")}
            | ({"map": files[2 * number], "cells": files[2 * number + 1]} if files else {"map": None, "cells": None})
            for number, one in enumerate(report.details.get("maps", ()))
        ]
        return {
            "input": report.input,
            "output": report.output or None,
            "status": report.status,
            "error": report.error,
            "class": found and found.class_name,
            "probability": found and found.probability,
            "score": found and found.score,
            "width": width,
            "height": height,
            "maps": maps or None,
            "seconds": report.seconds,
        }
