"""The weights of a model as a file of named arrays, for us or for other programs."""

import os
from typing import NamedTuple

from cnncli.choices import WEIGHT_NAMES, check_choice
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.formats.safetensors import NETWORK
from cnncli.models.importing.places import Place, places
from cnncli.models.model import TrainedNetwork
from cnncli.models.opening import ModelWord, as_trainable
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.models.safetensors import write_tensors
from cnncli.networks import Network, load_network, zoo_names
from cnncli.networks.heads import output_count, with_outputs
from cnncli.networks.weights import PublishedWeights, published_weights, with_epsilon
from cnncli.shapes import show_shape


class ExportedWeights(NamedTuple):
    """A file of weights that was written.

    Attributes:
        names: the program whose names its arrays have; None for ours.
        arrays: the number of its arrays.
        size: bytes of the file.
    """

    path: str
    names: str | None
    arrays: int
    size: int


def export_weights(
    model: PictureModel | AnyPath, path: AnyPath, *, names: str | None = None, force: bool = False
) -> ExportedWeights:
    """Write a model's weights as a safetensors file, whole or not at all.

    Without `names` it is a model file such as `train` writes, with all that a prediction needs. With them, arrays have
    the names and axes of another program, whose own functions load them: torchvision's `load_state_dict` takes
    them all (for googlenet, of a model built with `aux_logits=False`). Read again under the network's name, they are
    the same to the bit, and take pictures of the same size.

    Args:
        model: a model, or a word that `load_model` takes.
        path: the file to write.
        names: whose names: one of `WEIGHT_NAMES`, such as "torchvision"; for networks of the zoo that it has.
        force: overwrite the file if it exists.

    Raises:
        ArgumentError: the file exists already or is the model's own, or the program has no such network.
        ModelError: the model cannot be read, or the file cannot be written.

    Example:
        >>> exported = export_weights("runs/digits", "digits.safetensors")
        >>> exported.path, exported.names
        ('digits.safetensors', None)
    """
    if names is not None:
        check_choice("names", names, WEIGHT_NAMES)
    inputs = [] if isinstance(model, PictureModel) else [os.fspath(ModelWord.of(model).path())]
    check_output(os.fspath(path), force=force, inputs=inputs)
    model = as_trainable(model)
    arrays, metadata = {**model.parameters, **model.buffers}, model.metadata
    if names is not None:
        arrays = {place.there: place.theirs(arrays[place.name]) for place in named_places(model, names)}
        metadata = {key: text for key, text in metadata.items() if key != NETWORK} | {"format": "pt"}
    write_tensors(path, arrays, metadata)
    return ExportedWeights(os.fspath(path), names, len(arrays), os.path.getsize(path))


def named_places(model: TrainedNetwork, program: str) -> list[Place]:
    """Return the places of a model's arrays under the names of another program.

    Raises:
        ArgumentError: it has no such network, or has it for pictures of another size alone.
    """
    known: list[str] = []
    for name in zoo_names():
        weights = published_weights(name).get(program)
        if weights is None:
            continue
        known.append(name)
        theirs = _fitted(load_network(name), weights, output_count(model.network))
        if theirs is not None and theirs.layers.unrolled == model.network.layers.unrolled:
            found = places(model.network, weights)
            for ours, own in zip(found, places(theirs, weights), strict=True):
                if ours.stored != own.stored:
                    raise ArgumentError(
                        f"{program} has {name} for pictures of {show_shape(theirs.input_shape)} alone: with "
                        f"{show_shape(model.network.input_shape)}, {own.there} would be {show_shape(ours.stored)}"
                    )
            return found
    raise ArgumentError(f"not a network whose names in {program} are known: these are {', '.join(known)}")


def _fitted(network: Network, weights: PublishedWeights, outputs: int | None) -> Network | None:
    """Return a network of the zoo as a program has it, with so many outputs."""
    if weights.eps is not None:
        network = with_epsilon(network, weights.eps)
    try:
        return network if outputs is None else with_outputs(network, outputs)
    except ArgumentError:
        return None
