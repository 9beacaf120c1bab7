"""Filtering one file: read its frames, filter each, write pictures or numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnncli.batch import Job
from cnncli.edges import EdgePicture, Filtering, Recipe, Response, bands, pictures
from cnncli.errors import ArgumentError
from cnncli.images import MAX_PIXELS, Frame, Picture, check_pixels, open_image, write_frames
from cnncli.pipelines.common import (
    FLOAT_TIFF,
    Array,
    Details,
    check_format,
    format_of,
    is_numeric,
    join_alpha,
    noted,
    open_stream,
    open_target,
    options_of,
    read_source,
    visible,
    with_alpha,
)
from cnncli.rendering import Rendering, Statistics
from cnncli.shapes import Window
from cnncli.transparency import alpha_at_outputs

_STACKS = ("npy", "npz", "tiff")
"""Formats whose one file holds the responses to several filters."""


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
    def options(self) -> str:
        """What outputs depend on beside their inputs, as text."""
        return options_of(self)

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

    def check_single(self, output: str) -> None:
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
        source = read_source(job.input.path)
        parts = [[part] for part in self._parts()] if len(targets) > 1 else [self._parts()]
        return [
            self._make(source, target, output, part)
            for target, output, part in zip(targets, job.outputs, parts, strict=True)
        ]

    def _make(self, source: str | bytes, target: str, output: str, parts: list[tuple[Recipe, str]]) -> Details:
        statistics = Statistics() if self.statistics else None
        details: Details = {"filter": "+".join(dict.fromkeys(recipe.name for recipe, _ in parts))}
        with open_image(open_stream(source), gray=self.filtering.color == "gray", max_pixels=self.max_pixels) as image:
            form = self.format or format_of(output, image)
            numeric = is_numeric(form)

            def pages() -> Iterator[Picture]:
                for frame in image.frames():
                    image_rows = visible(frame)
                    responses = {recipe.name: Response(image_rows, recipe, self.filtering) for recipe, _ in parts}
                    first = next(iter(responses.values()))
                    check_pixels("the output", first.shape[1], first.shape[0], self.max_pixels)
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

            write_frames(open_target(target), pages(), format="tiff" if form == FLOAT_TIFF else form)
        if statistics is not None:
            details |= statistics.report()
        return details


def _numbers(responses: list[Response], frame: Frame, form: str, statistics: Statistics | None) -> Iterator[Picture]:
    """Yield the exact responses of a frame: as one stack on the last axis for .npy, else one after another."""
    if len(responses) > 1 and form == "npy":
        yield _stack(responses, statistics)
        return
    for response in responses:
        dtype = _float_type(response.dtype) if form == FLOAT_TIFF else response.dtype
        made = (noted(band, statistics).astype(dtype, copy=False) for _, band in bands(response))
        yield Picture(response.shape, dtype, made, name=response.recipe.name if len(responses) > 1 else "")


def _stack(responses: list[Response], statistics: Statistics | None) -> Picture:
    shape = responses[0].shape
    if len(shape) > 2 or any(response.shape != shape for response in responses):
        raise ArgumentError("responses in colour, or of different sizes, do not stack into .npy: write .npz")
    dtype = np.result_type(*(response.dtype for response in responses))
    parts = zip(*(bands(response) for response in responses), strict=True)
    made = (noted(np.stack([band for _, band in part], axis=-1).astype(dtype), statistics) for part in parts)
    return Picture((*shape, len(responses)), dtype, made)


def _float_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.promote_types(dtype, np.float32)


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
    made = (join_alpha(band, layer[start : start + len(band)]) for start, band in bands(edge))
    return Picture(with_alpha(edge.shape), edge.dtype, made, metadata, name)


def _levels(alpha: Array, dtype: np.dtype[Any]) -> Array:
    if alpha.dtype == dtype:
        return alpha
    levels: Array = np.rint(np.clip(alpha, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return levels
