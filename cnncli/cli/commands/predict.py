"""`cnncli predict`: name the classes of images."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli.options import FileOptions, choice, over_files, pixel_limit, with_options
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD, check_output
from cnncli.files.text import printable
from cnncli.values import Value

if TYPE_CHECKING:
    from cnncli.data import Reading
    from cnncli.models.predictor import Predictor

EXAMPLES = """Examples:

cnncli predict runs/digits photo.jpg

cnncli predict runs/digits 'scans/*.png' --top 3

find . -name '*.png' | cnncli predict runs/digits --files-from - --json

cnncli predict runs/digits photos/ -r --top 3 --format csv > classes.csv

cnncli predict runs/digits scans/ -r --copy 'sorted/{class}/' --min 80%

cnncli predict runs/digits s3://photos/2024 -r --scheduler tcp://head:8786

cnncli predict runs/digits photo.jpg --features 0.relu -o maps.png
"""

JSON_TOP = 5
"""The number of classes in a JSON line by default."""

TSV, CSV, JSONL = FORMATS = ("tsv", "csv", "jsonl")
Format: Any = choice("Format", FORMATS)


_copies = partial(typer.Option, rich_help_panel="Copies")


class CopyOptions(Value):
    """The options on copies: each field is an option, as its annotation declares it."""

    copy: Annotated[
        str | None,
        _copies(
            metavar="TEMPLATE",
            help="Copy each image to a place named by its class, such as 'sorted/{class}/', once all are predicted. "
            "Further fields: {probability} {stem} {name} {ext} {parent} {below}.",
        ),
    ] = None
    least: Annotated[
        str | None,
        _copies("--min", metavar="X", help="Copy only images of at least this probability: 0.8, or 80%."),
    ] = None
    skip_existing: Annotated[
        bool, _copies("--skip-existing", help="Keep copies that are there already, with the same content.")
    ] = False
    dry_run: Annotated[bool, _copies("--dry-run", help="Print where images would be copied to, and copy nothing.")] = (
        False
    )

    def validate(self) -> None:
        others = {"--min": self.least, "--skip-existing": self.skip_existing, "--dry-run": self.dry_run}
        said = next((option for option, value in others.items() if value), None)
        if self.copy is None and said:
            raise ArgumentError(f"{said} needs --copy, such as --copy 'sorted/{{class}}/'")

    @property
    def min_probability(self) -> float:
        """The probability from which images are copied."""
        return 0.0 if self.least is None else options.parse_probability(self.least, "--min")


_COPY_OPTIONS = {name: (kind, CopyOptions.defaults[name]) for name, kind in CopyOptions.__annotations__.items()}


@with_options(_COPY_OPTIONS, CopyOptions)
@options.about_model
@over_files(
    "inputs",
    "recursive",
    "files_from",
    "files_from0",
    "max_pixels",
    "jobs",
    "scheduler",
    "force",
    "as_json",
    "quiet",
)
def predict(
    files: FileOptions,
    about: options.ToldOptions,
    copies: CopyOptions,
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
    size: options.Size = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
) -> None:
    """Predict the class of each image: one line per image, with file, class and probability between tabs.

    The lines are in the order of the images. An image that cannot be read is named on standard error, and the others
    are predicted. A line of --json has input, class, probability, top and error. With --copy, a line ends with the path
    of the copy. Nothing is copied if two copies would have one name, or if a name is taken.
    """
    if files.as_json and form not in (None, JSONL):
        raise ArgumentError(f"--json is --format {JSONL}: leave out either it or --format {form}")
    lines = JSONL if files.as_json else str(form or TSV)
    if features is None and output is not None:
        raise ArgumentError("-o needs --features: predictions are printed; --copy copies images by their class")
    if features is not None:
        said = {"--json": files.as_json, "--format": form, "--top": top, "--copy": copies.copy}
        _refuse_others(said | {"--scheduler": files.scheduler})
    from cnncli.cli.files.predicting import PredictRun
    from cnncli.cli.training.models import open_model
    from cnncli.models.opening import as_predictor
    from cnncli.models.prediction import ModelFile, PredictPipeline

    # The workers of a cluster may have engines that this machine lacks.
    told = about.told(size)
    file = ModelFile.of(model, str(engine), str(device), told) if files.scheduler else None
    here = {} if files.scheduler else {"engine": str(engine), "device": str(device)}
    loaded = as_predictor(open_model(model, told, quiet=files.quiet, **here))
    reading = loaded.reading(**pixel_limit(files.max_pixels))
    count = top or (JSON_TOP if lines == JSONL else 1)
    pipeline = PredictPipeline(loaded, reading=reading, jobs=files.jobs, file=file, top=count)
    if copies.copy is not None:
        from cnncli.cli.files.copying import CopyRun
        from cnncli.models.sorting import CopyRule

        rule = CopyRule(copies.copy, loaded.class_names, min_probability=copies.min_probability)
        CopyRun(pipeline, files, lines, rule, skip=copies.skip_existing, dry_run=copies.dry_run).run()
        return
    work = PredictRun(pipeline, files, lines)
    if features is None:
        work.run()
        return
    paths = [source.path for source in work.inputs(repeats=True)]
    if len(paths) > 1 or paths[0] == STANDARD:
        raise ArgumentError(f"--features takes one image file, got {len(paths)} inputs: {paths[0]}, ...")
    _draw_features(loaded, features, paths[0], output, reading, force=files.force, quiet=files.quiet)


def _refuse_others(said: Mapping[str, object]) -> None:
    """Refuse options that --features has no use for."""
    if others := [option for option, value in said.items() if value]:
        raise ArgumentError(f"--features draws a picture here instead of predicting: leave out {', '.join(others)}")


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
