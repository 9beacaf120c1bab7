"""The words that options take, in a module without NumPy for `--help`, and the error for any other word.

The registries that give them meaning live with the arithmetic; a test holds the two together.
"""

import math
from collections.abc import Collection
from typing import Any

from cnncli.errors import ArgumentError

DIRECTIONS = ("vertical", "horizontal", "magnitude", "angle")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")
COLORS = ("gray", "each", "volume")
CHANNELS = ("red", "green", "blue")
ACTIVATIONS = ("relu", "tanh", "sigmoid")
SCALES = ("soft", "unit", "none", "auto")
SCALE_FORMS = f"{', '.join(SCALES)}, a percentile such as p99, or a number"
"""The forms of `--scale`, for messages."""
SIGNED = ("abs", "clip", "offset", "diverging", "split")
POOLING_MODES = ("max", "avg", "min")
PARTS = ("train", "validation", "test")
LABEL_KINDS = ("tsv", "csv", "jsonl", "coco", "yolo", "voc")
"""The kinds of lists of boxes; the last two are a file for each picture."""
DRAWING_STYLES = ("volumes", "boxes", "table")
RESIZES = ("stretch", "crop", "pad")
NORMALIZATIONS = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "unit": ((0.0,), (255.0,)),
    "signed": ((127.5,), (127.5,)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    "none": ((0.0,), (1.0,)),
}
"""Mean and std of normalizations that published weights expect, on the scale 0 to 255: one number for all channels, or
one for each. `imagenet` is torchvision's, `caffe` that of the first VGG networks (in the order RGB)."""

WEIGHT_NAMES = ("torchvision", "timm")
"""Programs under whose names weights are written."""


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Refuse an option that is not one of the choices.

    Raises:
        ArgumentError: it is not.
    """
    if value not in choices:
        words = ", ".join(word for word in choices if word is not None)
        raise ArgumentError(f"{name} must be one of {words}, got {value!r}")


def is_number(value: Any) -> bool:
    """Return whether a value is a finite real number.

    Example:
        >>> is_number(0.5), is_number("0.5"), is_number(float("nan")), is_number(None)
        (True, False, False, False)
    """
    try:
        return math.isfinite(value)
    except (TypeError, OverflowError):
        return False


def percentile(scale: object) -> float | None:
    """Return the N of a scale `pN`, above 0 and at most 100; None for any other scale.

    Example:
        >>> percentile("p99.5"), percentile("p0"), percentile("unit")
        (99.5, None, None)
    """
    if not isinstance(scale, str) or scale[:1] != "p" or not scale[1:].replace(".", "", 1).isdecimal():
        return None
    number = float(scale[1:])
    return number if 0 < number <= 100 else None


def did_you_mean(word: str, choices: Collection[str], otherwise: str | None = None) -> str:
    """Return the end of an error about a word that is not one of the choices: the nearest of them, if one is near.

    Args:
        word: the word.
        choices: the words that are known.
        otherwise: returned where none is near, in place of the list of choices.

    Example:
        >>> did_you_mean("rellu", ["relu", "elu"]), did_you_mean("?", ["relu", "elu"])
        ('did you mean relu?', 'choose from relu, elu')
    """
    if found := nearest(word, choices):
        return f"did you mean {found}?"
    return f"choose from {', '.join(choices)}" if otherwise is None else otherwise


def nearest(word: str, choices: Collection[str], cutoff: float = 0.6) -> str:
    """Return the choice nearest to a word, ignoring case and marks between letters; "" where none is near.

    Example:
        >>> nearest("ResNet-18", ["resnet18", "res"]), nearest("?", ["relu"])
        ('resnet18', '')
    """
    from difflib import get_close_matches  # 5 ms, for mistakes alone

    by_letters = {_letters(choice): choice for choice in sorted(choices)}
    found = get_close_matches(_letters(word[:40]), by_letters, n=1, cutoff=cutoff)
    return by_letters[found[0]] if found else ""


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))
