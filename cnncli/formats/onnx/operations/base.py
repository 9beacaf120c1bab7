"""The registry of ONNX operations, with the calls that they get and the outcomes that they give."""

from collections.abc import Callable
from typing import NamedTuple

from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.onnx.graph import Constant, Node
from cnncli.formats.onnx.tensors import Tensor, Values
from cnncli.formats.tensor_shapes import Dimensions
from cnncli.networks.layers import Layer
from cnncli.shapes import Four, Pair

Indices = tuple[int, ...]


class UnknownShape(Exception):  # noqa: N818 - no error: a shape that only running the model would tell
    """A shape that depends on values outside the file."""


class Sliding(NamedTuple):
    """A window's way over an input, axis by axis: padding is (before, after)."""

    kernel_size: Dimensions
    stride: Dimensions
    padding: tuple[Pair, ...]
    dilation: Dimensions


class Outcome(NamedTuple):
    """Facts about a node's outputs.

    Attributes:
        shapes: shapes of its outputs.
        values: values of its outputs that are known.
        macs: multiply-adds of a convolution or a matrix product.
        sliding: the sliding window of a convolution or pooling.
        keeps_layout: the dimensions mean what the first input's mean.
        channels_last: layout of the first output, if it differs from the input's.
        in_place: it can overwrite its input.
        constant: the constant that the node holds, or fills with one number.
    """

    shapes: tuple[Dimensions | None, ...]
    values: tuple[Values | None, ...] = ()
    macs: int = 0
    sliding: Sliding | None = None
    keeps_layout: bool = True
    channels_last: bool = False
    in_place: bool = False
    constant: Constant | None = None

    @property
    def shape(self) -> Dimensions:
        """The shape of the first output.

        Raises:
            UnknownShape: it is not known.
        """
        if not self.shapes or self.shapes[0] is None:
            raise UnknownShape
        return self.shapes[0]

    def slide(self) -> tuple[Pair, Pair, Four, Pair]:
        """Return kernel, stride, padding and dilation of a window as a layer of ours has them.

        Raises:
            UnknownShape: nothing slides over two axes.
        """
        match self.sliding:
            case Sliding((fh, fw), (sh, sw), ((top, bottom), (left, right)), (dh, dw)):
                return (fh, fw), (sh, sw), (top, bottom, left, right), (dh, dw)
        raise UnknownShape


class Operation(NamedTuple):
    """An ONNX operation: its effect on shapes, and the roles of its inputs and outputs by index.

    Attributes:
        follow: returns the outcome of a call; None where no shape is known.
        layer: returns the layer of ours that does the same, or None.
        multiplies: its multiply-adds are counted.
        weights: inputs that are weights.
        quantized: inputs that are weights although they are integers.
        norm: inputs that are a scale and a shift, unless an exporter has filled them with one number.
        states: inputs that are states to begin with: 0 many times is made, and not learned.
        buffers: inputs that are kept but not trained.
        settings: inputs that are settings, although they may be floating-point.
        outputs: number of outputs that are activations; others are indices, masks or states. None: all.
        bias_axis: the axis of the output along which a bias may be added to it: of a convolution or a matrix product.
        of_sizes: the output depends only on sizes, and so is constant whatever the input.
        fresh: the output holds no number of an input.
        alias: the output is the input under another name.
        table: the first input is a table, which may also be written into the graph, such as a detector's anchors.
        passes: it scales or moves numbers: what it makes of the model's own input is still pixels.
        in_time: the first dimension of the input is time.
    """

    follow: "Follow | None" = None
    layer: "Maker | None" = None
    multiplies: bool = False
    weights: Indices = ()
    quantized: Indices = ()
    norm: Indices = ()
    states: Indices = ()
    buffers: Indices = ()
    settings: Indices = ()
    outputs: int | None = None
    bias_axis: int | None = None
    of_sizes: bool = False
    fresh: bool = False
    alias: bool = False
    table: bool = False
    passes: bool = False
    in_time: bool = False


OPERATIONS: dict[str, Operation] = {}
"""The operations by ONNX's names for them, with the domain before it where that is not ONNX's own."""

UNKNOWN = Operation()


class Call(NamedTuple):
    """A node with the tensors that come in; None for an input that is left out."""

    node: Node
    inputs: tuple[Tensor | None, ...]

    @property
    def operation(self) -> Operation:
        """The operation that is called."""
        return OPERATIONS.get(self.node.full_op, UNKNOWN)

    @property
    def given(self) -> list[Tensor]:
        """The inputs that are not left out."""
        return [each for each in self.inputs if each is not None]

    @property
    def data(self) -> list[Tensor]:
        """The inputs that are not constants."""
        return [each for each in self.given if not each.constant]

    def tensor(self, index: int) -> Tensor:
        """Return an input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ModelError(f"needs at least {index + 1} inputs, got {len(self.given)}")
        return found

    def shape(self, index: int = 0) -> Dimensions:
        """Return the shape of an input that must be there."""
        shape = self.tensor(index).shape
        if shape is None:
            raise UnknownShape
        return shape

    def has(self, index: int) -> bool:
        """Return whether an input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def integer(self, name: str, default: int) -> int:
        """Return a setting that is an integer."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise ModelError(f"its {name} must be an integer")
        return value

    def integers(self, name: str, index: int = -1) -> Dimensions | None:
        """Return a setting that is a list of integers: an attribute, or an input in newer files."""
        value = self.node.attributes.get(name)
        if value is not None:
            if not isinstance(value, list) or not all(isinstance(each, int) for each in value):
                raise ModelError(f"its {name} must be a list of integers")
            return tuple(int(each) for each in value)
        return self.known_integers(index) if index >= 0 and self.has(index) else None

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a single-precision number, with the digits that it was given with."""
        value = self.node.attributes.get(name, default)
        return float(f"{value:.6g}") if isinstance(value, int | float) else default

    def known_integers(self, index: int) -> Dimensions:
        """Return the integers of an input that must be there."""
        found = self.tensor(index).integers
        if found is None:
            raise UnknownShape
        return found

    def known(self) -> list[Values] | None:
        """Return the numbers of all inputs, or None where some are not known."""
        found = [each.values for each in self.inputs if each is not None and each.values is not None]
        return found if len(found) == len(self.inputs) else None

    def layer(self, outcome: Outcome) -> Layer | None:
        """Return the equivalent layer; None if the notation has no word for the node."""
        maker = self.operation.layer
        if maker is None or not outcome.shapes or outcome.shapes[0] is None:
            return None
        try:
            return maker(self, outcome)
        except (ArgumentError, UnknownShape):
            return None


Follow = Callable[[Call], Outcome]
Maker = Callable[[Call, Outcome], Layer | None]


def operation(*names: str, facts: Operation = UNKNOWN) -> Callable[[Follow], Follow]:
    """Register an operation under its names, with the function that follows it and its properties."""

    def register(follow: Follow) -> Follow:
        OPERATIONS.update(dict.fromkeys(names, facts._replace(follow=follow)))
        return follow

    return register


def same_shape(call: Call) -> Outcome:
    """Follow an operation that gives a number for each number of its first input."""
    return Outcome((call.shape(),), in_place=True)


def is_layer(layer: Layer) -> Maker:
    """Return a function that makes a layer without options from any call."""
    return lambda call, outcome: layer
