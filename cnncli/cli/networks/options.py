"""Options of the commands about networks: by themselves, since declaring those of commands on files takes 1 ms."""

from functools import partial
from typing import Annotated

import typer

from cnncli.cli.completion import complete_networks

_printing = partial(typer.Option, rich_help_panel="Output")

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NETWORK...",
        autocompletion=complete_networks,
        help="A name of the zoo (vgg16), a file (.toml .onnx .safetensors .keras .h5), the folder of a run, a name and "
        "a file of weights (vgg16=FILE), or an input and layers: 39x39x3 conv3-10 conv5-20,s2. Several, one after the "
        "other.",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="HxWxC", help="Input shape: for layers without an input, or instead of a network's own."
    ),
]
TableFormat = Annotated[
    str, _printing("--format", metavar="table|json|csv|markdown|latex", help="Format of the output.")
]
TableJson = Annotated[bool, _printing("--json", help="Short for --format json.")]
Json = Annotated[bool, _printing("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, _printing("--quiet", "-q", help="Print errors only.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show each formula with its numbers.")]
BatchSize = Annotated[int, typer.Option(min=1, metavar="N", help="Examples per batch, for the memory estimate.")]
Convention = Annotated[
    str | None,
    typer.Option(
        metavar="torchvision|torchinfo|keras", help="Count as another tool does, and say where it differs from cnncli."
    ),
]
Notation = Annotated[
    bool, typer.Option("--notation", help="Add a table in the notation of a course: f, p, s, n_c and all sizes.")
]

_layer = partial(typer.Option, rich_help_panel="One layer")

InputSize = Annotated[str | None, _layer("-n", metavar="N", help="Input size: 39, or 640x480 (height x width).")]
FilterSize = Annotated[str | None, _layer("--kernel-size", "-f", metavar="F", help="Filter size: 3, or 3x5.")]
LayerPadding = Annotated[
    str | None,
    _layer(
        "--padding",
        "-p",
        metavar="P",
        help="same, valid, or pixels: 1, or vertical,horizontal, or top,bottom,left,right. Default: 0.",
    ),
]
LayerStride = Annotated[str | None, _layer("--stride", "-s", metavar="S", help="Pixels between positions. Default: 1.")]
LayerDilation = Annotated[
    str | None, _layer("--dilation", "-d", metavar="D", help="Pixels between the taps of the filter. Default: 1.")
]
LayerCeil = Annotated[bool, _layer("--ceil", help="Keep a partial last window instead of dropping it.")]
Transposed = Annotated[bool, _layer("--transposed", help="Compute a transposed convolution, which enlarges.")]
OutputPadding = Annotated[
    str | None,
    _layer(metavar="P", help="Pixels to add at the bottom and right of a transposed convolution's output."),
]
