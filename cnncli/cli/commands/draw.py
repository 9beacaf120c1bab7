"""`cnncli draw`: a network as a picture."""

import sys
from typing import Annotated, Any

import typer

from cnncli.choices import DRAWING_STYLES
from cnncli.cli.networks import options
from cnncli.cli.options import ThemeOption, choice
from cnncli.drawing.svg.theme import Theme
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD, check_output
from cnncli.files.text import json_text, printable

EXAMPLES = """Examples:

cnncli draw vgg16 -o vgg16.svg

cnncli draw 39x39x3 conv3-10 conv5-20,s2 conv5-40,s2 -o course.svg --receptive-field 2.conv:0,0

cnncli draw resnet152 -o resnet152.svg --style boxes --theme light

cnncli draw model.onnx -o model.svg --style table
"""


Style: Any = choice("Style", DRAWING_STYLES)


def draw(
    words: options.Words = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="File: .svg .png .pdf; - for standard output."),
    ] = None,
    style: Annotated[
        Style, typer.Option(help="Maps as volumes to scale, a box per layer, or a row per layer.")
    ] = "volumes",
    unfold: Annotated[bool, typer.Option("--unfold", help="Draw every layer and block that repeats.")] = False,
    highlight: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="Layer to highlight, by name (0.conv) or word (conv3-64). Repeatable."),
    ] = None,
    receptive_field: Annotated[
        str | None,
        typer.Option(metavar="LAYER:X,Y", help="Show what the unit in column X, row Y of a layer's output sees."),
    ] = None,
    theme: ThemeOption = Theme.AUTO,
    width: Annotated[int, typer.Option(metavar="PIXELS", help="Width; longer networks are wrapped into rows.")] = 1000,
    input_shape: options.InputShape = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw a network: volumes to scale, boxes or a table, every number that of params."""
    from cnncli.drawing.svg.saving import check_drawing, save_drawing

    if output is None:
        raise ArgumentError("no output: give -o FILE.svg (.png, .pdf), or -o - for standard output")
    if output == STANDARD and as_json:
        raise ArgumentError("standard output holds either the drawing or JSON: give --json with -o FILE.svg")
    if output != STANDARD:
        check_drawing(output)
        check_output(output, force=force, inputs=words or [])
    from cnncli.cli.networks.joining import joined
    from cnncli.cli.networks.pages import read_networks, say_omissions
    from cnncli.networks.drawing import draw_network

    summaries = [joined(summary, words or []) for summary in read_networks(words or [], input_shape)]
    if len(summaries) > 1:
        names = ", ".join(summary.name for summary in summaries)
        raise ArgumentError(f"a drawing has one network, got {len(summaries)} ({names}): draw them one by one")
    drawing = draw_network(
        summaries[0],
        style=str(style),
        unfold=unfold,
        highlight=highlight or (),
        receptive_field=receptive_field,
        theme=theme,
        width=width,
    )
    say_omissions(summaries)
    if output == STANDARD:
        sys.stdout.buffer.write(str(drawing).encode())  # UTF-8 as in a file, whatever the terminal's encoding
        return
    save_drawing(drawing, output, replace=force)
    if as_json:
        size = {"width": round(drawing.width), "height": round(drawing.height)}
        print(json_text({"network": drawing.title, "output": output, "style": str(style)} | size))
    elif not quiet:
        print(f"{printable(output)}: {printable(drawing.title)}, {drawing.width:.0f}x{drawing.height:.0f} pixels")
