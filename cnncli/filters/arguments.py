"""Arguments of filter words, as in `gaussian:1.4`, `box:3x5` and `canny:1,10%,20%`."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.shapes import Pair


class Level(NamedTuple):
    """A number, or a share of a full black-to-white step.

    Attributes:
        number: the number, or the percentage.
        percent: whether it is a percentage.

    Example:
        >>> Level(10, percent=True).of(255), Level(10).of(255)
        (25.5, 10)
    """

    number: float
    percent: bool = False

    def of(self, full_step: float) -> float:
        """Return the number for a given response to a full step."""
        return self.number / 100 * full_step if self.percent else self.number


ArgumentValue = float | Pair | Level | str | None
"""A number, the (height, width) of a window, a level, a word; None where the argument is left out."""


class Argument(NamedTuple):
    """One argument of a filter word.

    Attributes:
        name: the name in help and errors, `SIGMA`.
        allowed: the values that it takes, in words.
        read: returns the value of a text; raises ValueError.
        default: text of the value where the argument is left out; None if it must be given, "" for a value that depends
            on the others.
        brief: `allowed` in a few letters.
    """

    name: str
    allowed: str
    read: Callable[[str], ArgumentValue]
    default: str | None = None
    brief: str = ""

    def __str__(self) -> str:
        """Describe it in a few letters.

        Example:
            >>> str(number("SIGMA", 0.1, 100, "1"))
            'SIGMA=1 (0.1 to 100)'
        """
        return f"{self.name}{'=' + self.default if self.default else ''} ({self.brief})"


def number(name: str, least: float, most: float, default: str | None = None) -> Argument:
    """Return an argument that is a number between two others.

    Example:
        >>> number("SIGMA", 0.1, 100).read("1.5")
        1.5
    """
    return Argument(
        name,
        f"a number from {least:g} to {most:g}",
        lambda text: _between(float(text), least, most),
        default,
        f"{least:g} to {most:g}",
    )


def size(name: str, most: int, default: str) -> Argument:
    """Return an argument that is the size of a window, read as (height, width).

    Example:
        >>> size("N", 99, "3").read("3"), size("N", 99, "3").read("3x5")
        ((3, 3), (3, 5))
    """

    def read(text: str) -> Pair:
        height, by, width = text.partition("x")
        return _whole(height, 1, most), _whole(width if by else height, 1, most)

    allowed = f"an integer from 1 to {most}, or HEIGHTxWIDTH such as 3x5"
    return Argument(name, allowed, read, default, f"1 to {most}, or HxW")


def level(name: str, least: float, default: str, *words: str) -> Argument:
    """Return an argument that is a number, a percentage of a full black-to-white step, or one of some words."""

    def read(text: str) -> Level | str:
        if text in words:
            return text
        if text.endswith("%"):
            return Level(_between(float(text[:-1]), 0, 100), percent=True)
        return Level(_between(float(text), least, float("inf")))

    lowest = "" if least == -float("inf") else f" from {least:g}"
    also = "".join(f", or {word}" for word in words)
    allowed = f"a number{lowest}, or a percentage of a full step from 0% to 100%{also}"
    return Argument(name, allowed, read, default, f"{lowest.strip() or 'a number'}, or %{also}")


def _between(value: float, least: float, most: float) -> float:
    if not (least <= value <= most) or abs(value) == float("inf"):
        raise ValueError(value)
    return value


def _whole(text: str, least: int, most: int) -> int:
    value = _between(float(text), least, most)
    if not value.is_integer():
        raise ValueError(value)
    return int(value)


def read_arguments(word: str, arguments: Sequence[Argument]) -> tuple[ArgumentValue, ...]:
    """Return the values of the arguments in a word, with defaults for those left out at the end.

    Args:
        word: as a user wrote it.
        arguments: what may follow its name.

    Raises:
        ArgumentError: too many, too few, or one that is not allowed; the message names it.

    Example:
        >>> read_arguments("dog:0.5", (number("S1", 0, 9, "1"), number("S2", 0, 9, "1.6")))
        (0.5, 1.6)
    """
    name, colon, text = word.partition(":")
    given = text.split(",") if colon else []
    names = ",".join(argument.name for argument in arguments)
    if given and not arguments:
        raise ArgumentError(f"{word}: {name} takes no arguments")
    if len(given) > len(arguments):
        raise ArgumentError(f"{word}: {name} takes {names}, got {len(given)} arguments")
    return tuple(_read(word, argument, said, f"{name}:{names}") for argument, said in zip_longest(arguments, given))


def _read(word: str, argument: Argument, said: str | None, form: str) -> ArgumentValue:
    if said is None and argument.default == "":
        return None
    text = argument.default if said is None else said
    if text is None:
        raise ArgumentError(f"{word}: {argument.name} is missing in {form}")
    try:
        return argument.read(text)
    except ValueError:
        raise ArgumentError(f"{word}: {argument.name} must be {argument.allowed}, got {text!r}") from None


def file_words(values: Sequence[ArgumentValue]) -> str:
    """Return values as part of a file's name: letters, digits, `.` and `-`, and different for different values.

    Example:
        >>> file_words((1.0, Level(10, percent=True), (3, 5), "otsu", None))
        '1-10pct-3x5-otsu'
    """
    return "-".join(_file_word(value) for value in values if value is not None)


def _file_word(value: ArgumentValue) -> str:
    if isinstance(value, Level):
        return _file_word(value.number) + "pct" * value.percent
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else "x".join(map(str, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).replace("+", "")
