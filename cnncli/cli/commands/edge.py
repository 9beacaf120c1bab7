"""`cnncli edge`: filter images."""

from functools import partial
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.options import FileOptions, fields_of, over_files, parse_integers, parse_number, parse_scale, parsed
from cnncli.errors import ArgumentError
from cnncli.filters.named import DEFAULT, FILTERS

EXAMPLES = """Examples:

cnncli edge photo.jpg

cnncli edge 'photos/*.jpg' -f scharr -o edges/

cnncli edge photo.jpg -k "1 0 -1; 2 0 -2; 1 0 -1" -o response.npy
"""

_rendering = partial(typer.Option, rich_help_panel="Rendering")


@over_files()
def edge(
    files: FileOptions,
    filter_names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="NAME",
            help=f"{', '.join(FILTERS)}. Repeat for several filters. Default: {DEFAULT}.",
            show_default=False,
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            metavar="K",
            help="Kernel of your own, as text ('1 0 -1; 1 0 -1') or as a .txt, .csv, .json or .npy file.",
        ),
    ] = None,
    direction: Annotated[
        options.Direction | None,
        typer.Option("--direction", "-d", help="Direction, for filters with two kernels. Default: magnitude."),
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: options.PaddingModeOption = "reflect",
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Rotate the kernel by 180 degrees: convolution as in mathematics.")
    ] = False,
    color: Annotated[
        options.Color | None,
        typer.Option(
            help="gray (luma), each (every channel separately) or volume (sum over the channels). Default: gray.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[options.Channel | None, typer.Option(help="Keep only this channel (implies --color volume).")] = None,
    bias: Annotated[
        str, typer.Option(metavar="B", callback=parsed(parse_number), help="Number to add to the response.")
    ] = "0",
    activation: Annotated[
        options.Activation | None, typer.Option(help="Activation function to apply to the response, after the bias.")
    ] = None,
    scale: Annotated[
        str | None,
        _rendering(
            metavar="SCALE",
            callback=parsed(parse_scale),
            help="unit (a full black-to-white step is white), none (raw numbers, saturated), auto (stretched to the "
            "range of the image), or a factor. Default: that of the filter, mostly unit.",
        ),
    ] = None,
    signed: Annotated[
        options.Signed | None,
        _rendering(help="Rendering of negative numbers. Default: that of the filter, mostly abs."),
    ] = None,
    threshold: Annotated[
        str | None,
        _rendering(metavar="T", help="White from this level (64) or percentage of white (25%) upwards, else black."),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Print the arithmetic of the output at column X, row Y.")
    ] = None,
) -> None:
    """Filter images: find edges, blur, sharpen, or apply a kernel of your own.

    A vertical edge from bright on the left to dark on the right gives a positive number. Pictures show magnitudes
    unless --signed says otherwise.
    """
    given = locals()
    from cnncli.cli.files.running import WritingRun
    from cnncli.filters.recipes import load_recipes
    from cnncli.filters.rendering import Rendering
    from cnncli.filters.responses import Filtering
    from cnncli.pipelines.edging import EdgePipeline

    given["color"] = color or ("volume" if on else "gray")
    pipeline = EdgePipeline(
        load_recipes(filter_names or [], kernel, direction),
        Filtering(**fields_of(Filtering, given)),
        Rendering(**fields_of(Rendering, given)),
        **files.pipeline_fields(),
    )
    work = WritingRun(pipeline, files)
    if explain is None:
        work.run()
        return
    position = parse_integers(explain)
    if len(position) != 2:
        raise ArgumentError(f"--explain takes a position X,Y, got {explain!r}")
    from cnncli.cli.files.explaining import run_and_explain

    run_and_explain(work, pipeline, position)
