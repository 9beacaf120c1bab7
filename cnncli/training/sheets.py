"""The sheet of a batch: the pictures that a network is fed."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Unpack

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import BoxDataset, Labelled
from cnncli.data.pictures import BYTES
from cnncli.data.resizing import resized
from cnncli.drawing.boxes import draw_boxes
from cnncli.drawing.canvas import GRID
from cnncli.drawing.sheets import Sheet
from cnncli.errors import ArgumentError
from cnncli.shapes import show_shape
from cnncli.threads import cores
from cnncli.training.batches import Batch, make_batches
from cnncli.training.configuration import Configuration, TrainingOptions
from cnncli.training.preparing.preparation import Preparation, prepare
from cnncli.training.watcher import Watcher

MOST = 64  # pictures on a sheet
IGNORED = "ignored"  # name of a crowd, or of a box of which too little is left


def batch_sheet(
    data: str | os.PathLike[str] | Labelled,
    *,
    jobs: int | None = None,
    watcher: Watcher | None = None,
    **options: Unpack[TrainingOptions],
) -> Array:
    """Return a sheet of the first batch of a training, as `cnncli train --show-batch` writes it: (H, W, 3) bytes.

    The pictures are resized and augmented as the network gets them, at most 64, below the names of their classes, or
    with the boxes that the network learns. Only the normalization is undone. Numbers without a scale of 0 to 255 are
    stretched from the batch's lowest to its highest.

    Args:
        data: as for `train`.
        jobs: threads that read pictures; None for the machine's cores.
        watcher: observer of the progress.
        **options: those of `train`.

    Raises:
        ArgumentError: an invalid option, a network that does not fit the data, or pictures of neither 1 nor 3 channels.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8, 1)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("even", "odd"), "patches")
        >>> batch_sheet(data, augment="shift", batch_size=4).shape[2]
        3
    """
    watcher = watcher or Watcher()
    preparation = prepare(Configuration(**options), data, jobs=jobs or cores(), progress=watcher.checking)
    watcher.prepared(preparation)
    if preparation.train.shape[2] not in (1, 3):
        raise ArgumentError(
            f"the pictures have {preparation.train.shape[2]} channels: a sheet shows pictures of 1 or 3"
        )
    with closing(make_batches(preparation, epoch=0)) as batches:
        batch = next(batches)
    return _sheet(preparation, batch, os.fspath(data) if isinstance(data, str | os.PathLike) else "data").pixels()


def _sheet(preparation: Preparation, batch: Batch, name: str) -> Sheet:
    shown, train, names = min(MOST, len(batch.items)), preparation.train, preparation.class_names
    changes = f", {preparation.changes}" if preparation.changes else ""
    note = f"{shown} of {len(train):,} training images, {show_shape(train.shape)}{changes}"
    with_boxes = isinstance(train, BoxDataset)
    if with_boxes:
        titles = [Path(train.names[item]).name for item in batch.items[:shown].tolist()]
    else:
        titles = [names[label] for label in batch.labels[:shown].tolist()]
    sheet = Sheet(f"{name}: the first batch", note, titles, [train.shape[:2]] * shown)
    for number, pixels in enumerate(_visible(preparation, batch.images[:shown])):
        if with_boxes:
            pixels = _with_boxes(pixels, batch.labels[number], names, sheet.scale)
        sheet.put(number, pixels if pixels.shape[2] == 3 else pixels[:, :, 0], size=train.shape[:2])
    return sheet


def _with_boxes(pixels: Array, rows: Array, class_names: Sequence[str], scale: float) -> Array:
    """Return a picture at the scale of a sheet, on which lines and letters are as sharp as the others of it."""
    if scale >= 1:
        pixels = pixels.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    else:
        pixels = resized(pixels, (round(scale * pixels.shape[0]), round(scale * pixels.shape[1])))
    boxes = Boxes.of_rows(rows)
    boxes = boxes._replace(places=boxes.places * scale)
    drawn = draw_boxes(pixels, boxes.chosen(boxes.crowd), [IGNORED], scores=False, color=GRID)
    return draw_boxes(drawn, boxes.chosen(~boxes.crowd), class_names, scores=False)


def _visible(preparation: Preparation, images: Array) -> Array:
    """Return normalised pictures as bytes."""
    normalization = preparation.normalization
    numbers = images * np.asarray(normalization.std) + np.asarray(normalization.mean)
    if preparation.train.scale != BYTES:
        low, high = float(numbers.min()), float(numbers.max())
        numbers = (numbers - low) * (255 / ((high - low) or 1))
    visible: Array = np.rint(numbers).clip(0, 255).astype(np.uint8)
    return visible
