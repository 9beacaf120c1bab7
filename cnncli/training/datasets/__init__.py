"""Labelled pictures: folders, MNIST's and CIFAR-10's files, arrays; recognised by looking."""

from cnncli.training.datasets.base import ArrayDataset, Dataset, Finding, Parts, Reading, Subset
from cnncli.training.datasets.duplicates import find_conflicts, find_duplicates
from cnncli.training.datasets.folder import FolderDataset
from cnncli.training.datasets.opening import SOURCES, known_classes, open_dataset, recognise
from cnncli.training.datasets.pictures import read_picture
from cnncli.training.datasets.resizing import RESIZES
from cnncli.training.datasets.scale import BYTES, SCALES

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
