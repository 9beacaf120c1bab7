"""Biases as layers of their own, and layers that scale and shift channels folded into the weights before them.

Folding is for inference, where the numbers stay: (x w + b) s + t = x (w s) + (b s + t) for each channel. A batch norm
has s = gamma / sqrt(variance + eps) and t = beta - mean s (Jacob et al. 2018, arXiv:1712.05877, section 3.2). The
products are taken in float64.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cnncli.networks.layers import Layer
from cnncli.networks.layers.base import Part
from cnncli.networks.layers.context import Array, Context, Gradients, Params
from cnncli.ops.batches.rows import add_to_channels, sum_over_positions
from cnncli.shapes import Shape


class Bias(Layer):
    """A number added to each channel: the part of a convolution that can wait until after a pooling."""

    keeps = ()
    in_place = True
    monotone = True
    light = True

    def numbers(self, params: Params, context: Context) -> Array:
        """Return the numbers, (C,)."""
        return params["bias"]

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output(x.shape, x.dtype)
        if out is not x:
            out[:] = x
        add_to_channels(out, self.numbers(params, context))
        return out, None

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        return grad, {"bias": sum_over_positions(grad)}


class Folding(NamedTuple):
    """A layer with weights, and one that scales and shifts its output; and the prefixes of their arrays' names."""

    weighted: Layer
    weights: str
    scaling: Layer
    scales: str

    def weight(self, params: Params, context: Context) -> Array:
        """Return the weights, scaled."""
        weight = params[f"{self.weights}weight"]
        return (weight * self._factors(params, context)[0]).astype(weight.dtype)

    def bias(self, params: Params, context: Context) -> Array:
        """Return the bias, scaled, with the shift."""
        bias, (scale, shift) = params.get(f"{self.weights}bias"), self._factors(params, context)
        return shift if bias is None else bias * scale + shift

    def _factors(self, params: Params, context: Context) -> tuple[Array, Array]:
        return self.scaling.factors(context.within(params, self.scales), context.inside(self.scales))


class Folded(Layer):
    """A layer with weights that another is folded into."""

    op = "folded"
    late_bias = True

    folding: Folding
    bias: bool = True

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.folding.weighted.output_shape(input_shape)

    def scratch_numbers(self, input_shape: Shape) -> int:
        return self.folding.weighted.scratch_numbers(input_shape)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        layer, own_params, inner = context.plan((), lambda _: self._bind(params, context))
        return layer.forward(x, own_params, inner)

    def _bind(self, params: Params, context: Context) -> tuple[Layer, Params, Context]:
        folding = self.folding
        inner = context.inside(folding.weights)
        inner.output_slot = context.output_slot
        arrays = {"weight": lambda: folding.weight(params, context), "bias": lambda: folding.bias(params, context)}
        return folding.weighted.replace(bias=self.bias), _Unkept(arrays), inner


class FoldedBias(Bias):
    """The bias of a layer that another is folded into."""

    folding: Folding

    def numbers(self, params: Params, context: Context) -> Array:
        return context.once("bias", lambda: self.folding.bias(params, context))


class _Unkept(Mapping[str, Array]):
    """Arrays that are made when they are asked for: layers ask once, and keep what they make of them."""

    def __init__(self, makers: Mapping[str, Callable[[], Array]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> Array:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def without_bias(member: Part) -> list[Part]:
    """Return a layer and its bias separately if the bias can be added later, else the layer alone."""
    layer = member.layer
    if not (layer.late_bias and getattr(layer, "bias", False)):
        return [member]
    bias = FoldedBias(layer.folding) if isinstance(layer, Folded) else Bias()
    after = Part(member.prefix, bias, layer.output_shape(member.input_shape))
    return [member._replace(layer=layer.replace(bias=False)), after]


def fold(members: list[Part]) -> list[Part]:
    """Return layers that compute the same, with those that only scale and shift channels folded where they can be."""
    result: list[Part] = []
    for member in members:
        if result and member.layer.rescales and _can_take(result[-1]):
            result[-1] = _folded(result[-1], member)
        else:
            result.append(member)
    return result


def _can_take(member: Part) -> bool:
    """Return whether a layer's weights can take a factor for each channel of its output."""
    layer, shape = member.layer, member.input_shape
    weights = layer.param_shapes(shape).get("weight") if layer.late_bias else None
    return weights is not None and weights[-1] == layer.output_shape(shape)[-1]


def _folded(weighted: Part, scaling: Part) -> Part:
    words = weighted.prefix.split("."), scaling.prefix.split(".")
    common = next(number for number, pair in enumerate(zip(*words, strict=False)) if pair[0] != pair[1])
    prefix = "".join(f"{word}." for word in words[0][:common])
    names = (part.prefix.removeprefix(prefix) for part in (weighted, scaling))
    folding = Folding(weighted.layer, next(names), scaling.layer, next(names))
    return Part(prefix, Folded(folding), weighted.input_shape)
