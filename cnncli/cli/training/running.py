"""Running a training from the command line."""

import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer

from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.training.displays import choose_display
from cnncli.engines.backends import open_backend
from cnncli.engines.processes import OtherProcessError
from cnncli.errors import ArgumentError
from cnncli.files.text import printable
from cnncli.training.configuration import read_configuration
from cnncli.training.preparing.preparation import default_output
from cnncli.training.run_folder import RunFolder
from cnncli.training.runs import train


def run_training(
    data: str | None,
    options: dict[str, Any],
    output: str | None,
    config: str | None,
    jobs: int | None,
    engine: str,
    device: str,
    *,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train, and leave with exit code 130 if it was interrupted, 128 + N if signal N ended it.

    The first of several processes shows the progress, the others are silent. The arguments are the options of `train`,
    None where the default holds; `options` are the fields of a `Configuration`.
    """
    data, options = data_and_options(data, options, config, output if resume else None)
    folder = Path(output) if output is not None else default_output(data)
    with open_backend(engine, device) as backend:
        display = choose_display(data, folder, as_json=as_json, quiet=quiet)
        silent = not backend.processes.is_first
        shared: dict[str, Any] = {"engine": backend, "watcher": display, "resume": resume, "force": force, "jobs": jobs}
        with interrupts(saves=True) as stop, nullcontext() if silent else display.bar:
            try:
                run = train(data, output=folder, stop=stop, **shared, **options)
            except OtherProcessError:  # that process prints the reason
                raise typer.Exit(1) from None
            if not silent:
                display.finish(run)
    if run.done:
        return
    if not (silent or as_json):
        words = ["cnncli", "train", data, "-o", os.fspath(folder), "--resume"]
        words += ["--engine", engine] if engine != "numpy" else []
        print(printable(f"cnncli: saved; to continue: {shlex.join(words)}"), file=sys.stderr)
    raise typer.Exit(stop.exit_code)


def data_and_options(
    data: str | None, options: dict[str, Any], config: str | None, resumed: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the data and the options; those of the command line override those of a file."""
    said = {} if config is None else read_configuration(config)
    recorded = None
    if resumed is not None and (file := RunFolder(resumed).config).exists():
        recorded = read_configuration(file).get("data")
    said_data = said.pop("data", None)
    data = data or said_data or recorded
    if data and data == recorded and not os.path.lexists(data):
        raise ArgumentError(f"{data}: the data of the run is no longer there: give its new path as DATA")
    if not data:
        raise ArgumentError(
            "no data: give a folder with one folder of images per class, such as samples/digits, or one of images with "
            "boxes, such as samples/canvases"
        )
    return data, {**said, **options}
