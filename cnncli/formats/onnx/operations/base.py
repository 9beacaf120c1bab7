"""What operations are given and what they give: the registry, calls and results."""

from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.onnx.graph import Node
from cnncli.formats.onnx.tensors import Values
from cnncli.formats.tensor_shapes import Dimensions, Tensor
from cnncli.shapes import Pair


class Unsettled(Exception):  # noqa: N818 - no error: a shape that only running the model would tell
    """A shape depends on what is not in the file."""


class Call(NamedTuple):
    """A node with the tensors that come in; None for an input that is left out."""

    node: Node
    inputs: tuple[Tensor | None, ...]

    def tensor(self, index: int) -> Tensor:
        """Return an input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ModelError(f"needs at least {index + 1} inputs, got {len([each for each in self.inputs if each])}")
        return found

    def shape(self, index: int = 0) -> Dimensions:
        """Return the shape of an input that must be there."""
        shape = self.tensor(index).shape
        if shape is None:
            raise Unsettled
        return shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
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
        return self.settled(index) if index >= 0 and self.has(index) else None

    def settled(self, index: int) -> Dimensions:
        """Return the integers of an input that must be there."""
        found = self.tensor(index).integers
        if found is None:
            raise Unsettled
        return found

    def known(self) -> list[Values] | None:
        """Return the numbers of all inputs, or None where some are not settled."""
        found = [each.values for each in self.inputs if each is not None and each.values is not None]
        return found if len(found) == len(self.inputs) else None


class Sliding(NamedTuple):
    """A window's way over an input, axis by axis: padding is (before, after)."""

    kernel_size: Dimensions
    stride: Dimensions
    padding: tuple[Pair, ...]
    dilation: Dimensions


class Result(NamedTuple):
    """What a node puts out.

    Attributes:
        shapes: of its outputs.
        values: of its outputs, where they are settled.
        macs: multiply-adds of a convolution or a matrix product.
        sliding: how the window of a convolution or pooling goes.
        keeps_layout: the dimensions mean what the first input's mean.
        channels_last: how the first output lies, where the layout is not kept.
        in_place: it can overwrite its input.
    """

    shapes: tuple[Dimensions | None, ...]
    values: tuple[Values | None, ...] = ()
    macs: int = 0
    sliding: Sliding | None = None
    keeps_layout: bool = True
    channels_last: bool = False
    in_place: bool = False


Operation = Callable[[Call], Result]

OPERATIONS: dict[str, Operation] = {}
"""The operations by ONNX's names for them, with the domain before it where that is not ONNX's own."""

MULTIPLYING: set[str] = set()
"""The operations whose multiply-adds are counted."""


def operation(*names: str, multiplies: bool = False) -> Callable[[Operation], Operation]:
    """Register an operation under its names."""

    def register(function: Operation) -> Operation:
        OPERATIONS.update(zip(names, repeat(function)))
        MULTIPLYING.update(names if multiplies else ())
        return function

    return register
