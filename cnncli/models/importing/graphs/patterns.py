"""Rows of operations that make up a layer: x times its sigmoid is SiLU, a sum and a relu are a residual block."""

from collections.abc import Callable, Iterable
from math import isclose

import numpy as np

from cnncli.arrays import Array
from cnncli.models.importing.graphs.pieces import (
    ADD,
    AFFINE,
    CHANNEL_MEAN,
    DIV,
    ERF,
    MUL,
    PAD,
    POWER,
    RES,
    SOFTPLUS,
    UNIT_CLIP,
    Element,
    Elements,
    Fragment,
)
from cnncli.networks.layers import (
    AvgPool,
    Conv,
    Depthwise,
    FullyConnected,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    MaxPool,
    ReLU,
)
from cnncli.networks.layers.pointwise import GELU, HardSigmoid, HardSwish, Mish, ReLU6, Sigmoid, SiLU, Tanh
from cnncli.networks.layers.rearranging import Reshape
from cnncli.ops.batches.norms import neighbours

Rule = Callable[..., Elements | None]


def with_layers(elements: Elements) -> Elements:
    """Return a sequence, and the branches of its blocks, with the layers that its elements make up."""
    found: Elements = ()
    for element in elements:
        element = element._replace(branches=tuple(map(with_layers, element.branches)))
        found = reduced((*found, element), RULES)
    return found


def reduced(elements: Elements, rules: Iterable[tuple[int, Rule]]) -> Elements:
    """Return a sequence whose end is replaced as long as a rule fits it."""
    rules = tuple(rules)
    while True:
        for count, rule in rules:
            if len(elements) >= count and (found := rule(*elements[-count:])) is not None:
                elements = (*elements[: len(elements) - count], *found)
                break
        else:
            return elements


def affine_like(element: Element, scale: Array | float, shift: Array | float = 0.0) -> Element:
    """Return a product and a sum in the place of an element, or after it."""
    arrays = {"scale": np.asarray(scale, np.float64), "shift": np.asarray(shift, np.float64)}
    return element._replace(layer=Fragment(AFFINE), arrays=arrays, before=element.shape, branches=())


def _is_affine(element: Element, scale: float, shift: float) -> bool:
    return (
        element.is_a(AFFINE)
        and all(array.ndim == 0 for array in element.arrays.values())
        and isclose(float(element.arrays["scale"]), scale, rel_tol=1e-6)
        and isclose(float(element.arrays["shift"]), shift, rel_tol=1e-6)
    )


def _are(elements: Elements, *layers: type) -> bool:
    return len(elements) == len(layers) and all(
        isinstance(element.layer, layer) for element, layer in zip(elements, layers, strict=True)
    )


def merged(first: Element, second: Element) -> Elements | None:
    """Return two products and sums as one, and none for x itself."""
    if not (first.is_a(AFFINE) and second.is_a(AFFINE)):
        return None
    scale, shift = (first.arrays[name] * second.arrays["scale"] for name in ("scale", "shift"))
    return (affine_like(second, scale, shift + second.arrays["shift"]),)


def _nothing(element: Element) -> Elements | None:
    if not element.is_a(AFFINE):
        return None
    # Products such as 0.5 * 2 in single precision are 1 but for the last digits.
    same = np.allclose(element.arrays["scale"], 1, rtol=1e-6) and not element.arrays["shift"].any()
    return () if same else None


def _gate(element: Element) -> Elements | None:
    """Replace x times a function of x by the activation that it is."""
    if not element.is_a(MUL) or len(element.branches) != 2 or all(element.branches):
        return None
    [gate] = [each for each in element.branches if each] or [()]
    plain = element._replace(branches=())
    if _are(gate, Sigmoid):
        return (plain._replace(layer=SiLU()),)
    if _are(gate, HardSigmoid):
        return (plain._replace(layer=HardSwish()),)
    if _are(gate, Fragment, Tanh) and gate[0].is_a(SOFTPLUS):
        return (plain._replace(layer=Mish()),)
    if _are(gate, Fragment, Fragment, Fragment) and gate[1].is_a(ERF) and _is_affine(gate[0], 0.5**0.5, 0):
        half = float(gate[2].arrays["scale"]) if gate[2].is_a(AFFINE) and not gate[2].arrays["scale"].ndim else 0.0
        if half and _is_affine(gate[2], half, half):  # half * (erf + 1)
            return (plain._replace(layer=GELU()), affine_like(plain, 2 * half))
    return None


def _scaled_branch(element: Element) -> Elements | None:
    """Move a number that a branch of a product is multiplied by behind it; leave out the shape of a gate."""
    if not element.is_a(MUL):
        return None
    for place, branch in enumerate(element.branches):
        if not branch:
            continue
        last, rest = branch[-1], branch[:-1]
        branches = (*element.branches[:place], rest, *element.branches[place + 1 :])
        if isinstance(last.layer, Reshape) and last.shape[:2] == (1, 1) and last.before == last.shape[2:]:
            return (element._replace(branches=branches),)
        if last.is_a(AFFINE) and not last.arrays["scale"].ndim and not last.arrays["shift"].any():
            product = element._replace(branches=branches)
            return *(_gate(product) or (product,)), affine_like(element, last.arrays["scale"])
    return None


def _hard_sigmoid(affine: Element, clip: Element) -> Elements | None:
    if isinstance(clip.layer, ReLU6) and _is_affine(affine, 1, 3):
        return clip._replace(layer=HardSigmoid()), affine_like(clip, 6.0)
    if clip.is_a(UNIT_CLIP) and _is_affine(affine, 1 / 6, 0.5):
        return (clip._replace(layer=HardSigmoid()),)
    return None


def _norm(norm: Element, affine: Element) -> Elements | None:
    """Give a bare norm the scale and shift after it."""
    layer = norm.layer
    if not isinstance(layer, GroupNorm | InstanceNorm | LayerNorm) or layer.affine or not affine.is_a(AFFINE):
        return None
    names = (("weight", "scale"), ("bias", "shift"))
    arrays = {name: np.broadcast_to(affine.arrays[part], norm.shape[-1:]).astype(np.float32) for name, part in names}
    return (norm._replace(layer=layer.replace(affine=True), arrays=arrays),)


def _layer_norm(centred: Element, divided: Element) -> Elements | None:
    """Replace (x - mean) / sqrt(variance + eps), over channels, by the norm that it is."""
    if not (centred.is_a(ADD) and divided.is_a(DIV)) or len(divided.branches) != 2:
        return None
    (kept, mean), (numerator, deviation) = centred.branches, divided.branches
    if kept or numerator or not _are_kinds(mean, CHANNEL_MEAN, AFFINE) or not _is_affine(mean[1], -1, 0):
        return None
    if not _are_kinds(deviation, POWER, CHANNEL_MEAN, AFFINE, POWER) or not _are_powers(deviation, 2, 0.5):
        return None
    scale, shift = (deviation[2].arrays[name] for name in ("scale", "shift"))
    if scale.ndim or shift.ndim or scale != 1 or shift <= 0:
        return None
    layer = LayerNorm(float(f"{float(shift):.6g}"), affine=False)
    return (divided._replace(layer=layer, branches=(), before=centred.before),)


def _response_norm(divided: Element) -> Elements | None:
    """Replace x / (k + alpha / size * sums of squares)^beta by the norm that it is."""
    if not divided.is_a(DIV) or len(divided.branches) != 2 or divided.branches[0]:
        return None
    parts = divided.branches[1]
    if len(parts) != 4 or not isinstance(parts[1].layer, Conv | FullyConnected) or not _are_powers(parts, 2, None):
        return None
    weight, channels = parts[1].arrays["weight"], divided.shape[-1]
    size = int(min(channels * 2, max(0, weight.sum(axis=-2).max(initial=0))))
    plain = "bias" not in parts[1].arrays and weight.size == channels**2 and parts[2].is_a(AFFINE)
    if not plain or not (weight.reshape(channels, channels) == neighbours(channels, size, weight.dtype)).all():
        return None
    scale, k = (parts[2].arrays[name] for name in ("scale", "shift"))
    if scale.ndim or k.ndim or not isinstance(parts[3].layer, Fragment):
        return None
    numbers = (float(f"{float(each):.6g}") for each in (k, scale * size, parts[3].layer.value))
    return (divided._replace(layer=LocalResponseNorm(size, *numbers), branches=()),)


def _are_kinds(elements: Elements, *kinds: str) -> bool:
    return len(elements) == len(kinds) and all(map(Element.is_a, elements, kinds))


def _are_powers(elements: Elements, first: float, last: float | None) -> bool:
    """Return whether a sequence begins and ends with powers; None is any exponent."""
    ends = (elements[0].layer, first), (elements[-1].layer, last)
    return all(
        isinstance(layer, Fragment) and layer.kind == POWER and value in (None, layer.value) for layer, value in ends
    )


def _residual(add: Element, relu: Element) -> Elements | None:
    if not (add.is_a(ADD) and isinstance(relu.layer, ReLU)):
        return None
    return (add._replace(layer=Fragment(RES)),)


def _padded(pad: Element, window: Element) -> Elements | None:
    """Give a window the padding before it."""
    layer = window.layer
    if not isinstance(pad.layer, Fragment) or not pad.is_a(PAD):
        return None
    if not isinstance(layer, Conv | Depthwise | AvgPool | MaxPool):
        return None
    own = (0, 0, 0, 0) if layer.padding == "valid" else layer.padding
    if isinstance(own, str) or pad.layer.value != (-np.inf if isinstance(layer, MaxPool) else 0):
        return None
    if isinstance(layer, AvgPool):
        if any(own) or layer.ceil_mode:
            return None
        layer = layer.replace(count_include_pad=True)
    sums = tuple(a + b for a, b in zip(own, pad.layer.numbers, strict=True))
    return (window._replace(layer=layer.replace(padding=sums), before=pad.before),)


def _padded_maxima(positive: Element, pad: Element, window: Element) -> Elements | None:
    """Give maxima of numbers that are 0 or more the zeros around them: they change nothing."""
    rectified = isinstance(positive.layer, ReLU | ReLU6) or positive.is_a(RES)
    if not (rectified and pad.is_a(PAD) and isinstance(window.layer, MaxPool)):
        return None
    assert isinstance(pad.layer, Fragment)
    if pad.layer.value != 0:
        return None
    found = _padded(pad._replace(layer=pad.layer._replace(value=-np.inf)), window)
    return found and (positive, *found)


RULES: tuple[tuple[int, Rule], ...] = (
    (1, _nothing),
    (2, merged),
    (1, _gate),
    (1, _scaled_branch),
    (2, _hard_sigmoid),
    (2, _layer_norm),
    (1, _response_norm),
    (2, _norm),
    (2, _residual),
    (2, _padded),
    (3, _padded_maxima),
)
"""The rules, each with the number of elements that it looks at."""
