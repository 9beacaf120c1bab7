"""`cnncli dream`: draw what a filter or a class answers to most."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.batch.naming import safe_name
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable
from cnncli.models.dream_options import DreamOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.arrays import Array
    from cnncli.models.dreaming import Dream

EXAMPLES = """Examples:

cnncli dream runs/digits --class 7 -o seven.png

cnncli dream runs/digits --unit 0.conv:3 -o filter.png

cnncli dream runs/digits --layer 2 -o layer.png

cnncli dream vgg16=vgg16.safetensors --class 254 --steps 400 --seed 1
"""

_DEFAULT = DreamOptions()
_ascent = partial(typer.Option, rich_help_panel="Gradient ascent")
_SIDE = 224  # pixels that a single picture is enlarged to at most by default


@options.about_model
def dream(
    about: options.ToldOptions,
    model: options.Model,
    unit: Annotated[
        str | None, typer.Option(metavar="LAYER:CHANNEL", help="Unit: a channel of a layer, such as 0.conv:3.")
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", metavar="NAME", help="Class to dream of.")] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Layer whose channels are all drawn, on one sheet.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Picture to write. Default: dream-UNIT.png here."),
    ] = None,
    zoom: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Draw each pixel of a single picture as NxN. Default: as large as fits into {_SIDE} pixels.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Size of the picture that is dreamed of. Default: the network's input, or little more than the unit "
            "sees.",
        ),
    ] = None,
    steps: Annotated[int, _ascent(min=1, metavar="N", help="Steps of gradient ascent.")] = _DEFAULT.steps,
    rate: Annotated[float, _ascent(min=0, metavar="X", help="Size of a step, in standard deviations.")] = _DEFAULT.rate,
    decay: Annotated[
        float, _ascent(min=0, max=1, metavar="X", help="Share by which each step draws pixels to the mean (L2 decay).")
    ] = _DEFAULT.decay,
    blur: Annotated[
        float, _ascent(min=0, metavar="SIGMA", help="Gaussian blur of every fourth step, in pixels.")
    ] = _DEFAULT.blur,
    jitter: Annotated[
        float, _ascent(min=0, max=0.5, metavar="X", help="Largest shift before a step, as a share of the picture.")
    ] = _DEFAULT.jitter,
    seed: Annotated[int, _ascent(min=0, metavar="N", help="Seed of the noise at the beginning.")] = _DEFAULT.seed,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw what a filter or a class answers to most: gradient ascent from noise.

    Name a unit, a class or a whole layer; layers are those of `predict --features`. Prints, for each unit, what it puts
    out for the noise at the beginning and for the picture; for a class that is its score before softmax. The same seed
    gives the same picture.
    """
    from cnncli.cli.files.terminal import counting
    from cnncli.models import dreaming
    from cnncli.models.opening import load_trainable
    from cnncli.training.configuration import parse_size

    given = [word for word in (unit, class_name, layer) if word is not None]
    if len(given) != 1:
        raise ArgumentError("name one of --unit LAYER:CHANNEL, --class NAME and --layer LAYER")
    if unit is not None and ":" not in unit:
        raise ArgumentError(f"--unit {unit}: name a channel, such as {unit}:0, or draw them all with --layer {unit}")
    if layer is not None and zoom is not None:
        raise ArgumentError("--zoom is for a single picture: a sheet has a scale of its own")
    target = output if output is not None else f"dream-{safe_name(given[0].replace(':', '-'))}.png"
    _check(target, force=force)
    said = DreamOptions(None if size is None else parse_size(size), steps, seed, rate, decay, blur, jitter)
    with counting(hidden=quiet or as_json) as progress:
        dreams = dreaming.dream(
            load_trainable(model, about.told()).on(str(engine), str(device)),
            unit if layer is None else layer,
            class_name=class_name,
            progress=progress,
            **{name: getattr(said, name) for name in said.fields},
        )
    if layer is None:
        pixels = dreams[0].enlarged(zoom or max(1, _SIDE // max(dreams[0].picture.shape[:2])))
    else:
        pixels = dreaming.draw_dreams(dreams, f"{layer} of {model}")
    _write(target, pixels, force=force)
    _tell(dreams, model, target, said, as_json=as_json, quiet=quiet)


def _check(target: str, *, force: bool) -> None:
    """Refuse an output that cannot be written, before any work."""
    from cnncli.pipelines.common import check_coloured

    check_coloured(target)
    folder = os.path.dirname(target)
    if folder and not os.path.isdir(folder):
        raise ArgumentError(f"{folder}: no such folder: make it first")
    check_output(target, force=force)


def _write(target: str, pixels: "Array", *, force: bool) -> None:
    """Write a picture, whole or not at all."""
    from cnncli.errors import ImageError
    from cnncli.files.temporary import open_whole
    from cnncli.images.formats import find_format
    from cnncli.images.writing import write_image

    with open_whole(target, ImageError, replace=force) as file:
        write_image(file, pixels, format=find_format(target).name)


def _tell(
    dreams: "Sequence[Dream]", model: str, target: str, said: DreamOptions, *, as_json: bool, quiet: bool
) -> None:
    """Print what was dreamed of."""
    if as_json:
        units = [{"unit": one.unit, "before": one.before, "after": one.after, "dead": one.is_dead} for one in dreams]
        height, width = dreams[0].picture.shape[:2]
        about = {"steps": said.steps, "seed": said.seed}
        print(json_text({"model": model, "output": target, "height": height, "width": width, **about, "units": units}))
        return
    for one in () if quiet else dreams:
        dead = "\tdead" if one.is_dead else ""
        print(f"{printable(one.unit)}\t{one.before:.4f}\t{one.after:.4f}{dead}")
    if not quiet:
        print(printable(f"{model} -> {target}"), file=sys.stderr)
