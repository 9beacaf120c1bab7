"""`cnncli params`: parameters, multiply-adds and memory of networks."""

from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.networks import options
from cnncli.errors import ArgumentError
from cnncli.files.text import json_text

if TYPE_CHECKING:
    from cnncli.networks.summary import Summary

EXAMPLES = """Examples:

cnncli params vgg16

cnncli params 6x6x3 conv3-10 --total

cnncli params resnet18 plain18 --compare

cnncli params model.onnx --json

cnncli params --list
"""


def params(
    words: options.Words = None,
    listed: Annotated[bool, typer.Option("--list", help="List the networks of the zoo.")] = False,
    total: Annotated[bool, typer.Option("--total", help="Print only the number of parameters.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Show networks side by side, stage by stage.")] = False,
    sharing: Annotated[bool, typer.Option("--sharing", help="Add what weight sharing saves per convolution.")] = False,
    notation: options.Notation = False,
    convention: options.Convention = None,
    batch_size: options.BatchSize = 1,
    input_shape: options.InputShape = None,
    explain: options.Explain = False,
    format_name: options.TableFormat = "table",
    as_json: options.TableJson = False,
) -> None:
    """Count the parameters, multiply-adds and memory of networks, layer by layer."""
    from cnncli.cli.networks.pages import check_format, print_totals, read_networks, show

    format_name = check_format(format_name, as_json)
    if listed:
        _list(words or [], format_name)
        return
    from cnncli.cli.networks.counted import Counted
    from cnncli.cli.networks.layers import PARAMS_COLUMNS, params_working

    summaries = read_networks(words or [], input_shape, shapes=not total)
    if compare:
        others = {"--total": total, "--sharing": sharing, "--notation": notation, "--explain": explain}
        if given := [name for name, value in (others | {"--convention": convention}).items() if value]:
            raise ArgumentError(f"--compare and {given[0]} cannot be combined: leave one out")
        _compare(summaries, format_name)
        return
    if notation and sharing and format_name == "csv":
        raise ArgumentError("CSV holds one table: use either --notation or --sharing")
    counted = [Counted.of(summary, convention) for summary in summaries]
    if total:
        print_totals(counted, "params", as_json=format_name == "json")
        return
    working = params_working if explain else None
    show(
        counted, PARAMS_COLUMNS, format_name, working=working, notation=notation, sharing=sharing, batch_size=batch_size
    )


def _list(words: list[str], format_name: str) -> None:
    """Print the zoo."""
    from cnncli.cli.networks.overview_tables import zoo_facts, zoo_table
    from cnncli.cli.networks.pages import show_tables

    if words:
        raise ArgumentError(f"--list takes no network: leave out {words[0]!r} or --list")
    if format_name == "json":
        print(json_text(zoo_facts()))
    else:
        show_tables([zoo_table()], format_name)


def _compare(summaries: "list[Summary]", format_name: str) -> None:
    """Print networks side by side."""
    from cnncli.cli.networks.overview_tables import LATEX_WIDTH, comparison_facts, comparison_table
    from cnncli.cli.networks.pages import say_omissions, show_tables, terminal_width

    if len(summaries) < 2:
        raise ArgumentError("--compare needs at least two networks")
    say_omissions(summaries)
    if format_name == "json":
        print(json_text(comparison_facts(summaries)))
    else:
        width = {"table": terminal_width(), "latex": LATEX_WIDTH}.get(format_name)
        table = comparison_table(summaries, stacked=format_name in ("table", "latex"), width=width)
        show_tables([table], format_name)
