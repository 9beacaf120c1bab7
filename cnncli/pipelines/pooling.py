"""Pooling one file: read its frames, pool each, write pictures or numbers."""

from collections.abc import Sequence

from cnncli.batch.plan import Job
from cnncli.filters.bands import ArrayRows, whole
from cnncli.filters.pools import Pooled, PooledPicture, Pooling
from cnncli.images.formats import Format
from cnncli.images.frames import Frame, Picture
from cnncli.images.sources import MAX_PIXELS
from cnncli.pipelines import common, limits, pages
from cnncli.pipelines.common import Pipeline
from cnncli.pipelines.notes import Details, Notes


class PoolPipeline(Pipeline):
    """Pooling of one file, with options, and the fields of every `Pipeline`."""

    pooling: Pooling
    format: str | None = None
    quality: int | None = None
    cell: int | None = None
    max_pixels: int | None = MAX_PIXELS
    statistics: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.pooling.mode,)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        notes = Notes(self.pooling.mode, statistics=self.statistics)
        source, output = common.read_source(job.input.path), job.outputs[0]
        self.convert(source, targets[0], output, lambda frame, form: [self._page(frame, form, notes)])
        return [notes.details()]

    def pooled(self, frame: Frame) -> Pooled:
        """Return a frame pooled.

        Raises:
            ImageError: its padding is too large.
        """
        pooled = Pooled(pages.visible(frame), self.pooling)
        limits.check_padding(pooled.window, self.max_pixels)
        return pooled

    def _page(self, frame: Frame, form: Format, notes: Notes) -> Picture:
        pooled = self.pooled(frame)
        notes.shapes(frame, pooled)
        if form.numeric or (frame.dtype.kind == "f" and form.holds(frame.dtype.name, 1)):
            return pages.exact_picture(pooled, form, notes.statistics, metadata=pages.true_metadata(pooled, frame))
        alpha = frame.alpha()
        if alpha is not None:
            alpha = whole(PooledPicture(Pooled(ArrayRows(alpha), self.pooling)))
        picture = pages.visible_picture(PooledPicture(pooled, notes.statistics), frame, alpha)
        return pages.enlarged(picture, frame, self.cell, self.max_pixels, notes)
