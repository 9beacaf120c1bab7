"""Runs of `detect`: a line for each object, or for each image; pictures with boxes; files of labels."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from cnncli.batch.inputs import Shard
from cnncli.batch.plan import Job
from cnncli.batch.task import Report
from cnncli.cli.files.labelling import COCO, CSV, JSONL, TSV, Labelling
from cnncli.cli.files.running import FileRun, Outcome, WritingRun
from cnncli.cli.files.terminal import ProgressBar
from cnncli.cli.options import FileOptions
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.errors import ArgumentError, DataError
from cnncli.files.temporary import STANDARD, check_output, open_whole
from cnncli.files.text import csv_text, json_text, printable
from cnncli.images.formats import find_format
from cnncli.models.finding.naming import BoxRule
from cnncli.models.finding.pipeline import DetectPipeline, label_bytes
from cnncli.pipelines.common import check_terminal

if TYPE_CHECKING:
    from cnncli.data.boxes.formats import BoxFormat

_CSV_COLUMNS = ("file", "class", "x", "y", "width", "height", "score")


class DetectRun(WritingRun):
    """A run that lists the objects of its images in their order, draws them, and writes files of labels.

    Args:
        pipeline: the work of one file.
        options: the options on inputs, outputs and the work between them.
        labelling: the kind of the list of boxes, and its place.
        threshold: the least score of a box, for a line on images without any.
    """

    pipeline: DetectPipeline

    def __init__(self, pipeline: DetectPipeline, options: FileOptions, labelling: Labelling, threshold: float) -> None:
        self.labelling = labelling
        super().__init__(pipeline, options.replace(as_json=options.as_json or labelling.printed == JSONL))
        self.line = self._printed
        self._nothing = f"no object has a score of {threshold:g} or more; a lower --threshold shows less certain ones"
        self._file: BinaryIO | None = None
        self._found: list[LabelledBoxes] = []

    def _rule(self, target: str | None) -> BoxRule:
        folder = self.labelling.folder
        return BoxRule(target, folder, _format(self.labelling.kind).ending if folder is not None else "")

    @property
    def _writes(self) -> bool:
        return self.options.output is not None or self.labelling.folder is not None

    def plan(self) -> list[Job]:
        if self.options.output is None:
            self._refuse_useless()
        if self._writes:
            jobs = super().plan()
        else:
            shard = None if self.options.shard is None else Shard.parse(self.options.shard)
            inputs = [one for one in self.inputs(repeats=True) if shard is None or shard.holds(one)]
            jobs = [Job(source, ()) for source in inputs]
        if self.pipeline.crops is not None:
            self.pipeline.crops.check([job.input for job in jobs])
        self._check_labels(jobs)
        return jobs

    def _check_labels(self, jobs: list[Job]) -> None:
        """Refuse a file of labels that cannot be written, or that would not be whole."""
        outputs = {output for job in jobs for output in job.outputs}
        for path, text in self._beside().items():
            if path in outputs:
                raise ArgumentError(f"{path} names the classes: an image cannot have labels of this name")
            if not self.options.force and os.path.lexists(path) and _content(path) != text:
                raise ArgumentError(f"{path} exists already, and names other classes: --force overwrites it")
        listing = self.labelling.file
        if listing is None:
            return
        if self.options.skip_existing:
            raise ArgumentError(f"{listing} would lack images that are skipped: leave out --skip-existing")
        if not os.path.isdir(os.path.dirname(listing) or os.curdir):
            raise ArgumentError(f"{listing}: no such folder: make it first")
        check_output(listing, force=self.options.force, inputs=[job.input.path for job in jobs])

    def _beside(self) -> dict[str, str]:
        """Return the files that stand once beside a file for each image, and their texts."""
        folder = self.labelling.folder
        if folder is None or (beside := _format(self.labelling.kind).beside) is None:
            return {}
        return {os.path.join(folder, name): text for name, text in beside(self.pipeline.class_names).items()}

    def _refuse_useless(self) -> None:
        """Refuse options on outputs where there are none."""
        names = ("show", "quality") if self._writes else ("show", "quality", "skip_existing", "dry_run")
        if said := next((name for name in names if getattr(self.options, name)), None):
            raise ArgumentError(f"--{said.replace('_', '-')} is for images with boxes: name their place with -o")

    def process(self, jobs: list[Job]) -> Outcome:
        self._write_beside()
        if self.labelling.printed == CSV:
            print(csv_text(_CSV_COLUMNS))
        try:
            with self._opened():
                outcome = super().process(jobs)
                if not outcome.complete:
                    raise _UnfinishedError
                self._end()
        except _UnfinishedError:
            if self.labelling.file is not None:
                print(printable(f"cnncli: {self.labelling.file}: not written, for images are left"), file=sys.stderr)
        return outcome

    def _write_beside(self) -> None:
        for path, text in self._beside().items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open_whole(path, DataError) as file:
                file.write(label_bytes(text))

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Open the file of labels, which gets its name when it is whole."""
        if self.labelling.file is None:
            yield
            return
        with open_whole(self.labelling.file, DataError, replace=self.options.force) as self._file:
            if self.labelling.kind == CSV:
                self._write(csv_text(_CSV_COLUMNS) + "\n")
            yield

    def _write(self, text: str) -> None:
        assert self._file is not None
        self._file.write(label_bytes(text))

    def _end(self) -> None:
        """Write what needs all boxes at once."""
        if self.labelling.kind != COCO:
            return
        for piece in _format(COCO).text(self._found, self.pipeline.class_names):
            print(piece, end="") if self._file is None else self._write(piece)

    def show(self, report: Report, bar: ProgressBar) -> None:
        boxes = report.details.get("boxes")
        if boxes is not None and not len(boxes.labels):
            report.details.setdefault("doubts", []).append(self._nothing)
        if self.labelling.kind == COCO and boxes is not None:
            self._found.append(LabelledBoxes(report.input, boxes, report.details["size"]))
        if self._file is not None and (line := self._text(report, self.labelling.kind)):
            self._write(f"{line}\n")
        if self.options.output is not None:
            super().show(report, bar)
            return
        FileRun.show(self, report, bar)
        if not self.options.quiet:
            self._show_hints(report, bar)

    def hides_bar(self) -> bool:
        return FileRun.hides_bar(self)

    def _check_outputs(self, jobs: list[Job]) -> None:
        names = {job.outputs[0] for job in jobs if self.pipeline.draws}
        for name in names:
            self.pipeline.check_single(name)
        if STANDARD in names:
            check_terminal(find_format("png"))

    def _printed(self, report: Report) -> str:
        return "" if self.options.output == STANDARD else self._text(report, self.labelling.printed)

    def _text(self, report: Report, kind: str) -> str:
        """Return the lines of an image in a kind of list; empty for one that needs all images."""
        if kind == JSONL:
            return json_text(self.pipeline.facts(report))
        if kind not in (TSV, CSV) or report.status != "ok":
            return ""
        rows = [list(one.values()) for one in self.pipeline.detection(report).objects()]
        if kind == TSV:
            return "\n".join(_tab_text(report.input, *row) for row in rows)
        cells = [(name, *place, score) for name, score, *place in rows] or [("",) * (len(_CSV_COLUMNS) - 1)]
        return "\n".join(csv_text([report.input, *row]) for row in cells)


def _format(kind: str) -> "BoxFormat":
    from cnncli.data.boxes.formats import BOX_FORMATS  # 15 ms, for files of labels alone

    return BOX_FORMATS[kind]


class _UnfinishedError(Exception):
    """Images are left: a list of all would not be whole."""


def _content(path: str) -> str | None:
    """Return the text of a file; None where it cannot be read."""
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return file.read()
    return None


def _tab_text(path: str, name: str | float, score: str | float, *place: str | float) -> str:
    """Return cells between tabs: scores with four decimals, and pixels with one."""
    return "\t".join([printable(path), printable(str(name)), f"{score:.4f}", *(f"{side:.1f}" for side in place)])
