"""A run over one file that explains one number of its output: `edge --explain`."""

import sys

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
from cnncli.filters.operators.responses import Response
from cnncli.filters.pictures import pictures
from cnncli.images.formats import find_format
from cnncli.images.reading import open_image, read_image
from cnncli.pipelines.edging import EdgePipeline


def run_and_explain(work: WritingRun, pipeline: EdgePipeline, text: str, *, all_steps: bool) -> None:
    """Print the arithmetic of one position of the one output of the one input, and compare it with what was written."""
    column, row = _position(text)
    jobs = work.plan()
    job = _only_job(jobs, pipeline)
    chain = pipeline.chains[0]
    filtering = pipeline.filtering_of([chain])
    with open_image(job.input.path, gray=filtering.color == "gray", max_pixels=pipeline.max_pixels) as image:
        response = pipeline.response(next(image.frames()), chain, filtering)
        explanation = explain_response(response, column, row)
        work.run(jobs)
        output = job.outputs[0]
        lines = [*explanation.lines(all_steps=all_steps)]
        if not work.options.dry_run and output != STANDARD:
            lines.append(_comparison(pipeline, response, explanation, output))
    data_on_stdout = output == STANDARD or work.options.as_json
    print(*map(printable, lines), sep="\n", file=sys.stderr if data_on_stdout else sys.stdout)


def _position(text: str) -> tuple[int, int]:
    position = parse_integers(text)
    if len(position) != 2:
        raise ArgumentError(f"--explain takes a position X,Y, got {text!r}")
    return position[0], position[1]


def _only_job(jobs: list[Job], pipeline: EdgePipeline) -> Job:
    """Return the one job of a run.

    Raises:
        ArgumentError: there are several, of inputs, filters or outputs, or its files are not on this machine.
    """
    if len(jobs) != 1 or len(pipeline.chains) != 1:
        raise ArgumentError(f"--explain takes one input and one filter, got {len(jobs)} and {len(pipeline.chains)}")
    if len(pipeline.labels) != 1:
        raise ArgumentError("--explain compares with one output, but --signed split writes two: choose another")
    (job,) = jobs
    if job.input.path == STANDARD:
        raise ArgumentError("--explain reads its input twice: give a file instead of standard input")
    for name in (job.input.path, *job.outputs):
        if is_url(name) and not is_web(name):
            raise ArgumentError(f"{name}: --explain reads local files only: copy it to this machine")
    return job


def _comparison(pipeline: EdgePipeline, response: Response, explanation: Explanation, output: str) -> str:
    """Return a line that compares the explained number with the one in the file."""
    column, row = explanation.column, explanation.row
    written = read_image(output, max_pixels=None)
    cell = len(written) // response.shape[0]  # pixels of a side of each number, in the picture of a matrix
    found = np.ravel(written[row * cell, column * cell]).tolist()
    if find_format(pipeline.format or output).numeric:
        level, made = "value", numbers_at(response, column, row)
    else:
        edge, *_ = pictures(response, pipeline.chains[0], pipeline.filtering, pipeline.rendering)
        level, made = "picture level", numbers_at(edge, column, row)
    agree = "as written to" if found == made else f"but the file has {_words(found)}:"
    return f"{level} {_words(made)}, {agree} {output}"


def _words(numbers: list[float]) -> str:
    return ", ".join(map(number_text, numbers))
