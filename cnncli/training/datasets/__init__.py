"""Labelled pictures: folders, MNIST's and CIFAR-10's files, arrays; recognised by looking."""

from cnncli.training.datasets.base import ArrayDataset, Dataset, Finding, Parts, Reading, Subset
from cnncli.training.datasets.duplicates import find_conflicts, find_duplicates
from cnncli.training.datasets.folder import FolderDataset
from cnncli.training.datasets.opening import SOURCES, open_dataset, recognise
from cnncli.training.datasets.pictures import read_picture
from cnncli.training.datasets.resizing import RESIZES

__all__ = [
    "RESIZES",
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
    "open_dataset",
    "read_picture",
    "recognise",
]
