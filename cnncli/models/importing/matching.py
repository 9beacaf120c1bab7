"""Matching the arrays of a file with the places of a network's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cnncli.arrays import Array
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named
from cnncli.models.importing.arrays import StoredArray, StoredArrays
from cnncli.models.importing.imported import check_finite
from cnncli.models.importing.places import OWN, Place, own_names, places
from cnncli.networks import Network, load_network, zoo_names
from cnncli.networks.heads import head_names, with_outputs
from cnncli.networks.weights import PublishedWeights, as_published, published_weights
from cnncli.shapes import Shape, show_shape

WRAPPERS = ("module.", "model.", "_orig_mod.")
"""What data-parallel training, Lightning and torch.compile put before all names."""

UNUSED = "num_batches_tracked"
"""The end of names of numbers that PyTorch keeps and that no prediction needs."""

SHOWN = 3
"""Names that an error lists of each kind."""


class Placed(NamedTuple):
    """A network with arrays of a file.

    Attributes:
        network: with the number of outputs of the file's.
        arrays: by our names, with our axes, float32.
        weights: whose the file's are; None where the arrays were matched by order and shape, and may be anyone's.
        left_out: beginnings of the names of arrays that the network has no use for.
    """

    network: Network
    arrays: Mapping[str, Array]
    weights: PublishedWeights | None
    left_out: tuple[str, ...]


def place(network: Network, stored: StoredArrays, known: Iterable[PublishedWeights]) -> Placed:
    """Place the arrays of a file: by name where a program's names are known, and otherwise by order and shape.

    The network gets as many outputs as the file's classifier, and the epsilon and the padding of the program. Its first
    layer takes RGB: weights for BGR are turned round.

    Args:
        network: the network.
        stored: the arrays.
        known: the names that they may have.

    Raises:
        ModelError: an array without a place, a place without an array, an array of another shape or with numbers that
            are not finite; the message names it.
    """
    known = tuple(known)
    found, arrays = _chosen(network, _unwrapped(stored.arrays), known)
    # Keras leaves the names of layers out of some files; what it computes is its own all the same.
    published = found or next((each for each in known if each.program == stored.axes), None)
    weights = found or own_names(network)
    axes = OWN if found and found.program == OWN else stored.axes
    network = as_published(network, published or weights)
    if found:
        arrays = _head_renamed(network, places(network, weights, axes), arrays, weights.extras)
    network = _with_head(network, places(network, weights, axes), arrays, by_name=found is not None)
    wanted = places(network, weights, axes)
    if found:
        what = f"by {weights.program}'s names"
    else:
        wanted = _in_order(wanted, arrays)
        what = f"by order and shape (names as in {' or '.join(each.program for each in known)} would be known)"
    extra = {beginning for beginning in weights.extras if any(name.startswith(beginning) for name in arrays)}
    _check(network, wanted, {name: array for name, array in arrays.items() if not name.startswith(tuple(extra))}, what)
    placed = {place.name: _read(place, arrays[place.there]) for place in wanted}
    if published and published.channels == "bgr":
        placed[wanted[0].name] = placed[wanted[0].name][:, :, ::-1].copy()
    return Placed(network, placed, published, tuple(sorted(extra)))


def likely_network(shapes: Mapping[str, Shape]) -> str:
    """Return the network of the zoo that arrays of these names and shapes are weights of; empty where there is none."""
    names = {name for name in shapes if not name.endswith(UNUSED)}
    for network in zoo_names():
        for weights in published_weights(network).values():
            if weights.modules[0].name not in {name.rpartition(".")[0] for name in names}:
                continue
            loaded = load_network(network)
            head, wanted = head_names(loaded), places(loaded, weights)
            fitting = (shapes.get(place.there) == place.stored for place in wanted if place.name not in head)
            if names == {place.there for place in wanted} and all(fitting):
                return network
    return ""


def _unwrapped(arrays: Mapping[str, StoredArray]) -> dict[str, StoredArray]:
    """Return arrays without what others have put before all names, and without what no network needs."""
    found = {name: array for name, array in arrays.items() if not name.endswith(UNUSED)}
    for wrapper in (*WRAPPERS, *WRAPPERS):
        if found and all(name.startswith(wrapper) for name in found):
            found = {name.removeprefix(wrapper): array for name, array in found.items()}
    return found


def _chosen(
    network: Network, arrays: Mapping[str, StoredArray], known: Iterable[PublishedWeights]
) -> tuple[PublishedWeights | None, Mapping[str, StoredArray]]:
    """Return whose names most arrays have, None where less than half have, and the arrays by their names of today."""
    best: tuple[float, PublishedWeights | None, Mapping[str, StoredArray]] = 0.5, None, arrays
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


def _head_renamed(
    network: Network, wanted: Sequence[Place], arrays: Mapping[str, StoredArray], extras: tuple[str, ...]
) -> Mapping[str, StoredArray]:
    """Return arrays with the head under its published name: who puts another one on a network names it at will.

    It is the only layer of another name, and has the head's inputs.
    """
    head = {place.there: place for place in wanted if place.name in head_names(network)}
    known = {place.there for place in wanted}
    others = {name: array for name, array in arrays.items() if name not in known and not name.startswith(extras)}
    layers = {name.rpartition(".")[0] for name in others}
    if len(layers) != 1 or arrays.keys() & head.keys():
        return arrays
    ours = next(iter(head)).rpartition(".")[0] if head else ""
    renamed = {f"{ours}.{name.rpartition('.')[2]}": array for name, array in others.items()}
    fits = renamed.keys() == head.keys() and all(
        _without(array.shape, _outputs_axis(head[name])) == _without(head[name].stored, _outputs_axis(head[name]))
        for name, array in renamed.items()
    )
    return {**{name: array for name, array in arrays.items() if name not in others}, **renamed} if fits else arrays


def _with_head(
    network: Network, wanted: Sequence[Place], arrays: Mapping[str, StoredArray], *, by_name: bool
) -> Network:
    """Return the network with as many outputs as the classifier of the file has."""
    names = head_names(network)
    head = next((place for place in wanted if place.name in names), None)
    if head is None:
        return network
    axis = _outputs_axis(head)
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


def _outputs_axis(head: Place) -> int:
    """Return the axis of an array of a head that has a number for each output: the first or the last one."""
    return 0 if head.order[0] == len(head.split) - 1 else -1


def _without(shape: Shape, axis: int) -> Shape:
    return shape[1:] if axis == 0 else shape[:-1]


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
        first = len(wanted) - len(missing)
        is_headless = len(wanted) / 2 < first < len(wanted) and all(place.there in arrays for place in wanted[:first])
        hint = "; the file has no classifier (include_top=False)" if is_headless and not extra else ""
        raise ModelError(f"does not fit {network.name or 'the network'} {what}: {wrong}{hint}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _read(place: Place, array: StoredArray) -> Array:
    numbers = place.ours(array.read())
    check_finite(place.there, numbers)
    return numbers
