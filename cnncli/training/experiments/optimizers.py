"""Optimizers compared: the same start, the same batches, one chart."""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Unpack

from cnncli.choices import did_you_mean
from cnncli.data.boxes.dataset import Labelled
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.svg.charts import Area, Curve, line_chart
from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.theme import Theme
from cnncli.engines.backends import Backend, lone_backend
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.threads import cores
from cnncli.training.configuration import Configuration, TrainingOptions
from cnncli.training.experiments.trials import Comparison, Plan, Trial, TrialWatcher, check_seeds, run_trials
from cnncli.training.preparing.preparation import Preparation, prepare, settled

EVERY = tuple(OPTIMIZERS)
NETWORK, EPOCHS = "lenet5", 20
OPTIONS: TrainingOptions = {
    "network": NETWORK,
    "epochs": EPOCHS,
    "schedule": "constant",
    "augment": "none",
    "label_smoothing": 0.0,
}
"""The training in which optimizers are compared: nothing but them lowers the loss, and nothing holds it up."""

_ABOVE = 2.0  # times the first loss: from there on a loss is above the chart


class OptimizerComparison(Comparison):
    """Trainings that differ in the optimizer; facts of a trial: `optimizer`, `lr` and `weight_decay`."""

    @property
    def measures(self) -> tuple[str, ...]:
        return ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_map")

    def drawing(self, theme: Theme = Theme.AUTO) -> Svg:
        """Draw the training losses over the epochs, on one scale."""
        curves = [(trial.label, trial.curve("train_loss")) for trial in self.trials]
        firsts = sorted(points[0][1] for _, points in curves if points)
        top = _ABOVE * firsts[len(firsts) // 2] if firsts else 1.0
        shown = [_below(label, points, top) for label, points in curves]
        values = [value for curve in shown for _, value in curve.points]
        svg = Svg(760, 460, title="Optimizers", description="; ".join(label for label, _ in curves), theme=theme)
        title = f"Training loss{_of_seeds(self.trials)}"
        line_chart(svg, Area(0, 0, 760, 460), shown, title=title, up=ChartAxis.over(0, max([*values, 0]) or 1))
        return svg


def compare_optimizers(
    data: str | os.PathLike[str] | Labelled,
    optimizers: Sequence[str] = EVERY,
    *,
    seeds: int = 1,
    jobs: int | None = None,
    engine: str | Backend = "numpy",
    device: str = "auto",
    watcher: TrialWatcher | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[TrainingOptions],
) -> OptimizerComparison:
    """Train a network with several optimizers, as `cnncli experiment optimizers` does.

    All begin with the same weights and see the same batches in the same order; nothing is written. One whose loss is no
    longer finite ends there.

    Args:
        data: as for `train`.
        optimizers: names in `OPTIMIZERS`, each alone or with a learning rate of its own, such as `sgd:0.05`.
        seeds: trainings of each, with the seeds from `seed` on, whose mean is drawn.
        jobs: processes and threads; None for the machine's cores.
        engine: a name in `ENGINES`, or a backend that is open.
        device: a name in `DEVICES`.
        watcher: observer of the progress.
        stop: once set, the training finishes the batch under way, and what there is is returned.
        **options: those of `train`; LeNet-5, 20 epochs, a constant rate, no augmentation and no label smoothing unless
            they are given. `lr` is that of every optimizer without one of its own.

    Raises:
        ArgumentError: an unknown optimizer, one that is given twice, an invalid option, or a network that does not fit.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.

    Example:
        >>> import numpy as np
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([10, 200] * 20, np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("dark", "bright"), "patches")
        >>> found = compare_optimizers(data, ["sgd:0.5", "adam"], network="fc-2", epochs=3, val="0")
        >>> [(trial.label, len(trial.curve("train_loss"))) for trial in found.trials]
        [('sgd, lr 0.5', 3), ('adam, lr 0.001', 3)]
    """
    chosen = parse_optimizers(optimizers)
    if "optimizer" in options:
        raise ArgumentError("name the optimizers to compare in optimizers, and leave out optimizer")
    check_seeds(seeds)
    jobs, watcher, stop = jobs or cores(), watcher or TrialWatcher(), stop or threading.Event()
    given: dict[str, Any] = {**OPTIONS, **options, "optimizer": chosen[0][0]}
    with lone_backend(engine, device, "optimizers are compared") as backend:
        preparation = prepare(Configuration(**given), data, jobs=jobs, progress=watcher.checking)
        watcher.prepared(preparation)
        plans = [_plan(preparation, name, lr or options.get("lr")) for name, lr in chosen]
        trials = run_trials(plans, seeds=seeds, jobs=jobs, backend=backend, watcher=watcher, stop=stop)
    return OptimizerComparison(trials, done=not stop.is_set())


def parse_optimizers(words: Sequence[str]) -> list[tuple[str, float | None]]:
    """Return the name and the learning rate, if there is one, of words such as `sgd` and `adam:0.001`.

    Raises:
        ArgumentError: an unknown name, a rate that is not a number, or a word that is given twice.

    Example:
        >>> parse_optimizers(["sgd", "adam:0.001"])
        [('sgd', None), ('adam', 0.001)]
    """
    if not words:
        raise ArgumentError(f"no optimizers to compare: choose from {', '.join(EVERY)}")
    for word, count in Counter(words).items():
        if count > 1:
            raise ArgumentError(f"the optimizer {word} is given {count} times: give it once, or with another rate")
    return list(map(_parsed, words))


def _parsed(word: str) -> tuple[str, float | None]:
    name, colon, rate = word.strip().partition(":")
    if name not in OPTIMIZERS:
        raise ArgumentError(f"unknown optimizer {name!r}: {did_you_mean(name, EVERY)}")
    if not colon:
        return name, None
    try:
        lr = float(rate)
    except ValueError:
        lr = float("nan")
    if not 0 < lr < float("inf"):
        raise ArgumentError(f"the learning rate of {name} must be a finite number above 0, got {rate!r}")
    return name, lr


def _plan(preparation: Preparation, name: str, lr: float | None) -> Plan:
    """Return the same training with an optimizer, whose other numbers are its usual ones."""
    shared = {
        word: value
        for word, value in preparation.configuration.options.items()
        if word not in ("lr", "momentum", "weight_decay")
    }
    configuration = Configuration(**shared | {"optimizer": name, "lr": lr})
    planned = settled(preparation._replace(configuration=configuration, optimizer=configuration.make_optimizer()))
    rate, decay = planned.configuration.lr, planned.configuration.weight_decay
    assert rate is not None
    assert decay is not None
    return Plan(f"{name}, lr {rate:g}", {"optimizer": name, "lr": rate, "weight_decay": decay}, planned)


def _below(label: str, points: Sequence[tuple[float, float]], top: float) -> Curve:
    """Return a curve without the points above the chart, which its label mentions."""
    shown = [(epoch, loss) for epoch, loss in points if loss <= top]
    return Curve(label if len(shown) == len(points) and points else f"{label} (above the chart)", shown)


def _of_seeds(trials: Sequence[Trial]) -> str:
    count = max((len(trial.counted) for trial in trials), default=1)
    return f", mean of {count} seeds" if count > 1 else ""
