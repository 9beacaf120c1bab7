"""Measuring one file: the distribution of its response to each filter. Nothing is written."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cnncli.batch.memory import DECODED
from cnncli.batch.plan import Job
from cnncli.batch.task import Grouping, Report
from cnncli.files.text import number_text, printable
from cnncli.filters.chains import Chain
from cnncli.filters.distribution import NAMES, Distribution, distribution
from cnncli.filters.operators.responses import Response
from cnncli.images.frames import Frame
from cnncli.images.reading import open_image
from cnncli.pipelines.common import open_stream, read_source
from cnncli.pipelines.edging import EdgePipeline
from cnncli.pipelines.notes import Details
from cnncli.values import Value

COLUMNS = (*NAMES, "filter", "input")
"""The columns of a line of text, between tabs."""


class MeasuringPipeline(Value):
    """The distributions of a file's responses, of all frames together, in the order of the inputs.

    Attributes:
        edge: the filters and their options.
    """

    edge: EdgePipeline
    grouping = Grouping(in_order=True)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[Details]:
        """Measure the responses of a file."""
        source = read_source(job.input.path)
        return [{"measured": [self._measure(source, chain) for chain in self.edge.chains]}]

    def line(self, report: Report) -> str:
        """Return the numbers of one filter as a line of `COLUMNS` between tabs."""
        found = [report.details[name] for name in NAMES]
        numbers = ["nan" if number is None else number_text(number) for number in found]
        return "\t".join([*numbers, report.details["filter"], printable(report.input)])

    def facts(self, report: Report) -> dict[str, Any]:
        """Return the numbers of one filter as the documented JSON object, null for a file that failed."""
        about = {"input": report.input, "status": report.status, "error": report.error}
        names = ("filter", "input_shape", "output_shape", *NAMES)
        return about | {name: report.details.get(name) for name in names} | {"seconds": report.seconds}

    def _measure(self, source: str | bytes, chain: Chain) -> dict[str, Any]:
        """Return the numbers of one filter by name."""
        frames = _Frames(source, self.edge, chain)
        found = frames.distribution()
        numbers = dict.fromkeys(NAMES) if found is None else found.facts()
        return {"filter": chain.name, **frames.shapes, **numbers}


class _Frames:
    """The responses of the frames of a file to one filter."""

    def __init__(self, source: str | bytes, edge: EdgePipeline, chain: Chain) -> None:
        self._source, self._edge, self._chain = source, edge, chain
        self._filtering = edge.filtering_of([chain])
        self.shapes: dict[str, list[int]] = {}

    def distribution(self) -> Distribution | None:
        """Return the distribution of the numbers of all frames."""
        gray = self._filtering.color == "gray"
        with open_image(open_stream(self._source), gray=gray, max_pixels=self._edge.max_pixels) as image:
            if image.frame_count == 1:
                with DECODED.take(image.decoded_bytes()):
                    response = self._response(next(image.frames()))
                    return distribution(lambda: [response], response.dtype)
        # Frames cannot be gone back to: each pass reads the file anew.
        return distribution(self._responses, np.result_type(*(response.dtype for response in self._responses())))

    def _responses(self) -> Iterator[Response]:
        gray = self._filtering.color == "gray"
        with (
            open_image(open_stream(self._source), gray=gray, max_pixels=self._edge.max_pixels) as image,
            DECODED.take(image.decoded_bytes()),
        ):
            yield from map(self._response, image.frames())

    def _response(self, frame: Frame) -> Response:
        response = self._edge.response(frame, self._chain, self._filtering)
        self.shapes = self.shapes or {"input_shape": list(frame.shape), "output_shape": list(response.shape)}
        return response
