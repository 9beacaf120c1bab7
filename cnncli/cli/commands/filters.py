"""`cnncli filters`: filter words, and their kernels."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.choices import DIRECTIONS
from cnncli.cli.completion import complete_filters
from cnncli.cli.networks import options
from cnncli.cli.options import choice
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable

if TYPE_CHECKING:
    from cnncli.arrays import Array
    from cnncli.cli.filter_pages import Kernels

EXAMPLES = """Examples:

cnncli filters

cnncli filters gaussian:2

cnncli filters sobel -d horizontal > kernel.txt

cnncli edge photo.jpg -k "$(cnncli filters laplacian)"

cnncli filters 'gaussian:1.4 laplacian' -o kernel.png --response response.png
"""


_Direction: Any = choice("KernelDirection", DIRECTIONS[:2])


def filters(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORDS...",
            autocompletion=complete_filters,
            help="A filter as edge -f takes it, or several in a row. Default: list all filters.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option("--kernel", "-k", metavar="K", help="Kernel of your own, for which the word kernel stands."),
    ] = None,
    direction: Annotated[
        _Direction | None,
        typer.Option("--direction", "-d", help="Kernel of a filter that has two. Default: vertical."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write the kernel: as a picture (.png, ...), or as numbers (.txt, .csv, .json, .npy).",
        ),
    ] = None,
    response: Annotated[
        str | None, typer.Option("--response", metavar="PATH", help="Write a picture of the frequency response.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    format_name: options.TableFormat = "table",
    as_json: options.TableJson = False,
) -> None:
    """List the filters, or print the kernel of one, as text that edge -k takes.

    A chain of kernels is one kernel, which is printed. Of a filter with two kernels the vertical one is taken unless -d
    chooses, and the other is printed as a comment.
    """
    from cnncli.cli.filter_pages import Kernels, how_facts, how_lines
    from cnncli.cli.networks.pages import check_format

    format_name = check_format(format_name, as_json)
    files = {"-o": output, "--response": response}
    if not words and kernel is None:
        _list(format_name, files | {"-d": direction})
        return
    from cnncli.filters.chains import load_chains

    if format_name not in ("table", "json"):
        raise ArgumentError(f"--format {format_name} applies to the list: a kernel is printed as text or JSON")
    chains = load_chains([" ".join(words)] if words else [], kernel, direction)
    if len(chains) > 1 and not words:
        raise ArgumentError(
            f"{kernel} is a bank of {len(chains)} filters: choose one, {kernel}[0] to {kernel}[{len(chains) - 1}]"
        )
    if len(chains) > 1:
        raise ArgumentError("-k gives the word kernel its meaning: put it among the words, or leave them out")
    (chain,) = chains
    if lines := [] if any(files.values()) else how_lines(chain):
        print(json_text(how_facts(chain)) if format_name == "json" else "\n".join(lines))
        return
    found = Kernels.of(chain, direction)
    if not any(files.values()):
        print(json_text(found.facts()) if format_name == "json" else "\n".join(found.lines()))
    if len(found.kernels) > 1 and format_name != "json":
        note = f"cnncli: {found.words} has two kernels, of which this is the vertical one: choose with -d"
        print(printable(note), file=sys.stderr)
    _write(found, output, response, force=force)


def _list(format_name: str, others: dict[str, str | None]) -> None:
    """Print all filters."""
    from cnncli.cli.filter_pages import words_facts, words_table
    from cnncli.cli.networks.pages import show_tables, terminal_width

    if given := [name for name, value in others.items() if value is not None]:
        raise ArgumentError(f"{given[0]} applies to one filter: name it")
    if format_name == "json":
        print(json_text(words_facts()))
    else:
        show_tables([words_table(terminal_width() if format_name == "table" else None)], format_name)


def _write(found: "Kernels", output: str | None, response: str | None, *, force: bool) -> None:
    """Write a kernel, as numbers or as a picture, and a picture of its frequency response."""
    from cnncli.filters.kernel_files import KERNEL_SUFFIXES, save_kernel
    from cnncli.filters.kernel_pictures import draw_frequency_response, kernel_picture

    kernel = found.kernels[0]
    writers: dict[str, Callable[[str], None]] = {}
    if response is not None:
        _check_picture(response)
        drawn = draw_frequency_response(kernel, found.title)
        writers[response] = lambda path: _save(path, drawn.pixels(), replace=force)
    if output in writers:
        raise ArgumentError(f"{output}: -o and --response name the same file: name two")
    if output is not None and output.lower().endswith(KERNEL_SUFFIXES):
        writers[output] = lambda path: save_kernel(path, kernel, replace=force)
    elif output is not None:
        _check_picture(output)
        writers[output] = lambda path: _save(path, kernel_picture(kernel), replace=force)
    for path in writers:
        check_output(path, force=force)
    for path, write in writers.items():
        write(path)
        print(printable(f"{found.words} -> {path}"), file=sys.stderr)


def _check_picture(path: str) -> None:
    """Refuse a file that cannot be a picture."""
    from cnncli.images.formats import find_format
    from cnncli.pipelines.common import check_format

    if find_format(check_format(path)).numeric:
        raise ArgumentError(f"{path}: it holds numbers, and this is a picture: write .png or another picture")


def _save(path: str, pixels: "Array", *, replace: bool) -> None:
    """Write a picture, whole or not at all."""
    from cnncli.errors import ImageError
    from cnncli.files.temporary import open_whole
    from cnncli.images.formats import find_format
    from cnncli.images.writing import write_image

    with open_whole(path, ImageError, replace=replace) as file:
        write_image(file, pixels, format=find_format(path).name)
