"""A run over one file that explains one number of its output: `edge --explain` and `pool --explain`."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnncli.batch.objects import is_url
from cnncli.batch.plan import Job
from cnncli.cli.files.running import WritingRun
from cnncli.cli.options import parse_integers
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import number_text, printable
from cnncli.files.web import is_web
from cnncli.filters.explaining.arithmetic import numbers_at
from cnncli.filters.explaining.explanation import Explanation, explain_response
from cnncli.filters.explaining.pooling import explain_pooled
from cnncli.filters.pictures import pictures
from cnncli.filters.pools import PooledPicture
from cnncli.images.formats import Format, find_format
from cnncli.images.frames import Frame
from cnncli.images.reading import open_image, read_image
from cnncli.ops.borders import Rows
from cnncli.pipelines.edging import EdgePipeline
from cnncli.pipelines.pooling import PoolPipeline


class Explained(NamedTuple):
    """One number of an output.

    Attributes:
        explanation: its arithmetic.
        numbers: the output that it is one of, exact.
        picture: makes the levels of its picture.
    """

    explanation: Explanation
    numbers: Rows
    picture: Callable[[], Rows]


def run_and_explain(work: WritingRun, pipeline: EdgePipeline, text: str, *, all_steps: bool) -> None:
    """Print the arithmetic of one position of the one output of the one input, and compare it with what was written."""
    column, row = _position(text)
    jobs = work.plan()
    if len(pipeline.chains) != 1:
        raise ArgumentError(f"--explain takes one filter, got {len(pipeline.chains)}")
    if len(pipeline.labels) != 1:
        raise ArgumentError("--explain compares with one output, but --signed split writes two: choose another")
    job = _only_job(jobs)
    chain = pipeline.chains[0]
    filtering = pipeline.filtering_of([chain])

    def explain(frame: Frame) -> Explained:
        response = pipeline.response(frame, chain, filtering)

        def picture() -> Rows:
            return next(iter(pictures(response, chain, pipeline.filtering, pipeline.rendering)))

        return Explained(explain_response(response, column, row), response, picture)

    with open_image(job.input.path, gray=filtering.color == "gray", max_pixels=pipeline.max_pixels) as image:
        _run(work, jobs, explain(next(image.frames())), all_steps=all_steps)


def run_and_explain_pooling(work: WritingRun, pipeline: PoolPipeline, text: str) -> None:
    """Print the arithmetic of one position of a pooled picture, and compare it with what was written."""
    column, row = _position(text)
    jobs = work.plan()
    with open_image(_only_job(jobs).input.path, max_pixels=pipeline.max_pixels) as image:
        pooled = pipeline.pooled(next(image.frames()))
        explanation = explain_pooled(pooled, column, row)
        _run(work, jobs, Explained(explanation, pooled, lambda: PooledPicture(pooled)))


def _run(work: WritingRun, jobs: list[Job], explained: Explained, *, all_steps: bool = False) -> None:
    """Do the one job, and print the explanation and a comparison with what was written."""
    work.run(jobs)
    (job,), form = jobs, work.pipeline.format
    output = job.outputs[0]
    lines = [*explained.explanation.lines(all_steps=all_steps)]
    if not work.options.dry_run and output != STANDARD:
        lines.append(_comparison(explained, output, find_format(form or output)))
    data_on_stdout = output == STANDARD or work.options.as_json
    print(*map(printable, lines), sep="\n", file=sys.stderr if data_on_stdout else sys.stdout)


def _position(text: str) -> tuple[int, int]:
    position = parse_integers(text)
    if len(position) != 2:
        raise ArgumentError(f"--explain takes a position X,Y, got {text!r}")
    return position[0], position[1]


def _only_job(jobs: list[Job]) -> Job:
    """Return the one job of a run.

    Raises:
        ArgumentError: there are several, or its files are not on this machine.
    """
    if len(jobs) != 1:
        raise ArgumentError(f"--explain takes one input, got {len(jobs)}")
    (job,) = jobs
    if job.input.path == STANDARD:
        raise ArgumentError("--explain reads its input twice: give a file instead of standard input")
    for name in (job.input.path, *job.outputs):
        if is_url(name) and not is_web(name):
            raise ArgumentError(f"{name}: --explain reads local files only: copy it to this machine")
    return job


def _comparison(explained: Explained, output: str, form: Format) -> str:
    """Return a line that compares the explained number with the one in the file."""
    column, row = explained.explanation.column, explained.explanation.row
    written = read_image(output, max_pixels=None)
    cell = len(written) // explained.numbers.shape[0]  # pixels of a side of each number, in the picture of a matrix
    found = np.ravel(written[row * cell, column * cell]).tolist()
    exact = form.numeric or written.dtype.kind == "f"
    level, rows = ("value", explained.numbers) if exact else ("picture level", explained.picture())
    made = numbers_at(rows, column, row)
    agree = "as written to" if found == made else f"but the file has {_words(found)}:"
    return f"{level} {_words(made)}, {agree} {output}"


def _words(numbers: list[float]) -> str:
    return ", ".join(map(number_text, numbers))
