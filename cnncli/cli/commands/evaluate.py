"""`cnncli evaluate`: judge a model by labelled pictures."""

from typing import Annotated

import typer

from cnncli.choices import PARTS
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.training.configuration import parse_share

EXAMPLES = """Examples:

cnncli evaluate runs/digits photos/

cnncli evaluate runs/digits photos/ --min-accuracy 95% && cnncli export runs/digits digits.onnx

cnncli evaluate runs/digits mnist/ --part test --json
"""


def evaluate(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help=options.DATA, show_default=False)],
    part: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help=f"{', '.join(PARTS)}. Default: test, else validation, else all there is.",
            show_default=False,
        ),
    ] = None,
    min_accuracy: Annotated[
        str | None,
        typer.Option(metavar="X", help="Exit with 1 where the accuracy is below: 0.95, or 95%.", show_default=False),
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw confusion.png and mistakes.png, the most wrongly classified, there.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --pictures that exist.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse pictures that cannot be read instead of leaving them out.")
    ] = False,
    jobs: options.Jobs = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge a model by labelled pictures: accuracy with its 95 % interval, precision and recall of each class.

    The interval is Wilson's; the macro F1 is the mean of the classes' F1.
    """
    least = None if min_accuracy is None else _least(min_accuracy)
    if part is not None and part not in PARTS:
        raise ArgumentError(f"--part must be {', '.join(PARTS)}, got {part!r}")
    from cnncli.cli.training.evaluation import check_pictures, checking, draw, show
    from cnncli.models.evaluation import evaluate as judge
    from cnncli.models.model import load_model

    if pictures is not None:
        check_pictures(pictures, force=force)
    loaded = load_model(model, engine, device)
    with checking(quiet=quiet or as_json) as progress:
        found = judge(loaded, data, part=part, strict=strict, jobs=jobs, progress=progress)
    show(found, as_json=as_json, quiet=quiet)
    if pictures is not None:
        draw(pictures, found, replace=force)
    accuracy = found.scores.accuracy
    if least is not None and accuracy < least:
        import sys

        print(f"cnncli: the accuracy {accuracy:.4f} is below --min-accuracy {min_accuracy}", file=sys.stderr)
        raise typer.Exit(1)


def _least(text: str) -> float:
    """Return the share that the accuracy must not be below."""
    share = parse_share(text)
    if share is None or not 0 <= share <= 1:
        raise ArgumentError(f"--min-accuracy must be from 0 to 1, or such as 95%, got {text!r}")
    return share
