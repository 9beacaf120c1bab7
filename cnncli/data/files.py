"""Pictures in files: checked once, decoded when they are asked for, kept as long as there is room."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cnncli.arrays import Array
from cnncli.data.datasets import Pictures, Shape
from cnncli.data.findings import Finding, raw_finding, some
from cnncli.data.pictures import BYTES, RAW, Reading, find_factor, read_picture
from cnncli.data.resizing import Size, resized
from cnncli.errors import DataError, ImageError, NoInputError, shortage
from cnncli.threads import mapped

Given = TypeVar("Given")
Made = TypeVar("Made")

_HEAD = 64 << 10
_GROUP = 16  # small pictures decoded by a thread at a time: handing over a single one would cost as much


class SizesDifferError(DataError):
    """Pictures of several sizes, and no size to bring them to."""


class CheckedFiles(NamedTuple):
    """Picture files that were decoded once, without those that cannot be.

    Attributes:
        good: the indices of those that can be read, among the files that were given.
        paths: their paths.
        sizes: (height, width) of each as it is, upright.
        shape: (H, W, C) that all are read to.
        dtype: uint8, or float32 where one of them needs it.
        reading: how they are read.
        cache: those that there was room for.
        findings: what was left out, and on which scale the rest is.
    """

    good: list[int]
    paths: list[str]
    sizes: list[Size]
    shape: Shape
    dtype: np.dtype[Any]
    reading: Reading
    cache: "PictureCache"
    findings: tuple[Finding, ...]


class FilePictures(Pictures):
    """Pictures in files: decoded when they are asked for, and kept as long as the cache has room.

    Kept pictures are never dropped: an epoch visits every picture once, in a new order, so that dropping the oldest
    would drop the ones that come next. Pixels are uint8, or float32 where one picture needs it.
    """

    fingerprint_kind = "file"

    def __init__(self, files: CheckedFiles) -> None:
        self.names: Sequence[str] = files.paths
        self.shape, self.dtype = files.shape, files.dtype
        self._reading, self._cache = files.reading, files.cache
        self.scale = files.reading.scale or BYTES

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
    size: Size
    is_float: bool
    is_raw: bool = False
    error: str = ""


def check_pictures(path: str, paths: Sequence[str], reading: Reading) -> CheckedFiles:
    """Decode every file once, to find damaged ones, sizes, channels and the scale.

    Args:
        path: name of the data in messages.
        paths: the files.
        reading: how to read them.

    Raises:
        NoInputError: none can be read.
        SizesDifferError: sizes differ and `reading.size` is None.
        DataError: some have other channels than others.
        ImageError: a picture cannot be read and `reading.strict` refuses that.
    """
    findings = []
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
    return CheckedFiles(
        good,
        [paths[item] for item in good],
        [checked[item].size for item in good],
        _common_shape([checked[item] for item in good], reading),
        np.dtype(np.float32 if any(each.is_float for each in checked) else np.uint8),
        reading,
        cache,
        tuple(findings),
    )


def _check(paths: Sequence[str], reading: Reading, cache: PictureCache) -> Iterator[_Checked]:
    """Decode every file once, keeping those that there is room for; differing sizes and strict errors end it early."""

    def check(path: str) -> _Checked:
        try:
            picture = read_picture(path, reading._replace(size=None))
        except ImageError as error:
            if reading.strict or shortage(error):  # a shortage of the system is not the picture's fault
                raise
            return _Checked(path, (0, 0, 0), (0, 0), False, error=str(error))
        size = (picture.shape[0], picture.shape[1])
        picture = picture if reading.size is None else resized(picture, reading.size, reading.resize)
        cache.keep(path, picture)
        is_float = picture.dtype != np.uint8
        is_raw = is_float and reading.scale is None and find_factor(picture, None, path) is None
        return _Checked(path, (picture.shape[0], picture.shape[1], picture.shape[2]), size, is_float, is_raw)

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
