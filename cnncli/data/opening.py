"""Recognising the kind of a data set, and opening it.

To add a kind, write its module and enter it in `SOURCES`.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Unpack

import numpy as np

from cnncli.data import cifar, folder, idx, npz
from cnncli.data.arrays import one_line_errors
from cnncli.data.datasets import Dataset
from cnncli.data.findings import Finding, find_conflicts, find_duplicates, find_single_class, known_classes
from cnncli.data.listing import visible_folders
from cnncli.data.parts import Parts, find_parts
from cnncli.data.pictures import Reading, ReadingOptions
from cnncli.errors import DataError


class Source(NamedTuple):
    """A kind of data set.

    Attributes:
        about: the files that it consists of, for people.
        find: finds it at a path; returns an empty value or False if there is none.
        open: opens it as a `Reading` asks, or raises a `DataError` that names the file that is damaged, missing or too
            large; it may label by other classes than `reading.class_names`, which `open_dataset` translates.
        in_folder: whether it is a folder, or a file.
    """

    about: str
    find: Callable[[str], object]
    open: Callable[[str, Reading], Parts]
    in_folder: bool = True


def recognise(path: str | os.PathLike[str]) -> str:
    """Return the kind of the data set at a path: a name in `SOURCES`.

    Raises:
        DataError: there is nothing, or nothing known; the message says what was looked for.

    Example:
        >>> recognise("samples/digits")
        'folder'
    """
    place = os.fspath(path)
    with one_line_errors(place):
        if not os.path.exists(place):
            raise DataError(f"{place}: no such file or folder")
        for name, source in SOURCES.items():
            if (os.path.isdir if source.in_folder else os.path.isfile)(place) and source.find(place):
                return name
        raise _unknown_folder(place) if os.path.isdir(place) else _unknown(place)


def open_dataset(
    path: str | os.PathLike[str],
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    **options: Unpack[ReadingOptions],
) -> Parts:
    """Open a data set of labelled pictures: what `train` and `evaluate` call DATA.

    Args:
        path: a folder with a folder of pictures for each class, or with `train/` and `val/` or `test/` folders of such
            folders; a folder of MNIST's or CIFAR-10's files; an `.npz` file with `x` and `y`.
        reading: the size and channels that pictures get, and limits; the defaults unless given.
        **options: fields of `Reading` by name, such as `size=(64, 64)` or `class_names=model.class_names`.

    Returns:
        Its parts, and findings: corrupt pictures that were left out, the same picture in two parts or under two labels,
        a single class, classes that cannot be trained. Without `class_names`, the classes are those that the training
        part has pictures of.

    Raises:
        DataError: it cannot be read, or its classes are not among `class_names`.
        NoInputError: it holds no pictures.
        ImageError: a picture cannot be read, and `strict` refuses that.

    Example:
        >>> digits = open_dataset("samples/digits").train
        >>> digits, digits.class_names[:3], digits.images([0, 1]).shape
        (<FolderDataset: 400 pictures of 28x28x1, 10 classes>, ('0', '1', '2'), (2, 28, 28, 1))
    """
    place, reading = os.fspath(path), reading._replace(**options)
    kind = recognise(place)
    with one_line_errors(place):
        parts = _labelled(place, SOURCES[kind].open(place, reading), reading.class_names)
        return parts._replace(findings=(*parts.findings, *_findings_of(place, parts)))


def _findings_of(path: str, parts: Parts) -> list[Finding]:
    train, validation, test = parts.train, parts.validation, parts.test
    found = [find_single_class(path, train), find_conflicts(train)]
    found += [find_duplicates(train, other) for other in (validation, test) if other is not None]
    if validation is not None and test is not None:
        found.append(find_duplicates(validation, test, "validation", "test"))
    return [finding for finding in found if finding]


def _labelled(path: str, parts: Parts, class_names: Sequence[str] | None) -> Parts:
    """Return the parts labelled by the given classes, or by those that the training part has pictures of."""
    if class_names is None:
        return _with_trained_classes(path, parts)
    try:
        validation, test = (
            None if part is None else part.with_classes(class_names) for part in (parts.validation, parts.test)
        )
        return Parts(parts.train.with_classes(class_names), validation, test, parts.findings, parts.folders)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _with_trained_classes(path: str, parts: Parts) -> Parts:
    """Return the parts without classes that are never seen in training: no output is needed for them."""
    train = parts.train
    names = tuple(train.class_names[label] for label in np.flatnonzero(train.counts()).tolist())
    findings = list(parts.findings)
    if absent := tuple(name for name in train.class_names if name not in names):
        message = f"{path}: no pictures of class {', '.join(absent)} to train on: left out"
        findings.append(Finding("empty class", message, absent))
    held_out: list[Dataset | None] = []
    for part, dataset in (("validation", parts.validation), ("test", parts.test)):
        known, finding = (None, None) if dataset is None else known_classes(path, part, dataset, names)
        held_out.append(known)
        findings += [finding] if finding else []
    return Parts(train.with_classes(names), held_out[0], held_out[1], tuple(findings), parts.folders)


def _open_pair(path: str, reading: Reading) -> Parts:
    """Open a folder whose folders are parts: the others get the training part's size, channels and scale."""
    folders = find_parts(path)
    shown = " and ".join(f"{name}/" for name in folders.values())
    if "train" not in folders:
        raise DataError(f"{path}: has {shown}, but no part to train on: name one of them, or add train/")
    train = _open_part(os.path.join(path, folders["train"]), reading)
    height, width, channels = train.train.shape
    settled = reading._replace(size=(height, width), channels=channels, scale=train.train.scale)
    held_out, findings = {}, [*train.findings]
    for part in ("validation", "test"):
        if part in folders:
            opened = _open_part(os.path.join(path, folders[part]), settled)
            held_out[part] = opened.train
            findings += opened.findings
    if beside := tuple(name for name in visible_folders(path) if name not in folders.values()):
        findings.append(Finding("ignored", f"{path}: {', '.join(beside)} beside {shown} left out", beside))
    return Parts(train.train, held_out.get("validation"), held_out.get("test"), tuple(findings), folders)


def _open_part(path: str, reading: Reading) -> Parts:
    source = SOURCES[recognise(path)]
    if source.open is _open_pair:
        raise DataError(f"{path}: holds train and test folders of its own: give the folder above or this one")
    return source.open(path, reading)


def _unknown_folder(path: str) -> DataError:
    names = os.listdir(path)
    if not names:
        return DataError(f"{path}: is empty")
    if "batches.meta" in names or "data_batch_1" in names:
        return DataError(f"{path}: is CIFAR-10's Python version, which is read by running code; get the binary version")
    if pictures := folder.loose_pictures(path):
        return DataError(
            f"{path}: holds pictures ({pictures[0]}), but no class folders: put those of each class into a folder"
        )
    return _unknown(path)


def _unknown(path: str) -> DataError:
    wanted = "; ".join(source.about for source in SOURCES.values())
    return DataError(f"{path}: is not a known data set. Looked for: {wanted}")


SOURCES: dict[str, Source] = {
    "npz": Source("an .npz file with x and y", npz.is_npz, npz.open_npz, in_folder=False),
    "idx": Source("MNIST's train-images-idx3-ubyte and train-labels-idx1-ubyte", idx.find_files, idx.open_idx),
    "cifar": Source("CIFAR-10's data_batch_*.bin", cifar.find_files, cifar.open_cifar),
    "pair": Source("folders train and val or test, in any case and spelling", find_parts, _open_pair),
    "folder": Source("a folder of pictures for each class", visible_folders, folder.open_folder),
}
"""The kinds of data sets; the first that matches is taken."""
