"""`cnncli edge`: filter images."""

import os
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.completion import complete_filters
from cnncli.cli.options import FileOptions, fields_of, over_files, parse_scale, parsed
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.filters.named import DEFAULT, FILTERS

if TYPE_CHECKING:
    from cnncli.pipelines.edging import EdgePipeline

EXAMPLES = """Examples:

cnncli edge photo.jpg

cnncli edge 'photos/*.jpg' -f scharr -o edges/

cnncli edge photo.jpg -k "1 0 -1; 2 0 -2; 1 0 -1" -o response.npy

cnncli edge photo.jpg -f canny -f 'gaussian:2 sobel' --sheet sheet.png

cnncli edge photos/ -r -f laplacian --stats | sort -g -k4
"""

_rendering = partial(typer.Option, rich_help_panel="Rendering")

_OF_OUTPUTS = (
    *("output", "show", "format_name", "quality", "cell", "force", "skip_existing", "dry_run"),
    *("scale", "signed", "threshold", "invert", "sheet", "explain", "explain_all"),
)
"""Options on what is written."""

_WORDS = ", ".join(FILTERS)


@over_files()
def edge(
    files: FileOptions,
    filter_names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="WORDS",
            autocompletion=complete_filters,
            help=f"Filter: {_WORDS}. Numbers follow a colon, as in gaussian:2; cnncli filters describes them. Words in "
            "a row, such as 'gaussian:1.4 sobel', are a chain: each is applied to the result of the one before. Repeat "
            f"for several outputs. Default: {DEFAULT}.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            metavar="K",
            help="Kernel of your own, as text ('1 0 -1; 1 0 -1') or as a .txt, .csv, .json or .npy file; in -f, the "
            "word kernel stands for it. An .npy of (f_h, f_w, C) covers C channels; one of (f_h, f_w, C, n) is a bank "
            "of n filters, each with an output, of which bank.npy[3] is one.",
        ),
    ] = None,
    direction: Annotated[
        options.Direction | None,
        typer.Option("--direction", "-d", help="Direction, for filters with two kernels. Default: magnitude."),
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: Annotated[
        options.PaddingMode | None,
        typer.Option(
            help="How pixels beyond the border are filled. Default: reflect; zeros for a matrix given as text."
        ),
    ] = None,
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: options.FlipOption = False,
    color: Annotated[
        options.Color | None,
        typer.Option(
            help="gray (luma), each (every channel separately) or volume (sum over the channels). Default: each for "
            "blurs and the like, volume for kernels with channels, otherwise gray."
        ),
    ] = None,
    on: options.OnOption = None,
    bias: options.BiasOption = "0",
    activation: options.ActivationOption = None,
    scale: Annotated[
        str | None,
        _rendering(
            metavar="SCALE",
            callback=parsed(parse_scale),
            help="soft (a full black-to-white edge is white, a tenth of it mid-grey), unit (in proportion: a full step "
            "is white), none (raw numbers, saturated), auto (stretched to the range of the image), p99 (the 99th "
            "percentile of the image is white), or a factor. Default: soft for filters that find edges, otherwise unit "
            "or none.",
        ),
    ] = None,
    signed: Annotated[
        options.Signed | None,
        _rendering(help="Rendering of negative numbers. Default: that of the filter, mostly abs."),
    ] = None,
    threshold: Annotated[
        str | None,
        _rendering(
            metavar="T",
            help="White from this level (64) or percentage of white (25%) upwards, else black. Then --scale is unit "
            "unless given.",
        ),
    ] = None,
    invert: Annotated[bool, _rendering("--invert", help="Exchange black and white: dark lines on white.")] = False,
    sheet: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write the image and the picture of each filter onto one labelled sheet, large ones made smaller: "
            "sheet.png; or as -o, a folder or a template for several inputs.",
        ),
    ] = None,
    stats: Annotated[
        bool,
        typer.Option(
            "--stats",
            help="Write nothing, and print numbers on the exact response: a line for each file and filter, with min, "
            "max, mean, standard deviation, percentiles, filter and file between tabs.",
        ),
    ] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Print the arithmetic of the output at column X, row Y.")
    ] = None,
    explain_all: Annotated[
        bool, typer.Option("--explain-all", help="With --explain, print that of every word of a chain.")
    ] = False,
) -> None:
    """Filter images: find edges, blur, sharpen, or apply a kernel of your own.

    A vertical edge from bright on the left to dark on the right gives a positive number. Pictures show magnitudes
    unless --signed says otherwise.
    """
    given = locals()
    _refuse_stray_words(files.inputs or (), filter_names or ())
    if stats:
        _refuse("--stats writes nothing", _OF_OUTPUTS, vars(files) | given)
    elif sheet is not None:
        _refuse("--sheet names the one output", ("output", "cell", "explain", "explain_all"), vars(files) | given)
    from cnncli.cli.files.running import WritingRun
    from cnncli.filters.chains import load_chains
    from cnncli.filters.operators.filtering import Filtering
    from cnncli.filters.rendering import Rendering
    from cnncli.pipelines.edging import EdgePipeline

    pipeline = EdgePipeline(
        load_chains(filter_names or [], kernel, direction),
        Filtering(**fields_of(Filtering, given)),
        Rendering(**fields_of(Rendering, given)),
        **files.pipeline_fields(),
    )
    if stats:
        _print_statistics(pipeline, files)
    elif sheet is not None:
        _write_sheets(pipeline, files, sheet, direction)
    elif explain is not None:
        from cnncli.cli.files.explaining import run_and_explain

        run_and_explain(WritingRun(pipeline, files), pipeline, explain, all_steps=explain_all)
    elif explain_all:
        raise ArgumentError("--explain-all needs a position: add --explain X,Y")
    else:
        WritingRun(pipeline, files).run()


def _refuse_stray_words(inputs: Sequence[str], filters: Sequence[str]) -> None:
    """Refuse filter words among the inputs, where a shell puts those of a chain that is not quoted."""
    for name in inputs:
        if name.partition(":")[0] in FILTERS and not os.path.lexists(name):
            chain = f"{filters[0]} {name}" if len(filters) == 1 else name
            raise ArgumentError(f"{name}: no such file; for the filter, write -f {shlex.quote(chain)}")


def _print_statistics(pipeline: "EdgePipeline", files: FileOptions) -> None:
    """Print numbers on the responses of each input."""
    from cnncli.cli.files.measuring import MeasuringRun
    from cnncli.pipelines.measuring import MeasuringPipeline

    MeasuringRun(MeasuringPipeline(pipeline), files).run()


def _write_sheets(pipeline: "EdgePipeline", files: FileOptions, path: str, direction: str | None) -> None:
    """Write a sheet of each input."""
    from cnncli.cli.files.running import WritingRun
    from cnncli.images.formats import is_format
    from cnncli.pipelines.sheets import SheetPipeline, check_sheet

    if path == STANDARD and pipeline.format is None:  # otherwise a matrix would go there as a matrix
        pipeline = pipeline.replace(format="png")
    for name in (pipeline.format, path):
        if name is not None and is_format(name):
            check_sheet(name)
    WritingRun(SheetPipeline(pipeline, direction), files.replace(output=path)).run()


def _refuse(why: str, names: tuple[str, ...], given: dict[str, object]) -> None:
    """Refuse options that mean nothing beside another."""
    for name in names:
        if given[name] not in (None, False):
            option = f"--{name.removesuffix('_name').replace('_', '-')}"
            raise ArgumentError(f"{why}: leave out {option}")
