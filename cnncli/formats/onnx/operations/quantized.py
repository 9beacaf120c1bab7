"""Operations of quantized models: those whose scales stand between their inputs."""

from math import prod

from cnncli.errors import ModelError
from cnncli.formats.onnx.operations.base import Call, Result, operation
from cnncli.formats.onnx.operations.products import matrices
from cnncli.formats.tensor_shapes import broadcast, concatenated, product_of_matrices


@operation("QLinearMatMul", multiplies=True)
def _matmul(call: Call) -> Result:
    return matrices(call.shape(0), call.shape(3))


@operation("com.microsoft.MatMulIntegerToFloat", "com.microsoft.DynamicQuantizeMatMul", multiplies=True)
def _to_float(call: Call) -> Result:
    return matrices(call.shape(0), call.shape(1))


@operation("com.microsoft.QGemm", multiplies=True)
def _gemm(call: Call) -> Result:
    left, right = call.shape(0), call.shape(3)
    left = left[::-1] if call.integer("transA", 0) else left
    right = right[::-1] if call.integer("transB", 0) else right
    return Result((product_of_matrices(left, right),), macs=prod(left) * right[-1])


@operation("com.microsoft.QLinearAdd", "com.microsoft.QLinearMul")
def _arithmetic(call: Call) -> Result:
    return Result((broadcast([call.shape(0), call.shape(3)]),))


@operation("com.microsoft.QLinearConcat")
def _concat(call: Call) -> Result:
    """The output's scale and zero point, then three inputs for each tensor."""
    shapes = [call.shape(index) for index in range(2, len(call.inputs), 3)]
    if not shapes:
        raise ModelError("has no inputs")
    return Result((concatenated(shapes, call.integer("axis", 0)),))


@operation(
    *("QuantizeLinear", "DequantizeLinear", "com.microsoft.QuantizeLinear", "com.microsoft.DequantizeLinear"),
    *("com.microsoft.QLinearLeakyRelu", "com.microsoft.QLinearSigmoid", "com.microsoft.QLinearSoftmax"),
)
def _pointwise(call: Call) -> Result:
    return Result((call.shape(),), in_place=True)


@operation("DynamicQuantizeLinear")
def _dynamic(call: Call) -> Result:
    return Result((call.shape(), (), ()))
