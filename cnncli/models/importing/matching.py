"""Placing arrays with names of other programs in a network of ours.

Our axes are those of TensorFlow: filters (f_h, f_w, C_in, C_out), fully connected weights (inputs, outputs) of pictures
read row by row, channels last. PyTorch has (C_out, C_in, f_h, f_w) and (outputs, inputs), of pictures read channel by
channel; so the first fully connected layer behind a picture has its inputs in another order too.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named
from cnncli.models.importing.arrays import StoredArray, StoredArrays
from cnncli.models.importing.imported import check_finite
from cnncli.networks import Layer, Network
from cnncli.networks.heads import head_names, with_outputs
from cnncli.networks.layers import Block, Compound
from cnncli.networks.weights import Module, PublishedWeights, with_epsilon
from cnncli.shapes import Shape, show_shape

WRAPPERS = ("module.", "model.", "_orig_mod.")
"""What data-parallel training, Lightning and torch.compile put before all names."""

UNUSED = "num_batches_tracked"
"""The end of names of numbers that PyTorch keeps and that no prediction needs."""

OWN = "cnncli"
"""The program whose names and axes are ours."""

SHOWN = 3
"""Names that an error lists of each kind."""


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
    shape, weight = slot.arrays[role], role == "weight"
    split, order = shape, tuple(range(len(shape)))
    if axes == "torch":
        order = next((axes for axes in slot.layer.torch_axes if weight and len(axes) == len(shape)), order)
    stored = tuple(shape[axis] for axis in order)
    is_flat = weight if slot.layer.dense else len(slot.input_shape) == 1
    picture = slot.picture if is_flat and axes == "torch" else None
    if picture is not None:
        height, width, channels = picture
        split = (*picture, *shape[1:])
        order = tuple(part for axis in order for part in ((2, 0, 1) if axis == 0 else (axis + 2,)))
        if module.rank == 4 and weight:
            stored = stored[0], channels, height, width
    if module.rank is not None and weight:
        stored = _of_rank(stored, module.rank)
    groups = getattr(slot.layer.meaning(slot.input_shape), "groups", 1)
    if axes == "keras" and len(shape) == 4 and groups > 1 and shape[2] == 1:  # depthwise: (f_h, f_w, C, filters each)
        stored = *shape[:2], groups, shape[3] // groups
    return Place(slot.prefix + role, module.array(role), shape, split, order, stored)


def _of_rank(shape: Shape, rank: int) -> Shape:
    """Return a shape with more axes, of 1, or with the last ones as one.

    Example:
        >>> _of_rank((64, 32, 1, 1), 2), _of_rank((96,), 3)
        ((64, 32), (96, 1, 1))
    """
    return (*shape, *(1,) * (rank - len(shape))) if rank > len(shape) else (*shape[: rank - 1], prod(shape[rank - 1 :]))


class Placed(NamedTuple):
    """A network with arrays of a file.

    Attributes:
        network: with the number of outputs of the file's.
        arrays: by our names, with our axes, float32.
        weights: whose names the file has; None where the arrays were matched by order and shape.
        left_out: beginnings of the names of arrays that the network has no use for.
    """

    network: Network
    arrays: Mapping[str, Array]
    weights: PublishedWeights | None
    left_out: tuple[str, ...]


def place(network: Network, stored: StoredArrays, known: Iterable[PublishedWeights]) -> Placed:
    """Place the arrays of a file: by name where a program's names are known, and otherwise by order and shape.

    The network gets as many outputs as the file's classifier, and the epsilon of the program.

    Args:
        network: the network.
        stored: the arrays.
        known: the names that they may have.

    Raises:
        ModelError: an array without a place, a place without an array, an array of another shape or with numbers that
            are not finite; the message names it.
    """
    arrays, known = _unwrapped(stored.arrays), tuple(known)
    weights, names = _chosen(network, arrays, known)
    if weights is None:
        network = _with_head(network, places(network, own_names(network), stored.axes), arrays, by_name=False)
        wanted = _in_order(places(network, own_names(network), stored.axes), arrays)
        programs = " or ".join(weights.program for weights in known)
        what = f"by order and shape (names as in {programs} would be known)"
    else:
        axes = OWN if weights.program == OWN else stored.axes
        network = network if weights.eps is None else with_epsilon(network, weights.eps)
        network = _with_head(network, places(network, weights, axes), names, by_name=True)
        wanted, arrays, what = places(network, weights, axes), names, f"by {weights.program}'s names"
    extras = weights.extras if weights else ()
    _check(network, wanted, {name: array for name, array in arrays.items() if not name.startswith(extras)}, what)
    left_out = tuple(extra for extra in extras if any(name.startswith(extra) for name in arrays))
    return Placed(network, {each.name: _read(each, arrays[each.there]) for each in wanted}, weights, left_out)


def _unwrapped(arrays: Mapping[str, StoredArray]) -> dict[str, StoredArray]:
    """Return arrays without what others have put before all names, and without what no network needs."""
    found = {name: array for name, array in arrays.items() if not name.endswith(UNUSED)}
    for wrapper in (*WRAPPERS, *WRAPPERS):
        if found and all(name.startswith(wrapper) for name in found):
            found = {name.removeprefix(wrapper): array for name, array in found.items()}
    return found


def _chosen(
    network: Network, arrays: Mapping[str, StoredArray], known: Iterable[PublishedWeights]
) -> tuple[PublishedWeights | None, dict[str, StoredArray]]:
    """Return whose names most arrays have, and the arrays by their names of today; None where less than half have."""
    best: tuple[float, PublishedWeights | None, dict[str, StoredArray]] = 0.5, None, {}
    for weights in known:
        names = {_renamed(name, weights.renamed): array for name, array in arrays.items()}
        wanted = [place.there for place in places(network, weights, OWN)]
        share = sum(name in names for name in wanted) / len(wanted) if wanted else 0
        if share > best[0]:
            best = share, weights, names
    return best[1:]


def _renamed(name: str, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        name = name.replace(old, new)
    return name


def _with_head(
    network: Network, wanted: Sequence[Place], arrays: Mapping[str, StoredArray], *, by_name: bool
) -> Network:
    """Return the network with as many outputs as the classifier of the file has."""
    names = head_names(network)
    head = next((place for place in wanted if place.name in names), None)
    if head is None:
        return network
    axis = 0 if head.order[0] == len(head.split) - 1 else -1  # that of the outputs
    fitting = [
        array.shape[axis]
        for name, array in arrays.items()
        if (name == head.there if by_name else name.endswith(".weight"))
        and _without(array.shape, axis) == _without(head.stored, axis)
    ]
    if not fitting or head.stored[axis] in fitting:
        return network
    try:
        return with_outputs(network, fitting[-1])
    except ArgumentError as error:
        raise ModelError(str(error)) from error


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis:][1:]) if axis == 0 else shape[:-1]


def _in_order(wanted: Sequence[Place], arrays: Mapping[str, StoredArray]) -> list[Place]:
    """Return places with names of arrays: for each role and shape, those of the file in its order."""
    left: dict[tuple[str, Shape], list[str]] = {}
    for name, array in arrays.items():
        left.setdefault((name.rpartition(".")[2], array.shape), []).append(name)
    found = []
    for place in wanted:
        names = left.get((place.name.rpartition(".")[2], place.stored))
        found.append(place._replace(there=names.pop(0)) if names else place)
    return found


def _check(network: Network, wanted: Sequence[Place], arrays: Mapping[str, StoredArray], what: str) -> None:
    """Check that every array has a place and every place an array, of its shape."""
    there = {place.there for place in wanted}
    missing = [f"{place.there} ({show_shape(place.stored)})" for place in wanted if place.there not in arrays]
    shapes = [
        f"{place.there} is {show_shape(arrays[place.there].shape)}, needs {show_shape(place.stored)}"
        for place in wanted
        if place.there in arrays and arrays[place.there].shape != place.stored
    ]
    extra = [f"{named(name)} ({show_shape(arrays[name].shape)})" for name in arrays if name not in there]
    kinds = (("missing", missing), ("wrong shape:", shapes), ("unknown", extra))
    wrong = "; ".join(f"{kind} {_listed(names)}" for kind, names in kinds if names)
    if wrong:
        raise ModelError(f"does not fit {network.name or 'the network'} {what}: {wrong}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _read(place: Place, array: StoredArray) -> Array:
    numbers = place.ours(array.read())
    check_finite(place.there, numbers)
    return numbers
