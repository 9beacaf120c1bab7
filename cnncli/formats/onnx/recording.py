"""The nodes of an ONNX graph in the order of computation, functions and branches written out, with the shapes found."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cnncli.formats.onnx.control import CONTROL, Scope
from cnncli.formats.onnx.graph import Constant, OnnxModel
from cnncli.formats.onnx.operations import Call, Outcome
from cnncli.formats.onnx.protobuf import Reader
from cnncli.formats.onnx.reading import Propagation
from cnncli.formats.onnx.tensors import Tensor


class Step(NamedTuple):
    """A node with the tensors that come in and go out; their names are unique in the model."""

    call: Call
    outcome: Outcome
    outputs: tuple[Tensor, ...]

    @property
    def op(self) -> str:
        """Its operation."""
        return self.call.node.full_op


class Recorder(Propagation):
    """Follows shapes through a graph, and records its nodes.

    Attributes:
        steps: the nodes; one that runs graphs an unknown number of times is a step without an outcome.
    """

    def __init__(self, model: OnnxModel, reader: Reader) -> None:
        self.steps: list[Step] = []
        super().__init__(model, reader)

    @property
    def stored(self) -> dict[str, Constant]:
        """The constants that lie beside nodes, by the names of their tensors."""
        return self._weights.constants

    @property
    def outputs(self) -> list[Tensor]:
        """The outputs of the graph."""
        return [self.scope.tensors[name] for name in self.model.graph.outputs if name in self.scope.tensors]

    def passed(self, call: Call, outcome: Outcome, outputs: Sequence[Tensor]) -> None:
        self.steps.append(Step(call, outcome, tuple(outputs)))

    def needed(self, ends: Iterable[Tensor]) -> list[Step]:
        """Return the steps that tensors depend on."""
        wanted = {each.name for each in ends}
        found = []
        for step in reversed(self.steps):
            if any(each.name in wanted for each in step.outputs):
                wanted.update(each.name for each in step.call.given)
                found.append(step)
        return found[::-1]

    def _inner(self, call: Call, scope: Scope) -> list[Tensor] | None:
        found = super()._inner(call, scope)
        chosen = call.node.op == "If" and call.has(0) and call.tensor(0).values is not None
        if found is None or call.node.full_op not in CONTROL or chosen:
            return found
        outputs = [
            each._replace(name=f"{scope.path}{name}") for name, each in zip(call.node.outputs, found, strict=False)
        ]
        self.steps.append(Step(call, Outcome(()), tuple(outputs)))
        return outputs
