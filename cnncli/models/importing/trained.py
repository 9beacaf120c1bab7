"""Files of models that cnncli trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from cnncli.arrays import Array
from cnncli.data import BYTES
from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named, parse_json
from cnncli.formats.safetensors import NETWORK
from cnncli.models.importing.imported import Imported
from cnncli.models.importing.matching import likely_network
from cnncli.models.model import BOXES, CLASSES, FINDS, NORMALIZATION, RESIZE, SCALE
from cnncli.models.safetensors import read_tensors
from cnncli.networks import parse_network


def read_trained(path: Path) -> Imported:
    """Read a file that `save_model` wrote.

    Raises:
        ModelError: it is damaged, or not a model that cnncli trained.
    """
    arrays, metadata = read_tensors(path)
    try:
        return imported_of(arrays, metadata)
    except (ModelError, ArgumentError) as error:
        raise ModelError(f"{path}: {error}") from error


def imported_of(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> Imported:
    """Return the network of a file's arrays and texts.

    Raises:
        ModelError: they are not those of a model.
        ArgumentError: a text that cannot be read as a network or a normalization.
    """
    missing = [key for key in (NETWORK, CLASSES, NORMALIZATION) if key not in metadata]
    if missing and "cnncli.progress" in metadata:
        raise ModelError("is the checkpoint of a run, for --resume: give the model.safetensors beside it")
    if missing:
        name = likely_network({name: array.shape for name, array in arrays.items()})
        hint = f"; its arrays are weights of {name}: give {name}=FILE" if name else ""
        raise ModelError(f"is not a model that `cnncli train` wrote: its metadata has no {', '.join(missing)}{hint}")
    network, finds_boxes = parse_network(metadata[NETWORK]), read_finds(metadata)
    shapes, buffer_shapes = network.param_shapes(), network.buffer_shapes()
    unknown = [name for name in arrays if name not in shapes and name not in buffer_shapes]
    if unknown:
        raise ModelError(f"holds the array {named(unknown[0])}, which its network does not have")
    return Imported(
        network,
        {name: arrays[name] for name in shapes if name in arrays},
        {name: arrays[name] for name in buffer_shapes if name in arrays},
        read_class_names(metadata[CLASSES], fewest=1 if finds_boxes else 2),
        read_normalization(metadata[NORMALIZATION]),
        metadata.get(RESIZE, "stretch"),
        metadata.get(SCALE, BYTES),
        finds_boxes=finds_boxes,
    )


def read_finds(metadata: Mapping[str, str]) -> bool:
    """Return whether a model finds boxes, and does not name the classes of whole pictures.

    Raises:
        ModelError: it finds something else.
    """
    if metadata.get(FINDS, BOXES) != BOXES:
        raise ModelError(f"finds {named(metadata[FINDS])}, and this version of cnncli knows {BOXES} alone")
    return FINDS in metadata


def read_class_names(text: str, fewest: int = 2) -> tuple[str, ...]:
    """Return the classes that a file's metadata names.

    Raises:
        ModelError: it is not a list of different names, or of fewer than there have to be.
    """
    names = parse_json(b'{"classes":' + text.encode(errors="replace") + b"}", CLASSES).get("classes")
    if not isinstance(names, list) or len(names) < fewest or not all(isinstance(name, str) for name in names):
        raise ModelError(
            f"{CLASSES} in its metadata is not a list of {'two names' if fewest > 1 else 'one name'} or more"
        )
    if len(set(names)) < len(names):
        raise ModelError(f"{CLASSES} in its metadata names a class twice")
    return tuple(names)


def read_normalization(text: str) -> Normalization:
    """Return the normalization in a file's metadata.

    Raises:
        ModelError: it is not a mean and a std.
        ArgumentError: its numbers cannot be those of a normalization.
    """
    table = parse_json(text.encode(errors="replace"), NORMALIZATION)
    mean, std = table.get("mean"), table.get("std")
    if not _are_numbers(mean) or not _are_numbers(std):
        raise ModelError(f"{NORMALIZATION} in its metadata is not a mean and a std, each a list of numbers")
    return Normalization(tuple(mean), tuple(std))


def _are_numbers(found: Any) -> TypeGuard[list[float]]:
    return isinstance(found, list) and all(type(number) in (int, float) for number in found)
