"""Arrays of pictures and labels, as data files hold them, made into data sets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.data.datasets import ArrayDataset, Finding, Labels, Parts, Reading, raw_finding
from cnncli.data.naming import natural_key
from cnncli.data.resizing import resized_all
from cnncli.data.scale import BYTES, RAW, find_factor
from cnncli.errors import DataError

Array = NDArray[Any]
ArrayParts = dict[str, tuple[Array, Array, str]]
"""Part (`train`, `validation`, `test`) to pictures, labels and the name of their source."""

_STEP = 1024


def array_parts(
    kind: str,
    path: str,
    arrays: ArrayParts,
    how: Reading,
    findings: list[Finding],
    class_names: tuple[str, ...] | None = None,
) -> Parts:
    """Return the parts of a data set from its arrays.

    Args:
        kind: what `recognise` calls it.
        path: what messages call it.
        arrays: what its files hold.
        how: size and channels that pictures get.
        findings: what is known of it already.
        class_names: the names that the labels are places in; None where the labels are the names.

    Raises:
        DataError: shapes that are not those of pictures and labels, or numbers that are not finite.
    """
    labels = {part: _check_labels(labels, len(images), source) for part, (images, labels, source) in arrays.items()}
    names = class_names or _names_of(list(labels.values()))
    sets = {}
    for images, _, source in arrays.values():
        _check_pictures(images, source)
    factors = _find_factors([images for images, _, _ in arrays.values()], how.scale, path)
    scale = RAW if None in factors.values() else BYTES
    for part in list(arrays):
        images, _, source = arrays.pop(part)  # what is converted is needed no longer
        pixels = _pixels(images, factors[images.dtype.kind] or 1, how, source)
        places = labels[part].astype(np.int64) if class_names else _places(labels[part], names)
        sets[part] = ArrayDataset(pixels, places, names, source, scale)
    findings += [_scale_finding(path, factor) for factor in factors.values() if factor != 1]
    first = next(sets[part] for part in ("train", "validation", "test") if part in sets)
    rest = {part: data for part, data in sets.items() if data is not first}
    return Parts(kind, first, rest.get("validation"), rest.get("test"), tuple(findings))


def _check_labels(labels: Array, items: int, source: str) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise DataError(
            f"{source}: labels should be (N,) integers or texts, found {labels.dtype} of shape {labels.shape}"
            f"{_label_advice(labels)}"
        )
    if len(labels) != items:
        raise DataError(f"{source}: {items} pictures, but {len(labels)} labels")
    if not items:
        raise DataError(f"{source}: holds no pictures")
    return labels


def _label_advice(labels: Array) -> str:
    """Return how to make labels of what is often found in their place."""
    if labels.ndim == 2:
        return ": of one-hot rows y.argmax(axis=1) makes them"
    whole = labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all())
    return ": y.astype(int) makes them" if whole else ""


def _names_of(labels: list[Array]) -> tuple[str, ...]:
    values = {str(value) for part in labels for value in np.unique(part).tolist()}
    if all(part.dtype.kind in "iu" for part in labels):
        return tuple(str(value) for value in sorted(map(int, values)))
    return tuple(sorted(values, key=natural_key))


def _places(labels: Array, names: tuple[str, ...]) -> Labels:
    values, inverse = np.unique(labels, return_inverse=True)
    places = np.array([names.index(str(value)) for value in values.tolist()], np.int64)
    found: Labels = places[inverse]
    return found


def _find_factors(images: list[Array], scale: str | None, path: str) -> dict[str, float | None]:
    """What the pixels of all parts are multiplied by, the same for all of a kind of number: their extremes tell it."""
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


def _pixels(images: Array, factor: float, how: Reading, source: str) -> Array:
    """Pictures as (N, H, W, C), uint8 or float32, of the size and channels asked for."""
    images = _check_pictures(images, source)
    if factor == 1 and images.dtype.kind in "iu" and images.min() >= 0 and images.max() <= 255:
        images = images.astype(np.uint8, copy=False)
    if images.dtype != np.uint8:
        images = _floats(images, factor, source)
    if how.size is not None:
        images = resized_all(images, how.size, how.resize)
    channels = images.shape[3]
    if how.channels in (None, channels):
        return images
    if channels == 1:
        return np.repeat(images, how.channels or 1, axis=3)
    if how.channels == 1 and channels == 3:
        return _gray(images)
    raise DataError(f"{source}: pictures have {channels} channels where {how.channels} are asked for")


def _check_pictures(images: Array, source: str) -> Array:
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
        with np.errstate(over="ignore"):  # what is too large is found in the next line
            np.multiply(images[start : start + _STEP], factor, out=part, casting="unsafe")
        finite = np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if not finite.all():
            raise DataError(f"{source}[{start + int(finite.argmin())}]: holds numbers that are not finite")
    return floats


def _gray(images: Array) -> Array:
    from cnncli.images.frames import luma

    whole = np.empty((*images.shape[:3], 1), images.dtype)
    for target, image in zip(whole, images, strict=True):
        target[..., 0] = luma(image)
    return whole
