"""`cnncli evaluate`: score a model on labelled images."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from cnncli.choices import PARTS
from cnncli.cli.completion import complete_parts
from cnncli.cli.training import options
from cnncli.cli.training.searching import SearchOptions, about_search
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli evaluate runs/digits photos/

cnncli evaluate runs/digits photos/ --min-accuracy 95% && cnncli export runs/digits digits.onnx

cnncli evaluate runs/digits mnist/ --part test --json

cnncli evaluate runs/digits photos/ --mistakes mistakes.csv --report report.html

cnncli evaluate runs/cells annotations.json --pictures judged --min-map 0.5
"""


@about_search
@options.about_model
def evaluate(
    about: options.ToldOptions,
    search: SearchOptions,
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help=f"{options.DATA} {options.BOX_DATA}")],
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
    min_map: Annotated[
        str | None,
        typer.Option(metavar="X", help="With boxes: exit with 1 if the mAP is below X: 0.5, or 50%."),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="With boxes: least score of those in the confusion matrix, in the pictures and among the mistakes. "
            "Default: the threshold with the highest F1.",
        ),
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw confusion.svg and mistakes.png (the most confident mistakes) in this folder; with boxes "
            "precision.svg (over recall), confusion.svg and worst.png (the images with the most mistakes).",
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.html",
            help="Write scores, confusion matrix, classes, mistakes, filters and features as a web page of one file, "
            "which needs no network.",
        ),
    ] = None,
    mistakes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv",
            help="List every wrong image in this file with its label and the probability of each class, the most "
            "confident mistake first: its label may be wrong. With boxes, every box that is false, confused or missed.",
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

    If the labels are boxes, the scores are those of COCO: mean average precision over overlaps of 0.5 to 0.95, at 0.5
    and at 0.75, by the size of objects, and recall. A classifier slides over the images.
    """
    given = {"--min-accuracy": min_accuracy, "--min-map": min_map, "--threshold": threshold}
    shares = {name: options.parse_probability(text, name) for name, text in given.items() if text is not None}
    if part is not None and part not in PARTS:
        raise ArgumentError(f"--part must be {', '.join(PARTS)}, got {part!r}")
    from cnncli.cli.files.terminal import counting
    from cnncli.cli.training import box_results, results
    from cnncli.cli.training.models import open_model
    from cnncli.data.boxes.opening import has_boxes
    from cnncli.models.judging.splits import find_run

    with_boxes = has_boxes(data)
    _refuse_others((*shares, *search.given), data, with_boxes=with_boxes)
    output = box_results if with_boxes else results
    if pictures is not None:
        results.check_pictures(pictures, output.PICTURES, force=force)
    results.check_files({"--mistakes": mistakes, "--report": report}, force=force, inputs=(model, data))
    judge = _judge_of_boxes(shares.get("--threshold"), search) if with_boxes else _judge_of_classes()
    loaded = open_model(model, about.told(size), engine=engine, device=device, quiet=quiet)
    with counting(hidden=quiet or as_json) as progress:
        found = judge(loaded, data, part=part, strict=strict, jobs=jobs, progress=progress, run=find_run(model))
    if not quiet:
        results.say_findings(found.findings)
    results.print_found(found, output, as_json=as_json, quiet=quiet)
    if pictures is not None:
        results.draw(pictures, output.pictures(found), replace=force)
    if mistakes is not None:
        found.save_mistakes(mistakes, replace=force)
    if report is not None:
        options_given = {"threshold": threshold, "strict": strict, "size": size}
        options_given |= {one: getattr(group, one) for group in (about, search) for one in group.fields}
        options_given |= {"engine": None if engine == "numpy" else engine}
        results.write_page(report, found, loaded, [model, data], options_given, replace=force)
    value, least = output.measure(found), shares.get(output.LEAST, -1)
    if value < least:
        least_text = f"{output.LEAST} {given[output.LEAST]}"
        print(f"cnncli: the {output.MEASURE} {value:.4f} is below {least_text}", file=sys.stderr)
        raise typer.Exit(1)


def _judge_of_classes() -> Any:
    from cnncli.models.judging.evaluation import evaluate as judge

    return judge


def _judge_of_boxes(threshold: float | None, search: SearchOptions) -> Any:
    from cnncli.models.judging.box_evaluation import FINDING, evaluate_boxes

    return partial(evaluate_boxes, threshold=threshold, finding=search.finding(least=FINDING.threshold))


def _refuse_others(given: Sequence[str], data: str, *, with_boxes: bool) -> None:
    """Refuse options that are for the other kind of labels."""
    for option in given:
        if with_boxes and option == "--min-accuracy":
            raise ArgumentError(f"--min-accuracy: the labels of {data} are boxes: use --min-map")
        if not with_boxes and option != "--min-accuracy":
            instead = ": use --min-accuracy" if option == "--min-map" else ""
            raise ArgumentError(f"{option} is for data with boxes, which {data} has none of{instead}")
