"""Networks whose layers judge content and style: a model's, or one with random weights."""

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

from cnncli.arrays import Array
from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend
from cnncli.engines.initialization import initialize
from cnncli.engines.pixels.steps import Steps, full_names
from cnncli.errors import ArgumentError
from cnncli.models.model import TrainedNetwork
from cnncli.networks import Network, parse_network
from cnncli.shapes import Shape

MOST_STYLE_LAYERS = 5

RANDOM_LAYERS = (
    "256x256x3 cat[ conv3-32,same,relu | conv5-32,same,relu | conv7-32,same,relu | conv11-32,same,relu ] "
    "avg2 conv5-128,same,relu avg2 conv5-128,same,relu"
)
"""The network without a model: filters of several sizes on each of three scales.

Chosen by looking at four contents with four styles, beside a narrow VGG and a network of 5x5 and 3x3 filters. Textures
of cells, strokes and grains came out with it alone; the others made noise of single pixels.
"""

OPPONENT = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
"""Rows: brightness, and two differences of colours, each of length 1."""

COLOR = 4.0
"""How much stronger first filters answer to differences of colours, which are smaller in pictures than those of
brightness by about as much: with 1, results are full of coloured noise."""

LEVEL = 0.2
"""What first filters keep of their answer to an even area: with 1, it hides the texture."""


class JudgingNetwork(NamedTuple):
    """A network with weights, of whose layers costs are made.

    Attributes:
        network: the network.
        parameters: the trained arrays by name.
        buffers: the others.
        normalization: applied to pictures on the scale 0 to 255.
        backend: what computes it.
        content: default content layers.
        style: default style layers.
    """

    network: Network
    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    normalization: Normalization
    backend: Backend
    content: tuple[str, ...]
    style: tuple[str, ...]

    @classmethod
    def of(cls, model: TrainedNetwork) -> "JudgingNetwork":
        """Return the network of a model, with layers chosen by `default_layers`."""
        style, content = default_layers(model.network)
        return cls(
            model.network, model.parameters, model.buffers, model.normalization, model.backend, (content,), style
        )

    @property
    def channels(self) -> int:
        """Channels of pictures."""
        return self.network.input_shape[-1]

    def check(self, layers: Mapping[str, float]) -> None:
        """Refuse layers that do not put out maps.

        Raises:
            ArgumentError: there is no such layer, or it puts out no map; the message lists the layers.
        """
        full = full_names(self.network, layers)
        maps = map_shapes(self.network)
        for name, known in full.items():
            if known not in maps:
                raise ArgumentError(f"layer {name!r} puts out no map of a picture: choose from {', '.join(maps)}")


def map_shapes(network: Network) -> dict[str, Shape]:
    """Return the shapes of the outputs that are maps of several positions, by the layers' names."""
    steps = Steps(network)
    shapes = {name: steps.steps[number].shape for name, number in steps.names.items()}
    return {name: shape for name, shape in shapes.items() if len(shape) == 3 and shape[:2] != (1, 1)}


def default_layers(network: Network) -> tuple[tuple[str, ...], str]:
    """Return the style layers and the content layer of a network, by depth.

    Style: the first word with filters at each size of maps, five at most. Content: the second such word at the fourth
    size, or the last size but one where there are fewer; the first, where it is alone there. With VGG-19 these are the
    layers of Gatys, Ecker and Bethge 2016: conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1 for the style, conv4_2 for
    the content.

    Raises:
        ArgumentError: no layer with filters puts out maps.

    Example:
        >>> from cnncli.networks import load_network
        >>> default_layers(load_network("vgg19"))
        (('0', '3', '6', '11', '16'), '12')
    """
    filters = {name.partition(".")[0] for name, shape in network.param_shapes().items() if len(shape) == 4}
    words = {name.partition(".")[0]: (name, shape) for name, shape in map_shapes(network).items()}  # the last of each
    sizes: dict[Shape, list[str]] = {}
    for word, (name, shape) in words.items():
        if word in filters:
            sizes.setdefault(shape[:2], []).append(name)
    if not sizes:
        raise ArgumentError("no layer with filters puts out a map of the picture: style needs a convolutional network")
    maps = list(sizes.values())[:MOST_STYLE_LAYERS]
    judged = maps[max(0, len(maps) - 2)]
    return tuple(names[0] for names in maps), judged[min(1, len(judged) - 1)]


def _has_filters(network: Network, word: str) -> bool:
    return any(name.partition(".")[0] == word and len(shape) == 4 for name, shape in network.param_shapes().items())


def random_network(seed: int = 0, text: str = RANDOM_LAYERS) -> JudgingNetwork:
    """Return a network with random weights: enough for palettes and textures, not for objects.

    Random weights carry style and content as trained ones do, if less well: He, Wang and Hopcroft, "A Powerful
    Generative Model Using Random Weights for the Deep Image Representation", arXiv:1606.04801.

    Args:
        seed: of the weights.
        text: the network.
    """
    network = parse_network(text)
    parameters, buffers = initialize(network, seed)
    for name, shape in network.param_shapes().items():
        if len(shape) == 4:
            parameters[name] = _filters(np.random.default_rng([seed, crc32(name.encode())]), shape)
    style, content = default_layers(network)
    normalization = Normalization.called("imagenet")
    return JudgingNetwork(network, parameters, buffers, normalization, Backend(), (content,), style)


def _filters(rng: np.random.Generator, shape: Shape) -> Array:
    """Return filters of variance 2 / inputs, which keep signals between rectifiers (He et al., arXiv:1502.01852).

    Those of pictures answer to texture and colours more than to brightness.
    """
    filters = rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape)
    if shape[2] == len(OPPONENT):
        filters -= (1 - LEVEL) * filters.mean(axis=(0, 1), keepdims=True)
        filters = np.einsum("hwcn,cd->hwdn", filters, OPPONENT * [[1], [COLOR], [COLOR]])
    return filters.astype(np.float32)
