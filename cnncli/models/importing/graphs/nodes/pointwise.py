"""Activations, and operations that leave numbers as they are."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from cnncli.formats.onnx.operations import Call
from cnncli.models.importing.graphs import pieces
from cnncli.models.importing.graphs.nodes.base import Translator, need
from cnncli.models.importing.graphs.pieces import Fragment
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.layers import (
    Dropout,
    Layer,
    PReLU,
    ReLU,
)
from cnncli.networks.layers.pointwise import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)


def _pointwise(make: Callable[[Call], Layer | Fragment], t: Translation) -> None:
    volume = t.whole(t.data(merged=True))
    t.give(volume._replace(piece=t.add(make(t.step.call), volume.piece)))


def _same(t: Translation) -> None:
    t.give(t.data(merged=True))


def _cast(t: Translation) -> None:
    need(t.step.call.node.attributes.get("to") in (1, 10, 11, 16), "rounds to integers")
    _same(t)


def _dropout(call: Call) -> Layer:
    given = call.tensor(1).values if call.has(1) else None
    rate = float(f"{given[0]:.6g}") if given else call.number("ratio", 0.5)
    need(not call.has(2) or call.tensor(2).values in ((0,), (False,)), "drops numbers")
    return Dropout(rate)


def _elu(call: Call) -> Layer:
    need(call.number("alpha", 1.0) == 1, "has another alpha than 1")
    return ELU()


def _gelu(call: Call) -> Layer:
    need(str(call.node.attributes.get("approximate", "none")) == "none", "is an approximation")
    return GELU()


def _swish(call: Call) -> Layer:
    need(call.number("alpha", 1.0) == 1, "has another alpha than 1")
    return SiLU()


def _clip(call: Call) -> Layer | Fragment:
    ends = []
    for index, name in ((1, "min"), (2, "max")):
        value = call.node.attributes.get(name)
        known = call.tensor(index).values if call.has(index) else None
        ends.append(value if isinstance(value, int | float) else known[0] if known else None)
    match ends:
        case (0, 6):
            return ReLU6()
        case (0, 1):
            return Fragment(pieces.UNIT_CLIP)
        case (0, None):
            return ReLU()
        case (0, float(high)) if high >= 3e38:
            return ReLU()
    raise NotANetworkError(f"clips to {ends[0]} and {ends[1]}, which is no layer")


def _hard_sigmoid(t: Translation) -> None:
    alpha, beta, volume = t.step.call.number("alpha", 0.2), t.step.call.number("beta", 0.5), t.whole(t.data())
    if (alpha, beta) == (0.166667, 0.5):
        x = t.add(HardSigmoid(), volume.piece)
    else:
        x = t.add(Fragment(pieces.UNIT_CLIP), t.affine(volume.piece, alpha, beta))
    t.give(Volume(x, volume.places))


def _prelu(t: Translation) -> None:
    volume, slopes = t.whole(t.data()), t.numbers(1)
    shape = t.shape(volume)
    if slopes.ndim == 1 and slopes.size == shape[-1] and volume.places is None and len(shape) == 3:
        slopes = slopes[:, np.newaxis, np.newaxis]  # one-way broadcasting of old files begins at the channels
    number = t.per_channel(volume, slopes)
    shared = number.ndim == 0
    x = t.add(PReLU(shared), volume.piece, arrays={"weight": number.reshape(-1)})
    t.give(Volume(x, volume.places))


def _softmax(t: Translation) -> None:
    volume = t.as_row(t.whole(t.data()))
    places, channels, call = t.places(volume), t.shape(volume)[-1], t.step.call
    old = t.opset < 13
    axis = call.integer("axis", 1 if old else -1) % (places.ndim + 1)
    need(axis > 0, "is taken over the batch")
    if old:  # all axes from this one on are one
        rows = places.reshape(prod(places.shape[: axis - 1]), -1)
    else:
        rows = np.moveaxis(places, axis - 1, -1).reshape(-1, places.shape[axis - 1])
    alike = rows.shape[1] == channels and bool((rows // channels == rows[:, :1] // channels).all())
    need(alike, "is taken over other numbers than the channels")
    layer = Softmax() if t.step.op == "Softmax" else Fragment(pieces.LOG_SOFTMAX)
    t.give(Volume(t.add(layer, volume.piece), volume.places))


def _of(layer: Layer | Fragment) -> Translator:
    return partial(_pointwise, lambda call: layer)


TRANSLATORS: dict[str, Translator] = {
    "Identity": _same,
    "Cast": _cast,
    "Dropout": partial(_pointwise, _dropout),
    "Relu": _of(ReLU()),
    "Sigmoid": _of(Sigmoid()),
    "Tanh": _of(Tanh()),
    "HardSwish": _of(HardSwish()),
    "Mish": _of(Mish()),
    "Erf": _of(Fragment(pieces.ERF)),
    "Softplus": _of(Fragment(pieces.SOFTPLUS)),
    "Elu": partial(_pointwise, _elu),
    **dict.fromkeys(("Gelu", "com.microsoft.Gelu"), partial(_pointwise, _gelu)),
    "Swish": partial(_pointwise, _swish),
    "LeakyRelu": partial(_pointwise, lambda call: LeakyReLU(call.number("alpha", 0.01))),
    "Clip": partial(_pointwise, _clip),
    "HardSigmoid": _hard_sigmoid,
    "PRelu": _prelu,
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
}
