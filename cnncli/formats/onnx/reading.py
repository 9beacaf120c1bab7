"""ONNX models as data: shapes are followed through the graph here, so that a mismatch is found and named."""

from collections import ChainMap, Counter
from collections.abc import Iterator, Sequence

from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import MAX_NAME, MAX_RANK, MAX_ROWS, Buffer, counted, dimensions, named, naming_errors
from cnncli.formats.flow import Stage, summarize
from cnncli.formats.onnx.control import CONTROL, Scope, function
from cnncli.formats.onnx.graph import MAX_DEPTH, MAX_VALUES, Graph, Node, OnnxModel, read_graph
from cnncli.formats.onnx.inputs import first_input, further_input, is_alone
from cnncli.formats.onnx.operations import Call, Outcome, UnknownShape
from cnncli.formats.onnx.protobuf import Reader
from cnncli.formats.onnx.tensors import Tensor, Values
from cnncli.formats.onnx.weights import WeightCounter
from cnncli.formats.tensor_shapes import written
from cnncli.networks.summary import Omission, Summary
from cnncli.shapes import Shape, show_shape

MAX_COMPUTED = 2**21
"""Numbers of small tensors that are computed in one file at most, which takes about half a second."""


def read_onnx(buffer: Buffer, name: str, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Return the summary of an ONNX model; only the graph is looked at, the weights stay where they are."""
    reader = Reader(buffer)
    model = read_graph(reader, len(buffer))
    propagation = Propagation(model, reader)
    start, shape = propagation.begin(input_shape, shapes)
    propagation.run(model.graph, propagation.scope)
    propagation.resolve_doubts()
    ends = [propagation.scope.tensors[each].name for each in model.graph.outputs if each in propagation.scope.tensors]
    return summarize(
        name,
        named(model.graph.name) or name,
        (start, shape),
        propagation.stages,
        ends,
        propagation.notes(),
        propagation.omissions(),
    )


class Propagation:
    """Follows shapes through a graph, node by node, and through the graphs inside its nodes."""

    def __init__(self, model: OnnxModel, reader: Reader) -> None:
        self.model = model
        self.stages: list[Stage] = []
        self.scope = Scope(ChainMap())
        self._weights = WeightCounter(reader, model.producer)
        self._batch = 0
        self._unknown: Counter[str] = Counter()
        self._open_shapes: list[str] = []
        self._uncounted: list[str] = []
        self._repeated: list[str] = []
        self._products: list[str] = []
        self._remarks: list[str] = []
        self._nodes = self._depth = self._computed = 0
        self._take_in(model.graph, self.scope)

    def begin(self, input_shape: Shape | None, shapes: bool = True) -> tuple[str, Shape | None]:
        """Enter the inputs; return the first one's name and shape."""
        graph, tensors = self.model.graph, self.scope.tensors
        inputs = [each for each in graph.inputs if each.name not in graph.constants]
        if not inputs:
            raise ModelError("the graph has no input")
        first = first_input(inputs[0], input_shape, graph.nodes, shapes)
        tensors |= {first.name: first, **{each.name: further_input(each) for each in inputs[1:]}}
        if inputs[1:]:
            self._remarks.append(f"the graph has {len(inputs)} inputs: the first, {named(first.name)}, is shown")
        said, shape = inputs[0].dimensions or (), first.shape or ()
        if len(said) == len(shape) and any(
            isinstance(old, int) and old != new for old, new in zip(said, shape, strict=True)
        ):
            self._remarks.append(f"the file's own input is {show_shape(map(named, said))}; shown for another")
        if is_alone(said, input_shape):
            self._batch = 1
            return first.name, input_shape
        in_time = any(Call(node, ()).operation.in_time and node.inputs[:1] == (first.name,) for node in graph.nodes)
        self._batch = shape[0] if len(shape) > 1 and not in_time else 0
        return first.name, self._row_shape(first)

    def run(self, graph: Graph, scope: Scope) -> None:
        """Pass through the nodes of a graph."""
        for node in graph.nodes:
            self._nodes += node.op != "Constant"
            if self._nodes > MAX_ROWS:
                raise ModelError(f"more than {MAX_ROWS} nodes, each call of a function counted: too many for a summary")
            with naming_errors(f"node {named(node.name)} ({named(node.op)})"):
                self._pass_through(scope.resolved(node), graph, scope)

    def inside(self, graph: Graph, scope: Scope, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Follow a graph inside a node with the given inputs; return its outputs."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ModelError(f"graphs and functions call each other, more than {MAX_DEPTH} deep")
        scope.tensors.update((each.name, given) for each, given in zip(graph.inputs, inputs, strict=False))
        self._take_in(graph, scope)
        self.run(graph, scope)
        self._depth -= 1
        if missing := [name for name in graph.outputs if name not in scope.tensors]:
            raise ModelError(f"puts out {named(missing[0])}, which nothing in its graph makes")
        return [scope.tensors[name] for name in graph.outputs]

    def passed(self, call: Call, outcome: Outcome, outputs: Sequence[Tensor]) -> None:
        """Take note of a node that was passed through: for subclasses that do more than count."""

    def leave_macs_out(self, node: Node) -> None:
        """Note that multiply-adds are left out at a node that runs other graphs."""
        self._uncounted.append(node.name)
        self.stages.append(Stage(named(node.name, MAX_NAME), named(node.op), (), (), None, (), unknown=("macs",)))

    def resolve_doubts(self) -> None:
        """Resolve facts that need the whole graph: which constants are parameters, and which weights are shared.

        Where some are, a vector that comes a second time may be shared too: it is counted once, and this is said.
        """
        doubts, shared = self._weights.doubtful, self._weights.shared or self._weights.ambiguous
        for place, stage in enumerate(self.stages):
            unknown = stage.unknown if doubts else tuple(name for name in stage.unknown if name != "params")
            if stage.repeated and shared:
                self._repeated.append(stage.name)
                stage = stage._replace(params=stage.params - stage.repeated)
                unknown = (*unknown, "params")
            self.stages[place] = stage._replace(unknown=unknown)

    def notes(self) -> Iterator[str]:
        """Yield the notes on where the numbers come from."""
        made = f" written by {named(self.model.producer)}" if self.model.producer else ""
        yield (
            f"an ONNX model (opset {self.model.opset}){made}: params are the floating-point constants that "
            "nodes compute with; the format does not say which of them were trained"
        )
        yield from self._remarks
        if shared := len(self._weights.shared):
            yield f"constants that several nodes share are counted once, where they come first: {shared} are"
        if self._products:
            yield (
                f"macs count no products of constants alone, which are the same for every input: "
                f"{counted(len(self._products), 'node')} (the first: {named(self._products[0])})"
            )
        for op, count in self._unknown.most_common(8):
            there = counted(count, "node")
            yield f"the operation {named(op)} is not known ({there}): the shape of what it puts out is not shown"
        if self._open_shapes:
            yield (
                f"{counted(len(self._open_shapes), 'shape')} depend on more than the file tells, the first at node "
                f"{named(self._open_shapes[0])}: what follows is not shown"
            )

    def omissions(self) -> Iterator[Omission]:
        """Yield the omissions of the totals, and their reasons."""
        doubtful = self._weights.doubtful.values()
        if doubtful:
            first = next(iter(doubtful))
            yield Omission(
                ("params",),
                f"leave out {sum(each.size for each in doubtful):,} numbers in {counted(len(doubtful), 'constant')} "
                f"that the exporter computed (the first: {named(first.name)}, {written(first.shape)}): the file does "
                "not tell how many trained numbers they stand for",
            )
        if self._repeated:
            yield Omission(
                ("params",),
                f"leave out {counted(len(self._repeated), 'use')} of arrays that hold one number many times and were "
                f"counted before (the first: {named(self._repeated[0])}): exporters write equal arrays once, so that "
                "the file does not tell a shared one from several",
            )
        if self._uncounted:
            yield Omission(
                ("macs",),
                f"leave out {counted(len(self._uncounted), 'node')} (the first: {named(self._uncounted[0])}), whose "
                "operation, shapes or repetitions the file does not tell",
            )
        if lost := [stage.name for stage in self.stages if None in stage.output_shapes]:
            yield Omission(
                ("activations",),
                f"leave out {counted(len(lost), 'node')} of unknown shape (the first: {named(lost[0])})",
            )

    def _take_in(self, graph: Graph, scope: Scope) -> None:
        for constant in graph.constants.values():
            self._weights.add(scope.home + constant.name, constant)
            scope.tensors[constant.name] = Tensor(
                constant.shape,
                _plain(constant.values),
                True,
                (scope.home + constant.name,),
                name=scope.home + constant.name,
            )

    def _pass_through(self, node: Node, graph: Graph, scope: Scope) -> None:
        """Follow a node: enter its outputs, and add its stage."""
        call = Call(node, tuple(self._incoming(node, graph, scope)))
        inner = self._inner(call, scope)
        if inner is not None:
            self._bind(node, scope, inner)
            return
        try:
            outcome = self._outcome(call)
        except ArgumentError as error:
            raise ModelError(str(error)) from error
        constant = call.operation.of_sizes or all(each.constant for each in call.given)
        outputs = list(self._outgoing(call, outcome, constant, scope))
        self._bind(node, scope, outputs)
        self.passed(call, outcome, outputs)
        if constant and outcome.macs:
            self._products.append(node.name)
        elif not constant:
            self._take_down(call, outcome, [scope.tensors[name] for name in node.outputs if name], scope)

    def _inner(self, call: Call, scope: Scope) -> list[Tensor] | None:
        """Return the outputs of the graphs inside a node; None if it has no graphs."""
        follow, called = CONTROL.get(call.node.full_op), self.model.functions.get(call.node.full_op)
        if follow is not None:
            return follow(self, call, scope)
        return None if called is None else function(self, called, call, scope)

    def _bind(self, node: Node, scope: Scope, outputs: Sequence[Tensor]) -> None:
        known = scope.tensors.maps[0]
        unknown = Tensor(None, name=f"{scope.path}{node.name}", op=node.op)
        for index, name in enumerate(node.outputs):
            if name in known:
                raise ModelError(f"puts out {named(name)}, which is there already")
            if name:
                known[name] = outputs[index] if index < len(outputs) else unknown

    def _incoming(self, node: Node, graph: Graph, scope: Scope) -> Iterator[Tensor | None]:
        for name in node.inputs:
            if name and name not in scope.tensors:
                later = next((each.name for each in graph.nodes if name in each.outputs), None)
                if later is None:
                    raise ModelError(f"needs {named(name)}, which nothing in the graph makes")
                raise ModelError(
                    f"needs {named(name)}, which comes only from node {named(later)}: the graph is cyclic, or its "
                    "nodes are not in order"
                )
            found = scope.tensors[name] if name else None
            spent = self._computed > MAX_COMPUTED and found is not None and len(found.values or ()) > MAX_RANK
            yield found._replace(values=None) if found is not None and spent else found

    def _outcome(self, call: Call) -> Outcome:
        follow = call.operation.follow
        if follow is None:
            self._unknown[call.node.full_op] += 1
            return Outcome(())
        try:
            return follow(call)
        except UnknownShape:
            if all(each.shape is not None for each in call.given):
                self._open_shapes.append(call.node.name)
            return Outcome(())

    def _outgoing(self, call: Call, outcome: Outcome, constant: bool, scope: Scope) -> Iterator[Tensor]:
        first = call.inputs[0] if call.inputs else None
        last = first is not None and first.channels_last if outcome.keeps_layout else outcome.channels_last
        sources = self._sources(call, outcome, scope) if constant else ()
        made_by = "" if not constant and _hands_pixels_on(call) else call.node.full_op
        for index, name in enumerate(call.node.outputs):
            shape = outcome.shapes[index] if index < len(outcome.shapes) else None
            values = _plain(outcome.values[index]) if index < len(outcome.values) else None
            if values is not None and call.inputs:  # what went in was looked at, too
                self._computed += len(values) + sum(len(each.values or ()) for each in call.given)
            yield Tensor(
                None if shape is None else dimensions(shape, "its output"),
                values if self._computed <= MAX_COMPUTED else None,
                constant,
                sources,
                last,
                scope.path + name,
                made_by,
            )

    def _sources(self, call: Call, outcome: Outcome, scope: Scope) -> tuple[str, ...]:
        """Return the constants behind a constant."""
        made, name = outcome.constant, call.node.outputs[0] if call.node.outputs else ""
        if made is None:
            return self._weights.handed_on(call, scope.home) if call.node.outputs else ()
        self._weights.add(scope.home + name, made._replace(name=name))
        return (scope.home + name,)

    def _take_down(self, call: Call, outcome: Outcome, outputs: Sequence[Tensor], scope: Scope) -> None:
        shown = outputs[: call.operation.outputs]
        found, layer = self._weights.count(call), call.layer(outcome)
        self.stages.append(
            Stage(
                named(scope.path + call.node.name, MAX_NAME),
                layer.op if layer is not None else named(call.node.op),
                tuple(each.name for each in call.data),
                tuple(each.name for each in shown),
                self._row_shape(call.data[0]),
                tuple(map(self._row_shape, shown)),
                layer,
                found.params,
                found.buffers,
                self._per_example(outcome.macs),
                outcome.in_place,
                tuple(self._left_out(call, outcome)),
                repeated=found.repeated,
            )
        )

    def _left_out(self, call: Call, outcome: Outcome) -> Iterator[str]:
        """Yield which numbers of a stage leave something out."""
        if call.operation.follow is None or (call.operation.multiplies and not outcome.shapes):
            self._uncounted.append(call.node.name)
            yield "macs"
        sources = [source for each in call.given for source in each.sources]
        if any(map(self._weights.is_doubtful, sources)):
            yield "params"

    def _per_example(self, count: int) -> int:
        return count // self._batch if self._batch and count % self._batch == 0 else count

    def _row_shape(self, tensor: Tensor) -> Shape | None:
        """Return the shape of one example, height x width x channels for a picture."""
        if tensor.shape is None:
            return None
        if not self._batch or not tensor.shape or tensor.shape[0] != self._batch:
            return tensor.shape or (1,)
        rest = tensor.shape[1:]
        if len(rest) in (3, 4) and not tensor.channels_last:
            rest = (*rest[1:], rest[0])
        return rest or (1,)


def _hands_pixels_on(call: Call) -> bool:
    """Return whether a node does no more with the model's own input than scale its numbers or move them."""
    return call.operation.passes and all(not each.op for each in call.data)


def _plain(values: Values | None) -> Values | None:
    """Return known values unless they grow: a graph may compute with them for long."""
    if values is None or len(values) > MAX_VALUES or any(abs(value) >= 2**63 for value in values):
        return None
    return values
