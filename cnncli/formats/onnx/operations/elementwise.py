"""Operations that give as many numbers as come in: one by one, of two together, or normalized."""

import operator
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import ceil, exp, floor, inf, isfinite, log

from cnncli.errors import ModelError
from cnncli.formats.onnx.operations.base import Call, Result, operation
from cnncli.formats.onnx.tensors import combined
from cnncli.formats.tensor_shapes import Dimensions, Number, broadcast, written


def _quotient(a: Number, b: Number) -> Number:
    """Divide as C does: integers towards 0."""
    if not (isinstance(a, int) and isinstance(b, int)):
        return a / b
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _power(a: Number, b: Number) -> Number:
    if abs(b) > 64:
        raise OverflowError
    return float(a**b) if isinstance(a, float) else int(a**b)


COMPUTED: dict[str, Callable[..., Number]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": _quotient,
    "Mod": operator.mod,
    "Pow": _power,
    "Max": lambda *numbers: max(numbers),
    "Min": lambda *numbers: min(numbers),
    "Sum": lambda *numbers: sum(numbers),
    "Mean": lambda *numbers: sum(numbers) / len(numbers),
    "Equal": lambda a, b: int(a == b),
    "Greater": lambda a, b: int(a > b),
    "GreaterOrEqual": lambda a, b: int(a >= b),
    "Less": lambda a, b: int(a < b),
    "LessOrEqual": lambda a, b: int(a <= b),
    "And": lambda a, b: int(bool(a) and bool(b)),
    "Or": lambda a, b: int(bool(a) or bool(b)),
    "Xor": lambda a, b: int(bool(a) != bool(b)),
    "Where": lambda condition, a, b: a if condition else b,
    "Not": lambda a: int(not a),
    "Neg": operator.neg,
    "Abs": abs,
    "Sign": lambda a: (a > 0) - (a < 0),
    "Floor": lambda a: float(floor(a)),
    "Ceil": lambda a: float(ceil(a)),
    "Round": lambda a: float(round(a)),
    "Relu": lambda a: max(a, 0),
    "Reciprocal": lambda a: 1 / a,
    "Exp": exp,
    "Log": log,
    "Sqrt": lambda a: a**0.5,
}
"""What is computed of settled numbers; of the other operations only the shape is followed."""


@operation(*COMPUTED, *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"))
def _together(call: Call) -> Result:
    shapes = [call.shape(index) for index in range(len(call.inputs)) if call.has(index)]
    if not shapes:
        raise ModelError("needs at least 1 inputs, got 0")
    # The oldest files (before opset 7) ask for broadcasting, at an axis.
    shape = shapes[0] if call.node.attributes.get("broadcast") == 1 else broadcast(shapes)
    function, known = COMPUTED.get(call.node.op), call.known()
    values = combined(function, known, shapes) if function and known and shape == broadcast_or_none(shapes) else None
    return Result((shape,), (values,), in_place=len(shapes) == 1)


def broadcast_or_none(shapes: Sequence[Dimensions]) -> Dimensions | None:
    """Return the shape that shapes have together, or None where they have none."""
    try:
        return broadcast(shapes)
    except ModelError:
        return None


@operation(
    *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitwiseNot", "Celu", "Cos", "Cosh"),
    *("Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "IsInf", "IsNaN", "LRN", "LeakyRelu"),
    *("LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "RandomNormalLike", "RandomUniformLike"),
    *("ReverseSequence", "RotaryEmbedding", "Selu", "Shrink", "Sigmoid", "Sin", "Sinh"),
    *("Softmax", "Softplus", "Softsign", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu"),
    *("com.microsoft.Gelu", "com.microsoft.FastGelu", "com.microsoft.QuickGelu", "com.microsoft.BiasGelu"),
)
def _pointwise(call: Call) -> Result:
    return Result((call.shape(),), in_place=True)


@operation("Clip")
def _clip(call: Call) -> Result:
    """Hold numbers between two that are attributes, or inputs in newer files; either may be left out."""
    values, low, high = call.tensor(0).values, _end(call, "min", 1), _end(call, "max", 2)
    if values is None or low is None or high is None:
        return Result((call.shape(),), in_place=True)
    held = tuple(max(low, min(high, value)) for value in values)
    return Result((call.shape(),), (held,), in_place=True)


def _end(call: Call, name: str, index: int) -> Number | None:
    """Return an end of a range: infinite where it is left out, None where it is not settled."""
    given = call.node.attributes.get(name)
    if isinstance(given, int | float):
        return given
    if not call.has(index):
        return -inf if name == "min" else inf
    values = call.tensor(index).values
    return values[0] if values else None


@operation("CumSum")
def _running_sum(call: Call) -> Result:
    shape, values = call.shape(), call.tensor(0).values
    plain = len(shape) == 1 and not call.integer("exclusive", 0) and not call.integer("reverse", 0)
    return Result((shape,), (tuple(accumulate(values)) if plain and values else None,))


@operation("Identity", "Dropout")
def _unchanged(call: Call) -> Result:
    return Result((call.shape(), call.shape()), (call.tensor(0).values,), in_place=True)


FLOATING = (1, 10, 11, 16)
BOOLEAN = 9


@operation("Cast", "CastLike")
def _cast(call: Call) -> Result:
    values, kind = call.tensor(0).values, call.node.attributes.get("to")
    if call.node.op == "CastLike" or values is None or not all(map(isfinite, values)):
        return Result((call.shape(),), (values,), in_place=True)
    cast: Callable[[Number], Number] = float if kind in FLOATING else bool if kind == BOOLEAN else int
    return Result((call.shape(),), (tuple(map(cast, values)),), in_place=True)


@operation("BatchNormalization", "InstanceNormalization", "GroupNormalization")
def _normalization(call: Call) -> Result:
    shape = call.shape()
    channels = shape[1] if len(shape) > 1 else 1
    for index in range(1, len(call.inputs)):
        if call.has(index) and call.shape(index) not in ((channels,), (call.integer("num_groups", channels),)):
            raise ModelError(f"got {channels} channels ({written(shape)}), needs {written(call.shape(index))}")
    return Result((shape,), in_place=True)


@operation("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def _layer_normalization(call: Call) -> Result:
    shape = call.shape()
    if call.has(1) and broadcast([shape, call.shape(1)]) != shape:
        raise ModelError(f"got {written(shape)}, needs {written(call.shape(1))} at its end")
    return Result((shape,), in_place=True)


@operation("com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization")
def _skipping_normalization(call: Call) -> Result:
    """Two summands, normalized; the fourth output is their sum."""
    return Result((call.shape(), None, None, call.shape()))


@operation("PRelu")
def _prelu(call: Call) -> Result:
    shape, slope = call.shape(0), call.shape(1)
    if slope not in (shape[1:2], (1,)) and broadcast([shape, slope]) != shape:
        raise ModelError(f"its slope {written(slope)} does not fit {written(shape)}")
    return Result((shape,), in_place=True)
