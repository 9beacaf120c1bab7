"""Predictions as they are printed, and the exit code."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import typer

from cnncli.batch import summary
from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.files.progress import Progress
from cnncli.data import Reading
from cnncli.errors import SchedulerError
from cnncli.files.text import json_text, printable
from cnncli.models.model import Model
from cnncli.models.prediction import Elsewhere, ModelFile, Prediction, predict_files
from cnncli.threads import cores


class Predicting(NamedTuple):
    """A model, and how predictions are printed."""

    model: Model
    reading: Reading
    jobs: int | None
    elsewhere: Elsewhere | None
    top: int
    as_json: bool
    quiet: bool

    def run(self, paths: list[str]) -> None:
        """Predict and print; leave with exit code 1 if anything failed, 130 if interrupted."""
        statuses: Counter[str] = Counter()
        begin = time.perf_counter()
        lost: SchedulerError | None = None
        # A bar would stand among the lines.
        hidden = self.quiet or len(paths) < 2 or sys.stdout.isatty()
        with Progress(len(paths), hidden=hidden) as progress, interrupts(at_once=len(paths) == 1) as stop:
            try:
                for prediction in self._predictions(paths, stop):
                    statuses["failed" if prediction.error else "ok"] += 1
                    progress.advance(failed=bool(prediction.error))
                    self._print(prediction, progress)
            except SchedulerError as error:  # what was printed counts
                lost = error
        left = len(paths) - statuses.total()
        if statuses if lost else left or (len(paths) > 1 and not self.quiet):
            print(summary(statuses, left, time.perf_counter() - begin), file=sys.stderr)
        if lost:
            raise lost
        if left or stop.is_set():
            raise typer.Exit(130)
        if statuses["failed"]:
            raise typer.Exit(1)

    def _predictions(self, paths: list[str], stop: threading.Event) -> Iterator[Prediction]:
        jobs = self.jobs or cores()
        return predict_files(self.model, paths, jobs=jobs, reading=self.reading, stop=stop, elsewhere=self.elsewhere)

    def _print(self, prediction: Prediction, progress: Progress) -> None:
        found = prediction.top(self.top)
        if self.as_json:
            print(json_line(prediction, found), flush=True)
        elif prediction.error:
            progress.print(f"cnncli: {prediction.error}")
        else:
            words = [word for name, share in found for word in (printable(name), f"{share:.4f}")]
            print(printable(prediction.input), *words, sep="\t")


def on_cluster(address: str, jobs: int | None, count: int, model: ModelFile) -> Elsewhere:
    """Return where a number of files is predicted if there is a `--scheduler`.

    Raises:
        ArgumentError: `--jobs` of a cluster that is not of this machine.
    """
    from cnncli.cli.files.scheduling import open_cluster

    return Elsewhere(open_cluster(address, jobs, max(1, min(jobs or cores(), count))), model)


def json_line(prediction: Prediction, found: list[tuple[str, float]]) -> str:
    """Return a prediction as the documented JSON object."""
    name, share = found[0] if found else (None, None)
    line = {
        "input": prediction.input,
        "class": name,
        "probability": share,
        "top": [{"class": name, "probability": share} for name, share in found],
        "error": prediction.error,
    }
    return json_text(line)
