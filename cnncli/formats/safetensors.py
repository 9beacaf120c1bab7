"""Safetensors files: their header alone, which names every array with its shape and type.

The format (https://github.com/huggingface/safetensors): eight bytes that give the header's length, little-endian; the
header, a JSON object from names to `{"dtype", "shape", "data_offsets"}`, with texts under `__metadata__`; the arrays.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

from cnncli.errors import CnncliError, ModelError
from cnncli.formats.files import (
    MAX_DIMENSION,
    MAX_JSON,
    MAX_NAME,
    MAX_ROWS,
    Buffer,
    dimensions,
    named,
    naming_errors,
    parse_json,
)
from cnncli.networks.network import Network, parse_network
from cnncli.networks.summary import Omission, Row, Summary, totals
from cnncli.shapes import Shape, show_shape

BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of a number of each type."""

NETWORK, INPUT = "cnncli.network", "cnncli.input"
"""Keys of the metadata of networks that cnncli trains: the network's text, and its input."""

UNTRAINED = (
    *("running_mean", "running_var", "moving_mean", "moving_variance", "num_batches_tracked", "position_ids"),
    *("relative_coords_table", "relative_position_index", "attn_mask", "vector_u"),
)
"""Ends of the names of arrays that are kept but not trained."""


class Array(NamedTuple):
    """An array of a file.

    Attributes:
        name: its name.
        dtype: the type of its numbers.
        shape: its dimensions.
        start: the byte after the header at which its numbers start.
        fixed: the file says that it is not trained.
    """

    name: str
    dtype: str
    shape: Shape
    start: int = 0
    fixed: bool = False

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)

    @property
    def trained(self) -> bool:
        """Return whether it can have been trained: its name and its type do not speak against it."""
        return (
            not self.fixed
            and not self.name.endswith(UNTRAINED)
            and self.dtype not in ("BOOL", "I32", "I64", "U32", "U64")
        )


class SafetensorsHeader(NamedTuple):
    """The header of a file."""

    arrays: tuple[Array, ...]
    metadata: dict[str, str]


def read_header(buffer: Buffer) -> SafetensorsHeader:
    """Read the header of a safetensors file, and check it against the file's length.

    Raises:
        ModelError: it claims what the file does not hold.
    """
    if len(buffer) < 8:
        raise ModelError(f"cut short: {len(buffer)} bytes are not a safetensors file")
    length = int.from_bytes(buffer[:8], "little")
    if length > len(buffer) - 8:
        raise ModelError(f"its header claims {length} bytes, the file has {len(buffer)}: damaged or not safetensors")
    if length > MAX_JSON:
        raise ModelError(f"its header claims {length} bytes, more than {MAX_JSON}: too large to be summed up")
    entries = parse_json(buffer[8 : 8 + length], "the header")
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict | None):
        raise ModelError("its __metadata__ is not a JSON object")
    if len(entries) > MAX_ROWS:
        raise ModelError(f"more than {MAX_ROWS} arrays: too many for a summary")
    arrays = tuple(_array(name, entry, len(buffer) - 8 - length) for name, entry in entries.items())
    return SafetensorsHeader(arrays, {str(key): str(value) for key, value in (metadata or {}).items()})


def _array(name: str, entry: Any, room: int) -> Array:
    what = f"the array {named(name)}"
    if not isinstance(entry, dict):
        raise ModelError(f"{what} has no description")
    shape = dimensions(entry.get("shape"), what)
    dtype = entry.get("dtype")
    bits = BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise ModelError(f"{what} has the unknown type {named(dtype)}")
    match entry.get("data_offsets"):
        case [int(start), int(stop)] if 0 <= start <= stop <= MAX_DIMENSION:
            pass
        case _:
            raise ModelError(f"{what} has no data_offsets that can be")
    if stop - start != -(-prod(shape) * bits // 8):
        raise ModelError(f"{what} is said to be {show_shape(shape)} {dtype} in {stop - start} bytes")
    if stop > room:
        raise ModelError(f"cut short: {what} ends at byte {stop} of the arrays, the file holds {room}")
    return Array(name, str(dtype), shape, start)


def read_safetensors(buffer: Buffer, name: str, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Return the summary of a safetensors file: its arrays; or a whole network, where its metadata holds one."""
    header = read_header(buffer)
    if NETWORK in header.metadata:
        with naming_errors("the network in its metadata"):
            network = _network(header, input_shape)
            return network.summary()._replace(name=name, notes=_agreement(header, network, input_shape))
    return weights_alone(name, header.arrays, "a safetensors file")


def weights_alone(name: str, arrays: Sequence[Array], kind: str, notes: Iterable[str] = ()) -> Summary:
    """Return the summary of a file that holds arrays but no network; `kind` names it."""
    rows = tuple(map(_row, arrays))
    kinds = ", ".join(sorted({array.dtype for array in arrays})) or "none"
    note = (
        f"weights alone ({kinds}): {kind} names its arrays but not how they are joined, so the shapes of activations, "
        "macs and receptive fields need the architecture"
    )
    lost = Omission(("macs", "activations"), f"are not known: {kind} holds weights alone")
    return Summary(name, name, None, rows, totals(rows), notes=(note, *notes), omissions=(lost,) if rows else ())


def _row(array: Array) -> Row:
    shape = show_shape(array.shape) or "1"
    trained = array.trained
    return Row(
        named(array.name, MAX_NAME),
        f"{shape} {array.dtype}",
        "array",
        params=array.size if trained else 0,
        buffers=0 if trained else array.size,
        unknown=("macs", "activations"),
    )


def _network(header: SafetensorsHeader, input_shape: Shape | None) -> Network:
    text = header.metadata[NETWORK]
    said = header.metadata.get(INPUT)
    try:
        shape = input_shape or (tuple(map(int, said.split("x"))) if said else None)
        return parse_network(text, input_shape=shape)
    except (CnncliError, ValueError) as error:
        raise ModelError(str(error)) from error


def _agreement(header: SafetensorsHeader, network: Network, input_shape: Shape | None) -> tuple[str, ...]:
    """Check that the arrays are the network's; say it."""
    wanted = {**network.param_shapes(), **network.buffer_shapes()}
    found = {array.name: array.shape for array in header.arrays}
    for name, shape in wanted.items():
        if input_shape is None and found.get(name) != shape:
            there = "is missing" if name not in found else f"is {show_shape(found[name])}"
            raise ModelError(f"needs the array {name} of {show_shape(shape)}, which {there}")
    return ("a network that cnncli has trained: its arrays are those that its text asks for",)
