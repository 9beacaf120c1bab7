"""A forward pass of which every activation is kept."""

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.pixels.steps import IMAGES, Steps
from cnncli.errors import ArgumentError
from cnncli.models.activations.inputs import Input
from cnncli.models.activations.numbers import in_type
from cnncli.models.activations.weights import Weights, given_weights, read_weights
from cnncli.models.model import TrainedNetwork
from cnncli.models.opening import ModelWord, load_trainable
from cnncli.networks.layers import Layer
from cnncli.networks.layers.context import Context, Shared
from cnncli.networks.loading import is_name, load_network
from cnncli.networks.network import Network
from cnncli.networks.words import read_input
from cnncli.shapes import Shape

INPUT = "input"
"""The name of what goes into the network, where a layer's inputs are named."""


class LayerOutput(NamedTuple):
    """The output of one layer. A block puts out its branches, joined; its inner layers stand before it.

    Attributes:
        name: `0.conv`, `0.relu`, `4.res.main.0.conv`, `4.res`.
        layer: the layer; its `label` is its word, `conv3-2`.
        inputs: the names of the outputs that it takes: one, but several in a block; `input` is the network's.
        input_shape: the shape of the first of them.
        numbers: (H, W, C) or (N,).
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    input_shape: Shape
    numbers: Array

    @property
    def path(self) -> str:
        """The beginning of its arrays' names."""
        return f"{self.name}."


class Forward(NamedTuple):
    """A forward pass.

    Attributes:
        network: the network.
        input: what went in, (H, W, C) or (N,).
        weights: parameters and buffers by name.
        layers: what each layer put out, in the order of computation.
        drawn: the names of weights that were drawn at random.
        note: how a picture was brought to the network; empty for numbers, which are taken as they are.
    """

    network: Network
    input: Array
    weights: Mapping[str, Array]
    layers: tuple[LayerOutput, ...]
    drawn: tuple[str, ...] = ()
    note: str = ""

    @property
    def output(self) -> Array:
        """The output of the network."""
        return self.layers[-1].numbers if self.layers else self.input

    def numbers(self, name: str) -> Array:
        """Return what goes in, by the name `input`, or what a layer puts out."""
        return self.input if name == INPUT else self.of_word(name)[-1].numbers

    def of_word(self, name: str) -> tuple[LayerOutput, ...]:
        """Return a layer by its name, or by `0` those of the whole word, such as a convolution and its activation.

        Raises:
            ArgumentError: there is none; the message lists the layers.
        """
        found = [one for one in self.layers if one.name == name]
        if not found:
            # Inside a block, and of a block itself, the dots go on.
            found = [one for one in self.layers if one.name.rpartition(".")[0] == name]
        if not found:
            raise ArgumentError(f"no layer {name!r}: there are {', '.join(one.name for one in self.layers)}")
        return tuple(found)


def forward(
    network: Network | TrainedNetwork | str | os.PathLike[str],
    x: str | os.PathLike[str] | npt.ArrayLike,
    weights: Weights | str | os.PathLike[str] | None = None,
    *,
    seed: int | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> Forward:
    """Compute a network and keep every activation, as `cnncli forward` prints them.

    Args:
        network: a network, a model, or a word for one: a text such as `6x6x1 conv3-2,relu fc-1`, which may leave its
            input out, a name in the zoo, a TOML file, the folder of a run, a model file, or `NAME=FILE`.
        x: numbers (H, W), (H, W, C) or (N,), which are taken as they are; the same as text, planes with `|` between
            them; or a path: a text file, an `.npy`, or a picture. A picture for a model is brought to it as `predict`
            does, for other networks its pixels are numbers from 0 to 255.
        weights: arrays by name, such as `0.conv.weight` of shape (f_h, f_w, C_in / groups, C_out), or texts of
            matrices; or a `.toml`, `.npz` or `.safetensors` file of them. They take the place of a model's own.
        seed: draws the weights that are not given; None to have all given.
        dtype: float64, in which sums of short decimals add up as one would write them, or float32.

    Raises:
        ArgumentError: an input or weights that do not fit; the message names what is expected.
        CnncliError: a file that cannot be read.

    Example:
        >>> found = forward("conv2-1,relu fc-1", "1 2 0; 0 1 3; 1 0 1", {
        ...     "0.conv.weight": "1 0; 0 -1", "0.conv.bias": "0", "1.fc.weight": [1, 1, 1, 1], "1.fc.bias": [2],
        ... })
        >>> found.numbers("0.conv")[:, :, 0].tolist(), found.output.tolist()
        ([[0.0, -1.0], [0.0, 0.0]], [2.0])
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ArgumentError(f"dtype must be float32 or float64, got {dtype!r}")
    given = Input(x)
    model = network if isinstance(network, TrainedNetwork) else None
    if isinstance(network, str | os.PathLike):
        opened = _opened(network, given)
        network, model = (opened, None) if isinstance(opened, Network) else (opened.network, opened)
    elif model is not None:
        network = model.network
    assert isinstance(network, Network)
    own = {} if model is None else {**model.parameters, **model.buffers}
    said = read_weights(weights) if isinstance(weights, str | os.PathLike) else dict(weights or {})
    numbers, note = _brought(given, network, model, dtype)
    arrays, drawn = given_weights(network, own | said, seed=seed, dtype=dtype)
    return Forward(network, numbers, arrays, tuple(_computed(network, numbers, arrays)), drawn, note)


def _opened(word: str | os.PathLike[str], given: Input) -> Network | TrainedNetwork:
    """Return the network or the model that a word stands for; a text may leave the input's shape to the input."""
    text = os.fspath(word)
    if not is_name(text) and (ModelWord.of(text).network is not None or os.path.lexists(text)):
        return load_trainable(text)
    says_input = is_name(text) or read_input((text.split(maxsplit=1) or [""])[0]) is not None
    return load_network(text, input_shape=None if says_input else given.shape)


def _brought(given: Input, network: Network, model: TrainedNetwork | None, dtype: npt.DTypeLike) -> tuple[Array, str]:
    """Return the numbers of an input in the shape of the network's, and in words how a picture was brought to it."""
    if given.picture is None or model is None:
        return in_type(given.fitted(network.input_shape), dtype, "input"), ""
    from cnncli.data import read_picture

    picture = read_picture(given.picture, model.reading())
    return model.normalization.apply(picture[None])[0].astype(dtype), model.preprocessing


def _computed(network: Network, x: Array, weights: Mapping[str, Array]) -> list[LayerOutput]:
    """Return what each layer puts out."""
    seen: dict[str, Array] = {}
    # Winograd's filtering rounds where a sum of products by hand does not.
    shared = Shared(buffers=weights, winograd=False)

    def watch(name: str, output: Array) -> None:
        seen[name] = output[0]

    shared.watch = watch
    with np.errstate(all="ignore"):
        network.layers.forward(np.ascontiguousarray(x[None]), weights, Context(shared))
    steps = Steps(network).steps
    names = {IMAGES: INPUT} | {number: step.path.removesuffix(".") for number, step in enumerate(steps)}
    return [
        LayerOutput(
            names[number],
            step.layer,
            tuple(names[source] for source in step.sources),
            step.input_shape,
            seen[names[number]],
        )
        for number, step in enumerate(steps)
    ]
