"""`predict --features`: the picture of what a layer makes of a picture."""

import os
import sys

from cnncli.batch.urls import is_url
from cnncli.data import Reading, read_picture
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD, check_output
from cnncli.files.text import printable
from cnncli.models.model import Model


def draw_features(
    model: Model, layer: str, paths: list[str], output: str | None, reading: Reading, *, force: bool, quiet: bool
) -> None:
    """Draw what a layer makes of one picture.

    Raises:
        ArgumentError: several pictures, an unknown layer, or an output that exists or is no PNG.
        ImageError: the picture cannot be read, or the output not be written.
    """
    if len(paths) > 1 or paths[0] == STANDARD:
        raise ArgumentError(f"--features draws one picture file at a time, got {len(paths)}: {paths[0]}, ...")
    path = paths[0]
    if is_url(path):
        raise ArgumentError(f"--features draws beside files of this machine: copy {path} here")
    target = output or f"{os.path.splitext(path)[0]}-{layer}.png"
    _check(target, path, force=force)
    found = model.features(read_picture(path, reading)[None], layer)
    from cnncli.training.pictures import draw_features as draw

    draw(found, f"{layer} of {os.path.basename(path)}").save(target, replace=force)
    if not quiet:
        print(printable(f"{path} -> {target}"), file=sys.stderr)


def _check(target: str, path: str, *, force: bool) -> None:
    if not target.lower().endswith(".png"):
        raise ArgumentError(f"{target}: --features draws a PNG file: let its name end in .png")
    check_output(target, force=force, inputs=[path])
