"""What is done to each number by itself, and what only changes the shape."""

from math import prod
from typing import ClassVar

from cnncli.errors import ArgumentError
from cnncli.networks.layers.base import Layer
from cnncli.networks.layers.connected import whole
from cnncli.networks.summary import FilterShape, Shape
from cnncli.shapes import Window


class Activation(Layer):
    """A nonlinearity."""

    follows: ClassVar[bool] = True


class ReLU(Activation):
    """max(0, x)."""

    op: ClassVar[str] = "relu"


class ReLU6(Activation):
    """min(max(0, x), 6)."""

    op: ClassVar[str] = "relu6"


class LeakyReLU(Activation):
    """x where it is positive, else negative_slope * x: `leaky`, or `leaky0.1`."""

    op: ClassVar[str] = "leaky"
    size_field: ClassVar[str] = "negative_slope"

    negative_slope: float = 0.01


class ELU(Activation):
    """x where it is positive, else exp(x) - 1."""

    op: ClassVar[str] = "elu"


class SiLU(Activation):
    """x * sigmoid(x), also called swish."""

    op: ClassVar[str] = "silu"


class GELU(Activation):
    """x * Phi(x), with the normal distribution's Phi."""

    op: ClassVar[str] = "gelu"


class Tanh(Activation):
    """tanh(x)."""

    op: ClassVar[str] = "tanh"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    op: ClassVar[str] = "sigmoid"


class Softmax(Activation):
    """exp(x) over its sum along the channels."""

    op: ClassVar[str] = "softmax"


class Linear(Activation):
    """x itself: says that no nonlinearity is meant."""

    op: ClassVar[str] = "linear"


class Dropout(Layer):
    """Dropout: `drop0.3` puts each number to 0 with probability 0.3 in training; `drop` with 0.5."""

    op: ClassVar[str] = "drop"
    size_field: ClassVar[str] = "rate"
    follows: ClassVar[bool] = True

    rate: float = 0.5

    def validate(self) -> None:
        """Check that something is left."""
        super().validate()
        if self.rate >= 1:
            raise ArgumentError(f"dropout drops a share below 1, such as drop0.5, got {self.rate!r}")


class Flatten(Layer):
    """A picture as one row of numbers: `flatten`."""

    op: ClassVar[str] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(N,)`."""
        return (prod(input_shape),)

    def window(self, input_shape: Shape) -> Window | None:
        """Return the window that sees the whole picture: what follows sees it all."""
        return whole(input_shape)

    def filter_shape(self, input_shape: Shape) -> FilterShape | None:
        """Return None: it has no filters."""
        return None


ACTIVATIONS: tuple[type[Activation], ...] = (
    ReLU,
    ReLU6,
    LeakyReLU,
    ELU,
    SiLU,
    GELU,
    Tanh,
    Sigmoid,
    Softmax,
    Linear,
)
