"""The ONNX operations, and the outcomes of their inputs: the registry `OPERATIONS`, by ONNX's names for them.

The rules are those of ONNX's operator reference (https://onnx.ai/onnx/operators) and, for names that begin with
`com.microsoft.`, of ONNX Runtime's (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
An operation that is not here is not an error: the shape of its output is not known.
"""

# Each of these modules enters its operations.
from cnncli.formats.onnx.operations import (  # noqa: F401
    constants,
    elementwise,
    movement,
    norms,
    products,
    reductions,
    windows,
)
from cnncli.formats.onnx.operations.base import OPERATIONS, Call, Operation, Outcome, UnknownShape

__all__ = ["OPERATIONS", "Call", "Operation", "Outcome", "UnknownShape"]
