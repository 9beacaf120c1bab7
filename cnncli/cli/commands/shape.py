"""`cnncli shape`: output sizes, of one layer and of whole networks."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.networks import options
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

_layer = partial(typer.Option, rich_help_panel="One layer")


def shape(
    words: options.Words = None,
    n: options.InputSize = None,
    kernel_size: options.FilterSize = None,
    padding: options.LayerPadding = None,
    stride: options.LayerStride = None,
    dilation: options.LayerDilation = None,
    ceil: options.LayerCeil = False,
    transposed: options.Transposed = False,
    output_padding: options.OutputPadding = None,
    want: Annotated[
        str | None, _layer(metavar="SIZE", help="List the paddings and strides that give this output size.")
    ] = None,
    inputs_for: Annotated[
        str | None, _layer(metavar="SIZE", help="List the input sizes that give this output size.")
    ] = None,
    keep: Annotated[bool, _layer("--keep", help="Print the padding that keeps the input size.")] = False,
    explain: options.Explain = False,
    input_shape: options.InputShape = None,
    format_name: options.TableFormat = "table",
    as_json: options.TableJson = False,
    total: Annotated[bool, typer.Option("--total", help="Print only the shape of the last output.")] = False,
    notation: options.Notation = False,
    batch_size: options.BatchSize = 1,
) -> None:
    """Compute the output size of one layer (-n, -f, ...), or the output shape of every layer of a network.

    A network is a name of the zoo, a file (.toml, .onnx, .safetensors, .keras, .h5), the folder of a run, or an
    input and layers: 39x39x3 conv3-10 conv5-20,s2.
    """
    given = locals()
    from cnncli.cli.networks.one_layer import OneLayer, answer

    layer = OneLayer(**{name: given[name] for name in OneLayer._fields})
    if layer.asked and words:
        raise ArgumentError("-n, -f and similar options describe one layer: leave them out, or the network")
    if layer.asked:
        _check_one_layer({"--input": input_shape, "--notation": notation}, format_name)
        print(answer(layer, explain=explain, as_json=as_json or format_name == "json"))
        return
    if not words:
        raise ArgumentError("nothing to compute: give -n and -f, as in `cnncli shape -n 39 -f 3`, or a network")
    from cnncli.cli.networks.counted import Counted
    from cnncli.cli.networks.layers import SHAPE_COLUMNS, size_working
    from cnncli.cli.networks.pages import check_format, read_networks, show

    format_name = check_format(format_name, as_json)
    summaries = read_networks(words, input_shape)
    if total:
        _print_outputs(summaries)
        return
    counted, working = [Counted.of(summary) for summary in summaries], size_working if explain else None
    show(counted, SHAPE_COLUMNS, format_name, working=working, notation=notation, batch_size=batch_size)


def _check_one_layer(others: dict[str, object], format_name: str) -> None:
    if given := [name for name, value in others.items() if value]:
        raise ArgumentError(f"{given[0]} applies to networks: leave it out with -n and -f")
    if format_name not in ("table", "json"):
        raise ArgumentError(f"--format {format_name} applies to networks: one layer is printed as text or JSON")


def _print_outputs(summaries: "list[Summary]") -> None:
    """Print only the shape of each network's output; leave with exit code 1 if one is not known."""
    from cnncli.cli.networks.counted import shown

    shapes = [summary.output_shape for summary in summaries]
    for summary, shape in zip(summaries, shapes, strict=True):
        print(shown(shape))
        if shape is None:
            print(f"cnncli: {summary.name}: the file does not give the shape of its output", file=sys.stderr)
    if None in shapes:
        raise typer.Exit(1)
