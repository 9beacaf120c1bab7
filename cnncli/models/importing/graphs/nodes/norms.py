"""Norms."""

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs.nodes.base import Translator, need
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.graphs.views import is_same, ordered
from cnncli.networks.layers import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
)


def _batch_norm(t: Translation) -> None:
    call, volume = t.step.call, t.whole(t.data())
    need(not call.integer("training_mode", 0) and call.integer("spatial", 1) == 1, "normalises by each batch")
    need(t.places(volume).ndim in (1, 3), "normalises no picture")
    names = ("weight", "bias", "running_mean", "running_var")
    one = (1, -1, *(1,) * (t.places(volume).ndim - 1))
    arrays = {}
    for index, name in enumerate(names, 1):
        number = t.per_channel(volume, t.numbers(index).reshape(one))
        arrays[name] = np.broadcast_to(number, t.shape(volume)[-1:]).copy()
    layer = BatchNorm(eps=call.number("epsilon", 1e-5))
    t.give(Volume(t.add(layer, volume.piece, arrays=arrays), volume.places))


def _affine_arrays(t: Translation) -> dict[str, Array]:
    """Return scale and shift; nothing where they change nothing."""
    weight, bias = t.numbers(1).reshape(-1), t.numbers(2).reshape(-1) if t.step.call.has(2) else None
    if (weight == 1).all() and (bias is None or not bias.any()):
        return {}
    return {"weight": weight, "bias": np.zeros_like(weight) if bias is None else bias}


def _instance_norm(t: Translation) -> None:
    eps, arrays, volume = t.step.call.number("epsilon", 1e-5), _affine_arrays(t), t.whole(t.data())
    if volume.places is None:
        t.give(Volume(t.add(InstanceNorm(eps, bool(arrays)), t.picture(), arrays=arrays)))
        return
    places, channels = t.places(volume), t.shape(volume)[-1]
    groups = len(places)
    rows = places.reshape(groups, -1) % channels * groups // channels
    need(not arrays and bool((rows == np.arange(groups)[:, np.newaxis]).all()), "normalises no groups of channels")
    t.give(Volume(t.add(GroupNorm(eps, False, groups), volume.piece), volume.places))


def _group_norm(t: Translation) -> None:
    call, x = t.step.call, t.picture()
    groups, channels, arrays = call.integer("num_groups", 1), t.pieces[x].shape[-1], _affine_arrays(t)
    arrays = {name: np.repeat(array, channels // len(array)) for name, array in arrays.items()}
    t.give(Volume(t.add(GroupNorm(call.number("epsilon", 1e-5), bool(arrays), groups), x, arrays=arrays)))


def _layer_norm(t: Translation) -> None:
    call, volume = t.step.call, t.whole(t.data())
    places, shape = t.places(volume), t.shape(volume)
    need(call.integer("axis", -1) in (-1, places.ndim), "normalises several axes together")
    need(is_same(places, ordered(shape)), "normalises other numbers than the channels")
    arrays = _affine_arrays(t)
    x = t.add(LayerNorm(call.number("epsilon", 1e-5), bool(arrays)), volume.piece, arrays=arrays)
    t.give(Volume(x, volume.places))


def _local_response_norm(t: Translation) -> None:
    call, x = t.step.call, t.picture()
    size = call.integer("size", 1)
    need(size % 2 == 1, "has an even number of channels")
    layer = LocalResponseNorm(size, call.number("bias", 1.0), call.number("alpha", 1e-4), call.number("beta", 0.75))
    t.give(Volume(t.add(layer, x)))


TRANSLATORS: dict[str, Translator] = {
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LRN": _local_response_norm,
}
