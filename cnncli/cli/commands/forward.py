"""`cnncli forward`: every activation of a network with given weights."""

from typing import Annotated, Any

import typer

from cnncli.cli.completion import complete_networks
from cnncli.cli.options import TakesNumbers, choice
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli forward 'conv2-1,relu max2' '1 2 0; 0 1 3; 1 0 1' --set '0.conv.weight=1 0; 0 -1' --set 0.conv.bias=0

cnncli forward lenet5 digit.png --seed 1 --explain 0.conv:3,4,0

cnncli forward runs/digits photo.png --layer 2
"""

TOLD = {"cls": TakesNumbers}

DType: Any = choice("DType", ("float64", "float32"))


def forward(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            autocompletion=complete_networks,
            help="Input and layers as one text ('6x6x1 conv3-2,relu fc-1'; the input may be left out), a name of the "
            "zoo, a .toml file, or a model with weights: the folder of a run, a model file, NAME=FILE.",
        ),
    ],
    given: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Numbers, taken as they are: a matrix as text ('1 2; 3 4', | between the planes of a volume), or a "
            ".txt, .csv, .json or .npy file of them; or a picture: for a model as predict reads it, otherwise its "
            "pixels from 0 to 255.",
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help='Weights by name: a .toml file of lines such as 0.conv.weight = "1 0 -1; 1 0 -1; 1 0 -1", an .npz or '
            "a .safetensors.",
        ),
    ] = None,
    set_weights: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=MATRIX",
            help="One array, instead of that of a file or model: rows end with ; and | stands between matrices, all "
            "channels of the first filter, then those of the second. Repeat for several.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Draw the weights that are not given, from this seed.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print one layer alone (0.conv, 0.relu, 3), in full.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER:X,Y[,C]",
            help="Print the arithmetic of one number alone: column X, row Y and channel C of a layer's output, from 0; "
            "LAYER:N for a layer without rows.",
        ),
    ] = None,
    dtype: Annotated[DType, typer.Option(help="Type of the numbers.")] = "float64",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every number.")] = False,
) -> None:
    """Compute a network on one input and print every activation, layer by layer, to be followed by hand."""
    if layer is not None and explain is not None:
        raise ArgumentError("--layer and --explain print one thing each: leave one out")
    from cnncli.cli.networks.activations import forward_facts, forward_lines
    from cnncli.files.text import json_text, printable
    from cnncli.models.activations.arithmetic import explain_activation
    from cnncli.models.activations.forward import forward as compute
    from cnncli.models.activations.weights import read_weights

    at = None if explain is None else _place(explain)
    said = {} if weights is None else read_weights(weights)
    found = compute(network, given, said | _typed(set_weights or []), seed=seed, dtype=str(dtype))
    worked = None if at is None else explain_activation(found, *at)
    if as_json:
        print(json_text(forward_facts(found, layer, worked)))
    else:
        print(*map(printable, forward_lines(found, layer) if worked is None else worked.lines), sep="\n")


def _typed(words: list[str]) -> dict[str, str]:
    """Return the arrays of `--set` by name."""
    arrays: dict[str, str] = {}
    for word in words:
        name, equals, matrix = word.partition("=")
        if not equals:
            raise ArgumentError(f"--set takes NAME=MATRIX, got {word!r}")
        if name.strip() in arrays:
            raise ArgumentError(f"--set {name.strip()} is given twice")
        arrays[name.strip()] = matrix
    return arrays


def _place(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the layer that a text names, and the place in its output: row, column and channel."""
    from cnncli.cli.options import parse_integers

    layer, _, place = text.rpartition(":")
    numbers = parse_integers(place)
    if not layer or not numbers:
        raise ArgumentError(f"--explain takes LAYER:X,Y[,C] such as 0.conv:1,2,0, got {text!r}")
    column, *row = numbers[:2]
    return layer, (*row, column, *numbers[2:])
