"""One picture file after another: its objects found, drawn, and written."""

import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.memory import DECODED
from cnncli.batch.plan import Job
from cnncli.batch.running import run
from cnncli.batch.task import Grouping, Report, Task
from cnncli.data import Reading
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.pictures import fitted, on_white
from cnncli.data.resizing import Size
from cnncli.errors import ImageError
from cnncli.files.temporary import STANDARD, open_temporary, writing
from cnncli.files.text import json_text
from cnncli.images.formats import Format, find_format
from cnncli.images.frames import OpenedImage, Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image
from cnncli.models.finding.cropping import Crops
from cnncli.models.finding.sliding.harvesting import Harvest
from cnncli.models.prediction import path_list
from cnncli.models.predictor import AnyPath
from cnncli.pipelines.common import Pipeline, check_coloured, open_stream, read_source, write_pages
from cnncli.pipelines.notes import Details
from cnncli.threads import cores


class Searching(Protocol):
    """What a pipeline finds objects with, in pictures (H, W, C) of a name: `Search`, or the file of a model."""

    @property
    def together(self) -> int:
        """How many pictures `find_all` takes; 1 where there is only `find`."""

    def find(self, picture: Array, name: str) -> Boxes:
        """Return the objects of a picture."""

    def ready(self, picture: Array, name: str) -> Array:
        """Return a picture as `find_all` takes it."""

    def find_all(self, pictures: Sequence[Array], sizes: Sequence[Size]) -> list[Boxes]:
        """Return the objects of pictures that are ready, which had these sizes."""


_BESIDE = 9  # bytes that a pixel takes beside its decoding: for the network, and drawn

SEVERAL_FRAMES = "has several frames: objects are looked for in the first"


class Detection(NamedTuple):
    """The objects that a model finds in a picture.

    Attributes:
        input: the file.
        boxes: the best first, in pixels of the picture as the viewer sees it; None where it failed.
        error: one line where it failed.
        class_names: the classes of the model.
        size: (height, width) of the picture; None where it failed.
    """

    input: str
    boxes: Boxes | None
    error: str | None = None
    class_names: tuple[str, ...] = ()
    size: Size | None = None

    def objects(self) -> list[dict[str, str | float]]:
        """Return each object as a record.

        Example:
            >>> Detection("a.png", Boxes.of([[1, 2, 30, 40]], [1], [0.75]), class_names=("cat", "dog")).objects()
            [{'class': 'dog', 'score': 0.75, 'x': 1.0, 'y': 2.0, 'width': 30.0, 'height': 40.0}]
        """
        if self.boxes is None:
            return []
        sides = ("x", "y", "width", "height")
        rows = zip(*(array.tolist() for array in self.boxes[:3]), strict=True)
        return [
            {"class": self.class_names[label], "score": round(score, 6)}
            | {side: round(number, 3) for side, number in zip(sides, place, strict=True)}
            for place, label, score in rows
        ]


class _Seen(NamedTuple):
    """The first frame of a picture file.

    Attributes:
        name: of the file, in messages.
        own: (H, W) or (H, W, C), as it looks on white, in its own numbers.
        pixels: (H, W, C), the same on the scale of a model.
        metadata: of the file.
        form: the format in which it is written with boxes: that of the file, if it holds colours.
    """

    name: str
    own: Array
    pixels: Array
    metadata: Metadata
    form: Format

    @classmethod
    def of(cls, image: OpenedImage, name: str, reading: Reading) -> "_Seen":
        """Return the first frame of an open file."""
        frame = next(image.frames())
        own = on_white(frame)
        pixels = fitted(own, reading, name, picture=not image.kind.numeric)
        form = next((form for form in image.kind.written if form.coloured), find_format("png"))
        return cls(name, own, pixels, frame.metadata._replace(duration=None, loop=None), form)

    @property
    def size(self) -> Size:
        """(height, width)."""
        height, width = self.pixels.shape[:2]
        return height, width

    @property
    def visible(self) -> Array:
        """Its own levels where it is grey or RGB, and what is drawn of other numbers."""
        from cnncli.drawing.boxes import as_rgb

        is_picture = self.own.dtype.kind == "u" and (self.own.ndim == 2 or self.own.shape[2] == 3)
        return self.own if is_picture else as_rgb(self.pixels)

    def page(self, drawn: Array) -> Picture:
        """Return what was drawn on the picture as a picture to write."""
        is_gray = self.own.ndim == 2
        metadata = self.metadata.for_result(mode_changed=is_gray, size_changed=False)
        return Picture(drawn.shape, drawn.dtype, [drawn], metadata)


class DetectPipeline(Pipeline):
    """The objects of one picture file: reported, drawn on a copy of it, and written as labels.

    Attributes:
        search: finds the objects; several pictures together where only they are wanted.
        class_names: the classes in the order of the labels of boxes.
        reading: how pictures are read, in their own size and colours.
        draws: whether the first output is a picture with boxes.
        label_kind: the kind of the last output, a file of labels: a name in `BOX_FORMATS`; None where there is none.
        crops: where each object is written as a picture of its own; None for nowhere.
        harvest: where each window with an object is written for a training; None for nowhere.
        model: says which model it is and what it is told, where outputs that exist are skipped.

    The other fields are those of every `Pipeline`.
    """

    search: Searching
    class_names: tuple[str, ...]
    reading: Reading
    draws: bool = False
    label_kind: str | None = None
    crops: Crops | None = None
    harvest: Harvest | None = None
    model: str = ""
    quality: int | None = None
    format: str | None = None
    cell: int | None = None
    labels = ("boxes",)

    @property
    def grouping(self) -> Grouping:
        if not self._only_finds:
            return Grouping(in_order=True)
        return Grouping(self.search.together, partial(_found_together, self.search), in_order=True)

    @property
    def _only_finds(self) -> bool:
        """Whether pictures are not needed any more once they are ready, so that some can wait for others."""
        writes = self.draws or self.label_kind or self.crops or self.harvest
        return self.search.together > 1 and not writes

    @property
    def max_pixels(self) -> int | None:
        return self.reading.max_pixels

    @property
    def options(self) -> str:
        crops = self.crops and self.crops.folder
        said = self.model, self.class_names, self.draws, self.label_kind, crops, self.harvest, self.quality
        return json_text([version("cnncli"), *said])

    def check_single(self, output: str) -> None:
        if output != STANDARD:
            check_coloured(output)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        source, path = read_source(job.input.path), job.input.path
        with (
            open_image(open_stream(source), max_pixels=self.max_pixels) as image,
            DECODED.take(image.decoded_bytes() + _BESIDE * image.pixels),
        ):
            seen = _Seen.of(image, "standard input" if path == STANDARD else path, self.reading)
            details: Details = {"size": seen.size}
            details |= {"hints": [SEVERAL_FRAMES]} if image.frame_count > 1 else {}
            if self._only_finds:
                return [details | {"ready": self.search.ready(seen.pixels, seen.name)}]
            boxes = self.search.find(seen.pixels, seen.name)
            if self.draws:
                self._draw(seen, boxes, targets[0], job.outputs[0])
            if self.label_kind is not None:
                self._label(LabelledBoxes(job.input.below, boxes, seen.size), targets[-1], job.outputs[-1])
            if self.crops is not None:
                self.crops.write(job.input, seen.visible, boxes)
            if self.harvest is not None:
                self.harvest.write(job.input, seen.pixels, boxes)
            return [details | {"boxes": boxes}]

    def _draw(self, seen: _Seen, boxes: Boxes, target: str, output: str) -> None:
        """Write a picture with its boxes."""
        from cnncli.drawing.boxes import draw_boxes  # 15 ms, for pictures alone

        form = seen.form if output == STANDARD else find_format(output)
        page = seen.page(draw_boxes(seen.pixels, boxes, self.class_names))
        write_pages([page], form, target, output, self.quality if form.lossy else None)

    def _label(self, labelled: LabelledBoxes, target: str, output: str) -> None:
        """Write the labels of a picture."""
        from cnncli.data.boxes.formats import BOX_FORMATS  # 15 ms, for files of labels alone

        with writing(output, ImageError), open_temporary(target) as file:
            for piece in BOX_FORMATS[self.label_kind or ""].text([labelled], self.class_names):
                file.write(label_bytes(piece))

    def detections(
        self, paths: AnyPath | Sequence[AnyPath], jobs: int | None, stop: threading.Event | None
    ) -> Iterator[Detection]:
        """Yield the detection of each file, in their order."""
        todo = [Job(Input(name, os.path.basename(name)), ()) for name in path_list(paths)]
        for report in run(todo, Task(self, grouping=self.grouping), workers=jobs or cores(), stop=stop):
            yield self.detection(report)

    def detection(self, report: Report) -> Detection:
        """Return the detection that a report holds."""
        found = report.details
        return Detection(report.input, found.get("boxes"), report.error, self.class_names, found.get("size"))

    def facts(self, report: Report) -> dict[str, Any]:
        found = self.detection(report)
        height, width = found.size or (None, None)
        return {
            "input": report.input,
            "output": report.output or None,
            "status": report.status,
            "error": report.error,
            "width": width,
            "height": height,
            "boxes": None if found.boxes is None else found.objects(),
            "seconds": report.seconds,
        }


def _found_together(search: Searching, reports: list[list[Report]]) -> list[list[Report]]:
    """Return reports with boxes in place of the pictures that were made ready."""
    read = [report.details for (report,) in reports if report.status == "ok"]
    found = search.find_all([one["ready"] for one in read], [one["size"] for one in read]) if read else []
    boxes = iter(found)
    return [[_found(report, boxes) if report.status == "ok" else report] for (report,) in reports]


def _found(report: Report, boxes: Iterator[Boxes]) -> Report:
    details = {name: value for name, value in report.details.items() if name != "ready"}
    return report._replace(details=details | {"boxes": next(boxes)})


def label_bytes(text: str) -> bytes:
    """Return a piece of a file of labels as it is written; bytes of names that are not UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace")
