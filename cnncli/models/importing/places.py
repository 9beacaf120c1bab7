"""Places of a network's arrays in files of other programs: their names, and the order of their axes.

Our axes are those of TensorFlow: filters (f_h, f_w, C_in, C_out), fully connected weights (inputs, outputs) of pictures
read row by row, channels last. PyTorch has (C_out, C_in, f_h, f_w) and (outputs, inputs), of pictures read channel by
channel; so the first fully connected layer behind a picture has its inputs in another order too.
"""

from collections.abc import Callable, Mapping
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.networks import Layer, Network
from cnncli.networks.layers import Block, Compound
from cnncli.networks.weights import Module, PublishedWeights
from cnncli.shapes import Shape

OWN = "cnncli"
"""The program whose names and axes are ours."""


class Slot(NamedTuple):
    """A layer that has arrays.

    Attributes:
        prefix: the beginning of their names, such as `0.conv.`.
        layer: the layer.
        input_shape: the shape of its input.
        picture: (H, W, C) of the picture that its input is, flattened or not; None where it is none.
        arrays: their shapes by role.
    """

    prefix: str
    layer: Layer
    input_shape: Shape
    picture: Shape | None
    arrays: Mapping[str, Shape]


class Place(NamedTuple):
    """An array of ours, and the form that it has elsewhere.

    Attributes:
        name: its name here.
        there: its name there.
        shape: its shape here.
        split: the same, with the axis of a flattened picture opened.
        order: the axis of `split` for each axis there.
        stored: the shape there.
    """

    name: str
    there: str
    shape: Shape
    split: Shape
    order: tuple[int, ...]
    stored: Shape

    def ours(self, array: Array) -> Array:
        """Return a copy of an array from there with our axes."""
        opened = array.reshape([self.split[axis] for axis in self.order]).transpose(np.argsort(self.order))
        return _copied(opened).reshape(self.shape)

    def theirs(self, array: Array) -> Array:
        """Return a copy of an array of ours with their axes."""
        opened = array.reshape(self.split).transpose(self.order)
        return _copied(opened).reshape(self.stored)


def _copied(view: Array, tile: int = 32) -> Array:
    """Return a contiguous copy of a view in float32, made tile by tile.

    Copied row by row, numbers lie far apart: the first fully connected weights of VGG-16 take 4.6 s, in tiles 0.3 s.
    """
    copy = np.empty(view.shape, np.float32)
    longest = sorted(range(view.ndim), key=view.shape.__getitem__)[-2:]
    for starts in product(*(range(0, view.shape[axis], tile) for axis in longest)):
        part = [slice(None)] * view.ndim
        for axis, start in zip(longest, starts, strict=True):
            part[axis] = slice(start, start + tile)
        copy[tuple(part)] = view[tuple(part)]
    return copy


def slots(network: Network) -> list[Slot]:
    """Return the layers that have arrays, in their order.

    Example:
        >>> from cnncli.networks import parse_network
        >>> [(slot.prefix, slot.picture) for slot in slots(parse_network("6x6x1 conv3-2,bn max2 flatten fc-5 fc-3"))]
        [('0.conv.', (6, 6, 1)), ('0.bn.', (4, 4, 2)), ('3.fc.', (2, 2, 2)), ('4.fc.', None)]
    """
    return _slots(network.layers, "", network.input_shape, None)[0]


def _slots(layer: Layer, prefix: str, shape: Shape, picture: Shape | None) -> tuple[list[Slot], Shape | None]:
    """Return a layer's slots, and the picture that its output is."""
    picture = shape if len(shape) == 3 else picture
    found: list[Slot] = []
    if isinstance(layer, Compound):
        for part in layer.parts(shape):
            inner, after = _slots(part.layer, prefix + part.prefix, part.input_shape, picture)
            found += inner
            picture = picture if isinstance(layer, Block) else after
        return found, None if isinstance(layer, Block) else picture
    arrays = {**layer.param_shapes(shape), **layer.buffer_shapes(shape)}
    keeps = prod(layer.output_shape(shape)) == prod(shape) and not layer.dense
    return [Slot(prefix, layer, shape, picture, arrays)] if arrays else [], picture if keeps else None


def own_names(network: Network) -> PublishedWeights:
    """Return the names that arrays have here."""
    return PublishedWeights(OWN, tuple(Module(slot.prefix.removesuffix(".")) for slot in slots(network)))


def places(network: Network, weights: PublishedWeights, axes: str = "torch") -> list[Place]:
    """Return the place of every array of a network in files of a program.

    Raises:
        ArgumentError: the names that are known are not those of this network.
    """
    layers = slots(network)
    if len(layers) != len(weights.modules):
        raise ArgumentError(
            f"{weights.program}'s names are known for a network of {len(weights.modules)} layers with arrays; this one "
            f"has {len(layers)}"
        )
    return [
        _place(slot, module, role, axes)
        for slot, module in zip(layers, weights.modules, strict=True)
        for role in slot.arrays
    ]


def _place(slot: Slot, module: Module, role: str, axes: str) -> Place:
    shape = slot.arrays[role]
    split, order, stored = FORMS.get(axes, _same)(slot, role, module.rank if role == "weight" else None)
    return Place(slot.prefix + role, module.array(role), shape, split, order, stored)


Form = tuple[Shape, tuple[int, ...], Shape]
"""`split`, `order` and `stored` of a place."""


def _same(slot: Slot, role: str, rank: int | None) -> Form:
    shape = slot.arrays[role]
    return shape, tuple(range(len(shape))), shape


def _torch_form(slot: Slot, role: str, rank: int | None) -> Form:
    shape = slot.arrays[role]
    order = slot.layer.torch_order(role, len(shape))
    stored = tuple(shape[axis] for axis in order)
    is_flat = role == "weight" if slot.layer.dense else len(slot.input_shape) == 1
    if slot.picture is None or not is_flat:
        return shape, order, stored if rank is None else _of_rank(stored, rank)
    height, width, channels = slot.picture
    if rank == 4:  # a convolution over the whole picture
        stored = stored[0], channels, height, width
    order = tuple(part for axis in order for part in ((2, 0, 1) if axis == 0 else (axis + 2,)))
    return (*slot.picture, *shape[1:]), order, stored


def _keras_form(slot: Slot, role: str, rank: int | None) -> Form:
    shape, order, stored = _same(slot, role, rank)
    groups = getattr(slot.layer.meaning(slot.input_shape), "groups", 1)
    if len(shape) == 4 and groups > 1 and shape[2] == 1:  # depthwise: (f_h, f_w, C, filters of each)
        stored = *shape[:2], groups, shape[3] // groups
    return shape, order, stored


FORMS: dict[str, Callable[[Slot, str, int | None], Form]] = {"torch": _torch_form, "keras": _keras_form}
"""For each order of axes, what makes the form of a layer's array; where there is none, the form is ours."""


def _of_rank(shape: Shape, rank: int) -> Shape:
    """Return a shape with more axes, of 1, or with the last ones as one.

    Example:
        >>> _of_rank((64, 32, 1, 1), 2), _of_rank((96,), 3)
        ((64, 32), (96, 1, 1))
    """
    return (*shape, *(1,) * (rank - len(shape))) if rank > len(shape) else (*shape[: rank - 1], prod(shape[rank - 1 :]))
