"""Recognising a data set by looking, and opening it.

To add a kind, write its module and enter it in `SOURCES`.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from cnncli.data import cifar, folder, idx, npz
from cnncli.data.datasets import Dataset, Finding, Parts, Reading, Subset
from cnncli.data.findings import find_conflicts, find_duplicates
from cnncli.data.folder import Progress
from cnncli.data.listing import visible_folders
from cnncli.data.parts import find_parts
from cnncli.data.streams import reading as errors_in_a_line
from cnncli.errors import DataError


class Source(NamedTuple):
    """A kind of data set.

    Attributes:
        about: what has to be there, for people.
        matches: whether a path is one.
        open: open it whole.
    """

    about: str
    matches: Callable[[str], bool]
    open: Callable[[str, Reading, Sequence[str] | None, Progress | None], Parts]


def recognise(path: str | os.PathLike[str]) -> str:
    """Return the kind of data set that is at a path: a name in `SOURCES`.

    Raises:
        DataError: there is nothing, or nothing that is known; the message says what was looked for.

    Example:
        >>> recognise("samples/digits")  # doctest: +SKIP
        'folder'
    """
    place = os.fspath(path)
    with errors_in_a_line(place):
        if not os.path.exists(place):
            raise DataError(f"{place}: no such file or folder")
        for name, source in SOURCES.items():
            if source.matches(place):
                return name
        if os.path.isdir(place):
            raise _unknown_folder(place)
    raise DataError(f"{place}: is no data set: a file should be an .npz; everything else is a folder")


def open_dataset(
    path: str | os.PathLike[str],
    reading: Reading = Reading(),  # noqa: B008 -- a value that never changes
    *,
    class_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Parts:
    """Open a data set of any kind.

    Args:
        path: a folder, or an `.npz` file.
        reading: the size and channels that pictures get, and limits.
        class_names: classes to label by, such as those of a network; None for those of the data.
        progress: called with the files done and all files while a folder is checked.

    Returns:
        Its parts, and findings: corrupt pictures that were left out, the same picture in two parts or under two labels,
        a single class, classes that cannot be trained. Without `class_names`, the classes are those that the training
        part has pictures of.

    Raises:
        DataError: it cannot be read, or its classes are not among `class_names`.
        NoInputError: it holds no pictures.
        ImageError: a picture cannot be read, and `reading.strict` refuses that.

    Example:
        >>> parts = open_dataset("samples/digits")  # doctest: +SKIP
        >>> parts.train.shape, parts.train.class_names  # doctest: +SKIP
        ((16, 16, 1), ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'))
    """
    place = os.fspath(path)
    kind = recognise(place)
    with errors_in_a_line(place):
        parts = SOURCES[kind].open(place, reading, class_names, progress)
        if class_names is None:
            parts = _with_trained_classes(place, parts)
        return parts._replace(findings=(*parts.findings, *_findings_of(place, parts)))


def _findings_of(path: str, parts: Parts) -> list[Finding]:
    others = [part for part in (parts.validation, parts.test) if part is not None]
    found = [find_conflicts(parts.train), *(find_duplicates(parts.train, other) for other in others)]
    if parts.validation is not None and parts.test is not None:
        found.append(find_duplicates(parts.validation, parts.test, "validation", "test"))
    return [*_single_class(path, parts.train), *filter(None, found)]


def _with_trained_classes(path: str, parts: Parts) -> Parts:
    """Return the parts with the classes that there is something to learn of; no output is for what is never seen."""
    train = parts.train
    names = tuple(train.class_names[place] for place in np.flatnonzero(train.counts()).tolist())
    findings = list(parts.findings)
    absent = tuple(name for name in train.class_names if name not in names)
    if absent:
        message = f"{path}: no pictures of class {', '.join(absent)} to train on: left out"
        findings.append(Finding("empty class", message, absent))
    held_out: list[Dataset | None] = []
    for part, dataset in (("validation", parts.validation), ("test", parts.test)):
        known, finding = (None, None) if dataset is None else known_classes(path, part, dataset, names)
        held_out.append(known)
        findings += [finding] if finding else []
    return parts._replace(
        train=train.with_classes(names), validation=held_out[0], test=held_out[1], findings=tuple(findings)
    )


def known_classes(path: str, part: str, dataset: Dataset, names: Sequence[str]) -> tuple[Dataset, Finding | None]:
    """Return the pictures of a held-out part whose classes are known, and what is to be said of the others.

    Raises:
        DataError: there are no others.
    """
    known = np.isin(dataset.labels, [place for place, name in enumerate(dataset.class_names) if name in names])
    if known.all() or not known.any():
        try:
            return dataset.with_classes(names), None
        except DataError as error:
            raise DataError(f"{path}: {part} part: {error}") from error
    others = {dataset.class_names[label]: 0 for label in np.unique(dataset.labels[~known]).tolist()}
    count = int((~known).sum())
    noun = "1 picture" if count == 1 else f"{count:,} pictures"
    message = f"{path}: {noun} of class {', '.join(others)} in the {part} part alone: left out"
    kept = Subset(dataset, np.flatnonzero(known)).with_classes(names)
    return kept, Finding("empty class", message, tuple(others))


def _single_class(path: str, dataset: Dataset) -> list[Finding]:
    present = np.flatnonzero(dataset.counts()).tolist()
    if len(present) > 1:
        return []
    name = dataset.class_names[present[0]]
    message = f"{path}: all {len(dataset)} pictures are of one class, {name!r}: there is nothing to tell apart"
    return [Finding("single class", message, (name,))]


def _open_folder(path: str, reading: Reading, class_names: Sequence[str] | None, progress: Progress | None) -> Parts:
    dataset, findings = folder.open_folder(path, reading, class_names, progress)
    return Parts("folder", dataset, None, None, tuple(findings))


def _open_pair(path: str, reading: Reading, class_names: Sequence[str] | None, progress: Progress | None) -> Parts:
    """Open a folder whose folders are parts: the others get the training part's size, channels and scale."""
    folders = find_parts(path)
    if "train" not in folders:
        raise DataError(f"{path}: has {_shown(folders)}, but no part to train on: name one of them, or add train/")
    train = _whole(os.path.join(path, folders["train"]), reading, class_names, progress)
    height, width, channels = train.train.shape
    settled = reading._replace(size=(height, width), channels=channels, scale=train.train.scale)
    parts, findings = {}, [*train.findings]
    for part in ("validation", "test"):
        if part in folders:
            opened = _whole(os.path.join(path, folders[part]), settled, class_names, progress)
            parts[part], findings = opened.train, [*findings, *opened.findings]
    beside = [name for name in visible_folders(path) if name not in folders.values()]
    if beside:
        message = f"{path}: {', '.join(beside)} beside {_shown(folders)} left out"
        findings.append(Finding("ignored", message, tuple(beside)))
    return Parts("pair", train.train, parts.get("validation"), parts.get("test"), tuple(findings), folders)


def _shown(folders: dict[str, str]) -> str:
    return " and ".join(f"{name}/" for name in folders.values())


def _whole(path: str, reading: Reading, class_names: Sequence[str] | None, progress: Progress | None) -> Parts:
    kind = recognise(path)
    if kind == "pair":
        raise DataError(f"{path}: holds train and test folders of its own: give the folder above or this one")
    return SOURCES[kind].open(path, reading, class_names, progress)


def _is_pair(path: str) -> bool:
    return os.path.isdir(path) and bool(find_parts(path))


def _labelled_by(open_it: Callable[[str, Reading], Parts]) -> Callable[..., Parts]:
    """Open data that names its classes itself, then label it by the names that are asked for."""

    def open_labelled(
        path: str, reading: Reading, class_names: Sequence[str] | None, progress: Progress | None
    ) -> Parts:
        parts = open_it(path, reading)
        if class_names is None:
            return parts
        try:
            train, validation, test = (
                part and part.with_classes(class_names) for part in (parts.train, parts.validation, parts.test)
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        return Parts(parts.kind, train or parts.train, validation, test, parts.findings)

    return open_labelled


def _unknown_folder(path: str) -> DataError:
    names = os.listdir(path)
    if not names:
        return DataError(f"{path}: is empty")
    if "batches.meta" in names or "data_batch_1" in names:
        return DataError(f"{path}: is CIFAR-10's Python version, which is read by running code; get the binary version")
    pictures = folder.loose_pictures(path)
    if pictures:
        return DataError(
            f"{path}: holds pictures ({pictures[0]}), but no class folders: put those of each class into a folder"
        )
    wanted = "; ".join(source.about for source in SOURCES.values())
    return DataError(f"{path}: is no data set that is known. Looked for: {wanted}")


SOURCES: dict[str, Source] = {
    "npz": Source("an .npz file with x and y", npz.matches, _labelled_by(npz.open_npz)),
    "idx": Source(
        "MNIST's train-images-idx3-ubyte and train-labels-idx1-ubyte", idx.matches, _labelled_by(idx.open_idx)
    ),
    "cifar": Source("CIFAR-10's data_batch_*.bin", cifar.matches, _labelled_by(cifar.open_cifar)),
    "pair": Source("folders train and val or test, in any case and spelling", _is_pair, _open_pair),
    "folder": Source("a folder of pictures for each class", folder.holds_folders, _open_folder),
}
