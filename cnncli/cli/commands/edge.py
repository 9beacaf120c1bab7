"""`cnncli edge`: filter images."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.batch_options import BatchOptions, over_files
from cnncli.cli.options import parse_integers, parse_number, parse_padding, parse_pair, parse_scale
from cnncli.errors import ArgumentError
from cnncli.filters.named import FILTERS

EXAMPLES = """Examples:

cnncli edge photo.jpg

cnncli edge 'photos/*.jpg' -f scharr -o edges/

cnncli edge photo.jpg -k "1 0 -1; 2 0 -2; 1 0 -1" -o response.npy
"""

_PICTURE = "From numbers to a picture"


@over_files
def edge(
    batch: BatchOptions,
    filter_names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="NAME",
            help=f"{', '.join(FILTERS)}; repeat for several. Default: sobel.",
            show_default=False,
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            metavar="K",
            help="A kernel of your own, as text ('1 0 -1; 1 0 -1') or a .txt .csv .json .npy file.",
        ),
    ] = None,
    direction: Annotated[
        options.Direction | None,
        typer.Option("--direction", "-d", help="For filters with two kernels. Default: magnitude."),
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: Annotated[options.PaddingMode, typer.Option(help="What stands outside the image.")] = "reflect",
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Turn the kernel by 180 degrees: mathematical convolution.")
    ] = False,
    color: Annotated[
        options.Color | None,
        typer.Option(
            help="gray (luma), each channel by itself, or volume (summed over channels). Default: gray.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[options.Channel | None, typer.Option(help="With color volume: keep this channel only.")] = None,
    bias: Annotated[str, typer.Option(metavar="B", help="Added to the response.")] = "0",
    activation: Annotated[options.Activation | None, typer.Option(help="Applied to the response then.")] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE",
            help="unit (a full step is full white), none (raw, saturated), auto (stretched), or a factor.",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    signed: Annotated[
        options.Signed | None,
        typer.Option(
            help="What becomes of negative numbers. Default: the filter's, mostly abs.", rich_help_panel=_PICTURE
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="From this level (64) or share of white (25%) on white, below it black.",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="Print the arithmetic of one output position.", rich_help_panel="Learning"),
    ] = None,
) -> None:
    """Filter images: edges, blurs, or a kernel of your own.

    Bright on the left and dark on the right is positive, the course's sign; pictures show magnitudes unless
    told otherwise.
    """
    from cnncli.cli.files.running import Batch
    from cnncli.filters.recipes import load_recipes
    from cnncli.filters.responses import Filtering
    from cnncli.pipelines.edging import EdgePipeline

    pipeline = EdgePipeline(
        recipes=load_recipes(filter_names or [], kernel, direction),
        filtering=Filtering(
            stride=parse_pair(stride, "stride"),
            padding=parse_padding(padding),
            padding_mode=padding_mode,
            dilation=parse_pair(dilation, "dilation"),
            color=color or ("volume" if on else "gray"),
            on=on,
            bias=parse_number(bias, "bias"),
            activation=activation,
            flip=flip,
        ),
        scale=None if scale is None else parse_scale(scale),
        signed=signed,
        threshold=threshold,
        **batch.pipeline_fields(),
    )
    work = Batch(pipeline, batch)
    if explain is None:
        work.run()
        return
    position = parse_integers(explain, "explain")
    if len(position) != 2:
        raise ArgumentError(f"explain takes a position X,Y, got {explain!r}")
    from cnncli.cli.files.explaining import run_and_explain

    run_and_explain(work, pipeline, position)
