"""ONNX models as data: shapes are followed through the graph here, so that a mismatch is found and named."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import MAX_NAME, Buffer, counted, dimensions, named, said_of
from cnncli.formats.flow import Step, summarize
from cnncli.formats.onnx_graph import Constant, Graph, Input, Node, read_graph
from cnncli.formats.onnx_layers import layer_of
from cnncli.formats.onnx_operations import OPERATIONS, Call, Result, Unsettled
from cnncli.formats.protobuf import Reader
from cnncli.formats.tensors import MAX_VALUES, Dimensions, Tensor, written
from cnncli.networks.summary import Shape, Summary

BUFFERS = {"BatchNormalization": (3, 4)}
"""Inputs that are kept but not trained."""

SETTINGS = {
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), (1, 2)),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "Clip": (1, 2),
    "Pad": (1, 2, 3),
    "Dropout": (1, 2),
    "Pow": (1,),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
}
"""Inputs that are settings, although they may be floating-point."""

QUANTIZED = {
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "DequantizeLinear": (0,),
}
"""Inputs that are weights, although they are integers."""

MAX_SOURCES = 64


def read_onnx(buffer: Buffer, name: str, input_shape: Shape | None = None) -> Summary:
    """Return the summary of an ONNX model; only the graph is looked at, the weights stay where they are.

    Args:
        buffer: the file's bytes.
        name: the file's name without its ending.
        input_shape: `(H, W, C)`, for a model that leaves it open, or to count it at another size.

    Raises:
        ModelError: no ONNX model, a graph that is not sound, or shapes that do not fit each other.
    """
    graph = read_graph(Reader(buffer), len(buffer))
    propagation = Propagation(graph)
    start, shape = propagation.begin(input_shape)
    for node in graph.nodes:
        propagation.pass_through(node)
    return summarize(
        name, named(graph.name) or name, (start, shape), propagation.steps, graph.outputs, propagation.notes()
    )


class Opening(NamedTuple):
    """The graph's first input, settled: the batch first, and whether its channels are last."""

    name: str
    shape: Dimensions
    channels_last: bool


class Propagation:
    """Follows shapes through a graph, node by node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps: list[Step] = []
        self._batch = 0
        self._counted: set[str] = set()
        self._shared: set[str] = set()
        self._unknown: Counter[str] = Counter()
        self._unsettled: list[str] = []
        self._remarks: list[str] = []
        self._weights = {constant.name for constant in graph.constants.values() if constant.floating}
        self._tensors = {constant.name: _tensor(constant) for constant in graph.constants.values()}

    def begin(self, input_shape: Shape | None) -> tuple[str, Shape | None]:
        """Settle the inputs; return the first one's name and shape."""
        inputs = [each for each in self.graph.inputs if each.name not in self.graph.constants]
        if not inputs:
            raise ModelError("the graph has no input")
        opening = settled(inputs[0], input_shape, self.graph.nodes)
        for each in inputs[1:]:
            sizes = tuple(1 if index == 0 and isinstance(size, str) else size for index, size in _listed(each))
            known = tuple(size for size in sizes if isinstance(size, int))
            self._tensors[each.name] = Tensor(known if each.dimensions and len(known) == len(sizes) else None)
        if inputs[1:]:
            self._remarks.append(f"the graph has {len(inputs)} inputs: the first, {named(opening.name)}, is shown")
        said = tuple(size for _, size in _listed(inputs[0]))
        if len(said) == len(opening.shape) and any(
            isinstance(old, int) and old != new for old, new in zip(said, opening.shape, strict=True)
        ):
            self._remarks.append(f"the file's own input is {'x'.join(map(named, said))}; shown for another")
        self._batch = opening.shape[0] if len(opening.shape) > 1 else 0
        first = Tensor(opening.shape, channels_last=opening.channels_last)
        self._tensors[opening.name] = first
        return opening.name, self._row_shape(first)

    def pass_through(self, node: Node) -> None:
        """Work out what a node puts out, and take down its step."""
        with said_of(f"node {named(node.name)} ({named(node.op)})"):
            call = Call(node, tuple(self._incoming(node)))
            try:
                result = self._result(call)
            except ArgumentError as error:
                raise ModelError(str(error)) from error
            constant = node.op in ("Shape", "Size") or all(each.constant for each in call.inputs if each is not None)
            for name, tensor in zip(node.outputs, self._outgoing(call, result, constant), strict=True):
                if name in self._tensors:
                    raise ModelError(f"puts out {named(name)}, which is there already")
                if name:
                    self._tensors[name] = tensor
            if not constant:
                self._take_down(call, result)

    def notes(self) -> Iterator[str]:
        """What a reader must know about where the numbers come from."""
        made = f" written by {named(self.graph.producer)}" if self.graph.producer else ""
        yield (
            f"an ONNX model (opset {self.graph.opset}){made}: params are the floating-point constants that "
            "nodes compute with; the format does not say which of them were trained"
        )
        yield from self._remarks
        if self._shared:
            yield f"constants that several nodes share are counted once, where they come first: {len(self._shared)} are"
        for op, count in self._unknown.most_common(8):
            there = counted(count, "node")
            yield f"the operation {named(op)} is not known ({there}): the shape of what it puts out is not shown"
        if self._unsettled:
            yield (
                f"{len(self._unsettled)} shapes depend on more than the file tells, the first at node "
                f"{named(self._unsettled[0])}: what follows is not shown"
            )

    def _incoming(self, node: Node) -> Iterator[Tensor | None]:
        for name in node.inputs:
            if name and name not in self._tensors:
                later = next((each.name for each in self.graph.nodes if name in each.outputs), None)
                if later is None:
                    raise ModelError(f"needs {named(name)}, which nothing in the graph makes")
                raise ModelError(
                    f"needs {named(name)}, which comes only from node {named(later)}: the graph is cyclic, or its "
                    "nodes are not in order"
                )
            yield self._tensors[name] if name else None

    def _result(self, call: Call) -> Result:
        node = call.node
        operation = OPERATIONS.get(node.op) if node.domain in ("", "ai.onnx") else None
        if operation is None:
            self._unknown[f"{node.domain}.{node.op}" if node.domain else node.op] += 1
            return Result(())
        try:
            return operation(call)
        except Unsettled:
            self._unsettled.append(node.name)
            return Result(())

    def _outgoing(self, call: Call, result: Result, constant: bool) -> Iterator[Tensor]:
        first = call.inputs[0] if call.inputs else None
        last = first is not None and first.channels_last if result.keeps_layout else result.channels_last
        sources = self._sources(call, result) if constant else ()
        for index, _ in enumerate(call.node.outputs):
            shape = result.shapes[index] if index < len(result.shapes) else None
            yield Tensor(
                None if shape is None else dimensions(shape, "its output"),
                _plain(result.values) if index == 0 else None,
                constant,
                sources,
                last,
            )

    def _sources(self, call: Call, result: Result) -> tuple[str, ...]:
        """Return the constants behind a constant, and take note of those that become weights on the way."""
        made = _made(call, result)
        if made is not None:
            self.graph.constants[made.name] = made
            if made.floating and made.shape:
                self._weights.add(made.name)
            return (made.name,)
        if call.node.op == "DequantizeLinear" and call.inputs and call.inputs[0] is not None:
            self._weights.update(call.inputs[0].sources)
            return call.inputs[0].sources
        names = [name for each in call.inputs if each is not None for name in each.sources]
        return tuple(dict.fromkeys(names))[:MAX_SOURCES] if call.node.op not in ("Shape", "Size") else ()

    def _take_down(self, call: Call, result: Result) -> None:
        data = [
            (name, each)
            for name, each in zip(call.node.inputs, call.inputs, strict=True)
            if each is not None and not each.constant
        ]
        outputs = tuple(name for name in call.node.outputs if name)
        shapes = tuple(self._row_shape(self._tensors[name]) for name in outputs)
        layer = layer_of(call, result)
        buffers = BUFFERS.get(call.node.op, ())
        self.steps.append(
            Step(
                named(call.node.name, MAX_NAME),
                layer.op if layer is not None else named(call.node.op),
                tuple(name for name, _ in data),
                outputs[:1] if call.node.op in ("MaxPool", "Dropout", "BatchNormalization") else outputs,
                self._row_shape(data[0][1]),
                shapes[:1] if call.node.op in ("MaxPool", "Dropout", "BatchNormalization") else shapes,
                layer,
                sum(self._count(call, index) for index in range(len(call.inputs)) if index not in buffers),
                sum(self._count(call, index) for index in buffers),
                self._per_example(result.macs),
                result.in_place,
            )
        )

    def _count(self, call: Call, index: int) -> int:
        """Return how many weights come in by an input that no node before had."""
        op = call.node.op
        each = call.inputs[index] if index < len(call.inputs) else None
        if each is None or index in SETTINGS.get(op, ()):
            return 0
        quantized = index in QUANTIZED.get(op, ())
        weights = [name for name in each.sources if quantized or name in self._weights]
        new = [name for name in weights if name not in self._counted]
        self._shared.update(name for name in weights if name in self._counted)
        self._counted.update(new)
        return sum(prod(self.graph.constants[name].shape) for name in new)

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


def _made(call: Call, result: Result) -> Constant | None:
    """Return the constant that a node holds, or fills a shape of the file with."""
    value = call.node.attributes.get("value")
    name = call.node.outputs[0] if call.node.outputs else ""
    shape = result.shapes[0] if result.shapes else None
    if call.node.op == "Constant" and isinstance(value, Constant):
        return value._replace(name=name)
    if call.node.op == "ConstantOfShape" and shape is not None and call.tensor(0).sources:
        return Constant(name, shape, not isinstance(value, Constant) or value.floating, None)
    return None


def _tensor(constant: Constant) -> Tensor:
    return Tensor(constant.shape, _plain(constant.values), True, (constant.name,) if constant.shape else ())


def _plain(values: tuple[int | float, ...] | None) -> tuple[int | float, ...] | None:
    """Return settled values that stay small however long a graph computes with them."""
    if values is None or len(values) > MAX_VALUES or any(abs(value) >= 2**63 for value in values):
        return None
    return values


def _listed(each: Input) -> list[tuple[int, int | str]]:
    return list(enumerate(each.dimensions or ()))


def settled(each: Input, input_shape: Shape | None, nodes: Sequence[Node]) -> Opening:
    """Return the first input with every dimension settled: the batch, where it is open, is 1.

    Raises:
        ModelError: a dimension stays open, or `input_shape` has another number of dimensions.
    """
    said = each.dimensions
    if said is None and input_shape is None:
        raise ModelError(f"the input {named(each.name)} has no shape: give it with --input HxWxC")
    said = ("?",) * (len(input_shape or ()) + 1) if said is None else said
    last = _channels_last(each.name, said, nodes)
    batch = (said[0] if isinstance(said[0], int) else 1) if len(said) > 1 else 0
    if input_shape is not None:
        if len(input_shape) != len(said) - 1:
            raise ModelError(
                f"--input gives {written(input_shape)}, but the input {named(each.name)} is "
                f"{'x'.join(map(named, said))}, the batch first"
            )
        example = input_shape if last or len(input_shape) != 3 else (input_shape[2], *input_shape[:2])
        return Opening(each.name, dimensions((batch, *example), "--input", 1), last)
    sizes = (batch, *said[1:]) if len(said) > 1 else said
    known = tuple(size for size in sizes if isinstance(size, int))
    if len(known) < len(sizes):
        raise ModelError(_open(each.name, said, last))
    return Opening(each.name, dimensions(known, f"the input {named(each.name)}", 1), last)


def _open(name: str, said: Dimensions | tuple[int | str, ...], channels_last: bool) -> str:
    wanted = "H W C" if channels_last else "C H W"
    parts = dict(zip(wanted.split(), said[1:], strict=True)) if len(said) == 4 else {}
    fixed = parts.get("C")
    example = f"HxWx{fixed if isinstance(fixed, int) else 'C'}" if parts else "its size"
    shown = "x".join(map(named, said))
    return f"the input {named(name)} is {shown}, which leaves dimensions open: settle them with --input {example}"


def _channels_last(name: str, said: tuple[int | str, ...], nodes: Sequence[Node]) -> bool:
    """Whether an input is (N, H, W, C), as TensorFlow's exporters leave it: a node turns it round, or its sizes say."""
    if len(said) != 4:
        return False
    turned = any(
        node.op == "Transpose" and name in node.inputs and node.attributes.get("perm") == [0, 3, 1, 2] for node in nodes
    )
    return turned or (said[3] in (1, 3) and said[1] not in (1, 3))
