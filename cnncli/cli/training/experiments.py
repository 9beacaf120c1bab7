"""Running an experiment from the command line: its progress, its table and its chart."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.networks.tables import Cell, Column, Table, plain
from cnncli.cli.training.bars import TaskBar
from cnncli.cli.training.displays import REFRESH, Display
from cnncli.cli.training.experiment_options import ExperimentOptions
from cnncli.cli.training.summaries import summary_lines
from cnncli.drawing.svg.saving import check_drawing, save_drawing
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable
from cnncli.training.experiments.trials import Comparison, Plan, Run, Spread, Trial, TrialWatcher
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.reports.descriptions import duration, loss_words
from cnncli.training.watcher import BatchReport

_HEADINGS = {
    "train_loss": "training loss",
    "train_accuracy": "training accuracy",
    "train_error": "training error",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_map": "validation mAP",
}
"""The headings of measures in the table; those that no trial has are left out."""

_SHARED = ("data", "parts", "boxes", "adapted")  # lines of a training's summary that hold for all trials


def run_experiment(
    compare: Callable[..., Comparison],
    data: str,
    ways: Sequence[str | int],
    options: dict[str, Any],
    shared: ExperimentOptions,
) -> None:
    """Train in several ways, print the table and draw the chart; leave with the signal's code if interrupted.

    Args:
        compare: a function of `cnncli.training.experiments`.
        data: the data's path.
        ways: the ways to train, as `compare` takes them.
        options: fields of a `Configuration`; None where the default holds.
        shared: the options that all experiments have.
    """
    output = shared.output
    if output is not None:
        _check_chart(output, force=shared.force)
    options = {**options, "batch_size": shared.batch_size, "seed": shared.seed}
    given = {name: value for name, value in options.items() if value is not None}
    running = {"seeds": shared.seeds, "jobs": shared.jobs, "engine": str(shared.engine), "device": str(shared.device)}
    display = _display(data, quiet=shared.quiet or shared.as_json)
    with interrupts(saves=True) as stop, display.bar:
        found = compare(data, ways, watcher=display, stop=stop, **running, **given)
    if output is not None and any(trial.counted for trial in found.trials):
        save_drawing(found.drawing(shared.theme), output, replace=shared.force)
    else:
        output = None
    if shared.as_json:
        trials = [trial_facts(trial, found.measures) for trial in found.trials]
        print(json_text({"data": data, "output": output, "done": found.done, "trials": trials}))
    elif not shared.quiet:
        if found.trials:
            print(plain(trial_table(found.trials, found.measures)))
        if output is not None:
            print(printable(f"Written to {output}"))
    if not found.done:
        raise typer.Exit(stop.exit_code)


def _check_chart(output: str, *, force: bool) -> None:
    """Refuse a chart that cannot be written in the end."""
    check_drawing(output)
    check_output(output, force=force)
    folder = os.path.dirname(output)
    if folder and not os.path.isdir(folder):
        raise ArgumentError(f"{folder}: no such folder: make it first")


def trial_table(trials: Sequence[Trial], measures: Sequence[str]) -> Table:
    """Return a table of the last measures, a row for each trial."""
    shown = [name for name in measures if any(trial.last(name) for trial in trials)]
    facts = [name for name in trials[0].facts if len({trial.facts[name] for trial in trials}) > 1] or [*trials[0].facts]
    columns = [Column(name.replace("_", " "), right=not isinstance(trials[0].facts[name], str)) for name in facts]
    columns += [Column(_HEADINGS[name]) for name in shown] + [Column("time")]
    rows: list[list[Cell]] = [
        [
            *(_fact(trial.facts[name]) for name in facts),
            *(_spread(trial.last(name), shares=not name.endswith("loss")) for name in shown),
            duration(trial.seconds),
        ]
        for trial in trials
    ]
    notes = [f"{trial.label}: {run.fault}, seed {run.seed}" for trial in trials for run in trial.runs if run.fault]
    return Table(columns, rows, notes=notes)


def _fact(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _spread(spread: Spread | None, *, shares: bool) -> str:
    """Return a measure and its standard deviation over the seeds."""
    if spread is None:
        return ""
    mean, deviation = spread
    words = f"{mean:.1%}" if shares else f"{mean:.4f}"
    if deviation is None:
        return words
    return f"{words} ± {100 * deviation:.1f}" if shares else f"{words} ± {deviation:.4f}"


def trial_facts(trial: Trial, measures: Sequence[str]) -> dict[str, Any]:
    """Return a trial as fields of JSON."""
    last = {name: trial.last(name) for name in measures}
    return {
        "label": trial.label,
        **trial.facts,
        "seconds": round(trial.seconds, 3),
        "last": {name: spread._asdict() for name, spread in last.items() if spread},
        "runs": [run._asdict() for run in trial.runs],
    }


class _Quiet(Display, TrialWatcher):
    """Warnings only."""


class _Lines(_Quiet):
    """Lines on what holds for all trainings, and a line for each."""

    epochs = 0

    def prepared(self, preparation: Preparation) -> None:
        for line in summary_lines(self.data, preparation):
            if line.startswith(_SHARED):
                self.note(line)
        super().prepared(preparation)

    def planned(self, plans: Sequence[Plan], seeds: int) -> None:
        preparation = plans[0].preparation
        options, self.epochs = preparation.configuration, preparation.epochs
        if len({str(plan.preparation.network) for plan in plans}) == 1:
            network = preparation.network
            self.note(f"network   {network} ({network.totals.params:,} parameters)")
        seed = f"seed {options.seed}" if seeds == 1 else f"seeds {options.seed} to {options.seed + seeds - 1}"
        epochs = f"{self.epochs:,} epoch{'s' * (self.epochs != 1)}"
        rates = f"{options.schedule} rate" + (f", warm-up {options.warmup:g}" if options.warmup else "")
        each = [epochs, rates, f"batches of {options.batch_size}", preparation.changes, loss_words(preparation), seed]
        self.note(f"training  {len(plans)} x {', '.join(filter(None, each))}")

    def ran(self, plan: Plan, run: Run) -> None:
        if not run.metrics:
            self.note(f"{plan.label}: {run.fault or 'stopped in its first epoch'}")
            return
        last = run.metrics[-1]
        accuracy = f", accuracy {last['train_accuracy']:.1%}" if "train_accuracy" in last else ""
        seconds = duration(sum(line["seconds"] for line in run.metrics))
        fault = f"; {run.fault}" if run.fault else ""
        self.note(f"{plan.label}, seed {run.seed}: training loss {last['train_loss']:.4f}{accuracy}, {seconds}{fault}")


class _Live(_Lines):
    """The same lines, and a bar for the training under way."""

    def __init__(self, data: str, folder: Path) -> None:
        super().__init__(data, folder)
        self.bar, self.shown, self.label = TaskBar(), 0.0, ""

    def note(self, message: str) -> None:
        self.bar.say(message)

    def begins_run(self, plan: Plan, seed: int) -> None:
        self.label = plan.label

    def batch(self, report: BatchReport) -> None:
        if time.monotonic() - self.shown > REFRESH:
            self.bar.show(self.label, report.epoch, self.epochs, f"epochs  loss {report.loss:.4f}")
            self.shown = time.monotonic()

    def ran(self, plan: Plan, run: Run) -> None:
        self.bar.take_away()
        super().ran(plan, run)


def _display(data: str, *, quiet: bool) -> _Quiet:
    kind = _Quiet if quiet else _Live if sys.stderr.isatty() else _Lines
    return kind(data, Path(os.curdir))
