"""Data files that hold arrays of pictures and labels: read with care, and made into data sets."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data.datasets import ArrayDataset, Labels
from cnncli.data.findings import Finding, raw_finding
from cnncli.data.listing import natural_key
from cnncli.data.parts import Parts
from cnncli.data.pictures import BYTES, RAW, Reading, find_factor
from cnncli.data.resizing import resized_all
from cnncli.errors import CnncliError, DataError
from cnncli.images.frames import luma

_STEP = 1024  # pictures converted at a time
_DEFLATE_LIMIT = 1032  # deflate expands no byte to more (zlib's technical notes)
_SLACK = 4096
# A file may unfold to the larger of these bytes and this multiple of its size: pictures shrink to a tenth at best.
_UNFOLDED, _UNFOLDING = 1 << 28, 100
_PIECE = 1 << 20


class LabelledArrays(NamedTuple):
    """Pictures (N, H, W[, C]) and labels (N[, 1]) as a data file holds them, and their name in messages."""

    images: Array
    labels: Array
    source: str


def array_parts(
    path: str, arrays: dict[str, LabelledArrays], reading: Reading, class_names: tuple[str, ...] | None = None
) -> Parts:
    """Return the parts of a data set from its arrays, which are taken out of the mapping, to free memory early.

    Args:
        path: name of the data in messages.
        arrays: part (`train`, `validation`, `test`) to its pictures and labels.
        reading: the size, channels and scale that pictures get.
        class_names: the names that the labels are indices of; None where the labels are the names.

    Raises:
        DataError: shapes that are not those of pictures and labels, or numbers that are not finite.
    """
    labels = {part: _checked_labels(found) for part, found in arrays.items()}
    names = class_names or _class_names(list(labels.values()))
    for found in arrays.values():
        _checked_pictures(found.images, found.source)
    factors = _find_factors([found.images for found in arrays.values()], reading.scale, path)
    scale = RAW if None in factors.values() else BYTES
    sets = {}
    for part in list(arrays):
        found = arrays.pop(part)  # freed once it is converted
        pixels = _pixels(found.images, factors[found.images.dtype.kind] or 1, reading, found.source)
        indices = labels[part].astype(np.int64) if class_names else _indices(labels[part], names)
        sets[part] = ArrayDataset(pixels, indices, names, found.source, scale)
    findings = tuple(_scale_finding(path, factor) for factor in factors.values() if factor != 1)
    first = next(part for part in ("train", "validation", "test") if part in sets)
    train = sets.pop(first)
    return Parts(train, sets.get("validation"), sets.get("test"), findings)


def _checked_labels(found: LabelledArrays) -> Array:
    images, labels, source = found
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise DataError(
            f"{source}: labels should be (N,) integers or texts, found {labels.dtype} of shape {labels.shape}"
            f"{_label_advice(labels)}"
        )
    if len(labels) != len(images):
        raise DataError(f"{source}: {len(images)} pictures, but {len(labels)} labels")
    if not len(images):
        raise DataError(f"{source}: holds no pictures")
    return labels


def _label_advice(labels: Array) -> str:
    """Return how to turn common mistakes into labels."""
    if labels.ndim == 2:
        return ": for one-hot rows, y.argmax(axis=1) gives them"
    whole = labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all())
    return ": y.astype(int) gives them" if whole else ""


def _class_names(labels: Sequence[Array]) -> tuple[str, ...]:
    values = {str(value) for part in labels for value in np.unique(part).tolist()}
    if all(part.dtype.kind in "iu" for part in labels):
        return tuple(sorted(values, key=int))
    return tuple(sorted(values, key=natural_key))


def _indices(labels: Array, names: tuple[str, ...]) -> Labels:
    values, inverse = np.unique(labels, return_inverse=True)
    found: Labels = np.array([names.index(str(value)) for value in values.tolist()], np.int64)[inverse]
    return found


def _find_factors(images: Sequence[Array], scale: str | None, path: str) -> dict[str, float | None]:
    """Return the factor for each kind of number, the same in all parts: the extremes of all decide it."""
    ends: dict[str, list[Any]] = {}
    for array in images:
        ends.setdefault(array.dtype.kind, []).extend((array.min(), array.max()))
    factors = {kind: find_factor(np.array(found), scale, path) for kind, found in ends.items()}
    if scale is None and None in factors.values():
        factors = {kind: find_factor(np.array(found), RAW, path) for kind, found in ends.items()}
    return factors


def _scale_finding(path: str, factor: float | None) -> Finding:
    if factor is None:
        return raw_finding(path)
    scale = "0 to 1" if factor > 1 else "0 to 65,535"
    return Finding("scale", f"{path}: pixels from {scale} are put on the scale 0 to 255, that of picture files")


def _pixels(images: Array, factor: float, reading: Reading, source: str) -> Array:
    """Return pictures as (N, H, W, C), uint8 or float32, of the size and channels asked for."""
    images = _checked_pictures(images, source)
    if factor == 1 and images.dtype.kind in "iu" and images.min() >= 0 and images.max() <= 255:
        images = images.astype(np.uint8, copy=False)
    if images.dtype != np.uint8:
        images = _floats(images, factor, source)
    if reading.size is not None:
        images = resized_all(images, reading.size, reading.resize)
    channels = images.shape[3]
    if reading.channels in (None, channels):
        return images
    if channels == 1:
        return np.repeat(images, reading.channels or 1, axis=3)
    if reading.channels == 1 and channels == 3:
        return _gray(images)
    raise DataError(f"{source}: pictures have {channels} channels where {reading.channels} are asked for")


def _checked_pictures(images: Array, source: str) -> Array:
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype.kind not in "iubf" or images.ndim != 4 or 0 in images.shape:
        raise DataError(
            f"{source}: pictures should be numbers of shape (N, H, W) or (N, H, W, C), found {images.dtype} of shape "
            f"{images.shape}"
        )
    if images.shape[1] in (1, 3) and images.shape[2] > 4 and images.shape[3] > 4:
        raise DataError(
            f"{source}: pictures of shape {images.shape[1:]} seem to have their channels first; they belong last: "
            "x.transpose(0, 2, 3, 1)"
        )
    return images


def _floats(images: Array, factor: float, source: str) -> Array:
    floats = np.empty(images.shape, np.float32)
    for start in range(0, len(images), _STEP):
        part = floats[start : start + _STEP]
        with np.errstate(over="ignore"):  # the next line finds numbers that are too large
            np.multiply(images[start : start + _STEP], factor, out=part, casting="unsafe")
        finite = np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if not finite.all():
            raise DataError(f"{source}[{start + int(finite.argmin())}]: holds numbers that are not finite")
    return floats


def _gray(images: Array) -> Array:
    whole = np.empty((*images.shape[:3], 1), images.dtype)
    for target, image in zip(whole, images, strict=True):
        target[..., 0] = luma(image)
    return whole


def check_size(name: str, claimed: int, stored: int, max_bytes: int, *, unpack: str | None) -> None:
    """Refuse an array whose header claims more bytes than can be stored, or too many, before any memory is taken.

    `unpack` is the command that would store it uncompressed; None where it is.

    Raises:
        DataError: the header cannot be true, or the array is too large.
    """
    room = stored * _DEFLATE_LIMIT + _SLACK if unpack else stored
    if claimed > room:
        raise DataError(f"{name}: truncated or damaged: its header claims {claimed:,} bytes, more than it can hold")
    if claimed > max_bytes:
        raise DataError(
            f"{name}: holds {claimed:,} bytes, over the limit of {max_bytes:,} for data kept in memory; "
            "a folder of pictures is read as needed"
        )
    if unpack and claimed > max(_UNFOLDED, stored * _UNFOLDING):
        raise DataError(
            f"{name}: {stored:,} bytes unfold to {claimed:,}, over the limit of {_UNFOLDING} times for more than "
            f"{_UNFOLDED:,}; if that is intended, store it uncompressed ({unpack})"
        )


def read_exactly(stream: BinaryIO | Any, size: int, name: str) -> NDArray[np.uint8]:
    """Read a number of bytes, a piece at a time, so that a file that ends early takes no memory for the rest.

    Raises:
        DataError: the file ends before.
    """
    whole = np.empty(size, np.uint8)
    done = 0
    while done < size:
        piece = stream.read(min(_PIECE, size - done))
        if not piece:
            raise DataError(f"{name}: truncated: ends after {done:,} of {size:,} bytes")
        whole[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    return whole


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Turn the errors of reading a data file into `DataError`s of one line."""
    try:
        yield
    except CnncliError:
        raise
    except MemoryError as error:
        raise DataError(f"{name}: does not fit into memory") from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name}: cannot be read: {reason}") from error
