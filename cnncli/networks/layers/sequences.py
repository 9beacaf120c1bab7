"""Layers one after the other: a word and its options, repeats, and sequences of words."""

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, Part, Shorthand
from cnncli.networks.layers.late import Array, Context, Gradients, Params
from cnncli.networks.summary import FilterShape, ReceptiveField
from cnncli.shapes import Shape, Window, show_shape
from cnncli.values import remembered

MAX_LAYERS = 10_000
"""The layers of a network, repeats counted."""

MAX_NUMBERS = 2**62
"""The numbers of one layer's output."""


PlacedLayer = tuple[int, Layer, Shape, Shape]
"""The place of a layer in a sequence, the layer, and the shapes before and after it."""


class Compound(Layer):
    """A layer that is made of layers: its numbers are sums over them, its arrays are named after them."""

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        """Yield each inner layer."""
        raise NotImplementedError

    def leaves(self, input_shape: Shape, prefix: str = "") -> Iterator[Part]:
        for part in self.parts(input_shape):
            yield from part.layer.leaves(part.input_shape, prefix + part.prefix)

    def _named(self, input_shape: Shape, shapes: Callable[[Layer, Shape], dict[str, Shape]]) -> dict[str, Shape]:
        return {
            f"{prefix}{name}": shape
            for prefix, layer, before in self.parts(input_shape)
            for name, shape in shapes(layer, before).items()
        }

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the trainable arrays by name, such as `main.0.conv.weight`."""
        return self._named(input_shape, lambda layer, before: layer.param_shapes(before))

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self._named(input_shape, lambda layer, before: layer.buffer_shapes(before))

    def macs(self, input_shape: Shape) -> int:
        return sum(layer.macs(before) for _, layer, before in self.parts(input_shape))

    def connections(self, input_shape: Shape) -> int:
        return sum(layer.connections(before) for _, layer, before in self.parts(input_shape))

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        caches = []
        for prefix, layer, _ in self.parts(x.shape[1:]):
            x, cache = layer.forward(x, context.within(params, prefix), context.inside(prefix))
            context.saw(prefix, x)
            caches.append((prefix, layer, cache))
        return x, caches

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        grads: dict[str, Array] = {}
        gradient: Array | None = grad
        for number, (prefix, layer, kept) in reversed(list(enumerate(cache))):
            inner = context.inside(prefix)
            inner.input_gradient = number > 0 or context.input_gradient
            assert gradient is not None
            gradient, found = layer.backward(gradient, kept, context.within(params, prefix), inner)
            grads.update((prefix + name, array) for name, array in found.items())
        return gradient, grads


class Chain(Compound):
    """One word: a layer, and the layers that its options add after it, as in `conv3-64,bn,relu`.

    Example:
        >>> from cnncli.networks.layers import BatchNorm, Conv, ReLU
        >>> str(Chain((Conv((3, 3), 64, bias=False), BatchNorm(), ReLU())))
        'conv3-64,bn,relu'
    """

    layers: tuple[Layer, ...]

    def validate(self) -> None:
        ops = [layer.op for layer in self.layers]
        for layer in self.layers[1:]:
            if not layer.follows:
                raise ArgumentError(f"{layer.label} cannot be an option: make it a word of its own")
        if len(self.layers) < 2 or isinstance(self.layers[0], Compound):
            raise ArgumentError("a chain is a layer and one or more layers that follow it in its word")
        if again := [op for op in ops if ops.count(op) > 1]:
            raise ArgumentError(f"{again[0]} appears twice in one word: make the second a word of its own")

    @property
    def op(self) -> str:  # type: ignore[override]
        """The first layer's."""
        return self.layers[0].op

    @property
    def words(self) -> tuple[Layer, ...]:
        return self.layers

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.layers[0].output_shape(input_shape)  # what follows keeps it

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        shape = input_shape
        for layer in self.layers:
            yield Part(f"{layer.op}.", layer, shape)
            shape = layer.output_shape(shape)

    def window(self, input_shape: Shape) -> Window | None:
        return self.layers[0].window(input_shape)

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        return self.layers[0].receptive_field(before, input_shape)

    def filter_shape(self, input_shape: Shape) -> FilterShape | None:
        return self.layers[0].filter_shape(input_shape)

    def __str__(self) -> str:
        head = str(self.layers[0])
        bias = getattr(self.layers[0], "bias", None)
        if self.layers[1].removes_mean and bias is not None:  # so the bias is left out, unless it is written
            head = f"{head},bias" if bias else head.removesuffix(",nobias")
        return ",".join([head, *map(str, self.layers[1:])])


class Sequential(Compound):
    """Layers one after the other, as they were written, with repeats."""

    layers: tuple[Layer, ...] = ()

    def validate(self) -> None:
        self.normalize(layers=_flat(self.layers))
        check_count(self)

    @property
    def layer_count(self) -> int:
        return sum(layer.layer_count for layer in self.layers)

    @property
    def unrolled(self) -> tuple[Layer, ...]:
        """The layers with repeats unrolled: their places in it are the numbers in the names of arrays."""
        return tuple(_unroll(self.layers))

    @remembered  # every number of a network is found along the same layers
    def placed(self, input_shape: Shape) -> tuple[PlacedLayer, ...]:
        """Return the layers, unrolled, with the shapes before and after each.

        Raises:
            ShapeError: a layer cannot take what comes in; the error knows its place.
        """
        placed: list[PlacedLayer] = []
        shape = input_shape
        for position, layer in enumerate(self.unrolled):
            try:
                output_shape = layer.output_shape(shape)
                if prod(output_shape) >= MAX_NUMBERS:
                    raise ShapeError(layer, f"an output below {MAX_NUMBERS} numbers", show_shape(output_shape))
            except ShapeError as error:
                error.place(layer, position + 1, shape, placed[-1][1].label if placed else "")
                raise
            placed.append((position, layer, shape, output_shape))
            shape = output_shape
        return tuple(placed)

    def output_shape(self, input_shape: Shape) -> Shape:
        placed = self.placed(input_shape)
        return placed[-1][-1] if placed else input_shape

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        for position, layer, before, _ in self.placed(input_shape):
            # The layers of a chain have their own ops after the place.
            yield Part(f"{position}." if len(layer.words) > 1 else f"{position}.{layer.op}.", layer, before)

    def __str__(self) -> str:
        return " ".join(map(str, self.layers))


class Repeat(Shorthand):
    """Layers that come several times: `2xconv3-64`, or `3x[ conv3-64 max2 ]`. A sequence unrolls it."""

    op = "repeat"

    count: int
    layers: tuple[Layer, ...]

    def validate(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise ArgumentError(f"a repeat count must be a whole number from 1, got {self.count!r}")
        self.normalize(layers=_flat(self.layers))
        check_count(self)

    @property
    def layer_count(self) -> int:
        return self.count * sum(layer.layer_count for layer in self.layers)

    def meaning(self, input_shape: Shape) -> Sequential:
        return Sequential(self.layers * self.count)

    def __str__(self) -> str:
        if len(self.layers) == 1 and not isinstance(self.layers[0], Repeat):
            return f"{self.count}x{self.layers[0]}"
        return f"{self.count}x[ {' '.join(map(str, self.layers))} ]"


def check_count(layer: Layer) -> None:
    """Check that a layer does not expand to more layers than a network may have."""
    if layer.layer_count > MAX_LAYERS:
        limit = f"a network has at most {MAX_LAYERS:,} layers, repeats counted"
        raise ArgumentError(f"{limit}, got {layer.layer_count:,}")


def _flat(layers: Iterable[object]) -> tuple[Layer, ...]:
    inner: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ArgumentError(f"a sequence holds layers only, got {layer!r}")
        inner.extend(layer.layers if isinstance(layer, Sequential) else (layer,))
    return tuple(inner)


def _unroll(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Repeat):
            yield from tuple(_unroll(layer.layers)) * layer.count
        else:
            yield layer
