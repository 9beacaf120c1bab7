"""The numbers of a graph's constants, which exporters also compute by nodes: transposed, reshaped, scaled."""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from cnncli.arrays import Array
from cnncli.formats.files import named
from cnncli.formats.onnx.graph import Constant
from cnncli.formats.onnx.numbers import read_numbers
from cnncli.formats.onnx.protobuf import Reader
from cnncli.formats.onnx.recording import Step
from cnncli.formats.onnx.tensors import Tensor
from cnncli.models.importing.imported import NotANetworkError

FEW = 2**20
"""Numbers that nodes may make of nothing; otherwise no more than the file has bytes."""


def _arithmetic(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda step, *arrays: function(*arrays)


def _reshaped(step: Step, array: Array, *_: Array) -> Array:
    return array.reshape(step.outputs[0].shape or ())


def _transposed(step: Step, array: Array) -> Array:
    order = step.call.integers("perm")
    return array.transpose(order) if order else array.T


def _filled(step: Step, *_: Array) -> Array:
    value = step.call.node.attributes.get("value")
    number = value.values[0] if isinstance(value, Constant) and value.values else 0
    return np.full(step.outputs[0].shape or (), number, np.float32)


EVALUATORS: dict[str, Callable[..., Array]] = {
    **dict.fromkeys(("Identity", "Cast"), lambda step, array: array),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshaped),
    "Transpose": _transposed,
    "ConstantOfShape": _filled,
    "Expand": lambda step, array, _: np.broadcast_to(array, step.outputs[0].shape or ()),
    "Concat": lambda step, *arrays: np.concatenate(arrays, axis=step.call.integer("axis", 0)),
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(np.divide),
    "Neg": _arithmetic(np.negative),
    "Sqrt": _arithmetic(np.sqrt),
    "Reciprocal": _arithmetic(np.reciprocal),
    "Pow": _arithmetic(np.power),
    "Exp": _arithmetic(np.exp),
}
"""Operations on constants alone: functions of the step and the arrays that come in."""


class Constants:
    """Reads and computes constants when they are asked for.

    Args:
        reader: of the file.
        folder: the file's.
        stored: the constants that lie in the file.
        steps: the nodes.
    """

    def __init__(self, reader: Reader, folder: Path, stored: Mapping[str, Constant], steps: Iterable[Step]) -> None:
        self._reader, self._folder, self._stored = reader, folder, stored
        self._makers = {each.name: step for step in steps for each in step.outputs[:1] if each.constant}
        self._room = max(FEW, len(reader.buffer))

    def array(self, tensor: Tensor) -> Array:
        """Return a constant's numbers, float32 unless they are wider or integers.

        Raises:
            ModelError: they are damaged.
            NotANetworkError: they are computed in a way that is not known.
        """
        if tensor.values is not None and tensor.shape is not None:
            return np.array(tensor.values).reshape(tensor.shape)
        if tensor.name in self._stored:
            return read_numbers(self._reader, self._stored[tensor.name], self._folder)
        maker = self._makers.get(tensor.name)
        if maker is None:
            raise NotANetworkError(f"the constant {named(tensor.name)} is computed in a way that is not known")
        if maker.op == "Constant" and maker.outcome.constant is not None:
            return read_numbers(self._reader, maker.outcome.constant, self._folder)
        if maker.op not in EVALUATORS or prod(tensor.shape or (self._room + 1,)) > self._room:
            raise NotANetworkError(f"the constant {named(tensor.name)} is computed by {maker.op}")
        with np.errstate(all="ignore"):
            return EVALUATORS[maker.op](maker, *map(self.array, maker.call.given))
