"""Parts of every pipeline: sources, targets, formats, limits, transparency and reports."""

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.memory import DECODED
from cnncli.batch.plan import Job
from cnncli.batch.task import ALONE, Grouping, Report
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import STANDARD, open_temporary, writing
from cnncli.images.formats import Format, find_format
from cnncli.images.frames import Frame, OpenedImage, Picture
from cnncli.images.memory import writing_bytes
from cnncli.images.reading import open_image
from cnncli.images.sources import MAX_PIXELS, read_standard_input
from cnncli.images.writing import check_quality, write_frames
from cnncli.pipelines.notes import Details
from cnncli.pipelines.pages import visible
from cnncli.values import Value


class Pipeline(Value):
    """One picture file to its outputs: the base of the work of each command that writes pictures.

    Subclasses have these fields:

    Attributes:
        format: a format's name; by default each output's suffix says.
        quality: of outputs in lossy formats, from 1 to 100; None for the default of the format.
        cell: pixels of a side of each cell of a matrix in its picture; None for a size at which small ones are seen.
        max_pixels: the largest picture accepted; None for any.
        statistics: whether to gather min, max and the clipped share for a report.
    """

    @property
    def format(self) -> str | None:
        """Name of a format; None where the suffix of each output says."""
        raise NotImplementedError

    @property
    def cell(self) -> int | None:
        """Pixels of a side of each cell of a matrix in its picture; None for a size at which small ones are seen."""
        raise NotImplementedError

    @property
    def quality(self) -> int | None:
        """The quality of outputs in lossy formats, from 1 to 100; None for the default of each format."""
        raise NotImplementedError

    @property
    def max_pixels(self) -> int | None:
        """The largest picture accepted; None for any."""
        raise NotImplementedError

    @property
    def labels(self) -> tuple[str, ...]:
        """Values of `{filter}` in output names, one for each output of an input."""
        raise NotImplementedError

    @property
    def options(self) -> str:
        """All that outputs depend on beside their inputs, as text that is the same in every process."""
        import json
        from importlib.metadata import version

        def plain(value: Any) -> Any:
            return value.tolist() if isinstance(value, np.ndarray) else vars(value)

        kept = {name: value for name, value in vars(self).items() if name not in ("max_pixels", "statistics")}
        return json.dumps([version("cnncli"), type(self).__name__, kept], default=plain, sort_keys=True)

    @property
    def grouping(self) -> Grouping:
        """The jobs to do together: none, each is done alone."""
        return ALONE

    def check_single(self, output: str) -> None:
        """Refuse an output that cannot hold everything made of an input. By default it can.

        Raises:
            ArgumentError: it cannot.
        """

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Process a job, writing to the targets; return the details of each report."""
        raise NotImplementedError

    def convert(
        self,
        source: str | bytes,
        target: str,
        output: str,
        make: Callable[[Frame, Format], Iterable[Picture]],
        *,
        gray: bool = False,
    ) -> None:
        """Read one file and write another: the pictures that `make` gives for each frame and the format.

        Args:
            source: a path, or a file's content.
            target: path to write to.
            output: the name by which the target will be known.
            make: gives the pictures of a frame.
            gray: whether frames are read as luma.
        """
        with open_image(open_stream(source), gray=gray, max_pixels=self.max_pixels) as image:
            form = self._form(output, image)
            # The bytes that a frame takes on its way from one file to the other.
            encoding = writing_bytes(image.pixels, form.held[not gray], exact=form.numeric)
            with DECODED.take(image.decoded_bytes() + encoding):
                pages = (picture for frame in image.frames() for picture in make(frame, form))
                write_pages(pages, form, target, output, self.quality)

    def _form(self, output: str, image: OpenedImage) -> Format:
        """Return the format of an output. To standard output, numbers go as numbers and pictures as PNG."""
        if self.format or output != STANDARD:
            return find_format(self.format or output)
        form = image.kind.written[0] if image.kind.numeric else find_format("png")
        self.replace(format=form.name).check_single(output)
        check_terminal(form)
        return form

    def facts(self, report: Report) -> dict[str, Any]:
        """Return a report as the documented JSON object."""
        line = {"input": report.input, "output": report.output, "status": report.status, "error": report.error}
        return line | {name: report.details.get(name) for name in FIELDS} | {"seconds": report.seconds}


FIELDS = ("filter", "input_shape", "output_shape", "min", "max", "clipped_fraction")
"""The fields of a JSON line that describe the work: `Notes` and `Statistics` fill them."""


def check_format(name: str) -> str:
    """Return the name of the format that a suffix, a file name or a format's name means.

    Raises:
        ArgumentError: none is known by it.
    """
    try:
        return find_format(name).name
    except ImageError as error:
        raise ArgumentError(str(error)) from error


def check_coloured(output: str) -> None:
    """Refuse an output whose format does not hold coloured pictures.

    Raises:
        ArgumentError: its format is none, or one of numbers or grey alone.
    """
    if not find_format(check_format(output)).coloured:
        raise ArgumentError(f"{output}: does not hold a coloured picture: write png, jpeg or another picture")


def check_lossy(name: str, quality: int) -> None:
    """Refuse a quality for a format that has no such setting.

    Raises:
        ArgumentError: the format that `name` means, as in `check_format`, cannot be written at this quality.
    """
    try:
        check_quality(quality, find_format(name))
    except ImageError as error:
        raise ArgumentError(f"--quality {quality}: {error}") from error


def check_terminal(form: Format) -> None:
    """Refuse a format on standard output that a terminal cannot show.

    Raises:
        ArgumentError: the format is binary, and standard output is a terminal.
    """
    if not form.text and sys.stdout and sys.stdout.isatty():
        raise ArgumentError(
            f"{form.name} is binary and standard output is a terminal: redirect it, or write to a file with -o"
        )


def write_pages(pages: Iterable[Picture], form: Format, target: str, output: str, quality: int | None = None) -> None:
    """Write pictures as the frames of one file.

    Args:
        pages: the pictures.
        form: the format of the file.
        target: path to write to.
        output: the name by which the target will be known.
        quality: from 1 to 100, for a lossy format; None for its default.

    Raises:
        ImageError: they cannot be written.
    """
    try:
        with writing(output, ImageError), _open_target(target) as file:
            write_frames(file, pages, format=form.name, quality=quality)
            if target == STANDARD:
                sys.stdout.flush()
    except ImageError as error:  # the user knows the file by the name that it will get
        here, known = ("<stdout>", "standard output") if target == STANDARD else (target, output)
        raise ImageError(str(error).replace(here, known)) from error


def read_source(path: str) -> str | bytes:
    """Return a path unchanged, and standard input as its content, because it may be read twice."""
    return read_standard_input() if path == STANDARD else path


def read_pixels(path: str, *, gray: bool | None = None, max_pixels: int | None = MAX_PIXELS) -> Array:
    """Return the pixels of a file as `edge` filters them.

    Args:
        path: the file, or `-`.
        gray: whether colours become luma; None for colours of pictures only, so that numbers stay as they are.
        max_pixels: the largest picture accepted; None for any.
    """
    source = read_source(path)
    with open_image(open_stream(source), gray=bool(gray), max_pixels=max_pixels) as opened:
        rows = visible(next(opened.frames()))
        pixels: Array = rows.rows(0, rows.shape[0])
    if gray is None and pixels.ndim == 3 and pixels.dtype.kind == "u":
        return read_pixels(path, gray=True, max_pixels=max_pixels)
    return pixels


def open_stream(source: str | bytes) -> str | BinaryIO:
    """Return the result of `read_source` as an argument of `open_image`, with a name."""
    if isinstance(source, str):
        return source
    stream = io.BytesIO(source)
    stream.name = "standard input"
    return stream


def _open_target(target: str) -> AbstractContextManager[BinaryIO]:
    """Open a target for writing; standard output stays open."""
    if target != STANDARD:
        return open_temporary(target)
    if sys.stdout is None:
        raise ImageError("standard output is closed")
    return nullcontext(sys.stdout.buffer)
