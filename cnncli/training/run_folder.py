"""Folder of a run: its files, and the conditions under which they are written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnncli.errors import ArgumentError, ModelError
from cnncli.files.temporary import lock, open_whole, remove_leftovers, writing
from cnncli.models.judging.splits import CONFIG, SPLIT

Metrics = dict[str, Any]

CURVES, CONFUSION, FILTERS, MISTAKES = "curves.svg", "confusion.svg", "filters.png", "mistakes.png"
PRECISION, WORST, REPORT = "precision.svg", "worst.png", "report.html"
PICTURES = (CURVES, CONFUSION, FILTERS, MISTAKES, PRECISION, WORST)
"""Files that are drawn at the end: of classes all but the last two, of boxes all but the mistakes."""

_FORMER = ("curves.png", "confusion.png", "precision.png")  # of earlier versions


class RunFolder:
    """The folder of a run; writing in it raises a `ModelError` where that fails.

    Attributes:
        model: the best weights and all that is needed to use them.
        checkpoint: the last weights and everything else that a resumed training needs.
        metrics: a line of JSON for each epoch.
        config: options and versions.
        split: fingerprints of the pictures that were trained on, and of those that were held out.
        post_mortem: the report on a loss that was no longer finite.
        report: the run as a web page.

    Example:
        >>> RunFolder("runs/digits").model.name
        'model.safetensors'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.model = self.path / "model.safetensors"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.metrics = self.path / "metrics.jsonl"
        self.config = self.path / CONFIG
        self.split = self.path / SPLIT
        self.post_mortem = self.path / "post_mortem.json"
        self.report = self.path / REPORT
        self._held: int | None = None

    def close(self) -> None:
        """Release the folder for other processes."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a training writes here, except pictures and the report."""
        return self.model, self.checkpoint, self.metrics, self.config, self.split, self.post_mortem

    def check(self, *, force: bool, resume: bool) -> None:
        """Check before any work that the run may be written here.

        Raises:
            ArgumentError: another run is here, or there is no run to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ArgumentError(f"{self.path}: is a file: give a folder for the run")
        if resume:
            if not self.checkpoint.exists():
                raise ArgumentError(f"{self.path}: there is no {self.checkpoint.name}, so there is nothing to resume")
            return
        found = [file.name for file in self.files if file.exists()]
        if found and not force:
            raise ArgumentError(
                f"{self.path}: holds a run ({', '.join(found)}): --resume goes on with it, --force starts anew, "
                "-o names another folder"
            )

    def open(self, *, fresh: bool) -> None:
        """Make the folder, and remove the leftovers of a killed process, and another run's files where it is fresh.

        Until `close`, no other process can open it.

        Raises:
            ArgumentError: another process trains here.
            ModelError: it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._held = _hold(self.path)
            remove_leftovers([str(self.path)])
            for file in (*self.files, *(self.path / name for name in (*PICTURES, *_FORMER, REPORT))) if fresh else ():
                file.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def write_text(self, file: Path, text: str) -> None:
        """Write a text, whole or not at all."""
        with open_whole(file, ModelError) as written:
            written.write(text.encode(errors="replace"))

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        """Add an epoch's line in one write, so that a reader who follows the file sees whole lines."""
        with writing(self.metrics, ModelError), self.metrics.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")

    def read_metrics(self) -> list[Metrics]:
        """Return the lines of the epochs, without one that was cut short by a crash."""
        try:
            lines = self.metrics.read_bytes().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(entry.get("epoch"), int):
                found.append(entry)
        return found

    def keep_metrics(self, epochs: int) -> None:
        """Remove the lines of later epochs, which will be run again."""
        lines = [line for line in self.read_metrics() if line["epoch"] <= epochs]
        self.write_text(self.metrics, "".join(json.dumps(line) + "\n" for line in lines))


def _hold(folder: Path) -> int | None:
    """Return a lock on a folder that ends with the process; None where there are no locks."""
    held = os.open(folder, os.O_RDONLY)
    if locked := lock(held):
        return held
    os.close(held)
    if locked is None:
        return None
    raise ArgumentError(f"{folder}: another process is training here: wait for it, or choose another -o")
