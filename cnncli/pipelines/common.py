"""What pipelines share: sources, targets, formats, and transparency."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from cnncli.batch import STANDARD, Job
from cnncli.edges import ArrayRows
from cnncli.errors import ArgumentError, ImageError
from cnncli.images import Frame, OpenedImage, find_format
from cnncli.ops.borders import Rows
from cnncli.rendering import Statistics
from cnncli.transparency import fill_hidden

Array = npt.NDArray[Any]
Details = dict[str, Any]

FLOAT_TIFF = "float-tiff"
"""A TIFF that holds the exact response as floating point, and not a picture."""


class Pipeline(Protocol):
    """What a command does with one file."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells the outputs of one input apart."""

    @property
    def options(self) -> str:
        """What outputs depend on beside their inputs, as text."""

    @property
    def format(self) -> str | None:
        """A format's name; by default each output's suffix says."""

    def check_single(self, output: str) -> None:
        """Refuse an output that cannot hold all that is made of an input."""

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Do it, writing to the targets; return what a report says of each."""


def options_of(pipeline: Any) -> str:
    """Return all that a pipeline's outputs depend on, as text that is the same in every process."""
    import json
    from importlib.metadata import version

    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray) else vars(value)

    kept = {name: value for name, value in vars(pipeline).items() if name not in ("max_pixels", "statistics")}
    return json.dumps([version("cnncli"), type(pipeline).__name__, kept], default=plain, sort_keys=True)


def check_format(name: str) -> str:
    """Return the name of the format that a suffix, a file name or a format's name means.

    Raises:
        ArgumentError: none is known by it.
    """
    if name == FLOAT_TIFF:
        return name
    try:
        return find_format(name).name
    except ImageError as error:
        raise ArgumentError(f"{error}, {FLOAT_TIFF}") from error


def is_numeric(form: str) -> bool:
    """Whether files of a format hold exact responses instead of pictures."""
    return form == FLOAT_TIFF or find_format(form).numeric


def visible(frame: Frame) -> Rows:
    """Return a frame as rows, its fully transparent pixels in the colour of the nearest visible one."""
    alpha = frame.alpha()
    if alpha is None or alpha.min() > 0:
        return frame
    return ArrayRows(fill_hidden(frame.array(), alpha))


def noted(band: Array, statistics: Statistics | None) -> Array:
    """Return a band, having taken it into account."""
    if statistics is not None:
        statistics.add(band)
    return band


def with_alpha(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a picture with one channel more."""
    return (*shape[:2], 2 if len(shape) == 2 else shape[2] + 1)


def join_alpha(band: Array, alpha: Array) -> Array:
    """Return a band with alpha as its last channel."""
    return np.dstack([band, alpha])


def format_of(output: str, image: OpenedImage) -> str:
    """Return the format that an output's suffix says; a matrix goes to standard output as a matrix."""
    if output != STANDARD:
        return find_format(output).name
    if image.format != "TXT":
        raise ArgumentError("standard output needs a format: add --format png, npy or another")
    return "txt"


def read_source(path: str) -> str | bytes:
    """Return a path as it is, and standard input as its content: it may have to be read more than once."""
    return sys.stdin.buffer.read() if path == STANDARD else path


def open_stream(source: str | bytes) -> Path | BinaryIO:
    """Return what `open_image` takes."""
    if isinstance(source, str):
        return Path(source)
    stream = io.BytesIO(source)
    stream.name = "standard input"
    return stream


def open_target(target: str) -> str | BinaryIO:
    """Return what `write_frames` takes."""
    return sys.stdout.buffer if target == STANDARD else target
