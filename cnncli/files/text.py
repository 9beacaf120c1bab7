"""Text that is safe to print: names of files and of classes may hold anything, control sequences of terminals too."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import Any

_SECRET = "sig|token|key|secret|passw|pwd|credential|auth"
_SECRETS = (
    (r"(?<=://)([^\s/?#:@'\"]*):[^\s/?#'\"]*@", r"\1:***@"),
    (r"(?i)(?<=http://|ttps://)[^\s/?#:@'\"]+@", "***@"),
    (rf"(?i)([?&;][^\s=&;#]*(?:{_SECRET})[^\s=&;#]*=)[^\s&;#'\"]*[^\s&;#'\":,]", r"\1***"),
)
"""Patterns of passwords, tokens and signatures in URLs, and their replacements; to compile them takes 0.4 ms."""


def without_secrets(text: str) -> str:
    """Return a text whose URLs show no passwords, tokens and signatures.

    Example:
        >>> without_secrets("ftp://ann:5ecret@host/a.jpg"), without_secrets("https://host/a.jpg?v=2&X-Amz-Signature=12ab")
        ('ftp://ann:***@host/a.jpg', 'https://host/a.jpg?v=2&X-Amz-Signature=***')
    """
    if "://" in text:
        for secret, shown in _SECRETS:
            text = re.sub(secret, shown, text)
    return text


def printable(text: str) -> str:
    r"""Return a text on one line, with line ends, control codes and bytes that are not UTF-8 escaped.

    URLs show no secrets.

    Example:
        >>> print(printable("two\nlines\x1b[2J"), printable("gr\udcf6\udcdfe.png"))
        two\nlines\x1b[2J gr\xf6\xdfe.png
    """
    return cleaned(without_secrets(text), _escaped)


def cleaned(text: str, instead: Callable[[str], str] = lambda _: " ") -> str:
    r"""Return a text in which every letter that cannot be printed has another in its place, by default a space.

    Example:
        >>> cleaned("two\tcells"), cleaned("two\ncells", lambda _: "?")
        ('two cells', 'two?cells')
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else instead(letter) for letter in text)


def number_text(number: float) -> str:
    """Return a number as text: an integer in all its digits, others in at most six.

    Example:
        >>> number_text(16777216), number_text(2 / 3)
        ('16777216', '0.666667')
    """
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def addition(numbers: Sequence[float]) -> str:
    """Return numbers as a sum.

    Example:
        >>> addition([3, 4, -1])
        '3 + 4 - 1'
    """
    first, *others = numbers
    return " ".join(
        [number_text(first), *(f"{'-' if number < 0 else '+'} {number_text(abs(number))}" for number in others)]
    )


def json_text(value: Any) -> str:
    r"""Return a value as JSON that every parser takes: on one line, and in ASCII.

    JSON has no numbers that are not finite: they become null. It has no bytes either: where a name is not UTF-8 they
    are written out, and if the name is a field of an object, the field beside it holds its exact bytes in base64. URLs
    show no secrets.

    Example:
        >>> print(json_text({"input": "gr\udcf6n.png", "min": math.inf}))
        {"input": "gr\\xf6n.png", "input_base64": "Z3L2bi5wbmc=", "min": null}
    """
    import json  # 3 ms, for scripts alone

    return json.dumps(_plain(value), allow_nan=False)


def csv_text(cells: Iterable[str | float]) -> str:
    r"""Return a row of a CSV table, as RFC 4180 quotes it, without its line end.

    Line ends and tabs in a text are kept; other control codes, and bytes that are not UTF-8, are written out. Numbers
    have six decimals. URLs show no secrets.

    Example:
        >>> print(csv_text(["a,b.png", 'a "b" c', 0.75, "gr\udcf6n"]))
        "a,b.png","a ""b"" c",0.750000,gr\xf6n
    """
    import csv  # 2 ms, for tables alone

    row = StringIO(newline="")
    # With "\n" as its line end, the writer would leave "\r" in a text unquoted.
    csv.writer(row).writerow([_cell(cell) for cell in cells])
    return row.getvalue().removesuffix("\r\n")


def _cell(value: str | float) -> str:
    if not isinstance(value, str):
        return f"{value:.6f}"
    return cleaned(without_secrets(value), lambda letter: letter if letter in "\r\n\t" else _escaped(letter))


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, str):
        value = without_secrets(value)
        return value if value.isprintable() else "".join(_escaped(one) if _is_surrogate(one) else one for one in value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: item for key, field in value.items() for name, item in _fields(_plain(key), field)}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _fields(name: str, value: Any) -> list[tuple[str, Any]]:
    fields = [(name, _plain(value))]
    halves = list(filter(_is_surrogate, value)) if isinstance(value, str) else []
    if halves and all(map(_is_byte, halves)):
        from base64 import b64encode

        exact = without_secrets(value).encode("utf-8", "surrogateescape")
        fields.append((f"{name}_base64", b64encode(exact).decode()))
    return fields


def _escaped(letter: str) -> str:
    return f"\\x{ord(letter) & 0xFF:02x}" if _is_byte(letter) else repr(letter)[1:-1]


def _is_byte(letter: str) -> bool:
    """Return whether a character stands for a byte that is not UTF-8, as in file names from the system."""
    return "\udc80" <= letter <= "\udcff"


def _is_surrogate(letter: str) -> bool:
    """Return whether a character is a surrogate, which valid text must not hold."""
    return "\ud800" <= letter <= "\udfff"
