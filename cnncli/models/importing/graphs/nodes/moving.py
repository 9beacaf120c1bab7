"""Operations that move numbers, pick or repeat them, and compute nothing."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.formats.onnx.operations import Call
from cnncli.models.importing.graphs.nodes.base import Translator, need
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.graphs.views import MAX_PLACES


def _view(change: Callable[[Call, Array], list[Array]], t: Translation) -> None:
    volume = t.data()
    seen = change(t.step.call, t.places(volume)[np.newaxis])
    t.give(*(t.viewed(volume.piece, each[0]) for each in seen))


def _reshape(t: Translation) -> None:
    volume, after, call = t.data(merged=True), t.step.outputs[0].shape or (), t.step.call
    axes = call.integers("axes", 1) if t.step.op in ("Squeeze", "Unsqueeze") else ()
    rank = max(len(after), len(call.shape()))
    need(axes is not None and 0 not in [axis % rank for axis in axes], "moves the batch")
    need(t.step.op != "Flatten" or call.integer("axis", 1) % len(call.shape()) != 0, "moves the batch")
    if after[:1] != (1,):
        t.give(Volume(volume.piece, t.places(volume).reshape(after), merged=True))
    else:
        t.give(t.viewed(volume.piece, t.places(volume).reshape(after[1:])))


def _transpose(call: Call, places: Array) -> list[Array]:
    order = call.integers("perm") or ()
    need(order[:1] == (0,), "moves the batch")
    return [places.transpose(order)]


def _axis(call: Call, places: Array) -> int:
    axis = call.integer("axis", 0) % places.ndim
    need(axis > 0, "splits the batch")
    return axis


def _split(call: Call, places: Array) -> list[Array]:
    axis, count = _axis(call, places), max(1, len(call.node.outputs))
    even = -(-places.shape[axis] // count)
    sizes = call.integers("split", 1) or (even,) * count
    return np.split(places, np.cumsum(sizes)[: count - 1], axis)


def _slice(call: Call, places: Array) -> list[Array]:
    starts, ends = call.integers("starts", 1) or (), call.integers("ends", 2) or ()
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = axis % places.ndim
        need(at > 0 or (start == 0 and end >= places.shape[0] and step == 1), "cuts the batch")
        places = places[(slice(None),) * at + (slice(start, end, step),)]
    return [places]


def _gather(call: Call, places: Array) -> list[Array]:
    indices = call.known_integers(1)
    return [np.take(places, np.array(indices).reshape(call.shape(1)), axis=_axis(call, places))]


def _repeated(call: Call, places: Array) -> list[Array]:
    if call.node.op == "Expand":
        after = np.broadcast_shapes(places.shape, call.known_integers(1))
    else:
        after = tuple(n * times for n, times in zip(places.shape, call.known_integers(1), strict=True))
    need(after[0] == 1 and prod(after) <= MAX_PLACES, "repeats the batch, or too much")
    return [np.broadcast_to(places, after) if call.node.op == "Expand" else np.tile(places, call.known_integers(1))]


def _depth_to_space(call: Call, places: Array) -> list[Array]:
    (_, channels, height, width), size = places.shape, call.integer("blocksize", 1)
    if str(call.node.attributes.get("mode", "DCR")) == "CRD":
        parts = places.reshape(1, -1, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = places.reshape(1, size, size, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
    return [parts.reshape(1, channels // size**2, height * size, width * size)]


def _space_to_depth(call: Call, places: Array) -> list[Array]:
    (_, channels, height, width), size = places.shape, call.integer("blocksize", 1)
    parts = places.reshape(1, channels, height // size, size, width // size, size).transpose(0, 3, 5, 1, 2, 4)
    return [parts.reshape(1, -1, height // size, width // size)]


TRANSLATORS: dict[str, Translator] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": partial(_view, _transpose),
    "Split": partial(_view, _split),
    "Slice": partial(_view, _slice),
    "Gather": partial(_view, _gather),
    **dict.fromkeys(("Tile", "Expand"), partial(_view, _repeated)),
    "DepthToSpace": partial(_view, _depth_to_space),
    "SpaceToDepth": partial(_view, _space_to_depth),
}
