"""The arithmetic of one number of a layer's output, by hand."""

import math
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.text import addition
from cnncli.filters.bands import ArrayRows
from cnncli.filters.explaining.arithmetic import seen_from
from cnncli.filters.explaining.explanation import size_lines
from cnncli.filters.explaining.terms import (
    LARGEST_PRINTED,
    OUTSIDE_WORDS,
    UNSEEN_WORDS,
    PooledWindow,
    Term,
    side_by_side,
)
from cnncli.models.activations.forward import Forward, LayerOutput
from cnncli.models.activations.numbers import as_text, plain
from cnncli.networks.layers import (
    Activation,
    Conv,
    Dropout,
    FullyConnected,
    Layer,
    PReLU,
    Scale,
    blocks,
    connected,
    norms,
    pointwise,
    pooling,
)
from cnncli.networks.layers.context import Context, Shared
from cnncli.networks.layers.convolution import dense_table
from cnncli.shapes import Shape, show_shape

MOST_CHANNELS = 32
"""The most channels whose sums are listed one by one."""


class Unit(NamedTuple):
    """One number of a layer's output, and what it is made of.

    Attributes:
        place: (row, column, channel), or (number,).
        inputs: the outputs that the layer takes.
        weights: the layer's own arrays, `weight` and so on.
        value: the number.
    """

    place: tuple[int, ...]
    inputs: tuple[Array, ...]
    weights: Mapping[str, Array]
    value: float

    @property
    def x(self) -> Array:
        """The input, where it is one array."""
        return self.inputs[0]

    @property
    def own(self) -> float:
        """The number of the input at the same place."""
        number: float = self.x[self.place].item()
        return number

    def of_channel(self, name: str) -> float:
        """Return the channel's number of an array with one for each, or the only one."""
        array = self.weights[name]
        number: float = array[self.place[-1] if len(array) > 1 else 0].item()
        return number


class Worked(NamedTuple):
    """The arithmetic of one number.

    Attributes:
        name: the layer, or the word.
        place: (row, column, channel), or (number,).
        lines: the arithmetic.
        value: the number.
    """

    name: str
    place: tuple[int, ...]
    lines: tuple[str, ...]
    value: float

    def __str__(self) -> str:
        return "\n".join(self.lines)


def explain_activation(found: Forward, layer: str, place: tuple[int, ...]) -> Worked:
    """Explain one number of a forward pass: products and their sum, a window's maximum, a normalisation.

    Args:
        found: what `forward` returned.
        layer: name of a layer, such as `0.conv`; `0` for a whole word, such as a convolution and its activation.
        place: (row, column, channel), or (number,) for a layer without rows; the channel may be left out if there is
            one.

    Raises:
        ArgumentError: there is no such layer or place.

    Example:
        >>> from cnncli.models.activations.forward import forward
        >>> found = forward("conv2-1", "1 2 0; 0 1 3", {"0.conv.weight": "1 0; 0 -1", "0.conv.bias": "4"})
        >>> print(explain_activation(found, "0", (0, 1)).lines[-2])
        sum + bias = -1 + 4 = 3
    """
    outputs = found.of_word(layer)
    place = _checked(layer, place, outputs[-1].numbers.shape)
    lines, value = list[str](), 0.0
    for one in outputs:
        unit = _unit(found, one, place)
        value = unit.value
        lines += [f"{one.name}{_place(place)}: {one.layer.label}", ""]
        lines += arithmetic(one.layer, unit)
        lines += [f"{one.name}{_place(place)} = {plain(value)}", ""]
    return Worked(layer, place, tuple(lines[:-1]), value)


def _unit(found: Forward, one: LayerOutput, place: tuple[int, ...]) -> Unit:
    inputs = tuple(found.numbers(name) for name in one.inputs)
    own = {name.removeprefix(one.path): array for name, array in found.weights.items() if name.startswith(one.path)}
    return Unit(place, inputs, own, one.numbers[place].item())


def _checked(layer: str, place: tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    """Return a place with its channel.

    Raises:
        ArgumentError: it is none of the output.
    """
    if len(place) == len(shape) - 1 and shape[-1] == 1:
        place = (*place, 0)
    if len(place) != len(shape) or not all(0 <= at < size for at, size in zip(place, shape, strict=True)):
        form = "[row,column,channel]" if len(shape) == 3 else "[number]"
        raise ArgumentError(
            f"{layer} puts out {show_shape(shape)}: a place in it is {form}, from 0, got {_place(place)}"
        )
    return place


def _place(place: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, place))}]"


@singledispatch
def arithmetic(layer: Layer, unit: Unit) -> Iterator[str]:
    """Yield how a kind of layer makes a number: of one that is linear, from what each input counts."""
    shared = Shared(parameter_gradients=False, winograd=False)
    out, cache = layer.forward(unit.x[None], unit.weights, Context(shared))
    wanted = np.zeros_like(out)
    wanted[(0, *unit.place)] = 1
    gradient, _ = layer.backward(wanted, cache, unit.weights, Context(shared))
    assert gradient is not None
    factors = gradient[0]
    places = [tuple(place) for place in np.argwhere(factors).tolist()]
    if len(places) == 1 and factors[places[0]] == 1 and "bias" not in unit.weights:
        yield f"the input's {_place(places[0])}"
        return
    products = [(unit.x[place].item(), factors[place].item()) for place in places]
    total = sum(number * factor for number, factor in products)
    if not products:
        yield "no number of the input reaches it"
    elif len(products) > LARGEST_PRINTED:
        yield f"sum of {len(products):,} products = {plain(total)}"
    else:
        titles = ("place", "input", "weight", "product")
        rows = [(_place(at), plain(x), plain(w), plain(x * w)) for at, (x, w) in zip(places, products, strict=True)]
        columns = zip(titles, zip(*rows, strict=True), strict=True)
        yield from side_by_side(*((title, [[cell] for cell in column]) for title, column in columns))
        yield f"sum = {_added([x * w for x, w in products])} = {plain(total)}"
    yield from _with_bias(unit, total)


@arithmetic.register
def _convolution(layer: Conv, unit: Unit) -> Iterator[str]:
    window = layer.window(unit.x.shape)
    row, column, number = unit.place
    seen = seen_from(ArrayRows(unit.x), window, "zeros", column, row)
    weight = unit.weights["weight"]
    weight = dense_table(weight) if layer.table else weight
    per_group = weight.shape[2]
    first = number // (layer.out_channels // layer.groups) * per_group
    yield from size_lines(window)
    yield ""
    channels = range(first, first + per_group)
    terms = [
        Term(
            f" (channel {channel})" if unit.x.shape[2] > 1 else "",
            as_text(seen.pixels[..., channel]),
            as_text(weight[..., channel - first, number]),
            outside=seen.outside,
        )
        for channel in channels
    ]
    yield from _sum_of(terms, unit)


@arithmetic.register
def _connected(layer: FullyConnected, unit: Unit) -> Iterator[str]:
    weights = unit.weights["weight"][:, unit.place[0]].reshape(unit.x.shape)
    planes = [(unit.x[None], weights[None])]
    if unit.x.ndim == 3:
        planes = [(unit.x[..., channel], weights[..., channel]) for channel in range(unit.x.shape[2])]
    many = len(planes) > 1
    terms = [
        Term(f" (channel {channel})" if many else "", as_text(numbers), as_text(own))
        for channel, (numbers, own) in enumerate(planes)
    ]
    yield from _sum_of(terms, unit, ("input", "weights"))


def _sum_of(terms: list[Term], unit: Unit, words: tuple[str, str] = ("window", "kernel")) -> Iterator[str]:
    """Yield products and their sums, through all channels, and the bias."""
    total = sum(term.sum for term in terms)
    numbers = sum(term.window.size for term in terms)
    if numbers <= LARGEST_PRINTED:
        if any(term.marks_padding for term in terms):
            yield OUTSIDE_WORDS
            yield ""
        for term in terms:
            yield from term.lines(words)
            yield ""
    elif len(terms) <= MOST_CHANNELS:
        yield from (f"sum of {term.window.size} products{term.name} = {plain(term.sum)}" for term in terms)
    if len(terms) > MOST_CHANNELS:
        yield f"sum of {numbers:,} products in {len(terms)} channels = {plain(total)}"
    elif len(terms) > 1:
        yield f"sum over the channels = {_added([term.sum for term in terms])} = {plain(total)}"
    yield from _with_bias(unit, total)


def _with_bias(unit: Unit, total: float) -> Iterator[str]:
    if "bias" in unit.weights:
        bias = unit.of_channel("bias")
        yield f"sum + bias = {_added([total, bias])} = {plain(total + bias)}"


@arithmetic.register
def _pool(layer: pooling.Pool, unit: Unit) -> Iterator[str]:
    window = layer.window(unit.x.shape)
    row, column, channel = unit.place
    seen = seen_from(ArrayRows(unit.x), window, "zeros", column, row)
    outside = seen.outside
    if getattr(layer, "count_include_pad", False):
        sides = zip((row, column), window.stride, window.size, window.padding[::2], window.padding[1::2], strict=True)
        taps = [at * s + np.arange(f) for (at, s, *_), f in zip(sides, window.kernel_size, strict=True)]
        ends = [sum(one) for one in zip(window.size, window.padding[::2], window.padding[1::2], strict=True)]
        outside = np.logical_or.outer(taps[0] >= ends[0], taps[1] >= ends[1])
    yield from size_lines(window)
    yield ""
    yield from _pooled(layer, seen.pixels[..., channel], outside, unit)


@arithmetic.register
def _global_pool(layer: pooling.GlobalPool, unit: Unit) -> Iterator[str]:
    rows, columns = layer.bounds(unit.x.shape)
    row, column, channel = unit.place
    pixels = unit.x[slice(*rows[row]), slice(*columns[column]), channel]
    yield from _pooled(layer, pixels, np.zeros(pixels.shape, bool), unit)


def _pooled(layer: Layer, pixels: Array, outside: Array, unit: Unit) -> Iterator[str]:
    mode = "max" if getattr(layer, "pool", layer).takes_maxima else "avg"
    value = pixels[~outside].max().item() if mode == "max" else pixels[~outside].mean().item()
    window = PooledWindow("", as_text(pixels), outside, mode, value)
    if window.marks_padding:
        yield UNSEEN_WORDS[mode]
        yield ""
    yield from window.lines()
    if unit.weights:
        coefficient, bias = unit.of_channel("weight"), unit.of_channel("bias")
        yield f"mean * coefficient + bias = {_factors(value, coefficient)} {_signed(bias)} = {plain(unit.value)}"


@arithmetic.register
def _batch_norm(layer: norms.BatchNorm, unit: Unit) -> Iterator[str]:
    mean, variance = unit.of_channel("running_mean"), unit.of_channel("running_var")
    yield "(x - mean) / sqrt(variance + eps) * weight + bias"
    yield from _standardized(layer.eps, mean, variance, unit)


@arithmetic.register
def _standardization(layer: norms.Standardization, unit: Unit) -> Iterator[str]:
    shape, axes = layer.grouped((1, *unit.x.shape))
    numbers = np.zeros(unit.x.shape, bool)
    numbers[unit.place] = True
    group = numbers.reshape(shape).any(axis=axes, keepdims=True)
    seen = unit.x.reshape(shape)[np.broadcast_to(group, shape)].astype(np.float64)
    mean, variance = seen.mean().item(), seen.var().item()
    affine = " * weight + bias" if layer.affine else ""
    yield f"(x - mean) / sqrt(variance + eps){affine}"
    yield f"of {len(seen)} numbers the mean is {plain(mean)}, the variance {plain(variance)}"
    yield from _standardized(layer.eps, mean, variance, unit)


def _standardized(eps: float, mean: float, variance: float, unit: Unit) -> Iterator[str]:
    top = f"({_added([unit.own, -mean])}) / sqrt({plain(variance)} + {plain(eps)})"
    if "weight" not in unit.weights:
        yield f"{top} = {plain(unit.value)}"
        return
    weight, bias = unit.of_channel("weight"), unit.of_channel("bias")
    yield f"{top} * {_wrapped(weight)} {_signed(bias)} = {plain(unit.value)}"


@arithmetic.register
def _response_norm(layer: norms.LocalResponseNorm, unit: Unit) -> Iterator[str]:
    channel, before = unit.place[-1], layer.size // 2
    # An even number of neighbours has one more before than after, as in PyTorch and ONNX.
    first = max(0, channel - before)
    near = unit.x[unit.place[:-1]][first : channel + (layer.size - 1) // 2 + 1].tolist()
    squares = " + ".join(f"{_wrapped(number)}^2" for number in near)
    base = f"{plain(layer.k)} + {plain(layer.alpha)} / {layer.size} * ({squares})"
    yield f"x / (k + alpha / {layer.size} * sum of squares of {len(near)} channels)^beta"
    yield f"{plain(unit.own)} / ({base})^{plain(layer.beta)} = {plain(unit.value)}"


@arithmetic.register
def _radial_basis(layer: connected.RadialBasis, unit: Unit) -> Iterator[str]:
    x = unit.x[unit.place[:-1]] if layer.everywhere else unit.x.reshape(-1)
    pairs = list(zip(x.tolist(), unit.weights["weight"][:, unit.place[-1]].tolist(), strict=True))
    yield "sum of (x - code)^2"
    if len(pairs) <= LARGEST_PRINTED:
        yield f"{' + '.join(f'({_added([number, -code])})^2' for number, code in pairs)} = {plain(unit.value)}"
    else:
        yield f"sum of {len(pairs):,} squares = {plain(unit.value)}"


@arithmetic.register
def _prelu(layer: PReLU, unit: Unit) -> Iterator[str]:
    slope = unit.of_channel("weight")
    if unit.own < 0:
        yield f"slope * x = {_factors(slope, unit.own)} = {plain(unit.value)}, as x is below 0"
    else:
        yield f"x = {plain(unit.own)}, as it is not below 0"


@arithmetic.register
def _scale(layer: Scale, unit: Unit) -> Iterator[str]:
    yield f"x * weight = {_factors(unit.own, unit.of_channel('weight'))} = {plain(unit.value)}"


@arithmetic.register
def _activation(layer: Activation, unit: Unit) -> Iterator[str]:
    yield f"{layer}({plain(unit.own)}) = {plain(unit.value)}"


@arithmetic.register
def _softmax(layer: pointwise.Softmax, unit: Unit) -> Iterator[str]:
    scores = unit.x[unit.place[:-1]].tolist()
    top = max(scores)
    # A number off each score leaves the quotient as it is, and keeps large ones from overflowing.
    off, said = (0.0, "") if abs(top) < 100 else (top, f" - {plain(top)}")
    powers = [math.exp(score - off) for score in scores]
    own = scores[unit.place[-1]]
    if len(scores) <= MOST_CHANNELS:
        bottom = " + ".join(f"exp({plain(score)}{said})" for score in scores)
        yield f"exp({plain(own)}{said}) / ({bottom})"
    else:
        yield f"exp({plain(own)}{said}) / sum of {len(scores)} such powers"
    yield f"{plain(math.exp(own - off))} / {plain(sum(powers))} = {plain(unit.value)}"


@arithmetic.register
def _dropout(layer: Dropout, unit: Unit) -> Iterator[str]:
    yield f"x = {plain(unit.own)}: dropout drops in training alone"


@arithmetic.register
def _added_branches(layer: blocks.Add, unit: Unit) -> Iterator[str]:
    main, shortcut = (array[unit.place].item() for array in unit.inputs)
    z = main + shortcut
    yield f"main + shortcut = {_added([main, shortcut])} = {plain(z)}"
    if layer.rectifies:
        yield f"relu({plain(z)}) = {plain(unit.value)}"


@arithmetic.register
def _concatenated(layer: blocks.Concat, unit: Unit) -> Iterator[str]:
    channel = unit.place[-1]
    for number, array in enumerate(unit.inputs, 1):
        if channel < array.shape[-1]:
            yield f"branch {number}{_place((*unit.place[:-1], channel))} = {plain(unit.value)}"
            return
        channel -= array.shape[-1]


@arithmetic.register
def _product(layer: blocks.Product, unit: Unit) -> Iterator[str]:
    factors = []
    for array in unit.inputs:
        whole = array.reshape(1, 1, -1) if array.ndim < len(unit.place) else array
        factors.append(whole[tuple(at if size > 1 else 0 for at, size in zip(unit.place, whole.shape, strict=True))])
    yield f"{' * '.join(_wrapped(factor.item()) for factor in factors)} = {plain(unit.value)}"


def _added(numbers: list[float]) -> str:
    return addition([int(number) if float(number).is_integer() else number for number in numbers])


def _signed(number: float) -> str:
    return f"- {plain(-number)}" if number < 0 else f"+ {plain(number)}"


def _wrapped(number: float) -> str:
    return f"({plain(number)})" if number < 0 else plain(number)


def _factors(*numbers: float) -> str:
    first, *others = numbers
    return " * ".join([plain(first), *map(_wrapped, others)])
