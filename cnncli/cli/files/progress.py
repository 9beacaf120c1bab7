"""A progress bar on a terminal, and nothing elsewhere."""

import sys
from types import TracebackType
from typing import Any, Self

from cnncli.files.text import printable


class ProgressBar:
    """Counts files on stderr: done, a second, time left, failures."""

    def __init__(self, total: int, *, hidden: bool) -> None:
        self.total = total
        self.bar: Any = None if hidden or not sys.stderr.isatty() else _make_bar()
        self.failed = 0
        if self.bar:
            self.task = self.bar.add_task("", total=total, failed="", speed="")

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, *, failed: bool) -> None:
        """Count one more."""
        if not self.bar:
            return
        self.failed += failed
        task = self.bar.tasks[self.task]
        speed = f"{(task.completed + 1) / task.elapsed:.1f}/s" if task.elapsed else ""
        self.bar.update(self.task, advance=1, speed=speed, failed=f"{self.failed} failed" if self.failed else "")

    def print(self, text: str) -> None:
        """Print a message above the bar."""
        self.show(printable(text))

    def show(self, text: str) -> None:
        """Print what a terminal shall obey, such as a preview's colours, above the bar."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr)


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
        console=Console(stderr=True),
    )
