"""ONNX graphs that the notation of networks cannot say, computed by ONNX Runtime: they predict, and no more.

The runtime gets a file only after `cnncli.formats.onnx` has walked through it; arrays outside of it have to lie in its
folder, and what the graph computes has to fit into a limited memory.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from cnncli.arrays import Array
from cnncli.data import BYTES
from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend
from cnncli.engines.head import as_probabilities
from cnncli.errors import ArgumentError, ModelError
from cnncli.formats.files import named, naming_errors, opened
from cnncli.formats.onnx.graph import Graph, outside_files, read_graph
from cnncli.formats.onnx.inputs import is_channels_last
from cnncli.formats.onnx.numbers import beside, read_numbers
from cnncli.formats.onnx.protobuf import Reader
from cnncli.models.importing.trained import read_class_names
from cnncli.models.model import CLASSES
from cnncli.models.predictor import Predictor, check_pixels
from cnncli.models.told import Told
from cnncli.shapes import show_shape
from cnncli.threads import cores

R = TypeVar("R")

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of the numbers that a graph may take pictures in."""

KINDS = {
    "Softmax": "probabilities",
    "Sigmoid": "chances",
    **dict.fromkeys(("Gemm", "MatMul", "Add", "Conv", "LogSoftmax"), "scores"),
}
"""The kind of a graph's outputs by the operation at its end; behind any other, the outputs are looked at."""

MOVING = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze")
"""Operations that keep the numbers, so that the one before them counts."""

FLOATS = (1, 10, 11)  # of onnx.proto: float32, float16 and float64

SILENT = 4  # severity of what the runtime logs: its errors reach the user as exceptions

PATIENCE = 0.5  # seconds until a Ctrl-C is heeded at the latest

LOOKED_AT = 3  # number of random pictures

TOLERANCE = 1e-3
"""Largest difference of a sum of probabilities from 1: those in float16 stay within half of it."""

MOST_BYTES = 8 << 30
"""Memory of the runtime's arrays. ResNet-152 takes 0.6 GB for a batch of 13 pictures of 224x224."""

_FRAME = re.compile(r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )+(Load model from .*? failed: *)?(/\S+:\d+ .*?\) *)?")
"""What the runtime puts before a message: a number, the file, and a place in its own source."""

MOST_FOLDED = 64 << 20
"""Bytes of an array that the runtime computes while it opens a small file: ten bytes in it may ask for any number."""


class Feed(NamedTuple):
    """The input of a graph.

    Attributes:
        name: its name.
        dtype: the type of its numbers.
        batch: the pictures of a batch, no more and no fewer; None for any number.
        shape: (H, W, C) of a picture.
        channels_last: whether a batch is (N, H, W, C), and not (N, C, H, W).
    """

    name: str
    dtype: type[Any]
    batch: int | None
    shape: tuple[int, int, int]
    channels_last: bool

    def batches(self, pictures: Array) -> Iterator[Array]:
        """Yield pictures (N, H, W, C) as the graph takes them; a batch that is too small repeats its last picture."""
        turned = pictures if self.channels_last else pictures.transpose(0, 3, 1, 2)
        if self.dtype is np.uint8 and turned.dtype != np.uint8:
            turned = np.rint(turned).clip(0, 255)
        size = self.batch or len(turned)
        for start in range(0, len(turned), size):
            part = np.ascontiguousarray(turned[start : start + size], self.dtype)
            missing = (self.batch or len(part)) - len(part)
            yield np.concatenate([part, part[-1:].repeat(missing, axis=0)]) if missing else part


class RuntimeModel(Predictor):
    """An ONNX graph, computed by ONNX Runtime on the CPU.

    Its outputs are taken for probabilities where it ends in a softmax, and for scores, which go through one, where it
    ends in a product or a sum. Behind any other operation they count as probabilities if none is negative and each row
    adds up to 1, for a few random pictures. A single output is that of the second of two classes.

    Args:
        path: the file.
        told: the names of the classes, unless the file has them; and what else it does not say.
        obstacle: why it is not a network of known layers.

    Raises:
        ModelError: ONNX Runtime is missing or refuses the graph, or the graph does not turn pictures into a number for
            each class, or not so as it is told.
    """

    resize, scale = "stretch", BYTES

    def __init__(self, path: Path, told: Told, obstacle: str) -> None:
        self._path, self._obstacle, self.origin = path, obstacle, f"{path} in ONNX Runtime"
        self._lock, self._threads = Lock(), 0
        try:
            _runtime()
        except ModelError as error:
            raise ModelError(f"{obstacle}; {error}") from error
        try:
            self._open(_checked(path), told)
        except (ModelError, ArgumentError) as error:
            raise ModelError(f"{path}: {error}") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: damaged: holds a name that is not text") from error

    def _open(self, graph: Graph, told: Told) -> None:
        session = self._session(cores())
        metadata = session.get_modelmeta().custom_metadata_map
        self._feed = _feed(session.get_inputs(), graph, told)
        self.normalization = _normalization(self._feed, told, inside=CLASSES in metadata)
        self._output, count = _output(session.get_outputs())
        self._kind = KINDS.get(_last_operation(graph), "")
        if not self._kind or count is None:
            pictures = np.random.default_rng(0).integers(0, 256, (LOOKED_AT, *self.input_shape), np.uint8)
            outputs = self._outputs(pictures, cores())
            self._kind, count = self._kind or _kind(outputs), outputs.shape[1]
        self.class_names = _class_names(told, metadata, count)

    def __repr__(self) -> str:
        return f"<RuntimeModel {self._path}: {show_shape(self.input_shape)}, {len(self.class_names)} classes>"

    @property
    def obstacle(self) -> str:
        return self._obstacle

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self._feed.shape

    def on(self, engine: str | Backend, device: str = "auto") -> Self:
        name = engine if isinstance(engine, str) else engine.name
        if name != "numpy":
            raise ArgumentError(f"{self._path}: is computed by ONNX Runtime, not with {name}: leave out --engine")
        return self

    def _classified(self, pictures: Array, jobs: int) -> Array:
        with naming_errors(self._path):
            return as_probabilities(self._outputs(pictures, jobs), self._kind)

    def _outputs(self, pictures: Array, jobs: int) -> Array:
        """Return the outputs for pictures, (N, outputs), float32."""
        taken = pictures if self._feed.dtype is np.uint8 else self.normalization.apply(pictures)
        try:
            return self._fed(self._feed, taken, jobs)
        except ModelError:
            if self._feed.batch is not None or len(taken) == 1:
                raise
        # Where an exporter traced a network with one picture, its nodes may have no place for several.
        one_by_one = self._feed._replace(batch=1)
        outputs, self._feed = self._fed(one_by_one, taken, jobs), one_by_one
        return outputs

    def _fed(self, feed: Feed, pictures: Array, jobs: int) -> Array:
        session = self._session(jobs)
        return np.concatenate([self._rows(session, batch) for batch in feed.batches(pictures)])[: len(pictures)]

    def _rows(self, session: Any, batch: Array) -> Array:
        options = _runtime().RunOptions()
        ask = partial(session.run, [self._output], {self._feed.name: batch}, options)
        [found] = _asked(ask, partial(setattr, options, "terminate", True))
        if found.shape[:1] != batch.shape[:1] or _count(found.shape[1:]) is None:
            raise ModelError(
                f"puts out {show_shape(found.shape)} for a batch of {len(batch)}: not a number for each class"
            )
        rows: Array = found.reshape(len(batch), -1).astype(np.float32)
        return rows

    def _session(self, threads: int) -> Any:
        """Return the runtime's session with so many threads; it is kept for the next call."""
        with self._lock:
            if self._threads != threads:
                self._kept, self._threads = _open_session(self._path, threads), threads
            return self._kept


def _checked(path: Path) -> Graph:
    """Return the graph of a file whose arrays are numbers, and lie in it or in files beside it."""
    with opened(path) as buffer:
        reader = Reader(buffer)
        model = read_graph(reader, len(buffer))
        for name in sorted(outside_files(model)):
            with naming_errors(named(name)), opened(beside(path.parent, name)):
                pass
        for constant in model.graph.constants.values():
            # Masks hold infinities.
            if constant.kind in FLOATS and np.isnan(read_numbers(reader, constant, path.parent)).any():
                raise ModelError(f"the array {named(constant.name)} has numbers that are not finite")
    return model.graph


def _feed(inputs: Sequence[Any], graph: Graph, told: Told) -> Feed:
    """Return the only input of a graph, which takes pictures.

    Args:
        inputs: the runtime's descriptions of the inputs.
        graph: the graph.
        told: the size of the pictures, where the graph leaves it open.
    """
    if len(inputs) != 1:
        raise ModelError(f"has {len(inputs)} inputs ({_names(inputs)}): a graph that takes pictures has one")
    name, kind = inputs[0].name, inputs[0].type
    sizes = _sizes(inputs[0].shape)
    what = f"its input {named(name)} is {show_shape(map(named, sizes))}"
    if kind not in DTYPES:
        raise ModelError(f"{what} of {named(kind)}: pictures are {', '.join(DTYPES)}")
    if len(sizes) != 4:
        raise ModelError(f"{what}: pictures are NxCxHxW or NxHxWxC")
    last = is_channels_last(name, sizes, graph.nodes)
    channels, height, width = (sizes[axis] for axis in ((3, 1, 2) if last else (1, 2, 3)))
    if isinstance(channels, str):
        channels = 3
    if channels not in (1, 3):
        raise ModelError(f"{what}: pictures have 1 or 3 channels")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else told.size
    if size is None:
        raise ModelError(f"{what}, which leaves the size of the pictures open: give it with --size")
    fixed = [own in (new, str(own)) for own, new in zip((height, width), told.size or size, strict=True)]
    if not all(fixed):
        raise ModelError(f"{what}, and takes no pictures of {show_shape(told.size or size)}: leave out --size")
    check_pixels(size)
    batch = sizes[0] if isinstance(sizes[0], int) else None
    return Feed(name, DTYPES[kind], batch, (*size, channels), last)


def _sizes(shape: Sequence[Any]) -> tuple[int | str, ...]:
    """Return dimensions as integers, and open ones as names."""
    return tuple(size if isinstance(size, int) and size > 0 else str(size or "?") for size in shape)


def _names(arguments: Sequence[Any]) -> str:
    return named(", ".join(each.name for each in arguments), 200)


def _normalization(feed: Feed, told: Told, *, inside: bool) -> Normalization:
    """Return the normalization of pictures; `inside` says that the graph normalises them itself."""
    unchanged = Normalization.called("none")
    if feed.dtype is np.uint8 and told.normalization not in (None, unchanged):
        raise ModelError("takes bytes, and normalises them itself: leave out --normalize, --mean and --std")
    own = unchanged if inside or feed.dtype is np.uint8 else Normalization.called("unit")
    return (told.normalization or own).over(feed.shape[2])


def _output(outputs: Sequence[Any]) -> tuple[str, int | None]:
    """Return the name of the only output, and how many numbers it has for a picture where the graph tells it."""
    if len(outputs) != 1:
        raise ModelError(f"has {len(outputs)} outputs ({_names(outputs)}): a graph that names classes has one")
    name, kind, sizes = outputs[0].name, outputs[0].type, _sizes(outputs[0].shape or ())
    known = [size for size in sizes[1:] if isinstance(size, int)]
    what = f"its output {named(name)} is {show_shape(map(named, sizes))}"
    if kind not in DTYPES:
        raise ModelError(f"{what} of {named(kind)}: not probabilities or scores")
    if len(sizes) == 1 or (sizes and _count(known) is None):
        raise ModelError(f"{what}: not a number for each class")
    return name, _count(known) if known and len(known) == len(sizes) - 1 else None


def _count(sizes: Sequence[int]) -> int | None:
    """Return how many numbers an output has for a picture, None where they have more than one dimension.

    Example:
        >>> _count([10]), _count([10, 1, 1]), _count([10, 7, 7])
        (10, 10, None)
    """
    found = max(sizes, default=1)
    return found if found > 0 and prod(sizes) == found else None


def _last_operation(graph: Graph) -> str:
    """Return the operation that makes the numbers of the first output."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    node = makers.get(graph.outputs[0])
    while node is not None and node.op in MOVING and node.inputs:
        node = makers.pop(node.inputs[0], None)
    return "" if node is None else node.full_op


def _kind(outputs: Array) -> str:
    """Return what outputs are by the look of them; those of a single unit are chances from 0 to 1."""
    if outputs.shape[1] == 1:
        return "chances" if ((outputs >= 0) & (outputs <= 1)).all() else "scores"
    summed = np.abs(outputs.sum(axis=1, dtype=np.float64) - 1) <= TOLERANCE
    return "probabilities" if summed.all() and (outputs >= 0).all() else "scores"


def _class_names(told: Told, metadata: Mapping[str, str], count: int) -> tuple[str, ...]:
    wanted = max(2, count)
    if told.classes is None and CLASSES not in metadata:
        raise ModelError(f"does not name its {wanted} classes: give their names, one a line, with --classes FILE")
    names = told.classes or read_class_names(metadata[CLASSES])
    if len(names) != wanted:
        where = "in its metadata" if told.classes is None else "in --classes"
        raise ModelError(f"tells {wanted} classes apart, but {len(names)} are named {where}")
    return names


def _open_session(path: Path, threads: int) -> Any:
    """Open a file in the runtime."""
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.use_env_allocators", "1")  # the one of `_runtime`
    # Threads that wait busily take the cores from those that read: 150 pictures took 4.2 s with them, and 1.9 without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    folded = max(MOST_FOLDED, os.path.getsize(path))
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(folded))
    providers = ["CPUExecutionProvider"]
    return _asked(partial(runtime.InferenceSession, os.fspath(path), options, providers, enable_fallback=0))


@cache
def _runtime() -> Any:
    """Return the package, with a memory that has a limit and without a log of its own."""
    try:
        import onnxruntime
    except Exception as error:  # a half-installed package raises anything
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        reason = "" if missing else f", which is broken ({named(error)})"
        raise ModelError(f"ONNX Runtime predicts with any graph{reason}: pip install 'cnncli[onnx]'") from error
    onnxruntime.set_default_logger_severity(SILENT)
    with suppress(Exception):  # a program that uses the runtime itself may have set up such a memory before
        arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
        memory = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
        limit = onnxruntime.OrtArenaCfg({"max_mem": MOST_BYTES})
        onnxruntime.create_and_register_allocator(memory, limit)
    return onnxruntime


def _asked(ask: Callable[[], R], give_up: Callable[[], None] = lambda: None) -> R:
    """Return what the runtime answers; its errors become one line.

    It is asked from a thread of its own: a Ctrl-C is heeded only where the main thread is not in foreign code, and a
    graph may compute for ever. `give_up` lets it end.
    """
    from concurrent.futures import ThreadPoolExecutor, wait

    with ThreadPoolExecutor(1) as thread:
        try:
            answer = thread.submit(ask)
            while not wait([answer], PATIENCE).done:  # a signal just before a wait does not end it
                pass
            return answer.result()
        except MemoryError:
            raise
        except Exception as error:  # the runtime has a dozen classes of errors without a common base
            text = _FRAME.sub("", str(error))
            raise ModelError(f"ONNX Runtime refuses it: {named(' '.join(text.split()), 300)}") from error
        except BaseException:
            give_up()
            raise
