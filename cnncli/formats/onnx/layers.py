"""The layer of ours that does what an ONNX node does: for its word, its filters and its receptive field."""

from collections.abc import Callable
from math import prod

from cnncli.errors import ArgumentError
from cnncli.formats.onnx.operations import Call, Result, Sliding, Unsettled
from cnncli.networks.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAvgPool,
    GlobalMaxPool,
    Layer,
    LocalResponseNorm,
    MaxPool,
    TransposedConv,
)
from cnncli.networks.layers.norms import GroupNorm, InstanceNorm, LayerNorm
from cnncli.networks.layers.pointwise import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Linear,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnncli.networks.layers.rearranging import DepthToSpace
from cnncli.networks.layers.resampling import Upsampling
from cnncli.shapes import Four, Pair

Maker = Callable[[Call, Result], Layer | None]


def layer_of(call: Call, result: Result) -> Layer | None:
    """Return the layer that does what a node does; None where the notation has no word for it."""
    maker = _MAKERS.get(call.node.op)
    if maker is None or not result.shapes or result.shapes[0] is None:
        return None
    try:
        return maker(call, result)
    except (ArgumentError, Unsettled):
        return None


def _slide(sliding: Sliding | None) -> tuple[Pair, Pair, Four, Pair] | None:
    match sliding:
        case Sliding((fh, fw), (sh, sw), ((top, bottom), (left, right)), (dh, dw)):
            return (fh, fw), (sh, sw), (top, bottom, left, right), (dh, dw)
    return None


def _conv(call: Call, result: Result) -> Layer | None:
    slide, shape = _slide(result.sliding), result.shapes[0]
    if slide is None or shape is None:
        return None
    kernel, stride, padding, dilation = slide
    groups, channels = call.integer("group", 1), call.shape()[1]
    bias = call.has(8 if call.node.op == "QLinearConv" else 2)
    if groups == channels > 1:
        return Depthwise(kernel, shape[1] if shape[1] != channels else None, stride, padding, dilation, bias)
    return Conv(kernel, shape[1], stride, padding, dilation, groups, bias)


def _transposed(call: Call, result: Result) -> Layer | None:
    slide, shape = _slide(result.sliding), result.shapes[0]
    more = call.integers("output_padding") or (0, 0)
    if slide is None or shape is None or len(more) != 2 or call.integers("output_shape") is not None:
        return None
    kernel, stride, padding, dilation = slide
    named = "same" if str(call.node.attributes.get("auto_pad")).startswith("SAME") else padding
    return TransposedConv(
        kernel, shape[1], stride, named, (more[0], more[1]), dilation, call.integer("group", 1), call.has(2)
    )


def _max_pool(call: Call, result: Result) -> Layer | None:
    slide = _slide(result.sliding)
    return MaxPool(*slide, bool(call.integer("ceil_mode", 0))) if slide else None


def _average_pool(call: Call, result: Result) -> Layer | None:
    slide = _slide(result.sliding)
    if slide is None or slide[3] != (1, 1):
        return None
    return AvgPool(*slide[:3], bool(call.integer("ceil_mode", 0)), bool(call.integer("count_include_pad", 0)))


def _picture(layer: Layer) -> Maker:
    return lambda call, result: layer if len(call.shape()) == 4 else None


def _connected(call: Call, result: Result) -> Layer | None:
    shape = result.shapes[0]
    if shape is None or len(call.shape()) != 2 or not call.tensor(1).constant or call.integer("transA", 0):
        return None
    return FullyConnected(shape[-1], call.has(2))


def _flatten(call: Call, result: Result) -> Layer | None:
    before, after = call.shape(), result.shapes[0]
    return Flatten() if after is not None and len(before) == 4 and after == (before[0], after[-1]) else None


def _clip(call: Call, result: Result) -> Layer | None:
    ends: list[object] = [call.node.attributes.get(name) for name in ("min", "max")]
    if len(call.inputs) == 3 and call.has(1) and call.has(2):
        ends = [(call.tensor(index).values or (None,))[0] for index in (1, 2)]
    return ReLU6() if ends == [0.0, 6.0] else None


def _number(call: Call, name: str, default: float) -> float:
    value = call.node.attributes.get(name, default)
    # A single-precision number, written with the digits that it was given with.
    return float(f"{value:.6g}") if isinstance(value, int | float) else default


def _lrn(call: Call, result: Result) -> Layer | None:
    return LocalResponseNorm(
        call.integer("size", 1), _number(call, "bias", 1.0), _number(call, "alpha", 1e-4), _number(call, "beta", 0.75)
    )


def _dropout(call: Call, result: Result) -> Layer | None:
    given = call.tensor(1).values if call.has(1) else None
    return Dropout(float(f"{given[0]:.6g}") if given else _number(call, "ratio", 0.5))


def _layer_norm(call: Call, result: Result) -> Layer | None:
    rank = len(call.shape())
    last = call.integer("axis", -1) in (-1, rank - 1) and (rank != 4 or call.tensor(0).channels_last)
    return LayerNorm(_number(call, "epsilon", 1e-5)) if last and call.has(2) else None


def _group_norm(call: Call, result: Result) -> Layer | None:
    return GroupNorm(_number(call, "epsilon", 1e-5), groups=call.integer("num_groups", 1))


def _instance_norm(call: Call, result: Result) -> Layer | None:
    affine = set(call.tensor(1).values or ()) != {1} or set(call.tensor(2).values or ()) != {0}
    return InstanceNorm(_number(call, "epsilon", 1e-5), affine) if len(call.shape()) == 4 else None


def _hard_sigmoid(call: Call, result: Result) -> Layer | None:
    return HardSigmoid() if (_number(call, "alpha", 0.2), _number(call, "beta", 0.5)) == (0.166667, 0.5) else None


def _prelu(call: Call, result: Result) -> Layer | None:
    slopes, shape = prod(call.shape(1)), call.shape()
    return PReLU(shared=slopes == 1) if len(shape) > 1 and slopes in (1, shape[1]) else None


def _depth_to_space(call: Call, result: Result) -> Layer | None:
    return DepthToSpace(call.integer("blocksize", 2)) if call.node.attributes.get("mode") == "CRD" else None


def _upsampling(call: Call, result: Result) -> Layer | None:
    """Return the layer where each side becomes so many times as long, in one of the two ways that it knows."""
    before, after, given = call.shape(), result.shapes[0], call.node.attributes
    kind = {"nearest": "nearest", "linear": "bilinear"}.get(str(given.get("mode", "nearest")))
    ways = ("half_pixel", "pytorch_half_pixel", *(("asymmetric",) if kind == "nearest" else ()))
    plain = given.get("coordinate_transformation_mode", "half_pixel") in ways
    if after is None or kind is None or not plain or len(before) != 4 or before[:2] != after[:2] or 0 in before:
        return None
    (rows, more), (columns, rest) = map(divmod, after[2:], before[2:])
    exact = not more and not rest and min(rows, columns) > 0
    return Upsampling((rows, columns), kind) if exact else None


def _plain(layer: Layer) -> Maker:
    return lambda call, result: layer


_MAKERS: dict[str, Maker] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "QLinearConv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _picture(GlobalAvgPool()),
    "GlobalMaxPool": _picture(GlobalMaxPool()),
    "BatchNormalization": _plain(BatchNorm()),
    "Gemm": _connected,
    "MatMul": _connected,
    "Flatten": _flatten,
    "Reshape": _flatten,
    "Clip": _clip,
    "LRN": _lrn,
    "Dropout": _dropout,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "PRelu": _prelu,
    "DepthToSpace": _depth_to_space,
    "Resize": _upsampling,
    "Upsample": _upsampling,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(HardSwish()),
    "Mish": _plain(Mish()),
    "LeakyRelu": lambda call, result: LeakyReLU(_number(call, "alpha", 0.01)),
    "Elu": _plain(ELU()),
    "Gelu": _plain(GELU()),
    "Identity": _plain(Linear()),
    "Relu": _plain(ReLU()),
    "Sigmoid": _plain(Sigmoid()),
    "Softmax": _plain(Softmax()),
    "Tanh": _plain(Tanh()),
}
