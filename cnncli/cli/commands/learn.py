"""`cnncli learn`: learn a kernel from an image and its target response."""

import inspect
import os
from functools import partial
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.options import parse_number, parse_pair, parsed, pixel_limit
from cnncli.cli.training.options import Json, Quiet
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable

EXAMPLES = """Examples:

cnncli edge photo.jpg -f sobel -d vertical -o target.npy

cnncli learn photo.jpg target.npy -f 3 -o kernel.txt

cnncli edge photo.jpg -k kernel.txt -o again.npy
"""

_descent = partial(typer.Option, rich_help_panel="Gradient descent")


def learn(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Image, .npy array or matrix as text.")],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="Response of the filter to learn: exact numbers (.npy), or a picture."),
    ],
    kernel_size: Annotated[
        str,
        typer.Option(
            "--kernel-size", "-f", metavar="F", callback=parsed(parse_pair), help="Filter size: 3, or height,width."
        ),
    ] = "3",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the kernel, for `edge -k`: .txt .csv .json .npy."
        ),
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: options.PaddingModeOption = "reflect",
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: Annotated[bool, typer.Option("--flip", help="The target was made with `edge --flip`.")] = False,
    color: Annotated[
        str, typer.Option(metavar="gray|volume", help="gray (luma), or volume (weights for each channel).")
    ] = "gray",
    bias: Annotated[bool, typer.Option("--bias", help="Also learn a bias.")] = False,
    optimizer: Annotated[str, _descent(metavar="NAME", help=f"Optimizer: {', '.join(OPTIMIZERS)}.")] = "momentum",
    lr: Annotated[
        str | None,
        _descent(
            metavar="RATE",
            callback=parsed(parse_number),
            help="Learning rate. Default: the best for this image, if it is known.",
        ),
    ] = None,
    steps: Annotated[int, _descent(min=1, metavar="N", help="Largest number of steps.")] = 100_000,
    max_pixels: options.MaxPixels = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn a filter from an image and its target response, by gradient descent.

    These are w1 ... w9 of a course on convolution. The result is printed beside the exact solution by least squares.
    """
    given = locals()
    if color not in ("gray", "volume"):
        raise ArgumentError(f"--color must be gray or volume, got {color!r}")
    from cnncli.cli.training.results import learned_lines
    from cnncli.filters.kernel_files import check_kernel_path, save_kernel
    from cnncli.pipelines.common import read_pixels
    from cnncli.training.learning import learn_kernel

    if output is not None:
        check_kernel_path(output)
        check_output(output, force=force, inputs=(image, target))
        folder = os.path.dirname(output)
        if folder and not os.path.isdir(folder):
            raise ArgumentError(f"{folder}: no such folder: make it first")
    limit = pixel_limit(max_pixels)
    given["image"] = read_pixels(image, gray=color == "gray", **limit)
    given["target"] = read_pixels(target, **limit)
    learned = learn_kernel(**{name: given[name] for name in inspect.signature(learn_kernel).parameters})
    if output is not None:
        save_kernel(output, learned.kernel, replace=force)
    if as_json:
        print(json_text({"input": image, "target": target, "output": output} | learned.facts()))
    elif not quiet:
        print(*learned_lines(learned), sep="\n")
        if output is not None:
            bias_option = f" --bias {learned.bias!r}" if learned.bias else ""
            print(f"\n{printable(f'saved to {output}: cnncli edge IMAGE -k {output}{bias_option}')}")
