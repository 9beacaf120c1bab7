"""Trials: the same training in several ways, each with one or several seeds."""

import math
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.theme import Theme
from cnncli.engines.backends import Backend
from cnncli.errors import ArgumentError, TrainingError
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.run_folder import Metrics
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import Watcher

Facts = Mapping[str, str | int | float]


class Plan(NamedTuple):
    """One way to train.

    Attributes:
        label: its name in a chart.
        facts: what it differs in from the other ways, by name.
        preparation: the training; seeds aside.
    """

    label: str
    facts: Facts
    preparation: Preparation


class Run(NamedTuple):
    """One training.

    Attributes:
        seed: its seed.
        metrics: an entry for each epoch that was completed; `train_error` is 1 less `train_accuracy`.
        done: whether it ran to its end.
        fault: why its loss ended it; empty if it did not.
    """

    seed: int
    metrics: tuple[Metrics, ...]
    done: bool
    fault: str = ""


class Spread(NamedTuple):
    """Mean over seeds, and their standard deviation; None for a single one."""

    mean: float
    deviation: float | None = None


class Trial(NamedTuple):
    """One way to train, and its trainings: the label and the facts of a `Plan`, and a run for each seed.

    Example:
        >>> runs = [Run(seed, ({"epoch": 1, "train_loss": loss},), True) for seed, loss in enumerate((1.0, 3.0))]
        >>> trial = Trial("sgd", {"lr": 0.1}, tuple(runs))
        >>> trial.curve("train_loss"), trial.last("train_loss")
        ([(1, 2.0)], Spread(mean=2.0, deviation=1.4142135623730951))
    """

    label: str
    facts: Facts
    runs: tuple[Run, ...]

    @property
    def counted(self) -> list[Run]:
        """The runs that curves are of: those that are done, or else all that completed an epoch."""
        return [run for run in self.runs if run.done] or [run for run in self.runs if run.metrics]

    @property
    def faults(self) -> int:
        """Number of runs that their loss ended."""
        return sum(bool(run.fault) for run in self.runs)

    @property
    def seconds(self) -> float:
        """Time of all trainings, their validation left out."""
        return math.fsum(line["seconds"] for run in self.runs for line in run.metrics)

    def curve(self, measure: str) -> list[tuple[int, float]]:
        """Return (epoch, mean over the seeds) of a measure of `metrics.jsonl`; empty where it was not measured."""
        epochs = zip(*(run.metrics for run in self.counted), strict=False)
        columns = [[line.get(measure) for line in lines] for lines in epochs]
        found = []
        for epoch, column in enumerate(columns, start=1):
            values = [value for value in column if value is not None]
            found += [(epoch, math.fsum(values) / len(values))] if len(values) == len(column) else []
        return found

    def last(self, measure: str) -> Spread | None:
        """Return a measure after the last epoch; None where it was not measured."""
        values = [run.metrics[-1].get(measure) for run in self.counted]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        mean = math.fsum(known) / len(known)
        if len(known) == 1:
            return Spread(mean)
        return Spread(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1)))


class Comparison(NamedTuple):
    """The results of an experiment.

    Attributes:
        trials: one for each way to train in which an epoch was completed, or the loss was not finite before.
        done: whether nothing told it to stop.
    """

    trials: tuple[Trial, ...]
    done: bool

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures of a table of these trials."""
        raise NotImplementedError

    def drawing(self, theme: Theme = Theme.AUTO) -> Svg:
        """Draw the trials as charts."""
        raise NotImplementedError


class TrialWatcher(Watcher):
    """Base observer of an experiment, and of its trainings: every hook does nothing."""

    def planned(self, plans: Sequence[Plan], seeds: int) -> None:
        """The data has been opened, and every network fits it."""

    def begins_run(self, plan: Plan, seed: int) -> None:
        """A training begins."""

    def ran(self, plan: Plan, run: Run) -> None:
        """A training has ended."""


def check_seeds(seeds: int) -> None:
    """Refuse a number of seeds below 1."""
    if seeds < 1:
        raise ArgumentError(f"seeds must be a whole number from 1, got {seeds}")


def run_trials(
    plans: Sequence[Plan],
    *,
    seeds: int,
    jobs: int,
    backend: Backend,
    watcher: TrialWatcher,
    stop: threading.Event,
) -> tuple[Trial, ...]:
    """Train in every way with one seed, then with the next, until told to stop; return those that completed an epoch.

    Trainings with one seed begin with the same weights, where their networks are the same, and see the same batches.
    """
    watcher.planned(plans, seeds)
    runs: list[list[Run]] = [[] for _ in plans]
    for number in range(seeds):
        for plan, found in zip(plans, runs, strict=True):
            if stop.is_set():
                break
            run = _run(plan, plan.preparation.configuration.seed + number, jobs, backend, watcher, stop)
            found.append(run)
            watcher.ran(plan, run)
    trials = [Trial(plan.label, plan.facts, tuple(found)) for plan, found in zip(plans, runs, strict=True)]
    return tuple(trial for trial in trials if any(run.metrics or run.fault for run in trial.runs))


def _run(plan: Plan, seed: int, jobs: int, backend: Backend, watcher: TrialWatcher, stop: threading.Event) -> Run:
    watcher.begins_run(plan, seed)
    preparation = plan.preparation
    preparation = preparation._replace(configuration=preparation.configuration.replace(seed=seed))
    with Trainer(preparation, jobs=jobs, watcher=watcher, stop=stop, backend=backend) as trainer:
        try:
            done, fault = trainer.run(), ""
        except TrainingError:
            done, fault = False, f"the loss is not finite in epoch {len(trainer.metrics) + 1}"
    return Run(seed, tuple(map(_with_error, trainer.metrics)), done, fault)


def _with_error(metrics: Metrics) -> Metrics:
    accuracy = metrics.get("train_accuracy")
    return metrics if accuracy is None else {**metrics, "train_error": 1 - accuracy}
