"""Blocks: layers with branches, whose results become one."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Branch, Part
from cnncli.networks.layers.late import Array, Context, Gradients, Params, activation_ops, np
from cnncli.networks.layers.sequences import Compound, Sequential, check_count
from cnncli.shapes import Shape, show_shape


class Block(Compound):
    """A layer with branches, whose results become one.

    Attributes:
        elementwise: whether each number of the output comes of one number of each result.
        sign: how its results become one, in a drawing.
    """

    elementwise: ClassVar[bool] = True
    sign: ClassVar[str] = ""

    @property
    def label(self) -> str:
        """The op, without the layers."""
        return self.op

    @property
    def layer_count(self) -> int:
        return 1 + sum(layers.layer_count for _, _, layers in self.branches)

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        for name, _, layers in self.branches:
            yield Part(f"{name}.", layers, input_shape)

    def leaves(self, input_shape: Shape, prefix: str = "") -> Iterator[Part]:
        yield Part(prefix, self, input_shape)

    @classmethod
    def of(cls, paths: "list[Sequential]") -> Self:
        """Return the block with these branches, in the order of its text.

        Raises:
            ArgumentError: it has others.
        """
        raise NotImplementedError

    def joins_in_place(self, input_shape: Shape) -> bool:
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

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        """Return the joined results of the branches, and a cache for `split`."""
        raise NotImplementedError

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
        """Return the gradients of the branches' results."""
        raise NotImplementedError

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        results, caches = [], []
        for prefix, layer, _ in self.parts(x.shape[1:]):
            result, cache = layer.forward(x, context.within(params, prefix), context.inside(prefix))
            results.append(result)
            caches.append((prefix, layer, cache))
        out, joined = self.join(results, context)
        return out, (joined, caches)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        joined, caches = cache
        grads: dict[str, Array] = {}
        gradients = []
        for (prefix, layer, kept), share in zip(caches, self.split(grad, joined, context), strict=True):
            inner = context.inside(prefix)
            inner.input_gradient = context.input_gradient
            gradient, found = layer.backward(share, kept, context.within(params, prefix), inner)
            gradients.append(gradient)
            grads.update((prefix + name, array) for name, array in found.items())
        if not context.input_gradient:
            return None, grads
        return _folded(np.add, gradients, context.gradient(gradients[0].shape, gradients[0].dtype)), grads


def _folded(operation: Any, arrays: list[Array], out: Array) -> Array:
    """Put the sum or product of arrays into one; a single array is copied."""
    first, *others = arrays
    if not others:
        np.copyto(out, first)
    for array in others:
        first = operation(first, array, out=out)
    return out


def _listed(shapes: list[Shape]) -> str:
    some = list(map(show_shape, dict.fromkeys(shapes)))
    return f"branches of {', '.join(some[:4])}{' ...' * (len(some) > 4)}"


class Add(Block):
    """A shortcut: `add[ main | shortcut ]`, main + shortcut. The shortcut is the identity unless given.

    Example:
        >>> from cnncli.networks.layers import Conv
        >>> str(Add(Sequential((Conv((3, 3), 8, padding="same"),))))
        'add[ conv3-8,same ]'
    """

    op = "add"
    sign = "+"

    main: Sequential
    shortcut: Sequential = Sequential()

    @classmethod
    def of(cls, paths: list[Sequential]) -> Self:
        """Return the block of one or two branches, not all of them empty."""
        if len(paths) > 2 or not any(path.layers for path in paths):
            raise ArgumentError(f"{cls.op}[ main | shortcut ] has a main branch and at most one shortcut")
        return cls(*paths)

    def validate(self) -> None:
        check_count(self)

    @property
    def branches(self) -> tuple[Branch, ...]:
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

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        main, shortcut = results
        return np.add(main, shortcut, out=context.output(main.shape, main.dtype)), None

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
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
    rectifies = True
    needs = ("output",)

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        out, _ = super().join(results, context)
        activation_ops.relu_forward(out, out)
        return out, out

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
        out = context.kept("sum gradient", grad.shape, grad.dtype)
        return [activation_ops.relu_backward(grad, cache, out, context.memory)] * 2


class Parallel(Block):
    """Any number of branches side by side; an empty branch is the identity."""

    paths: tuple[Sequential, ...]

    def validate(self) -> None:
        check_count(self)
        if not self.paths:
            raise ArgumentError(f"{self.op}[ ] needs a branch")

    @property
    def layer_count(self) -> int:
        return super().layer_count + len(self.paths)

    @classmethod
    def of(cls, paths: list[Sequential]) -> Self:
        return cls(tuple(paths))

    @property
    def branches(self) -> tuple[Branch, ...]:
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
    sign = "cat"
    elementwise = False

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = self._branch_shapes(input_shape)
        sizes = list(dict.fromkeys(shape[:-1] for shape in shapes))
        if len(sizes) == 1:
            return *sizes[0], sum(shape[-1] for shape in shapes)
        kept = any(shape[:-1] == input_shape[:-1] for shape in shapes)
        fits = "'same' with s1 in every branch keeps the size" if kept else "give every branch the same strides"
        raise ShapeError(self, "branches of one height and width", _listed(shapes), fits)

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        channels = [result.shape[-1] for result in results]
        out = context.output((*results[0].shape[:-1], sum(channels)), results[0].dtype)
        return np.concatenate(results, axis=-1, out=out), channels

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
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
    sign = "\u00d7"
    needs = ("input",)

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = self._branch_shapes(input_shape)
        axes = [shape if len(shape) == 3 else (1, 1, *shape) for shape in shapes]
        joined = tuple(max(sizes) for sizes in zip(*axes, strict=True))
        if all(size in (1, most) for shape in axes for size, most in zip(shape, joined, strict=True)):
            return joined if any(len(shape) == 3 for shape in shapes) else joined[2:]
        fits = f"a branch of 1x1x{joined[2]} or {show_shape(joined[:2])}x1 would fit"
        raise ShapeError(self, "branches of one shape, or of 1 along an axis", _listed(shapes), fits)

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        most = max(result.ndim for result in results)
        factors = [result.reshape(len(result), 1, 1, -1) if result.ndim < most else result for result in results]
        out = context.output(np.broadcast_shapes(*(factor.shape for factor in factors)), factors[0].dtype)
        return _folded(np.multiply, factors, out), (factors, [result.shape for result in results])

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
        """Return each result's gradient: the product's, times the other results, summed where it was repeated."""
        factors, shapes = cache
        gradients = []
        for number, (factor, shape) in enumerate(zip(factors, shapes, strict=True)):
            others = [grad, *factors[:number], *factors[number + 1 :]]
            share = _folded(np.multiply, others, context.memory.take("share", grad.shape, grad.dtype))
            own = context.kept(f"gradient {number}", shape, grad.dtype)
            repeated = tuple(axis for axis in range(grad.ndim) if factor.shape[axis] < grad.shape[axis])
            share.sum(axis=repeated, keepdims=True, out=own.reshape(factor.shape))
            gradients.append(own)
        return gradients
