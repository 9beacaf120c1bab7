"""`cnncli predict`: name the classes of pictures."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.engine_options import DeviceOption, EngineOption
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli predict runs/digits photo.jpg

cnncli predict runs/digits 'scans/*.png' --top 3

find . -name '*.png' | cnncli predict runs/digits --files-from - --json

cnncli predict runs/digits s3://photos/2024 -r --scheduler tcp://head:8786

cnncli predict runs/digits photo.jpg --features 0.relu -o maps.png
"""

JSON_TOP = 5
"""How many classes a JSON line holds unless told."""


def predict(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model.safetensors, or the folder of a run.", show_default=False)
    ],
    inputs: options.Inputs = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="K", help=f"The K likeliest classes. Default: 1; with --json {JSON_TOP}.", show_default=False
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER", help="Draw what a layer (0.conv, 0.relu, 3) makes of one picture, instead of predicting."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE.png", help="With --features: the picture. Default: {stem}-{layer}.png."
        ),
    ] = None,
    recursive: options.Recursive = False,
    files_from: options.FilesFrom = None,
    max_pixels: options.MaxPixels = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Threads. Default: the cores.")
    ] = None,
    scheduler: options.SchedulerOption = None,
    engine: EngineOption = "numpy",
    device: DeviceOption = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output of --features.")] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON object for each picture: input, class, probability, top, error."),
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the classes of pictures: a line each, in their order: file, class, probability, between tabs.

    A picture that cannot be read is named on standard error; the others are done.
    """
    if features is None and output is not None:
        raise ArgumentError("-o is the picture of --features: predictions go to standard output")
    if features is not None and (as_json or top is not None):
        raise ArgumentError("--features draws a picture instead of predicting: leave out --json and --top")
    if features is not None and scheduler is not None:
        raise ArgumentError("--features draws one picture on this machine: leave out --scheduler")
    from cnncli.cli.files.listing import find_pictures
    from cnncli.models.model import load_model
    from cnncli.models.prediction import ModelFile

    found = find_pictures(inputs or [], files_from, recursive=recursive, quiet=quiet, repeats=True)
    paths = [picture.path for picture in found]
    # A cluster's workers may have engines that this machine lacks.
    loaded, elsewhere = load_model(model, *(() if scheduler else (engine, device))), None
    if scheduler is not None:
        from cnncli.cli.training.predicting import on_cluster

        elsewhere = on_cluster(scheduler, jobs, len(paths), ModelFile.of(model, str(engine), str(device)))
    reading = loaded.reading() if max_pixels is None else loaded.reading(max_pixels=max_pixels or None)
    if features is not None:
        from cnncli.cli.training.feature_sheet import draw_features

        draw_features(loaded, features, paths, output, reading, force=force, quiet=quiet)
        return
    from cnncli.cli.training.predicting import Predicting

    Predicting(loaded, reading, jobs, elsewhere, top or (JSON_TOP if as_json else 1), as_json, quiet).run(paths)
