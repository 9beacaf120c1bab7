"""The weights of a network, given by name: typed, in files, or drawn."""

import os
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.choices import did_you_mean
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError
from cnncli.files.matrices import parse_matrices
from cnncli.files.text import printable
from cnncli.files.toml import read_toml
from cnncli.models.activations.numbers import in_type
from cnncli.networks.network import Network
from cnncli.shapes import Shape, show_shape

Weights = Mapping[str, npt.ArrayLike]
"""Arrays by name; a text is read as matrices, with `|` between those of several channels and filters."""

WEIGHT_SUFFIXES = (".toml", ".npz", ".safetensors")

_LISTED = 12


def read_weights(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the arrays of a file by name, or what is to be read as such.

    `.safetensors` and `.npz` hold arrays; `.toml` has lines such as `0.conv.weight = "1 0 -1; 1 0 -1; 1 0 -1"`, and
    lists of numbers.

    Raises:
        CnncliError: the file cannot be read, or is of another kind.
    """
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".toml":
        return dict(_flat(read_toml(name, "a file of weights")))
    if suffix == ".npz":
        from cnncli.data.npz import read_arrays

        return read_arrays(name)
    if suffix == ".safetensors":
        from cnncli.models.safetensors import read_tensors

        return read_tensors(name)[0]
    raise ArgumentError(f"{name}: weights are read from {', '.join(WEIGHT_SUFFIXES)}")


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of tables inside tables, by their names in full: `0.conv.weight` is a table's, too."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def given_weights(
    network: Network, given: Weights, *, seed: int | None = None, dtype: npt.DTypeLike = np.float64
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return all arrays of a network by name, and the names of those that were drawn.

    Args:
        network: the network.
        given: its parameters and buffers.
        seed: of those that are not given; None to have all given.
        dtype: type of the arrays.

    Raises:
        ArgumentError: an array that the network does not have, of another shape, or missing; the message lists names.

    Example:
        >>> from cnncli.networks import parse_network
        >>> arrays, _ = given_weights(parse_network("3x3x1 conv2-1"), {"0.conv.weight": "1 2; 3 4", "0.conv.bias": "5"})
        >>> arrays["0.conv.weight"].shape, arrays["0.conv.bias"].tolist()
        ((2, 2, 1, 1), [5.0])
    """
    shapes = network.param_shapes() | network.buffer_shapes()
    for name in given:
        if name not in shapes:
            near = did_you_mean(name, shapes, "")
            raise ArgumentError(
                f"the network has no array {printable(name)}{near and f', {near}'}: it has {_listed(shapes) or 'none'}"
            )
    arrays = {name: in_type(_array(name, value, shapes[name]), dtype, name) for name, value in given.items()}
    missing = {name: shape for name, shape in shapes.items() if name not in arrays}
    if missing and seed is None:
        raise ArgumentError(
            f"{len(missing)} of {len(shapes)} arrays are not given: {_listed(missing)}; give each with --set "
            "NAME=MATRIX or --weights FILE, or draw them with --seed N"
        )
    if seed is not None:
        parameters, buffers = initialize(network, seed, dtype, only=missing)
        arrays |= parameters | buffers
    return {name: arrays[name] for name in shapes}, tuple(missing)


def _listed(shapes: Mapping[str, Shape]) -> str:
    """Return names with shapes."""
    some = [f"{name} ({show_shape(shape)})" for name, shape in list(shapes.items())[:_LISTED]]
    more = f" and {len(shapes) - _LISTED} more" if len(shapes) > _LISTED else ""
    return f"{', '.join(some)}{more}"


def _array(name: str, value: Any, shape: Shape) -> Array:
    """Return an array of the network's shape.

    Raises:
        ArgumentError: it has another shape, or does not hold finite numbers.
    """
    if isinstance(value, str):
        return _laid(name, np.array(parse_matrices(value, what=name), np.float64), shape)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"{name}: its rows differ in length, expected {show_shape(shape)}") from error
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ArgumentError(f"{name}: must hold finite numbers only")
    if _filled(array.shape) != _filled(shape):
        raise _unfit(name, shape, show_shape(array.shape) or "a number", _hint(array.shape, shape))
    return array.reshape(shape)


def _laid(name: str, matrices: Array, shape: Shape) -> Array:
    """Return matrices (k, height, width) as an array: of a filter bank, all channels of a filter after one another."""
    found = f"{f'{len(matrices)} of ' if len(matrices) > 1 else ''}{show_shape(matrices.shape[1:])}"
    if len(shape) <= 2:
        if len(matrices) == 1 and _filled(matrices.shape[1:]) == _filled(shape):
            return matrices.reshape(shape)
        raise _unfit(name, shape, found, _hint(matrices.shape[1:], shape))
    count = prod(shape[2:])
    if matrices.shape != (count, *shape[:2]):
        each = f"{count} matrices" if count > 1 else "a matrix"
        order = " with | between them, all channels of a filter after one another" if count > 1 else ""
        raise _unfit(name, shape, found, f": write {each} of {show_shape(shape[:2])}{order}")
    # (filters, channels, height, width) becomes (height, width, channels, filters).
    axes = (*range(len(shape) - 2, len(shape)), *range(len(shape) - 3, -1, -1))
    return matrices.reshape(*shape[:1:-1], *shape[:2]).transpose(axes)


def _filled(shape: Shape) -> Shape:
    """Return a shape without its axes of 1, which may be left out."""
    return tuple(size for size in shape if size != 1)


def _hint(found: Shape, shape: Shape) -> str:
    if len(shape) == 2 and found[::-1] == shape:
        return ": a row for each input, a column for each output, so turn it round"
    return ""


def _unfit(name: str, shape: Shape, found: str, hint: str) -> ArgumentError:
    return ArgumentError(f"{name}: expected {show_shape(shape)}, got {found}{hint}")
