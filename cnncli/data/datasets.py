"""Data sets: labelled pictures, in memory or read as they are needed."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from cnncli.data.scale import BYTES
from cnncli.errors import DataError
from cnncli.images import MAX_PIXELS

Array = NDArray[Any]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Shape = tuple[int, int, int]

_CHUNK_BYTES = 8 << 20


class Finding(NamedTuple):
    """Something about the data that its owner should know.

    Attributes:
        kind: `corrupt`, `duplicate`, `conflict`, `single class`, `empty class`, `ignored` or `scale`.
        message: one line that says it all.
        items: everything that it is about, by name.
    """

    kind: str
    message: str
    items: tuple[str, ...] = ()


def raw_finding(path: str) -> Finding:
    """Return what is to be said of data whose numbers have no scale that could be told."""
    message = (
        f"{path}: its numbers are no brightness from 0 to 255, 0 to 1 or 0 to 65,535: they are taken as they are, "
    )
    return Finding("scale", f"{message}and the model will take such numbers alone")


class Reading(NamedTuple):
    """How pictures are read.

    Attributes:
        size: (height, width) that every picture gets; None where all have one size already.
        resize: how it gets it: a name in `RESIZES`.
        channels: 1 for grey, 3 for colour; None for grey where every picture is grey, else colour.
        strict: refuse a picture that cannot be read instead of leaving it out.
        jobs: threads that decode.
        cache_bytes: decoded pictures of a folder that are kept in memory.
        max_bytes: the largest data set accepted of the kinds that are held in memory as a whole.
        max_pixels: the largest width x height of a picture file; None for any.
        scale: what the numbers of arrays and float pictures mean: a word of `scale.SCALES`; None to find out.
    """

    size: tuple[int, int] | None = None
    resize: str = "stretch"
    channels: int | None = None
    strict: bool = False
    jobs: int = 1
    cache_bytes: int = 512 << 20
    max_bytes: int = 2 << 30
    max_pixels: int | None = MAX_PIXELS
    scale: str | None = None


class Dataset(ABC):
    """Labelled pictures.

    Attributes:
        labels: (N,), the place of each item's class in `class_names`.
        class_names: the classes in order.
        shape: (H, W, C) of every picture.
        names: what to call each item in a message.
        fingerprint_kind: what the fingerprints are of: `pixels` or `file`.
        scale: what the numbers mean: a word of `scale.SCALES`.
    """

    labels: Labels
    class_names: tuple[str, ...]
    shape: Shape
    names: Sequence[str]
    fingerprint_kind: str = "pixels"
    scale: str = BYTES

    @abstractmethod
    def images(self, indices: Any) -> Array:
        """Return the pictures of some items, (n, H, W, C), as a new array.

        They are uint8, or float32 where the source is finer, on the scale 0 to 255 unless `scale` says otherwise.
        Several threads may call this at a time.
        """

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self) -> Iterator[tuple[Indices, Array]]:
        """Yield all items in order, as indices and pictures, a few megabytes at a time."""
        step = max(1, _CHUNK_BYTES // (4 * int(np.prod(self.shape))))
        for start in range(0, len(self), step):
            indices = np.arange(start, min(start + step, len(self)))
            yield indices, self.images(indices)

    def counts(self) -> Labels:
        """Return the number of items of each class."""
        return np.bincount(self.labels, minlength=len(self.class_names)).astype(np.int64)

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """16 bytes of each item that are the same, on every machine, where its content is."""
        return self.pixel_fingerprints()

    def pixel_fingerprints(self) -> list[bytes]:
        """16 bytes of each item's pixels."""
        return [_digest(np.ascontiguousarray(image)) for _, images in self.chunks() for image in images]

    def full_fingerprint(self, index: int) -> bytes:
        """A fingerprint of an item that is certain, where those in `fingerprints` are quick."""
        return self.fingerprints[index]

    def with_classes(self, class_names: Sequence[str]) -> Self:
        """Return the same items, labelled by their class's place among other names.

        Raises:
            DataError: an item's class is not among them.
        """
        places = {name: place for place, name in enumerate(class_names)}
        present = np.unique(self.labels).tolist()
        unknown = [self.class_names[label] for label in present if self.class_names[label] not in places]
        if unknown:
            raise DataError(f"{_listed('class', unknown)} not among the known ones: {', '.join(class_names)}")
        table = np.array([places.get(name, -1) for name in self.class_names], np.int64)
        other = copy.copy(self)
        other.labels, other.class_names = table[self.labels], tuple(class_names)
        return other


class ArrayDataset(Dataset):
    """Pictures in memory.

    Args:
        pixels: (N, H, W, C), uint8 or float32.
        labels: (N,) places in `class_names`.
        class_names: the classes in order.
        source: what messages call the data.
        scale: what the numbers mean.

    Example:
        >>> data = ArrayDataset(np.zeros((2, 3, 3, 1), np.uint8), np.array([1, 0]), ("cat", "dog"), "pets.npz")
        >>> len(data), data.shape, data.names[1], data.images([0]).shape
        (2, (3, 3, 1), 'pets.npz[1]', (1, 3, 3, 1))
    """

    def __init__(
        self, pixels: Array, labels: Labels, class_names: Sequence[str], source: str, scale: str = BYTES
    ) -> None:
        if pixels.ndim != 4 or len(pixels) != len(labels):
            raise DataError(f"{source}: {len(labels)} labels do not fit pictures of shape {pixels.shape}")
        self._pixels, self.scale = pixels, scale
        self.labels = labels.astype(np.int64, copy=False)
        self.class_names = tuple(class_names)
        self.shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        self.names: Sequence[str] = _Numbered(source, len(labels))

    def images(self, indices: Any) -> Array:
        """Return the pictures of some items."""
        taken: Array = self._pixels[np.asarray(indices, np.intp)]
        return taken


class Subset(Dataset):
    """Some items of a data set, in a given order.

    Example:
        >>> data = ArrayDataset(np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 0]), ("a", "b"), "x")
        >>> Subset(data, np.array([2, 1])).names[0]
        'x[2]'
    """

    def __init__(self, dataset: Dataset, indices: Any) -> None:
        self._dataset = dataset
        self.indices: Indices = np.asarray(indices, np.int64)
        self.labels = dataset.labels[self.indices]
        self.class_names, self.shape = dataset.class_names, dataset.shape
        self.names = _Chosen(dataset.names, self.indices)
        self.fingerprint_kind, self.scale = dataset.fingerprint_kind, dataset.scale

    def images(self, indices: Any) -> Array:
        """Return the pictures of some items."""
        return self._dataset.images(self.indices[np.asarray(indices, np.intp)])

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """16 bytes of each item that are the same where its content is."""
        prints = self._dataset.fingerprints
        return [prints[index] for index in self.indices.tolist()]

    def full_fingerprint(self, index: int) -> bytes:
        """A fingerprint of an item that is certain."""
        return self._dataset.full_fingerprint(int(self.indices[index]))


class Parts(NamedTuple):
    """A data set with its parts.

    Attributes:
        kind: what `recognise` calls it.
        train: the training part; all there is where the data has no parts.
        validation: for choosing between networks, if given apart.
        test: for judging the one that was chosen, if given apart.
        findings: what its owner should know.
        folders: part to the folder that was taken as it; empty where the parts are not folders.
    """

    kind: str
    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    findings: tuple[Finding, ...]
    folders: Mapping[str, str] = MappingProxyType({})


class _Names(Sequence[str]):
    """Names that are made when they are asked for: sixty thousand texts would take ten times their pictures' bytes."""

    def name(self, index: int) -> str:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.name(place) for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self.name(place)


class _Numbered(_Names):
    def __init__(self, source: str, length: int) -> None:
        self._source, self._length = source, length

    def __len__(self) -> int:
        return self._length

    def name(self, index: int) -> str:
        return f"{self._source}[{index}]"


class _Chosen(_Names):
    def __init__(self, names: Sequence[str], indices: Indices) -> None:
        self._names, self._indices = names, indices

    def __len__(self) -> int:
        return len(self._indices)

    def name(self, index: int) -> str:
        return self._names[int(self._indices[index])]


def _digest(content: Any) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _listed(noun: str, names: Sequence[str]) -> str:
    """Say which names, in a few words.

    Example:
        >>> _listed("class", ["a"]), _listed("class", ["a", "b"])
        ("class 'a' is", "classes 'a', 'b' are")
    """
    shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{noun} {shown} is" if len(names) == 1 else f"{noun}es {shown} are"
