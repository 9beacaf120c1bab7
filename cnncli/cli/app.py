"""The application: its commands, and one line for every error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cnncli.cli import edge, pool
from cnncli.errors import ArgumentError, CnncliError, NoInputError

EXIT_CODES: dict[type[CnncliError], int] = {ArgumentError: 2, NoInputError: 3, CnncliError: 1}
"""The exit code of each kind of error; the first that fits."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error that the user can cause as one line on stderr, and leave with its exit code."""
    try:
        yield
    except typer.TyperException as error:
        _print_error(error.format_message())
        raise typer.Exit(2) from error
    except CnncliError as error:
        _print_error(str(error))
        raise typer.Exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))) from error


def _print_error(message: str) -> None:
    print(f"cnncli: {' '.join(message.split())}", file=sys.stderr)


class Group(TyperGroup):
    """The group of commands, with errors in one line."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options in front of the command."""
        with one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with one_line_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Group,
    name="cnncli",
    help="Convolution from the shell: filter and pool images, exactly.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("edge", epilog=edge.EXAMPLES)(edge.edge)
app.command("pool", epilog=pool.EXAMPLES)(pool.pool)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"cnncli {version('cnncli')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line."""
    # Threads of ours work on several files at once; a BLAS with threads of its own would fight them, and starts slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app()
