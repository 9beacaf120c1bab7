"""A network: a sequence of layers and an input shape."""

from collections.abc import Mapping
from typing import Any

from cnncli.errors import ArgumentError
from cnncli.networks.errors import NotationError, ShapeError
from cnncli.networks.layers.fields import LARGEST
from cnncli.networks.layers.sequences import Sequential
from cnncli.networks.notation import read_notation
from cnncli.networks.summarizing import summarize
from cnncli.networks.summary import Summary, Totals
from cnncli.shapes import Shape, show_shape
from cnncli.values import Value


class Network(Value):
    """A sequence of layers with an input shape. Two networks are equal when these are; names and sources do not count.

    Attributes:
        input_shape: `(H, W, C)`, or `(N,)`.
        layers: the layers.
        name: its name in the zoo, or its file's.
        title: its name in full.
        source: the paper.
        year: the paper's.
        published: numbers stated by the paper or an implementation, such as `params`.

    Raises:
        ShapeError: the shapes do not chain.

    Example:
        >>> network = parse_network("6x6x3 conv3-10,relu")
        >>> network.output_shape, network.param_shapes()
        ((4, 4, 10), {'0.conv.weight': (3, 3, 3, 10), '0.conv.bias': (10,)})
        >>> print(network)
        6x6x3 conv3-10,relu
    """

    input_shape: Shape
    layers: Sequential
    name: str = ""
    title: str = ""
    source: str = ""
    year: int | None = None
    published: Mapping[str, Any] = {}

    def validate(self) -> None:
        shape = tuple(self.input_shape)
        if len(shape) not in (1, 3) or not all(isinstance(n, int) and 1 <= n <= LARGEST for n in shape):
            raise ArgumentError(f"an input is height x width x channels, or a number of values, got {shape}")
        layers = self.layers if isinstance(self.layers, Sequential) else Sequential(tuple(self.layers))
        self.normalize(input_shape=shape, layers=layers)
        layers.output_shape(shape)

    @property
    def output_shape(self) -> Shape:
        """Shape of the last layer's output."""
        return self.layers.output_shape(self.input_shape)

    def param_shapes(self) -> dict[str, Shape]:
        """Return the trainable arrays by name: `0.conv.weight`, `4.res.main.0.conv.weight`."""
        return self.layers.param_shapes(self.input_shape)

    def buffer_shapes(self) -> dict[str, Shape]:
        """Return the arrays that are kept but not trained: batch norm's running statistics."""
        return self.layers.buffer_shapes(self.input_shape)

    def summary(self) -> Summary:
        """Return the table of the layers, and its totals."""
        return summarize(self.layers, self.input_shape, self.name, self.title)

    @property
    def totals(self) -> Totals:
        """The sums over all layers."""
        return self.summary().totals

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return (self.input_shape, self.layers) == (other.input_shape, other.layers)

    def __hash__(self) -> int:
        return hash((self.input_shape, self.layers))

    def __str__(self) -> str:
        return f"{show_shape(self.input_shape)} {self.layers}"


def parse_network(
    text: str, *, input_shape: Shape | None = None, define: Mapping[str, str] | None = None, **about: Any
) -> Network:
    """Return the network of a text in the notation.

    Args:
        text: an input and layers, such as `32x32x3 conv5-6,relu max2 fc-10`.
        input_shape: the input; the text may then leave it out, and is overruled where it does not.
        define: macros by name.
        about: name, title, source, year and published numbers of the network.

    Raises:
        NotationError: the text is not of the notation.
        ShapeError: the shapes do not chain.

    Example:
        >>> str(parse_network("28x28 2xblock:8 fc-10", define={"block": "conv3-$1,relu"}))
        '28x28x1 2xconv3-8,relu fc-10'
    """
    own_shape, layers, spans = read_notation(text, define)
    shape = input_shape or own_shape
    if shape is None:
        message = "a network begins with its input, height x width x channels, such as 32x32x3: got a layer"
        raise NotationError(message, text, 0, len(text.split(None, 1)[0]) + len(text) - len(text.lstrip()))
    try:
        return Network(shape, layers, **about)
    except ShapeError as error:
        error.text, (error.start, error.end) = text, spans.get(id(error.item), (0, len(text)))
        raise
