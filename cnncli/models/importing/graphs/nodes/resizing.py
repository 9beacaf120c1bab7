"""Larger pictures."""

from collections.abc import Callable

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs.nodes.base import Translator, need, word
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.layers import (
    Upsampling,
)


def _resize(t: Translation) -> None:
    x = t.picture()
    (height, width, _), after = t.pieces[x].shape, t.step.outputs[0].shape or ()
    need(len(after) == 4 and after[2] % height == after[3] % width == 0, "is no whole number of times as large")
    factor = (after[2] // height, after[3] // width)
    scales = _scales(t)
    need(scales is None or scales[-2:] == factor, "is no whole number of times as large")
    need(min(factor) > 0 and not t.step.call.integer("antialias", 0), "is no whole number of times as large")
    t.give(Volume(t.add(_upsampling(t, factor), x)))


def _scales(t: Translation) -> tuple[float, ...] | None:
    """Return how many times as long each axis becomes; None where sizes are given."""
    call = t.step.call
    given = call.node.attributes.get("scales")
    if isinstance(given, list):
        return tuple(given)
    index = 2 if t.step.op == "Resize" and len(call.inputs) > 2 else 1
    return call.tensor(index).values if call.has(index) and call.tensor(index).values else None


def _upsampling(t: Translation, factor: tuple[int, int]) -> Upsampling:
    old = t.step.op == "Upsample" or t.opset < 11
    places = "asymmetric" if old else word(t, "coordinate_transformation_mode", "half_pixel")
    mode = word(t, "mode", "nearest")
    if mode == "nearest":
        rounding = "floor" if old else word(t, "nearest_mode", "round_prefer_floor")
        if all(_repeats(each, places, rounding) for each in factor):
            return Upsampling(factor)
    elif mode == "linear" and places in ("half_pixel", "pytorch_half_pixel"):
        return Upsampling(factor, "bilinear")
    elif mode == "linear" and places == "align_corners":
        return Upsampling(factor, "bilinear", True)
    raise NotANetworkError(f"resizes in the way {mode}, {places}")


def _repeats(factor: int, places: str, rounding: str) -> bool:
    """Return whether each pixel is repeated: position i of the output is pixel i // factor."""
    shift = {"asymmetric": 0.0, "half_pixel": 0.5, "pytorch_half_pixel": 0.5}.get(places)
    rounded: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "ceil": np.ceil,
    }
    if shift is None or rounding not in rounded:
        return False
    at = np.arange(4 * factor)
    source = np.maximum(rounded[rounding]((at + shift) / factor - shift), 0)
    return bool((source[: 3 * factor] == (at // factor)[: 3 * factor]).all())


TRANSLATORS: dict[str, Translator] = dict.fromkeys(("Resize", "Upsample"), _resize)
