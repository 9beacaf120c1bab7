"""`cnncli predict`: name the classes of images."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli.options import FileOptions, choice, over_files, pixel_limit
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD, check_output
from cnncli.files.text import printable

if TYPE_CHECKING:
    from cnncli.data import Reading
    from cnncli.models.predictor import Predictor

EXAMPLES = """Examples:

cnncli predict runs/digits photo.jpg

cnncli predict runs/digits 'scans/*.png' --top 3

find . -name '*.png' | cnncli predict runs/digits --files-from - --json

cnncli predict runs/digits photos/ -r --top 3 --format csv > classes.csv

cnncli predict runs/digits s3://photos/2024 -r --scheduler tcp://head:8786

cnncli predict runs/digits photo.jpg --features 0.relu -o maps.png
"""

JSON_TOP = 5
"""The number of classes in a JSON line by default."""

TSV, CSV, JSONL = FORMATS = ("tsv", "csv", "jsonl")
Format: Any = choice("Format", FORMATS)


@options.about_model
@over_files("inputs", "recursive", "files_from", "files_from0", "max_pixels", "jobs", "scheduler", "as_json", "quiet")
def predict(
    files: FileOptions,
    about: options.ToldOptions,
    model: options.Model,
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help=f"Print the K most likely classes. Default: 1; with jsonl {JSON_TOP}."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Format of the lines: words between tabs, a CSV table with a header, or JSON (as with --json). "
            f"Default: {TSV}.",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Instead of predicting, draw the feature maps of a layer (0.conv, 0.relu, 3) for one image.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE.png", help="Picture of --features. Default: {stem}-{layer}.png."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the picture of --features.")] = False,
    size: options.Size = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
) -> None:
    """Predict the class of each image: one line per image, with file, class and probability between tabs.

    The lines are in the order of the images. An image that cannot be read is named on standard error, and the others
    are predicted. A line of --json has input, class, probability, top and error.
    """
    if files.as_json and form not in (None, JSONL):
        raise ArgumentError(f"--json is --format {JSONL}: leave out either it or --format {form}")
    lines = JSONL if files.as_json else str(form or TSV)
    if features is None and output is not None:
        raise ArgumentError("-o needs --features: predictions are printed on standard output")
    if features is not None and (files.as_json or form is not None or top is not None):
        raise ArgumentError("--features draws a picture instead of predicting: leave out --json, --format and --top")
    if features is not None and files.scheduler is not None:
        raise ArgumentError("--features runs on this machine: leave out --scheduler")
    from cnncli.cli.files.predicting import PredictRun
    from cnncli.models.opening import load_model
    from cnncli.models.prediction import ModelFile, PredictPipeline

    # The workers of a cluster may have engines that this machine lacks.
    told = about.told(size)
    file = ModelFile.of(model, str(engine), str(device), told) if files.scheduler else None
    here = {} if files.scheduler else {"engine": str(engine), "device": str(device)}
    loaded = load_model(model, **here, told=told)
    if loaded.origin and not files.quiet:
        print(printable(f"cnncli: {loaded.origin}: {loaded.preprocessing}"), file=sys.stderr)
    reading = loaded.reading(**pixel_limit(files.max_pixels))
    count = top or (JSON_TOP if lines == JSONL else 1)
    pipeline = PredictPipeline(loaded, reading=reading, jobs=files.jobs, file=file, top=count)
    work = PredictRun(pipeline, files, lines)
    if features is None:
        work.run()
        return
    paths = [source.path for source in work.inputs(repeats=True)]
    if len(paths) > 1 or paths[0] == STANDARD:
        raise ArgumentError(f"--features takes one image file, got {len(paths)} inputs: {paths[0]}, ...")
    _draw_features(loaded, features, paths[0], output, reading, force=force, quiet=files.quiet)


def _draw_features(
    model: "Predictor", layer: str, path: str, output: str | None, reading: "Reading", *, force: bool, quiet: bool
) -> None:
    """Draw the feature maps of a layer for one image."""
    from cnncli.batch.objects import is_url
    from cnncli.data import read_picture
    from cnncli.models.opening import as_trainable
    from cnncli.training.pictures import draw_features

    if is_url(path):
        raise ArgumentError(f"{path}: --features reads local files only: copy it to this machine")
    target = output or f"{os.path.splitext(path)[0]}-{layer}.png"
    if not target.lower().endswith(".png"):
        raise ArgumentError(f"{target}: --features writes a PNG file: let its name end in .png")
    check_output(target, force=force, inputs=[path])
    found = as_trainable(model).features(read_picture(path, reading)[None], layer)
    draw_features(found, f"{layer} of {os.path.basename(path)}").save(target, replace=force)
    if not quiet:
        print(printable(f"{path} -> {target}"), file=sys.stderr)
