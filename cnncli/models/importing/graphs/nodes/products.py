"""Products with matrices: of a row of numbers, or of the channels of each pixel."""

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs.nodes.base import Translator, need
from cnncli.models.importing.graphs.translation import Translation, Volume
from cnncli.models.importing.graphs.views import is_same, ordered
from cnncli.networks.layers import (
    Conv,
    FullyConnected,
)

ROWS = 128
"""Rows of a matrix that are moved at a time: 64 to 256 are alike."""


def _gemm(t: Translation) -> None:
    call = t.step.call
    need(not call.integer("transA", 0), "turns its input round")
    weight = t.numbers(1).T if call.integer("transB", 0) else t.numbers(1)
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    bias = None
    if call.has(2) and beta:
        bias = np.broadcast_to(t.numbers(2), (1, weight.shape[1])).reshape(-1) * np.float32(beta)
    _multiplied(t, weight if alpha == 1 else weight * np.float32(alpha), bias)


def _matmul(t: Translation) -> None:
    need(t.has_numbers(1), "multiplies two tensors that depend on the picture, or a constant by one")
    _multiplied(t, t.numbers(1), None)


def _multiplied(t: Translation, weight: Array, bias: Array | None) -> None:
    """Add a product with a matrix: of a row of numbers, or of the channels of each pixel."""
    volume = t.whole(t.data(merged=True))
    need(weight.ndim == 2, "multiplies by a stack of matrices")
    if not volume.merged and (volume.places is None or volume.places.ndim != 3):
        _connected(t, weight, bias)
        return
    shape, places = t.shape(volume), t.places(volume)
    rows = places.reshape(-1, places.shape[-1])
    need(len(shape) == 3 and is_same(rows, ordered((rows.shape[0], shape[2]))), "multiplies pixels, not channels")
    arrays = {"weight": weight[np.newaxis, np.newaxis]} | ({} if bias is None else {"bias": bias})
    x = t.add(Conv((1, 1), weight.shape[1], bias=bias is not None), volume.piece, arrays=arrays)
    t.give(Volume(x, ordered(t.pieces[x].shape).reshape(*places.shape[:-1], -1), volume.merged))


def _connected(t: Translation, weight: Array, bias: Array | None) -> None:
    x, places = t.flat()
    if places is not None:
        weight = _moved(weight, places)
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    t.give(Volume(t.add(FullyConnected(weight.shape[1], bias is not None), x, arrays=arrays)))


def _moved(weight: Array, places: Array) -> Array:
    """Return rows at their places; in blocks, as rows of a matrix that is turned round lie far apart."""
    found = np.empty(weight.shape, weight.dtype)
    for start in range(0, len(weight), ROWS):
        block = slice(start, start + ROWS)
        found[places[block]] = weight[block]
    return found


TRANSLATORS: dict[str, Translator] = {"Gemm": _gemm, "MatMul": _matmul}
