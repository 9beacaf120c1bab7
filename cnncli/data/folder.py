"""A folder with a folder of pictures for each class, read as they are needed."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cnncli.arrays import Array
from cnncli.data.datasets import Dataset, Labels, Shape, unknown_classes
from cnncli.data.findings import Finding, raw_finding, some
from cnncli.data.listing import RUN, counted, is_file, is_picture, is_system, list_pictures, visible_folders
from cnncli.data.parts import Parts
from cnncli.data.pictures import BYTES, RAW, Reading, find_factor, read_picture
from cnncli.errors import DataError, ImageError, NoInputError, shortage
from cnncli.threads import mapped

Given = TypeVar("Given")
Made = TypeVar("Made")

_HEAD = 64 << 10
_GROUP = 16  # small pictures decoded by a thread at a time: handing over a single one would cost as much


class SizesDifferError(DataError):
    """Pictures of several sizes, and no size to bring them to."""


class FolderDataset(Dataset):
    """Pictures in files: decoded when they are asked for, and kept as long as the cache has room.

    Kept pictures are never dropped: an epoch visits every picture once, in a new order, so that dropping the oldest
    would drop the ones that come next. Pixels are uint8, or float32 where one picture needs it.
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
        cache: "PictureCache",
    ) -> None:
        self.names = paths
        self.labels, self.class_names = labels, tuple(class_names)
        self.shape, self.dtype = shape, dtype
        self._reading, self._cache = reading, cache
        self.scale = reading.scale or BYTES

    def images(self, indices: Any) -> Array:
        """Return the pictures of some items, (n, H, W, C), as a new array.

        Raises:
            ImageError: a file has changed since it was checked.
        """
        items = np.asarray(indices, np.intp).tolist()
        whole = np.empty((len(items), *self.shape), self.dtype)
        missing = []
        for target, item in enumerate(items):
            kept = self._cache.pictures.get(self.names[item])
            if kept is None:
                missing.append((target, self.names[item]))
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
            self._cache.keep(path, picture)
            whole[target] = picture

        for _ in in_parallel(decode, missing, self._reading.jobs):
            pass

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """16 bytes of each file's size, its first 64 KB and its last: enough to tell pictures apart, and quick."""
        return list(in_parallel(_quick_digest, self.names, self._reading.jobs))

    def full_fingerprint(self, index: int) -> bytes:
        path, digest = self.names[index], blake2b(digest_size=16)
        with _opened(path) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.digest()


class PictureCache:
    """Decoded pictures, by path, up to a number of bytes."""

    def __init__(self, room: int) -> None:
        self.pictures: dict[str, Array] = {}
        self._room, self._lock = room, threading.Lock()

    def keep(self, path: str, picture: Array) -> None:
        """Keep a picture if there is room."""
        with self._lock:
            if picture.nbytes <= self._room and path not in self.pictures:
                self._room -= picture.nbytes
                self.pictures[path] = picture


def in_parallel(work: Callable[[Given], Made], given: Sequence[Given], jobs: int) -> Iterator[Made]:
    """Yield the results of a function in order, computed on threads, a few groups ahead; the first error ends it."""
    if jobs == 1 or len(given) < 2:
        yield from map(work, given)
        return
    jobs = min(jobs, len(given))
    size = max(1, min(_GROUP, len(given) // (2 * jobs)))
    groups = [given[start : start + size] for start in range(0, len(given), size)]
    for made in mapped(lambda group: [work(entry) for entry in group], groups, jobs, ahead=2 * jobs):
        yield from made


class _Checked(NamedTuple):
    """A file that has been decoded once, or the error of that."""

    path: str
    shape: Shape
    is_float: bool
    is_raw: bool = False
    error: str = ""


def open_folder(path: str, reading: Reading) -> Parts:
    """Open a folder with a folder of pictures for each class; every picture is decoded once, to find damaged ones.

    Without `reading.class_names`, the classes are the names of the folders, numbers in order of their value.

    Raises:
        NoInputError: it holds no pictures.
        SizesDifferError: sizes differ and `reading.size` is None.
        DataError: a class is unknown.
        ImageError: a picture cannot be read and `reading.strict` refuses that.
    """
    listed, findings = _list(path)
    names = tuple(reading.class_names or listed)
    unknown = [name for name in listed if name not in names]
    if unknown:
        raise DataError(f"{path}: {unknown_classes(unknown, names)}")
    paths = [file for files in listed.values() for file in files]
    labels = np.repeat([names.index(name) for name in listed], [len(files) for files in listed.values()])
    cache = PictureCache(reading.cache_bytes)
    checked = list(_check(paths, reading, cache))
    if reading.scale is None and any(each.is_raw for each in checked):  # then all of them are taken as they are
        reading, cache = reading._replace(scale=RAW), PictureCache(reading.cache_bytes)
        checked = list(_check(paths, reading, cache))
        findings.append(raw_finding(path))
    good = [item for item, each in enumerate(checked) if not each.error]
    errors = tuple(each.error for each in checked if each.error)
    if errors:
        noun = "picture that cannot be read is" if len(errors) == 1 else "pictures that cannot be read are"
        findings.append(Finding("corrupt", f"{path}: {len(errors)} {noun} left out: {some(errors)}", errors))
    if not good:
        raise NoInputError(f"{path}: none of its {len(paths)} pictures can be read; the first: {errors[0]}")
    dataset = FolderDataset(
        [paths[item] for item in good],
        labels[good].astype(np.int64),
        names,
        _common_shape([checked[item] for item in good], reading),
        np.dtype(np.float32 if any(each.is_float for each in checked) else np.uint8),
        reading,
        cache,
    )
    return Parts(dataset, findings=tuple(findings))


def _list(path: str) -> tuple[dict[str, list[str]], list[Finding]]:
    """Return the pictures of each class that has some, and findings about the rest."""
    found = {name: list_pictures(os.path.join(path, name)) for name in visible_folders(path)}
    listed = {name: listing.pictures for name, listing in found.items() if listing.pictures}
    if not listed:
        raise NoInputError(f"{path}: its folders hold no pictures: it should hold a folder of pictures for each class")
    findings = []
    # A folder that holds runs alone is not a class.
    empty = {
        name: f"{name} ({counted(listing.left_out)})" if listing.left_out else name
        for name, listing in found.items()
        if not listing.pictures and set(listing.left_out) != {RUN}
    }
    if empty:
        message = f"{path}: no pictures of class {', '.join(empty.values())}: left out"
        findings.append(Finding("empty class", message, tuple(empty)))
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


def _check(paths: list[str], reading: Reading, cache: PictureCache) -> Iterator[_Checked]:
    """Decode every file once, keeping those that there is room for; differing sizes and strict errors end it early."""

    def check(path: str) -> _Checked:
        try:
            picture = read_picture(path, reading)
        except ImageError as error:
            if reading.strict or shortage(error):  # a shortage of the system is not the picture's fault
                raise
            return _Checked(path, (0, 0, 0), False, error=str(error))
        cache.keep(path, picture)
        is_float = picture.dtype != np.uint8
        is_raw = is_float and reading.scale is None and find_factor(picture, None, path) is None
        return _Checked(path, (picture.shape[0], picture.shape[1], picture.shape[2]), is_float, is_raw)

    first: _Checked | None = None
    for done, checked in enumerate(in_parallel(check, paths, reading.jobs), 1):
        if reading.progress:
            reading.progress(done, len(paths))
        if not checked.error:
            first = first or checked
            if first.shape[:2] != checked.shape[:2]:
                sizes = f"{first.path} is {_size(first.shape)}, {checked.path} is {_size(checked.shape)}"
                raise SizesDifferError(f"pictures differ in size: {sizes}; give one size for all, such as --size 64")
        yield checked


def _common_shape(checked: list[_Checked], reading: Reading) -> Shape:
    height, width, _ = checked[0].shape
    most = max(checked, key=lambda each: each.shape[2])
    odd = [each for each in checked if each.shape[2] not in (1, most.shape[2])]
    if odd:
        raise DataError(
            f"pictures differ in channels: {most.path} has {most.shape[2]}, {odd[0].path} has {odd[0].shape[2]}"
        )
    return height, width, reading.channels or most.shape[2]


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
