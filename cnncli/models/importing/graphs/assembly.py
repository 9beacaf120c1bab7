"""From sequences and blocks to a network, its arrays, and the normalisation at its beginning."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError
from cnncli.models.importing.graphs.pieces import ADD, AFFINE, CAT, MUL, RES, Element, Elements, Fragment
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks import Network
from cnncli.networks.layers import (
    Add,
    Block,
    Chain,
    Concat,
    Conv,
    Depthwise,
    FullyConnected,
    Layer,
    Product,
    Residual,
    Sequential,
    TransposedConv,
)
from cnncli.shapes import Shape

BLOCKS: dict[str, type[Block]] = {ADD: Add, RES: Residual, MUL: Product, CAT: Concat}

HEADS = Conv | Depthwise | TransposedConv | FullyConnected
"""Layers whose words take those that follow as options."""


class Built(NamedTuple):
    """Layers, with their arrays by their names."""

    layers: Sequential
    arrays: dict[str, Array]


def as_network(elements: Elements, input_shape: Shape) -> tuple[Network, dict[str, Array], dict[str, Array]]:
    """Return a network, its parameters and its buffers.

    Raises:
        NotANetworkError: an element is no layer.
    """
    if not elements:
        raise NotANetworkError("it computes nothing")
    try:
        built = _built(elements)
        network = Network(input_shape, built.layers)
    except ArgumentError as error:
        raise NotANetworkError(str(error)) from error
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in built.arrays.items()}
    parameters = {name: arrays[name] for name in network.param_shapes() if name in arrays}
    buffers = {name: arrays[name] for name in network.buffer_shapes() if name in arrays}
    return network, parameters, buffers


def _built(elements: Elements) -> Built:
    layers: list[Layer] = []
    arrays: dict[str, Array] = {}
    for place, word in enumerate(_words(elements)):
        layer, own = _block(word[0]) if word[0].branches else _chain(word)
        layers.append(layer)
        arrays |= {f"{place}.{name}": array for name, array in own.items()}
    return Built(Sequential(tuple(layers)), arrays)


def _words(elements: Elements) -> Iterator[list[Element]]:
    """Yield the elements of each word: a layer with weights, and what follows it."""
    word: list[Element] = []
    for element in elements:
        if isinstance(element.layer, Fragment) and element.layer.kind not in BLOCKS:
            raise NotANetworkError(f"{element.node}: {element.layer.kind} is no layer by itself")
        if word and not _follows(word, element.layer):
            yield word
            word = []
        word.append(element)
    if word:
        yield word


def _follows(word: list[Element], layer: Layer | Fragment) -> bool:
    ops = [each.layer.op for each in word if isinstance(each.layer, Layer)]
    return isinstance(word[0].layer, HEADS) and isinstance(layer, Layer) and layer.follows and layer.op not in ops


def _chain(word: list[Element]) -> tuple[Layer, dict[str, Array]]:
    layers = tuple(each.layer for each in word if isinstance(each.layer, Layer))
    arrays = {
        f"{layer.op}.{name}": array
        for layer, each in zip(layers, word, strict=True)
        for name, array in each.arrays.items()
    }
    return Chain(layers) if len(layers) > 1 else layers[0], arrays


def _block(element: Element) -> tuple[Layer, dict[str, Array]]:
    assert isinstance(element.layer, Fragment)
    branches = list(map(_built, element.branches))
    kind = BLOCKS[element.layer.kind]
    if kind in (Add, Residual):  # the main branch is the longer one; a sum has no order
        branches.sort(key=lambda branch: branch.layers.layer_count, reverse=True)
    if kind is Product:  # as squeeze and excitation is written: what is scaled first
        branches.sort(key=lambda branch: bool(branch.layers.layers))
    block = kind.of([branch.layers for branch in branches])
    arrays = {
        f"{block.op}.{name}.{inner}": array
        for (name, _, _), branch in zip(block.branches, branches, strict=True)
        for inner, array in branch.arrays.items()
    }
    return block, arrays


def normalization(elements: Elements, channels: int) -> tuple[Normalization | None, Elements]:
    """Return the normalisation that a sequence begins with, on the scale 0 to 255, and the rest.

    A graph does not say whether its pictures are from 0 to 255 or from 0 to 1, but means and deviations do: those of
    pixels from 0 to 1 are at most 1.
    """
    if not elements or not elements[0].is_a(AFFINE) or channels > 4:
        return None, elements
    scale, shift = (np.broadcast_to(elements[0].arrays[name], (channels,)) for name in ("scale", "shift"))
    if not (scale > 0).all():
        return None, elements
    mean, std = -shift / scale, 1 / scale
    if max(np.abs(mean).max(), std.max()) <= 1:
        mean, std = 255 * mean, 255 * std
    try:
        return Normalization(tuple(mean.tolist()), tuple(std.tolist())), elements[1:]
    except ArgumentError:
        return None, elements
