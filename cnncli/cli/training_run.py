"""Running a training: what is printed on the way, and the exit code."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

import typer

from cnncli.cli.interrupts import interrupts
from cnncli.cli.training_display import choose_display
from cnncli.errors import ArgumentError
from cnncli.training.configuration import read_configuration
from cnncli.training.preparation import default_output
from cnncli.training.run_folder import RunFolder
from cnncli.training.runs import train


class TrainingRun(NamedTuple):
    """A training as it is asked for on the command line.

    Attributes:
        data: the data; None for what a configuration says.
        output: the folder of the run; None for the default.
        options: those that were given.
        config: a file with more; None for none.
        resume: go on with the run in the folder.
        force: overwrite it.
        jobs: threads; None for the cores.
        as_json: print JSON lines.
        quiet: print warnings and errors only.
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

    def run(self) -> None:
        """Train, and leave with exit code 130 if it was interrupted."""
        data, options = self._settled()
        folder = Path(self.output) if self.output is not None else default_output(data)
        with interrupts() as stop, choose_display(data, folder, as_json=self.as_json, quiet=self.quiet) as display:
            run = train(
                data,
                output=folder,
                resume=self.resume,
                force=self.force,
                jobs=self.jobs,
                watcher=display,
                stop=stop,
                **options,
            )
            display.finish(run)
        if not run.done:
            if not self.as_json:
                print(f"cnncli: saved; go on with: {self._command(data, folder)}", file=sys.stderr)
            raise typer.Exit(130)

    def _settled(self) -> tuple[str, dict[str, Any]]:
        """Return the data and the options: what was given goes before what a file says."""
        said = {} if self.config is None else read_configuration(self.config)
        recorded = self._recorded_data() if self.resume else None
        said_data = said.pop("data", None)
        data = self.data or said_data or recorded
        if not data:
            raise ArgumentError(
                "no data: name a folder with a folder of pictures for each class, such as samples/digits"
            )
        return data, {**said, **self.options}

    def _recorded_data(self) -> str | None:
        """Return the path of the data that the run to resume was begun with."""
        if self.output is None or not (config := RunFolder(self.output).config).exists():
            return None
        recorded: str | None = read_configuration(config).get("data")
        return recorded

    def _command(self, data: str, folder: Path) -> str:
        words = ["cnncli", "train", os.fspath(data), "-o", os.fspath(folder), "--resume"]
        return shlex.join(words)
