"""Runs of `predict --copy`: every image is predicted, every copy planned, and only then made."""

import sys
from collections.abc import Iterator

from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job
from cnncli.batch.running import Executor
from cnncli.batch.task import Report, Task
from cnncli.cli.files.predicting import PredictRun
from cnncli.cli.files.running import FileRun, Outcome
from cnncli.cli.files.terminal import ProgressBar
from cnncli.cli.options import FileOptions
from cnncli.errors import NoInputError
from cnncli.files.text import json_text, printable
from cnncli.models.prediction import PredictPipeline
from cnncli.models.sorting import CopyRule, copying, open_places, plan_copies


class CopyRun(PredictRun):
    """A run that copies its images to places named by their predicted class, and prints where to.

    A class is known only when its image has been predicted, so that its plan predicts them all.

    Args:
        pipeline: the work of predicting one file.
        options: the options on inputs, copies and the work between them.
        form: `tsv`, `csv` or `jsonl`.
        rule: names the copies.
        skip: whether a file in a copy's place that has the same content is kept.
        dry_run: print the plan, and copy nothing.
    """

    def __init__(
        self,
        pipeline: PredictPipeline,
        options: FileOptions,
        form: str,
        rule: CopyRule,
        *,
        skip: bool,
        dry_run: bool,
    ) -> None:
        super().__init__(pipeline, options, form)
        self.columns = [*pipeline.columns, "copy"]
        self.rule, self.skip, self.dry_run = rule, skip, dry_run
        self.predictions = _Predictions(pipeline, self.options)
        self.copies: dict[str, str] = {}
        self._waiting: Iterator[Report] = iter(())

    def plan(self) -> list[Job]:
        inputs = self._inputs()
        self.rule.plan(inputs)  # names that clash whatever the classes are refused before the work
        predicted = self.predictions.process([Job(source, ()) for source in inputs])
        if not predicted.complete:
            self.predictions.conclude(predicted, len(inputs))
        found = self.predictions.found
        self._waiting = iter(found)
        self.rule = self.rule.of({one.input: top[0] for one in found if (top := self.pipeline.top(one))})
        jobs = plan_copies(self.rule, inputs, replace=self.options.force or self.skip)
        self.copies = {job.input.path: job.outputs[0] for job in jobs}
        return jobs

    def process(self, jobs: list[Job]) -> Outcome:
        self._name_changes()
        jobs = [] if self.dry_run else jobs
        open_places(jobs, self.rule)
        outcome = super().process(jobs)
        if outcome.complete:
            with ProgressBar(0, hidden=True) as bar:
                for found in self._waiting:
                    self._show(found, None, bar)
        outcome.statuses["failed"] += sum(report.status == "failed" for report in self.predictions.found)
        return outcome

    def show(self, report: Report, bar: ProgressBar) -> None:
        for found in self._waiting:
            copied = report if found.input == report.input else None
            self._show(found, copied, bar)
            if copied:
                return

    def conclude(self, outcome: Outcome, total: int) -> None:
        super().conclude(outcome, len(self.predictions.found))

    def summary(self, outcome: Outcome) -> str:
        known = sum(report.status == "ok" for report in self.predictions.found)
        counts = {
            "copied": outcome.statuses["ok"],
            "to copy": len(self.copies) if self.dry_run else 0,
            "skipped": outcome.statuses["skipped"],
            f"below --min {100 * self.rule.min_probability:g}%": known - len(self.copies),
            "failed": outcome.statuses["failed"],
            "left": outcome.left,
        }
        words = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        return f"{'interrupted: ' if outcome.left else ''}{words}"

    def task(self, jobs: list[Job]) -> Task:
        return copying(replace=self.options.force, skip=self.skip)

    def executor(self, jobs: list[Job]) -> Executor | None:
        return None  # a cluster predicts, and this machine copies

    def _inputs(self) -> list[Input]:
        """Return the images; those found in the folder of the copies while another was searched are left out."""
        found = self.inputs()
        inputs = self.rule.without_results(found)
        left = len(found) - len(inputs)
        if not inputs:
            raise NoInputError(f"all {left:,} images found are in the folder of the copies: there is nothing to copy")
        if left and not self.options.quiet:
            print(f"cnncli: {left:,} images found in the folder of the copies are left out", file=sys.stderr)
        return inputs

    def _name_changes(self) -> None:
        """Name the classes whose names in paths are others."""
        classes = {name for name, _ in (self.rule.found or {}).values()}
        for name in () if self.options.quiet else sorted(classes):
            if (other := self.rule.names[name]) != name:
                print(printable(f"cnncli: class {name!r} is {other!r} in the names of copies"), file=sys.stderr)

    def _show(self, found: Report, copied: Report | None, bar: ProgressBar) -> None:
        """Print an image: its prediction, and where it was copied to."""
        error = found.error or (copied and copied.error)
        planned = self.copies.get(found.input) if self.dry_run else None
        copy = planned if copied is None or error else copied.output
        if self.options.as_json:
            print(json_text(self.pipeline.facts(found) | {"error": error, "copy": copy}), flush=True)
        elif error:
            bar.print(f"cnncli: {error}")
        else:
            print(self.text([*self.pipeline.cells(found), copy or ""]))


class _Predictions(FileRun):
    """The run that predicts, and keeps what it finds."""

    pipeline: PredictPipeline

    def __init__(self, pipeline: PredictPipeline, options: FileOptions) -> None:
        super().__init__(pipeline, options, lambda _: "")
        self.found: list[Report] = []

    def show(self, report: Report, bar: ProgressBar) -> None:
        self.found.append(self.pipeline.brief(report))

    def hides_bar(self) -> bool:
        return False  # no lines are printed meanwhile
