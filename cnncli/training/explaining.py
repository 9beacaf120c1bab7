"""One step of a training with its numbers: what the optimizer makes of a few gradients."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby, islice
from math import prod
from typing import NamedTuple, Unpack

import numpy as np

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import Labelled
from cnncli.engines.backends import Backend, lone_backend
from cnncli.engines.engine import Engine
from cnncli.engines.formulas import Line, short, worked_out
from cnncli.engines.optimizers import CLIPPING, Optimizer, clip_by_norm
from cnncli.errors import ArgumentError, TrainingError
from cnncli.networks.heads import head_names
from cnncli.threads import cores
from cnncli.training.batches import Batch, made_ready
from cnncli.training.configuration import Configuration, TrainingOptions
from cnncli.training.preparing.preparation import Preparation, prepare
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import BatchReport, Watcher

WEIGHTS = 2
"""Weights of each layer that are shown."""


class ExplainedWeight(NamedTuple):
    """One weight in one step.

    Attributes:
        array: name of its array.
        place: its indices there.
        gradient: slope of the batch's mean loss, before it is clipped.
        lr: its learning rate, which that of a new head may exceed.
        before: its value before the step.
        after: its value after the step.
        state_before: what the optimizer kept for it, by name.
        state_after: the same after the step.
        lines: the formulas of the step in order, with numbers.
    """

    array: str
    place: tuple[int, ...]
    gradient: float
    lr: float
    before: float
    after: float
    state_before: Mapping[str, float]
    state_after: Mapping[str, float]
    lines: tuple[Line, ...]

    @property
    def layer(self) -> str:
        """The layer that it belongs to."""
        return self.array.rpartition(".")[0]


class StepExplanation(NamedTuple):
    """One step of a training.

    Attributes:
        step: its number, from 1.
        steps: all steps of the training.
        epoch: its epoch, from 1.
        batch: its number in the epoch, from 1.
        files: the batch's images.
        labels: the class of each, or the number of its boxes in words.
        loss: mean loss of the batch, before the step.
        rate: the learning rate; its formula says in words where in the schedule it is.
        norm: norm of all gradients.
        clip_norm: the norm that they are clipped to; None where they are not clipped.
        optimizer: the optimizer.
        formulas: the formulas of the step, of which the lines of each weight are made.
        weights: for each layer, the weights with the largest gradients.
    """

    step: int
    steps: int
    epoch: int
    batch: int
    files: tuple[str, ...]
    labels: tuple[str, ...]
    loss: float
    rate: Line
    norm: float
    clip_norm: float | None
    optimizer: Optimizer
    formulas: tuple[str, ...]
    weights: tuple[ExplainedWeight, ...]


def explain_step(
    data: str | os.PathLike[str] | Labelled,
    step: int = 1,
    *,
    weights: int = WEIGHTS,
    jobs: int | None = None,
    engine: str | Backend = "numpy",
    device: str = "auto",
    watcher: Watcher | None = None,
    **options: Unpack[TrainingOptions],
) -> StepExplanation:
    """Train up to a step, and work it out for a few weights, as `cnncli train --explain-step` does; nothing is kept.

    The steps are those of `train` with the same options, bit for bit.

    Args:
        data: as for `train`.
        step: number of the step, from 1.
        weights: how many weights of each layer are shown, those with the largest gradients.
        jobs: processes and threads; None for the machine's cores.
        engine: a name in `ENGINES`, or a backend that is open.
        device: a name in `DEVICES`.
        watcher: observer of the progress.
        **options: those of `train`.

    Raises:
        ArgumentError: an invalid option, a network that does not fit the data, or a step after the last one.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.
        TrainingError: the loss is not finite.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([10, 200] * 20, np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("dark", "bright"), "patches")
        >>> found = explain_step(data, network="fc-2", optimizer="sgd", lr=0.5, schedule="constant", val="0")
        >>> first = found.weights[0]
        >>> first.lines[-1].formula, abs(first.after - (first.before - 0.5 * first.gradient)) < 1e-6
        ('W - lr * dW', True)
    """
    if step < 1 or weights < 1:
        raise ArgumentError(f"step and weights must be at least 1, got step {step} and {weights} weights")
    with lone_backend(engine, device, "a step is explained") as backend:
        jobs, watcher = jobs or cores(), watcher or Watcher()
        preparation = prepare(Configuration(**options), data, jobs=jobs, progress=watcher.checking)
        watcher.prepared(preparation)
        steps = preparation.epochs * preparation.steps_per_epoch
        if step > steps:
            raise ArgumentError(
                f"step {step} is after the last: {preparation.epochs} epochs of {preparation.steps_per_epoch} batches "
                f"are {steps} steps"
            )
        with Trainer(preparation, jobs=jobs, watcher=watcher, backend=backend) as trainer:
            return _explained(trainer, step, weights)


def _explained(trainer: Trainer, step: int, weights: int) -> StepExplanation:
    """Take the steps before the one to explain, and explain it."""
    clip = trainer.preparation.configuration.clip_norm
    with closing(made_ready(trainer.endless_batches())) as batches:
        for number, batch in enumerate(islice(batches, step)):
            loss = _loss(trainer, batch, number)
            if number + 1 == step:
                return _worked_out(trainer, batch, number, loss, weights)
            trainer.engine.update(number + 1, _rate(trainer, number).value, clip)
            trainer.watcher.batch(BatchReport(1, number + 1, step, loss, {}, 0.0))
    raise AssertionError("batches never end")


def _loss(trainer: Trainer, batch: Batch, step: int) -> float:
    result = trainer.compute(batch, step)
    if not result.finite:
        raise TrainingError(
            f"the loss is {result.loss} at step {step + 1}: look at the data with --show-batch, or try a smaller --lr"
        )
    return result.loss


def _rate(trainer: Trainer, step: int) -> Line:
    """Return the learning rate of a step, counted from 0."""
    options, per_epoch = trainer.preparation.configuration, trainer.steps
    lr, (rising, falling) = options.learning_rate(step, per_epoch), options.schedule_steps(per_epoch)
    assert options.lr is not None
    base = short(options.lr)
    if step < rising:
        return Line("lr", f"warm-up, step {step + 1} of {rising}", f"{base} * {step + 1} / {rising}", lr)
    if options.schedule == "constant":
        return Line("lr", "constant", base, lr)
    where = f"{options.schedule}, {step - rising} of {falling} steps done"
    return Line("lr", where, f"{base} * {short(lr / options.lr)}", lr)


def _worked_out(trainer: Trainer, batch: Batch, number: int, loss: float, weights: int) -> StepExplanation:
    """Take the step whose gradients the engine has, and write it down."""
    preparation, engine, rate = trainer.preparation, trainer.engine, _rate(trainer, number)
    clip = preparation.configuration.clip_norm
    norm = clip_by_norm(engine.gradients.copy(), float("inf"))
    if clip is not None and clip >= norm + 1e-6:
        clip = None
    formulas = (*([] if clip is None else [CLIPPING]), *preparation.optimizer.working)
    chosen = _largest(engine, weights)
    before = _seen(engine, chosen)
    engine.update(number + 1, rate.value, clip)
    after = _seen(engine, chosen)
    head = dict.fromkeys(head_names(engine.network), preparation.head_lr / (preparation.configuration.lr or 1))
    constants = {name: float(getattr(preparation.optimizer, name)) for name in preparation.optimizer.fields}
    constants |= {"t": number + 1, "norm": norm} | ({} if clip is None else {"clip_norm": clip})
    explained = []
    for place, old, new in zip(chosen, before, after, strict=True):
        own = constants | {"lr": rate.value * head.get(place.array, 1.0)}
        explained.append(_explained_weight(place, old, new, own, formulas))
    return StepExplanation(
        step=number + 1,
        steps=preparation.epochs * trainer.steps,
        epoch=number // trainer.steps + 1,
        batch=number % trainer.steps + 1,
        files=tuple(preparation.train.names[item] for item in batch.items.tolist()),
        labels=tuple(_labels(preparation, batch)),
        loss=loss,
        rate=rate,
        norm=norm,
        clip_norm=clip,
        optimizer=preparation.optimizer,
        formulas=formulas,
        weights=tuple(explained),
    )


class _Place(NamedTuple):
    """A weight: its place among all, its array and its indices there."""

    flat: int
    array: str
    indices: tuple[int, ...]


class _Seen(NamedTuple):
    """A weight, its gradient, and what the optimizer keeps for it."""

    weight: float
    gradient: float
    state: dict[str, float]


def _explained_weight(
    place: _Place, old: _Seen, new: _Seen, constants: Mapping[str, float], formulas: tuple[str, ...]
) -> ExplainedWeight:
    names = {"W": old.weight, "dW": old.gradient, **old.state, **constants}
    lines = tuple(worked_out(formulas, names, {"W": new.weight, **new.state}))
    numbers = (old.gradient, constants["lr"], old.weight, new.weight, old.state, new.state)
    return ExplainedWeight(place.array, place.indices, *numbers, lines)


def _seen(engine: Engine, places: list[_Place]) -> list[_Seen]:
    parameters, gradients, state = engine.parameters, engine.gradients, engine.state
    return [
        _Seen(
            float(parameters[place.flat]),
            float(gradients[place.flat]),
            {name: float(array[place.flat]) for name, array in state.items()},
        )
        for place in places
    ]


def _largest(engine: Engine, count: int) -> list[_Place]:
    """Return the weights of each layer with the largest gradients, the largest first."""
    shapes, gradients, start = engine.trained_shapes, engine.gradients, 0
    found = []
    for _, names in groupby(shapes, lambda name: name.rpartition(".")[0]):
        arrays = list(names)
        sizes = [prod(shapes[name]) for name in arrays]
        own = np.abs(gradients[start : start + sum(sizes)])
        for flat in np.argsort(-own, kind="stable")[:count].tolist():
            array = int(np.searchsorted(np.cumsum(sizes), flat, side="right"))
            inner = flat - sum(sizes[:array])
            indices = tuple(int(index) for index in np.unravel_index(inner, shapes[arrays[array]]))
            found.append(_Place(start + flat, arrays[array], indices))
        start += sum(sizes)
    return found


def _labels(preparation: Preparation, batch: Batch) -> Iterator[str]:
    """Yield the label of each image of a batch in words."""
    for label in batch.labels:
        if batch.labels.ndim == 1:
            yield preparation.class_names[int(label)]
        else:
            count = len(Boxes.of_rows(label).labels)
            yield f"{count} box{'es' * (count != 1)}"
