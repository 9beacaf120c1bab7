"""Networks of the zoo with weights that other programs wrote."""

from collections.abc import Mapping
from pathlib import Path

from cnncli.data import BYTES
from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import naming_errors
from cnncli.formats.safetensors import INPUT, NETWORK
from cnncli.models.importing.arrays import StoredArrays, open_arrays
from cnncli.models.importing.imported import Imported
from cnncli.models.importing.matching import Placed, place
from cnncli.models.importing.places import OWN, own_names
from cnncli.models.importing.trained import read_class_names, read_normalization, read_trained
from cnncli.models.model import CLASSES, NORMALIZATION, RESIZE, SCALE
from cnncli.networks import Network, load_network
from cnncli.networks.heads import output_count, with_outputs
from cnncli.networks.weights import published_weights
from cnncli.networks.words import read_input


def import_named(name: str, path: Path, told: Normalization | None = None) -> Imported:
    """Return a network of the zoo with the weights of a file: torchvision's, timm's, Keras's, or ours.

    The head has as many outputs as the file's. Pictures are expected as the published weights expect them, unless the
    file says something else.

    Args:
        name: a name in the zoo, or a TOML file.
        path: a file of arrays: safetensors; PyTorch's, which is read with the extra `cnncli[torch]`; or Keras's, with
            `cnncli[keras]`.
        told: the normalization that the pictures will have. If it is not that of the published weights, these ones were
            trained otherwise: on RGB, also where the published ones take BGR.

    Raises:
        ArgumentError: there is no such network.
        ModelError: the file cannot be read, or its arrays are not those of the network: the message names them.
    """
    network = load_network(name)
    with naming_errors(path), open_arrays(path) as stored:
        if NETWORK in stored.metadata:
            return _trained(network, path)
        network = _sized(network, stored.metadata)
        known = [
            weights if told in (None, Normalization.called(weights.normalization)) else weights._replace(channels="rgb")
            for weights in published_weights(name).values()
            if (weights.program == "keras") == (stored.axes == "keras")
        ]
        placed = place(network, stored, [*known, own_names(network)])
        return _imported(placed, stored)


def _trained(network: Network, path: Path) -> Imported:
    """Return a model that cnncli trained, if it is of this network."""
    found = read_trained(path)
    outputs = output_count(found.network)
    fitting = network if outputs is None else with_outputs(network, outputs)
    if found.network.layers.unrolled != fitting.layers.unrolled:
        raise ModelError(f"holds another network than {network.name}: give the file alone, which says what it holds")
    return found


def _sized(network: Network, metadata: Mapping[str, str]) -> Network:
    """Return the network for pictures of the size that a file names, as one that we wrote for another program does."""
    if INPUT not in metadata:
        return network
    try:
        return network.replace(input_shape=read_input(metadata[INPUT]) or network.input_shape)
    except ArgumentError as error:
        raise ModelError(f"{INPUT} in its metadata does not fit {network.name}: {error}") from error


def _imported(placed: Placed, stored: StoredArrays) -> Imported:
    network, weights, metadata = placed.network, placed.weights, stored.metadata
    normalization = Normalization.called(weights.normalization) if weights and weights.program != OWN else None
    how = f"weights of {weights.program}" if weights else "weights matched by order and shape"
    without = f", without {' and '.join(name.rstrip('.') for name in placed.left_out)}" if placed.left_out else ""
    return Imported(
        network,
        {name: placed.arrays[name] for name in network.param_shapes()},
        {name: placed.arrays[name] for name in network.buffer_shapes()},
        read_class_names(metadata[CLASSES]) if CLASSES in metadata else None,
        read_normalization(metadata[NORMALIZATION]) if NORMALIZATION in metadata else normalization,
        metadata.get(RESIZE, weights.resize if weights and weights.program != OWN else "stretch"),
        metadata.get(SCALE, BYTES),
        origin=f"{network.name} with {how}{without}",
    )
