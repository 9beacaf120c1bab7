"""Matrix products: with weights, and of activations, as in attention."""

from itertools import chain
from math import prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions
from cnncli.formats.onnx.operations.base import Call, Result, Unsettled, operation
from cnncli.formats.tensor_shapes import Dimensions, broadcast, product_of_matrices, written


@operation("Gemm", "com.microsoft.FusedGemm", multiplies=True)
def _gemm(call: Call) -> Result:
    left, right = call.shape(0), call.shape(1)
    if len(left) != 2 or len(right) != 2:
        raise ModelError(f"needs two matrices, got {written(left)} and {written(right)}")
    left = left[::-1] if call.integer("transA", 0) else left
    right = right[::-1] if call.integer("transB", 0) else right
    result = product_of_matrices(left, right)
    if call.has(2) and broadcast([result, call.shape(2)]) != result:
        raise ModelError(f"its bias {written(call.shape(2))} does not fit {written(result)}")
    return Result((result,), macs=prod(left) * right[1])


@operation("MatMul", "MatMulInteger", multiplies=True)
def _matmul(call: Call) -> Result:
    return matrices(call.shape(0), call.shape(1))


@operation("com.microsoft.FusedMatMul", multiplies=True)
def _fused(call: Call) -> Result:
    left, right = (_turned(call.shape(index), call.integer(f"trans{name}", 0)) for index, name in enumerate("AB"))
    return matrices(left, right)


def _turned(shape: Dimensions, turn: int) -> Dimensions:
    return (*shape[:-2], *shape[:-3:-1]) if turn else shape


def matrices(left: Dimensions, right: Dimensions) -> Result:
    """Return what a product of (stacks of) matrices gives."""
    result = product_of_matrices(left, right)
    return Result((result,), macs=prod(result) * left[-1], keeps_layout=False)


@operation("Einsum", multiplies=True)
def _einsum(call: Call) -> Result:
    """Each term of a sum is one multiply-add where two tensors meet: the product of all sizes."""
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
    return Result((dimensions([sizes[letter] for letter in target], "the output"),), macs=macs, keeps_layout=False)


def _equation(call: Call) -> tuple[list[str], str]:
    equation = call.node.attributes.get("equation")
    if not isinstance(equation, str) or len(equation) > 256:
        raise ModelError("has no equation")
    left, arrow, target = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(call.inputs):
        raise ModelError(f"its equation has {len(terms)} terms for {len(call.inputs)} inputs")
    if "..." in equation or len(terms) > 2:
        raise Unsettled
    letters = "".join(chain(terms))
    return terms, target if arrow else "".join(sorted(each for each in set(letters) if letters.count(each) == 1))


@operation("Attention", multiplies=True)
def _attention(call: Call) -> Result:
    """Queries times keys and weights times values, of stacks of heads (opset 23)."""
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
    return Result((dimensions(result, "the output"),), macs=macs)
