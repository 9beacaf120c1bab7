"""`cnncli pool`: pool images."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.options import FileOptions, fields_of, over_files
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli pool photo.jpg -f 2 -s 2

cnncli pool 'photos/*.jpg' -f 4 --mode avg -o small/

cnncli pool matrix.txt -f 3 -s 1 -p 1 --explain 0,0
"""


@over_files()
def pool(
    files: FileOptions,
    kernel_size: options.WindowOption = None,
    stride: options.WindowStrideOption = None,
    padding: options.PaddingOption = "0",
    mode: options.PoolingModeOption = "max",
    global_pooling: Annotated[bool, typer.Option("--global", help="Pool the whole image as one window.")] = False,
    ceil_mode: options.CeilOption = False,
    explain: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Print the arithmetic of the output at column X, row Y.")
    ] = None,
) -> None:
    """Pool images: the maximum, mean or minimum of each window, channel by channel.

    Padding is never the maximum or minimum, and does not count in a mean.
    """
    if global_pooling and (kernel_size or stride or padding):
        raise ArgumentError("--global pools the whole image: leave out --kernel-size, --stride and --padding")
    given = locals() | {"kernel_size": None if global_pooling else kernel_size or 2}
    from cnncli.cli.files.running import WritingRun
    from cnncli.filters.pools import Pooling
    from cnncli.pipelines.pooling import PoolPipeline

    pipeline = PoolPipeline(Pooling(**fields_of(Pooling, given)), **files.pipeline_fields())
    if explain is None:
        WritingRun(pipeline, files).run()
        return
    from cnncli.cli.files.explaining import run_and_explain_pooling

    run_and_explain_pooling(WritingRun(pipeline, files), pipeline, explain)
