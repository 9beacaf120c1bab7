"""The learning-rate range test: a short training whose rate grows, step by step, until the loss explodes."""

import math
import os
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple, Unpack

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.dataset import Labelled
from cnncli.engines.backends import Backend, lone_backend
from cnncli.errors import ArgumentError, TrainingError
from cnncli.threads import cores
from cnncli.training.batches import made_ready
from cnncli.training.configuration import Configuration, TrainingOptions
from cnncli.training.preparing.preparation import prepare
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import BatchReport, Watcher

LOWEST, HIGHEST, STEPS = 1e-5, 10.0, 150
"""Learning rates of the test, from and to, and its steps: 25 for each power of ten. With 15, networks that begin slowly
had not begun to learn when the rate was too large already."""

_SMOOTH = 4.0  # standard deviation, in steps, of the Gaussian that smooths the losses
_EXPLODED = 4.0  # times the lowest loss so far: from there on nothing is learnt
_MEMORY = 0.9  # of the running mean of the losses that tells when they explode
_LEAST_FALL = 0.02  # share of the first loss


class RateTest(NamedTuple):
    """The losses of a training whose learning rate grows.

    Attributes:
        rates: learning rate of each step; each is the one before times a constant factor.
        batch_losses: loss of each step's batch.
        losses: the same, smoothed over neighbouring steps.
        lr: the rate that suits, in two digits; None where the loss fell by less than its noise.
    """

    rates: tuple[float, ...]
    batch_losses: tuple[float, ...]
    losses: tuple[float, ...]
    lr: float | None


def find_learning_rate(
    data: str | os.PathLike[str] | Labelled,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    jobs: int | None = None,
    engine: str | Backend = "numpy",
    device: str = "auto",
    watcher: Watcher | None = None,
    **options: Unpack[TrainingOptions],
) -> RateTest:
    """Test which learning rate suits a training, as `cnncli train --find-lr` does; nothing is kept or written.

    The training takes the batches that `train` would, and its rate grows by a constant factor from step to step, until
    the loss is four times the lowest one (Smith 2017, arXiv:1506.01186). The losses are smoothed by a Gaussian over
    the steps. The rate that suits is the one at which they fall fastest, per factor of the rate, before their minimum.

    Args:
        data: as for `train`.
        lowest: learning rate of the first step.
        highest: learning rate of the last step.
        steps: number of steps, at least 10.
        jobs: processes and threads; None for the machine's cores.
        engine: a name in `ENGINES`, or a backend that is open.
        device: a name in `DEVICES`.
        watcher: observer of the progress.
        **options: those of `train`; `schedule`, `warmup` and `epochs` change nothing. `lr` only says how many times as
            large the rate of a head is.

    Raises:
        ArgumentError: an invalid option, or a network that does not fit the data.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.
        TrainingError: the loss is not finite from the beginning.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([10, 200] * 20, np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("dark", "bright"), "patches")
        >>> found = find_learning_rate(data, network="fc-2", optimizer="sgd", val="0")
        >>> 1e-4 < found.lr < 1, found.losses[0] > 2 * min(found.losses)
        (True, True)
    """
    if not (0 < lowest < highest < math.inf and steps >= 10):
        raise ArgumentError(
            f"the rates must grow from above 0, in 10 steps or more: got {lowest:g} to {highest:g} in {steps}"
        )
    rates = np.geomspace(lowest, highest, steps).tolist()
    with lone_backend(engine, device, "learning rates are tested") as backend:
        jobs, watcher = jobs or cores(), watcher or Watcher()
        preparation = prepare(Configuration(**options), data, jobs=jobs, progress=watcher.checking)
        watcher.prepared(preparation)
        with Trainer(preparation, jobs=jobs, watcher=watcher, backend=backend) as trainer:
            losses = np.array(list(_losses(trainer, rates)))
    if len(losses) < 10:
        raise TrainingError(
            f"the loss is not finite after {len(losses)} steps at learning rates up to {rates[len(losses)]:.2g}: "
            "look at the data and the network"
        )
    smoothed = smooth(losses)
    return RateTest(
        tuple(rates[: len(losses)]), tuple(losses.tolist()), tuple(smoothed.tolist()), suit(rates, losses, smoothed)
    )


def _losses(trainer: Trainer, rates: list[float]) -> Iterator[float]:
    """Yield the loss of each step, until it explodes."""
    mean, lowest, clip = 0.0, math.inf, trainer.preparation.configuration.clip_norm
    with closing(made_ready(trainer.endless_batches())) as batches:
        for step, (rate, batch) in enumerate(zip(rates, batches, strict=False)):
            result = trainer.compute(batch, step)
            mean = _MEMORY * mean + (1 - _MEMORY) * result.loss
            recent = mean / (1 - _MEMORY ** (step + 1))
            lowest = min(lowest, recent)
            if not result.finite or recent > _EXPLODED * lowest:
                return
            yield result.loss
            trainer.engine.update(step + 1, rate, clip)
            trainer.watcher.batch(BatchReport(1, step + 1, len(rates), recent, {}, 0.0))


def smooth(losses: Array) -> Array:
    """Return losses (n,), each averaged with its neighbours; at the ends, with those that there are.

    Example:
        >>> smooth(np.ones(20)).round(6).tolist() == [1.0] * 20
        True
    """
    places = np.arange(len(losses))
    weights = np.exp(-0.5 * ((places[:, np.newaxis] - places) / _SMOOTH) ** 2)
    smoothed: Array = weights @ losses / weights.sum(axis=1)
    return smoothed


def suit(rates: list[float], losses: Array, smoothed: Array) -> float | None:
    """Return the rate at which smoothed losses fall fastest, before their minimum; None where they hardly fall."""
    lowest = int(smoothed.argmin())
    fall, noise = smoothed[0] - smoothed[lowest], float(np.std((losses - smoothed)[: lowest + 1]))
    if fall <= max(noise, _LEAST_FALL * smoothed[0]):
        return None
    slopes = np.gradient(smoothed)[: lowest + 1]
    return float(f"{rates[int(slopes.argmin())]:.1e}")
