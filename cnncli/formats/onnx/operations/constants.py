"""Operations that make tensors out of sizes and settings."""

from itertools import product
from math import isfinite, prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimension, dimensions
from cnncli.formats.onnx.graph import FILLED, LITERAL, MAX_VALUES, Constant
from cnncli.formats.onnx.operations.base import Call, Operation, Outcome, UnknownShape, operation
from cnncli.formats.onnx.tensors import Values
from cnncli.formats.tensor_shapes import Dimensions, axis_index

_SIZES = Operation(of_sizes=True, fresh=True)


@operation("Shape", facts=_SIZES)
def _shape(call: Call) -> Outcome:
    shape = call.shape()
    end = call.node.attributes.get("end")
    values = shape[call.integer("start", 0) : end if isinstance(end, int) else None]
    return Outcome(((len(values),),), (values,), keeps_layout=False)


operation("Size", facts=_SIZES)(lambda call: Outcome(((),), ((prod(call.shape()),),), keeps_layout=False))


@operation("ConstantOfShape")
def _constant_of_shape(call: Call) -> Outcome:
    shape = dimensions(call.known_integers(0), "the new tensor")
    value = call.node.attributes.get("value")
    number = value.values[0] if isinstance(value, Constant) and value.values else 0.0
    values = (number,) * prod(shape) if prod(shape) <= MAX_VALUES else None
    filled = Constant("", shape, not isinstance(value, Constant) or value.floating, None, origin=FILLED)
    return Outcome((shape,), (values,), keeps_layout=False, constant=filled)


@operation("EyeLike", facts=Operation(fresh=True))
def _identity_matrix(call: Call) -> Outcome:
    shape, diagonal = call.shape(), call.integer("k", 0)
    if len(shape) != 2 or prod(shape) > MAX_VALUES:
        return Outcome((shape,))
    return Outcome((shape,), (tuple(int(b - a == diagonal) for a, b in product(*map(range, shape))),))


@operation("OneHot", facts=Operation(settings=(1, 2)))
def _one_hot(call: Call) -> Outcome:
    shape, depth = call.shape(), call.known_integers(1)
    axis = axis_index(call.integer("axis", -1), len(shape) + 1)
    return Outcome((dimensions((*shape[:axis], *depth[:1], *shape[axis:]), "the output"),))


operation("RandomNormal", "RandomUniform")(
    lambda call: Outcome((dimensions(list(call.integers("shape") or ()), "the output"),))
)


@operation("Range", facts=Operation(settings=(0, 1, 2), fresh=True))
def _range(call: Call) -> Outcome:
    bounds = [call.tensor(index).values for index in range(3)]
    known = [bound[0] for bound in bounds if bound is not None and len(bound) == 1]
    if len(known) < 3:
        raise UnknownShape
    start, stop, step = known
    if step == 0:
        raise ModelError("its step is 0")
    if not all(map(isfinite, known)):
        raise UnknownShape
    count = dimension(max(0, int(-((start - stop) // step))), "the range")
    values = tuple(start + index * step for index in range(count)) if count <= MAX_VALUES else None
    return Outcome(((count,),), (values,), keeps_layout=False)


@operation("Constant")
def _constant(call: Call) -> Outcome:
    for name in ("value", "sparse_value", "value_int", "value_float", "value_ints", "value_floats"):
        value = call.node.attributes.get(name)
        if isinstance(value, Constant):
            return Outcome((value.shape,), (value.values,), constant=value)
        if isinstance(value, int | float):
            return _literal((), (value,))
        if isinstance(value, list):
            return _literal((len(value),), tuple(value) if len(value) <= MAX_VALUES else None)
    raise UnknownShape


def _literal(shape: Dimensions, values: Values | None) -> Outcome:
    floating = values is not None and all(isinstance(each, float) for each in values)
    return Outcome((shape,), (values,), constant=Constant("", shape, floating, values, origin=LITERAL))
