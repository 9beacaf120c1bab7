"""A folder with a folder of pictures for each class, read as they are needed."""

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cnncli.data.datasets import Dataset, Labels, unknown_classes
from cnncli.data.files import CheckedFiles, FilePictures, check_pictures
from cnncli.data.findings import Finding
from cnncli.data.listing import RUN, counted, is_file, is_picture, is_system, list_pictures, visible_folders
from cnncli.data.parts import Parts
from cnncli.data.pictures import Reading
from cnncli.errors import DataError, NoInputError


class FolderDataset(FilePictures, Dataset):
    """Pictures in files, each of the class of its folder."""

    def __init__(self, files: CheckedFiles, labels: Labels, class_names: Sequence[str]) -> None:
        super().__init__(files)
        self.labels, self.class_names = labels, tuple(class_names)


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
    files = check_pictures(path, paths, reading)
    dataset = FolderDataset(files, labels[files.good].astype(np.int64), names)
    return Parts(dataset, findings=(*findings, *files.findings))


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
