"""Names of classes in YOLO's files: a line each, or `names` of a YAML file.

Of YAML, what such files hold is read: `names` as a list or a mapping of numbers, in lines or in brackets, its names
plain or in quotes. Anything else is refused.
"""

import json
import re
from collections.abc import Sequence

from cnncli.data.boxes.texts import read_text
from cnncli.errors import DataError

_NAMES = re.compile(r"^names[ \t]*:[ \t]*(.*)", re.MULTILINE)
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\""""
_PLAIN = r"[^\s,\[\]{}'\"#&*!|>%@`]"  # what a name without quotes begins with
_ITEM = re.compile(rf"\s*(?:(\d+)\s*:\s+)?({_QUOTED}|{_PLAIN}[^,\[\]{{}}#\n]*?)\s*(?:,|(?=[\]}}]))")
_LINE = re.compile(rf"(?:-|(\d+)[ \t]*:)[ \t]+({_QUOTED}|{_PLAIN}.*?)[ \t]*(?:[ \t]#.*)?$")


def read_names(path: str) -> dict[int, str]:
    """Return the names in a file by their numbers.

    Raises:
        DataError: it is of another form.
    """
    text = read_text(path)
    if not path.lower().endswith((".yaml", ".yml")):
        lines = text.rstrip().splitlines()
        return {index: line.strip() for index, line in enumerate(lines)}
    try:
        return parse_names(text)
    except ValueError as error:
        raise DataError(f"{path}: the names of classes cannot be read: {error}") from error


def parse_names(text: str) -> dict[int, str]:
    r"""Return the names in a YAML text by their numbers.

    Raises:
        ValueError: they are of another form.

    Example:
        >>> parse_names("nc: 2\nnames: [cat, 'a dog']"), parse_names("names:\n  0: cat\n  3: dog # or wolf")
        ({0: 'cat', 1: 'a dog'}, {0: 'cat', 3: 'dog'})
    """
    found = _NAMES.search(text)
    if found is None:
        raise ValueError("there is no line that begins with names:")
    first, rest = found[1].strip(), text[found.end() :]
    if first[:1] in ("[", "{"):
        items = _in_brackets(text[found.start(1) :])
    elif not first or first.startswith("#"):
        items = _in_lines(rest)
    else:
        raise ValueError(f"they should be a list or a mapping, found {first[:40]!r}")
    return {place if index is None else index: name for place, (index, name) in enumerate(items)}


def names_text(names: Sequence[str]) -> str:
    """Return the lines of a YAML file that name classes."""
    return "names:\n" + "".join(f"  {index}: {json.dumps(name)}\n" for index, name in enumerate(names))


def _in_brackets(text: str) -> list[tuple[int | None, str]]:
    closing = {"[": "]", "{": "}"}[text[0]]
    items, place = [], 1
    end = re.compile(rf"\s*\{closing}")
    while not end.match(text, place):
        item = _ITEM.match(text, place)
        if item is None or (item[1] is None) != (text[0] == "["):
            raise ValueError(f"a name was expected at {text[place : place + 40].strip()!r}")
        items.append((None if item[1] is None else int(item[1]), _unquoted(item[2])))
        place = item.end()
    return items


def _in_lines(text: str) -> list[tuple[int | None, str]]:
    items: list[tuple[int | None, str]] = []
    for line in text.splitlines():
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        item = _LINE.match(written)
        if item is None:
            if line[0].isspace() or written.startswith("-"):
                raise ValueError(f"a name was expected at {written[:40]!r}")
            break  # the next key
        items.append((None if item[1] is None else int(item[1]), _unquoted(item[2])))
    return items


def _unquoted(name: str) -> str:
    if name.startswith('"'):
        return str(json.loads(name))
    return name[1:-1].replace("''", "'") if name.startswith("'") else name.strip()
