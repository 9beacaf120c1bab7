"""Savings of convolutions: parameter sharing and sparse connections.

A convolution uses one filter everywhere. Without sharing, each output position has a filter of its own (a locally
connected layer); without sparsity, each output also sees every input (a fully connected layer). Goodfellow, Bengio and
Courville, Deep Learning (2016), section 9.2, calls these sparse interactions and parameter sharing.
"""

import math
from itertools import compress
from typing import NamedTuple

from cnncli.networks.notation import kinds_of
from cnncli.networks.summary import FilterShape, Row, Summary, are_layers
from cnncli.shapes import Shape


class Weights(NamedTuple):
    """The trainable numbers of a layer."""

    weights: int
    biases: int

    @property
    def params(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


class Sharing(NamedTuple):
    """A convolution beside layers that give the same map without sharing, and without sparsity.

    Attributes:
        name: the layer's place in the network.
        spec: its word.
        input_shape: (H, W, C).
        output_shape: (H, W, C).
        convolution: the layer itself; a batch norm that belongs to it is not counted.
        locally_connected: a filter, and a bias, for each output position.
        fully_connected: a weight for each input and each output.
        inputs: numbers that come in.
        seen: numbers that one output sees where its window lies inside the input; with a sparse table, at most.
        connections: pairs of an input and an output that depends on it; padding does not count as input.
        share: `connections` as a part of all pairs, 0 to 1.
    """

    name: str
    spec: str
    input_shape: Shape
    output_shape: Shape
    convolution: Weights
    locally_connected: Weights
    fully_connected: Weights
    inputs: int
    seen: int
    connections: int
    share: float


def sharing(summary: Summary) -> tuple[Sharing, ...]:
    """Return the savings of each convolution of a network, without transposed ones and unknown shapes.

    Example:
        >>> from cnncli.networks import parse_network
        >>> (layer,) = sharing(parse_network("32x32x3 conv5-6").summary())
        >>> layer.convolution.params, layer.locally_connected.weights, layer.fully_connected.weights
        (456, 352800, 14450688)
        >>> layer.seen, layer.inputs, round(layer.share, 4)
        (75, 3072, 0.0244)
    """
    layers = compress(summary.rows, are_layers(summary.rows))
    return tuple(found for row in layers if (found := _row_sharing(row)) is not None)


def _row_sharing(row: Row) -> Sharing | None:
    if any(kind.transposed for kind in kinds_of(row.spec)):
        return None
    match row.input_shape, row.output_shape, row.filter:
        case (_, _, depth) as before, (height, width, _) as after, FilterShape(weight=(_, _, *_) as weight) as filters:
            inputs, outputs = math.prod(before), math.prod(after)
            biases = outputs if filters.bias else 0
            # A sparse table lists its pairs of an input map and an output map; its fullest output sees all maps.
            depth = weight[2] if len(weight) == 4 else depth
            connections = _taps_inside(filters, before, after) * math.prod(weight[2:])
            return Sharing(
                row.name,
                row.spec,
                before,
                after,
                Weights(math.prod(weight), filters.bias),
                Weights(height * width * math.prod(weight), biases),
                Weights(inputs * outputs, biases),
                inputs,
                math.prod(filters.kernel_size) * depth,
                connections,
                connections / (inputs * outputs),
            )
    return None


def _taps_inside(filters: FilterShape, input_shape: Shape, output_shape: Shape) -> int:
    """Return the kernel taps that fall on pixels and not on padding, summed over all positions."""
    kernel_size, padding, stride, dilation = filters[:4]
    axes = zip(input_shape[:2], output_shape[:2], kernel_size, padding[::2], stride, dilation, strict=True)
    return math.prod(_axis_taps_inside(*axis) for axis in axes)


def _axis_taps_inside(n: int, positions: int, kernel_size: int, before: int, stride: int, dilation: int) -> int:
    inside = 0
    for tap in range(kernel_size):
        # Position i puts this tap on pixel i * stride + start.
        start = tap * dilation - before
        first = max(0, -(start // stride))
        inside += max(0, min(positions, -((start - n) // stride)) - first)
    return inside
