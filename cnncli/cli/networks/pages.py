"""Networks of a command line: their words read, their pages printed in every format, for `shape` and `params`."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from cnncli.cli.networks.counted import Counted, facts, footer
from cnncli.cli.networks.layers import csv_table, layer_table, notation_table, sharing_facts, sharing_table
from cnncli.cli.networks.tables import FORMATS, Table, encodable, render
from cnncli.errors import ArgumentError
from cnncli.files.text import json_text
from cnncli.networks.loading import is_name, load_network, zoo_names
from cnncli.networks.summary import Summary
from cnncli.networks.words import read_input
from cnncli.shapes import Shape


def check_format(name: str, as_json: bool = False) -> str:
    """Return the name of a format.

    Raises:
        ArgumentError: it is not one of `FORMATS`.
    """
    if as_json and name not in ("table", "json"):
        raise ArgumentError(f"--json and --format {name} contradict each other: give one of them")
    if name not in FORMATS:
        raise ArgumentError(f"--format must be one of {', '.join(FORMATS)}, got {name!r}")
    return "json" if as_json else name


def say_omissions(summaries: Sequence[Summary], total: str | None = None) -> None:
    """Print a line on standard error for each thing that totals, or one of them, leave out, and why."""
    for summary in summaries:
        for omission in summary.omissions:
            if total is None or total in omission.totals:
                print(f"cnncli: {summary.name}: {omission}", file=sys.stderr)


def print_totals(counted: Sequence[Counted], name: str, as_json: bool) -> None:
    """Print a sum of each network alone.

    Raises:
        Exit: with 1, where a sum leaves something out.
    """
    say_omissions([one.summary for one in counted], name)
    for one in counted:
        total = one.total(name)
        unknown = "null" if as_json else f"at least {one.at_least(name)}"
        print(unknown if total is None else total)
    if any(name in one.summary.unknown for one in counted):
        raise typer.Exit(1)


def show(
    networks: Sequence[Counted],
    columns: Sequence[str],
    format_name: str,
    *,
    working: Callable[[Counted], list[str]] | None = None,
    notation: bool = False,
    sharing: bool = False,
    batch_size: int = 1,
) -> None:
    """Print networks, and on standard error the omissions of their totals.

    Args:
        networks: the networks.
        columns: the columns of the table of layers.
        format_name: one of `FORMATS`.
        working: returns the lines that show a network's arithmetic, if it is wanted.
        notation: add the course's table.
        sharing: add what convolutions save.
        batch_size: examples at a time, for the memory.
    """

    def document(counted: Counted) -> dict[str, Any]:
        rows = counted.summary.rows
        found = facts(counted, batch_size)
        if notation:
            found["notation"] = [{"name": row.name} | row.filter._asdict() for row in rows if row.filter]
        if sharing:
            found["sharing"] = sharing_facts(counted.summary)
        return found | ({"working": working(counted)} if working else {})

    def tables(counted: Counted) -> list[Table]:
        drawn = format_name == "table"
        more = [notation_table(counted, drawn)] if notation else []
        more += [sharing_table(counted.summary)] if sharing else []
        if format_name == "csv":
            return more[:1] or [csv_table(counted)]
        notes = [*(working(counted) if working else []), *footer(counted, batch_size)]
        return [layer_table(counted, columns, drawn, notes), *more]

    say_omissions([counted.summary for counted in networks])
    if format_name == "json":
        documents = [*map(document, networks)]
        print(json_text(documents[0] if len(documents) == 1 else documents))
    else:
        show_tables([table for counted in networks for table in tables(counted)], format_name)


def show_tables(tables: Sequence[Table], format_name: str) -> None:
    """Print tables in their full width, or on a terminal in its width."""
    print(encodable(render(tables, format_name, terminal_width()), sys.stdout.encoding))


def terminal_width() -> int | None:
    """Return the characters of a terminal's line, or None if standard output is not a terminal."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def read_networks(words: Sequence[str], input_text: str | None = None, *, shapes: bool = True) -> list[Summary]:
    """Return the summaries of the networks that words name or describe.

    Args:
        words: names of the zoo, files, and texts, whose words may come one by one.
        input_text: `HxWxC`, the input of all of them, or sizes of any number, for model files.
        shapes: whether shapes are needed; without them a model file's input may stay open.

    Raises:
        ArgumentError: no network, one that is not known, or a text that cannot be read.
        CnncliError: a model file that cannot be read.
    """
    if not words:
        raise ArgumentError("no network: give a name (cnncli params --list lists them), a file, or an input and layers")
    input_shape = None if input_text is None else read_input(input_text) or _sizes(input_text)
    if input_text is not None and input_shape is None:
        raise ArgumentError(
            f"--input must be height x width x channels, such as 224x224x3 (for a model file any sizes, such as 16000 "
            f"or 8x112x112x3), got {input_text!r}"
        )
    return [_summary(group, input_shape, shapes) for group in split_networks(words)]


def _sizes(text: str) -> Shape | None:
    """Return sizes such as 16000 or 8x112x112x3, the channels last."""
    parts = text.lower().split("x")
    plain = len(parts) <= 8 and all(part.isascii() and part.isdecimal() and len(part) < 13 for part in parts)
    return tuple(map(int, parts)) if plain and all(map(int, parts)) else None


def split_networks(words: Sequence[str]) -> list[list[str]]:
    """Return the words of each network: a name, a file and an input begin one.

    Example:
        >>> split_networks(["vgg16", "6x6x3", "conv3-10", "relu", "lenet5"])
        [['vgg16'], ['6x6x3', 'conv3-10', 'relu'], ['lenet5']]
    """
    names = set(zoo_names())
    groups: list[list[str]] = []
    whole = True  # whether the last network takes no more words
    for word in words:
        alone = word in names or _is_file(word)
        if alone or whole or _begins_with_input(word):
            groups.append([])
        groups[-1].append(word)
        whole = alone
    return groups


def _begins_with_input(word: str) -> bool:
    first = word.split(maxsplit=1)[:1]
    return bool(first) and read_input(first[0]) is not None


def _is_file(word: str) -> bool:
    return word.lower().endswith(".toml") or _has_weights(word) or _is_model(word)


def _has_weights(word: str) -> bool:
    """Return whether a word is a network of the zoo and a file of weights for it."""
    name, equals, file = word.partition("=")
    return bool(equals and file) and (is_name(name) or os.path.isfile(file)) and not os.path.lexists(word)


def _weighed(word: str, input_shape: Shape | None) -> Summary:
    """Return the summary of a network with weights, which are checked and tell the number of classes."""
    from cnncli.models.opening import load_trainable
    from cnncli.models.told import Told

    size = None if input_shape is None or len(input_shape) != 3 else (input_shape[0], input_shape[1])
    model = load_trainable(word, Told(size=size))
    summary = model.network.summary()
    return summary._replace(notes=(*summary.notes, f"{model.origin or word}: every array has its place"))


def _is_model(word: str) -> bool:
    """Return whether a word is a model file by its ending, or a folder, such as that of a run."""
    if "\0" not in word and os.path.isdir(word) and word not in zoo_names():
        return True
    ending = word.rpartition(".")[2]
    if ending == word or ending.isdecimal():  # as in lrn's 0.75, for which the formats need not be loaded
        return False
    from cnncli.formats import is_model_file

    return is_model_file(word)


def _summary(words: list[str], input_shape: Shape | None, shapes: bool) -> Summary:
    if _has_weights(words[0]):
        return _weighed(words[0], input_shape)
    if _is_model(words[0]):
        from cnncli.formats import read_model

        return read_model(words[0], input_shape=input_shape, shapes=shapes)
    network = load_network(words, input_shape=input_shape)
    summary = network.summary()
    return summary if summary.name else summary._replace(name=str(network))
