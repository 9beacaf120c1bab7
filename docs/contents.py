"""Tables that lead into the pages: the commands on the front page, and the contents of a long page."""

import re
import sys
from importlib import import_module
from pathlib import Path

from cnncli.cli.app import COMMANDS

DOCS = Path(__file__).parent


def commands() -> str:
    """Return the table of all commands, in the order of `cnncli --help`: each with its section, and what it does."""
    sections: dict[str, str] = {}
    for page in sorted(DOCS.glob("*.md")):
        for _, heading in _headings(page):
            if command := re.match(r"`cnncli (\w+)`", heading):
                sections.setdefault(command[1], f"docs/{page.name}#{_anchor(heading)}")
    rows = [f"| [`{name}`]({sections[name]}) | {_first_sentence(name)} |" for name in COMMANDS]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def contents() -> str:
    """Return the sections of the page that cog works on, as a list of links."""
    lines: list[str] = []
    for level, heading in _headings(Path(sys.modules["cog"].inFile)):
        link = f"[{heading}](#{_anchor(heading)})"
        if level == 2:
            lines.append(f"- {link}")
        else:
            lines[-1] += f"{',' if '](#' in lines[-1].partition(')')[2] else ':'} {link}"
    return "\n".join(lines)


def _headings(page: Path) -> list[tuple[int, str]]:
    """Return the level and the text of each heading below the title."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [(len(marks), heading) for marks, heading in re.findall(r"^(##+) (.*)$", text, re.MULTILINE)]


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _first_sentence(command: str) -> str:
    text: str = getattr(import_module(f"cnncli.cli.commands.{command}"), command).__doc__
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")
