"""What a training shows: a live bar on a terminal, a line an epoch elsewhere, JSON lines for programs."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cnncli.cli.training.training_summary import epoch_line, estimate_line, result_lines, summary_lines
from cnncli.files.text import json_text, printable
from cnncli.training.preparation import Preparation
from cnncli.training.run_folder import Metrics
from cnncli.training.runs import TrainingResult
from cnncli.training.watcher import BatchReport, Estimate, Watcher

WIDE = 76
"""Columns of a terminal in which a line of the bar has room for everything."""

REFRESH = 0.1
"""Seconds between two looks of the bar."""


class Display(Watcher):
    """Prints warnings alone: what `--quiet` shows.

    Args:
        data: the data's path.
        folder: of the run.
    """

    def __init__(self, data: str, folder: Path) -> None:
        self.data, self.folder = data, folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take back what is live."""

    def prepared(self, preparation: Preparation) -> None:
        for finding in preparation.findings:
            self.note(f"cnncli: {finding.message}")

    def note(self, message: str) -> None:
        print(printable(message), file=sys.stderr)

    def finish(self, run: TrainingResult) -> None:
        """Print what came of it."""


class Lines(Display):
    """A summary, a line an epoch, and what came of it."""

    epochs = 0

    def prepared(self, preparation: Preparation) -> None:
        self.epochs = preparation.configuration.epochs
        for line in summary_lines(self.data, preparation):
            self.note(line)
        super().prepared(preparation)

    def computing(self, notes: list[str]) -> None:
        for note in notes:
            self.note(note)

    def begins(self, estimate: Estimate, epochs_done: int) -> None:
        self.note(estimate_line(estimate, epochs_done, self.epochs))

    def epoch(self, metrics: Metrics, *, best: bool) -> None:
        self.note(epoch_line(metrics, self.epochs, best=best))

    def finish(self, run: TrainingResult) -> None:
        if run.done:
            print(*map(printable, result_lines(run, self.folder)), sep="\n", flush=True)


class Live(Lines):
    """The same, and a bar for the epoch under way."""

    def __init__(self, data: str, folder: Path) -> None:
        super().__init__(data, folder)
        self.bar = _make_bar()
        self.task: Any = None
        self.shown, self.begin, self.begun_at = 0.0, 0.0, 0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def note(self, message: str) -> None:
        self.bar.console.print(printable(message), markup=False, highlight=False, soft_wrap=True)

    def checking(self, done: int, total: int) -> None:
        if time.monotonic() - self.shown > REFRESH or done == total:
            self._show("checking pictures", done, total, "", "")

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
    """A JSON object a line on standard output: the start, each epoch, the end."""

    def prepared(self, preparation: Preparation) -> None:
        super().prepared(preparation)
        validation, test = preparation.validation, preparation.test
        _print_json(
            event="start",
            data=self.data,
            output=str(self.folder),
            network=str(preparation.network),
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
    """Return what fits the options and the terminal."""
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
