"""Products and sums for each channel that a layer before or after them can take over, as exporters leave them."""

from math import prod

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs.patterns import merged, reduced
from cnncli.models.importing.graphs.pieces import AFFINE, MUL, POWER, Element, Elements, Fragment
from cnncli.networks.layers import (
    BatchNorm,
    Conv,
    Depthwise,
    FullyConnected,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Scale,
    TransposedConv,
)

WEIGHTED = Conv | Depthwise | TransposedConv | FullyConnected

NORMS = BatchNorm | GroupNorm | InstanceNorm | LayerNorm


def folded(elements: Elements) -> Elements:
    """Return a sequence in which no product and sum stands alone."""
    found: Elements = ()
    for element in elements:
        element = element._replace(branches=tuple(map(folded, element.branches)))
        found = reduced((*found, element), ((2, merged), (2, _into_before), (2, _into_after)))
    return tuple(map(_as_layer, found))


def _numbers(affine: Element, channels: int) -> tuple[Array, Array]:
    scale, shift = (np.broadcast_to(affine.arrays[name], (channels,)) for name in ("scale", "shift"))
    return scale, shift


def _as_float32(**arrays: Array) -> dict[str, Array]:
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _into_before(element: Element, affine: Element) -> Elements | None:
    """Fold into the outputs of the layer before."""
    layer = element.layer
    if not affine.is_a(AFFINE) or not isinstance(layer, WEIGHTED | NORMS) or "weight" not in element.arrays:
        return None
    scale, shift = _numbers(affine, element.shape[-1])
    if isinstance(layer, WEIGHTED) and layer.bias and affine.arrays["scale"].ndim and not shift.any():
        return None  # a scale for each channel after a bias is meant to be one, as in ConvNeXt
    weight, bias = element.arrays["weight"] * scale, element.arrays.get("bias", np.zeros(1)) * scale + shift
    if isinstance(layer, NORMS):
        return (element._replace(arrays=element.arrays | _as_float32(weight=weight, bias=bias)),)
    return (_weighted(element, layer, weight, bias),)


def _weighted(element: Element, layer: WEIGHTED, weight: Array, bias: Array) -> Element:
    with_bias = layer.bias or bool(bias.any())
    arrays = _as_float32(weight=weight, bias=bias) if with_bias else _as_float32(weight=weight)
    return element._replace(layer=layer.replace(bias=with_bias), arrays=arrays)


def _into_after(affine: Element, element: Element) -> Elements | None:
    """Fold into the inputs of the layer after; padding is 0 only as long as nothing is added."""
    layer = element.layer
    if not affine.is_a(AFFINE):
        return None
    scale, shift = _numbers(affine, affine.shape[-1])
    if isinstance(layer, BatchNorm) and scale.all():
        arrays = _as_float32(
            weight=element.arrays["weight"] * scale, running_mean=(element.arrays["running_mean"] - shift) / scale
        )
        return (element._replace(before=affine.before, arrays=element.arrays | arrays),)
    if isinstance(layer, FullyConnected):
        tiles = prod(affine.shape) // len(scale)
        weight, own = element.arrays["weight"].astype(np.float64), element.arrays.get("bias", np.zeros(1))
        bias = own + np.tile(shift, tiles) @ weight
        return (_weighted(element, layer, np.tile(scale, tiles)[:, np.newaxis] * weight, bias),)
    if isinstance(layer, Conv) and layer.groups == 1 and (layer.padding == "valid" or not shift.any()):
        weight, own = element.arrays["weight"].astype(np.float64), element.arrays.get("bias", np.zeros(1))
        bias = own + np.einsum("hwio,i->o", weight, shift)
        return (_weighted(element, layer, weight * scale[:, np.newaxis], bias),)
    return None


def _as_layer(element: Element) -> Element:
    """Return a product and a sum that is left as a layer: a scale, or a convolution of 1x1 for each channel.

    A square that is left is a product of x and x.
    """
    if element.layer == Fragment(POWER, value=2):
        return element._replace(layer=Fragment(MUL), branches=((), ()))
    if not element.is_a(AFFINE):
        return element
    scale, shift = _numbers(element, element.shape[-1])
    layer: Layer = Scale()
    if not shift.any():
        return element._replace(layer=layer, arrays=_as_float32(weight=scale))
    if len(element.shape) == 3:
        weight = scale[np.newaxis, np.newaxis, np.newaxis]
        layer = Depthwise((1, 1)) if element.shape[-1] > 1 else Conv((1, 1), 1)
        return element._replace(layer=layer, arrays=_as_float32(weight=weight, bias=shift))
    eps = BatchNorm().eps
    one, zero = np.full(len(scale), 1 - eps), np.zeros(len(scale))
    arrays = _as_float32(weight=scale, bias=shift, running_mean=zero, running_var=one)
    return element._replace(layer=BatchNorm(), arrays=arrays)
