"""The numbers of an ONNX file's tensors as arrays, and its texts."""

from pathlib import Path

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.formats.files import MAX_JSON, Buffer, named, naming_errors, opened
from cnncli.formats.onnx.graph import Constant
from cnncli.formats.onnx.protobuf import BYTES, MessageField, Reader
from cnncli.formats.tensor_shapes import written

DTYPES = {
    1: "<f4",
    2: "|u1",
    3: "|i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "|b1",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
}
"""NumPy's types of numbers, by onnx.proto's."""

BFLOAT16 = 16

_TYPED = {4: "<f4", 10: "<f8"}  # fields that hold numbers of a type of their own, packed


def read_metadata(reader: Reader) -> dict[str, str]:
    """Return the texts of a file by their keys.

    Raises:
        ModelError: it is damaged, or a text is larger than the limit for JSON.
    """
    [entries] = reader.parts(MessageField(0, BYTES, 0, 0, len(reader.buffer)), 14)
    return dict(_pair(reader, each) for each in entries)


def _pair(reader: Reader, message: MessageField) -> tuple[str, str]:
    keys, values = reader.parts(message, 1, 2)
    return "".join(reader.texts(keys[-1:])), "".join(_text(reader.buffer, each) for each in values[-1:])


def _text(buffer: Buffer, field: MessageField) -> str:
    if field.stop - field.start > MAX_JSON:
        raise ModelError(f"holds a text of {field.stop - field.start} bytes: too large")
    return buffer[field.start : field.stop].decode("utf-8", "replace")


def read_numbers(reader: Reader, constant: Constant, folder: Path) -> Array:
    """Return a tensor's numbers; no more memory is taken than the file has bytes for them.

    Args:
        reader: of the file.
        constant: the tensor.
        folder: the file's, in which tensors may lie in files beside it.

    Raises:
        ModelError: its numbers are not there, too few or too many, or of a type that is not read.
    """
    with naming_errors(f"the tensor {named(constant.name)}"):
        numbers = _outside(constant, folder) if constant.outside else _numbers(reader, constant)
        if numbers.size != constant.size:
            raise ModelError(f"is said to be {written(constant.shape)}, but holds {numbers.size} numbers")
        return numbers.reshape(constant.shape)


def _numbers(reader: Reader, constant: Constant) -> Array:
    if len(constant.data) != 1:
        if not constant.size and not constant.data:
            return np.empty(0, np.float32)
        raise ModelError("holds no numbers, or sparse ones")
    [field] = constant.data
    if field.number == 9 and field.kind == BYTES:
        return _of_bytes(reader.buffer[field.start : field.stop], constant.kind)
    if field.number in _TYPED:
        return _from(reader.buffer[field.start : field.stop], _TYPED[field.number])
    integers = np.array(reader.integers(field), np.int64)
    if constant.kind in (10, BFLOAT16):  # written as integers that mean their bits
        return _of_bytes(integers.astype("<u2").tobytes(), constant.kind)
    return integers.astype(_dtype(constant.kind))


def _of_bytes(content: bytes, kind: int) -> Array:
    if kind == BFLOAT16:  # the upper half of float32
        return (_from(content, "<u2").astype(np.uint32) << 16).view(np.float32)
    return _from(content, _dtype(kind).str)


def _dtype(kind: int) -> "np.dtype[np.generic]":
    if kind not in DTYPES:
        raise ModelError(f"holds numbers of the type {kind}, which is not read")
    return np.dtype(DTYPES[kind])


def _from(content: bytes, dtype: str) -> Array:
    if len(content) % np.dtype(dtype).itemsize:
        raise ModelError(f"has {len(content)} bytes, which are not numbers of {np.dtype(dtype).itemsize}")
    found: Array = np.frombuffer(content, dtype)
    return found


def _outside(constant: Constant, folder: Path) -> Array:
    path, start = beside(folder, constant.outside), constant.outside_start or "0"
    if not (start.isascii() and start.isdigit() and len(start) < 20):
        raise ModelError(f"begins at {named(start)} in another file, which is not a place")
    first = int(start)
    stop = first + constant.size * (2 if constant.kind == BFLOAT16 else _dtype(constant.kind).itemsize)
    with naming_errors(named(path.name)), opened(path) as other:
        if stop > len(other):
            raise ModelError(f"has {len(other)} bytes, too few for {written(constant.shape)} from byte {start}")
        return _of_bytes(other[first:stop], constant.kind)


def beside(folder: Path, location: str) -> Path:
    """Return the path of a file beside a model.

    Raises:
        ModelError: it leads out of the model's folder.
    """
    inside = folder.resolve()
    try:
        path = (inside / location).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"lies in {named(location)}, which cannot be a file") from error
    if not location or not path.is_relative_to(inside):
        raise ModelError(f"lies in {named(location)}: only files in the model's own folder are read")
    return path
