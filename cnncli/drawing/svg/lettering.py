"""The room that a text takes, without a font: an upper bound over the common sans-serif fonts."""

import re
from itertools import accumulate
from unicodedata import category, combining, east_asian_width

_BREAKS = re.compile(r"(?<= )|(?<=,)(?=\D)")  # not within 1,000
_LETTERS = {
    0.36: " ',./I\\ijl|",
    0.43: "!()-:;[]f",
    0.5: '"*`rt',
    0.56: "J_csz",
    0.66: "$0123456789?FLTaehknouvxy{}",
    0.72: "ABEKPSVXYZbdgpq",
    0.79: "CDGHNOQRU",
    0.86: "#&+<=>^w~\u00b7\u00d7\u2190\u2192\u2212\u2264\u2265",
    1.03: "%@MWm\u2014\u2026\u0153\u00e6\u0444\u0448\u0449",
    1.25: "\u0416\u0428\u0429\u042e",
}
"""Letters by the room that they take at most, in parts of the size: in DejaVu Sans and in Liberation Sans, which has
Arial's widths, and in their bold letters divided by `_BOLD`. Beside ASCII some that drawings write, and wide ones."""

_BOLD = 1.08  # how much wider bold letters are, at most

_WIDTHS = {letter: width for width, letters in _LETTERS.items() for letter in letters}


def text_width(text: str, size: float = 13, *, bold: bool = False) -> float:
    """Return the width of a line of text in pixels, at least that of DejaVu Sans and of Arial.

    Example:
        >>> text_width("conv3-64", 10) <= 62
        True
    """
    return size * (_BOLD if bold else 1) * sum(map(_advance, text))


def _advance(letter: str) -> float:
    if (known := _WIDTHS.get(letter)) is not None:
        return known
    if combining(letter):
        return 0.0
    kind = category(letter)
    if east_asian_width(letter) in "WF":
        return 1.3 if kind == "So" else 1.05  # a picture, or a letter
    return {"Ll": 0.86, "Lu": 1.03}.get(kind, 1.3)


def shortened(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """Return a text cut to a width, with an ellipsis where it was cut.

    Example:
        >>> shortened("short", 13, 100), shortened("a name that is far too long", 13, 80)
        ('short', 'a name t…')
    """
    if text_width(text, size, bold=bold) <= room:
        return text
    left = room - text_width("…", size, bold=bold) - 1e-9  # for rounding
    ends = accumulate(text_width(letter, size, bold=bold) for letter in text)
    return text[: sum(end <= left for end in ends)] + "…"


def wrapped(text: str, size: float, room: float, most: int = 1_000, *, bold: bool = False) -> list[str]:
    """Return a text as lines of a width, broken after spaces and between words and commas, cut after `most` lines.

    Example:
        >>> wrapped("conv3-64,same,bn,relu", 12, 90)
        ['conv3-64,', 'same,bn,relu']
    """
    lines = [""]
    for part in _BREAKS.split(text):
        if lines[-1] and text_width((lines[-1] + part).rstrip(), size, bold=bold) > room:
            lines.append("")
        lines[-1] += part
    kept = lines if len(lines) <= most else [*lines[: most - 1], "".join(lines[most - 1 :])]
    return [shortened(line.rstrip(), size, room, bold=bold) for line in kept]
