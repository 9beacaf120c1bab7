"""`cnncli learn`: learn a kernel from an image and its target response."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import options
from cnncli.cli.options import parse_number, parse_pair, parsed, pixel_limit
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable

if TYPE_CHECKING:
    from cnncli.training.learning import LearnedKernel

EXAMPLES = """Examples:

cnncli edge photo.jpg -f sobel -d vertical -o target.npy

cnncli learn photo.jpg target.npy -f 3 -o kernel.txt

cnncli edge photo.jpg -k kernel.txt -o again.npy
"""

_DESCENT = "Gradient descent"


def learn(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A picture, .npy or matrix as text.")],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="What the filter shall make of it: exact numbers (.npy), or a picture."),
    ],
    kernel_size: Annotated[
        str,
        typer.Option(
            "--kernel-size",
            "-f",
            metavar="F",
            callback=parsed(parse_pair),
            help="Size of the filter: 3, or height,width.",
        ),
    ] = "3",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Save the kernel for `edge -k`: .txt .csv .json .npy."),
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: options.PaddingModeOption = "reflect",
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="The target is a mathematical convolution: `edge --flip`.")
    ] = False,
    color: Annotated[
        str, typer.Option(metavar="gray|volume", help="gray (luma), or volume: a kernel with weights for each channel.")
    ] = "gray",
    bias: Annotated[bool, typer.Option("--bias", help="Learn a number that is added to the response, too.")] = False,
    optimizer: Annotated[
        str, typer.Option(metavar="NAME", help=f"{', '.join(OPTIMIZERS)}.", rich_help_panel=_DESCENT)
    ] = "momentum",
    lr: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            callback=parsed(parse_number),
            help="Learning rate. Default: the best for this image, where known.",
            rich_help_panel=_DESCENT,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most steps that are taken.", rich_help_panel=_DESCENT)
    ] = 100_000,
    max_pixels: options.MaxPixels = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn a filter from an image and what the filter shall make of it, by gradient descent.

    The course's w1 ... w9: the answer is printed beside the exact one, least squares.
    """
    given = locals()
    if color not in ("gray", "volume"):
        raise ArgumentError(f"--color must be gray or volume, got {color}: one kernel is learnt")
    if output is not None:
        _check_output(output, force, (image, target))
    from cnncli.cli.training.learning import lines
    from cnncli.filters.kernel_files import save_kernel
    from cnncli.training.learning import learn_kernel

    limit = pixel_limit(max_pixels)
    given |= {"image": _read(image, gray=color == "gray", **limit), "target": _read_target(target, **limit)}
    learned = learn_kernel(**{name: given[name] for name in inspect.signature(learn_kernel).parameters})
    if output is not None:
        save_kernel(output, learned.kernel, replace=force)
    if as_json:
        print(json_text({"input": image, "target": target, "output": output} | learned.facts()))
    elif not quiet:
        print(*lines(learned), *map(printable, _saved(output, learned)), sep="\n")


def _check_output(output: str, force: bool, inputs: tuple[str, ...]) -> None:
    import os

    from cnncli.filters.kernel_files import check_kernel_path

    check_kernel_path(output)
    check_output(output, force=force, inputs=inputs)
    folder = os.path.dirname(output)
    if folder and not os.path.isdir(folder):
        raise ArgumentError(f"{folder}: no such folder")


def _read(path: str, *, gray: bool, **limit: Any) -> Any:
    """Return the pixels of a file as `edge` would filter them."""
    from cnncli.images import open_image
    from cnncli.pipelines.common import open_stream, read_source, visible

    with open_image(open_stream(read_source(path)), gray=gray, **limit) as opened:
        rows = visible(next(opened.frames()))
        return rows.rows(0, rows.shape[0])


def _read_target(path: str, **limit: Any) -> Any:
    """Return the numbers of a target: a picture in colour as luma, an array as it is."""
    pixels = _read(path, gray=False, **limit)
    is_picture = pixels.ndim == 3 and pixels.dtype.kind == "u"
    return _read(path, gray=True, **limit) if is_picture else pixels


def _saved(output: str | None, learned: "LearnedKernel") -> list[str]:
    if output is None:
        return []
    bias = f" --bias {learned.bias!r}" if learned.bias else ""
    return ["", f"saved to {output}: cnncli edge IMAGE -k {output}{bias}"]
