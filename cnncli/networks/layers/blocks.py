"""Layers that hold layers: a word and its options, sequences, repeats, residual blocks and concatenations."""

from collections.abc import Callable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer
from cnncli.networks.summary import FilterShape
from cnncli.shapes import Shape, Window, show_shape

if TYPE_CHECKING:  # what only computes shapes loads no NumPy
    from cnncli.networks.layers.context import Array, Context, Gradients, Params

MAX_LAYERS = 10_000
"""The layers of a network, repeats counted."""

MAX_NUMBERS = 2**62
"""The numbers of one layer's output."""


class Step(NamedTuple):
    """One layer of a sequence, and the shapes before and after it."""

    position: int
    layer: Layer
    input_shape: Shape
    output_shape: Shape


class Compound(Layer):
    """A layer that is made of layers: its numbers are sums over them, its arrays are named after them."""

    def parts(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield each inner layer: the beginning of its arrays' names, the layer, and the shape that comes to it."""
        raise NotImplementedError

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

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        caches = []
        for prefix, layer, _ in self.parts(x.shape[1:]):
            x, cache = layer.forward(x, context.within(params, prefix), context.inside(prefix))
            context.saw(prefix, x)
            caches.append((prefix, layer, cache))
        return x, caches

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
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
    """One word: a layer, and what its options do after it, as in `conv3-64,bn,relu`.

    Example:
        >>> from cnncli.networks.layers import BatchNorm, Conv, ReLU
        >>> str(Chain((Conv((3, 3), 64, bias=False), BatchNorm(), ReLU())))
        'conv3-64,bn,relu'
    """

    layers: tuple[Layer, ...]

    def validate(self) -> None:
        ops = [layer.op for layer in self.layers]
        for layer in self.layers[1:]:
            if not layer.follows or "," in str(layer):
                raise ArgumentError(f"{layer.label} cannot be an option: make it a word of its own")
        if len(self.layers) < 2 or isinstance(self.layers[0], Compound):
            raise ArgumentError("a chain is a layer and one or more that follow it in its word")
        if len(set(ops)) < len(ops):
            again = next(op for op in ops if ops.count(op) > 1)
            raise ArgumentError(f"{again} is there twice in one word: make the second a word of its own")

    @property
    def op(self) -> str:  # type: ignore[override]
        """The first layer's."""
        return self.layers[0].op

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.layers[0].output_shape(input_shape)

    def parts(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        shape = input_shape
        for layer in self.layers:
            yield f"{layer.op}.", layer, shape
            shape = layer.output_shape(shape)

    def window(self, input_shape: Shape) -> Window | None:
        return self.layers[0].window(input_shape)

    def filter_shape(self, input_shape: Shape) -> FilterShape | None:
        return self.layers[0].filter_shape(input_shape)

    def __str__(self) -> str:
        head = str(self.layers[0])
        bias = getattr(self.layers[0], "bias", None)
        if self.layers[1].op == "bn" and bias is not None:  # bn takes the bias away, unless it is written
            head = f"{head},bias" if bias else head.removesuffix(",nobias")
        return ",".join([head, *map(str, self.layers[1:])])


class Repeat(Layer):
    """Layers that come several times: `2xconv3-64`, or `3x[ conv3-64 max2 ]`. A sequence unrolls it."""

    op = "repeat"

    count: int
    layers: tuple[Layer, ...]

    def validate(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise ArgumentError(f"layers are repeated a whole number of times from 1, got {self.count!r}")
        self.settle(layers=_flat(self.layers), _count=_limited(self.count * _count(self.layers)))

    @property
    def layer_count(self) -> int:
        return int(self.__dict__["_count"])

    def sequence(self) -> "Sequential":
        """Return the layers, unrolled."""
        return Sequential(self.layers * self.count)

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.sequence().output_shape(input_shape)

    def __str__(self) -> str:
        if len(self.layers) == 1 and not isinstance(self.layers[0], Repeat):
            return f"{self.count}x{self.layers[0]}"
        return f"{self.count}x[ {' '.join(map(str, self.layers))} ]"

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        return self.sequence().forward(x, params, context)

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        return self.sequence().backward(grad, cache, params, context)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self.sequence().param_shapes(input_shape)

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self.sequence().buffer_shapes(input_shape)


class Sequential(Compound):
    """Layers one after the other.

    Attributes:
        layers: as they were written, with repeats.
        unrolled: the same, with repeats unrolled: their places in it are the numbers in the names of arrays.
    """

    layers: tuple[Layer, ...] = ()

    def validate(self) -> None:
        """Unroll the repeats."""
        layers = _flat(self.layers)
        self.settle(layers=layers, _count=_limited(_count(layers)))
        self.settle(unrolled=tuple(_unroll(layers)))

    unrolled: ClassVar[tuple[Layer, ...]]

    @property
    def layer_count(self) -> int:
        return int(self.__dict__["_count"])

    def steps(self, input_shape: Shape) -> tuple[Step, ...]:
        """Return the layers with the shapes before and after each.

        Raises:
            ShapeError: a layer cannot take what comes in; the error knows its place.
        """
        known: tuple[Shape, tuple[Step, ...]] | None = self.__dict__.get("_known")
        if known is None or known[0] != input_shape:  # every number of a network is found along the same steps
            known = input_shape, tuple(self._walk(input_shape))
            self.settle(_known=known)
        return known[1]

    def _walk(self, input_shape: Shape) -> Iterator[Step]:
        shape, before = input_shape, None
        for position, layer in enumerate(self.unrolled):
            try:
                output_shape = layer.output_shape(shape)
                if prod(output_shape) >= MAX_NUMBERS:
                    raise ShapeError(layer, f"an output below {MAX_NUMBERS} numbers", show_shape(output_shape))
            except ShapeError as error:
                error.place(layer, position + 1, shape, before.label if before else "")
                raise
            yield Step(position, layer, shape, output_shape)
            shape, before = output_shape, layer

    def output_shape(self, input_shape: Shape) -> Shape:
        steps = self.steps(input_shape)
        return steps[-1].output_shape if steps else input_shape

    def parts(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield the layers, named after their places and ops."""
        for step in self.steps(input_shape):
            yield f"{step.position}.{_prefix(step.layer)}", step.layer, step.input_shape

    def __str__(self) -> str:
        return " ".join(map(str, self.layers))


class Block(Compound):
    """A layer with branches, whose results become one.

    Attributes:
        elementwise: whether each number of the output comes of one number of each result.
    """

    @property
    def branches(self) -> tuple[tuple[str, str, Sequential], ...]:
        """Each branch: its name as arrays have it, its name for readers, and its layers."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The op, without the layers."""
        return self.op

    @property
    def layer_count(self) -> int:
        return int(self.__dict__["_count"])

    def parts(self, input_shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        for name, _, branch in self.branches:
            yield f"{name}.", branch, input_shape

    @classmethod
    def of(cls, paths: "list[Sequential]") -> Self:
        """Return the block with these branches, in the order of its text.

        Raises:
            ArgumentError: it has others.
        """
        raise NotImplementedError

    elementwise = True

    def joins_in_place(self, input_shape: Shape) -> bool:
        """Return whether the results can be joined in the memory of one of them."""
        return self.elementwise and self.output_shape(input_shape) in self._branch_shapes(input_shape)

    def _branch_shapes(self, input_shape: Shape) -> list[Shape]:
        shapes = []
        for _, title, branch in self.branches:
            try:
                shapes.append(branch.output_shape(input_shape))
            except ShapeError as error:
                error.enter(title)
                raise
        return shapes

    def join(self, results: "list[Array]", context: "Context") -> "tuple[Array, Any]":
        """Return what becomes of the branches' results, and what `split` needs of it."""
        raise NotImplementedError

    def split(self, grad: "Array", cache: Any, context: "Context") -> "list[Array]":
        """Return the gradients of the branches' results."""
        raise NotImplementedError

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        results, caches = [], []
        for prefix, layer, _ in self.parts(x.shape[1:]):
            result, cache = layer.forward(x, context.within(params, prefix), context.inside(prefix))
            results.append(result)
            caches.append((prefix, layer, cache))
        out, joined = self.join(results, context)
        return out, (joined, caches)

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        joined, caches = cache
        grads: dict[str, Array] = {}
        gradients = []
        for (prefix, layer, kept), share in zip(caches, self.split(grad, joined, context), strict=True):
            inner = context.inside(prefix)
            inner.input_gradient = context.input_gradient
            gradient, found = layer.backward(share, kept, context.within(params, prefix), inner)
            gradients.append(gradient)
            grads.update((prefix + name, array) for name, array in found.items())
        return (_sum(gradients, context) if context.input_gradient else None), grads


def _sum(gradients: "list[Array]", context: "Context") -> "Array":
    import numpy as np

    total = context.gradient(gradients[0].shape, gradients[0].dtype)
    first, *others = gradients
    if not others:
        np.copyto(total, first)
    for gradient in others:
        first = np.add(first, gradient, out=total)
    return total


def _prefix(layer: Layer) -> str:
    return "" if isinstance(layer, Chain) else f"{layer.op}."


def _flat(layers: Any) -> tuple[Layer, ...]:
    inner: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ArgumentError(f"a sequence holds layers, got {layer!r}")
        inner.extend(layer.layers if isinstance(layer, Sequential) else (layer,))
    return tuple(inner)


def _unroll(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Repeat):
            inner = tuple(_unroll(layer.layers))
            for _ in range(layer.count):
                yield from inner
        else:
            yield layer


def _count(layers: tuple[Layer, ...]) -> int:
    return sum(layer.layer_count for layer in layers)


def _limited(count: int) -> int:
    if count > MAX_LAYERS:
        raise ArgumentError(f"a network has at most {MAX_LAYERS:,} layers, repeats counted, got {count:,}")
    return count


class Add(Block):
    """A shortcut: `add[ main | shortcut ]`, main + shortcut. The shortcut is the identity unless given.

    Example:
        >>> from cnncli.networks.layers import Conv
        >>> str(Add(Sequential((Conv((3, 3), 8, padding="same"),))))
        'add[ conv3-8,same ]'
    """

    op = "add"

    main: Sequential
    shortcut: Sequential = Sequential()

    @classmethod
    def of(cls, paths: list[Sequential]) -> Self:
        """Return the block of one or two branches, of which not all are empty."""
        if len(paths) > 2 or not any(path.layers for path in paths):
            raise ArgumentError(f"{cls.op}[ main | shortcut ] has a main branch and at most one shortcut")
        return cls(*paths)

    def validate(self) -> None:
        self.settle(_count=_limited(1 + self.main.layer_count + self.shortcut.layer_count))

    @property
    def branches(self) -> tuple[tuple[str, str, Sequential], ...]:
        return ("main", "main", self.main), ("shortcut", "shortcut", self.shortcut)

    def output_shape(self, input_shape: Shape) -> Shape:
        main, shortcut = self._branch_shapes(input_shape)
        if main == shortcut:
            return main
        needs = "a main branch and a shortcut of one shape"
        got = f"{show_shape(main)} and {show_shape(shortcut)}"
        raise ShapeError(self, needs, got, self._fitting(input_shape, main))

    def _fitting(self, input_shape: Shape, main: Shape) -> str:
        if self.shortcut.layers or len(main) != 3 or len(input_shape) != 3:
            return ""
        if main[:2] == input_shape[:2]:
            return f"the shortcut '| conv1-{main[2]}' would fit"
        strides = [-(-before // after) for before, after in zip(input_shape[:2], main[:2], strict=True)]
        step = strides[0]
        if step > 1 and all(-(-n // step) == after for n, after in zip(input_shape[:2], main[:2], strict=True)):
            return f"the shortcut '| conv1-{main[2]},s{step}' would fit"
        return "padding 'same' in the main branch keeps the size"

    def __str__(self) -> str:
        shortcut = f"| {self.shortcut} " if self.shortcut.layers else ""
        return f"{self.op}[ {self.main} {shortcut}]" if self.main.layers else f"{self.op}[ {shortcut}]"

    def join(self, results: "list[Array]", context: "Context") -> "tuple[Array, Any]":
        import numpy as np

        main, shortcut = results
        return np.add(main, shortcut, out=context.output(main.shape, main.dtype)), None

    def split(self, grad: "Array", cache: Any, context: "Context") -> "list[Array]":
        return [grad, grad]


class Residual(Add):
    """A residual block: `res[ main | shortcut ]`, relu(main + shortcut) (He et al. 2015, arXiv:1512.03385).

    The shortcut is the identity unless given.

    Example:
        >>> from cnncli.networks.layers import Conv
        >>> str(Residual(Sequential((Conv((1, 1), 8),)), Sequential((Conv((1, 1), 8, bias=False),))))
        'res[ conv1-8 | conv1-8,nobias ]'
    """

    op = "res"

    def join(self, results: "list[Array]", context: "Context") -> "tuple[Array, Any]":
        from cnncli.ops.batches.activation_gradients import relu_forward

        out, _ = super().join(results, context)
        relu_forward(out, out)
        return out, out

    def split(self, grad: "Array", cache: Any, context: "Context") -> "list[Array]":
        from cnncli.ops.batches.activation_gradients import relu_backward

        out = context.kept("sum gradient", grad.shape, grad.dtype)
        return [relu_backward(grad, cache, out, context.memory)] * 2


class Parallel(Block):
    """Any number of branches side by side, of which an empty one is the identity."""

    paths: tuple[Sequential, ...]

    def validate(self) -> None:
        self.settle(_count=_limited(1 + len(self.paths) + sum(path.layer_count for path in self.paths)))
        if not self.paths:
            raise ArgumentError(f"{self.op}[ ] needs a branch")

    @classmethod
    def of(cls, paths: list[Sequential]) -> Self:
        return cls(tuple(paths))

    @property
    def branches(self) -> tuple[tuple[str, str, Sequential], ...]:
        return tuple((str(number), f"branch {number}", path) for number, path in enumerate(self.paths, 1))

    def __str__(self) -> str:
        inner = "|".join(f" {path} " if path.layers else " " for path in self.paths)
        return f"{self.op}[{inner}]"


class Concat(Parallel):
    """Branches side by side, joined on channels: `cat[ conv1-64 | conv3-64,same ]`; an empty branch is the identity.

    Example:
        >>> from cnncli.networks.layers import Conv
        >>> Concat((Sequential(), Sequential((Conv((1, 1), 8),)))).output_shape((4, 4, 3))
        (4, 4, 11)
    """

    op = "cat"
    elementwise = False

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = self._branch_shapes(input_shape)
        sizes = list(dict.fromkeys(shape[:-1] for shape in shapes))
        if len(sizes) == 1:
            return *sizes[0], sum(shape[-1] for shape in shapes)
        kept = any(shape[:-1] == input_shape[:-1] for shape in shapes)
        some = list(map(show_shape, dict.fromkeys(shapes)))
        got = f"branches of {', '.join(some[:4])}{' ...' * (len(some) > 4)}"
        fits = "'same' with s1 in every branch keeps the size" if kept else "give every branch the same strides"
        raise ShapeError(self, "branches of one height and width", got, fits)

    def join(self, results: "list[Array]", context: "Context") -> "tuple[Array, Any]":
        import numpy as np

        channels = [result.shape[-1] for result in results]
        out = context.output((*results[0].shape[:-1], sum(channels)), results[0].dtype)
        return np.concatenate(results, axis=-1, out=out), channels

    def split(self, grad: "Array", cache: Any, context: "Context") -> "list[Array]":
        import numpy as np

        stops = [sum(cache[:number]) for number in range(1, len(cache))]
        return [np.ascontiguousarray(part) for part in np.split(grad, stops, axis=-1)]


class Product(Parallel):
    """The product of branches: `mul[ A | B ]`; an empty branch is the identity.

    A branch of 1x1xC, or of C numbers as `fc-C` gives them, is repeated over all positions, one of HxWx1 over all
    channels. So squeeze and excitation is `mul[ | gap fc-16,relu fc-64,sigmoid ]` (Hu et al. 2017, arXiv:1709.01507).

    Example:
        >>> from cnncli.networks.layers import FullyConnected, GlobalAvgPool
        >>> gate = Sequential((GlobalAvgPool(), FullyConnected(64)))
        >>> Product((Sequential(), gate)).output_shape((56, 56, 64))
        (56, 56, 64)
    """

    op = "mul"

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = self._branch_shapes(input_shape)
        axes = [shape if len(shape) == 3 else (1, 1, *shape) for shape in shapes]
        joined = tuple(max(sizes) for sizes in zip(*axes, strict=True))
        if all(size in (1, most) for shape in axes for size, most in zip(shape, joined, strict=True)):
            return joined if any(len(shape) == 3 for shape in shapes) else joined[2:]
        some = list(map(show_shape, dict.fromkeys(shapes)))
        got = f"branches of {', '.join(some[:4])}{' ...' * (len(some) > 4)}"
        fits = f"a branch of 1x1x{joined[2]} or {show_shape(joined[:2])}x1 would fit"
        raise ShapeError(self, "branches of one shape, or of 1 along an axis", got, fits)

    def join(self, results: "list[Array]", context: "Context") -> "tuple[Array, Any]":
        import numpy as np

        most = max(result.ndim for result in results)
        factors = [_as_picture(result) if result.ndim < most else result for result in results]
        out = context.output(np.broadcast_shapes(*(factor.shape for factor in factors)), factors[0].dtype)
        return _multiply(factors, out), (factors, [result.shape for result in results])

    def split(self, grad: "Array", cache: Any, context: "Context") -> "list[Array]":
        """Return each result's gradient: the product's, times the other results, summed where it was repeated."""
        factors, shapes = cache
        gradients = []
        for number, (factor, shape) in enumerate(zip(factors, shapes, strict=True)):
            others = [grad, *factors[:number], *factors[number + 1 :]]
            share = _multiply(others, context.memory.take("share", grad.shape, grad.dtype))
            own = context.kept(f"gradient {number}", shape, grad.dtype)
            repeated = tuple(axis for axis in range(grad.ndim) if factor.shape[axis] < grad.shape[axis])
            share.sum(axis=repeated, keepdims=True, out=own.reshape(factor.shape))
            gradients.append(own)
        return gradients


def _as_picture(numbers: "Array") -> "Array":
    return numbers.reshape(len(numbers), 1, 1, -1)


def _multiply(factors: "list[Array]", out: "Array") -> "Array":
    import numpy as np

    first, *others = factors
    if not others:
        np.copyto(out, first)
    for factor in others:
        first = np.multiply(first, factor, out=out)
    return out
