"""`cnncli detect`: find the objects of images."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.batch.objects import is_url
from cnncli.choices import LABEL_KINDS
from cnncli.cli.options import FileOptions, choice, over_files, pixel_limit
from cnncli.cli.training import options
from cnncli.cli.training.searching import SearchOptions, about_search, search_option
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.models.finding.options import FindingOptions

if TYPE_CHECKING:
    from cnncli.models.finding.cropping import Crops
    from cnncli.models.finding.finder import Search
    from cnncli.models.finding.sliding.harvesting import Harvest

EXAMPLES = """Examples:

cnncli detect runs/cells photo.jpg

cnncli detect runs/cells photo.jpg -o found.jpg

cnncli detect runs/cells photos/ -r -o found/ --threshold 0.3

cnncli detect runs/cells 'photos/*.jpg' --json > found.jsonl

cnncli detect runs/digits page.png --scales 0.5:2 --crops digits/

cnncli detect runs/digits 'empty/*.png' --harvest digits/
"""

Kind: Any = choice("Kind", LABEL_KINDS)


@about_search
@options.about_model
@over_files(without=("output", "format_name", "cell"))
def detect(
    files: FileOptions,
    about: options.ToldOptions,
    search: SearchOptions,
    model: options.Model,
    threshold: Annotated[
        str | None,
        search_option(metavar="X", help=f"Least score of a box: 0.3, or 30%. Default: {FindingOptions().threshold:g}."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write images with their boxes: to a file; a folder, made if missing (a name without a suffix, or "
            "ending in /); a template with {stem} {name} {ext} {parent} {below}; or - for standard output. In a folder "
            "they are named {stem}-boxes, in the format of the image.",
        ),
    ] = None,
    form: Annotated[
        Kind | None,
        typer.Option(
            "--format",
            help="Format of the list of boxes: words between tabs, a CSV table, JSON (as with --json), COCO's JSON, or "
            "a file for each image in YOLO's or Pascal VOC's form. Default: by the suffix of --labels, else tsv.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write the list of boxes to a file instead of standard output; with yolo and voc, to a folder, a file "
            "for each image.",
        ),
    ] = None,
    crops: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Write each object as an image of its own, {stem}-01-{class}.png, the best first.",
        ),
    ] = None,
    harvest: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="With a classifier, on images that show no object: write the windows in which it finds one (at most "
            "--top per image; default 20) to FOLDER/background, to train on them too.",
        ),
    ] = None,
    size: options.Size = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
) -> None:
    """Find objects in images: one line per object, with file, class, score and box between tabs.

    A box is x, y, width and height in pixels of the upright image, from its top left corner. MODEL was trained on
    boxes, or is a classifier, which slides over the image at several scales. The lines are in the order of the images,
    the best object of each first. Of several frames, the first is searched. A line of --json is an image, with input,
    output, status, error, width, height, boxes and seconds.
    """
    from cnncli.cli.files.detecting import DetectRun
    from cnncli.cli.files.labelling import TSV, Labelling
    from cnncli.cli.training.models import open_model
    from cnncli.models.finding.finder import Search, SearchFile, reading_for
    from cnncli.models.finding.pipeline import DetectPipeline
    from cnncli.models.prediction import ModelFile

    told, finding = about.told(size), search.finding(threshold)
    labelling = Labelling(str(form or ""), labels, as_json=files.as_json)
    if output == STANDARD and labelling.printed not in ("", TSV):
        raise ArgumentError(f"--format {labelling.printed} and -o - both write to standard output: add --labels PATH")
    # The workers of a cluster may have engines that this machine lacks.
    here = {} if files.scheduler else {"engine": str(engine), "device": str(device)}
    loaded = open_model(model, told, quiet=files.quiet, **here)
    searching = Search(loaded, finding)
    for note in () if files.quiet else searching.notes:
        print(printable(f"cnncli: {model}: {note}"), file=sys.stderr)
    is_known = files.scheduler or files.skip_existing  # elsewhere, and later, a model is known by its content
    file = ModelFile.of(model, str(engine), str(device), told) if is_known else None
    pipeline = DetectPipeline(
        SearchFile(file, finding, searching.together) if file and files.scheduler else searching,
        loaded.class_names,
        reading_for(loaded, **pixel_limit(files.max_pixels)),
        draws=output is not None,
        label_kind=None if labelling.folder is None else labelling.kind,
        crops=None if crops is None else _crops(crops, loaded.class_names, files),
        harvest=None if harvest is None else _harvest(harvest, searching, search, files),
        model=f"{file} {finding}",
        quality=files.quality,
    )
    DetectRun(pipeline, files.replace(output=output), labelling, finding.threshold).run()


def _crops(folder: str, class_names: Sequence[str], files: FileOptions) -> "Crops":
    """Return where the objects of images are written to."""
    from cnncli.models.finding.cropping import Crops

    return Crops.into(_place(folder, files), class_names, replace=files.force, keep=files.skip_existing)


def _harvest(folder: str, searching: "Search", search: SearchOptions, files: FileOptions) -> "Harvest":
    """Return where false windows are written to."""
    from cnncli.models.finding.sliding.harvesting import Harvest

    return Harvest.into(
        _place(folder, files), searching.window, searching.class_names, background=search.background, most=search.top
    )


def _place(folder: str, files: FileOptions) -> str:
    """Return a local folder by a path that means the same on other machines."""
    return os.path.abspath(folder) if files.scheduler and folder and not is_url(folder) else folder
