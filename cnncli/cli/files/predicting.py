"""Runs of `predict`: a line for each image, as a table or as JSON."""

from cnncli.batch.plan import Job
from cnncli.batch.task import Report
from cnncli.cli.files.running import FileRun, Outcome
from cnncli.cli.options import FileOptions
from cnncli.files.text import csv_text, printable
from cnncli.models.prediction import PredictPipeline

Cells = list[str | float]


class PredictRun(FileRun):
    """A run that prints the predictions of its images in their order.

    Args:
        pipeline: the work of one file.
        options: the options on inputs and the work on them.
        form: `tsv`, `csv` or `jsonl`.
    """

    pipeline: PredictPipeline

    def __init__(self, pipeline: PredictPipeline, options: FileOptions, form: str) -> None:
        super().__init__(pipeline, options.replace(as_json=form == "jsonl"), self._line)
        self.form = form
        self.columns = pipeline.columns

    def process(self, jobs: list[Job]) -> Outcome:
        if self.form == "csv":
            print(csv_text(self.columns))
        return super().process(jobs)

    def _line(self, report: Report) -> str:
        return self.text(self.pipeline.cells(report))

    def text(self, cells: Cells) -> str:
        """Return a row of the table as text."""
        return csv_text(cells) if self.form == "csv" else _tab_text(cells)


def _tab_text(cells: Cells) -> str:
    """Return cells between tabs, numbers with four decimals."""
    return "\t".join(printable(cell) if isinstance(cell, str) else f"{cell:.4f}" for cell in cells)
