"""Options of the commands about networks."""

from typing import Annotated

import typer

_OUTPUT = "Output"

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NETWORK...",
        help="A name of the zoo (vgg16), a file (.toml .onnx .safetensors .keras .h5), the folder of a run, or an "
        "input and layers: 39x39x3 conv3-10 conv5-20,s2. Several one after the other.",
        show_default=False,
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option("--input", metavar="HxWxC", help="The input: for a text without one, or instead of a network's own."),
]
FormatOption = Annotated[
    str,
    typer.Option("--format", metavar="table|json|csv|markdown|latex", help="How to print.", rich_help_panel=_OUTPUT),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=_OUTPUT)]
Explain = Annotated[bool, typer.Option("--explain", help="Show the formulas with their numbers.")]
BatchSize = Annotated[int, typer.Option(min=1, metavar="N", help="Examples at a time, for the memory lines.")]
Convention = Annotated[
    str | None,
    typer.Option(metavar="torchvision|torchinfo|keras", help="Count as another tool does, and say how it differs."),
]
Notation = Annotated[
    bool, typer.Option("--notation", help="Add a course's table: f, p, s, n_c, and the sizes of everything.")
]
