"""`cnncli why`: show what spoke for a class in images."""

import os
import sys
from functools import partial
from typing import Annotated, Any

import typer

from cnncli.cli.options import (
    FileOptions,
    choice,
    fields_of,
    over_files,
    parse_integers,
    parse_pair,
    parsed,
    pixel_limit,
)
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.text import printable
from cnncli.models.why.options import METHODS, WhyOptions

EXAMPLES = """Examples:

cnncli why runs/digits photo.jpg

cnncli why runs/digits photo.jpg --class 7 --method gradcam --layer 3 -o why.png

cnncli why runs/digits photo.jpg --method occlusion --patch 5 --cell 3,4

cnncli why runs/digits photos/ -r -o why/ --maps maps/ --json
"""

Method: Any = choice("Method", METHODS)
_DEFAULT = WhyOptions()
_method = partial(typer.Option, rich_help_panel="Methods")


@options.about_model
@over_files(without=("output", "format_name", "cell"))
def why(
    files: FileOptions,
    about: options.ToldOptions,
    model: options.Model,
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Class to explain. Default: the most likely one of each image."),
    ] = None,
    method: Annotated[
        list[Method] | None,
        _method(help="Method; give it several times for several. Default: all that the model allows."),
    ] = None,
    layer: Annotated[
        str | None, _method(metavar="LAYER", help="Layer of gradcam (0.conv, 0.relu, 3). Default: the last with maps.")
    ] = None,
    patch: Annotated[
        str | None,
        _method(
            metavar="N|HxW",
            callback=parsed(parse_pair),
            help="Patch of occlusion, in pixels of the network's input. Default: a seventh of the input.",
        ),
    ] = None,
    stride: Annotated[
        str | None,
        _method(metavar="S", callback=parsed(parse_pair), help="Pixels between patches. Default: half a patch."),
    ] = None,
    samples: Annotated[
        int, _method(min=1, metavar="N", help="Noisy images whose gradients smooth averages.")
    ] = _DEFAULT.samples,
    noise: Annotated[
        float, _method(min=0, metavar="X", help="Standard deviation of their noise, as a share of the image's range.")
    ] = _DEFAULT.noise,
    seed: Annotated[int, _method(min=0, metavar="N", help="Seed of the noise.")] = _DEFAULT.seed,
    cell: Annotated[
        str | None,
        typer.Option(
            metavar="ROW,COLUMN",
            help="Print the arithmetic of this cell of the map, counted from 0,0 at the top left. Default: the "
            "strongest, for a single image.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Sheet with the image and its maps: a file; a folder, made if missing (a name without a suffix, or "
            "ending in /); a template with {stem} {name} {ext} {parent} {below}; or - for standard output. Default: "
            "{stem}-why.png beside the image.",
        ),
    ] = None,
    maps: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Write each map as an array: {stem}-{method}.npy in the image's own size, {stem}-{method}-cells.npy "
            "as the method gives it.",
        ),
    ] = None,
    size: options.Size = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
) -> None:
    """Show what spoke for a class in images: a sheet for each, and a line with file, class and probability.

    occlusion: what the class loses when a patch covers the image there. gradient: how much each pixel changes the score
    of the class; smooth: the same, averaged over noisy images. gradcam: the maps of a layer, weighted by how much each
    changes the score. The score is what the network computes before softmax. Of a single image, the arithmetic of one
    cell of each map is printed.
    """
    given = locals()
    from cnncli.cli.files.explaining_classes import WhyRun
    from cnncli.cli.training.models import open_model
    from cnncli.models.opening import as_predictor
    from cnncli.models.prediction import ModelFile
    from cnncli.models.why.explanations import Explainer, ExplainFile, reading_for
    from cnncli.models.why.pipeline import WhyPipeline

    told, place = about.told(size), None if cell is None else _cell(cell)
    methods = None if method is None else tuple(str(word) for word in method)
    said = WhyOptions(**fields_of(WhyOptions, given | {"methods": methods}))
    # The workers of a cluster may have engines that this machine lacks.
    here = {} if files.scheduler else {"engine": str(engine), "device": str(device)}
    loaded = as_predictor(open_model(model, told, quiet=files.quiet, **here))
    explainer = Explainer(loaded, class_name, said)
    is_known = files.scheduler or files.skip_existing  # elsewhere, and later, a model is known by its content
    file = ModelFile.of(model, str(engine), str(device), told) if is_known else None
    pipeline = WhyPipeline(
        ExplainFile(file, class_name, said).explain if file and files.scheduler else explainer.explain,
        explainer.methods,
        reading_for(loaded, **pixel_limit(files.max_pixels)),
        map_folder=None if maps is None else _folder(maps),
        place=place,
        model=f"{file} {class_name} {said}",
        quality=files.quality,
    )
    run = WhyRun(pipeline, files.replace(output=output))
    jobs = run.plan()
    for note in () if files.quiet else explainer.notes:
        print(printable(f"cnncli: {model}: {note}"), file=sys.stderr)
    run.run(jobs)


def _cell(text: str) -> tuple[int, int]:
    """Return the row and the column that a text names."""
    numbers = parse_integers(text)
    if len(numbers) != 2 or min(numbers) < 0:
        raise ArgumentError(f"--cell must be ROW,COLUMN, counted from 0,0, got {text!r}")
    return numbers[0], numbers[1]


def _folder(path: str) -> str:
    """Return a folder for maps."""
    if not path or (os.path.lexists(path) and not os.path.isdir(path)):
        raise ArgumentError(f"--maps names a folder, got {path!r}")
    return path
