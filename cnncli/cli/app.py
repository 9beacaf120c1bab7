"""The application: its commands, and one line for every error."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cnncli.choices import did_you_mean, nearest
from cnncli.errors import ArgumentError, CnncliError, NoInputError, shortage
from cnncli.files.text import printable

COMMANDS = (
    "edge",
    "pool",
    "filters",
    "shape",
    "params",
    "draw",
    "forward",
    "animate",
    "train",
    "experiment",
    "predict",
    "detect",
    "why",
    "dream",
    "evaluate",
    "export",
    "learn",
    "style",
    "boxes",
)
"""The commands: each is the function of that name in the module of that name in `commands`.

`TOLD` of a module is what else Typer is told. A module with `SUBCOMMANDS` makes a group: those functions are its
commands, and the function of its name says what they have in common."""

EXIT_CODES: dict[type[CnncliError], int] = {ArgumentError: 2, NoInputError: 3, CnncliError: 1}
"""The exit code of each kind of error; the first that fits."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error that the user can cause as one line on stderr, and leave with its exit code."""
    try:
        yield
    except typer.TyperException as error:
        _print_error(_message(error))
        raise typer.Exit(2) from error
    except CnncliError as error:
        _print_error(str(error))
        if place := getattr(error, "pointed", ""):  # the text of a network, and carets below what is wrong in it
            print(place, file=sys.stderr)
        raise typer.Exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))) from error
    except BrokenPipeError:  # the reader has left: Typer ends quietly
        raise
    except Exception as error:
        if words := shortage(error):
            _print_error(f"this {words}")
        elif isinstance(error, OSError):  # such as a full disk behind standard output
            _print_error(f"{error.filename or 'standard output'}: {error.strerror or error}")
        else:
            raise
        raise typer.Exit(1) from error


_KINDS = {"int": "an integer", "float": "a number"}


def _message(error: Any) -> str:
    """Return one line on wrong usage, with the nearest option instead of all similar ones."""
    meant = nearest(str(getattr(error, "option_name", "")), getattr(error, "possibilities", None) or (), cutoff=0)
    message = f"{error.message}: did you mean {meant}?" if meant else error.format_message()
    # Typer names the types of Python.
    message = re.sub(r"is not a valid (int|float)( range)?\.$", lambda kind: f"is not {_KINDS[kind[1]]}", message)
    return " ".join(message.split())


def _unknown(command: str, ctx: Any) -> None:
    """Refuse an unknown command with the nearest one; say nothing to a shell that completes it."""
    if ctx is None or ctx.resilient_parsing:
        return
    raise ArgumentError(f"no such command {command!r}: {did_you_mean(command, COMMANDS)}")


def _print_error(message: str) -> None:
    print(f"cnncli: {printable(message)}", file=sys.stderr)


class Group(TyperGroup):
    """The group of commands: each is loaded when it is asked for, and its errors are one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, whose module is imported when it is first asked for."""
        if cmd_name not in COMMANDS:
            return _unknown(cmd_name, ctx)
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands[cmd_name]

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with one_line_errors():
            return super().invoke(ctx)


def _load(name: str) -> Any:
    """Return the command, or the group of commands, in the module of a name."""
    module = import_module(f"cnncli.cli.commands.{name}")
    command, subcommands = getattr(module, name), getattr(module, "SUBCOMMANDS", {})
    loaded = typer.Typer(name=name, add_completion=False, context_settings=_CONTEXT)
    declare = partial(loaded.callback, invoke_without_command=True) if subcommands else partial(loaded.command, name)
    told = getattr(module, "TOLD", {})
    declare(help=_unwrapped(command.__doc__), epilog=module.EXAMPLES, **told)(command)
    for part, told in subcommands.items():
        loaded.command(help=_unwrapped(part.__doc__), **told)(part)
    return typer.main.get_command(loaded)


def _unwrapped(docstring: str) -> str:
    """Return a docstring with each paragraph on one line: Typer would keep the ends of lines after the first."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


_CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(cls=Group, name="cnncli", context_settings=_CONTEXT, pretty_exceptions_enable=False)


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
    """Convolution from the shell: filter and pool images, compute output sizes, count parameters, train networks."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)
