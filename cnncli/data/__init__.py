"""Labelled pictures: folders, MNIST's and CIFAR-10's files, arrays; recognised by looking."""

from cnncli.data.base import ArrayDataset, Dataset, Finding, Parts, Reading, Subset
from cnncli.data.duplicates import find_conflicts, find_duplicates
from cnncli.data.folder import FolderDataset
from cnncli.data.opening import SOURCES, known_classes, open_dataset, recognise
from cnncli.data.pictures import read_picture
from cnncli.data.resizing import RESIZES
from cnncli.data.scale import BYTES, SCALES

__all__ = [
    "BYTES",
    "RESIZES",
    "SCALES",
    "SOURCES",
    "ArrayDataset",
    "Dataset",
    "Finding",
    "FolderDataset",
    "Parts",
    "Reading",
    "Subset",
    "find_conflicts",
    "find_duplicates",
    "known_classes",
    "open_dataset",
    "read_picture",
    "recognise",
]
