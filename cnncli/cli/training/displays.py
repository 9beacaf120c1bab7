"""The progress of a training: a live bar on a terminal, a line per epoch elsewhere, JSON lines for programs."""

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cnncli.cli.training.bars import TaskBar
from cnncli.cli.training.summaries import class_scores, epoch_measures, result_lines, summary_lines
from cnncli.files.text import json_text, printable
from cnncli.models.detector import Detector
from cnncli.models.judging.box_scores import BoxScores
from cnncli.models.judging.metrics import Scores
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.reports.descriptions import duration
from cnncli.training.run_folder import Metrics
from cnncli.training.runs import TrainingResult
from cnncli.training.watcher import BatchReport, Estimate, Watcher

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
        whole = f", {left} epochs about {duration(left * estimate.seconds)}" if left > 1 else ""
        self.note(
            f"time      {resumed}about {duration(estimate.seconds)} per epoch "
            f"({estimate.images_per_second:,.0f} images/s){whole}"
        )

    def epoch(self, metrics: Metrics, *, best: bool) -> None:
        validation, judged = "", epoch_measures(metrics, "val")
        if judged:
            loss = "not finite" if metrics["val_loss"] is None else f"{metrics['val_loss']:.4f}"
            validation = f"  validation loss {loss}{judged}"
        self.note(
            f"epoch {metrics['epoch']:{len(str(self.epochs))}}/{self.epochs}  loss {metrics['train_loss']:.4f}"
            f"{epoch_measures(metrics, 'train')}{validation}  {metrics['seconds']:.2f} s "
            f"{metrics['images_per_second']:,.0f} images/s{'  *' if best and validation else ''}"
        )

    def finish(self, run: TrainingResult) -> None:
        if run.done:
            print(*map(printable, result_lines(run, self.folder)), sep="\n", flush=True)


class Live(Lines):
    """The same lines, and a bar for the current epoch."""

    def __init__(self, data: str, folder: Path) -> None:
        super().__init__(data, folder)
        self.bar = TaskBar()
        self.shown, self.begin, self.begun_at = 0.0, 0.0, 0

    def note(self, message: str) -> None:
        self.bar.say(message)

    def checking(self, done: int, total: int) -> None:
        if time.monotonic() - self.shown > REFRESH or done == total:
            self._show("checking images", done, total, "", "")

    def prepared(self, preparation: Preparation) -> None:
        self.bar.take_away()
        super().prepared(preparation)

    def batch(self, report: BatchReport) -> None:
        batches_done = (report.epoch - 1) * report.batches + report.batch
        now = time.monotonic()
        if not self.begun_at:
            self.begin, self.begun_at = now, batches_done
        if now - self.shown < REFRESH and report.batch < report.batches:
            return
        shares = "".join(f"  {name} {share:.1%}" for name, share in report.measures.items())
        measures = f"loss {report.loss:.4f}{shares}  {report.images_per_second:,.0f} images/s"
        left = self._left(now, batches_done, self.epochs * report.batches)
        self._show(f"epoch {report.epoch}/{self.epochs}", report.batch, report.batches, measures, left)

    def _left(self, now: float, done: int, total: int) -> str:
        measured = done - self.begun_at
        return f"{_clock((now - self.begin) / measured * (total - done))} left" if measured else ""

    def judging(self) -> None:
        self.bar.take_away()

    def finish(self, run: TrainingResult) -> None:
        self.bar.stop()
        super().finish(run)

    def _show(self, what: str, done: int, total: int, measures: str, left: str) -> None:
        self.bar.show(what, done, total, measures, left)
        self.shown = time.monotonic()


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
            chosen_by=preparation.aim.chosen_by,
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
        _print_json(
            event="end",
            done=run.done,
            epochs=len(run.metrics),
            best_epoch=run.best_epoch,
            judged_by=run.judged_by,
            chosen_among=run.chosen_among,
            **_box_facts(run) if isinstance(run.model, Detector) else _class_facts(run),
            model=str(self.folder / "model.safetensors"),
            pictures=[str(picture) for picture in run.pictures],
            report=None if run.report is None else str(run.report),
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


def _class_facts(run: TrainingResult) -> dict[str, Any]:
    """Return the scores of a classifier as fields of the last JSON line."""
    scores, test = class_scores(run.scores), class_scores(run.test_scores)
    return {
        "accuracy": scores and scores.accuracy,
        "accuracy_interval": scores and scores.accuracy_interval,
        "balanced_accuracy": scores and scores.balanced_accuracy,
        "macro_f1": scores and scores.macro_f1,
        "test_accuracy": test and test.accuracy,
        "baselines": run.baselines and run.baselines._asdict(),
    }


def _box_facts(run: TrainingResult) -> dict[str, Any]:
    """Return the scores of a detector as fields of the last JSON line."""
    parts = (("", run.scores), ("test_", run.test_scores))
    names = ("map", "map_50", "map_75")
    return {f"{part}{name}": _known(scores, name) for part, scores in parts for name in names}


def _known(scores: Scores | BoxScores | None, name: str) -> float | None:
    """Return a measure of boxes; None where there is nothing to find."""
    value: float = getattr(scores, name) if isinstance(scores, BoxScores) else -1.0
    return value if value >= 0 else None
