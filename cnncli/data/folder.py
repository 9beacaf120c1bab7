"""A folder with a folder of pictures for each class, read as they are needed."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnncli.data.datasets import Dataset, Finding, Labels, Reading, Shape, raw_finding
from cnncli.data.listing import (
    RUN,
    counted,
    is_file,
    is_picture,
    is_system,
    list_pictures,
    visible_folders,
)
from cnncli.data.pictures import read_picture
from cnncli.data.scale import BYTES, RAW, find_factor
from cnncli.errors import DataError, ImageError, NoInputError, shortage
from cnncli.threads import mapped

Array = NDArray[Any]
Progress = Callable[[int, int], None]

_HEAD = 64 << 10
_GROUP = 16  # small pictures decoded by a thread at a time: handing over a single one would cost as much


class FolderDataset(Dataset):
    """Pictures in files: decoded when they are asked for, and kept as long as there is room.

    What is kept stays: an epoch visits every picture once, in a new order, so that throwing out the oldest would throw
    out what comes next.

    Args:
        paths: the files.
        labels: (N,) places in `class_names`.
        class_names: the classes in order.
        shape: (H, W, C) of every picture.
        dtype: uint8, or float32 where one picture needs it.
        reading: how they are read.
        store: pictures that are decoded already.
    """

    fingerprint_kind = "file"

    def __init__(
        self,
        paths: Sequence[str],
        labels: Labels,
        class_names: Sequence[str],
        shape: Shape,
        dtype: np.dtype[Any],
        reading: Reading,
        store: "Store",
    ) -> None:
        self.names = paths
        self.labels, self.class_names = labels, tuple(class_names)
        self.shape, self.dtype = shape, dtype
        self._reading, self._store = reading, store
        self.scale = reading.scale or BYTES

    def images(self, indices: Any) -> Array:
        """Return the pictures of some items.

        Raises:
            ImageError: a file has changed since it was checked.
        """
        places = np.asarray(indices, np.intp).tolist()
        whole = np.empty((len(places), *self.shape), self.dtype)
        missing = []
        for target, place in enumerate(places):
            kept = self._store.pictures.get(self.names[place])
            if kept is None:
                missing.append((target, self.names[place]))
            else:
                whole[target] = kept
        if missing:
            self._decode(missing, whole)
        return whole

    def _decode(self, missing: list[tuple[int, str]], whole: Array) -> None:
        def decode(entry: tuple[int, str]) -> None:
            target, path = entry
            picture = read_picture(path, self._reading)
            if picture.shape[:2] != self.shape[:2] or picture.shape[2] not in (1, self.shape[2]):
                raise ImageError(f"{path}: is {_size(picture.shape)} now, was {_size(self.shape)}: changed meanwhile")
            whole[target] = self._store.keep(path, picture)

        for _ in in_parallel(decode, missing, self._reading.jobs):
            pass

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """16 bytes of each file's size, its first 64 KB and its last: enough to tell pictures apart, and quick."""
        return list(in_parallel(_quick_digest, self.names, self._reading.jobs))

    def full_fingerprint(self, index: int) -> bytes:
        """16 bytes of a whole file."""
        path, digest = self.names[index], blake2b(digest_size=16)
        with _opened(path) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.digest()


class Store:
    """Decoded pictures, by path, up to a number of bytes."""

    def __init__(self, room: int) -> None:
        self.pictures: dict[str, Array] = {}
        self._room, self._lock = room, threading.Lock()

    def keep(self, path: str, picture: Array) -> Array:
        """Keep a picture if there is room; return it."""
        with self._lock:
            if picture.nbytes <= self._room and path not in self.pictures:
                self._room -= picture.nbytes
                self.pictures[path] = picture
        return picture


class _Facts(NamedTuple):
    """What checking a file told."""

    path: str
    shape: Shape
    is_float: bool
    is_raw: bool = False
    error: str = ""


Entry = TypeVar("Entry")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Entry], Result], entries: Sequence[Entry], jobs: int) -> Iterator[Result]:
    """Yield what a function makes of entries, in their order, on threads; few are under way at a time.

    Entries are handed over in groups; the first error ends it.
    """
    if jobs == 1 or len(entries) < 2:
        yield from map(work, entries)
        return
    jobs = min(jobs, len(entries))
    size = max(1, min(_GROUP, len(entries) // (2 * jobs)))
    groups = [entries[start : start + size] for start in range(0, len(entries), size)]
    for made in mapped(lambda group: [work(entry) for entry in group], groups, jobs, ahead=2 * jobs):
        yield from made


def open_folder(
    path: str,
    how: Reading,
    class_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> tuple[FolderDataset, list[Finding]]:
    """Open a folder with a folder of pictures for each class; every picture is decoded once, to know that it can be.

    Args:
        path: the folder.
        how: how pictures are read.
        class_names: the classes to label by; None for the folders' names, numbers by their value.
        progress: called with the files done and all files.

    Raises:
        NoInputError: it holds no pictures.
        DataError: sizes differ and `how.size` says none, or a class is unknown.
        ImageError: a picture cannot be read and `how.strict` refuses that.
    """
    listed, findings = _list(path)
    names = tuple(class_names or listed)
    unknown = [name for name in listed if name not in names]
    if unknown:
        raise DataError(f"{path}: class {unknown[0]!r} is not among the known ones: {', '.join(names)}")
    paths = [file for files in listed.values() for file in files]
    labels = np.repeat([names.index(name) for name in listed], [len(files) for files in listed.values()])
    store = Store(how.cache_bytes)
    facts = list(_check(paths, how, store, progress))
    if how.scale is None and any(fact.is_raw for fact in facts):  # then all of them are taken as they are
        how, store = how._replace(scale=RAW), Store(how.cache_bytes)
        facts = list(_check(paths, how, store, progress))
        findings.append(raw_finding(path))
    good = [place for place, fact in enumerate(facts) if not fact.error]
    bad = [fact for fact in facts if fact.error]
    findings += [_corrupt(path, bad)] if bad else []
    if not good:
        raise NoInputError(f"{path}: none of its {len(paths)} pictures can be read; the first: {bad[0].error}")
    shape = _common_shape([facts[place] for place in good], how)
    dtype = np.dtype(np.float32 if any(fact.is_float for fact in facts) else np.uint8)
    chosen = [paths[place] for place in good]
    dataset = FolderDataset(chosen, labels[good].astype(np.int64), names, shape, dtype, how, store)
    return dataset, findings


def holds_folders(path: str) -> bool:
    """Whether a folder holds others that may be classes."""
    return os.path.isdir(path) and bool(visible_folders(path))


def _list(path: str) -> tuple[dict[str, list[str]], list[Finding]]:
    """The pictures of each class that has some, and what is to be said of the rest."""
    found = {name: list_pictures(os.path.join(path, name)) for name in visible_folders(path)}
    listed = {name: listing.pictures for name, listing in found.items() if listing.pictures}
    # A folder of runs alone is nobody's class.
    empty = {name: listing.left_out for name, listing in found.items() if not listing.pictures}
    empty = {name: left_out for name, left_out in empty.items() if set(left_out) != {RUN}}
    if not listed:
        raise NoInputError(f"{path}: its folders hold no pictures: it should hold a folder of pictures for each class")
    findings = []
    if empty:
        said = [f"{name} ({counted(left_out)})" if left_out else name for name, left_out in empty.items()]
        findings.append(
            Finding("empty class", f"{path}: no pictures of class {', '.join(said)}: left out", tuple(empty))
        )
    left_out = sum((found[name].left_out for name in listed), Counter[str]())
    if left_out:
        findings.append(Finding("ignored", f"{path}: {counted(left_out)} left out of its classes", tuple(left_out)))
    loose = loose_pictures(path)
    if loose:
        message = f"{path}: {loose[0]} and all pictures beside the class folders belong to no class: left out"
        findings.append(Finding("ignored", message, loose))
    return listed, findings


def loose_pictures(path: str) -> tuple[str, ...]:
    """Return the names of the pictures in a folder itself."""
    with os.scandir(path) as entries:
        files = [entry for entry in entries if not is_system(entry.name) and is_file(entry)]
    return tuple(sorted(entry.name for entry in files if is_picture(entry.path)))


def _check(paths: list[str], how: Reading, store: Store, progress: Progress | None) -> Iterator[_Facts]:
    """Decode every file once, keeping what there is room for; differing sizes and strict errors end it early."""

    def check(path: str) -> _Facts:
        try:
            picture = read_picture(path, how)
        except ImageError as error:
            if how.strict or shortage(error):  # what the system lacks is no fault of the picture's
                raise
            return _Facts(path, (0, 0, 0), False, error=str(error))
        store.keep(path, picture)
        is_float = picture.dtype != np.uint8
        is_raw = is_float and how.scale is None and find_factor(picture, None, path) is None
        return _Facts(path, (picture.shape[0], picture.shape[1], picture.shape[2]), is_float, is_raw)

    first: _Facts | None = None
    for done, facts in enumerate(in_parallel(check, paths, how.jobs), 1):
        if progress:
            progress(done, len(paths))
        if not facts.error:
            first = first or facts
            _check_same_size(first, facts)
        yield facts


def _check_same_size(first: _Facts, other: _Facts) -> None:
    if first.shape[:2] != other.shape[:2]:
        raise DataError(
            f"pictures differ in size: {first.path} is {_size(first.shape)}, {other.path} is {_size(other.shape)}; "
            "say the size that all shall have, as --size 64"
        )


def _common_shape(facts: list[_Facts], how: Reading) -> Shape:
    height, width, _ = facts[0].shape
    most = max(facts, key=lambda fact: fact.shape[2])
    odd = [fact for fact in facts if fact.shape[2] not in (1, most.shape[2])]
    if odd:
        raise DataError(
            f"pictures differ in channels: {most.path} has {most.shape[2]}, {odd[0].path} has {odd[0].shape[2]}"
        )
    return height, width, how.channels or most.shape[2]


def _corrupt(path: str, bad: list[_Facts]) -> Finding:
    errors = tuple(fact.error for fact in bad)
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    noun = "picture that cannot be read is" if len(errors) == 1 else "pictures that cannot be read are"
    return Finding("corrupt", f"{path}: {len(errors)} {noun} left out: {'; '.join(errors[:3])}{more}", errors)


def _quick_digest(path: str) -> bytes:
    with _opened(path) as file:
        head = file.read(_HEAD)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(len(head), size - _HEAD))
        return blake2b(size.to_bytes(8, "little") + head + file.read(_HEAD), digest_size=16).digest()


def _opened(path: str) -> Any:
    try:
        return open(path, "rb")
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
