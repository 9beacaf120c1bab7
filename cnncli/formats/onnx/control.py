"""Branches, loops and functions: the graphs that run, their number of runs, and the values they pass on."""

from collections import ChainMap
from typing import TYPE_CHECKING, NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_DIMENSION, dimensions, named
from cnncli.formats.onnx.graph import Attribute, Function, Graph, Node, Reference
from cnncli.formats.onnx.operations import Call
from cnncli.formats.onnx.tensors import Tensor
from cnncli.formats.tensor_shapes import axis_index

if TYPE_CHECKING:
    from cnncli.formats.onnx.reading import Propagation


class Scope(NamedTuple):
    """The names that nodes can see.

    Attributes:
        tensors: facts by tensor name: of this graph, then of the graphs around it.
        path: prefix of the names of its rows.
        home: prefix of the keys of its constants: those of a function are the same in every call.
        settings: the attributes that a call passes to a function.
    """

    tensors: ChainMap[str, Tensor]
    path: str = ""
    home: str = ""
    settings: dict[str, Attribute] | None = None

    def inner(self, name: str) -> "Scope":
        """Return the scope of a graph in a node, which sees all names outside."""
        return self._replace(tensors=self.tensors.new_child(), path=f"{self.path}{name}/", home=f"{self.home}{name}/")

    def called(self, name: str, function: str, settings: dict[str, Attribute]) -> "Scope":
        """Return the scope of a function that a node calls, which sees no name outside."""
        return Scope(ChainMap(), f"{self.path}{name}/", f"{function}:", settings)

    def resolved(self, node: Node) -> Node:
        """Return a node with the settings that its function was called with."""
        if self.settings is None or not any(isinstance(each, Reference) for each in node.attributes.values()):
            return node
        given = {
            name: self.settings.get(value.name) if isinstance(value, Reference) else value
            for name, value in node.attributes.items()
        }
        return node._replace(attributes={name: value for name, value in given.items() if value is not None})


Outputs = list[Tensor]


def branch(propagation: "Propagation", call: Call, scope: Scope) -> Outputs:
    """Follow an If: both branches hold parameters, and the one that runs has multiply-adds.

    Where the condition depends on data, the branch with more of them is counted, and said to be one of two.
    """
    condition = call.tensor(0).values
    runs = []
    for name in ("then_branch", "else_branch"):
        start = len(propagation.stages)
        outputs = propagation.inside(_graph(call, name), scope.inner(f"{call.node.name}/{name[:4]}"), ())
        runs.append((outputs, slice(start, len(propagation.stages))))
    (then, first), (otherwise, second) = runs
    if len(then) != len(otherwise):
        raise ModelError(f"its branches put out {len(then)} and {len(otherwise)} tensors")
    if condition:
        _repeat(propagation, second if condition[0] else first, 0)
        return then if condition[0] else otherwise
    sums = [sum(stage.macs for stage in propagation.stages[part]) for part in (first, second)]
    _repeat(propagation, second if sums[0] >= sums[1] else first, 0)
    if sums[0] != sums[1]:
        propagation.leave_macs_out(call.node)
    return [_either(one, other) for one, other in zip(then, otherwise, strict=True)]


def _either(one: Tensor, other: Tensor) -> Tensor:
    """Return the facts that hold for either of two tensors."""
    return Tensor(
        one.shape if one.shape == other.shape else None,
        one.values if one.values == other.values else None,
        one.constant and other.constant,
        tuple(dict.fromkeys((*one.sources, *other.sources))),
        one.channels_last and other.channels_last,
        one.name,
        one.op,
    )


def loop(propagation: "Propagation", call: Call, scope: Scope) -> Outputs:
    """Follow a Loop: its graph takes the iteration, whether to continue, and the values passed between iterations."""
    body, start = _graph(call, "body"), len(propagation.stages)
    carried = [_fresh(each, f"{scope.path}{call.node.name}") for each in call.inputs[2:]]
    begins = (not call.has(1) and (1,)) or (call.tensor(1).values if call.has(1) else None)
    going = Tensor((), (1,) if begins and begins[0] else None, True)
    outputs = propagation.inside(
        body, scope.inner(call.node.name), (Tensor((), None, False, name=f"{scope.path}round"), going, *carried)
    )
    if len(outputs) < 1 + len(carried):
        raise ModelError("its body has fewer outputs than inputs")
    rounds = _rounds(call, outputs[0])
    steady = all(new.shape == old.shape for new, old in zip(outputs[1:], carried, strict=False))
    _repeat(propagation, slice(start, len(propagation.stages)), 1 if rounds is None else rounds)
    if (rounds is None or not steady) and any(stage.macs or stage.unknown for stage in propagation.stages[start:]):
        propagation.leave_macs_out(call.node)
    kept = [new._replace(constant=False, values=None) if steady else Tensor(None, name=new.name) for new in outputs[1:]]
    scanned = [_stacked(each, rounds, 0) for each in kept[len(carried) :]]
    return [*kept[: len(carried)], *scanned]


def _rounds(call: Call, going: Tensor) -> int | None:
    limit = call.tensor(0).integers if call.has(0) else None
    endless = going.values is not None and len(going.values) == 1 and bool(going.values[0])
    return limit[0] if limit and endless and 0 <= limit[0] <= MAX_DIMENSION else None


def scan(propagation: "Propagation", call: Call, scope: Scope) -> Outputs:
    """Follow a Scan: its graph takes the values passed between steps, and one slice of each sequence."""
    body, start = _graph(call, "body"), len(propagation.stages)
    count = call.integer("num_scan_inputs", 0)
    states = [_fresh(each, f"{scope.path}{call.node.name}") for each in call.inputs[: len(call.inputs) - count]]
    sequences = [call.tensor(index) for index in range(len(states), len(call.inputs))]
    axes = call.integers("scan_input_axes") or (0,) * count
    if not sequences or len(axes) != count:
        raise ModelError(f"its {count} scan_input_axes do not fit its inputs")
    slices, lengths = zip(*map(_slice, sequences, axes), strict=True)
    outputs = propagation.inside(body, scope.inner(call.node.name), (*states, *slices))
    length = lengths[0]
    _repeat(propagation, slice(start, len(propagation.stages)), 1 if length is None else length)
    if length is None and any(stage.macs or stage.unknown for stage in propagation.stages[start:]):
        propagation.leave_macs_out(call.node)
    kept = [each._replace(constant=False, values=None) for each in outputs]
    places = call.integers("scan_output_axes") or (0,) * max(0, len(kept) - len(states))
    return [
        *kept[: len(states)],
        *(_stacked(each, length, axis) for each, axis in zip(kept[len(states) :], places, strict=False)),
    ]


def _slice(sequence: Tensor, axis: int) -> tuple[Tensor, int | None]:
    if sequence.shape is None:
        return sequence._replace(constant=False, values=None), None
    at = axis_index(axis, len(sequence.shape))
    rest = (*sequence.shape[:at], *sequence.shape[at + 1 :])
    return Tensor(rest, name=sequence.name, op="Scan"), sequence.shape[at]


def _stacked(each: Tensor, length: int | None, axis: int) -> Tensor:
    if each.shape is None or length is None:
        return each._replace(shape=None)
    at = axis_index(axis, len(each.shape) + 1)
    return each._replace(shape=dimensions((*each.shape[:at], length, *each.shape[at:]), "its output"))


def function(propagation: "Propagation", called: Function, call: Call, scope: Scope) -> Outputs:
    """Follow a function that the file defines."""
    inputs = called.graph.inputs
    if len(call.inputs) > len(inputs):
        raise ModelError(f"gives {len(call.inputs)} inputs to a function of {len(inputs)}")
    inner = scope.called(call.node.name, call.node.full_op, {**called.defaults, **call.node.attributes})
    given = [each or Tensor(None, name="") for each in call.inputs]
    return propagation.inside(called.graph, inner, given)


def _fresh(each: Tensor | None, path: str) -> Tensor:
    """Return a tensor that each round makes anew: its numbers are those of the first round only."""
    if each is None:
        return Tensor(None)
    return each._replace(constant=False, values=None, name=each.name or path, op=each.op or "Loop")


def _graph(call: Call, name: str) -> Graph:
    found = call.node.attributes.get(name)
    if not isinstance(found, Graph):
        raise ModelError(f"has no {named(name)}")
    return found


def _repeat(propagation: "Propagation", part: slice, times: int) -> None:
    propagation.stages[part] = [stage._replace(runs=stage.runs * times) for stage in propagation.stages[part]]


CONTROL = {"If": branch, "Loop": loop, "Scan": scan}
"""Operations that hold graphs."""
