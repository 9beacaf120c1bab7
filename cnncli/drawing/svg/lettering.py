"""How much room a text takes, without a font: an upper bound over the common sans-serif fonts."""

import re
from unicodedata import combining, east_asian_width

_BREAKS = re.compile(r"(?<= )|(?<=,)(?=\D)")  # not within 1,000
_WIDE, _NARROW = frozenset("mwMW@%\u2014\u2026"), frozenset("ijlftrI.,:;|!'()[]{}/\\ -")


def text_width(text: str, size: float = 13) -> float:
    """Return the width of a line of text in pixels, at least that of DejaVu Sans, Arial and Segoe UI.

    Example:
        >>> text_width("conv3-64", 10) <= 62
        True
    """
    return size * sum(map(_advance, text))


def _advance(letter: str) -> float:
    if combining(letter):
        return 0.0
    if east_asian_width(letter) in "WF":
        return 1.05
    if letter in _WIDE:
        return 1.02
    if letter in _NARROW:
        return 0.42
    return 0.72 if letter.isupper() else 0.65


def shortened(text: str, size: float, room: float) -> str:
    """Return a text cut to a width, with an ellipsis where it was cut.

    Example:
        >>> shortened("short", 13, 100), shortened("a name that is far too long", 13, 80)
        ('short', 'a name t…')
    """
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, size: float, room: float, most: int = 1_000) -> list[str]:
    """Return a text as lines of a width, broken after spaces and between words and commas, cut after `most` lines.

    Example:
        >>> wrapped("conv3-64,same,bn,relu", 12, 90)
        ['conv3-64,', 'same,bn,relu']
    """
    lines = [""]
    for part in _BREAKS.split(text):
        if lines[-1] and text_width((lines[-1] + part).rstrip(), size) > room:
            lines.append("")
        lines[-1] += part
    kept = lines if len(lines) <= most else [*lines[: most - 1], "".join(lines[most - 1 :])]
    return [shortened(line.rstrip(), size, room) for line in kept]
