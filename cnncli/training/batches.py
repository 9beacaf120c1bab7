"""Batches of an epoch: shuffled, augmented, normalised, and made ready while another is learnt from."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data.augmentation import augment, augment_boxes
from cnncli.data.randomness import ItemRandom
from cnncli.training.preparing.preparation import Preparation, batch_starts

Indices = NDArray[np.int64]

# Share of the time of a batch: a thread that saves less would only get in the way of the computation.
_WORTH_A_THREAD = 0.2


class Batch(NamedTuple):
    """Pictures of one step: their indices (n,) in the training part, pixels and labels.

    The pixels, (n, H, W, C) float32, are augmented and normalised; each of several processes has its part of them. The
    labels, (n,) classes or (n, M, 5) boxes, are those of the augmented pictures.
    """

    items: Indices
    images: Array
    labels: Array


Batches = Generator[Batch, None, None]


def epoch_order(items: int, seed: int, epoch: int) -> Indices:
    """Return all items in the random order of an epoch, the same on every machine.

    Example:
        >>> sorted(epoch_order(5, seed=1, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    random = ItemRandom(seed, epoch, np.arange(items), "order").uniform(0)
    return np.argsort(random, kind="stable").astype(np.int64)


def make_batches(
    preparation: Preparation,
    epoch: int,
    first: int = 0,
    part: Callable[[int], slice] | None = None,
    *,
    known: Array | None = None,
) -> Batches:
    """Yield the batches of an epoch, counted from 0, from a given one on.

    A batch depends on the seed, the epoch and its number alone. With several processes, `part` returns the slice of a
    batch that this one makes. Where what the network takes of every picture is known (N, ...), no picture is read.
    """
    options, dataset = preparation.configuration, preparation.train
    order = epoch_order(len(dataset), options.seed, epoch)
    starts = batch_starts(len(dataset), preparation.batch_size)
    for items in np.split(order, starts[1:])[first:]:
        mine = items if part is None else items[part(len(items))]
        if known is None:
            images = dataset.images(mine)
            images = augment(images, preparation.augmentations, seed=options.seed, epoch=epoch, items=mine)
            images = preparation.normalization.apply(images)
        yield Batch(items, images if known is None else known[mine], _labels(preparation, epoch, items))


def _labels(preparation: Preparation, epoch: int, items: Indices) -> Array:
    """Return the labels of a batch; boxes move with their pictures."""
    labels = preparation.train.labels[items]
    if labels.ndim == 1:
        return labels
    size, changes, seed = preparation.train.shape[:2], preparation.augmentations, preparation.configuration.seed
    return augment_boxes(labels, size, changes, seed=seed, epoch=epoch, items=items)


def made_ready(batches: Batches) -> Batches:
    """Yield the batches of an iterator; where making them takes long, a thread makes some ahead until it is closed."""
    making = used = 0.0
    while making <= _WORTH_A_THREAD * (making + used):
        begin = time.perf_counter()
        batch = next(batches, None)
        made = time.perf_counter()
        if batch is None:
            return
        yield batch
        making, used = making + made - begin, used + time.perf_counter() - made
    yield from _made_ahead(batches)


def _made_ahead(batches: Batches) -> Batches:
    waiting: queue.Queue[Batch | BaseException | None] = queue.Queue(2)
    done = threading.Event()

    def make() -> None:
        last: BaseException | None = None
        try:
            for batch in batches:
                waiting.put(batch)
                if done.is_set():
                    return
        except BaseException as error:  # raised where the batch would have been
            last = error
        waiting.put(last)

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while isinstance(batch := waiting.get(), Batch):
            yield batch
        if batch is not None:
            raise batch
    finally:
        done.set()
        while thread.is_alive():  # it may be waiting for room
            with suppress(queue.Empty):
                waiting.get_nowait()
            thread.join(0.01)
