"""The table of commands on the front page: each with its section in the pages, and the first sentence of its help."""

import re
from importlib import import_module
from pathlib import Path

from cnncli.cli.app import COMMANDS

DOCS = Path(__file__).parent


def commands() -> str:
    """Return the table of all commands, in the order of `cnncli --help`."""
    sections = _sections()
    rows = [f"| [`{name}`]({sections[name]}) | {_first_sentence(name)} |" for name in COMMANDS]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _sections() -> dict[str, str]:
    """Return where each command's section is, as a link from the front page."""
    found: dict[str, str] = {}
    for page in sorted(DOCS.glob("*.md")):
        for heading, name in re.findall(r"^##+ (`cnncli (\w+)`.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")  # as GitHub makes it
            found.setdefault(name, f"docs/{page.name}#{anchor}")
    return found


def _first_sentence(command: str) -> str:
    text: str = getattr(import_module(f"cnncli.cli.commands.{command}"), command).__doc__
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")
