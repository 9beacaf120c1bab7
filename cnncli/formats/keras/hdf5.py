"""Keras models and weights in HDF5 (`.h5`): the configuration in an attribute, and the arrays' names and shapes.

No array is read, and no link that leads out of the file is followed.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from io import RawIOBase
from pathlib import Path
from typing import Any

from cnncli.errors import ModelError
from cnncli.formats.files import MAX_JSON, MAX_ROWS, Buffer, FileBytes, dimensions, named, opened, parse_json
from cnncli.formats.keras.reading import read_config
from cnncli.formats.safetensors import Array, weights_alone
from cnncli.networks.summary import Summary
from cnncli.shapes import Shape

_MARKS = ("layer_names", "keras_version", "backend")
"""Attributes of a file of weights that Keras 2 wrote; Keras 3 puts each layer's arrays in a group `vars`."""

_OTHERS = ("optimizer", "optimizer_weights")
"""Groups of arrays that are not the network's."""

_STATES = ("normalization", "seed_generator")
"""Layers that have no trained arrays."""

_MAX_READ = 2**30
"""Bytes that are read of one file at most: some hundred kilobytes describe a model of any size."""


_SECONDS = 20
"""Time that a file is looked into at most: the library goes round without end in some damaged files."""


def read_hdf5(file: FileBytes, name: str, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Return the summary of a Keras model in HDF5, or of its weights alone."""
    if find_spec("h5py") is None:
        raise ModelError(
            "an HDF5 file is read with the package h5py: pip install 'cnncli[keras]'; a .keras file needs no package"
        )
    found = apart(file.path, __name__)
    if "config" in found:
        config = parse_json(found["config"].encode("utf-8", "surrogateescape"), "model_config")
        return read_config(config, name, input_shape, shapes=shapes)
    note = (
        "the names of arrays tell which are not trained; of batch normalization in a file of Keras 3, which has "
        "numbers for names, they are the last two; whether a layer was frozen, a file of weights does not tell"
    )
    arrays = [Array(each[0], each[1], tuple(each[2]), fixed=each[3]) for each in found["arrays"]]
    return weights_alone(name, arrays, "a file of weights in HDF5", (note,))


def apart(path: Path, module: str) -> dict[str, Any]:
    """Return what the function `described` of a module finds in a file.

    It runs in a separate process, because damaged files may crash or hang the library.

    Raises:
        ModelError: it raised one, or ended without an answer.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import answer; answer({module!r}, sys.argv[1])"
    try:
        run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, timeout=_SECONDS, check=True)
        found = dict(json.loads(run.stdout))
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"a damaged HDF5 file: not read in {_SECONDS} s") from error
    except (subprocess.CalledProcessError, ValueError) as error:
        raise ModelError("a damaged HDF5 file: the package h5py ended without an answer") from error
    if "error" in found:
        raise ModelError(found["error"])
    return found


def answer(module: str, path: str) -> None:
    """Write what the function `described` of a module finds in a file as JSON, or the error in it."""
    try:
        with opened(Path(path)) as buffer:
            found = import_module(module).described(buffer)
    except ModelError as error:
        found = {"error": str(error)}
    sys.stdout.write(json.dumps(found))


def described(buffer: FileBytes) -> dict[str, Any]:
    """Return the configuration or the arrays of a file in JSON's types."""
    with opened_root(buffer) as root:
        if (text := _text(root, "model_config")) is not None:
            return {"config": text.decode("utf-8", "surrogateescape")}
        return {"arrays": [(each.name, each.dtype, each.shape, each.fixed) for each in _arrays(root)]}


@contextmanager
def opened_root(buffer: Buffer) -> Iterator[Any]:
    """Open a file as h5py's; what it raises becomes a `ModelError`."""
    import h5py

    source = _Source(buffer)
    try:
        with h5py.File(source, "r") as file:
            yield file
    except ModelError:
        raise
    except Exception as error:  # a library that decodes what may be hostile raises of every kind
        raise ModelError(source.refused or f"a damaged HDF5 file: {named(error, 120)}") from error


class _Source(RawIOBase):
    """The bytes of a file as HDF5 asks for them: never many at once, and not without end."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer, self._at, self._read = buffer, 0, 0
        self.refused = ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, len(self._buffer))[whence]
        return self._at

    def readinto(self, target: Any, /) -> int:
        """Read as many bytes as a target has, or those that are left."""
        view = memoryview(target).cast("B")
        self._read += len(view)
        if len(view) > MAX_JSON or self._read > _MAX_READ:
            self.refused = (
                f"a damaged HDF5 file: {len(view)} bytes at once, or {self._read} in all, describe its arrays"
            )
            raise OSError(self.refused)
        found = self._buffer[self._at : self._at + len(view)]
        view[: len(found)] = found
        self._at += len(found)
        return len(found)


def _text(root: Any, name: str) -> bytes | None:
    """Return a text that is an attribute of the file, which is there whole where it is not too large."""
    import h5py

    key = name.encode()
    if not h5py.h5a.exists(root.id, key):
        return None
    attribute = h5py.h5a.open(root.id, key)
    kind = attribute.get_type()
    if attribute.get_storage_size() > MAX_JSON or attribute.shape or not isinstance(kind, h5py.h5t.TypeStringID):
        raise ModelError(f"its {name} is not a text, or is larger than {MAX_JSON // 2**20} MiB")
    text = root.attrs[name]
    return text if isinstance(text, bytes) else str(text).encode()


def _arrays(root: Any) -> tuple[Array, ...]:
    """Return the arrays of a file of weights.

    Raises:
        ModelError: there are too many, or it does not look like one that Keras wrote.
    """
    import h5py

    groups: dict[tuple[str, ...], list[Array]] = {}
    for path, dataset in datasets(root, ()):
        groups.setdefault(path[:-1], []).append(_array(path, dataset))
    keras = any(h5py.h5a.exists(root.id, mark.encode()) for mark in _MARKS) or any("vars" in path for path in groups)
    if not keras:
        raise ModelError("an HDF5 file, but not a Keras model or weights: it has no model_config and no layers")
    return tuple(array for path, arrays in groups.items() for array in _told_apart(path, arrays))


def _told_apart(path: tuple[str, ...], arrays: list[Array]) -> list[Array]:
    """Return a layer's arrays, with those that are not trained told apart where numbers are their names.

    A layer that Keras named by its class tells what it is; else four vectors of one size are batch normalization's.
    """
    numbered = path[-1:] == ("vars",)
    layer = re.sub(r"_\d+$", "", "".join(path[-2:-1] if numbered else path[-1:]))
    four = len(arrays) == 4 and len({array.shape for array in arrays}) == 1 == len(arrays[0].shape)
    statistics = 2 if numbered and (layer == "batch_normalization" or four) else 0
    fixed = len(arrays) if layer in _STATES else statistics
    return [array._replace(fixed=index >= len(arrays) - fixed) for index, array in enumerate(arrays)]


def datasets(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the arrays in a group and the groups in it; links that lead elsewhere are passed over."""
    import h5py

    waiting, seen, arrays = [(path, group)], 0, 0
    while waiting:
        path, group = waiting.pop()
        inner = []
        for key in _hard_links(group):
            seen += 1
            if seen > 4 * MAX_ROWS or arrays > MAX_ROWS or len(path) > 64:
                raise ModelError(
                    f"more than {MAX_ROWS} arrays, or groups in groups without end: too many for a summary"
                )
            part = group[key]
            here = (*path, key.decode("utf-8", "replace")[:256])
            if isinstance(part, h5py.Dataset):
                arrays += 1
                yield here, part
            elif isinstance(part, h5py.Group) and not (not path and here[0] in _OTHERS):
                inner.append((here, part))
        waiting += reversed(inner)


def _hard_links(group: Any) -> list[bytes]:
    import h5py

    names: list[bytes] = []

    def take(name: bytes, info: Any) -> bool | None:
        if info.type == h5py.h5l.TYPE_HARD:
            names.append(name)
        return True if len(names) > 4 * MAX_ROWS else None

    group.id.links.iterate(take, info=True)
    return names


def _array(path: tuple[str, ...], dataset: Any) -> Array:
    import h5py

    what = f"the array {named('/'.join(path))}"
    kind = dataset.id.get_type()
    letter = {h5py.h5t.FLOAT: "F", h5py.h5t.INTEGER: "I"}.get(kind.get_class(), "BOOL")
    name = "/".join(path).removesuffix(":0")
    dtype = letter if letter == "BOOL" else f"{letter}{8 * kind.get_size()}"
    return Array(name, dtype, dimensions(tuple(dataset.shape or ()), what))
