"""The fields that layers have: how each is written in the notation, read from it, and checked.

A layer class names its fields; this table gives them their letters. `stride` is `s2` or `s2x1` for every layer.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from cnncli.errors import ArgumentError
from cnncli.shapes import Four, Pair, Shape, pair, show_shape
from cnncli.values import Value

DIGITS = 9
"""Digits of the largest whole number."""

LARGEST = 10**DIGITS - 1


def read_whole(text: str) -> int | None:
    """Return a whole number of at most nine ASCII digits, else None.

    Example:
        >>> read_whole("12"), read_whole("-1"), read_whole("٣")
        (12, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text.lstrip("0")) <= DIGITS else None


def read_wholes(text: str) -> tuple[int, ...] | None:
    """Return whole numbers with an x between them.

    Example:
        >>> read_wholes("28x28x6")
        (28, 28, 6)
    """
    values = tuple(value for value in map(read_whole, text.split("x", 8)) if value is not None)
    return values if len(values) == text.count("x") + 1 else None


def _one_or_more(text: str) -> int | tuple[int, ...] | None:
    """Return a whole number, or several with an x between them."""
    values = read_wholes(text)
    return values[0] if values and len(values) == 1 else values


def _fraction(text: str) -> tuple[int, ...] | None:
    return read_wholes(text.replace("/", "x")) if text.count("/") == 1 and "x" not in text else None


def _real(text: str) -> float | None:
    if not text.isascii() or len(text) > 32 or not text[:1].isdigit() or text.strip("0123456789.e-"):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _whole(value: Any, name: str, smallest: int = 0) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= LARGEST:
        return value
    raise ArgumentError(f"{name} must be a whole number from {smallest} to {LARGEST}, got {value!r}")


_count = partial(_whole, smallest=1)


def _pair(value: Any, name: str) -> Pair:
    vertical, horizontal = pair(value, name)
    return _count(vertical, name), _count(horizontal, name)


def _amounts(value: Any, name: str) -> Pair:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ArgumentError(f"{name} must be a whole number or a pair of them, got {value!r}")
    return _whole(values[0], name), _whole(values[1], name)


def _padding(value: Any, name: str) -> str | Four:
    if value in ("valid", "same"):
        return str(value)
    four = _four(value, name, "'valid', 'same', or ")
    return four if any(four) else "valid"


def _four(value: Any, name: str, words: str = "") -> Four:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, 2, 4):
        raise ArgumentError(f"{name} must be {words}1, 2 or 4 whole numbers, got {value!r}")
    values = tuple(_whole(amount, name) for amount in values)
    return values if len(values) == 4 else (values[0], values[0], values[-1], values[-1])


def _part(value: Any, name: str) -> Pair:
    number, parts = _pair(value, name)
    if number > parts:
        raise ArgumentError(f"{name} must be the number of a part and how many there are, got {value!r}")
    return number, parts


def _shape(value: Any, name: str) -> Shape:
    if not isinstance(value, (tuple, list)) or len(value) not in (1, 3):
        raise ArgumentError(f"{name} must be (height, width, channels) or (numbers,), got {value!r}")
    return tuple(_count(size, name) for size in value)


def _mode(value: Any, name: str) -> str:
    if value in ("nearest", "bilinear"):
        return str(value)
    raise ArgumentError(f"{name} must be 'nearest' or 'bilinear', got {value!r}")


def _flag(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ArgumentError(f"{name} must be True or False, got {value!r}")


def _decimal(value: Any, name: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise ArgumentError(f"{name} must be a number from 0, got {value!r}")


def _write_pair(value: Pair) -> str:
    return str(value[0]) if value[0] == value[1] else show_shape(value)


def _write_four(value: Four) -> str:
    top, bottom, left, right = value
    return _write_pair((top, left)) if (top, left) == (bottom, right) else show_shape(value)


def _write_decimal(value: float) -> str:
    return str(int(value)) if value.is_integer() and value <= LARGEST else repr(value)


class Kind(Value):
    """A kind of field.

    Attributes:
        form: the right form, in words.
        convert: puts a value in any of its forms into the one that is kept; its second argument is the field's name.
        write: value to text.
        scan: text to a value in one of its forms; None where it has none of them.
    """

    form: str
    convert: Callable[[Any, str], Any]
    write: Callable[[Any], str] = str
    scan: Callable[[str], Any] = _one_or_more

    def read(self, text: str) -> Any:
        """Return the value of a text, or None."""
        value = self.scan(text)
        try:
            return None if value is None else self.convert(value, "")
        except ArgumentError:
            return None


class Field(Value):
    """A field of layers.

    Attributes:
        kind: its kind.
        example: a value for messages.
        letters: those before its number in an option, as the s of `s2`; empty where no such option sets it.
    """

    kind: Kind
    example: Any = None
    letters: str = ""


COUNT = Kind(f"a whole number from 1 to {LARGEST:,}", _count)
PAIR = Kind("a whole number from 1, or two such as 3x1", _pair, _write_pair)
AMOUNTS = Kind("a whole number, or two such as 0x1", _amounts, _write_pair)
PADDING = Kind("pixels: 1, vertical x horizontal as 1x2, or top x bottom x left x right", _padding, _write_four)
PART = Kind("the number of a part / how many there are, as 1/2", _part, lambda part: f"{part[0]}/{part[1]}", _fraction)
SHAPE = Kind("height x width x channels, or one number", _shape, show_shape, read_wholes)
DECIMAL = Kind("a number such as 0.5", _decimal, _write_decimal, _real)
MODE = Kind("nearest or bilinear", _mode, scan=lambda _: None)
FLAG = Kind("", _flag, scan=lambda _: None)

FIELDS: dict[str, Field] = {
    "kernel_size": Field(PAIR, (3, 3)),
    "out_channels": Field(COUNT, 64),
    "out_features": Field(COUNT, 10),
    "size": Field(COUNT, 5),
    "block_size": Field(COUNT, 2),
    "output_size": Field(PAIR, (7, 7)),
    "scale_factor": Field(PAIR, (2, 2)),
    "margins": Field(PADDING.replace(convert=_four), (4, 4, 4, 4)),
    "part": Field(PART, (1, 2)),
    "shape": Field(SHAPE, (7, 7, 30)),
    "rate": Field(DECIMAL, 0.5),
    "negative_slope": Field(DECIMAL, 0.1),
    "initial": Field(DECIMAL, 1e-6),
    "stride": Field(PAIR, (2, 2), "s"),
    "padding": Field(PADDING, (1, 1, 1, 1), "p"),
    "output_padding": Field(AMOUNTS, (1, 1), "o"),
    "dilation": Field(PAIR, (2, 2), "d"),
    "groups": Field(COUNT, 2, "g"),
    "k": Field(DECIMAL, 2.0, "k"),
    "alpha": Field(DECIMAL, 5e-4, "alpha"),
    "beta": Field(DECIMAL, 0.75, "beta"),
    "eps": Field(DECIMAL, 1e-6, "eps"),
    "mode": Field(MODE),
    "align_corners": Field(FLAG),
    "affine": Field(FLAG),
    "shared": Field(FLAG),
    "ceil_mode": Field(FLAG),
    "count_include_pad": Field(FLAG),
    "table": Field(FLAG),
    "bias": Field(FLAG),
}
"""The fields of layers, by name."""

FLAGS: dict[str, tuple[str, Any]] = {
    "same": ("padding", "same"),
    "valid": ("padding", "valid"),
    "ceil": ("ceil_mode", True),
    "count_include_pad": ("count_include_pad", True),
    "table": ("table", True),
    "bias": ("bias", True),
    "nobias": ("bias", False),
    "affine": ("affine", True),
    "noaffine": ("affine", False),
    "shared": ("shared", True),
    "nearest": ("mode", "nearest"),
    "bilinear": ("mode", "bilinear"),
    "align_corners": ("align_corners", True),
}
"""The options that are one word: the field and the value that they give it."""

LETTERS: dict[str, str] = {field.letters: name for name, field in FIELDS.items() if field.letters}
"""The fields that an option of letters and a number sets, by the letters."""

OPTIONS = (*LETTERS.values(), *dict.fromkeys(name for name, _ in FLAGS.values() if not FIELDS[name].letters))
"""The fields that options set, in the order of printing."""


def write_option(name: str, value: Any) -> str:
    """Return the option that gives a field its value.

    Example:
        >>> write_option("stride", (2, 1)), write_option("padding", "same"), write_option("bias", False)
        ('s2x1', 'same', 'nobias')
    """
    for word, meaning in FLAGS.items():
        if meaning == (name, value):
            return word
    return FIELDS[name].letters + FIELDS[name].kind.write(value)
