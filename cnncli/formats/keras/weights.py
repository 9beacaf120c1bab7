"""Arrays of Keras weights: `.weights.h5`, `.h5`, and `.keras`, an archive that holds a `model.weights.h5`.

A separate process finds the arrays (`cnncli.formats.keras.hdf5`) and says where in the file their numbers stand. Keras
writes them one after the other and as they are, so that they are read without the library.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import FileBytes, Part, dimensions, named
from cnncli.formats.keras.hdf5 import apart, datasets, opened_root
from cnncli.formats.keras.reading import stored_member
from cnncli.shapes import Shape

_WEIGHTS = "model.weights.h5"
"""The file of weights in a `.keras` archive."""

_ROLES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


class Stored(NamedTuple):
    """An array in a file.

    Attributes:
        name: its layer's name and its role, as in `block1_conv1.weight`.
        shape: its dimensions.
        dtype: the type of its numbers as NumPy writes it, such as `<f4`.
        start: the place of its first byte in the file; None where its numbers do not stand there one after the other.
    """

    name: str
    shape: Shape
    dtype: str
    start: int | None


def read_weights(path: Path) -> list[Stored]:
    """Return the arrays of a file.

    Raises:
        ModelError: h5py is missing, or the file is damaged or holds no weights of Keras.
    """
    if find_spec("h5py") is None:
        raise ModelError("Keras weights are read with the package h5py: pip install 'cnncli[keras]'")
    found = apart(path, __name__)["arrays"]
    return [Stored(name, dimensions(shape, f"the array {named(name)}"), dtype, at) for name, shape, dtype, at in found]


def described(buffer: FileBytes) -> dict[str, Any]:
    """Return the arrays of a file in JSON's types."""
    part = stored_member(buffer, _WEIGHTS) if buffer[:4] == b"PK\x03\x04" else Part(buffer, 0, len(buffer))
    with opened_root(part) as root:
        arrays = [(name, *_stored(dataset, part.start)) for name, dataset in _named(root)]
        if not arrays:
            raise ModelError("an HDF5 file without weights of Keras layers")
        return {"arrays": arrays}


def _named(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield each array with its name, which no two have."""
    groups: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for path, dataset in datasets(root, ()):
        if "seed_generator" not in path:  # the state of random numbers
            groups.setdefault(path[:-1], []).append((path[-1], dataset))
    taken: set[str] = set()
    for path, arrays in groups.items():
        roles = _numbered_roles(path, arrays) if path[-1:] == ("vars",) else _ROLES
        layer = _layer_name(path, arrays[0][1])
        for key, dataset in arrays:
            key = key.removesuffix(":0")
            name = f"{layer}.{roles.get(key, key)}"
            name = f"{'/'.join(path)}.{key}" if name in taken else name
            taken.add(name)
            yield name, dataset


def _layer_name(path: tuple[str, ...], dataset: Any) -> str:
    """Return the name of a layer: that of the array's group in files of Keras 2, or its attribute since.

    Files of the first versions of Keras 3 know layers by their class and a number alone: `conv2d_3`.
    """
    if path[-1:] != ("vars",):
        return path[-1] if path else ""
    name = dataset.parent.attrs.get("name")
    return name[:256] if isinstance(name, str) and name else "".join(path[-2:-1])


def _numbered_roles(path: tuple[str, ...], arrays: list[tuple[str, Any]]) -> dict[str, str]:
    """Return the roles of arrays that have numbers for names, in the order in which Keras makes them."""
    shapes = {dataset.shape for _, dataset in arrays}
    is_norm = len(arrays) == len(_BATCH_NORM) and len(shapes) == 1 == len(next(iter(shapes)) or ())
    is_norm = is_norm or re.sub(r"_\d+$", "", "".join(path[-2:-1])) == "batch_normalization"
    return {str(number): role for number, role in enumerate(_BATCH_NORM if is_norm else _BATCH_NORM[:2])}


def _stored(dataset: Any, start: int) -> tuple[list[int], str, int | None]:
    """Return the shape, the type and the place in the file of an array."""
    import h5py

    plan = dataset.id.get_create_plist()
    plain = plan.get_layout() == h5py.h5d.CONTIGUOUS and not plan.get_nfilters() and not plan.get_external_count()
    offset = dataset.id.get_offset() if plain else None
    return list(dataset.shape or ()), dataset.dtype.str, None if offset is None else start + offset
