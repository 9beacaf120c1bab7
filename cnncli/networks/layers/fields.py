"""The fields that layers have: how each is written in the notation, read from it, and checked.

A layer class names its fields; this table gives them their letters. `stride` is `s2` or `s2x1` for every layer.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from cnncli.errors import ArgumentError
from cnncli.shapes import pair, show_shape

DIGITS = 9
"""Digits of the largest whole number."""

LARGEST = 10**DIGITS - 1


class Kind(NamedTuple):
    """A kind of field.

    Attributes:
        form: what is right, in words.
        read: text to value; None where the text is none of this kind.
        write: value to text.
        normalize: a value in any of its forms, and the field's name, to the one form that is kept.
    """

    form: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    normalize: Callable[[Any, str], Any]


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


def read_decimal(text: str) -> float | None:
    """Return a number from 0, such as `0.5` or `1e-4`, else None."""
    if not text.isascii() or len(text) > 32 or not text[:1].isdigit() or text.strip("0123456789.e-"):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_count(text: str) -> int | None:
    return read_whole(text) or None


def _read_pair(text: str) -> tuple[int, int] | None:
    values = read_wholes(text)
    return None if values is None or 0 in values or len(values) > 2 else (values[0], values[-1])


def _read_amounts(text: str) -> tuple[int, int] | None:
    values = read_wholes(text)
    return None if values is None or len(values) > 2 else (values[0], values[-1])


def _read_padding(text: str) -> tuple[int, ...] | None:
    values = read_wholes(text)
    if values is None or len(values) not in (1, 2, 4):
        return None
    return values if len(values) == 4 else (values[0], values[0], values[-1], values[-1])


def _write_pair(value: tuple[int, int]) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"


def _write_padding(value: tuple[int, int, int, int]) -> str:
    top, bottom, left, right = value
    return _write_pair((top, left)) if (top, left) == (bottom, right) else f"{top}x{bottom}x{left}x{right}"


def _whole(value: Any, name: str, smallest: int = 0) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= LARGEST:
        return value
    raise ArgumentError(f"{name} must be a whole number from {smallest} to {LARGEST}, got {value!r}")


def _count(value: Any, name: str) -> int:
    return _whole(value, name, 1)


def _pair(value: Any, name: str) -> tuple[int, int]:
    vertical, horizontal = pair(value, name)
    return _count(vertical, name), _count(horizontal, name)


def _amounts(value: Any, name: str) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ArgumentError(f"{name} must be a whole number or a pair of them, got {value!r}")
    return _whole(values[0], name), _whole(values[1], name)


def _padding(value: Any, name: str) -> Any:
    if value in ("valid", "same"):
        return value
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, 2, 4):
        raise ArgumentError(f"{name} must be 'valid', 'same', or 1, 2 or 4 whole numbers, got {value!r}")
    values = tuple(_whole(amount, name) for amount in values)
    four = values if len(values) == 4 else (values[0], values[0], values[-1], values[-1])
    return four if any(four) else "valid"


def _read_part(text: str) -> tuple[int, int] | None:
    number, slash, parts = text.partition("/")
    values = read_whole(number), read_whole(parts)
    return (values[0], values[1]) if slash and values[0] and values[1] and values[0] <= values[1] else None


def _part(value: Any, name: str) -> tuple[int, int]:
    number, parts = _pair(value, name)
    if number > parts:
        raise ArgumentError(f"{name} must be the number of a part and how many there are, got {value!r}")
    return number, parts


def _margins(value: Any, name: str) -> tuple[int, int, int, int]:
    four: Any = _padding(value, name)
    return (0, 0, 0, 0) if four in ("valid", "same") else four


def _read_shape(text: str) -> tuple[int, ...] | None:
    values = read_wholes(text)
    return values if values and 0 not in values and len(values) in (1, 3) else None


def _shape(value: Any, name: str) -> tuple[int, ...]:
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


def _write_decimal(value: float) -> str:
    return str(int(value)) if value.is_integer() and value <= LARGEST else repr(value)


COUNT = Kind(f"a whole number from 1 to {LARGEST:,}", _read_count, str, _count)
PAIR = Kind("a whole number from 1, or two such as 3x1", _read_pair, _write_pair, _pair)
AMOUNTS = Kind("a whole number, or two such as 0x1", _read_amounts, _write_pair, _amounts)
PADDING = Kind(
    "pixels: 1, vertical x horizontal as 1x2, or top x bottom x left x right", _read_padding, _write_padding, _padding
)
MARGINS = PADDING._replace(normalize=_margins)
PART = Kind("the number of a part / how many there are, as 1/2", _read_part, lambda part: f"{part[0]}/{part[1]}", _part)
SHAPE = Kind("height x width x channels, or one number", _read_shape, show_shape, _shape)
MODE = Kind("nearest or bilinear", lambda _: None, str, _mode)
DECIMAL = Kind("a number such as 0.5", read_decimal, _write_decimal, _decimal)
FLAG = Kind("", lambda _: None, str, _flag)

KINDS: dict[str, Kind] = {
    "kernel_size": PAIR,
    "out_channels": COUNT,
    "out_features": COUNT,
    "size": COUNT,
    "block_size": COUNT,
    "output_size": PAIR,
    "scale_factor": PAIR,
    "margins": MARGINS,
    "part": PART,
    "shape": SHAPE,
    "rate": DECIMAL,
    "negative_slope": DECIMAL,
    "stride": PAIR,
    "padding": PADDING,
    "output_padding": AMOUNTS,
    "dilation": PAIR,
    "groups": COUNT,
    "k": DECIMAL,
    "alpha": DECIMAL,
    "beta": DECIMAL,
    "eps": DECIMAL,
    "initial": DECIMAL,
    "mode": MODE,
    "align_corners": FLAG,
    "affine": FLAG,
    "shared": FLAG,
    "ceil_mode": FLAG,
    "count_include_pad": FLAG,
    "table": FLAG,
    "bias": FLAG,
}
"""The kind of each field of a layer."""

LETTERS: dict[str, str] = {
    "stride": "s",
    "padding": "p",
    "output_padding": "o",
    "dilation": "d",
    "groups": "g",
    "k": "k",
    "alpha": "alpha",
    "beta": "beta",
    "eps": "eps",
}
"""The fields that an option of letters and a number sets, in the order in which they are printed."""

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


EXAMPLES: dict[str, Any] = {
    "kernel_size": (3, 3),
    "out_channels": 64,
    "out_features": 10,
    "size": 5,
    "block_size": 2,
    "output_size": (7, 7),
    "scale_factor": (2, 2),
    "margins": (4, 4, 4, 4),
    "part": (1, 2),
    "shape": (7, 7, 30),
    "rate": 0.5,
    "negative_slope": 0.1,
    "initial": 1e-6,
    "stride": (2, 2),
    "padding": (1, 1, 1, 1),
    "output_padding": (1, 1),
    "dilation": (2, 2),
    "groups": 2,
    "k": 2.0,
    "alpha": 5e-4,
    "beta": 0.75,
    "eps": 1e-6,
}
"""A value of each field that takes one, for messages."""


def write_option(name: str, value: Any) -> str:
    """Return the option that gives a field its value.

    Example:
        >>> write_option("stride", (2, 1)), write_option("padding", "same"), write_option("bias", False)
        ('s2x1', 'same', 'nobias')
    """
    for word, (field, meaning) in FLAGS.items():
        if field == name and meaning == value:
            return word
    return f"{LETTERS[name]}{KINDS[name].write(value)}"
