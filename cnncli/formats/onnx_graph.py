"""An ONNX file as data: its nodes, the shapes of its weights and of its inputs; the weights stay in the file.

The numbers of the fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import struct
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_RANK, MAX_ROWS, dimensions
from cnncli.formats.protobuf import BYTES, MAX_TEXT, Field, Reader, signed

FLOATING = {1, 10, 11, 16, 17, 18, 19, 20}  # float32, float16, float64, bfloat16 and the four of 8 bits
_RAW = {1: "f", 2: "B", 3: "b", 4: "H", 5: "h", 6: "i", 7: "q", 9: "?", 11: "d", 12: "I", 13: "Q"}

MAX_VALUES = 1024
"""Tensors of more elements are weights, whose values nobody asks for."""

Number = int | float


class Constant(NamedTuple):
    """A tensor whose values are in the file.

    Attributes:
        name: what nodes call it.
        shape: its dimensions, outermost first.
        floating: floating-point numbers, and so perhaps weights.
        values: the numbers in C order, of tensors small enough to be settings of a node.
    """

    name: str
    shape: tuple[int, ...]
    floating: bool
    values: tuple[Number, ...] | None


Attribute = int | float | str | list[int] | list[float] | Constant | None


class Node(NamedTuple):
    """An operation.

    Attributes:
        name: its name, or its kind and position where it has none.
        op: what it does: "Conv".
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


class Input(NamedTuple):
    """An input of the graph: the dimensions are integers, names, or "?"; None where the file gives no shape."""

    name: str
    dimensions: tuple[int | str, ...] | None


class Graph(NamedTuple):
    """A graph, its nodes in the order in which they are computed."""

    name: str
    producer: str
    opset: int
    nodes: list[Node]
    constants: dict[str, Constant]
    inputs: list[Input]
    outputs: list[str]


def read_graph(reader: Reader, size: int) -> Graph:
    """Read the graph of a model of `size` bytes.

    Raises:
        ModelError: the bytes are no ONNX model.
    """
    graph, producer, opset = None, "", 0
    for field in reader.fields(0, size):
        if field.number == 7 and field.kind == BYTES:
            graph = field
        elif field.number == 2 and field.kind == BYTES:
            producer = reader.text(field)
        elif field.number == 8 and field.kind == BYTES:
            opset = max(opset, _opset(reader, field))
    if graph is None:
        raise ModelError("holds no ONNX graph")
    return _graph(reader, graph, producer, opset)


def _opset(reader: Reader, message: Field) -> int:
    domain, version = "", 0
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            domain = reader.text(field)
        elif field.number == 2:
            version = signed(field.value)
    return version if domain in ("", "ai.onnx") else 0


def _graph(reader: Reader, message: Field, producer: str, opset: int) -> Graph:
    parts: dict[int, list[Field]] = {1: [], 2: [], 5: [], 11: [], 12: [], 15: []}
    for field in reader.fields(message.start, message.stop):
        if field.number in parts and field.kind == BYTES:
            parts[field.number].append(field)
            if len(parts[1]) > MAX_ROWS:
                raise ModelError(f"more than {MAX_ROWS} nodes: too many for a summary")
            if len(parts[field.number]) > 5 * MAX_ROWS:
                raise ModelError(f"more than {5 * MAX_ROWS} constants, inputs or outputs: too many for a summary")
    constants = [_tensor(reader, part) for part in parts[5]]
    constants += [_sparse_tensor(reader, part) for part in parts[15]]
    return Graph(
        "".join(reader.text(part) for part in parts[2][-1:]),
        producer,
        opset,
        [_node(reader, part, index) for index, part in enumerate(parts[1])],
        {constant.name: constant for constant in constants},
        [_input(reader, part) for part in parts[11]],
        [_input(reader, part).name for part in parts[12]],
    )


def _node(reader: Reader, message: Field, index: int) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: [], 7: []}
    attributes: dict[str, Attribute] = {}
    for field in reader.fields(message.start, message.stop):
        if field.kind == BYTES and field.number in texts:
            texts[field.number].append(reader.text(field))
        elif field.kind == BYTES and field.number == 5:
            name, value = _attribute(reader, field)
            attributes[name] = value
    op = "".join(texts[4][-1:])
    name = "".join(texts[3][-1:]) or f"{op}_{index}"
    return Node(name, op, "".join(texts[7][-1:]), tuple(texts[1]), tuple(texts[2]), attributes)


def _attribute(reader: Reader, message: Field) -> tuple[str, Attribute]:
    name, value = "", None
    integers: list[int] = []
    floats: list[float] = []
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            name = reader.text(field)
        elif field.number == 7:
            floats += reader.floats(field)
        elif field.number == 8:
            integers += reader.integers(field)
        else:
            value = _single(reader, field, value)
    return name, integers or floats or value


def _single(reader: Reader, field: Field, otherwise: Attribute) -> Attribute:
    match field.number:
        case 2:
            return reader.floats(field)[0] if field.stop - field.start == 4 else otherwise
        case 3:
            return signed(field.value)
        case 4:
            return reader.text(field) if field.kind == BYTES and field.stop - field.start <= MAX_TEXT else otherwise
        case 5:
            return _tensor(reader, field) if field.kind == BYTES else otherwise
    return otherwise


def _tensor(reader: Reader, message: Field) -> Constant:
    name, kind = "", 0
    shape: list[int] = []
    data: list[Field] = []
    for field in reader.fields(message.start, message.stop):
        match field.number:
            case 1:
                shape += reader.integers(field) if field.stop - field.start <= 10 * MAX_RANK else [-1]
            case 2:
                kind = field.value
            case 8 if field.kind == BYTES:
                name = reader.text(field)
            case 4 | 5 | 7 | 9 | 10:
                data.append(field)
    known = dimensions(shape, f"the tensor {name!r}")
    few = prod(known) <= MAX_VALUES
    return Constant(name, known, kind in FLOATING, _values(reader, data, kind, prod(known)) if few else None)


def _values(reader: Reader, data: Sequence[Field], kind: int, count: int) -> tuple[Number, ...] | None:
    """Return the numbers of a small tensor, or None where they are elsewhere or of another kind."""
    found: list[Number] = []
    for field in data:
        if field.number in (5, 7):
            found += reader.integers(field)
        elif field.number == 4:
            found += reader.floats(field)
        elif letter := "d" if field.number == 10 else _RAW.get(kind):
            size = struct.calcsize(letter) * count
            raw = reader.buffer[field.start : min(field.stop, field.start + size)]
            found += struct.unpack(f"<{count}{letter}", raw) if len(raw) == size else ()
    return tuple(found) if len(found) == count else None


def _sparse_tensor(reader: Reader, message: Field) -> Constant:
    shape: list[int] = []
    values = Constant("", (), True, None)
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            values = _tensor(reader, field)
        elif field.number == 3:
            shape += reader.integers(field)
    return Constant(values.name, dimensions(shape, f"the tensor {values.name!r}"), values.floating, None)


def _input(reader: Reader, message: Field) -> Input:
    """Read a ValueInfoProto: name, and type.tensor_type.shape.dim."""
    name, shape = "", None
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and field.kind == BYTES:
            name = reader.text(field)
        elif field.number == 2 and field.kind == BYTES:
            shape = _first(reader, _first(reader, field, 1), 2)
    if shape is None:
        return Input(name, None)
    fields = [field for field in reader.fields(shape.start, shape.stop) if field.number == 1 and field.kind == BYTES]
    found = tuple(_dimension(reader, field, name) for field in fields)
    if len(found) > MAX_RANK:
        raise ModelError(f"the input {name!r} has {len(found)} dimensions")
    return Input(name, found)


def _first(reader: Reader, message: Field | None, number: int) -> Field | None:
    if message is None:
        return None
    fields = reader.fields(message.start, message.stop)
    return next((field for field in fields if field.number == number and field.kind == BYTES), None)


def _dimension(reader: Reader, message: Field, name: str) -> int | str:
    """Return a dimension; exporters write 0 and -1, as well as a name or nothing, for one that is open."""
    for field in reader.fields(message.start, message.stop):
        if field.number == 1 and signed(field.value) not in (0, -1):
            return dimensions([signed(field.value)], f"the input {name!r}")[0]
        if field.number == 2 and field.kind == BYTES:
            return reader.text(field) or "?"
    return "?"
