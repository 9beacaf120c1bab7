"""Depth compared: plain and residual networks of growing depth.

He et al. 2015 (arXiv:1512.03385, figures 1 and 6): a deeper plain network trains worse than a shallower one, although
it could compute the same; with shortcuts it does not.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Unpack

from cnncli.data import Dataset, Parts, Reading, open_dataset
from cnncli.data.boxes.opening import has_boxes
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.svg.charts import Area, Curve, line_chart
from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.theme import Theme
from cnncli.engines.backends import Backend, lone_backend
from cnncli.errors import ArgumentError
from cnncli.threads import cores
from cnncli.training.configuration import Configuration, TrainingOptions
from cnncli.training.experiments.trials import Comparison, Plan, TrialWatcher, check_seeds, run_trials
from cnncli.training.preparing.preparation import prepare

DEPTHS = (8, 20, 32)
EPOCHS = 12
SIZE = (14, 14)
OPTIONS: TrainingOptions = {
    "epochs": EPOCHS,
    "size": SIZE,
    "optimizer": "momentum",
    "lr": 0.05,
    "schedule": "cosine",
    "val": "0",
}
"""The training in which depths are compared: small pictures, so that it takes a minute."""

_WIDTH, _HEIGHT = 380, 400


def plain(depth: int, classes: int) -> str:
    """Return a stack of 3x3 convolutions with batch norm, with as many layers that have weights.

    Example:
        >>> plain(8, 10)
        'conv3-16,same,bn,relu max2 6xconv3-16,same,bn,relu gap fc-10'
    """
    return f"conv3-16,same,bn,relu max2 {depth - 2}xconv3-16,same,bn,relu gap fc-{classes}"


def residual(depth: int, classes: int) -> str:
    """Return the same stack with a shortcut around every two convolutions.

    Example:
        >>> residual(8, 10)
        'conv3-16,same,bn,relu max2 3x[ res[ conv3-16,same,bn,relu conv3-16,same,bn ] ] gap fc-10'
    """
    block = "res[ conv3-16,same,bn,relu conv3-16,same,bn ]"
    return f"conv3-16,same,bn,relu max2 {(depth - 2) // 2}x[ {block} ] gap fc-{classes}"


KINDS: dict[str, Callable[[int, int], str]] = {"plain": plain, "residual": residual}
"""Kinds of networks that are compared."""


class DepthComparison(Comparison):
    """Trainings that differ in the network; facts of a trial: `network`, a name in `KINDS`, and `depth`."""

    @property
    def measures(self) -> tuple[str, ...]:
        return ("train_loss", "train_error", "val_loss", "val_accuracy")

    def drawing(self, theme: Theme = Theme.AUTO) -> Svg:
        """Draw the training errors over the epochs for each kind of network, and the last ones over depth."""
        curves = [(trial.facts, trial.curve("train_error")) for trial in self.trials]
        up = ChartAxis.over(0, max([0.1, *(error for _, points in curves for _, error in points)]))
        svg = Svg(
            3 * _WIDTH, _HEIGHT, title="Depth", description="; ".join(trial.label for trial in self.trials), theme=theme
        )
        for place, kind in enumerate(KINDS):
            own = [Curve(f"{facts['depth']} layers", points) for facts, points in curves if facts["network"] == kind]
            title = f"{kind.capitalize()}: training error"
            line_chart(svg, _area(place), own, title=title, up=up, percent=True)
        depths = sorted({int(trial.facts["depth"]) for trial in self.trials})
        low, high = (depths[0], depths[-1]) if len(depths) > 1 else (depths[0] - 1, depths[0] + 1)
        line_chart(
            svg,
            _area(len(KINDS)),
            [Curve(kind, self.last_errors(kind)) for kind in KINDS],
            title="Last error by depth",
            across=ChartAxis(low, high, tuple(map(float, depths))),
            up=up,
            below="layers with weights",
            percent=True,
        )
        return svg

    def last_errors(self, kind: str) -> list[tuple[int, float]]:
        """Return (depth, training error of the last epoch) for a kind of network."""
        own = [trial for trial in self.trials if trial.facts["network"] == kind]
        pairs = [(int(trial.facts["depth"]), trial.last("train_error")) for trial in own]
        return sorted((depth, error.mean) for depth, error in pairs if error is not None)


def compare_depths(
    data: str | os.PathLike[str] | Dataset,
    depths: Sequence[int] = DEPTHS,
    *,
    seeds: int = 1,
    jobs: int | None = None,
    engine: str | Backend = "numpy",
    device: str = "auto",
    watcher: TrialWatcher | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[TrainingOptions],
) -> DepthComparison:
    """Train plain and residual networks of several depths, as `cnncli experiment depth` does; nothing is written.

    A network has a 3x3 convolution of 16 filters, a max pool, and as many more of these convolutions as the depth says,
    a mean over all places and a fully connected layer; a residual one has a shortcut around every two of them.

    Args:
        data: a folder or file with classes, as for `train`; or a data set, whose pictures keep their size.
        depths: numbers of layers with weights: even numbers from 4.
        seeds: trainings of each, with the seeds from `seed` on, whose mean is drawn.
        jobs: processes and threads; None for the machine's cores.
        engine: a name in `ENGINES`, or a backend that is open.
        device: a name in `DEVICES`.
        watcher: observer of the progress.
        stop: once set, the training finishes the batch under way, and what there is is returned.
        **options: those of `train`; 12 epochs, pictures of 14x14, momentum at 0.05 with a cosine schedule, and no
            validation unless they are given.

    Raises:
        ArgumentError: depths or options that are not valid, or data with boxes.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.

    Example:
        >>> import numpy as np
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([10, 200] * 20, np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("dark", "bright"), "patches")
        >>> found = compare_depths(data, [4, 6], epochs=1)
        >>> [trial.label for trial in found.trials]
        ['plain, 4 layers', 'residual, 4 layers', 'plain, 6 layers', 'residual, 6 layers']
    """
    _check_depths(depths)
    check_seeds(seeds)
    if "network" in options:
        raise ArgumentError("the networks are made from depths: leave out network")
    jobs, watcher, stop = jobs or cores(), watcher or TrialWatcher(), stop or threading.Event()
    given: dict[str, Any] = {**OPTIONS, **options}
    with lone_backend(engine, device, "depths are compared") as backend:
        parts = Parts(data) if isinstance(data, Dataset) else _opened(data, Configuration(**given), jobs, watcher)
        plans = []
        for depth in depths:
            for kind, text in KINDS.items():
                configuration = Configuration(**given | {"network": text(depth, len(parts.train.class_names))})
                preparation = prepare(configuration, parts.train, jobs=jobs)
                plans.append(Plan(f"{kind}, {depth} layers", {"network": kind, "depth": depth}, preparation))
        first = plans[0].preparation
        watcher.prepared(first._replace(findings=(*parts.findings, *first.findings)))
        trials = run_trials(plans, seeds=seeds, jobs=jobs, backend=backend, watcher=watcher, stop=stop)
    return DepthComparison(trials, done=not stop.is_set())


def _check_depths(depths: Sequence[int]) -> None:
    for depth in depths:
        if type(depth) is not int or depth < 4 or depth % 2:
            raise ArgumentError(f"depths must be even numbers from 4, so that shortcuts span two layers, got {depth!r}")
    if not depths or len(set(depths)) < len(depths):
        raise ArgumentError(f"depths must be different numbers, at least one, got {list(depths)}")


def _opened(data: str | os.PathLike[str], given: Configuration, jobs: int, watcher: TrialWatcher) -> Parts:
    if has_boxes(data):
        raise ArgumentError(f"{os.fspath(data)}: has boxes: depths are compared on images with classes")
    reading = Reading(given.size, given.resize, given.channels, given.strict, jobs, progress=watcher.checking)
    return open_dataset(data, reading)


def _area(place: int) -> Area:
    return Area(place * _WIDTH, 0, (place + 1) * _WIDTH, _HEIGHT)
