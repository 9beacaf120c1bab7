"""Options that commands share, and the parsing of their words."""

import functools
import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import partial
from inspect import Parameter
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer
from typer.core import TyperCommand

from cnncli.choices import (
    ACTIVATIONS,
    CHANNELS,
    COLORS,
    DIRECTIONS,
    PADDING_MODES,
    POOLING_MODES,
    SCALE_FORMS,
    SCALES,
    SIGNED,
    percentile,
)
from cnncli.drawing.svg.theme import Theme
from cnncli.errors import ArgumentError
from cnncli.values import Value

P = ParamSpec("P")
T = TypeVar("T")


class _Word(StrEnum):
    """A word that is shown in messages as the user writes it."""

    __repr__ = str.__repr__


def choice(name: str, words: tuple[str, ...]) -> Any:
    """Return a type of option that takes one of some words."""
    make: Any = _Word
    return make(name, {word: word for word in words})


Direction: Any = choice("Direction", DIRECTIONS)
PaddingMode: Any = choice("PaddingMode", PADDING_MODES)
Color: Any = choice("Color", COLORS)
Channel: Any = choice("Channel", CHANNELS)
Activation: Any = choice("Activation", ACTIVATIONS)
Signed: Any = choice("Signed", SIGNED)
PoolingMode: Any = choice("PoolingMode", POOLING_MODES)

ThemeOption = Annotated[Theme, typer.Option("--theme", help="Colours; auto follows the viewer's setting.")]


def fields_of(record: type[Value], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a command, by name, that are fields of a record.

    Example:
        >>> class Window(Value):
        ...     size: int
        ...     stride: int = 1
        >>> fields_of(Window, {"size": 3, "flip": True})
        {'size': 3}
    """
    return {name: given[name] for name in record.fields if name in given}


class TakesNumbers(TyperCommand):
    """A command whose arguments may begin with a minus: `-5,0,20,20` is a box, and `-1 0 1` a matrix, not an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {word}" if re.match(r"-[\d.]", word) else word for word in args])


# Options that are numbers


def parsed(parse: Callable[[str, str], Any]) -> Callable[..., Any]:
    """Return the callback of an option whose text is parsed; the parser is told the option's name for its errors.

    Not `typer.Option(parser=...)`, which throws a parser's message away.
    """

    def callback(param: typer.CallbackParam, text: Any) -> Any:
        return text if text is None else parse(text, param.opts[0])

    return callback


def parse_padding(text: str, name: str = "padding") -> str | int | tuple[int, ...]:
    """Return `same`, `valid`, or one, two or four integers separated by commas.

    Raises:
        ArgumentError: the text is anything else.
    """
    if text in ("same", "valid"):
        return text
    numbers = parse_integers(text)
    if len(numbers) not in (1, 2, 4) or min(numbers) < 0:
        raise ArgumentError(f"{name} must be same, valid, or 1, 2 or 4 integers from 0, got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_pair(text: str, name: str) -> int | tuple[int, ...]:
    """Return one positive integer, or two as `vertical,horizontal` or `HxW`.

    Raises:
        ArgumentError: the text is anything else.
    """
    numbers = parse_integers(text.replace("x", ","))
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise ArgumentError(f"{name} must be a positive integer or two of them (vertical,horizontal), got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_integers(text: str) -> tuple[int, ...]:
    """Return integers separated by commas; none where a word is not an integer."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        return ()


def parse_scale(text: str, name: str) -> str | float:
    """Return a word of `SCALES` or a percentile as it is, and anything else as a number.

    Raises:
        ArgumentError: the text is not a number either.
    """
    return text if text in SCALES or percentile(text) else parse_number(text, name, SCALE_FORMS)


def parse_number(text: str, name: str, form: str = "a number") -> float:
    """Return a finite number.

    Raises:
        ArgumentError: the text is not a finite number.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"{name} must be {form}, got {text!r}")
    return number


def parse_numbers(text: str, name: str) -> tuple[float, ...]:
    """Return finite numbers separated by commas.

    Raises:
        ArgumentError: a word is not a finite number.
    """
    return tuple(parse_number(word, name, "numbers separated by commas") for word in text.split(","))


def parse_weights(text: str, name: str) -> dict[str, float]:
    """Return words separated by commas, each with its weight behind a colon; 1 where it has none.

    Raises:
        ArgumentError: an empty word, one given twice, or a weight that is not a number.

    Example:
        >>> parse_weights("0,3.conv:0.5", "--style")
        {'0': 1.0, '3.conv': 0.5}
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        word, colon, weight = part.strip().partition(":")
        if not word or word in weights:
            raise ArgumentError(f"{name} must be layers, each once, such as 0,3:0.5, got {text!r}")
        weights[word] = parse_number(weight, f"{name} {word}") if colon else 1.0
    return weights


def parse_bytes(text: str, name: str) -> int:
    """Return a number of bytes, written as 500M, 2G, or in full.

    Raises:
        ArgumentError: the text is anything else.

    Example:
        >>> parse_bytes("500M", "--memory"), parse_bytes("1.5G", "--memory")
        (500000000, 1500000000)
    """
    form = "bytes, such as 500M or 2G"
    factor = {"K": 1e3, "M": 1e6, "G": 1e9}.get(text[-1:].upper(), 1)
    number = parse_number(text[:-1] if factor > 1 else text, name, form) * factor
    if number < 1:
        raise ArgumentError(f"{name} must be {form}, got {text!r}")
    return int(number)


PaddingOption = Annotated[
    str,
    typer.Option(
        "--padding",
        "-p",
        metavar="P",
        callback=parsed(parse_padding),
        help="same, valid, or pixels: 1, or vertical,horizontal, or top,bottom,left,right.",
    ),
]
PaddingModeOption = Annotated[PaddingMode, typer.Option(help="How pixels beyond the border are filled.")]
StrideOption = Annotated[
    str,
    typer.Option(
        "--stride",
        "-s",
        metavar="S",
        callback=parsed(parse_pair),
        help="Pixels between positions: 2, or vertical,horizontal.",
    ),
]
DilationOption = Annotated[
    str, typer.Option(metavar="D", callback=parsed(parse_pair), help="Pixels between the taps of the kernel.")
]

OnOption = Annotated[Channel | None, typer.Option(help="Keep only this channel (implies --color volume).")]
BiasOption = Annotated[
    str, typer.Option(metavar="B", callback=parsed(parse_number), help="Number to add to the response.")
]
ActivationOption = Annotated[
    Activation | None, typer.Option(help="Activation function to apply to the response, after the bias.")
]
FlipOption = Annotated[
    bool, typer.Option("--flip", help="Rotate the kernel by 180 degrees: convolution as in mathematics.")
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        "--kernel-size",
        "-f",
        metavar="F",
        callback=parsed(parse_pair),
        help="Size of the window: 2, or height,width. Default: 2.",
    ),
]
WindowStrideOption = Annotated[
    str | None,
    typer.Option(
        "--stride",
        "-s",
        metavar="S",
        callback=parsed(parse_pair),
        help="Pixels between windows. Default: the size of the window.",
    ),
]
PoolingModeOption = Annotated[PoolingMode, typer.Option(help="Value of each window.")]
CeilOption = Annotated[
    bool, typer.Option("--ceil", help="Keep partial windows at the bottom and right instead of dropping them.")
]


# Commands that work on files

_files = partial(typer.Option, rich_help_panel="Files")
_batch = partial(typer.Option, rich_help_panel="Batches")

MaxPixels = Annotated[
    int | None,
    _files(min=0, metavar="N", help="Largest image to decode, in pixels (width x height); 0 for no limit."),
]


def pixel_limit(max_pixels: int | None) -> dict[str, Any]:
    """Return `--max-pixels` as an argument: none where it was not given, None for no limit."""
    return {} if max_pixels is None else {"max_pixels": max_pixels or None}


class FileOptions(Value):
    """The options of a command on inputs, outputs and the work between them.

    Each field is an option of the command line, as its annotation declares it.
    """

    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUTS...",
            help="Images, .npy arrays or matrices as text: files, quoted globs, folders (with -r), or - for standard "
            "input.",
        ),
    ] = None
    output: Annotated[
        str | None,
        _files(
            "--output",
            "-o",
            metavar="PATH",
            help="A file; a folder, made if missing (a name without a suffix, or ending in /); a template with {stem} "
            "{name} {ext} {parent}, {filter} (with pool: the mode) and {below} (the path below a folder of -r); or - "
            "for standard output. Default: {stem}-{filter}.png beside the input (web: in the current folder).",
        ),
    ] = None
    show: Annotated[bool, _files("--show", help="Show a preview of each output in the terminal.")] = False
    format_name: Annotated[
        str | None,
        _files(
            "--format",
            metavar="NAME",
            help="Format of the outputs: png, jpeg, tiff, webp, ...; or exact numbers: npy, npz, txt, csv, "
            "float-tiff. Default: by the suffix of the output; on standard output PNG, or a matrix for a matrix.",
        ),
    ] = None
    quality: Annotated[
        int | None,
        _files(
            min=1,
            max=100,
            metavar="N",
            help="Quality of lossy outputs (jpeg, webp, avif), from 1 to 100. Default: 90; webp lossless.",
        ),
    ] = None
    cell: Annotated[
        int | None,
        _files(
            min=1,
            metavar="N",
            help="Draw each number of a matrix given as text as a square of NxN pixels. Default: 32 for up to 32x32 "
            "numbers, otherwise 1.",
        ),
    ] = None
    recursive: Annotated[bool, _files("--recursive", "-r", help="Search folders for images.")] = False
    files_from: Annotated[
        str | None,
        _files(metavar="FILE", help="Read more inputs from a list, one per line; - reads it from standard input."),
    ] = None
    files_from0: Annotated[
        str | None, _files(metavar="FILE", help="The same for a list with a NUL after each name, as of find -print0.")
    ] = None
    max_pixels: MaxPixels = None
    jobs: Annotated[
        int | None, _batch("--jobs", "-j", min=1, metavar="N", help="Files processed at a time. Default: one per core.")
    ] = None
    force: Annotated[bool, _batch("--force", help="Overwrite existing outputs.")] = False
    skip_existing: Annotated[
        bool,
        _batch(
            "--skip-existing",
            help="Skip outputs that earlier runs with this option completed (listed in .cnncli-done.jsonl); give "
            "it from the first run on.",
        ),
    ] = False
    shard: Annotated[
        str | None,
        _batch("--shard", metavar="I/N", help="Process only part I of N; the same split on every machine."),
    ] = None
    scheduler: Annotated[
        str | None,
        _batch(
            "--scheduler",
            metavar="ADDRESS",
            help="Run on a Dask cluster: the address of its scheduler, such as tcp://head:8786, or local for "
            "processes on this machine.",
        ),
    ] = None
    dry_run: Annotated[bool, _batch("--dry-run", help="Print the output planned for each input, and exit.")] = False
    as_json: Annotated[bool, _batch("--json", help="Print a JSON object for each result, one per line.")] = False
    quiet: Annotated[bool, _batch("--quiet", "-q", help="Print errors only.")] = False

    @property
    def skips(self) -> bool:
        """True if outputs that are already done are skipped."""
        return self.skip_existing and not self.force

    def pipeline_fields(self) -> dict[str, Any]:
        """Return what every pipeline is told of files: `format`, `quality`, `cell`, `max_pixels` and `statistics`."""
        from cnncli.pipelines.common import check_format

        form = None if self.format_name is None else check_format(self.format_name)
        fields = {"format": form, "quality": self.quality, "cell": self.cell, "statistics": self.as_json}
        return fields | pixel_limit(self.max_pixels)


def over_files(
    *names: str, without: Collection[str] = ()
) -> Callable[[Callable[Concatenate[FileOptions, P], None]], Callable[..., None]]:
    """Declare options of `FileOptions` for a command, in place of its first parameter, which gets their values.

    Args:
        names: the fields that the command takes; all by default.
        without: fields that it does not take.

    Example:
        >>> @over_files("inputs", "force")
        ... def count(files: FileOptions, flip: bool = False) -> None:
        ...     print(files.inputs, files.force, flip)
        >>> count(inputs=["a.png"], force=True, flip=True)
        ['a.png'] True True
        >>> [*inspect.signature(count).parameters]
        ['flip', 'inputs', 'force']
    """
    if unknown := {*names, *without} - set(FileOptions.fields):
        raise TypeError(
            f"FileOptions has no {', '.join(sorted(unknown))}; its fields are {', '.join(FileOptions.fields)}"
        )
    chosen = set(names or FileOptions.fields) - set(without)
    kinds = {name: kind for name, kind in FileOptions.__annotations__.items() if name in chosen}
    return with_options({name: (kind, FileOptions.defaults[name]) for name, kind in kinds.items()}, FileOptions)


def with_options(
    options: Mapping[str, tuple[Any, Any]], gather: Callable[..., T], *, first: bool = False
) -> Callable[[Callable[Concatenate[T, P], None]], Callable[..., None]]:
    """Declare options for a command, in place of its first parameter, which gets what is gathered of their values.

    Args:
        options: the type and the default of each, by name.
        gather: takes the values by name.
        first: whether the help lists them before the command's own.
    """

    def declare(command: Callable[Concatenate[T, P], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            said: dict[str, Any] = {name: kwargs.pop(name) for name in options if name in kwargs}
            command(gather(**said), *args, **kwargs)

        kind = Parameter.KEYWORD_ONLY
        more = [Parameter(name, kind, default=default, annotation=of) for name, (of, default) in options.items()]
        _, *own = (parameter.replace(kind=kind) for parameter in inspect.signature(command).parameters.values())
        declared: Any = run
        declared.__signature__ = inspect.Signature([*more, *own] if first else [*own, *more])  # what Typer reads
        return run

    return declare
