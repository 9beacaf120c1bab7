"""Options that commands share, and the parsing of their words."""

import math
from enum import StrEnum
from typing import Annotated, Any

import typer

from cnncli.choices import ACTIVATIONS, CHANNELS, COLORS, DIRECTIONS, PADDING_MODES, POOLING_MODES, SCALES, SIGNED
from cnncli.errors import ArgumentError


class _Word(StrEnum):
    """A word that is shown in messages as the user writes it."""

    __repr__ = str.__repr__


def choice(name: str, words: tuple[str, ...]) -> Any:
    """Return a type of option that takes one of some words."""
    make: Any = _Word
    return make(name, {word: word for word in words})


Direction = choice("Direction", DIRECTIONS)
PaddingMode = choice("PaddingMode", PADDING_MODES)
Color = choice("Color", COLORS)
Channel = choice("Channel", CHANNELS)
Activation = choice("Activation", ACTIVATIONS)
Signed = choice("Signed", SIGNED)
PoolingMode = choice("PoolingMode", POOLING_MODES)

_FILES, _BATCH = "Files", "Batches"

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUTS...",
        help="Files, quoted globs, folders (with -r), or - for standard input: pictures, .npy, matrices as text.",
        show_default=False,
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Read more inputs from a list, one a line; - reads it from standard input.",
        rich_help_panel=_FILES,
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Go through folders.", rich_help_panel=_FILES)]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="A file, a folder (that exists, or ends in /), a template with {stem} {name} {ext} {parent} {filter}, "
        "or - for standard output. Default: {stem}-{filter}.png beside the input.",
        rich_help_panel=_FILES,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="png, jpeg, tiff, webp, ..., or numbers: npy, npz, txt, csv, float-tiff. Default: the output's suffix.",
        rich_help_panel=_FILES,
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="The largest picture that is decoded, width x height; 0 for any.",
        rich_help_panel=_FILES,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, metavar="N", help="Files at a time. Default: the cores.", rich_help_panel=_BATCH
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.", rich_help_panel=_BATCH)]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out what is done already.", rich_help_panel=_BATCH)
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Do the I-th of N shares, the same on every machine.", rich_help_panel=_BATCH
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on a Dask cluster: its scheduler, such as tcp://head:8786, or local for processes of this machine.",
        rich_help_panel=_BATCH,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print what would become of each input, and do nothing.", rich_help_panel=_BATCH),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line on stdout for each output.", rich_help_panel=_BATCH)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=_BATCH)]
Show = Annotated[
    bool, typer.Option("--show", help="Show a preview of each output in the terminal.", rich_help_panel=_FILES)
]

PaddingOption = Annotated[
    str,
    typer.Option(
        "--padding",
        "-p",
        metavar="P",
        help="same, valid, pixels (1), vertical,horizontal (1,2) or top,bottom,left,right.",
    ),
]
StrideOption = Annotated[
    str, typer.Option("--stride", "-s", metavar="S", help="Pixels between positions: 2, or vertical,horizontal.")
]
DilationOption = Annotated[str, typer.Option(metavar="D", help="Pixels between the kernel's taps.")]


def parse_padding(text: str) -> str | int | tuple[int, ...]:
    """Return `same`, `valid`, or one, two or four integers separated by commas.

    Raises:
        ArgumentError: anything else.
    """
    if text in ("same", "valid"):
        return text
    try:
        numbers = parse_integers(text, "padding")
    except ArgumentError:
        numbers = ()
    if len(numbers) not in (1, 2, 4) or min(numbers) < 0:
        raise ArgumentError(f"padding must be same, valid, or 1, 2 or 4 integers from 0, got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_pair(text: str, name: str) -> int | tuple[int, ...]:
    """Return one positive integer, or two as `vertical,horizontal` or `HxW`.

    Raises:
        ArgumentError: anything else.
    """
    numbers = parse_integers(text.replace("x", ","), name)
    if len(numbers) > 2 or min(numbers) < 1:
        raise ArgumentError(f"{name} must be a positive integer or two of them (vertical,horizontal), got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_integers(text: str, name: str) -> tuple[int, ...]:
    """Return integers separated by commas.

    Raises:
        ArgumentError: a word that is none.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ArgumentError(f"{name} must be integers separated by commas, got {text!r}") from error


def parse_scale(text: str) -> str | float:
    """Return `unit`, `none` or `auto` as it is, and anything else as a number.

    Raises:
        ArgumentError: it is none.
    """
    return text if text in SCALES else _finite(text, f"scale must be {', '.join(SCALES)} or a number, got {text!r}")


def parse_number(text: str, name: str) -> float:
    """Return a finite number.

    Raises:
        ArgumentError: it is none.
    """
    return _finite(text, f"{name} must be a number, got {text!r}")


def _finite(text: str, message: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(message)
    return number
