"""`cnncli evaluate`: score a model on labelled images."""

import os
import sys
from contextlib import ExitStack
from functools import cache
from typing import Annotated

import typer

from cnncli.choices import PARTS
from cnncli.cli.completion import complete_parts
from cnncli.cli.training import options
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli evaluate runs/digits photos/

cnncli evaluate runs/digits photos/ --min-accuracy 95% && cnncli export runs/digits digits.onnx

cnncli evaluate runs/digits mnist/ --part test --json

cnncli evaluate runs/digits photos/ --mistakes mistakes.csv
"""


@options.about_model
def evaluate(
    about: options.ToldOptions,
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help=options.DATA)],
    part: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            autocompletion=complete_parts,
            help=f"Part of the data: {', '.join(PARTS)}. Default: test, or else validation, or else the images that "
            "the run held out of this data, or else all.",
        ),
    ] = None,
    min_accuracy: Annotated[
        str | None,
        typer.Option(metavar="X", help="Exit with 1 if the accuracy is below X: 0.95, or 95%."),
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Draw confusion.png and mistakes.png (the most confident mistakes) in this folder."
        ),
    ] = None,
    mistakes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv",
            help="List every wrong image in this file with its label and the probability of each class, the most "
            "confident mistake first: its label may be wrong.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at an image that cannot be read.")] = False,
    jobs: options.Jobs = None,
    size: options.Size = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a model on labelled images: accuracy with its 95% interval, precision and recall per class, confusion.

    The interval is Wilson's. The macro F1 is the mean of the F1 of the classes. If the run was trained on some of the
    images, a line on standard error says on how many.
    """
    least = None if min_accuracy is None else options.parse_probability(min_accuracy, "--min-accuracy")
    if part is not None and part not in PARTS:
        raise ArgumentError(f"--part must be {', '.join(PARTS)}, got {part!r}")
    from cnncli.cli.files.terminal import ProgressBar
    from cnncli.cli.training.models import open_model
    from cnncli.cli.training.results import check_mistakes, check_pictures, draw, show
    from cnncli.models.evaluation import evaluate as judge
    from cnncli.models.opening import ModelWord
    from cnncli.models.splits import find_run

    if pictures is not None:
        check_pictures(pictures, force=force)
    if mistakes is not None:
        check_mistakes(mistakes, force=force, inputs=[os.fspath(ModelWord.of(model).path()), data])
    loaded = open_model(model, about.told(size), engine=engine, device=device, quiet=quiet)
    with ExitStack() as stack:
        # Only the error of the first file says how many there are.
        bar = cache(lambda total: stack.enter_context(ProgressBar(total, hidden=quiet or as_json)))

        def advance(done: int, total: int) -> None:
            bar(total).advance(failed=False)

        found = judge(loaded, data, part=part, strict=strict, jobs=jobs, progress=advance, run=find_run(model))
    show(found, as_json=as_json, quiet=quiet)
    if pictures is not None:
        draw(pictures, found, replace=force)
    if mistakes is not None:
        found.save_mistakes(mistakes, replace=force)
    accuracy = found.scores.accuracy
    if least is not None and accuracy < least:
        print(f"cnncli: the accuracy {accuracy:.4f} is below --min-accuracy {min_accuracy}", file=sys.stderr)
        raise typer.Exit(1)
