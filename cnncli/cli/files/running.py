"""Running a pipeline over inputs: what is printed on the way, and the exit code."""

import os
import sys
import time
from collections import Counter
from contextlib import closing
from typing import Any, NamedTuple

import typer

from cnncli.batch import (
    Executor,
    Job,
    Manifests,
    OutputRule,
    Report,
    Shard,
    make_folders,
    plan,
    refuse_existing,
    run,
    summary,
    work_folders,
)
from cnncli.batch.urls import is_url
from cnncli.cli.batch_options import BatchOptions
from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.files.listing import find_pictures
from cnncli.cli.files.progress import Progress
from cnncli.errors import ArgumentError, SchedulerError
from cnncli.files.matrices import TEXT_SUFFIXES
from cnncli.files.temporary import STANDARD, remove_leftovers
from cnncli.files.text import json_text, printable
from cnncli.images import find_format
from cnncli.images.formats.png import alike
from cnncli.pipelines.common import Pipeline, check_format
from cnncli.threads import cores

FIELDS = ("filter", "input_shape", "output_shape", "min", "max", "clipped_fraction")
"""What a JSON line says of the work, beside input, output, status, error and seconds."""


class Batch(NamedTuple):
    """A pipeline and what the user said of inputs and outputs."""

    pipeline: Pipeline
    options: BatchOptions

    def plan(self) -> list[Job]:
        """Return what is to be done, having checked all that can be checked before any work."""
        if self.options.output == STANDARD and self.options.as_json:
            raise ArgumentError("--json and -o - would both write to standard output: choose a file for one of them")
        rule = self._rule()
        if rule.names_one:
            self._check_single(rule)
        shard = None if self.options.shard is None else Shard.parse(self.options.shard)
        inputs = find_pictures(
            self.options.words, self.options.files_from, recursive=self.options.recursive, quiet=self.options.quiet
        )
        if any(source.path == STANDARD for source in inputs) and self.options.output is None:
            raise ArgumentError("standard input has no name to derive the output's from: choose one with -o")
        # Every share plans the whole: collisions between shares, and outputs of other shares, are seen.
        jobs = [job for job in plan(inputs, rule) if shard is None or shard.holds(job.input)]
        self._check_outputs(jobs)
        self._executor(jobs)
        if not (self.options.force or self.options.skip_existing or self.options.dry_run):
            refuse_existing(jobs)
        return jobs

    def run(self, jobs: list[Job] | None = None) -> None:
        """Do it, report it, and leave with exit code 1 if anything failed."""
        jobs = self.plan() if jobs is None else jobs
        if self.options.dry_run:
            self._print_plan(jobs)
            return
        make_folders(jobs, self._rule())
        remove_leftovers(work_folders(jobs))
        # One picture needs no list of what is done, and leaves none in its folder.
        listed = len(jobs) > 1 or self.options.skip_existing
        statuses: Counter[str] = Counter()
        begin = time.perf_counter()
        hidden = self.options.quiet or self.options.as_json or len(jobs) < 2
        with Progress(len(jobs), hidden=hidden) as progress, interrupts(at_once=len(jobs) == 1) as stop:
            reports = run(
                jobs,
                self.pipeline,
                workers=self._workers(jobs),
                manifests=self._manifests() if listed else None,
                skip=self.options.skips,
                replace=self.options.force,
                alike=alike,
                stop=stop,
                executor=self._executor(jobs),
            )
            lost: SchedulerError | None = None
            try:
                with closing(reports):  # also where a report cannot be printed
                    for report in reports:
                        statuses[report.status] += 1
                        progress.advance(failed=report.status == "failed")
                        self._print_report(report, progress)
            except SchedulerError as error:  # what was done stays done, and is counted
                lost = error
        left = sum(len(job.outputs) for job in jobs) - statuses.total()
        if statuses if lost else left or (len(jobs) != 1 and not self.options.quiet):
            print(summary(statuses, left, time.perf_counter() - begin), file=sys.stderr)
        if lost:
            raise lost
        if left or stop.is_set():
            raise typer.Exit(130)
        if statuses["failed"]:
            raise typer.Exit(1)

    def _workers(self, jobs: list[Job]) -> int:
        return min(self.options.jobs or cores(), len(jobs) or 1)

    def _executor(self, jobs: list[Job]) -> Executor | None:
        """Return where jobs are done, if not on threads of this process; refuse what cannot be done there."""
        if self.options.scheduler is None:
            return None
        from cnncli.cli.files.scheduling import open_cluster

        cluster = open_cluster(self.options.scheduler, self.options.jobs, self._workers(jobs))
        cluster.check(jobs)
        return cluster

    def _manifests(self) -> Manifests:
        return Manifests(self.pipeline.options)

    def _rule(self) -> OutputRule:
        return OutputRule(self.options.output, self.pipeline.labels, self._suffix())

    def _suffix(self) -> str:
        return find_format(self.pipeline.format or "png").suffix

    def _check_single(self, rule: OutputRule) -> None:
        """Check an output that is one file, or standard output."""
        if self.options.output == STANDARD and self.pipeline.format is None:
            inputs = [*self.options.words]
            if not all(word == STANDARD or word.lower().endswith(TEXT_SUFFIXES) for word in inputs):
                raise ArgumentError("standard output needs a format: add --format png, npy or another")
        elif self.options.output is not None:
            self.pipeline.check_single(self.options.output)

    def _check_outputs(self, jobs: list[Job]) -> None:
        names = {output for job in jobs for output in job.outputs if output != STANDARD}
        if self.pipeline.format is None:
            for suffix in {os.path.splitext(name)[1].lower(): name for name in names}.values():
                check_format(suffix)
        away = next((name for name in names if is_url(name)), None) if self.options.show else None
        if away is not None:
            raise ArgumentError(f"--show shows files of this machine, and {away} is none: write files, or leave it out")
        form = self.pipeline.format
        is_shown = any(STANDARD in job.outputs for job in jobs) and sys.stdout and sys.stdout.isatty()
        if form is not None and is_shown and not find_format(form).text:
            raise ArgumentError(f"{form} is not for reading on a terminal: redirect standard output, or name a file")

    def _print_plan(self, jobs: list[Job]) -> None:
        manifests = self._manifests() if self.options.skips else None
        if manifests is not None:
            manifests.look(jobs)
        for job in jobs:
            skipped = manifests is not None and manifests.is_done(job)
            for output in job.outputs:
                planned = {"input": job.input.path, "output": output, "status": "skipped" if skipped else "planned"}
                line = f"{job.input.path} -> {output}{' (skipped)' if skipped else ''}"
                print(json_text(planned) if self.options.as_json else printable(line))

    def _print_report(self, report: Report, progress: Progress) -> None:
        if self.options.as_json:
            print(json_text(json_line(report)), flush=True)
        elif report.status == "failed":
            progress.print(f"cnncli: {report.error}")
        elif not self.options.quiet and report.output != STANDARD and progress.total == 1:
            progress.print(f"{report.input} -> {report.output}")
        if self.options.show and report.status == "ok" and report.output != STANDARD:
            from cnncli.cli.files.preview import preview

            progress.show(preview(report.output))


def json_line(report: Report) -> dict[str, Any]:
    """Return a report as the documented JSON object."""
    line: dict[str, Any] = {
        "input": report.input,
        "output": report.output,
        "status": report.status,
        "error": report.error,
    }
    return line | {name: report.details.get(name) for name in FIELDS} | {"seconds": report.seconds}
