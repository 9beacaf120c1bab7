"""`cnncli pool`: pool images."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.options import parse_padding, parse_pair
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli pool photo.jpg -f 2 -s 2

cnncli pool 'photos/*.jpg' -f 4 --mode avg -o small/
"""


def pool(
    inputs: options.Inputs = None,
    output: options.OutputOption = None,
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
    show: options.Show = False,
    format_name: options.FormatOption = None,
    recursive: options.Recursive = False,
    files_from: options.FilesFrom = None,
    max_pixels: options.MaxPixels = None,
    jobs: options.Jobs = None,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    shard: options.ShardOption = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Pool images: the maximum, mean or minimum of each window, channel by channel.

    Padding never wins and never counts.
    """
    from cnncli.cli.running import Batch
    from cnncli.pipelines.common import check_format
    from cnncli.pipelines.pooling import PoolPipeline
    from cnncli.pools import Pooling

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
        format=None if format_name is None else check_format(format_name),
        statistics=as_json,
        **({} if max_pixels is None else {"max_pixels": max_pixels or None}),
    )
    Batch(
        pipeline,
        words=inputs or [],
        output=output,
        recursive=recursive,
        files_from=files_from,
        force=force,
        skip_existing=skip_existing,
        dry_run=dry_run,
        workers=jobs,
        as_json=as_json,
        quiet=quiet,
        show=show,
        shard=shard,
    ).run()
