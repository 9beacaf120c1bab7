"""Filtering one file: read its frames, filter each, write pictures or numbers."""

from collections.abc import Iterator, Sequence

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.plan import Job
from cnncli.choices import percentile
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.filters.chains import Chain
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.responses import Response
from cnncli.filters.pictures import EdgePicture, pictures
from cnncli.filters.rendering import Rendering
from cnncli.filters.statistics import Statistics, Visibility
from cnncli.filters.transparency import alpha_at_outputs
from cnncli.images.formats import FORMATS, Format, find_format
from cnncli.images.frames import Frame, Picture
from cnncli.images.sources import MAX_PIXELS, check_pixels
from cnncli.pipelines import common, limits, pages
from cnncli.pipelines.common import Pipeline
from cnncli.pipelines.notes import Details, Notes

FilterPicture = tuple[Chain, str]
"""A filter and the suffix of one of its pictures: `-positive` or `-negative` for `split`, otherwise empty."""

_LISTED = 8  # outputs that an error names; a bank may have hundreds


class EdgePipeline(Pipeline):
    """Filtering of one file into one or more outputs.

    Attributes:
        chains: the filters.
        filtering: options of filtering.
        rendering: options of pictures; those that are None are the choice of each filter.

    The other fields are those of every `Pipeline`.
    """

    chains: tuple[Chain, ...]
    filtering: Filtering = Filtering()
    rendering: Rendering = Rendering()
    format: str | None = None
    quality: int | None = None
    cell: int | None = None
    max_pixels: int | None = MAX_PIXELS
    statistics: bool = False

    def validate(self) -> None:
        for chain in self.chains:
            chain.check(self.filtering)
            for step in chain.steps:
                for kernel in step.operator.kernels[:1]:
                    limits.check_kernel(kernel, self.max_pixels)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"{chain.name}{part}" for chain, part in self._parts())

    def _parts(self) -> list[FilterPicture]:
        numeric = self.format is not None and find_format(self.format).numeric
        parts = []
        for chain in self.chains:
            signed = self.rendering.over(chain).signed
            split = signed == "split" and not chain.is_angle and not numeric
            parts += [(chain, part) for part in (("-positive", "-negative") if split else ("",))]
        return parts

    def check_single(self, output: str) -> None:
        form = find_format(self.format or common.check_format(output))
        if len(self.labels) > 1 and not form.responses:
            able = ", ".join(form.name for form in FORMATS.values() if form.responses and form.suffixes)
            more = len(self.labels) - _LISTED
            names = ", ".join(self.labels[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")
            if output == STANDARD:
                raise ArgumentError(
                    f"standard output holds one of {len(self.labels)} outputs ({names}): add "
                    f"--format with one of {able}, which hold all"
                )
            raise ArgumentError(
                f"{output} holds one of {len(self.labels)} outputs ({names}): put {{filter}} into the "
                f"name, or write {able}, which hold all"
            )

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        source = common.read_source(job.input.path)
        parts = [[part] for part in self._parts()] if len(targets) > 1 else [self._parts()]
        return [
            self._write(source, target, output, part)
            for target, output, part in zip(targets, job.outputs, parts, strict=True)
        ]

    def _write(self, source: str | bytes, target: str, output: str, parts: list[FilterPicture]) -> Details:
        chains = [*{chain.name: chain for chain, _ in parts}.values()]
        notes = Notes("+".join(chain.name for chain in chains), statistics=self.statistics)
        filtering = self.filtering_of(chains)
        gray, seen = filtering.color == "gray", Visibility()

        def pages(frame: Frame, form: Format) -> Iterator[Picture]:
            return self._pages(frame, form, parts, filtering, notes, seen)

        self.convert(source, target, output, pages, gray=gray)
        others = "p99" if self.rendering.scale in (None, "soft") else "soft or p99"
        if seen.is_dark:
            notes.doubt(f"nearly black: under 1% of the pixels are above an eighth of white; try --scale {others}")
        elif seen.is_clipped:
            notes.doubt(f"clipped: over 10% of the pixels are white; try --scale {others}")
        return notes.details()

    def filtering_of(self, chains: Sequence[Chain]) -> Filtering:
        """Return the options of filtering for one file, with the color that suits its filters: one for all."""
        colors = {self.filtering.color or chain.color for chain in chains}
        return self.filtering.replace(color=colors.pop() if len(colors) == 1 else "gray")

    def response(self, frame: Frame, chain: Chain, filtering: Filtering) -> Response:
        """Return a frame's response to a filter.

        Raises:
            ImageError: its padding is too large.
        """
        if frame.typed and filtering.padding_mode is None:
            filtering = filtering.replace(padding_mode="zeros")
        response = chain.over(pages.visible(frame), filtering)
        for window in response.windows:
            limits.check_padding(window, self.max_pixels)
        return response

    def _pages(
        self,
        frame: Frame,
        form: Format,
        parts: list[FilterPicture],
        filtering: Filtering,
        notes: Notes,
        seen: Visibility,
    ) -> Iterator[Picture]:
        """Yield the pages of one file for a frame: numbers, or the pictures of `parts`."""
        responses = {chain.name: self.response(frame, chain, filtering) for chain, _ in parts}
        first = next(iter(responses.values()))
        check_pixels("the output", first.shape[1], first.shape[0], self.max_pixels)
        notes.shapes(frame, first)
        if frame.typed and filtering.padding_mode is None and any(any(window.padding) for window in first.windows):
            notes.hint("a matrix is padded with zeros; --padding-mode reflect pads it as a picture")
        if form.numeric:
            yield from _numbers(responses, form, notes.statistics)
            return
        for chain, part in parts:
            for edge in pictures(responses[chain.name], chain, filtering, self.rendering, notes.statistics):
                if edge.renderer.suffix == part:
                    rows = _Watched(edge, seen) if self._should_be_seen(chain, edge) else edge
                    picture = pages.visible_picture(rows, frame, edge_alpha(frame, edge), name=chain.name)
                    yield pages.enlarged(picture, frame, self.cell, self.max_pixels, notes)
            if words := responses[chain.name].doubt:
                notes.doubt(words)

    def _should_be_seen(self, chain: Chain, edge: EdgePicture) -> bool:
        """Return whether a picture is to show edges on a scale that may be wrong for it."""
        renderer, scale = edge.renderer, self.rendering.scale
        fitted = scale == "auto" or percentile(scale) is not None
        return (
            chain.scale == "soft"
            and renderer.signed in ("abs", "diverging")
            and renderer.threshold is None
            and not (fitted or renderer.suffix)
        )


class _Watched:
    """Rows of a picture, which a `Visibility` looks at as they pass."""

    def __init__(self, edge: EdgePicture, seen: Visibility) -> None:
        self.edge, self.seen = edge, seen
        self.shape, self.dtype, self.rows_together = edge.shape, edge.dtype, edge.rows_together

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        band = self.edge.rows(start, stop)
        self.seen.add(band, start, self.shape[0], inverted=self.edge.renderer.inverted)
        return band


def _numbers(responses: dict[str, Response], form: Format, statistics: Statistics | None) -> Iterator[Picture]:
    """Yield the exact responses of a frame: as one stack on the last axis, or one after another."""
    if len(responses) > 1 and form.responses == "stack":
        yield pages.exact_picture(_Stack([*responses.values()]), form, statistics)
        return
    for name, response in responses.items():
        yield pages.exact_picture(response, form, statistics, name=name if len(responses) > 1 else "")


class _Stack:
    """Responses side by side on a last axis."""

    def __init__(self, responses: list[Response]) -> None:
        shape = responses[0].shape
        if len(shape) > 2 or any(response.shape != shape for response in responses):
            raise ArgumentError(
                "responses in colour, or of different sizes, do not stack into .npy: write .npz, or --color gray"
            )
        self.responses = responses
        self.shape = (*shape, len(responses))
        self.dtype = np.result_type(*(response.dtype for response in responses))
        # Each keeps its own rows together; bands that suit the one with the most spare most work.
        self.rows_together = max(response.rows_together for response in responses)

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        return np.stack([response.rows(start, stop) for response in self.responses], axis=-1).astype(self.dtype)


def edge_alpha(frame: Frame, edge: EdgePicture) -> Array | None:
    """Return the transparency of a picture made from a frame, in the picture's levels."""
    alpha = frame.alpha()
    if alpha is None:
        return None
    full = np.iinfo(edge.dtype).max
    if alpha.dtype != edge.dtype or frame.opaque != full:
        alpha = np.rint(np.clip(alpha / frame.opaque, 0, 1) * full).astype(edge.dtype)
    for window in edge.response.windows:
        alpha = alpha_at_outputs(alpha, window)
    return alpha
