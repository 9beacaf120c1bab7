"""Layouts: which number of ours each number of a graph's tensor is.

Here pictures are (H, W, C), in a graph mostly (C, H, W), and nodes move axes, split and join them. All of these only
say where a number is taken from, so a tensor is described by places: for each of its numbers, batch left out, the index
of the same number in ours. What a row of nodes does to places, a layer that rearranges must do too, or there is none.
"""

from collections.abc import Iterator
from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.networks.layers import Flatten, Layer, Upsampling
from cnncli.networks.layers.rearranging import (
    Crop,
    DepthToSpace,
    Rearrangement,
    Reshape,
    Shuffle,
    SpaceToDepth,
    Split,
)
from cnncli.shapes import Shape

MAX_PLACES = 2**22
"""Numbers of a tensor whose places are followed; 224x224x64 are 3.2 million."""


def ordered(shape: Shape) -> Array:
    """Return the indices of our numbers in their own shape."""
    return np.arange(prod(shape), dtype=np.int32).reshape(shape)


def usual(shape: Shape) -> Array:
    """Return the places of a tensor in the graph's usual layout, channels first.

    Example:
        >>> usual((1, 2, 3)).tolist()
        [[[0, 3]], [[1, 4]], [[2, 5]]]
    """
    return np.moveaxis(ordered(shape), -1, 0)


def is_same(places: Array, other: Array) -> bool:
    """Return whether two arrays of places are equal."""
    return places.shape == other.shape and bool((places == other).all())


def rearrangement(shape: Shape, wanted: Array) -> Layer | None:
    """Return the layer that moves our numbers of a shape to places (H, W, C) or (N,); None if there is none.

    Example:
        >>> str(rearrangement((1, 1, 4), np.array([[[0, 2, 1, 3]]])))
        'shuffle2'
    """
    if wanted.size > prod(shape):
        return _repeating(shape, wanted)
    own = ordered((1, *shape))
    for layer in _candidates(shape, wanted):
        if is_same(layer.seen(own).reshape(wanted.shape), wanted):
            return layer
    return Flatten() if is_same(own.reshape(-1), wanted) else None


def _repeating(shape: Shape, wanted: Array) -> Layer | None:
    """Return the layer that repeats each pixel, if that is what makes more numbers."""
    if len(shape) != 3 or wanted.ndim != 3 or wanted.shape[0] % shape[0] or wanted.shape[1] % shape[1]:
        return None
    down, across = wanted.shape[0] // shape[0], wanted.shape[1] // shape[1]
    repeated = ordered(shape).repeat(down, axis=0).repeat(across, axis=1)
    return Upsampling((down, across)) if is_same(repeated, wanted) else None


def has_each_once(places: Array, shape: Shape) -> bool:
    """Return whether each number of ours has one place."""
    if places.size != prod(shape):
        return False
    seen = np.zeros(places.size, bool)
    seen[places.reshape(-1)] = True
    return bool(seen.all())


def _candidates(shape: Shape, wanted: Array) -> Iterator[Rearrangement]:
    after, size = wanted.shape, prod(shape)
    channels, own = after[-1], shape[-1]
    if len(after) not in (1, 3) or not wanted.size:
        return
    if after == shape:
        second = int(wanted.flat[1]) if wanted.size > 1 else 0  # the first channel of the second group
        yield from (Shuffle(channels // n) for n in (second,) if 1 < n < channels and channels % n == 0)
    if wanted.size < size and after[:-1] == shape[:-1] and own % channels == 0:
        yield Split((int(wanted.flat[0]) % own // channels + 1, own // channels))
    if len(after) == len(shape) == 3 and wanted.size < size and channels == own:
        yield from _crops(shape, wanted)
    if wanted.size == size and len(after) == len(shape) == 3:
        if shape[0] > after[0] and shape[0] % after[0] == 0:
            yield from _fitting(SpaceToDepth(shape[0] // after[0]), shape, after)
        if after[0] > shape[0] and after[0] % shape[0] == 0:
            yield from _fitting(DepthToSpace(after[0] // shape[0]), shape, after)
    if wanted.size == size and len(after) == 3:
        yield Reshape(tuple(after))


def _crops(shape: Shape, wanted: Array) -> Iterator[Rearrangement]:
    (height, width, channels), first = shape, int(wanted.flat[0])
    top, left = divmod(first // channels, width)
    bottom, right = height - top - wanted.shape[0], width - left - wanted.shape[1]
    if min(bottom, right) >= 0:
        yield Crop((top, bottom, left, right))


def _fitting(layer: Rearrangement, shape: Shape, after: Shape) -> Iterator[Rearrangement]:
    height, width, channels = shape
    size = getattr(layer, "block_size", 1)
    down = isinstance(layer, SpaceToDepth)
    fits = height % size == width % size == 0 if down else channels % size**2 == 0
    if fits and layer.output_shape(shape) == tuple(after):
        yield layer
