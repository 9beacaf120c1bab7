"""Runs that write nothing, and print numbers on each file: `edge --stats`."""

import sys

from cnncli.batch.inputs import Shard
from cnncli.batch.plan import Job
from cnncli.batch.task import Report
from cnncli.cli.files.running import FileRun
from cnncli.cli.files.terminal import ProgressBar
from cnncli.cli.options import FileOptions
from cnncli.pipelines.measuring import COLUMNS, MeasuringPipeline


class MeasuringRun(FileRun):
    """A run over files that prints a line of numbers for each filter, and their names on standard error above them."""

    def __init__(self, pipeline: MeasuringPipeline, options: FileOptions) -> None:
        super().__init__(pipeline, options, pipeline.line)

    def plan(self) -> list[Job]:
        shard = None if self.options.shard is None else Shard.parse(self.options.shard)
        return [Job(source, ()) for source in self.inputs() if shard is None or shard.holds(source)]

    def run(self, jobs: list[Job] | None = None) -> None:
        jobs = self.plan() if jobs is None else jobs
        self.executor(jobs)
        if not (self.options.as_json or self.options.quiet):
            print(*COLUMNS, sep="\t", file=sys.stderr)
        super().run(jobs)

    def show(self, report: Report, bar: ProgressBar) -> None:
        for one in report.details.get("measured", [{}]):
            super().show(report._replace(details=one), bar)
