"""`--explain`: print the arithmetic of one position, and compare it with the file that was written."""

import sys

import numpy as np

from cnncli.batch.objects import is_url
from cnncli.cli.files.running import WritingRun
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.filters.edges import EdgePicture, pictures
from cnncli.filters.explanation import Explanation, explain_response
from cnncli.images.formats import find_format
from cnncli.images.reading import open_image, read_image
from cnncli.pipelines.common import visible
from cnncli.pipelines.edging import EdgePipeline


def run_and_explain(work: WritingRun, pipeline: EdgePipeline, position: tuple[int, ...]) -> None:
    """Explain a position of the one output of the one input, and write the output too."""
    jobs = work.plan()
    if len(jobs) != 1 or len(pipeline.recipes) != 1:
        raise ArgumentError(f"--explain takes one input and one filter, got {len(jobs)} and {len(pipeline.recipes)}")
    if len(pipeline.labels) != 1:
        raise ArgumentError("--explain compares with one output, but --signed split writes two: choose another")
    job = jobs[0]
    if job.input.path == STANDARD:
        raise ArgumentError("--explain reads its input twice: give a file instead of standard input")
    for name in (job.input.path, *job.outputs):
        if is_url(name):
            raise ArgumentError(f"{name}: --explain reads local files only: copy it to this machine")
    column, row = position
    gray = pipeline.filtering.color == "gray"
    with open_image(job.input.path, gray=gray, max_pixels=pipeline.max_pixels) as image:
        response = pipeline.response(visible(next(image.frames())), pipeline.recipes[0])
        explanation = explain_response(response, column, row)
        edge = pictures(response, pipeline.rendering)[0]
        work.run(jobs)
        output = job.outputs[0]
        lines = [*explanation.lines()]
        if not work.options.dry_run and output != STANDARD:
            lines.append(_check(pipeline, edge, explanation, output))
    data_on_stdout = output == STANDARD or work.options.as_json
    print(*map(printable, lines), sep="\n", file=sys.stderr if data_on_stdout else sys.stdout)


def _check(pipeline: EdgePipeline, edge: EdgePicture, explanation: Explanation, output: str) -> str:
    """Return a line that compares the explained number with the one in the file."""
    column, row = explanation.column, explanation.row
    found = np.ravel(read_image(output, max_pixels=None)[row, column]).tolist()
    if find_format(pipeline.format or output).numeric:
        expected = np.ravel(edge.response.rows(row, row + 1)[0, column]).tolist()
        level = "value"
    else:
        expected = np.ravel(edge.rows(row, row + 1)[0, column]).tolist()
        level = "picture level"
    agree = "as written to" if found == expected else f"but the file has {_words(found)}:"
    return f"{level} {_words(expected)}, {agree} {output}"


def _words(numbers: list[float]) -> str:
    return ", ".join(f"{number:g}" if isinstance(number, float) else str(number) for number in numbers)
