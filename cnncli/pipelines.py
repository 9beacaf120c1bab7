"""What the commands do with one file: read its frames, filter or pool them, write pictures or numbers.

A pipeline is a value that can be called, given to threads, and sent to other processes.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cnncli.batch import STANDARD, Job
from cnncli.edges import ArrayRows, EdgePicture, Filtering, Recipe, Response, bands, pictures
from cnncli.errors import ArgumentError, ImageError
from cnncli.images import MAX_PIXELS, Frame, OpenedImage, Picture, find_format, open_image, write_frames
from cnncli.ops.borders import Rows
from cnncli.pools import Pooled, PooledPicture, Pooling
from cnncli.rendering import Rendering, Statistics
from cnncli.shapes import Window
from cnncli.transparency import alpha_at_outputs, fill_hidden

Array = npt.NDArray[Any]
Details = dict[str, Any]

FLOAT_TIFF = "float-tiff"
"""A TIFF that holds the exact response as floating point, and not a picture."""

_STACKS = ("npy", "npz", "tiff")
"""Formats whose one file holds the responses to several filters."""


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


@dataclass(frozen=True)
class EdgePipeline:
    """Filters one file into one or more outputs.

    Attributes:
        recipes: the filters.
        filtering: how to filter.
        scale: of pictures; None leaves it to the filter, like the two that follow.
        signed: likewise.
        threshold: likewise.
        format: a format's name; by default each output's suffix says.
        max_pixels: the largest picture accepted; None for any.
        statistics: whether to gather min, max and the clipped share for a report.
    """

    recipes: tuple[Recipe, ...]
    filtering: Filtering = field(default_factory=Filtering)
    scale: str | float | None = None
    signed: str | None = None
    threshold: str | float | None = None
    format: str | None = None
    max_pixels: int | None = MAX_PIXELS
    statistics: bool = False

    def __post_init__(self) -> None:
        for recipe in self.recipes:
            self.rendering(recipe)

    def rendering(self, recipe: Recipe) -> Rendering:
        """Return how a filter's response is rendered."""
        return recipe.rendering.chosen(self.scale, self.signed, self.threshold)

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells the outputs of one input apart: the filters, and the two pictures of `split`."""
        return tuple(f"{recipe.name}{part}" for recipe, part in self._parts())

    def _parts(self) -> list[tuple[Recipe, str]]:
        numeric = self.format is not None and is_numeric(self.format)
        parts = []
        for recipe in self.recipes:
            split = self.rendering(recipe).signed == "split" and recipe.direction != "angle" and not numeric
            parts += [(recipe, part) for part in (("-positive", "-negative") if split else ("",))]
        return parts

    def check_stack(self, output: str) -> None:
        """Check that one file can hold all that is made of an input.

        Raises:
            ArgumentError: there are several responses and the format holds one.
        """
        form = self.format or check_format(output)
        if len(self.labels) > 1 and form not in (*_STACKS, FLOAT_TIFF):
            raise ArgumentError(
                f"{output} holds one of {len(self.labels)} outputs ({', '.join(self.labels)}): put {{filter}} into the "
                f"name, or write {', '.join(_STACKS)}, which hold all"
            )

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Filter a job's input and write to the targets: one a label, or one that holds all."""
        source = _source(job.input.path)
        parts = [[part] for part in self._parts()] if len(targets) > 1 else [self._parts()]
        return [
            self._make(source, target, output, part)
            for target, output, part in zip(targets, job.outputs, parts, strict=True)
        ]

    def _make(self, source: str | bytes, target: str, output: str, parts: list[tuple[Recipe, str]]) -> Details:
        statistics = Statistics() if self.statistics else None
        details: Details = {"filter": "+".join(dict.fromkeys(recipe.name for recipe, _ in parts))}
        with open_image(_stream(source), gray=self.filtering.color == "gray", max_pixels=self.max_pixels) as image:
            form = self.format or _format_of(output, image)
            numeric = is_numeric(form)

            def pages() -> Iterator[Picture]:
                for frame in image.frames():
                    image_rows = visible(frame)
                    responses = {recipe.name: Response(image_rows, recipe, self.filtering) for recipe, _ in parts}
                    first = next(iter(responses.values()))
                    details.setdefault("input_shape", list(frame.shape))
                    details.setdefault("output_shape", list(first.shape))
                    if numeric:
                        yield from _numbers(list(responses.values()), frame, form, statistics)
                        continue
                    for recipe, part in parts:
                        response = responses[recipe.name]
                        for edge in pictures(response, self.rendering(recipe), statistics):
                            if edge.renderer.suffix == part:
                                yield _picture(edge, frame, response.window, recipe.name)

            write_frames(_target(target), pages(), format="tiff" if form == FLOAT_TIFF else form)
        if statistics is not None:
            details |= statistics.report()
        return details


def _numbers(
    responses: list[Response], frame: Frame, form: str, statistics: Statistics | None
) -> Iterator[Picture]:
    """Yield the exact responses of a frame: as one stack on the last axis for .npy, else one after another."""
    if len(responses) > 1 and form == "npy":
        yield _stack(responses, statistics)
        return
    for response in responses:
        dtype = _float_type(response.dtype) if form == FLOAT_TIFF else response.dtype
        made = (
            _noted(band, statistics).astype(dtype, copy=False) for _, band in bands(response)
        )
        yield Picture(response.shape, dtype, made, name=response.recipe.name if len(responses) > 1 else "")


def _stack(responses: list[Response], statistics: Statistics | None) -> Picture:
    shape = responses[0].shape
    if len(shape) > 2 or any(response.shape != shape for response in responses):
        raise ArgumentError("responses in colour, or of different sizes, do not stack into .npy: write .npz")
    dtype = np.result_type(*(response.dtype for response in responses))
    parts = zip(*(bands(response) for response in responses), strict=True)
    made = (_noted(np.stack([band for _, band in part], axis=-1).astype(dtype), statistics) for part in parts)
    return Picture((*shape, len(responses)), dtype, made)


def _noted(band: Array, statistics: Statistics | None) -> Array:
    if statistics is not None:
        statistics.add(band)
    return band


def _float_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.promote_types(dtype, np.float32)


@dataclass(frozen=True)
class PoolPipeline:
    """Pools one file.

    Attributes:
        pooling: how.
        format: a format's name; by default the output's suffix says.
        max_pixels: the largest picture accepted; None for any.
        statistics: whether to gather min and max for a report.
    """

    pooling: Pooling
    format: str | None = None
    max_pixels: int | None = MAX_PIXELS
    statistics: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """What `{filter}` stands for in output names."""
        return (self.pooling.mode,)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Pool a job's input and write to the one target."""
        statistics = Statistics() if self.statistics else None
        details: Details = {"filter": self.pooling.mode}
        with open_image(_stream(_source(job.input.path)), max_pixels=self.max_pixels) as image:
            form = self.format or _format_of(job.outputs[0], image)

            def pages() -> Iterator[Picture]:
                for frame in image.frames():
                    pooled = Pooled(visible(frame), self.pooling)
                    details.setdefault("input_shape", list(frame.shape))
                    details.setdefault("output_shape", list(pooled.shape))
                    exact = is_numeric(form) or (form == "tiff" and frame.dtype.kind == "f")
                    yield _pooled_picture(pooled if exact else PooledPicture(pooled), frame, self.pooling, statistics)

            write_frames(_target(targets[0]), pages(), format="tiff" if form == FLOAT_TIFF else form)
        if statistics is not None:
            details |= statistics.report()
        return [details]


def _pooled_picture(rows: Rows, frame: Frame, pooling: Pooling, statistics: Statistics | None) -> Picture:
    alpha = frame.alpha()
    picture = rows if isinstance(rows, PooledPicture) else None
    layer = PooledPicture(Pooled(ArrayRows(alpha), pooling)) if alpha is not None and picture else None
    shape = rows.shape if layer is None else _with_alpha(rows.shape)
    made = (
        _noted(band, statistics) if layer is None else _join(_noted(band, statistics), layer.rows(start, start + len(band)))
        for start, band in bands(rows)
    )
    metadata = frame.metadata.for_result(mode_changed=False, size_changed=rows.shape[:2] != frame.shape[:2])
    return Picture(shape, rows.dtype, made, metadata)


def visible(frame: Frame) -> Rows:
    """Return a frame as rows, its fully transparent pixels in the colour of the nearest visible one."""
    alpha = frame.alpha()
    if alpha is None or alpha.min() > 0:
        return frame
    return ArrayRows(fill_hidden(frame.array(), alpha))


def _picture(edge: EdgePicture, frame: Frame, window: Window, name: str) -> Picture:
    """Return a picture to write, with the frame's alpha and what of its metadata is still true."""
    alpha = frame.alpha()
    channels = 1 if len(edge.shape) == 2 else edge.shape[2]
    metadata = frame.metadata.for_result(
        mode_changed=channels != (1 if len(frame.shape) == 2 else frame.shape[2]),
        size_changed=edge.shape[:2] != frame.shape[:2],
    )
    if alpha is None:
        return Picture(edge.shape, edge.dtype, (band for _, band in bands(edge)), metadata, name)
    layer = alpha_at_outputs(_levels(alpha, edge.dtype), window)
    made = (_join(band, layer[start : start + len(band)]) for start, band in bands(edge))
    return Picture(_with_alpha(edge.shape), edge.dtype, made, metadata, name)


def _levels(alpha: Array, dtype: np.dtype[Any]) -> Array:
    if alpha.dtype == dtype:
        return alpha
    return np.rint(np.clip(alpha, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def _with_alpha(shape: Sequence[int]) -> tuple[int, ...]:
    return (*shape[:2], 2 if len(shape) == 2 else shape[2] + 1)


def _join(band: Array, alpha: Array) -> Array:
    return np.dstack([band, alpha])


def _format_of(output: str, image: OpenedImage) -> str:
    """Return the format that an output's suffix says; a matrix goes to standard output as a matrix."""
    if output != STANDARD:
        return find_format(output).name
    if image.format != "TXT":
        raise ArgumentError("standard output needs a format: add --format png, npy or another")
    return "txt"


def _source(path: str) -> str | bytes:
    return sys.stdin.buffer.read() if path == STANDARD else path


def _stream(source: str | bytes) -> Path | BinaryIO:
    if isinstance(source, str):
        return Path(source)
    stream = io.BytesIO(source)
    stream.name = "standard input"
    return stream


def _target(target: str) -> str | BinaryIO:
    return sys.stdout.buffer if target == STANDARD else target
