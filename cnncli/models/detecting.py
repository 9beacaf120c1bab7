"""Finding the objects of picture files, any number of them, and writing what is found."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Unpack

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.memory import DECODED
from cnncli.batch.plan import Job
from cnncli.batch.running import run
from cnncli.batch.task import Grouping, Report, Task
from cnncli.data import Reading
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.pictures import Size, fitted, on_white
from cnncli.drawing.boxes import draw_boxes
from cnncli.files.temporary import STANDARD
from cnncli.images.formats import FileKind, Format, find_format
from cnncli.images.frames import OpenedImage, Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image
from cnncli.models.finding import Search, reading_for
from cnncli.models.finding_options import FindingFields, FindingOptions
from cnncli.models.opening import as_predictor
from cnncli.models.prediction import path_list
from cnncli.models.predictor import AnyPath, Predictor
from cnncli.pipelines.common import Pipeline, open_stream, read_source, write_pages
from cnncli.pipelines.notes import Details
from cnncli.threads import cores

Find = Callable[[Array, str], Boxes]
"""Returns the objects of a picture (H, W, C) of a name."""

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


def detect_files(
    model: Predictor | AnyPath,
    paths: AnyPath | Sequence[AnyPath],
    *,
    jobs: int | None = None,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[FindingFields],
) -> Iterator[Detection]:
    """Find the objects of picture files, as `cnncli detect` does; a file that cannot be read fails by name.

    Args:
        model: a model, or a word that `load_model` takes: one that was trained on boxes, or a classifier, which slides.
        paths: the files, or their URLs; `-` for standard input. Of several frames, the first counts.
        jobs: threads; None for the machine's cores.
        reading: how pictures are read; None for the model's own way, in their own size.
        stop: when set, no further file is begun.
        options: as in `FindingOptions`, such as `threshold=0.3`.

    Yields:
        A detection for each file, in their order, the same for any number of jobs.

    Raises:
        ModelError: the model cannot be read, or finds nothing in pictures.
        ArgumentError: an option outside of its range, or that does not fit the model.
    """
    loaded = as_predictor(model)
    search = Search(loaded, FindingOptions(**options))
    work = DetectPipeline(search, loaded.class_names, reading or reading_for(loaded))
    todo = [Job(Input(name, os.path.basename(name)), ()) for name in path_list(paths)]
    for report in run(todo, Task(work, grouping=work.grouping), workers=jobs or cores(), stop=stop):
        yield work.detection(report)


class _Seen(NamedTuple):
    """The first frame of a picture file.

    Attributes:
        name: of the file, in messages.
        own: (H, W) or (H, W, C), as it looks on white, in its own numbers.
        pixels: (H, W, C), the same on the scale of a model.
        metadata: of the file.
    """

    name: str
    own: Array
    pixels: Array
    metadata: Metadata

    @classmethod
    def of(cls, image: OpenedImage, name: str, reading: Reading) -> "_Seen":
        """Return the first frame of an open file."""
        frame = next(image.frames())
        own = on_white(frame)
        pixels = fitted(own, reading, name, picture=not image.kind.numeric)
        return cls(name, own, pixels, frame.metadata._replace(duration=None, loop=None))

    def page(self, drawn: Array) -> Picture:
        """Return what was drawn on the picture as a picture to write."""
        is_gray = self.own.ndim == 2
        metadata = self.metadata.for_result(mode_changed=is_gray, size_changed=False)
        return Picture(drawn.shape, drawn.dtype, [drawn], metadata)


class DetectPipeline(Pipeline):
    """The objects of one picture file: reported, and drawn on a copy of it if the job has an output.

    Attributes:
        find: returns the objects of a picture.
        class_names: the classes in the order of the labels of boxes.
        reading: how pictures are read, in their own size and colours.
        model: says which model it is and what it is told, where outputs are skipped that exist.

    The other fields are those of every `Pipeline`.
    """

    find: Find
    class_names: tuple[str, ...]
    reading: Reading
    model: str = ""
    quality: int | None = None
    format: str | None = None
    cell: int | None = None
    labels = ("boxes",)
    grouping = Grouping(in_order=True)

    @property
    def max_pixels(self) -> int | None:
        return self.reading.max_pixels

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        source, path = read_source(job.input.path), job.input.path
        with (
            open_image(open_stream(source), max_pixels=self.max_pixels) as image,
            DECODED.take(image.decoded_bytes() + _BESIDE * image.pixels),
        ):
            seen = _Seen.of(image, "standard input" if path == STANDARD else path, self.reading)
            boxes = self.find(seen.pixels, seen.name)
            for target, output in zip(targets, job.outputs, strict=True):
                form = find_format(output) if output != STANDARD else own_format(image.kind)
                drawn = draw_boxes(seen.pixels, boxes, self.class_names)
                write_pages([seen.page(drawn)], form, target, output, self.quality)
            hints = [SEVERAL_FRAMES] if image.frame_count > 1 else []
            return [{"boxes": boxes, "size": seen.pixels.shape[:2], "hints": hints}]

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


def own_format(kind: FileKind) -> Format:
    """Return the format in which a picture with boxes is written of a file of a kind: its own, if it holds colours."""
    return next(filter(is_drawable, kind.written), find_format("png"))


def is_drawable(form: Format) -> bool:
    """Return whether a format holds coloured pictures, and not any numbers."""
    return form.holds("uint8", 3) and not form.numeric
