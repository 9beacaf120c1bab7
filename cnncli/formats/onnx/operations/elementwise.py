"""Operations that give as many numbers as come in: one by one, or of two together."""

import operator
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from math import ceil, exp, floor, inf, isfinite, log, prod

from cnncli.errors import ModelError
from cnncli.formats.onnx.graph import Number
from cnncli.formats.onnx.operations.base import (
    OPERATIONS,
    UNKNOWN,
    Call,
    Operation,
    Outcome,
    is_layer,
    operation,
    same_shape,
)
from cnncli.formats.onnx.tensors import combined
from cnncli.formats.tensor_shapes import Dimensions, broadcast, written
from cnncli.networks.layers import pointwise
from cnncli.networks.layers.base import Layer

PIXELS = Operation(passes=True)
"""Facts about an operation that only scales or moves pixels."""


def _together(function: Callable[..., Number] | None, call: Call) -> Outcome:
    shapes = [call.shape(index) for index in range(len(call.inputs)) if call.has(index)]
    if not shapes:
        raise ModelError("needs at least 1 inputs, got 0")
    # The oldest files (before opset 7) ask for broadcasting, at an axis.
    shape = shapes[0] if call.node.attributes.get("broadcast") == 1 else broadcast(shapes)
    known = call.known()
    values = combined(function, known, shapes) if function and known and shape == _broadcast_or_none(shapes) else None
    return Outcome((shape,), (values,), in_place=len(shapes) == 1)


def _broadcast_or_none(shapes: Sequence[Dimensions]) -> Dimensions | None:
    try:
        return broadcast(shapes)
    except ModelError:
        return None


def _of(function: Callable[..., Number], facts: Operation = UNKNOWN) -> Operation:
    """Return the operation that computes a function of known numbers."""
    return facts._replace(follow=partial(_together, function))


def _quotient(a: Number, b: Number) -> Number:
    """Divide as C does: integers towards 0."""
    if not (isinstance(a, int) and isinstance(b, int)):
        return a / b
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _power(a: Number, b: Number) -> Number:
    if abs(b) > 64:
        raise OverflowError
    return float(a**b) if isinstance(a, float) else int(a**b)


_COMPARISON = Operation(settings=(0, 1))

OPERATIONS |= {
    "Add": _of(operator.add, PIXELS),
    "Sub": _of(operator.sub, PIXELS),
    "Mul": _of(operator.mul, PIXELS),
    "Div": _of(_quotient, PIXELS),
    "Mod": _of(operator.mod, _COMPARISON),
    "Pow": _of(_power, Operation(settings=(1,))),
    "Max": _of(lambda *numbers: max(numbers)),
    "Min": _of(lambda *numbers: min(numbers)),
    "Sum": _of(lambda *numbers: sum(numbers)),
    "Mean": _of(lambda *numbers: sum(numbers) / len(numbers)),
    "Equal": _of(lambda a, b: int(a == b), _COMPARISON),
    "Greater": _of(lambda a, b: int(a > b), _COMPARISON),
    "GreaterOrEqual": _of(lambda a, b: int(a >= b), _COMPARISON),
    "Less": _of(lambda a, b: int(a < b), _COMPARISON),
    "LessOrEqual": _of(lambda a, b: int(a <= b), _COMPARISON),
    "And": _of(lambda a, b: int(bool(a) and bool(b))),
    "Or": _of(lambda a, b: int(bool(a) or bool(b))),
    "Xor": _of(lambda a, b: int(bool(a) != bool(b))),
    "Where": _of(lambda condition, a, b: a if condition else b),
    "Not": _of(lambda a: int(not a)),
    "Neg": _of(operator.neg),
    "Abs": _of(abs),
    "Sign": _of(lambda a: (a > 0) - (a < 0)),
    "Floor": _of(lambda a: float(floor(a))),
    "Ceil": _of(lambda a: float(ceil(a))),
    "Round": _of(lambda a: float(round(a))),
    "Relu": _of(lambda a: max(a, 0), Operation(layer=is_layer(pointwise.ReLU()))),
    "Reciprocal": _of(lambda a: 1 / a),
    "Exp": _of(exp),
    "Log": _of(log),
    "Sqrt": _of(lambda a: a**0.5),
}

operation("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor")(partial(_together, None))

operation(
    *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitwiseNot", "Celu", "Cos", "Cosh", "Erf"),
    *("Hardmax", "IsInf", "IsNaN", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "RandomNormalLike"),
    *("RandomUniformLike", "ReverseSequence", "RotaryEmbedding", "Selu", "Shrink", "Sin", "Sinh", "Softplus"),
    *("Softsign", "Swish", "Tan", "ThresholdedRelu", "Trilu"),
    *("com.microsoft.FastGelu", "com.microsoft.QuickGelu", "com.microsoft.BiasGelu"),
)(same_shape)


def _hard_sigmoid(call: Call, outcome: Outcome) -> Layer | None:
    return pointwise.HardSigmoid() if (call.number("alpha", 0.2), call.number("beta", 0.5)) == (0.166667, 0.5) else None


OPERATIONS |= {
    "Elu": Operation(same_shape, is_layer(pointwise.ELU())),
    "Gelu": Operation(same_shape, is_layer(pointwise.GELU())),
    "com.microsoft.Gelu": Operation(same_shape, is_layer(pointwise.GELU())),
    "HardSigmoid": Operation(same_shape, _hard_sigmoid),
    "HardSwish": Operation(same_shape, is_layer(pointwise.HardSwish())),
    "LeakyRelu": Operation(same_shape, lambda call, outcome: pointwise.LeakyReLU(call.number("alpha", 0.01))),
    "Mish": Operation(same_shape, is_layer(pointwise.Mish())),
    "Sigmoid": Operation(same_shape, is_layer(pointwise.Sigmoid())),
    "Softmax": Operation(same_shape, is_layer(pointwise.Softmax())),
    "Tanh": Operation(same_shape, is_layer(pointwise.Tanh())),
}


def _clip_layer(call: Call, outcome: Outcome) -> Layer | None:
    ends: list[object] = [call.node.attributes.get(name) for name in ("min", "max")]
    if len(call.inputs) == 3 and call.has(1) and call.has(2):
        ends = [(call.tensor(index).values or (None,))[0] for index in (1, 2)]
    return pointwise.ReLU6() if ends == [0.0, 6.0] else None


@operation("Clip", facts=Operation(layer=_clip_layer, settings=(1, 2)))
def _clip(call: Call) -> Outcome:
    """Hold numbers between two that are attributes, or inputs in newer files; either may be left out."""
    values, low, high = call.tensor(0).values, _end(call, "min", 1), _end(call, "max", 2)
    if values is None or low is None or high is None:
        return same_shape(call)
    held = tuple(max(low, min(high, value)) for value in values)
    return Outcome((call.shape(),), (held,), in_place=True)


def _end(call: Call, name: str, index: int) -> Number | None:
    """Return an end of a range: infinite where it is left out, None where it is not known."""
    given = call.node.attributes.get(name)
    if isinstance(given, int | float):
        return given
    if not call.has(index):
        return -inf if name == "min" else inf
    values = call.tensor(index).values
    return values[0] if values else None


@operation("CumSum")
def _running_sum(call: Call) -> Outcome:
    shape, values = call.shape(), call.tensor(0).values
    plain = len(shape) == 1 and not call.integer("exclusive", 0) and not call.integer("reverse", 0)
    return Outcome((shape,), (tuple(accumulate(values)) if plain and values else None,))


def _dropout_layer(call: Call, outcome: Outcome) -> Layer:
    given = call.tensor(1).values if call.has(1) else None
    return pointwise.Dropout(float(f"{given[0]:.6g}") if given else call.number("ratio", 0.5))


@operation("Identity", facts=PIXELS._replace(layer=is_layer(pointwise.Linear()), alias=True))
@operation("Dropout", facts=Operation(layer=_dropout_layer, settings=(1, 2), outputs=1))
@operation("CastLike")
def _unchanged(call: Call) -> Outcome:
    return Outcome((call.shape(), call.shape()), (call.tensor(0).values,), in_place=True)


FLOATING = (1, 10, 11, 16)
BOOLEAN = 9


@operation("Cast", facts=PIXELS)
def _cast(call: Call) -> Outcome:
    values, kind = call.tensor(0).values, call.node.attributes.get("to")
    if values is None or not all(map(isfinite, values)):
        return Outcome((call.shape(),), (values,), in_place=True)
    cast: Callable[[Number], Number] = float if kind in FLOATING else bool if kind == BOOLEAN else int
    return Outcome((call.shape(),), (tuple(map(cast, values)),), in_place=True)


def _prelu_layer(call: Call, outcome: Outcome) -> Layer | None:
    slopes, shape = prod(call.shape(1)), call.shape()
    return pointwise.PReLU(shared=slopes == 1) if len(shape) > 1 and slopes in (1, shape[1]) else None


@operation("PRelu", facts=Operation(layer=_prelu_layer, weights=(1,)))
def _prelu(call: Call) -> Outcome:
    shape, slope = call.shape(0), call.shape(1)
    if slope not in (shape[1:2], (1,)) and broadcast([shape, slope]) != shape:
        raise ModelError(f"its slope {written(slope)} does not fit {written(shape)}")
    return Outcome((shape,), in_place=True)


# Quantized models: the inputs alternate with scales and zero points.

operation("QuantizeLinear", "com.microsoft.QuantizeLinear", facts=PIXELS._replace(settings=(1, 2)))(same_shape)
operation(*("DequantizeLinear", "com.microsoft.DequantizeLinear"), facts=Operation(quantized=(0,), settings=(1, 2)))(
    same_shape
)
operation(
    *("com.microsoft.QLinearLeakyRelu", "com.microsoft.QLinearSigmoid", "com.microsoft.QLinearSoftmax"),
    facts=Operation(settings=(1, 2, 3, 4)),
)(same_shape)
operation("DynamicQuantizeLinear")(lambda call: Outcome((call.shape(), (), ())))
operation(
    *("com.microsoft.QLinearAdd", "com.microsoft.QLinearMul"),
    facts=Operation(quantized=(0, 3), settings=(1, 2, 4, 5, 6, 7)),
)(lambda call: Outcome((broadcast([call.shape(0), call.shape(3)]),)))
