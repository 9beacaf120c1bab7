"""What is held out of the pictures to train on, to validate by."""

import os

from cnncli.data import Finding, Parts, Reading, find_duplicates
from cnncli.data.boxes.dataset import Labelled
from cnncli.data.boxes.opening import BoxParts
from cnncli.data.datasets import Pictures
from cnncli.errors import ArgumentError, DataError
from cnncli.training.configuration import parse_share

FRACTION = 0.1  # share of the training data that is held out for validation by default


def held_out_share(val: str | None) -> float | None:
    """Return the share of an option; None for a path."""
    number = None if val is None or os.path.exists(val) else parse_share(val)
    if number is not None and not 0 <= number < 1:
        raise ArgumentError(f"val must be a share from 0 to below 1, such as 0.2 or 20%, or a data set, got {val!r}")
    return number


def read_alike(reading: Reading, train: Labelled) -> Reading:
    """Return how pictures are read so that they have the size, the channels and the scale of those to train on."""
    height, width, channels = train.shape
    return reading._replace(size=(height, width), channels=channels, scale=train.scale)


def check_held_out(path: str, given: Parts | BoxParts) -> None:
    """Refuse data to validate by whose only part beside the training part is its test part."""
    if given.validation is None and given.test is not None:
        raise DataError(
            f"{path}: has a training and a test part, but none to validate by, and a test part is not looked at while "
            "choosing: name the folder to validate by"
        )


def held_out_duplicates(train: Pictures, validation: Pictures, test: Pictures | None) -> list[Finding]:
    """Return the findings that pictures to validate by are in the training part or in the test part too."""
    found = [find_duplicates(train, validation)]
    if test is not None:
        found.append(find_duplicates(validation, test, "validation", "test"))
    return [*filter(None, found)]
