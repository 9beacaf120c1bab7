"""Running a training from the command line, and showing its progress.

A live bar on a terminal, a line per epoch elsewhere, JSON lines for programs.
"""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer

from cnncli.cli.files.interrupts import interrupts
from cnncli.engines.backends import open_backend
from cnncli.engines.processes import OtherProcessError
from cnncli.errors import ArgumentError
from cnncli.files.text import json_text, printable
from cnncli.models.metrics import Scores
from cnncli.shapes import show_shape
from cnncli.training.configuration import read_configuration
from cnncli.training.preparation import ACCURACY, Preparation, default_output
from cnncli.training.run_folder import Metrics, RunFolder
from cnncli.training.runs import TrainingResult, train
from cnncli.training.watcher import BatchReport, Estimate, Watcher


def run_training(
    data: str | None,
    options: dict[str, Any],
    output: str | None,
    config: str | None,
    jobs: int | None,
    engine: str,
    device: str,
    *,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train, and leave with exit code 130 if it was interrupted, 128 + N if signal N ended it.

    The first of several processes shows the progress, the others are silent. The arguments are the options of `train`,
    None where the default holds; `options` are the fields of a `Configuration`.
    """
    data, options = data_and_options(data, options, config, output if resume else None)
    folder = Path(output) if output is not None else default_output(data)
    with open_backend(engine, device) as backend:
        display = choose_display(data, folder, as_json=as_json, quiet=quiet)
        silent = not backend.processes.is_first
        shared: dict[str, Any] = {"engine": backend, "watcher": display, "resume": resume, "force": force, "jobs": jobs}
        with interrupts(saves=True) as stop, nullcontext() if silent else display.bar:
            try:
                run = train(data, output=folder, stop=stop, **shared, **options)
            except OtherProcessError:  # that process prints the reason
                raise typer.Exit(1) from None
            if not silent:
                display.finish(run)
    if run.done:
        return
    if not (silent or as_json):
        words = ["cnncli", "train", data, "-o", os.fspath(folder), "--resume"]
        words += ["--engine", engine] if engine != "numpy" else []
        print(printable(f"cnncli: saved; to continue: {shlex.join(words)}"), file=sys.stderr)
    raise typer.Exit(stop.exit_code)


def data_and_options(
    data: str | None, options: dict[str, Any], config: str | None, resumed: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the data and the options; those of the command line override those of a file."""
    said = {} if config is None else read_configuration(config)
    recorded = None
    if resumed is not None and (file := RunFolder(resumed).config).exists():
        recorded = read_configuration(file).get("data")
    said_data = said.pop("data", None)
    data = data or said_data or recorded
    if data and data == recorded and not os.path.lexists(data):
        raise ArgumentError(f"{data}: the data of the run is no longer there: give its new path as DATA")
    if not data:
        raise ArgumentError("no data: give a folder with one folder of images per class, such as samples/digits")
    return data, {**said, **options}


WIDE = 76  # columns of a terminal that is wide enough for all parts of the bar
REFRESH = 0.1  # seconds between two updates of the bar


class Display(Watcher):
    """The display of `--quiet`: warnings only.

    Args:
        data: the data's path.
        folder: of the run.
    """

    bar: Any = nullcontext()

    def __init__(self, data: str, folder: Path) -> None:
        self.data, self.folder = data, folder

    def prepared(self, preparation: Preparation) -> None:
        for finding in preparation.findings:
            self.note(f"cnncli: {finding.message}")

    def note(self, message: str) -> None:
        print(printable(message), file=sys.stderr)

    def finish(self, run: TrainingResult) -> None:
        """Print what came of it."""


class Lines(Display):
    """A summary, a line per epoch, and the scores."""

    epochs = 0

    def prepared(self, preparation: Preparation) -> None:
        self.epochs = preparation.epochs
        for line in summary_lines(self.data, preparation):
            self.note(line)
        super().prepared(preparation)

    def computing(self, notes: list[str]) -> None:
        for note in notes:
            self.note(note)

    def begins(self, estimate: Estimate, epochs_done: int) -> None:
        left = self.epochs - epochs_done
        resumed = f"continues after epoch {epochs_done}; " if epochs_done else ""
        whole = f", {left} epochs about {_duration(left * estimate.seconds)}" if left > 1 else ""
        self.note(
            f"time      {resumed}about {_duration(estimate.seconds)} per epoch "
            f"({estimate.images_per_second:,.0f} images/s){whole}"
        )

    def epoch(self, metrics: Metrics, *, best: bool) -> None:
        validation = ""
        if metrics["val_accuracy"] is not None:
            loss = "not finite" if metrics["val_loss"] is None else f"{metrics['val_loss']:.4f}"
            validation = f"  validation loss {loss} accuracy {metrics['val_accuracy']:.1%}"
        self.note(
            f"epoch {metrics['epoch']:{len(str(self.epochs))}}/{self.epochs}  loss {metrics['train_loss']:.4f} "
            f"accuracy {metrics['train_accuracy']:.1%}{validation}  {metrics['seconds']:.2f} s "
            f"{metrics['images_per_second']:,.0f} images/s{'  *' if best and validation else ''}"
        )

    def finish(self, run: TrainingResult) -> None:
        if run.done:
            print(*map(printable, result_lines(run, self.folder)), sep="\n", flush=True)


class Live(Lines):
    """The same lines, and a bar for the current epoch."""

    def __init__(self, data: str, folder: Path) -> None:
        super().__init__(data, folder)
        self.bar = _make_bar()
        self.task: Any = None
        self.shown, self.begin, self.begun_at = 0.0, 0.0, 0

    def note(self, message: str) -> None:
        self.bar.console.print(printable(message), markup=False, highlight=False, soft_wrap=True)

    def checking(self, done: int, total: int) -> None:
        if time.monotonic() - self.shown > REFRESH or done == total:
            self._show("checking images", done, total, "", "")

    def prepared(self, preparation: Preparation) -> None:
        self._take_away()
        super().prepared(preparation)

    def batch(self, report: BatchReport) -> None:
        batches_done = (report.epoch - 1) * report.batches + report.batch
        now = time.monotonic()
        if not self.begun_at:
            self.begin, self.begun_at = now, batches_done
        if now - self.shown < REFRESH and report.batch < report.batches:
            return
        measures = f"loss {report.loss:.4f}  accuracy {report.accuracy:.1%}  {report.images_per_second:,.0f} images/s"
        left = self._left(now, batches_done, self.epochs * report.batches)
        self._show(f"epoch {report.epoch}/{self.epochs}", report.batch, report.batches, measures, left)

    def _left(self, now: float, done: int, total: int) -> str:
        measured = done - self.begun_at
        return f"{_clock((now - self.begin) / measured * (total - done))} left" if measured else ""

    def judging(self) -> None:
        self._take_away()

    def finish(self, run: TrainingResult) -> None:
        self._take_away()
        self.bar.stop()
        super().finish(run)

    def _show(self, what: str, done: int, total: int, measures: str, left: str) -> None:
        if self.task is None:
            self.task = self.bar.add_task(what, total=total, measures=measures, left=left)
        self.bar.update(self.task, description=what, completed=done, total=total, measures=measures, left=left)
        self.shown = time.monotonic()

    def _take_away(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.bar.refresh()
            self.task = None


class JsonLines(Display):
    """One JSON object per line on standard output: the start, each epoch, the end."""

    def prepared(self, preparation: Preparation) -> None:
        super().prepared(preparation)
        validation, test = preparation.validation, preparation.test
        _print_json(
            event="start",
            data=self.data,
            output=str(self.folder),
            network=str(preparation.network),
            adapted=preparation.adapted or None,
            **({"from": _source_facts(preparation)} if preparation.source else {}),
            params=preparation.network.totals.params,
            input=list(preparation.train.shape),
            classes=dict(zip(preparation.class_names, preparation.train.counts().tolist(), strict=True)),
            train=len(preparation.train),
            validation=0 if validation is None else len(validation),
            test=0 if test is None else len(test),
            parts=dict(preparation.folders),
            chosen_by=preparation.chosen_by,
            findings=[finding.message for finding in preparation.findings],
            options=preparation.configuration.options,
        )

    def computing(self, notes: list[str]) -> None:
        _print_json(event="engine", notes=notes)

    def begins(self, estimate: Estimate, epochs_done: int) -> None:
        _print_json(event="estimate", epochs_done=epochs_done, **estimate._asdict())

    def epoch(self, metrics: Metrics, *, best: bool) -> None:
        _print_json(event="epoch", **metrics, best=best)

    def finish(self, run: TrainingResult) -> None:
        scores, test = run.scores, run.test_scores
        _print_json(
            event="end",
            done=run.done,
            epochs=len(run.metrics),
            best_epoch=run.best_epoch,
            judged_by=run.judged_by,
            accuracy=scores and scores.accuracy,
            accuracy_interval=scores and scores.accuracy_interval,
            chosen_among=run.chosen_among,
            balanced_accuracy=scores and scores.balanced_accuracy,
            macro_f1=scores and scores.macro_f1,
            test_accuracy=test and test.accuracy,
            baselines=run.baselines and run.baselines._asdict(),
            model=str(self.folder / "model.safetensors"),
            pictures=[str(picture) for picture in run.pictures],
        )


def choose_display(data: str, folder: Path, *, as_json: bool, quiet: bool) -> Display:
    """Return the display that fits the options and the terminal."""
    if as_json:
        return JsonLines(data, folder)
    if quiet:
        return Display(data, folder)
    return Live(data, folder) if sys.stderr.isatty() else Lines(data, folder)


def _print_json(**fields: Any) -> None:
    print(json_text(fields), flush=True)


def _clock(seconds: float) -> str:
    """Return a time as people read it.

    Example:
        >>> _clock(75), _clock(3723)
        ('1:15', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    widest = (BarColumn(bar_width=20), TextColumn("{task.fields[measures]}")) if console.width >= WIDE else ()
    return Progress(
        TextColumn("{task.description}"),
        *widest[:1],
        MofNCompleteColumn(),
        *widest[1:],
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )


CLASSES_SHOWN = 20

_USES = {"train": "for training", "validation": "for validation", "test": "for test"}


def summary_lines(data: str, preparation: Preparation) -> Iterator[str]:
    """Yield the lines on the data, the network and the options of a training."""
    train, options = preparation.train, preparation.configuration
    parts = {"train": train, "validation": preparation.validation, "test": preparation.test}
    sizes = [f"{len(part):,} {_USES[name]}" for name, part in parts.items() if part is not None]
    yield f"data      {data}: {show_shape(train.shape)} images, {', '.join(sizes)}"
    if preparation.folders:
        yield f"parts     {', '.join(f'{name}/ {_USES[part]}' for part, name in preparation.folders.items())}"
    yield f"classes   {_counts(preparation.class_names, train.counts().tolist())}"
    if preparation.source is not None:
        yield f"from      {source_line(preparation)}"
    if preparation.frozen:
        yield f"frozen    {frozen_line(preparation)}"
    if preparation.adapted:
        yield f"adapted   {preparation.adapted}"
    yield f"network   {preparation.network} ({preparation.network.totals.params:,} parameters)"
    extras = [
        f"lr {options.lr:g} {options.schedule}" + (f", warm-up {options.warmup:g}" if options.warmup else ""),
        *([f"head {preparation.head_lr:g}"] if preparation.head_lr != options.lr else []),
        *([f"momentum {options.momentum:g}"] if options.momentum is not None else []),
        *([f"weight decay {options.weight_decay:g}"] if options.weight_decay else []),
        f"batches of {options.batch_size}",
        *([preparation.changes] if preparation.changes else []),
        options.loss.replace("_", " ")
        + (f" smoothed by {options.label_smoothing:g}" if options.label_smoothing else ""),
        f"seed {options.seed}",
    ]
    epochs = f"{preparation.epochs:,} epoch{'s' * (preparation.epochs != 1)}"
    yield f"training  {epochs}, {options.optimizer}, {', '.join(extras)}"
    if preparation.validation is not None and preparation.chosen_by != ACCURACY:
        yield f"keeps     the epoch with the best {preparation.chosen_by} on the validation images"


def source_line(preparation: Preparation) -> str:
    """Return the model that a training goes on from, how pictures are brought to it, and what becomes of its head."""
    source, classes = preparation.source, len(preparation.class_names)
    assert source is not None
    shape = show_shape(preparation.network.input_shape)
    head = f"a new head for {classes} classes" if preparation.new_head else "its classes and its head are kept"
    return f"{source.word}: images {shape} ({preparation.resize}), {preparation.normalization.words}; {head}"


def frozen_line(preparation: Preparation) -> str:
    """Return which words are frozen, and how often they are computed."""
    words, count = preparation.network.layers.unrolled, preparation.frozen
    noun = "the first word" if count == 1 else f"the first {count} words"
    numbers = f"{preparation.frozen_params:,} of {preparation.network.totals.params:,} parameters"
    often = "computed once for all epochs"
    if not preparation.remembers:
        why = "images are augmented"
        if not preparation.augmentations:
            why = f"{preparation.feature_bytes / 2**30:.1f} GiB of outputs are too many to keep"
        often = f"computed once an epoch, because {why}"
    return f"{noun} of {len(words)}, up to {words[count - 1].label} ({numbers}), {often}"


def _source_facts(preparation: Preparation) -> dict[str, Any]:
    source = preparation.source
    assert source is not None
    return {
        "model": source.word,
        "sha256": source.checksum,
        "new_head": preparation.new_head,
        "frozen": preparation.frozen,
        "computed_once": preparation.remembers,
    }


def _counts(names: Sequence[str], counts: Sequence[int]) -> str:
    shown = [f"{name} {count:,}" for name, count in zip(names[:CLASSES_SHOWN], counts, strict=False)]
    more = len(names) - len(shown)
    return f"{len(names)}: {', '.join(shown)}" + (f" and {more} more" if more else "")


def _duration(seconds: float) -> str:
    """Return a time in the unit that fits.

    Example:
        >>> _duration(0.123), _duration(90), _duration(9000)
        ('0.12 s', '90 s', '2.5 h')
    """
    if seconds < 600:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _interval(scores: Scores) -> str:
    low, high = scores.accuracy_interval
    return f"95% interval {100 * low:.1f} to {100 * high:.1f}"


def result_lines(run: TrainingResult, folder: Path) -> Iterator[str]:
    """Yield the scores of a training, and the files that it wrote."""
    if run.scores is not None and run.baselines is not None:
        part = "validation" if run.judged_by == "validation" else "training"
        yield f"Accuracy on the {run.scores.confusion.sum():,} {part} images:"
        widened = f", widened for the choice among {run.chosen_among} epochs" if run.chosen_among > 1 else ""
        interval = f"{_interval(run.scores)}{widened}"
        yield f"  this network      {run.scores.accuracy:>6.1%} ({interval}), epoch {run.best_epoch}"
        if run.chosen_by != ACCURACY:
            yield f"  balanced          {run.scores.balanced_accuracy:>6.1%}"
        yield f"  nearest centroid  {run.baselines.nearest_centroid:>6.1%}"
        yield f"  majority class    {run.baselines.majority_class:>6.1%}"
    if run.test_scores is not None:
        accuracy = f"{run.test_scores.accuracy:.1%} ({_interval(run.test_scores)})"
        yield f"Accuracy on the {run.test_scores.confusion.sum():,} test images: {accuracy}"
    files = ["model.safetensors", *(picture.name for picture in run.pictures)]
    yield f"Written to {folder}: {', '.join(files)}"
