"""Pooling one file: read its frames, pool each, write pictures or numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnncli.batch import Job
from cnncli.edges import ArrayRows, bands
from cnncli.images import MAX_PIXELS, Frame, Picture, open_image, write_frames
from cnncli.ops.borders import Rows
from cnncli.pipelines.common import (
    FLOAT_TIFF,
    Details,
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
from cnncli.pools import Pooled, PooledPicture, Pooling
from cnncli.rendering import Statistics


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
    def options(self) -> str:
        """What outputs depend on beside their inputs, as text."""
        return options_of(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """What `{filter}` stands for in output names."""
        return (self.pooling.mode,)

    def check_single(self, output: str) -> None:
        """Check that one file can hold all that is made of an input: it always can."""

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Pool a job's input and write to the one target."""
        statistics = Statistics() if self.statistics else None
        details: Details = {"filter": self.pooling.mode}
        with open_image(open_stream(read_source(job.input.path)), max_pixels=self.max_pixels) as image:
            form = self.format or format_of(job.outputs[0], image)

            def pages() -> Iterator[Picture]:
                for frame in image.frames():
                    pooled = Pooled(visible(frame), self.pooling)
                    details.setdefault("input_shape", list(frame.shape))
                    details.setdefault("output_shape", list(pooled.shape))
                    exact = is_numeric(form) or (form == "tiff" and frame.dtype.kind == "f")
                    yield _pooled_picture(pooled if exact else PooledPicture(pooled), frame, self.pooling, statistics)

            write_frames(open_target(targets[0]), pages(), format="tiff" if form == FLOAT_TIFF else form)
        if statistics is not None:
            details |= statistics.report()
        return [details]


def _pooled_picture(rows: Rows, frame: Frame, pooling: Pooling, statistics: Statistics | None) -> Picture:
    alpha = frame.alpha()
    picture = rows if isinstance(rows, PooledPicture) else None
    layer = PooledPicture(Pooled(ArrayRows(alpha), pooling)) if alpha is not None and picture else None
    shape = rows.shape if layer is None else with_alpha(rows.shape)
    made = (
        noted(band, statistics)
        if layer is None
        else join_alpha(noted(band, statistics), layer.rows(start, start + len(band)))
        for start, band in bands(rows)
    )
    metadata = frame.metadata.for_result(mode_changed=False, size_changed=rows.shape[:2] != frame.shape[:2])
    return Picture(shape, rows.dtype, made, metadata)
