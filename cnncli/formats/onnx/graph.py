"""An ONNX file as data: its nodes, the shapes of its weights and of its inputs; the weights stay in the file.

The numbers of the fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import struct
from collections.abc import Sequence
from math import isinf, prod
from typing import NamedTuple, Union

from cnncli.errors import ModelError
from cnncli.formats.files import BLOCK, MAX_RANK, MAX_ROWS, dimensions
from cnncli.formats.onnx.protobuf import BYTES, MAX_TEXT, MessageField, Reader, signed

FLOATING = {1, 10, 11, 16, 17, 18, 19, 20}  # float32, float16, float64, bfloat16 and the four of 8 bits
_RAW = {1: "f", 2: "B", 3: "b", 4: "H", 5: "h", 6: "i", 7: "q", 9: "?", 10: "e", 11: "d", 12: "I", 13: "Q"}

MAX_VALUES = 1024
"""Tensors of more elements are not settings of a node: their values are not taken down."""

MAX_DEPTH = 16
"""Graphs in graphs: exporters nest a branch in a loop in a branch."""

Number = int | float

STORED, LITERAL, FILLED = "stored", "literal", "filled"


class Constant(NamedTuple):
    """A tensor whose values are in the file.

    Attributes:
        name: name in nodes.
        shape: its dimensions, outermost first.
        floating: floating-point numbers, and so perhaps weights.
        values: the numbers in C order, of tensors small enough to be settings of a node.
        kind: the type of its numbers, as onnx.proto has it.
        data: the bytes of the values.
        origin: `STORED` beside the graph, as weights are; a `LITERAL` in a node; or `FILLED` by a node with one number.
        outside: the name of another file that holds the values; empty where they are in this one.
        outside_start: the byte in that file at which they begin, as the file says it; empty for the first.
    """

    name: str
    shape: tuple[int, ...]
    floating: bool
    values: tuple[Number, ...] | None
    kind: int = 0
    data: tuple[MessageField, ...] = ()
    origin: str = STORED
    outside: str = ""
    outside_start: str = ""

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)


class Reference(NamedTuple):
    """A setting of a node in a function, which each call of the function gives."""

    name: str


Attribute = Union[int, float, str, list[int], list[float], Constant, Reference, "Graph", None]


class Node(NamedTuple):
    """An operation.

    Attributes:
        name: its name, or its kind and position where it has none.
        op: its operation, such as "Conv".
        domain: whose operation; "" is ONNX's own.
        inputs: names of tensors; "" for one that is left out.
        outputs: names of tensors.
        attributes: its settings by name; None for those that no shape depends on.
    """

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    @property
    def full_op(self) -> str:
        """The operation, with its domain where that is not ONNX's own."""
        return operation_name(self.domain, self.op)


class GraphInput(NamedTuple):
    """An input of the graph: the dimensions are integers, names, or "?"; None where the file gives no shape."""

    name: str
    dimensions: tuple[int | str, ...] | None


class Graph(NamedTuple):
    """A graph, with its nodes in the order of computation."""

    name: str
    nodes: list[Node]
    constants: dict[str, Constant]
    inputs: list[GraphInput]
    outputs: list[str]


class Function(NamedTuple):
    """A function that the file defines: a graph without constants, with the settings that a call may leave out."""

    graph: Graph
    defaults: dict[str, Attribute]


class OnnxModel(NamedTuple):
    """A file: its graph, who wrote it, and the functions that its nodes call, by their names."""

    graph: Graph
    producer: str
    opset: int
    functions: dict[str, Function]


def operation_name(domain: str, op: str) -> str:
    """Return the name of an operation, with its domain where that is not ONNX's own.

    Example:
        >>> operation_name("ai.onnx", "Conv"), operation_name("com.microsoft", "QGemm")
        ('Conv', 'com.microsoft.QGemm')
    """
    return op if domain in ("", "ai.onnx") else f"{domain}.{op}"


def read_graph(reader: Reader, size: int) -> OnnxModel:
    """Read the graph of a model of `size` bytes."""
    producers, graphs, opsets, functions = reader.parts(MessageField(0, BYTES, 0, 0, size), 2, 7, 8, 25)
    if not graphs:
        raise ModelError("holds no ONNX graph")
    messages = _Messages(reader)
    opset = max((_opset(reader, each) for each in opsets), default=0)
    producer = _last(reader.texts(producers))
    return OnnxModel(messages.graph(graphs[-1]), producer, max(0, opset), dict(map(messages.function, functions)))


def read_shapes(reader: Reader, size: int) -> dict[str, tuple[int | str, ...] | None]:
    """Return the shapes that the graph of a model says its tensors have, by their names."""
    [graphs] = reader.parts(MessageField(0, BYTES, 0, 0, size), 7)
    said = [_input(reader, each) for graph in graphs[-1:] for part in reader.parts(graph, 12, 13) for each in part]
    return {each.name: each.dimensions for each in said}


def _last(texts: Sequence[str]) -> str:
    """Return the last of the texts of a field, or nothing where it is left out."""
    return "".join(texts[-1:])


def _opset(reader: Reader, message: MessageField) -> int:
    domain, version = "", 0
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            domain = reader.text(field)
        elif field.number == 2:
            version = signed(field.value)
    return version if domain in ("", "ai.onnx") else 0


class _Messages:
    """Reads the messages that may hold others of their kind: graphs in nodes in graphs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._nodes = self._depth = 0

    def graph(self, message: MessageField) -> Graph:
        """Read a GraphProto."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ModelError(f"graphs in graphs, more than {MAX_DEPTH} deep")
        reader = self._reader
        nodes, names, tensors, inputs, outputs, sparse = reader.parts(message, 1, 2, 5, 11, 12, 15)
        constants = [_tensor(reader, each) for each in tensors] + [_sparse_tensor(reader, each) for each in sparse]
        found = Graph(
            _last(reader.texts(names)),
            [self.node(each, index) for index, each in enumerate(nodes)],
            {constant.name: constant for constant in constants},
            [_input(reader, each) for each in inputs],
            [_input(reader, each).name for each in outputs],
        )
        self._depth -= 1
        return found

    def function(self, message: MessageField) -> tuple[str, Function]:
        """Read a FunctionProto, whose inputs and outputs are names alone."""
        reader, parts = self._reader, self._reader.parts(message, 1, 4, 5, 7, 10, 11)
        names, inputs, outputs, domains = (reader.texts(parts[at]) for at in (0, 1, 2, 4))
        nodes = [self.node(each, index) for index, each in enumerate(parts[3])]
        graph = Graph(_last(names), nodes, {}, [GraphInput(each, None) for each in inputs], outputs)
        return operation_name(_last(domains), graph.name), Function(graph, dict(map(self.attribute, parts[5])))

    def node(self, message: MessageField, index: int) -> Node:
        """Read a NodeProto."""
        *parts, settings = self._reader.parts(message, 1, 2, 3, 4, 7, 5)
        inputs, outputs, names, ops, domains = map(self._reader.texts, parts)
        op = _last(ops)
        self._nodes += op != "Constant"
        if self._nodes > MAX_ROWS:
            raise ModelError(f"more than {MAX_ROWS} nodes: too many for a summary")
        name, attributes = _last(names) or f"{op}_{index}", dict(map(self.attribute, settings))
        return Node(name, op, _last(domains), tuple(inputs), tuple(outputs), attributes)

    def attribute(self, message: MessageField) -> tuple[str, Attribute]:
        """Read an AttributeProto."""
        reader = self._reader
        name = ""
        value: Attribute = None
        integers: list[int] = []
        floats: list[float] = []
        for field in reader.fields(message.start, message.stop):
            if field.number == 1 and field.kind == BYTES:
                name = reader.text(field)
            elif field.number == 6 and field.kind == BYTES:
                value = self.graph(field)
            elif field.number == 7:
                floats += reader.floats(field)
            elif field.number == 8:
                integers += reader.integers(field)
            else:
                value = _single(reader, field, value)
        return name, integers or floats or value


def _single(reader: Reader, field: MessageField, otherwise: Attribute) -> Attribute:
    match field.number:
        case 2:
            return reader.floats(field)[0] if field.stop - field.start == 4 else otherwise
        case 3:
            return signed(field.value)
        case 4:
            return reader.text(field) if field.kind == BYTES and field.stop - field.start <= MAX_TEXT else otherwise
        case 5:
            return _tensor(reader, field)._replace(origin=LITERAL) if field.kind == BYTES else otherwise
        case 21:
            return Reference(reader.text(field)) if field.kind == BYTES else otherwise
        case 22:
            return _sparse_tensor(reader, field)._replace(origin=LITERAL) if field.kind == BYTES else otherwise
    return otherwise


def _tensor(reader: Reader, message: MessageField) -> Constant:
    name, kind = "", 0
    outside: dict[str, str] = {}
    shape: list[int] = []
    data: list[MessageField] = []
    for field in reader.fields(message.start, message.stop):
        match field.number:
            case 1:
                shape += reader.integers(field) if field.stop - field.start <= 10 * MAX_RANK else [-1]
            case 2:
                kind = field.value
            case 8 if field.kind == BYTES:
                name = reader.text(field)
            case 13 if field.kind == BYTES:
                outside |= _outside(reader, field)
            case 4 | 5 | 7 | 9 | 10:
                data.append(field)
    known = dimensions(shape, f"the tensor {name!r}")
    values = _values(reader, data, kind, prod(known)) if prod(known) <= MAX_VALUES else None
    location, start = outside.get("location", ""), outside.get("offset", "")
    return Constant(name, known, kind in FLOATING, values, kind, tuple(data[:4]), outside=location, outside_start=start)


def _outside(reader: Reader, message: MessageField) -> dict[str, str]:
    """Return one fact about the file that holds a tensor's numbers: its location, or the offset in it."""
    keys, values = reader.parts(message, 1, 2)
    return {_last(reader.texts(keys)): _last(reader.texts(values))}


def outside_files(model: OnnxModel) -> set[str]:
    """Return the names of the files that hold arrays of a model, beside its own."""
    graphs = [model.graph, *(function.graph for function in model.functions.values())]
    found: set[str] = set()
    while graphs:
        graph = graphs.pop()
        settings = [value for node in graph.nodes for value in node.attributes.values()]
        graphs += [value for value in settings if isinstance(value, Graph)]
        constants = [*graph.constants.values(), *(value for value in settings if isinstance(value, Constant))]
        found.update(constant.outside for constant in constants if constant.outside)
    return found


ROUND = 16
"""Made numbers are multiples of a part of 1: the centres of a grid, the anchors of a detector, 0 and -100 of a mask."""


def kind_of_numbers(reader: Reader, constant: Constant, most: int) -> str:
    """Return "zero", "one" or "alike" for one number many times, "round" for several that are all round, else "".

    Args:
        reader: of the file.
        constant: whose numbers are looked at.
        most: numbers that are looked at.

    Example:
        >>> kind_of_numbers(Reader(b""), Constant("mask", (4,), True, (0.0, -100.0, 0.0, 0.0)), 4)
        'round'
    """
    if constant.values is not None:
        return _kind(set(constant.values))
    letter = _RAW.get(constant.kind, "")
    if not letter or letter in "e?" or not constant.size or constant.size > most or len(constant.data) != 1:
        return ""
    [field], size = constant.data, struct.calcsize(letter) * constant.size
    if field.number != 9 or field.kind != BYTES or field.stop - field.start != size:
        return ""
    seen: set[Number] = set()
    for start in range(field.start, field.stop, BLOCK):
        raw = reader.buffer[start : min(start + BLOCK, field.stop)]
        seen.update(struct.unpack(f"<{len(raw) // struct.calcsize(letter)}{letter}", raw))
        if not _kind(seen):
            return ""
    return _kind(seen)


def _kind(numbers: set[Number]) -> str:
    if len(numbers) == 1:
        return "zero" if numbers == {0} else "one" if numbers == {1} else "alike"
    return "round" if numbers and all(isinf(each) or float(each * ROUND).is_integer() for each in numbers) else ""


def _values(reader: Reader, data: Sequence[MessageField], kind: int, count: int) -> tuple[Number, ...] | None:
    """Return the numbers of a small tensor, or None where they are elsewhere or of another kind."""
    found: list[Number] = []
    for field in data:
        if field.number in (5, 7):  # the two types of 16 bits are written there as integers that mean their bits
            found += reader.integers(field) if kind not in (10, 16) else ()
        elif field.number == 4:
            found += reader.floats(field)
        elif letter := "d" if field.number == 10 else _RAW.get(kind):
            size = struct.calcsize(letter) * count
            if field.stop - field.start == size:
                found += struct.unpack(f"<{count}{letter}", reader.buffer[field.start : field.stop])
    return tuple(found) if len(found) == count else None


def _sparse_tensor(reader: Reader, message: MessageField) -> Constant:
    shape: list[int] = []
    values = Constant("", (0,), True, None)
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            values = _tensor(reader, field)
        elif field.number == 3:
            shape += reader.integers(field)
    known = dimensions(shape, f"the tensor {values.name!r}")
    return Constant(values.name, known, values.floating, None, values.kind)


def _input(reader: Reader, message: MessageField) -> GraphInput:
    """Read a ValueInfoProto: name, and type.tensor_type.shape.dim."""
    names, types = reader.parts(message, 1, 2)
    name, tensors = _last(reader.texts(names)), [each for kind in types[-1:] for each in reader.parts(kind, 1)[0][:1]]
    shapes = [each for tensor in tensors for each in reader.parts(tensor, 2)[0][:1]]
    if not shapes:
        return GraphInput(name, None)
    [fields] = reader.parts(shapes[0], 1)
    if len(fields) > MAX_RANK:
        raise ModelError(f"the input {name!r} has {len(fields)} dimensions")
    return GraphInput(name, tuple(_dimension(reader, field, name) for field in fields))


def _dimension(reader: Reader, message: MessageField, name: str) -> int | str:
    """Return a dimension; exporters write 0 and -1, as well as a name or nothing, for one that is open."""
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and signed(field.value) not in (0, -1):
            return dimensions([signed(field.value)], f"the input {name!r}")[0]
        if field.number == 2 and field.kind == BYTES:
            return reader.text(field) or "?"
    return "?"
