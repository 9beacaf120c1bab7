"""Matrix products: with weights, of activations, as in attention, and those of recurrent layers."""

from itertools import chain
from math import prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions
from cnncli.formats.onnx.operations.base import Call, Operation, Outcome, UnknownShape, operation
from cnncli.formats.tensor_shapes import Dimensions, broadcast, product_of_matrices, written
from cnncli.networks.layers import FullyConnected, Layer

_PRODUCT = Operation(multiplies=True, weights=(0, 1, 2), bias_axis=-1)


def _connected(call: Call, outcome: Outcome) -> Layer | None:
    if len(call.shape()) != 2 or not call.tensor(1).constant or call.integer("transA", 0):
        return None
    return FullyConnected(outcome.shape[-1], call.has(2))


def _matrices(call: Call, second: int) -> tuple[Dimensions, Dimensions]:
    """Return the shapes of two inputs, turned round where the node says so."""
    left, right = call.shape(0), call.shape(second)
    return left[::-1] if call.integer("transA", 0) else left, right[::-1] if call.integer("transB", 0) else right


@operation("Gemm", facts=_PRODUCT._replace(layer=_connected))
@operation("com.microsoft.FusedGemm", facts=_PRODUCT)
def _gemm(call: Call) -> Outcome:
    if len(call.shape(0)) != 2 or len(call.shape(1)) != 2:
        raise ModelError(f"needs two matrices, got {written(call.shape(0))} and {written(call.shape(1))}")
    left, right = _matrices(call, 1)
    result = product_of_matrices(left, right)
    if call.has(2) and broadcast([result, call.shape(2)]) != result:
        raise ModelError(f"its bias {written(call.shape(2))} does not fit {written(result)}")
    return Outcome((result,), macs=prod(left) * right[1])


@operation("com.microsoft.QGemm", facts=Operation(multiplies=True, quantized=(0, 3, 6), settings=(1, 2, 4, 5, 7, 8)))
def _quantized_gemm(call: Call) -> Outcome:
    left, right = _matrices(call, 3)
    return Outcome((product_of_matrices(left, right),), macs=prod(left) * right[-1])


def _multiplied(left: Dimensions, right: Dimensions) -> Outcome:
    """Return the outcome of a product of (stacks of) matrices."""
    result = product_of_matrices(left, right)
    return Outcome((result,), macs=prod(result) * left[-1], keeps_layout=False)


_QUANTIZED = Operation(multiplies=True, quantized=(0, 1))


@operation("MatMul", facts=_PRODUCT._replace(layer=_connected))
@operation("MatMulInteger", facts=_QUANTIZED)
@operation("com.microsoft.MatMulIntegerToFloat", facts=_QUANTIZED._replace(quantized=(0, 1, 6), settings=(2, 3, 4, 5)))
@operation("com.microsoft.DynamicQuantizeMatMul", facts=_QUANTIZED._replace(quantized=(1, 4), settings=(2, 3)))
def _matmul(call: Call) -> Outcome:
    return _multiplied(call.shape(0), call.shape(1))


@operation("QLinearMatMul", facts=_QUANTIZED._replace(quantized=(0, 3), settings=(1, 2, 4, 5, 6, 7)))
def _quantized_matmul(call: Call) -> Outcome:
    return _multiplied(call.shape(0), call.shape(3))


@operation("com.microsoft.FusedMatMul", facts=_PRODUCT)
def _fused(call: Call) -> Outcome:
    left, right = (_turned(call.shape(index), call.integer(f"trans{name}", 0)) for index, name in enumerate("AB"))
    return _multiplied(left, right)


def _turned(shape: Dimensions, turn: int) -> Dimensions:
    return (*shape[:-2], *shape[:-3:-1]) if turn else shape


@operation("Einsum", facts=_PRODUCT)
def _einsum(call: Call) -> Outcome:
    """Count a multiply-add for each term of the sums of two tensors: the product of all sizes."""
    terms, target = _equation(call)
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        shape = call.shape(index)
        if len(shape) != len(term):
            raise ModelError(f"its term {term!r} does not fit {written(shape)}")
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) not in (size, 1) and size != 1:
                raise ModelError(f"its index {letter!r} is {sizes[letter]} and {size}")
            sizes[letter] = max(sizes[letter], size)
    if any(letter not in sizes for letter in target):
        raise ModelError(f"its output {target!r} has an index that no input has")
    macs = prod(sizes.values()) if len(terms) > 1 else 0
    return Outcome((dimensions([sizes[letter] for letter in target], "the output"),), macs=macs, keeps_layout=False)


def _equation(call: Call) -> tuple[list[str], str]:
    equation = call.node.attributes.get("equation")
    if not isinstance(equation, str) or len(equation) > 256:
        raise ModelError("has no equation")
    left, arrow, target = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(call.inputs):
        raise ModelError(f"its equation has {len(terms)} terms for {len(call.inputs)} inputs")
    if "..." in equation or len(terms) > 2:
        raise UnknownShape
    letters = "".join(chain(terms))
    return terms, target if arrow else "".join(sorted(each for each in set(letters) if letters.count(each) == 1))


@operation("Attention", facts=Operation(multiplies=True))
def _attention(call: Call) -> Outcome:
    """Multiply queries by keys and weights by values, in stacks of heads (opset 23)."""
    query, key, value = call.shape(0), call.shape(1), call.shape(2)
    if len(query) == 4:
        heads, own = query[1], value[3]
        result: Dimensions = (*query[:3], own)
    else:
        heads = call.integer("q_num_heads", 0)
        own = value[-1] // max(1, call.integer("kv_num_heads", 0))
        result = (*query[:2], heads * own)
    width = query[-1] if len(query) == 4 else query[-1] // max(1, heads)
    macs = query[0] * heads * query[-2] * key[-2] * (width + own)
    return Outcome((dimensions(result, "the output"),), macs=macs)


@operation(
    *("LSTM", "GRU", "RNN"),
    facts=Operation(multiplies=True, weights=(1, 2, 3, 7), states=(5, 6), outputs=1, in_time=True),
)
def _recurrent(call: Call) -> Outcome:
    """Multiply the input and the state by their weights at each step (directions x gates x hidden x ...)."""
    shape, weight, state = call.shape(0), call.shape(1), call.shape(2)
    if not len(shape) == len(weight) == len(state) == 3 or shape[2] != weight[2]:
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    directions, hidden = weight[0], state[2]
    first = call.integer("layout", 0)
    steps, batch = shape[1 if first else 0], shape[0 if first else 1]
    macs = steps * batch * (prod(weight) + prod(state))
    last = (batch, directions, hidden) if first else (directions, batch, hidden)
    result = (batch, steps, directions, hidden) if first else (steps, directions, batch, hidden)
    return Outcome((result, last, last), macs=macs, keeps_layout=False)
