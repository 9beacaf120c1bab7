"""The page of every option: tables from the registry of commands, with what several commands share said once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from typer.main import get_command

from cnncli.cli.app import COMMANDS, app

SHARED = 3
"""So many commands have an option alike before it is said once for all."""


class Option(NamedTuple):
    """An option as its help shows it."""

    names: str
    takes: str
    about: str


def page() -> str:
    """Return the tables: what commands share, then each command's own options."""
    commands: dict[Option, list[str]] = defaultdict(list)
    for command, option in _options():
        commands[option].append(command)
    shared = {option: names for option, names in commands.items() if len(names) >= SHARED}
    rows = [(*_cells(option), ", ".join(f"`{name}`" for name in names)) for option, names in shared.items()]
    parts = ["## Shared by several commands", _table(("option", "what it does", "commands"), sorted(rows))]
    for name in dict.fromkeys(name for name, _ in _options()):
        own = [_cells(option) for option, names in commands.items() if name in names and option not in shared]
        if own:
            parts += [f"## Of `{name}`", _table(("option", "what it does"), own)]
    return "\n\n".join(parts)


def _options() -> Iterator[tuple[str, Option]]:
    """Yield each option with the command, or `group command`, that has it."""
    root: Any = get_command(app)
    for name in COMMANDS:
        command = root.get_command(None, name)
        for words, part in [(name, command), *((f"{name} {sub}", part) for sub, part in _parts(command))]:
            for option in part.params:
                if option.opts[0].startswith("-"):
                    names = ", ".join([*option.opts, *option.secondary_opts])
                    yield words, Option(names, _takes(option), _about(option))


def _parts(command: Any) -> list[tuple[str, Any]]:
    return list(getattr(command, "commands", {}).items())


def _about(option: Any) -> str:
    """Return the help of an option, with its default if the help does not say it."""
    about: str = (option.help or "").replace("\\[", "[")
    unsaid = option.default not in (None, False, "", ()) and not option.is_flag and "Default:" not in about
    return f"{about} Default: {option.default}." if unsaid else about


def _takes(option: Any) -> str:
    """Return the metavar of an option; nothing for a flag."""
    if option.is_flag or option.count:
        return ""
    choices = getattr(option.type, "choices", None)
    return "|".join(map(str, choices)) if choices else option.metavar or "N"


def _cells(option: Option) -> tuple[str, str]:
    return f"`{f'{option.names} {option.takes}'.strip()}`", option.about


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {line} |" for line in lines)])
