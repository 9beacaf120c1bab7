"""What each ONNX operation makes of its inputs: the registry `OPERATIONS`, by ONNX's names for them.

The rules are those of ONNX's operator reference (https://onnx.ai/onnx/operators) and, for names that begin with
`com.microsoft.`, of ONNX Runtime's (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
An operation that is not here is not an error: the shape of its output is not known.
"""

from cnncli.formats.onnx.operations import elementwise, movement, products, quantized, recurrent, reductions, windows
from cnncli.formats.onnx.operations.base import MULTIPLYING, OPERATIONS, Call, Result, Sliding, Unsettled

__all__ = [
    "MULTIPLYING",
    "OPERATIONS",
    "Call",
    "Result",
    "Sliding",
    "Unsettled",
    "elementwise",
    "movement",
    "products",
    "quantized",
    "recurrent",
    "reductions",
    "windows",
]
