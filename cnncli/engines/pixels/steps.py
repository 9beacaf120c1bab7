"""A network as a list of steps, each a layer or the joining of a block's branches, in the order of computation."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.layers import Block, Compound, Layer, Sequential
from cnncli.networks.network import Network
from cnncli.shapes import Shape

IMAGES = -1
"""In place of a step's number: the images."""


class Step(NamedTuple):
    """One computation.

    Attributes:
        path: the beginning of its arrays' names, such as `4.res.main.0.conv.`.
        layer: the layer; a block joins the results of its branches.
        sources: the numbers of the steps whose outputs it takes, or `IMAGES`.
        input_shape: the shape of its first input.
        shape: the shape of its output.
    """

    path: str
    layer: Layer
    sources: tuple[int, ...]
    input_shape: Shape
    shape: Shape


class Steps:
    """The steps of a network.

    Attributes:
        steps: all of them, each after those that it takes something of.
        names: the number of the step whose output each name means, by the names of `Model.layer_names`.

    Example:
        >>> from cnncli.networks import parse_network
        >>> steps = Steps(parse_network("8x8x3 conv3-4,relu add[ conv3-4,same ]"))
        >>> [step.path for step in steps.steps], steps.names["0"]
        (['0.conv.', '0.relu.', '1.add.main.0.conv.', '1.add.'], 1)
    """

    def __init__(self, network: Network) -> None:
        self.steps: list[Step] = []
        self.names: dict[str, int] = {}
        self._add(network.layers, network.input_shape, IMAGES, "")

    def _add(self, layer: Layer, shape: Shape, source: int, path: str) -> tuple[int, Shape]:
        """Add the steps of a layer; return the number of the last, and the shape of its output."""
        layer = layer.meaning(shape)
        if isinstance(layer, Block):
            ends = [self._add(part, shape, source, path + prefix) for prefix, part, _ in layer.parts(shape)]
            return self._append(Step(path, layer, tuple(end for end, _ in ends), ends[0][1], layer.output_shape(shape)))
        if not isinstance(layer, Compound):
            return self._append(Step(path, layer, (source,), shape, layer.output_shape(shape)))
        for prefix, part, _ in layer.parts(shape):
            source, shape = self._add(part, shape, source, path + prefix)
            self.names[(path + prefix).removesuffix(".")] = source
        return source, shape

    def _append(self, step: Step) -> tuple[int, Shape]:
        self.steps.append(step)
        return len(self.steps) - 1, step.shape

    def needed(self, wanted: Iterable[int]) -> list[int]:
        """Return the numbers of the steps that some of them need, themselves included, in order."""
        needed = set(wanted)
        for number in range(len(self.steps) - 1, -1, -1):
            if number in needed:
                needed.update(self.steps[number].sources)
        return sorted(needed - {IMAGES})

    def following(self, first: int) -> set[int]:
        """Return the numbers of the steps that depend on the output of one, itself included."""
        found = {first}
        for number, step in enumerate(self.steps):
            if found.intersection(step.sources):
                found.add(number)
        return found


def full_names(network: Network, layers: Iterable[str]) -> dict[str, str]:
    """Return the full name of each layer: `2` stands for `2.max`, too, as in `Model.features`.

    Raises:
        ArgumentError: there is no such layer; the message lists the layers.

    Example:
        >>> from cnncli.networks import parse_network
        >>> full_names(parse_network("8x8x3 conv3-4,relu max2"), ["0.conv", "0", "1"])
        {'0.conv': '0.conv', '0': '0', '1': '1.max'}
    """
    known = Steps(network).names
    found = {}
    for layer in layers:
        # The output of a whole word comes after those of all its layers.
        of_word = (name for name in reversed(known) if name.partition(".")[0] == layer)
        name = layer if layer in known else next(of_word, None)
        if name is None:
            raise ArgumentError(f"the model has no layer {layer!r}: there are {', '.join(known)}")
        found[layer] = name
    return found


def cut(network: Network, input_shape: Shape, names: Collection[str]) -> Network:
    """Return the words of a network up to the last of some layers, for images of another shape.

    Raises:
        ShapeError: a layer cannot take what comes in.
    """
    last = max(int(name.partition(".")[0]) for name in names)
    return Network(input_shape, Sequential(network.layers.unrolled[: last + 1]))
