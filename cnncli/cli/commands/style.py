"""`cnncli style`: give the content of a picture the style of others."""

from functools import partial
from typing import Annotated, Any

import typer

from cnncli.cli.options import FileOptions, choice, over_files, parse_bytes, parse_numbers, parse_weights, parsed
from cnncli.cli.training import options
from cnncli.models.style.options import KEPT_COLORS, SIZE, UNITS, StyleOptions

EXAMPLES = """Examples:

cnncli style photo.jpg painting.jpg -o styled.png

cnncli style photo.jpg painting.jpg -o styled.png --model vgg19=vgg19.safetensors

cnncli style photo.jpg waves.png sand.png --blend 2,1 --keep-colors luminance -o styled.png

cnncli style --texture bricks.png -o wall.png --size 384
"""

_costs = partial(typer.Option, rich_help_panel="Costs")
_work = partial(typer.Option, rich_help_panel="Computation")
_default = StyleOptions()

Colors: Any = choice("Colors", KEPT_COLORS)
Units: Any = choice("Units", UNITS)


@options.about_model
@over_files("quality", "max_pixels", "force", "as_json", "quiet")
def style(
    files: FileOptions,
    about: options.ToldOptions,
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="CONTENT STYLE...", help="The picture to change, and one or more that give the style."),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The result; its suffix says the format.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Model whose layers judge, such as vgg19=vgg19.safetensors. Default: random weights, which know "
            "palettes and textures and no objects.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Longer side of the result. Default: the content's, at most {SIZE}."),
    ] = None,
    style_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Longer side of the styles: larger for coarser strokes. Default: as --size."
        ),
    ] = None,
    keep_colors: Annotated[
        Colors | None,
        typer.Option(
            help="Keep the content's colors: luminance gives the style to brightness alone, matching first brings the "
            "style to the colors of the content."
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Picture of where the style goes: white for there, black for nowhere."),
    ] = None,
    texture: Annotated[
        bool, typer.Option("--texture", help="Make a texture from noise: all pictures are styles.")
    ] = False,
    blend: Annotated[
        str | None,
        typer.Option(
            metavar="W,W,...", callback=parsed(parse_numbers), help="Weight of each style. Default: all alike."
        ),
    ] = None,
    preview: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the picture so far to this file every few steps.")
    ] = None,
    content: Annotated[
        str | None,
        _costs(
            "--content",
            metavar="LAYER[:W],...",
            callback=parsed(parse_weights),
            help="Layers that judge content, with weights. Default: by depth; with vgg19, conv4_2.",
        ),
    ] = None,
    style_layers: Annotated[
        str | None,
        _costs(
            "--style",
            metavar="LAYER[:W],...",
            callback=parsed(parse_weights),
            help="Layers that judge style, with weights. Default: by depth; with vgg19, conv1_1 to conv5_1.",
        ),
    ] = None,
    content_weight: Annotated[
        float, _costs(min=0, metavar="W", help="Weight of the content cost.")
    ] = _default.content_weight,
    style_weight: Annotated[
        float, _costs(min=0, metavar="W", help="Weight of the style cost.")
    ] = _default.style_weight,
    tv: Annotated[
        float, _costs(min=0, metavar="W", help="Weight of the total variation, which smooths.")
    ] = _default.tv,
    units: Annotated[
        Units,
        _costs(
            help="What weights multiply: relative costs, in which no content and no transfer count as 1, or those of "
            "Gatys' formulas."
        ),
    ] = _default.units,
    steps: Annotated[int, _work(min=1, metavar="N", help="Steps of L-BFGS at each size.")] = _default.steps,
    levels: Annotated[
        int, _work(min=1, metavar="N", help="Number of sizes, coarse to fine, each twice the one before.")
    ] = _default.levels,
    memory: Annotated[
        str | None,
        _work(
            metavar="BYTES",
            callback=parsed(parse_bytes),
            help="Memory for pictures and layers, beside the network's weights, such as 500M: what needs more is "
            "computed in tiles.",
        ),
    ] = None,
    seed: Annotated[int, _work(min=0, metavar="N", help="Seed of random weights and of noise.")] = _default.seed,
    jobs: options.Jobs = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
) -> None:
    """Give the content of a picture the style of others.

    The result has the content's outputs in some layers of a network, and the styles' correlations of filters in others
    (Gatys, Ecker and Bethge 2016). It is found by L-BFGS, coarse to fine. Ctrl-C writes the best picture so far.
    """
    given = locals()
    from cnncli.cli.training.styling import run_style

    fields = {name: given[name] for name in StyleOptions.fields if name in given}
    fields |= {"style": style_layers, "shares": blend, "units": str(units)}
    fields["keep_colors"] = None if keep_colors is None else str(keep_colors)
    run_style(
        pictures,
        output,
        StyleOptions(**fields),
        files,
        model=model,
        told=about.told(),
        mask=mask,
        texture=texture,
        preview=preview,
        jobs=jobs,
        engine=str(engine),
        device=str(device),
    )
