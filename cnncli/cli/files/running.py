"""One runner for every command that works on files: inputs, plan, progress, interrupts, reports, exit code.

A command makes a pipeline, which does the work of one file and says what a report of it holds, and runs it here.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple, Protocol

import typer

from cnncli.batch.inputs import Input, Shard, find_inputs
from cnncli.batch.manifest import NAME, Manifests
from cnncli.batch.naming import OutputRule
from cnncli.batch.objects import is_url
from cnncli.batch.plan import Job, make_folders, plan, refuse_existing, work_folders
from cnncli.batch.running import Executor, run, summary
from cnncli.batch.task import Grouping, Report, Task
from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.files.lists import NUL_LIST, read_list
from cnncli.cli.files.terminal import ProgressBar, preview
from cnncli.cli.options import FileOptions
from cnncli.errors import ArgumentError, SchedulerError
from cnncli.files.matrices import TEXT_SUFFIXES
from cnncli.files.temporary import STANDARD, remove_leftovers
from cnncli.files.text import json_text, printable
from cnncli.images.formats import PICTURE_SUFFIXES, find_format, is_format
from cnncli.images.formats.png import alike
from cnncli.pipelines.common import Pipeline, check_format, check_lossy, check_terminal
from cnncli.threads import cores

MATRIX_SUFFIXES = (*TEXT_SUFFIXES, ".npy", ".npz")


class Reporting(Protocol):
    """The work of one file, as far as every run of files needs to know it; a `Pipeline` also writes outputs."""

    @property
    def grouping(self) -> Grouping:
        """The grouping of jobs that are processed together."""

    def __call__(self, job: Job, targets: Sequence[str]) -> list[dict[str, Any]]:
        """Do the work of one job; return the details of each report."""

    def facts(self, report: Report) -> dict[str, Any]:
        """Return a report as the documented JSON object."""


class Outcome(NamedTuple):
    """What came of some jobs.

    Attributes:
        statuses: number of reports of each status.
        left: number of those that never came.
        seconds: time taken.
        stopped: whether it was interrupted.
        lost: the error of a cluster that was lost on the way.
    """

    statuses: Counter[str]
    left: int
    seconds: float
    stopped: bool
    lost: SchedulerError | None

    @property
    def complete(self) -> bool:
        """True if every job was done or failed."""
        return not (self.left or self.stopped or self.lost)


class FileRun:
    """A run over files that prints a line for each.

    Args:
        pipeline: the work of one file.
        options: the options on inputs, outputs and the work between them.
        line: returns the line of a report that did not fail.
    """

    def __init__(self, pipeline: Reporting, options: FileOptions, line: Callable[[Report], str]) -> None:
        self.pipeline, self.options, self.line = pipeline, options, line
        self.left_out: list[str] = []

    def plan(self) -> list[Job]:
        """Return the jobs, after checking everything that can be checked before any work."""
        return [Job(source, ()) for source in self.inputs(repeats=True)]

    def run(self, jobs: list[Job] | None = None) -> None:
        """Do the jobs and report them; leave with exit code 1 if anything failed, with 130 if interrupted.

        Raises:
            SchedulerError: the cluster was lost; what was done before is reported.
        """
        jobs = self.plan() if jobs is None else jobs
        self.name_left_out()
        self.conclude(self.process(jobs), len(jobs))

    def process(self, jobs: list[Job]) -> "Outcome":
        """Do the jobs, and show the report of each."""
        executor = self.executor(jobs)
        statuses: Counter[str] = Counter()
        lost: SchedulerError | None = None
        begin = time.perf_counter()
        hidden = self.options.quiet or len(jobs) < 2 or self.hides_bar()
        with ProgressBar(len(jobs), hidden=hidden) as bar, interrupts(at_once=len(jobs) == 1) as stop:
            try:
                reports = run(jobs, self.task(jobs), workers=self.workers(jobs), stop=stop, executor=executor)
                with closing(reports):  # also where a report cannot be printed
                    for report in reports:
                        statuses[report.status] += 1
                        bar.advance(failed=report.status == "failed")
                        self.show(report, bar)
            except SchedulerError as error:  # what was done stays done, and is counted
                lost = error
        left = sum(len(job.reported) for job in jobs) - statuses.total()
        return Outcome(statuses, left, time.perf_counter() - begin, stop.is_set(), lost)

    def conclude(self, outcome: "Outcome", total: int) -> None:
        """Print how many of all were done, and leave with the exit code of that where some were not."""
        statuses, left, lost = outcome.statuses, outcome.left, outcome.lost
        if statuses if lost else left or (total != 1 and not self.options.quiet):
            print(self.summary(outcome), file=sys.stderr)
        if lost:
            raise lost
        if left or outcome.stopped:
            raise typer.Exit(130)
        if statuses["failed"]:
            raise typer.Exit(1)

    def summary(self, outcome: "Outcome") -> str:
        """Return one line on what was done."""
        return summary(outcome.statuses, outcome.left, outcome.seconds)

    def task(self, jobs: list[Job]) -> Task:
        """Return what is done with each job."""
        return Task(self.pipeline, grouping=self.pipeline.grouping)

    def show(self, report: Report, bar: ProgressBar) -> None:
        """Print a report: a line on standard output, or an error above the bar."""
        if self.options.as_json:
            print(json_text(self.pipeline.facts(report)), flush=True)
        elif report.status == "failed":
            bar.print(f"cnncli: {report.error}")
        elif line := self.line(report):
            print(line)

    def hides_bar(self) -> bool:
        """Return whether a bar would be drawn among the lines."""
        return sys.stdout.isatty()

    def inputs(self, *, repeats: bool = False) -> list[Input]:
        """Return the files that words and a list stand for, each once unless `repeats` are asked for.

        Pipes, sockets and devices that are found or listed are added to `left_out` instead.

        Raises:
            ArgumentError: nothing is named, standard input twice, or a list that cannot be read.
            NoInputError: a glob, a folder or the list holds nothing.
        """
        words, lists = self.options.inputs or [], self.lists()
        if not words and not lists:
            raise ArgumentError("no inputs: give files, quoted globs, folders (with -r), or - for standard input")
        standard = [f"{option} -" for option, name in lists.items() if name == STANDARD]
        standard += ["the input -"] if STANDARD in words else []
        if len(standard) > 1:
            raise ArgumentError(f"{' and '.join(standard[:2])} both read standard input: put the list in a file")
        listed = [path for option, name in lists.items() for path in read_list(option, name)]
        kinds: dict[str, Any] = {"recursive": self.options.recursive, "suffixes": PICTURE_SUFFIXES}
        return find_inputs(words, listed, left_out=self.left_out, repeats=repeats, **kinds)

    def lists(self) -> dict[str, str]:
        """Return the lists of inputs that were given, by option."""
        names = {"--files-from": self.options.files_from, NUL_LIST: self.options.files_from0}
        return {option: name for option, name in names.items() if name is not None}

    def name_left_out(self) -> None:
        """Name the files that are left out on standard error, once nothing is refused any more."""
        for path in () if self.options.quiet else self.left_out:
            line = f"cnncli: {path}: skipped: it is a pipe, socket or device; to read it, give its name as an input"
            print(printable(line), file=sys.stderr)

    def workers(self, jobs: list[Job]) -> int:
        """Return the number of files that are done at a time."""
        return min(self.options.jobs or cores(), len(jobs) or 1)

    def executor(self, jobs: list[Job]) -> Executor | None:
        """Return the cluster of `--scheduler`, or None for threads of this process.

        Raises:
            ArgumentError: the cluster cannot do these jobs.
        """
        address = self.options.scheduler
        if address is None:
            return None
        from cnncli.batch.cluster import LOCAL, Cluster

        if self.options.jobs is not None and address != LOCAL:
            raise ArgumentError(
                f"--jobs applies to this machine only: leave it out with --scheduler {address}, whose workers have "
                "their own threads"
            )
        cluster = Cluster(address, self.workers(jobs))
        cluster.check(jobs)
        return cluster


class WritingRun(FileRun):
    """A run over files that writes outputs, each whole or not at all."""

    pipeline: Pipeline

    def __init__(self, pipeline: Pipeline, options: FileOptions) -> None:
        super().__init__(pipeline, options, lambda _: "")
        self.manifests = Manifests(pipeline.options) if options.skip_existing else None
        self._hints: set[str] = set()
        self._doubts: Counter[str] = Counter()
        self.rule = self._rule(options.output)

    def _rule(self, target: str | None) -> OutputRule:
        return OutputRule(target, self.pipeline.labels, find_format(self.pipeline.format or "png").suffix)

    def plan(self) -> list[Job]:
        said = self.options
        if said.output == STANDARD and said.as_json:
            raise ArgumentError("--json and -o - both write to standard output: write the output to a file")
        if said.output == "":
            raise ArgumentError("--output is empty: name a file, a folder or a template, or - for standard output")
        shard = None if said.shard is None else Shard.parse(said.shard)
        inputs = self.inputs()
        if self._names_folder(inputs):
            self.rule = self._rule(f"{said.output}/")
        if self.rule.names_one:
            self._check_single(inputs[0].path)
        if any(source.path == STANDARD for source in inputs) and said.output is None:
            raise ArgumentError("an image from standard input needs a name for its output: add -o")
        # Every share plans the whole: collisions between shares, and outputs of other shares, are seen.
        jobs = [job for job in plan(inputs, self.rule) if shard is None or shard.holds(job.input)]
        self._check_outputs(jobs)
        self.executor(jobs)
        if self.manifests is not None:
            self.manifests.check(jobs)
        elif not (said.force or said.dry_run):
            refuse_existing(jobs)
        return jobs

    def run(self, jobs: list[Job] | None = None) -> None:
        jobs = self.plan() if jobs is None else jobs
        if self.options.skips and self.manifests is not None:
            self._look(jobs, self.manifests)
        if self.options.dry_run:
            self.name_left_out()
            self._print_plan(jobs)
            return
        make_folders(jobs, self.rule)
        remove_leftovers(work_folders(jobs))
        super().run(jobs)

    def task(self, jobs: list[Job]) -> Task:
        skip, replace = self.options.skips, self.options.force
        return Task(self.pipeline, self.manifests, skip, replace, alike, grouping=self.pipeline.grouping)

    def show(self, report: Report, bar: ProgressBar) -> None:
        super().show(report, bar)
        if not self.options.quiet:
            self._show_hints(report, bar)
        if report.status == "failed" or report.output == STANDARD:
            return
        if bar.total == 1 and not (self.options.quiet or self.options.as_json):
            bar.print(f"{report.input} -> {report.output}")
        if self.options.show and report.status == "ok":
            bar.show(preview(report.output))

    def _show_hints(self, report: Report, bar: ProgressBar) -> None:
        """Print what is known of an output: each hint once, a doubt when half of all inputs have had it."""
        for doubt in report.details.get("doubts", ()):
            self._doubts[doubt] += 1
        doubts = [doubt for doubt, count in self._doubts.items() if count * 2 >= bar.total]
        for hint in (*report.details.get("hints", ()), *doubts):
            if hint not in self._hints:
                self._hints.add(hint)
                bar.print(f"cnncli: {report.input}{' and others' if bar.total > 1 and hint in doubts else ''}: {hint}")

    def hides_bar(self) -> bool:
        return self.options.as_json

    def _names_folder(self, inputs: list[Input]) -> bool:
        """Return whether the output is a folder named without its slash.

        However many files a glob matches, the answer is the same; with --format, the output of one file that is named
        may have any name.
        """
        output = self.options.output
        if not (self.rule.names_one and output and output != STANDARD and _may_be_folder(output)):
            return False
        return self.pipeline.format is None or len(inputs) > 1 or inputs[0].found or bool(self.lists())

    def _check_single(self, path: str) -> None:
        """Check an output that is one file, or standard output, made of the input `path`."""
        output, pipeline = self.options.output or STANDARD, self.pipeline
        if pipeline.format is None and output == STANDARD:
            if path == STANDARD or path.lower().endswith(MATRIX_SUFFIXES):
                return  # its content decides
            pipeline = pipeline.replace(format="png")
        elif pipeline.format is None:
            try:
                check_format(output)
            except ArgumentError as error:
                raise ArgumentError(f"{error}; add --format, or end it in / for a folder") from error
        pipeline.check_single(output)

    def _check_outputs(self, jobs: list[Job]) -> None:
        names = {output for job in jobs for output in job.outputs if output != STANDARD}
        form = self.pipeline.format
        one_of_each = {os.path.splitext(name)[1].lower(): name for name in names}.values()
        forms = [form] if form else [*map(check_format, one_of_each)]
        if self.options.quality is not None:
            for name in forms or ["png"]:
                check_lossy(name, self.options.quality)
        if self.options.show and (away := next(filter(is_url, names), None)):
            raise ArgumentError(
                f"{away}: --show works with local files only: write to a local path, or leave --show out"
            )
        for path in (job.input.path for job in jobs if STANDARD in job.outputs):
            if form or not (path == STANDARD or path.lower().endswith(TEXT_SUFFIXES)):  # else its content decides
                check_terminal(find_format(form or "png"))

    def _look(self, jobs: list[Job], manifests: Manifests) -> None:
        """Look up what is done, and say on standard error how many outputs will be compared."""
        manifests.look(jobs)
        count = 0 if self.options.quiet or len(jobs) < 2 else len(manifests.unlisted(jobs))
        if count:
            exist, are = ("outputs exist", "they are") if count > 1 else ("output exists", "it is")
            print(
                f"cnncli: {count} {exist} without a line in {NAME}: {are} computed again, and kept where equal",
                file=sys.stderr,
            )

    def _print_plan(self, jobs: list[Job]) -> None:
        for job in jobs:
            skipped = self.options.skips and self.manifests is not None and self.manifests.is_done(job)
            for output in job.outputs:
                planned = {"input": job.input.path, "output": output, "status": "skipped" if skipped else "planned"}
                line = f"{job.input.path} -> {output}{' (skipped)' if skipped else ''}"
                print(json_text(planned) if self.options.as_json else printable(line))


def _may_be_folder(name: str) -> bool:
    """Return whether a name can be that of a folder to be made: nothing stands there, and no suffix says a file.

    Digits are not a suffix: folders are named `2024.06` and `sigma1.5`.
    """
    ending = os.path.splitext(name)[1]
    return not (ending[1:2].isalpha() or is_format(name) or (not is_url(name) and os.path.lexists(name)))
