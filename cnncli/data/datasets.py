"""Data sets: labelled pictures, in memory or read as they are needed."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data.pictures import BYTES
from cnncli.data.resizing import Size, resized_all
from cnncli.errors import DataError

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Shape = tuple[int, int, int]

_CHUNK_BYTES = 8 << 20


class Pictures(ABC):
    """Pictures of one size, numbered; what is known about each of them is for subclasses.

    Attributes:
        shape: (H, W, C) of every picture.
        names: a name for each item, for messages.
        fingerprint_kind: source of the fingerprints: `pixels` or `file`.
        scale: the meaning of the numbers: a word of `SCALES`.
    """

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
        return len(self.names)

    def chunks(self) -> Iterator[tuple[Indices, Array]]:
        """Yield all items in order, as indices and pictures, a few megabytes at a time."""
        step = max(1, _CHUNK_BYTES // (4 * int(np.prod(self.shape))))
        for start in range(0, len(self), step):
            indices = np.arange(start, min(start + step, len(self)))
            yield indices, self.images(indices)

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """16 bytes for each item: the same for the same content, on every machine."""
        return self.pixel_fingerprints()

    def pixel_fingerprints(self) -> list[bytes]:
        """Return 16 bytes for each item, of its pixels."""
        return [_digest(np.ascontiguousarray(image)) for _, images in self.chunks() for image in images]

    def full_fingerprint(self, index: int) -> bytes:
        """Return a certain fingerprint of an item, where `fingerprints` holds quick ones."""
        return self.fingerprints[index]


class Dataset(Pictures):
    """Labelled pictures.

    Attributes:
        labels: (N,), the index of each item's class in `class_names`.
        class_names: the classes in order.
    """

    labels: Labels
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        size, classes = "x".join(map(str, self.shape)), len(self.class_names)
        return f"<{type(self).__name__}: {len(self):,} pictures of {size}, {classes} class{'es' * (classes != 1)}>"

    def take(self, indices: Any) -> "Dataset":
        """Return the data set of some of the items, in the order of their indices."""
        return Subset(self, indices)

    def counts(self) -> Labels:
        """Return the number of items of each class."""
        return np.bincount(self.labels, minlength=len(self.class_names)).astype(np.int64)

    def with_classes(self, class_names: Sequence[str]) -> Self:
        """Return the same items, labelled by the index of their class in another list of classes.

        Raises:
            DataError: an item's class is not in the list.
        """
        index = {name: label for label, name in enumerate(class_names)}
        present = np.unique(self.labels).tolist()
        unknown = [self.class_names[label] for label in present if self.class_names[label] not in index]
        if unknown:
            raise DataError(unknown_classes(unknown, class_names))
        table = np.array([index.get(name, -1) for name in self.class_names], np.int64)
        other = copy.copy(self)
        other.labels, other.class_names = table[self.labels], tuple(class_names)
        return other


class ArrayDataset(Dataset):
    """Pictures in memory.

    Args:
        pixels: (N, H, W, C), uint8 or float32.
        labels: (N,) indices into `class_names`.
        class_names: the classes in order.
        source: name of the data in messages.
        scale: the meaning of the numbers: a word of `SCALES`.

    Example:
        >>> data = ArrayDataset(np.zeros((2, 3, 3, 1), np.uint8), np.array([1, 0]), ("cat", "dog"), "pets.npz")
        >>> data, data.names[1], data.images([0]).shape
        (<ArrayDataset: 2 pictures of 3x3x1, 2 classes>, 'pets.npz[1]', (1, 3, 3, 1))
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
        self.names: Sequence[str] = _Names(len(labels), partial("{}[{}]".format, source))

    def images(self, indices: Any) -> Array:
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
        self.names = _Names(len(self.indices), partial(_chosen_name, dataset.names, self.indices))
        self.fingerprint_kind, self.scale = dataset.fingerprint_kind, dataset.scale

    def images(self, indices: Any) -> Array:
        return self._dataset.images(self.indices[np.asarray(indices, np.intp)])

    @cached_property
    def fingerprints(self) -> list[bytes]:
        prints = self._dataset.fingerprints
        return [prints[index] for index in self.indices.tolist()]

    def full_fingerprint(self, index: int) -> bytes:
        return self._dataset.full_fingerprint(int(self.indices[index]))


class Resized(Dataset):
    """A data set whose pictures are brought to another size as they are read.

    Example:
        >>> data = ArrayDataset(np.ones((1, 2, 2, 1), np.uint8), np.array([0]), ("a",), "x")
        >>> Resized(data, (2, 4), "pad").images([0])[0, :, :, 0].tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
    """

    def __init__(self, dataset: Dataset, size: Size, how: str) -> None:
        self._dataset, self._size, self._how = dataset, size, how
        self.labels, self.class_names, self.names = dataset.labels, dataset.class_names, dataset.names
        self.shape = (*size, dataset.shape[2])
        self.fingerprint_kind, self.scale = dataset.fingerprint_kind, dataset.scale

    def images(self, indices: Any) -> Array:
        return resized_all(self._dataset.images(indices), self._size, self._how)

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """Those of the pixels as they are read here; those of the files where files are told apart."""
        return self.pixel_fingerprints() if self.fingerprint_kind == "pixels" else self._dataset.fingerprints

    def full_fingerprint(self, index: int) -> bytes:
        is_file = self.fingerprint_kind != "pixels"
        return self._dataset.full_fingerprint(index) if is_file else self.fingerprints[index]


class _Names(Sequence[str]):
    """Names made when they are asked for: sixty thousand texts would take ten times the bytes of their pictures."""

    def __init__(self, length: int, name: Callable[[int], str]) -> None:
        self._length, self._name = length, name

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        chosen = range(self._length)[index]  # raises IndexError
        return self._name(chosen) if isinstance(chosen, int) else list(map(self._name, chosen))


def _chosen_name(names: Sequence[str], indices: Indices, index: int) -> str:
    return names[int(indices[index])]


def _digest(content: Any) -> bytes:
    return blake2b(content, digest_size=16).digest()


def unknown_classes(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Return which classes are not among the known ones, and what those are, a few of each.

    Example:
        >>> unknown_classes(["a"], ["b", "c"]), unknown_classes(["a", "b"], ["c"])
        ("class 'a' is not among the known ones: b, c", "classes 'a', 'b' are not among the known ones: c")
    """
    shown = ", ".join(repr(name) for name in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    names = ", ".join(known[:20]) + (f" and {len(known) - 20:,} more" if len(known) > 20 else "")
    what = f"class {shown} is" if len(unknown) == 1 else f"classes {shown} are"
    return f"{what} not among the known ones: {names}"
