"""The pieces that a graph is translated into: layers of ours on tensors in our layout, and what may become one."""

from typing import NamedTuple

from cnncli.arrays import Array
from cnncli.networks.layers import Layer
from cnncli.shapes import Shape

AFFINE = "affine"
"""Each channel times a number plus a number: arrays `scale` and `shift`, (C,) or ()."""

PAD, UNIT_CLIP, ERF, SOFTPLUS, LOG_SOFTMAX = "pad", "clip to 0 and 1", "erf", "softplus", "log softmax"
CHANNEL_MEAN, POWER = "a mean over channels", "a power"
ADD, RES, MUL, CAT, DIV = "add", "res", "mul", "cat", "a quotient"


class Fragment(NamedTuple):
    """What is no layer, but may be a part of one.

    Attributes:
        kind: its kind, a word of this module.
        numbers: of a pad (top, bottom, left, right).
        value: of a pad, the number around the picture; of a power, the exponent.
    """

    kind: str
    numbers: tuple[int, ...] = ()
    value: float = 0.0


class Piece(NamedTuple):
    """A layer of ours, or a fragment of one, on the outputs of others.

    Attributes:
        layer: the layer or the fragment.
        inputs: the pieces whose outputs come in; none for the input of the graph.
        arrays: the parameters and buffers, by their names in the layer.
        before: the shape of the first input.
        shape: the shape of the output.
        node: the node that it comes of, for messages.
    """

    layer: Layer | Fragment
    inputs: tuple[int, ...]
    arrays: dict[str, Array]
    before: Shape
    shape: Shape
    node: str


class Element(NamedTuple):
    """A piece in its place: in a sequence, or as a block with branches, each a sequence."""

    layer: Layer | Fragment
    arrays: dict[str, Array]
    before: Shape
    shape: Shape
    node: str
    branches: tuple[tuple["Element", ...], ...] = ()

    def is_a(self, *kinds: str) -> bool:
        """Return whether it is a fragment of one of some kinds."""
        return isinstance(self.layer, Fragment) and self.layer.kind in kinds


Elements = tuple[Element, ...]
