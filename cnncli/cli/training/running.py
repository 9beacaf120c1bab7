"""Running a training from the command line: its data and options, its display and its exit code."""

import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import typer

from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.training.display import choose_display
from cnncli.engines.backends import Backend, open_backend
from cnncli.engines.processes import OtherProcessError
from cnncli.errors import ArgumentError
from cnncli.files.text import printable
from cnncli.training.configuration import read_configuration
from cnncli.training.preparation import default_output
from cnncli.training.run_folder import RunFolder
from cnncli.training.runs import TrainingResult, train


class TrainingRun(NamedTuple):
    """A training as it is asked for on the command line: the options of `train`, None where the default holds.

    Attributes:
        options: the fields of a `Configuration` that were given.
    """

    data: str | None
    output: str | None
    options: dict[str, Any]
    config: str | None
    resume: bool
    force: bool
    jobs: int | None
    as_json: bool
    quiet: bool
    engine: str = "numpy"
    device: str = "auto"

    def run(self) -> None:
        """Train, and leave with exit code 130 if it was interrupted, 128 + N if signal N ended it."""
        data, options = self._data_and_options()
        folder = Path(self.output) if self.output is not None else default_output(data)
        with open_backend(self.engine, self.device) as backend:
            run, exit_code = self._train(data, folder, options, backend)
            is_first = backend.processes.is_first
        if not run.done:
            if is_first and not self.as_json:
                print(printable(f"cnncli: saved; to continue: {self._command(data, folder)}"), file=sys.stderr)
            raise typer.Exit(exit_code)

    def _train(self, data: str, folder: Path, options: dict[str, Any], backend: Backend) -> tuple[TrainingResult, int]:
        """Train; the first of several processes shows the progress, the others are silent."""
        display = choose_display(data, folder, as_json=self.as_json, quiet=self.quiet)
        silent = not backend.processes.is_first
        with interrupts(saves=True) as stop, nullcontext() if silent else display:
            try:
                run = train(
                    data,
                    output=folder,
                    resume=self.resume,
                    force=self.force,
                    jobs=self.jobs,
                    engine=backend,
                    watcher=display,
                    stop=stop,
                    **options,
                )
            except OtherProcessError:  # that process prints the reason
                raise typer.Exit(1) from None
            if not silent:
                display.finish(run)
        return run, stop.exit_code

    def _data_and_options(self) -> tuple[str, dict[str, Any]]:
        """Return the data and the options; those of the command line override those of a file."""
        said = {} if self.config is None else read_configuration(self.config)
        recorded = self._recorded_data() if self.resume else None
        said_data = said.pop("data", None)
        data = self.data or said_data or recorded
        if data and data == recorded and not os.path.lexists(data):
            raise ArgumentError(f"{data}: the data of the run is no longer there: give its new path as DATA")
        if not data:
            raise ArgumentError("no data: give a folder with one folder of images per class, such as samples/digits")
        return data, {**said, **self.options}

    def _recorded_data(self) -> str | None:
        """Return the path of the data of the run to resume."""
        if self.output is None or not (config := RunFolder(self.output).config).exists():
            return None
        recorded: str | None = read_configuration(config).get("data")
        return recorded

    def _command(self, data: str, folder: Path) -> str:
        words = ["cnncli", "train", os.fspath(data), "-o", os.fspath(folder), "--resume"]
        if self.engine != "numpy":
            words += ["--engine", self.engine]
        return shlex.join(words)
