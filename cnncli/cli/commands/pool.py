"""`cnncli pool`: pool images."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.batch_options import BatchOptions, over_files
from cnncli.cli.options import parse_padding, parse_pair
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli pool photo.jpg -f 2 -s 2

cnncli pool 'photos/*.jpg' -f 4 --mode avg -o small/
"""


@over_files
def pool(
    batch: BatchOptions,
    kernel_size: Annotated[
        str | None,
        typer.Option(
            "--kernel-size", "-f", metavar="F", help="Window size: 2, or height,width. Default: 2.", show_default=False
        ),
    ] = None,
    stride: Annotated[
        str | None,
        typer.Option("--stride", "-s", metavar="S", help="Pixels between windows. Default: the window's size."),
    ] = None,
    padding: options.PaddingOption = "0",
    mode: Annotated[options.PoolingMode, typer.Option(help="What a window becomes.")] = "max",
    global_pooling: Annotated[bool, typer.Option("--global", help="One window: the whole image.")] = False,
    ceil: Annotated[
        bool, typer.Option("--ceil", help="Keep the last, partial windows instead of dropping them.")
    ] = False,
) -> None:
    """Pool images: the maximum, mean or minimum of each window, channel by channel.

    Padding never wins and never counts.
    """
    from cnncli.cli.files.running import Batch
    from cnncli.filters.pools import Pooling
    from cnncli.pipelines.pooling import PoolPipeline

    if global_pooling and (kernel_size or stride or padding != "0"):
        raise ArgumentError("--global pools the whole image: it takes no --kernel-size, --stride or --padding")
    pipeline = PoolPipeline(
        Pooling(
            kernel_size=None if global_pooling else parse_pair(kernel_size or "2", "kernel_size"),
            stride=None if stride is None else parse_pair(stride, "stride"),
            padding=parse_padding(padding),
            mode=mode,
            ceil_mode=ceil,
        ),
        **batch.pipeline_fields(),
    )
    Batch(pipeline, batch).run()
