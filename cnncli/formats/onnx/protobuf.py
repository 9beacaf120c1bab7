"""Protocol Buffers' wire format: the fields of a message, one after another, where they lie in the file.

A message is a sequence of fields, each a varint of `number << 3 | type` and a value
(https://protobuf.dev/programming-guides/encoding). Nothing is copied: a field that holds bytes, a text or another
message is given by its place, so a file with gigabytes of weights is walked through by looking at a few thousand
bytes of it. That is why no library does it: one that parses whole messages reads the weights twice over, lets a hostile
file take all memory, and would have to be installed, whereas reading a model needs no package.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_ROWS, Buffer, named

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

MAX_FIELDS = 400_000
"""Fields that are looked at in one file at most, which takes about half a second; a graph of a thousand nodes has some
twenty thousand."""

MAX_PARTS = 10 * MAX_ROWS
"""Fields of one number that a message has at most."""

MAX_TEXT = 4096
"""Bytes of a name at most."""


class MessageField(NamedTuple):
    """A field of a message.

    Attributes:
        number: the field's number in the message's definition.
        kind: wire type: `VARINT`, `FIXED64`, `BYTES` or `FIXED32`.
        value: the integer of a varint; 0 otherwise.
        start: start of the value in the buffer, after its length.
        stop: end of the value.
    """

    number: int
    kind: int
    value: int
    start: int
    stop: int


class Reader:
    r"""Reads messages out of one buffer; a damaged one, or one without an end of fields, raises `ModelError`.

    Example:
        >>> [(field.number, field.value) for field in Reader(b"\x08\x96\x01").fields(0, 3)]
        [(1, 150)]
    """

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self._left = MAX_FIELDS

    def fields(self, start: int, stop: int) -> Iterator[MessageField]:
        """Yield the fields of the message that lies from `start` to `stop`."""
        at = start
        while at < stop:
            self._spend(1)
            key, at = self.varint(at, stop)
            number, kind = key >> 3, key & 7
            if number == 0:
                raise ModelError(f"damaged: byte {at} begins a field without a number")
            value, length = 0, 8 if kind == FIXED64 else 4
            if kind == VARINT:
                value, end = self.varint(at, stop)
            else:
                if kind == BYTES:
                    length, at = self.varint(at, stop)
                elif kind not in (FIXED32, FIXED64):
                    raise ModelError(f"damaged: byte {at} begins a field of the unknown kind {kind}")
                end = at + length
                if end > stop:
                    raise ModelError(f"damaged or cut short: byte {at} begins {length} bytes, but {stop - at} are left")
            yield MessageField(number, kind, value, at, end)
            at = end

    def varint(self, at: int, stop: int) -> tuple[int, int]:
        """Return an unsigned integer and where it ends."""
        result = shift = 0
        for byte in self.buffer[at : min(at + 10, stop)]:
            at += 1
            result |= (byte & 127) << shift
            if byte < 128:
                return result & (2**64 - 1), at
            shift += 7
        raise ModelError(f"damaged or cut short: the number at byte {at} does not end")

    def parts(self, message: MessageField, *numbers: int) -> list[list[MessageField]]:
        """Return the fields of a message that hold bytes and have some numbers, a list for each number."""
        parts: dict[int, list[MessageField]] = {number: [] for number in numbers}
        for field in self.fields(message.start, message.stop):
            if field.number in parts and field.kind == BYTES:
                parts[field.number].append(field)
                if len(parts[field.number]) > MAX_PARTS:
                    limits = f"{MAX_ROWS} nodes, or {MAX_PARTS} constants, inputs or outputs"
                    raise ModelError(f"more than {limits}: too many for a summary")
        return list(parts.values())

    def texts(self, fields: Iterable[MessageField]) -> list[str]:
        """Return fields that hold texts."""
        return [self.text(field) for field in fields]

    def text(self, field: MessageField) -> str:
        """Return a field that holds a text."""
        length = field.stop - field.start
        if length > MAX_TEXT:
            raise ModelError(f"damaged: a name of {length} bytes")
        self._spend(length // 64)
        return self.buffer[field.start : field.stop].decode("utf-8", "replace")

    def integers(self, field: MessageField) -> list[int]:
        """Return the signed integers of a field: one, or several packed together."""
        if field.kind == VARINT:
            return [signed(field.value)]
        found = []
        at = field.start
        while at < field.stop:
            self._spend(1)
            value, at = self.varint(at, field.stop)
            found.append(signed(value))
        return found

    def floats(self, field: MessageField) -> list[float]:
        """Return the single-precision numbers of a field: one, or several packed together."""
        count = (field.stop - field.start) // 4
        self._spend(count)
        return list(struct.unpack(f"<{count}f", self.buffer[field.start : field.start + 4 * count]))

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ModelError(f"more than {named(MAX_FIELDS)} fields: too large to be summed up")


def signed(value: int) -> int:
    """Return the signed 64-bit integer of an unsigned one.

    Example:
        >>> signed(2**64 - 1)
        -1
    """
    return value - 2**64 if value >= 2**63 else value
