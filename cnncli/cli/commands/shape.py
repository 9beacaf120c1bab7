"""`cnncli shape`: output sizes, of one layer and of whole networks."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.errors import ArgumentError

if TYPE_CHECKING:
    from cnncli.networks.summary import Summary

EXAMPLES = """Examples:

cnncli shape -n 39 -f 3 --explain

cnncli shape -n 224 -f 7 --want 112

cnncli shape --inputs-for 7 -f 3 -s 2

cnncli shape 39x39x3 conv3-10 conv5-20,s2 conv5-40,s2 fc-1

cnncli shape resnet50
"""

_LAYER = "One layer"


def shape(
    words: options.Words = None,
    n: Annotated[
        str | None,
        typer.Option("-n", metavar="N", help="Input size: 39, or 640x480 (height x width).", rich_help_panel=_LAYER),
    ] = None,
    kernel_size: Annotated[
        str | None,
        typer.Option("--kernel-size", "-f", metavar="F", help="Filter size: 3, or 3x5.", rich_help_panel=_LAYER),
    ] = None,
    padding: Annotated[
        str | None,
        typer.Option(
            "--padding",
            "-p",
            metavar="P",
            help="same, valid, pixels (1), 1x2 (vertical x horizontal) or top,bottom,left,right. Default: 0.",
            rich_help_panel=_LAYER,
        ),
    ] = None,
    stride: Annotated[
        str | None,
        typer.Option(
            "--stride", "-s", metavar="S", help="Pixels between positions. Default: 1.", rich_help_panel=_LAYER
        ),
    ] = None,
    dilation: Annotated[
        str | None,
        typer.Option(
            "--dilation",
            "-d",
            metavar="D",
            help="Pixels between the filter's taps. Default: 1.",
            rich_help_panel=_LAYER,
        ),
    ] = None,
    ceil: Annotated[bool, typer.Option("--ceil", help="Keep a last, partial window.", rich_help_panel=_LAYER)] = False,
    transposed: Annotated[
        bool, typer.Option("--transposed", help="A transposed convolution, which enlarges.", rich_help_panel=_LAYER)
    ] = False,
    output_padding: Annotated[
        str | None,
        typer.Option(metavar="P", help="Pixels added after a transposed layer's output.", rich_help_panel=_LAYER),
    ] = None,
    want: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Which paddings and strides give this output?", rich_help_panel=_LAYER),
    ] = None,
    inputs_for: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Which inputs give this output?", rich_help_panel=_LAYER)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Which padding keeps the size?", rich_help_panel=_LAYER)] = False,
    explain: options.Explain = False,
    input_shape: options.InputShape = None,
    format_name: options.TableFormat = "table",
    as_json: options.TableJson = False,
    total: Annotated[bool, typer.Option("--total", help="Print the last output's shape alone.")] = False,
    notation: options.Notation = False,
    batch_size: options.BatchSize = 1,
) -> None:
    """Compute the output size of one layer (-n, -f, ...), or the shapes of every layer of a network.

    A network is a name of the zoo, a file (.toml, .onnx, .safetensors, .keras, .h5), the folder of a run, or an
    input and layers:
    39x39x3 conv3-10 conv5-20,s2.
    """
    from cnncli.cli.networks.one_layer import OneLayer, answer

    layer = OneLayer(
        n, kernel_size, padding, stride, dilation, ceil, transposed, output_padding, want, inputs_for, keep
    )
    if layer.asked and words:
        raise ArgumentError("-n, -f and the options beside them ask about one layer: give them or a network, not both")
    if layer.asked:
        _check_one_layer({"--input": input_shape, "--notation": notation}, format_name)
        print(answer(layer, explain=explain, as_json=as_json or format_name == "json"))
        return
    if not words:
        raise ArgumentError("the shape of what? Give -n and -f, as in `cnncli shape -n 39 -f 3`, or a network")
    from cnncli.cli.networks.counted import Counted
    from cnncli.cli.networks.layer_tables import SHAPE_COLUMNS
    from cnncli.cli.networks.layer_working import size_working
    from cnncli.cli.networks.network_words import read_networks
    from cnncli.cli.networks.pages import Look, check_format, show

    format_name = check_format(format_name, as_json)
    summaries = read_networks(words, input_shape)
    if total:
        _print_outputs(summaries)
        return
    look = Look(SHAPE_COLUMNS, size_working if explain else None, notation, batch_size=batch_size)
    show([Counted.of(summary) for summary in summaries], look, format_name)


def _check_one_layer(others: dict[str, object], format_name: str) -> None:
    if given := [name for name, value in others.items() if value]:
        raise ArgumentError(f"{given[0]} is about networks: leave it out beside -n and -f")
    if format_name not in ("table", "json"):
        raise ArgumentError(f"one layer's size is printed as text or as JSON: --format {format_name} is for networks")


def _print_outputs(summaries: "list[Summary]") -> None:
    """Print the shape of each network's output alone; leave with exit code 1 if one is not known."""
    from cnncli.shapes import show_shape

    shapes = [summary.rows[-1].output_shape if summary.rows else summary.input_shape for summary in summaries]
    for summary, shape in zip(summaries, shapes, strict=True):
        print("?" if shape is None else show_shape(shape))
        if shape is None:
            print(f"cnncli: {summary.name}: the file does not tell the shape of its output", file=sys.stderr)
    if None in shapes:
        raise typer.Exit(1)
