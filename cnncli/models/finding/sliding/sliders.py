"""What computes the windows of a tile: all in one pass of a network, or each as a picture of its own."""

from collections import OrderedDict
from math import prod
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnncli.arrays import Array
from cnncli.engines.engine import Predicting
from cnncli.engines.head import as_probabilities, output_kind
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.model import Model
from cnncli.models.predictor import Predictor
from cnncli.networks import Network
from cnncli.networks.sliding import Windows, all_layers, sliding_arrays, sliding_network, windows

FRACTION = 8
"""Windows in a window's side, where the network does not say how far they are apart."""

# In numbers of a tile's largest layer and its scratch memory. Tiles as small as the first were the fastest for LeNet-5
# and a small network for CIFAR; larger ones, up to the second, recompute less where a network pads deeply.
_SMALL_TILE, _LARGE_TILE, _LARGEST_SHARE = 1 << 20, 1 << 26, 1 / 4
_KEPT_NUMBERS = 1 << 26
_GATHERED_BYTES = 32 << 20


class Slider(Protocol):
    """What computes the windows of a tile."""

    @property
    def windows(self) -> Windows:
        """Size, stride and surroundings of the windows."""

    @property
    def most(self) -> int:
        """The most windows along a side of a tile, without its margins."""

    def scores(self, tiles: Array) -> Array:
        """Return the probabilities (N, rows, columns, classes) of the windows of tiles (N, H, W, C)."""


def slider_of(model: Predictor, *, exact: bool = False, jobs: int = 1) -> Slider:
    """Return what computes the windows of a model's tiles: in one pass, or exactly, which takes longer.

    Raises:
        ModelError: a network that cannot slide in one pass.
    """
    return OneByOne(model, jobs) if exact else OnePass(_sliding(model), jobs)


class OnePass:
    """The windows of a tile in one pass of a network."""

    def __init__(self, model: Model, jobs: int = 1) -> None:
        self._model, self._jobs, self._network = model, jobs, sliding_network(model.network)
        self.windows = windows(self._network)
        given, slid = model.network, self._network
        self._parameters = sliding_arrays(model.parameters, given.param_shapes(), slid.param_shapes())
        self._buffers = sliding_arrays(model.buffers, given.buffer_shapes(), slid.buffer_shapes())
        self._kept: OrderedDict[tuple[int, ...], tuple[int, Predicting]] = OrderedDict()
        self._keeping = Lock()
        self.most = _largest_tile(self._network, self.windows)

    def scores(self, tiles: Array) -> Array:
        """Return the probabilities of the windows of tiles."""
        outputs = self._predictor(tiles.shape[1:]).predict(tiles, prepare=self._model.normalization.apply)
        rows = as_probabilities(outputs.reshape(-1, outputs.shape[-1]), output_kind(self._model.network))
        return rows.reshape(*outputs.shape[:3], -1)

    def _predictor(self, shape: tuple[int, ...]) -> Predicting:
        """Return the network for tiles of a shape; those used last are kept, within some memory."""
        with self._keeping:
            if shape not in self._kept:
                network = self._network.replace(input_shape=shape)
                made = self._model.backend.predictor(network, self._parameters, self._buffers, jobs=self._jobs)
                self._kept[shape] = _numbers(network) + sum(map(np.size, self._parameters.values())), made
            self._kept.move_to_end(shape)
            while len(self._kept) > 1 and sum(numbers for numbers, _ in self._kept.values()) > _KEPT_NUMBERS:
                self._kept.popitem(last=False)
            return self._kept[shape][1]


def _sliding(model: Predictor) -> Model:
    """Return a model whose network can slide in one pass.

    Raises:
        ModelError: it cannot.
    """
    if not isinstance(model, Model):
        raise ModelError(
            f"{model.obstacle}, so that it cannot slide in one pass: --exact computes each window by itself"
        )
    try:
        sliding_network(model.network)
    except ArgumentError as error:
        raise ModelError(str(error)) from error
    return model


def _numbers(network: Network) -> int:
    """Return the numbers of the largest layer and its scratch memory."""
    return max(
        prod(layer.output_shape(shape)) + layer.scratch_numbers(shape)
        for layer, shape in all_layers(network.layers, network.input_shape)
    )


def _largest_tile(slid: Network, windows: Windows) -> int:
    """Return the windows along the side of the largest tile, a power of 2."""
    *_, channels = slid.input_shape
    top, bottom, left, right = windows.margins
    shared = max((n - s + margin) / s for n, s, margin in zip(*windows[:2], (top + bottom, left + right), strict=True))
    side = 1
    while True:
        sides = (n + s * (2 * side - 1) for n, s in zip(*windows[:2], strict=True))
        numbers = _numbers(slid.replace(input_shape=(*sides, channels)))
        if numbers > (_LARGE_TILE if shared > _LARGEST_SHARE * side else _SMALL_TILE):
            return side
        side *= 2


class OneByOne:
    """The windows of a tile as pictures of their own."""

    most = 64

    def __init__(self, model: Predictor, jobs: int = 1) -> None:
        self._model, self._jobs = model, jobs
        height, width, _ = model.input_shape
        try:
            self.windows = windows(sliding_network(_sliding(model).network))._replace(margins=(0, 0, 0, 0))
        except ModelError:
            steps = max(1, height // FRACTION), max(1, width // FRACTION)
            self.windows = Windows((height, width), steps, (0, 0, 0, 0), "")

    def scores(self, tiles: Array) -> Array:
        """Return the probabilities of the windows of tiles."""
        (height, width), (down, across) = self.windows[:2]
        seen = sliding_window_view(tiles, (height, width), axis=(1, 2))[:, ::down, ::across]
        crops = seen.transpose(0, 1, 2, 4, 5, 3)  # (N, rows, columns, h, w, C)
        together = max(1, _GATHERED_BYTES // (prod(crops.shape[2:]) * crops.itemsize))
        found = [
            self._model.probabilities(tile[start : start + together].reshape(-1, *crops.shape[3:]), self._jobs)
            for tile in crops
            for start in range(0, len(tile), together)
        ]
        return np.concatenate(found).reshape(*crops.shape[:3], -1)
