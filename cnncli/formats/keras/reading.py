"""Keras models (`.keras`): the configuration inside the archive, read as data. Nothing in it is run, no weight is read.

The archive holds `config.json`, what `get_config` of each layer gave (keras/src/saving/saving_lib.py); a functional
model's layers say by `inbound_nodes` where their inputs come from, in one way since Keras 3 and in another before.
"""

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from io import FileIO
from itertools import repeat, takewhile
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import (
    MAX_JSON,
    MAX_NAME,
    MAX_ROWS,
    FileBytes,
    Part,
    counted,
    dimension,
    dimensions,
    named,
    naming_errors,
    parse_json,
)
from cnncli.formats.flow import Stage, summarize
from cnncli.formats.keras.layers import CLASSES, Applied, Maker, Settings
from cnncli.formats.tensor_shapes import written
from cnncli.networks.summary import Omission, Summary
from cnncli.shapes import Shape

MAX_DIRECTORY = 2**20
"""Bytes of an archive's directory: a model has a handful of files."""

_BLOCK = 2**16

_LOCAL_HEADER = 30
"""Bytes before the name of a file in an archive."""

MODELS = ("Functional", "Model", "Sequential")


class KerasTensor(NamedTuple):
    """An activation: its name, its shape if it is known, and the shape that the file records."""

    name: str
    shape: Shape | None
    said: tuple[int | None, ...] | None = None


Reference = tuple[str, int, int]  # a layer, which of its calls, and which of that call's outputs


def read_keras(file: FileBytes, name: str, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Return the summary of a Keras model in a `.keras` archive."""
    config = parse_json(read_member(file.path, "config.json"), "config.json")
    return read_config(config, name, input_shape, shapes=shapes)


def read_config(config: dict[str, Any], name: str, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Return the summary of a model that its configuration describes; the arguments are those of `read_keras`."""
    if config.get("class_name") not in MODELS:
        raise ModelError(
            f"a model of the class {named(config.get('class_name'))}: what it does is in its code, which is not run; "
            "export it to ONNX (model.export with format='onnx')"
        )
    reader = KerasReader(input_shape, _channels_first(config), shapes)
    outputs = reader.model(config, (), "")
    start = (reader.inputs[0].name, reader.inputs[0].shape) if reader.inputs else ("", None)
    title = named(_inner(config).get("name") or name)
    ends = [each.name for each in outputs]
    return summarize(name, title, start, reader.stages, ends, reader.notes(), reader.omissions())


def read_member(path: Path, member: str) -> bytes:
    """Return a small file out of a zip archive.

    Raises:
        ModelError: not an archive, no such file in it, or one that is larger than it may be.
    """
    with _member(path, member) as (archive, info):
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise ModelError(f"its {member} is encrypted, or compressed in a way that Keras does not use")
        with archive.open(info) as opened:
            # Block by block: one large read would take as many compressed bytes at once.
            blocks = takewhile(len, map(opened.read, repeat(_BLOCK, MAX_JSON // _BLOCK + 1)))
            return b"".join(blocks)


def stored_member(buffer: FileBytes, member: str) -> Part:
    """Return the bytes of a file in a zip archive, which stand there as they are.

    Raises:
        ModelError: not an archive, no such file in it, or one that is compressed.
    """
    with _member(buffer.path, member) as (_, info):
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ModelError(f"its {member} is compressed, as Keras does not write it: unpack it, and give {member}")
        header = buffer[info.header_offset : info.header_offset + _LOCAL_HEADER]
        # The names and extra fields here may be others than in the directory.
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = info.header_offset + _LOCAL_HEADER + lengths
        if header[:4] != b"PK\x03\x04" or start + info.file_size > len(buffer):
            raise ModelError(f"a damaged archive: its {member} is cut off")
        return Part(buffer, start, info.file_size)


@contextmanager
def _member(path: Path, member: str) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    try:
        with _Frugal(path) as file, zipfile.ZipFile(file) as archive:
            yield archive, archive.getinfo(member)
    except KeyError as error:
        raise ModelError(f"an archive without {member}: not a Keras model") from error
    except OSError as error:
        raise ModelError(error.strerror or str(error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ModelError(f"not an archive, or damaged: {error}") from error


class _Frugal(FileIO):
    """A file that never gives more than a directory may have; the standard reader takes a directory of any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.seek(0, 2) - here if (here := self.tell()) >= 0 else 0
        self.seek(here)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > MAX_DIRECTORY:
            raise ModelError(f"its directory claims {wanted} bytes: not a Keras model")
        return super().read(wanted)


class KerasReader:
    """Follows shapes through the layers of a model, and of the models in it."""

    def __init__(self, input_shape: Shape | None, channels_first: bool, shapes: bool = True) -> None:
        self.stages: list[Stage] = []
        self.inputs: list[KerasTensor] = []
        self._given = input_shape
        self._as_built = True  # the shapes that the file records are those of this count
        self._shapes = shapes
        self._frozen = False
        self._lost: dict[str, list[str]] = {"params": [], "macs": [], "activations": []}
        self._channels_first = channels_first
        self._counted: set[str] = set()
        self._unknown: Counter[str] = Counter()
        self._remarks: list[str] = []
        self._calls = 0

    def model(self, layer: dict[str, Any], incoming: Sequence[KerasTensor], prefix: str) -> list[KerasTensor]:
        """Follow a model's layers; return its outputs."""
        config = _inner(layer)
        layers = config.get("layers")
        if not isinstance(layers, list) or not all(isinstance(each, dict) for each in layers):
            raise ModelError(f"the model {named(_name(layer))} has no list of layers")
        if layer.get("class_name") == "Sequential" or not any("inbound_nodes" in each for each in layers):
            return self._sequence(layer, layers, incoming, prefix)
        return self._graph(config, layers, incoming, prefix)

    def notes(self) -> Iterator[str]:
        """Yield the notes on where the numbers come from."""
        yield "a Keras model: its configuration alone is read; weights are not looked at, and no code is run"
        yield from self._remarks
        for name, count in self._unknown.most_common(8):
            there = counted(count, "layer")
            yield f"the class {name} is not known ({there})"

    def omissions(self) -> Iterator[Omission]:
        """Yield the omissions of the totals, and their reasons."""
        classes = ", ".join(name for name, _ in self._unknown.most_common(4))
        why = (
            f"of classes that are not known ({classes}), or whose input's shape is not" if classes else "of open shape"
        )
        for what, names in self._lost.items():
            if names:
                first = f"{counted(len(names), 'layer')} (the first: {named(names[0])})"
                yield Omission((what,), f"leave out {first} {why}")

    def _sequence(
        self, model: dict[str, Any], layers: list[dict[str, Any]], incoming: Sequence[KerasTensor], prefix: str
    ) -> list[KerasTensor]:
        current = list(incoming)
        for layer in layers:
            if layer.get("class_name") == "InputLayer":
                current = current or [self._input(layer, _said_shape(layer))]
                continue
            if not current:
                current = [self._input(layer, _said_shape(layer) or _said_shape(model))]
            current = self._call(layer, self._recorded(layer, current, [_said_shape(layer)]), prefix, 0)
        return current

    def _graph(
        self, config: dict[str, Any], layers: list[dict[str, Any]], incoming: Sequence[KerasTensor], prefix: str
    ) -> list[KerasTensor]:
        by_name = {_name(layer): layer for layer in layers}
        if len(by_name) < len(layers):
            raise ModelError("two layers have one name")
        given = dict(zip([each[0] for each in _references(config.get("input_layers"))], incoming, strict=False))
        nodes = {(name, call): found for name in by_name for call, found in enumerate(_inbound(by_name[name]))}
        results: dict[tuple[str, int], list[KerasTensor]] = {}
        for name, call in _ordered(nodes, by_name):
            layer, references = by_name[name], nodes[name, call]
            if layer.get("class_name") == "InputLayer":
                results[name, call] = [given[name] if name in given else self._input(layer, _said_shape(layer))]
                continue
            if not references:
                raise ModelError(f"the layer {named(name)} has no input")
            inputs = [_output(results, _settled(each, nodes, by_name), each) for each in references]
            said = _recorded_shapes(layer["inbound_nodes"][call]) if "inbound_nodes" in layer else []
            results[name, call] = self._call(layer, self._recorded(layer, inputs, said), prefix, call)
        ends = _references(config.get("output_layers"))
        return [_output(results, _settled(each, nodes, by_name), each) for each in ends]

    def _input(self, layer: dict[str, Any], said: list[Any] | None) -> KerasTensor:
        name = f"input {len(self.inputs)}"
        tensor = KerasTensor(name, self._example(_name(layer), said, first=not self.inputs))
        self.inputs.append(tensor)
        return tensor

    def _example(self, name: str, said: list[Any] | None, first: bool) -> Shape | None:
        """Return the shape of one example: (H, W, C) in any data format."""
        sizes = list(said or ())
        if self._channels_first and len(sizes) == 3:
            sizes = [*sizes[1:], sizes[0]]
        if first and self._given is not None:
            if said is not None and len(sizes) != len(self._given):
                raise ModelError(
                    f"--input gives {written(self._given)}, but the input {named(name)} is {_shown(sizes)}"
                )
            if any(isinstance(old, int) and old != new for old, new in zip(sizes, self._given, strict=False)):
                self._as_built = False
                self._remarks.append(f"the file's own input is {_shown(sizes)}; shown for another")
            return dimensions(tuple(self._given), "--input", 1)
        if said is None or None in sizes:
            if not first or not self._shapes:
                return None
            wanted = "HxWxC" if len(sizes) != 3 else f"HxWx{sizes[2] if isinstance(sizes[2], int) else 'C'}"
            what = _shown(sizes) if said is not None else "of no shape"
            raise ModelError(f"the input {named(name)} is {what}: give it with --input {wanted}")
        return dimensions(sizes, f"the input {named(name)}", 1)

    def _recorded(
        self, layer: dict[str, Any], inputs: Sequence[KerasTensor], said: Sequence[list[Any] | None]
    ) -> list[KerasTensor]:
        """Return inputs with the shapes that the file recorded, where they did not come out of the layers before."""
        if all(each.shape is not None for each in inputs):
            return list(inputs)
        shapes = [self._turned(sizes) for sizes in said] if len(said) == len(inputs) else [None] * len(inputs)
        if len(inputs) == 1 and shapes == [None]:
            shapes = [self._turned(_said_shape(layer))]
        return [
            each._replace(shape=self._settled(shape), said=shape) if each.shape is None else each
            for each, shape in zip(inputs, shapes, strict=True)
        ]

    def _settled(self, sizes: tuple[int | None, ...] | None) -> Shape | None:
        known = tuple(size for size in sizes or () if size is not None)
        return known if self._as_built and sizes and len(known) == len(sizes) else None

    def _turned(self, sizes: list[Any] | None) -> tuple[int | None, ...] | None:
        if sizes is None:
            return None
        return (*sizes[1:], sizes[0]) if self._channels_first and len(sizes) == 3 else tuple(sizes)

    def _call(self, layer: dict[str, Any], inputs: Sequence[KerasTensor], prefix: str, call: int) -> list[KerasTensor]:
        self._calls += 1
        if self._calls > MAX_ROWS or len(prefix) > 4096:
            raise ModelError(f"more than {MAX_ROWS} layers, those of inner models counted: too many for a summary")
        name, kind = prefix + _name(layer), named(layer.get("class_name"))
        frozen, outside = self._frozen or _inner(layer).get("trainable") is False, self._frozen
        if "layers" in _inner(layer):
            self._frozen = frozen
            outputs = self.model(layer, inputs, f"{name}/")
            self._frozen = outside
            return outputs
        with naming_errors(f"layer {named(name)} ({kind})"):
            applied = self._applied(kind, layer, inputs)
        if name in self._counted:
            applied = applied._replace(params=0, buffers=0, unknown=tuple({*applied.unknown} - {"params"}))
        elif frozen:
            applied = applied._replace(params=0, buffers=applied.params + applied.buffers)
        self._counted.add(name)
        output = KerasTensor(f"{name} {self._calls}", applied.output_shape)
        for what in (*applied.unknown, *(() if applied.output_shape else ("activations",))):
            self._lost[what].append(name)
        self.stages.append(
            Stage(
                named(name, MAX_NAME) if not call else f"{named(name, MAX_NAME)} (call {call + 1})",
                applied.layer.op if applied.layer is not None else kind,
                tuple(each.name for each in inputs),
                (output.name,),
                inputs[0].shape,
                (output.shape,),
                *applied[1:],
            )
        )
        return [output]

    def _applied(self, kind: str, layer: dict[str, Any], inputs: Sequence[KerasTensor]) -> Applied:
        """Return the facts about a layer; if shapes are unknown, those that do not need them."""
        keras_class = CLASSES.get(kind)
        if keras_class is None:
            self._unknown[kind] += 1
            return Applied(None, unknown=("params", "macs"))
        settings = Settings(_inner(layer), self._channels_first)
        shapes = [each.shape for each in inputs if each.shape is not None]
        try:
            if len(shapes) == len(inputs):
                applied = keras_class.maker(settings, shapes)
            elif not keras_class.weighs:
                return Applied(None)
            else:
                return _without_shapes(keras_class.maker, settings, inputs)
        except ArgumentError as error:
            raise ModelError(str(error)) from error
        shape = applied.output_shape or ()
        for size in (*shape, prod(shape)):
            dimension(size, "its output")
        return applied


OPEN = 512
"""A size in place of an unknown one, for counting weights, which do not depend on it."""


def _without_shapes(maker: Maker, settings: Settings, inputs: Sequence[KerasTensor]) -> Applied:
    """Count the weights of a layer by the input shapes that the file records: the channels are known."""
    said = [each.shape or each.said for each in inputs]
    shapes = [tuple(size or OPEN for size in shape) for shape in said if shape is not None]
    if len(shapes) < len(inputs):
        return Applied(None, unknown=("params", "macs"))
    found = maker(settings, shapes)
    return Applied(None, None, found.params, found.buffers, unknown=("macs",))


def _recorded_shapes(node: Any) -> list[list[Any] | None]:
    """Return the shapes that Keras 3 records beside the names of tensors that go into a call, without the batch."""
    if isinstance(node, dict):
        inner = _inner(node)
        if "keras_history" in inner:
            shape = inner.get("shape")
            return [
                [size if isinstance(size, int) else None for size in shape[1:33]] if isinstance(shape, list) else None
            ]
        return [found for part in node.values() for found in _recorded_shapes(part)]
    if isinstance(node, list):
        return [found for part in node for found in _recorded_shapes(part)]
    return []


def _inner(layer: dict[str, Any]) -> dict[str, Any]:
    config = layer.get("config")
    if isinstance(config, dict):
        return config
    return {"layers": config} if isinstance(config, list) else {}  # a list: a sequential model before Keras 2.3


def _name(layer: dict[str, Any]) -> str:
    return str(layer.get("name") or _inner(layer).get("name") or layer.get("class_name") or "layer")[:256]


def _shown(sizes: Sequence[Any]) -> str:
    return "x".join("?" if size is None else named(size) for size in sizes) or "a single number"


def _said_shape(layer: dict[str, Any]) -> list[Any] | None:
    """Return the shape of an example that a layer's or a model's configuration says, with None where it is open."""
    config, build = _inner(layer), layer.get("build_config")
    for value in (
        *(config.get("batch_shape"), config.get("batch_input_shape"), config.get("build_input_shape")),
        *((build.get("input_shape"),) if isinstance(build, dict) else ()),
    ):
        if isinstance(value, list) and value and not isinstance(value[0], list | str):
            return [None if size is None else dimension(size, "the input", 1) for size in value[1:33]]
    return None


def _channels_first(config: dict[str, Any]) -> bool:
    """Return whether any layer of a model says that its channels come first."""
    waiting = [config]
    while waiting:
        inner = _inner(waiting.pop())
        if inner.get("data_format") == "channels_first":
            return True
        layers = inner.get("layers")
        waiting += [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return False


def _inbound(layer: dict[str, Any]) -> list[list[Reference]]:
    """Return where the inputs of each of a layer's calls come from; an input has one call, without any."""
    nodes = layer.get("inbound_nodes")
    calls = [_references(node) for node in nodes] if isinstance(nodes, list) else []
    return calls or [[]]


def _references(value: Any) -> list[Reference]:
    """Return the tensors that a structure names: `keras_history` since Keras 3, `[layer, call, output, ...]` before."""
    if isinstance(value, dict):
        inner = _inner(value).get("keras_history", value.get("keras_history"))
        parts = [inner] if inner is not None else list(value.values())
    elif isinstance(value, list):
        match value:
            case [str(name), int(call), int(output), *rest]:
                return [(name[:256], call, output), *(found for part in rest for found in _references(part))]
        parts = value
    else:
        return []
    return [found for part in parts for found in _references(part)]


def _settled(reference: Reference, nodes: dict[tuple[str, int], Any], layers: dict[str, Any]) -> tuple[str, int]:
    """Return the call of a reference: calls of an inner functional model are counted from 1."""
    name, call, _ = reference
    if name not in layers:
        raise ModelError(f"an input comes from the layer {named(name)}, which is not there")
    if layers[name].get("class_name") in ("Functional", "Model") and call > 0:
        call -= 1
    if (name, call) not in nodes and (name, call - 1) in nodes and "layers" in _inner(layers[name]):
        call -= 1
    if (name, call) not in nodes:
        raise ModelError(f"an input comes from call {call} of the layer {named(name)}, which is not there")
    return name, call


def _ordered(nodes: dict[tuple[str, int], list[Reference]], layers: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the calls so that each comes after those that it needs: in the file's order where that is one."""
    needs = {node: [_settled(each, nodes, layers) for each in found] for node, found in nodes.items()}
    place = {node: index for index, node in enumerate(nodes)}
    if all(place[before] < place[node] for node, found in needs.items() for before in found):
        return list(nodes)
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = [named(node[0]) for node in error.args[1]][:5]
        raise ModelError(f"the graph is cyclic: {' <- '.join(names)}") from error


def _output(
    results: dict[tuple[str, int], list[KerasTensor]], node: tuple[str, int], reference: Reference
) -> KerasTensor:
    found = results.get(node, [])
    if not 0 <= reference[2] < len(found):
        raise ModelError(f"the layer {named(node[0])} has no output {reference[2]}")
    return found[reference[2]]
