"""Printing networks in every format, for `shape` and `params`."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from cnncli.cli.networks.counted import Counted, facts, footer
from cnncli.cli.networks.layer_tables import csv_table, layer_table, notation_table, sharing_facts, sharing_table
from cnncli.cli.networks.tables import FORMATS, Table, encodable, render
from cnncli.errors import ArgumentError
from cnncli.files.text import json_text
from cnncli.networks.summary import Omission, Summary
from cnncli.values import Value


class Look(Value):
    """The parts of a network's page that are wanted.

    Attributes:
        columns: the columns of the table of layers.
        working: lines that show a network's arithmetic, where it is asked for.
        notation: add the course's table.
        sharing: add what convolutions save.
        batch_size: examples at a time, for the memory.
    """

    columns: Sequence[str]
    working: Callable[[Summary], list[str]] | None = None
    notation: bool = False
    sharing: bool = False
    batch_size: int = 1


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


def say_omissions(summaries: Sequence[Summary]) -> None:
    """Print a line on standard error for each thing that totals leave out, and why."""
    for summary in summaries:
        for omission in summary.omissions:
            print(f"cnncli: {summary.name}: {omission}", file=sys.stderr)


def print_totals(counted: Sequence[Counted], name: str, as_json: bool) -> None:
    """Print a sum of each network alone.

    Raises:
        Exit: with 1, where a sum leaves something out.
    """
    say_omissions([one.summary._replace(omissions=_about(one.summary, name)) for one in counted])
    for one in counted:
        total = one.total(name)
        unknown = "null" if as_json else f"at least {one.at_least(name)}"
        print(unknown if total is None else total)
    if any(name in one.summary.unknown for one in counted):
        raise typer.Exit(1)


def _about(summary: Summary, name: str) -> tuple[Omission, ...]:
    return tuple(omission for omission in summary.omissions if name in omission.totals)


def show(counted: Sequence[Counted], look: Look, format_name: str) -> None:
    """Print networks, and on standard error what their totals leave out."""
    say_omissions([one.summary for one in counted])
    if format_name == "json":
        documents = [_document(one, look) for one in counted]
        print(json_text(documents[0] if len(documents) == 1 else documents))
    else:
        show_tables([table for one in counted for table in _tables(one, look, format_name)], format_name)


def show_tables(tables: Sequence[Table], format_name: str) -> None:
    """Print tables as wide as they are, or on a terminal as wide as it is."""
    print(encodable(render(tables, format_name, terminal_width()), sys.stdout.encoding))


def terminal_width() -> int | None:
    """Return the characters of a terminal's line, or None if standard output is not a terminal."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _document(counted: Counted, look: Look) -> dict[str, Any]:
    document = facts(counted, look.batch_size)
    if look.notation:
        rows = counted.summary.rows
        document["notation"] = [{"name": row.name} | row.filter._asdict() for row in rows if row.filter]
        for entry in document["notation"]:
            del entry["transposed"]  # the operation says so
    if look.sharing:
        document["sharing"] = sharing_facts(counted.summary)
    if look.working:
        document["working"] = look.working(counted.summary)
    return document


def _tables(counted: Counted, look: Look, format_name: str) -> list[Table]:
    drawn = format_name == "table"
    more = [
        *([notation_table(counted, drawn)] if look.notation else []),
        *([sharing_table(counted.summary)] if look.sharing else []),
    ]
    if format_name == "csv":
        return more[:1] or [csv_table(counted)]
    notes = [*(look.working(counted.summary) if look.working else []), *footer(counted, look.batch_size)]
    return [layer_table(counted, look.columns, drawn, notes), *more]
