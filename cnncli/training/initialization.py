"""First weights: drawn at random, each array by its name, so large that signals keep their size from layer to layer."""

from collections.abc import Iterator
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from cnncli.networks.layers import Activation, Block, Conv, Layer, Residual
from cnncli.networks.layers.convolution import TABLE
from cnncli.networks.network import Network
from cnncli.networks.summary import Shape
from cnncli.training.fusion import leaves

Array = npt.NDArray[Any]

_RECTIFIERS = ("relu", "relu6", "leaky", "elu", "silu", "gelu")


def initialize(
    network: Network, seed: int, dtype: npt.DTypeLike = np.float32
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return parameters and buffers by name.

    Weights before a rectifier are normal with variance 2 / inputs (He et al., arXiv:1502.01852, equation 10), others
    uniform with variance 2 / (inputs + outputs) (Glorot and Bengio 2010, equation 16). Biases are 0; scales of batch
    normalisation and coefficients of subsampling 1. What an array is drawn from depends on the seed and its name alone.

    Example:
        >>> from cnncli.networks import parse_network
        >>> parameters, buffers = initialize(parse_network("8x8x3 conv3-4,bn,relu fc-2"), seed=0)
        >>> {name: array.shape for name, array in parameters.items()}["0.conv.weight"], list(buffers)
        ((3, 3, 3, 4), ['0.bn.running_mean', '0.bn.running_var'])
    """
    followers = dict(_followers(network.layers, network.input_shape, "", ""))
    parameters = {}
    for name, shape in network.param_shapes().items():
        layer, follower = followers[name.rpartition(".")[0]]
        rng = np.random.default_rng([seed, crc32(name.encode())])
        parameters[name] = _draw(rng, name, shape, layer, follower).astype(dtype)
    return parameters, {name: _buffer(name, shape, dtype) for name, shape in network.buffer_shapes().items()}


def _followers(layer: Layer, shape: Shape, prefix: str, after: str) -> Iterator[tuple[str, tuple[Layer, str]]]:
    """Yield each layer by the beginning of its arrays' names, with the activation that comes next ("" for none)."""
    members = list(leaves(layer, shape, prefix))
    for number, member in enumerate(members):
        later = (next_.layer.op for next_ in members[number + 1 :] if isinstance(next_.layer, Activation | Block))
        follower = next(later, after)
        if isinstance(member.layer, Block):
            inner = "relu" if isinstance(member.layer, Residual) else follower
            for name, _, path in member.layer.branches:
                yield from _followers(path, member.input_shape, f"{member.prefix}{name}.", inner)
        else:
            yield member.prefix.removesuffix("."), (member.layer, follower)


def _draw(rng: np.random.Generator, name: str, shape: Shape, layer: Layer, follower: str) -> Array:
    if name.endswith(".bias"):
        return np.zeros(shape)
    if len(shape) == 1:
        return np.ones(shape)
    inputs, outputs = _fans(shape, layer)
    if follower in _RECTIFIERS:
        return rng.normal(0, (2 / inputs) ** 0.5, shape)
    limit = (6 / (inputs + outputs)) ** 0.5
    return rng.uniform(-limit, limit, shape)


def _fans(shape: Shape, layer: Layer) -> tuple[float, float]:
    """Return how many inputs an output sees, and how many outputs an input."""
    taps = prod(shape[:-2])
    if isinstance(layer, Conv) and layer.table:
        taps, pairs = prod(shape[:-1]), shape[-1]
        return taps * pairs / len(TABLE), taps * pairs / 6
    return taps * shape[-2], taps * shape[-1] / getattr(layer, "groups", 1)


def _buffer(name: str, shape: Shape, dtype: npt.DTypeLike) -> Array:
    if name.endswith("running_mean"):
        return np.zeros(shape, dtype)
    if name.endswith("running_var"):
        return np.ones(shape, dtype)
    # The codes of LeNet-5's radial basis functions, whose figures +1 and -1 are; the same for every seed.
    return np.random.default_rng(1998).choice((-1.0, 1.0), shape).astype(dtype)
