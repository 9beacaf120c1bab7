"""A live bar on stderr for long work of many steps, below the lines that are printed."""

from typing import Any, Self

from cnncli.files.text import printable

WIDE = 76  # columns of a terminal that is wide enough for all parts of the bar


class TaskBar:
    """The bar, for one task at a time."""

    def __init__(self) -> None:
        self._progress = _make_progress()
        self._task: Any = None

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.__exit__(*exception)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    def show(self, what: str, done: int, total: int, measures: str, left: str = "") -> None:
        """Show a task: what it is, its steps, its measures, and the time that is left."""
        shown = {"total": total, "measures": measures, "left": left}
        if self._task is None:
            self._task = self._progress.add_task(what, **shown)
        self._progress.update(self._task, description=what, completed=done, **shown)

    def take_away(self) -> None:
        """End the task, if there is one."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.refresh()
            self._task = None

    def stop(self) -> None:
        """End the task and the bar."""
        self.take_away()
        self._progress.stop()


def _make_progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    widest = (BarColumn(bar_width=20), TextColumn("{task.fields[measures]}")) if console.width >= WIDE else ()
    return Progress(
        TextColumn("{task.description}"),
        *widest[:1],
        MofNCompleteColumn(),
        *widest[1:],
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )
