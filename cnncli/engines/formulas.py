"""Formulas with numbers put in: one step of an optimizer, worked out for one weight.

A formula is a constant of a class, in the grammar of Python, so that it is computed as it is read, and a reader can
paste the line with its numbers into Python.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

FUNCTIONS: dict[str, Any] = {
    "sqrt": math.sqrt,
    "abs": abs,
    "max": max,
    "min": min,
    "sign": lambda value: math.copysign(1.0, value) if value else 0.0,
}
"""What formulas may call."""

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")  # not the e of 1e-6


class Line(NamedTuple):
    """One line of a sum: the name that it sets, its formula, the same with numbers, and the value.

    Attributes:
        name: such as `W`.
        formula: such as `W - lr * dW`.
        numbers: such as `0.5 - 0.1 * (-2)`, rounded to seven digits.
        value: the value.
    """

    name: str
    formula: str
    numbers: str
    value: float


def worked_out(formulas: Sequence[str], names: Mapping[str, float], after: Mapping[str, float]) -> Iterator[Line]:
    """Yield a line for each formula; each may use what those before it set.

    Args:
        formulas: such as `W = W - lr * dW`.
        names: values before the first formula.
        after: values that were computed elsewhere, by the names that a formula is the last to set: they are shown.

    Example:
        >>> [line] = worked_out(["W = W - lr * dW"], {"W": 0.5, "lr": 0.1, "dW": -2}, {})
        >>> line.numbers, line.value
        ('0.5 - 0.1 * (-2)', 0.7)
    """
    known, pairs = dict(names), [formula.split(" = ", 1) for formula in formulas]
    last = {name: place for place, (name, _) in enumerate(pairs)}
    for place, (name, formula) in enumerate(pairs):
        value = after[name] if last[name] == place and name in after else _computed(formula, known)
        yield Line(name, formula, _with_numbers(formula, known), value)
        known[name] = value


def _computed(formula: str, names: Mapping[str, float]) -> float:
    return float(eval(formula, {"__builtins__": {}, **FUNCTIONS}, dict(names)))


def _with_numbers(formula: str, names: Mapping[str, float]) -> str:
    def number(name: re.Match[str]) -> str:
        if name[0] in FUNCTIONS:
            return name[0]
        text = short(names[name[0]])
        return f"({text})" if text.startswith("-") else text

    return _NAME.sub(number, formula)


def short(value: float) -> str:
    """Return a number in seven digits, about those of float32.

    Example:
        >>> short(1 / 3), short(0.5), short(1e-8)
        ('0.3333333', '0.5', '1e-08')
    """
    return f"{value:.7g}"
