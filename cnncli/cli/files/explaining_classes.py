"""Runs of `why`: sheets and maps, a line for each image, and the arithmetic of a cell."""

from cnncli.batch.plan import Job
from cnncli.batch.task import Report
from cnncli.cli.files.running import FileRun, WritingRun
from cnncli.cli.files.terminal import ProgressBar
from cnncli.cli.options import FileOptions
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.models.why.pipeline import WhyPipeline, WhyRule


class WhyRun(WritingRun):
    """A run that draws what spoke for a class in each image, and prints the class and its probability.

    Of a single image, or of a cell that was asked for, it prints the arithmetic, too.
    """

    pipeline: WhyPipeline

    def __init__(self, pipeline: WhyPipeline, options: FileOptions) -> None:
        super().__init__(pipeline, options)
        self.line = self._printed
        self._single = False

    def _rule(self, target: str | None) -> WhyRule:
        return WhyRule(target, self.pipeline.methods, self.pipeline.map_folder)

    def _check_outputs(self, jobs: list[Job]) -> None:
        sheets = [job._replace(outputs=job.outputs[:1]) for job in jobs]
        for name in {job.outputs[0] for job in sheets}:
            self.pipeline.check_single(name)
        super()._check_outputs(sheets)

    def show(self, report: Report, bar: ProgressBar) -> None:
        self._single = bar.total == 1
        super().show(report, bar)

    def hides_bar(self) -> bool:
        return FileRun.hides_bar(self)

    def _printed(self, report: Report) -> str:
        found = report.details.get("explained")
        if found is None or self.options.output == STANDARD or self.options.quiet:
            return ""
        lines = [f"{printable(report.input)}\t{printable(found.class_name)}\t{found.probability:.4f}"]
        if self._single or self.pipeline.place is not None:
            for one in report.details["maps"]:
                (rows, columns), cell = one["shape"], one["cell"]
                title = f"{one['title']}: cell {cell['row']},{cell['column']} of {rows}x{columns}"
                lines += ["", printable(title), *(f"  {line}" for line in one["lines"])]
        return "\n".join(lines)
