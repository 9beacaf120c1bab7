"""A terminal: the progress of files, which is shown nowhere else, and a small picture of an output."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from cnncli.files.text import printable

_SHADES = " .:-=+*#%@"
_MOST_COLUMNS = 100


class ProgressBar(ExitStack):
    """Counts files on stderr, until it is left: done, a second, time left, failures."""

    def __init__(self, total: int, *, hidden: bool) -> None:
        super().__init__()
        self.total, self.failed = total, 0
        self.bar: Any = None
        if not hidden and sys.stderr.isatty():
            self.bar = self.enter_context(_make_bar())
            self.task = self.bar.add_task("", total=total, failed="", speed="")

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
        """Print text with control codes for the terminal, such as a preview's colours, above the bar."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr)


@contextmanager
def counting(*, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with the files done and all files; a count that begins anew gets a bar of its own.

    There is none before the first call, so that an error before it stands alone.
    """
    with ExitStack() as stack:
        bars: list[ProgressBar] = []

        def advance(done: int, total: int) -> None:
            if done == 1 or not bars:
                stack.close()
                bars[:] = [stack.enter_context(ProgressBar(total, hidden=hidden))]
            bars[0].advance(failed=False)

        yield advance


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


def preview(path: str) -> str:
    """Return the lines that show an image file: two pixels a character, or shades of letters without colour."""
    from cnncli.filters.rendering import render
    from cnncli.images.reading import read_image

    pixels = read_image(path, max_pixels=None)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels[:, :, 0]  # the first of the responses that are stacked
    if pixels.dtype != np.uint8:
        pixels = render(pixels, scale="auto")
    columns, rows = _size(*pixels.shape[:2])
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        shades = _resized(pixels, columns, rows).mean(axis=2) * (len(_SHADES) - 1) / 255
        return "\n".join("".join(_SHADES[round(shade)] for shade in row) for row in shades)
    small = _resized(pixels, columns, 2 * rows)
    return "\n".join(
        "".join(_half_blocks(*pair) for pair in zip(upper, lower, strict=True)) + "\x1b[0m"
        for upper, lower in zip(small[::2], small[1::2], strict=True)
    )


def _size(height: int, width: int) -> tuple[int, int]:
    """Return the columns and rows of characters, twice as high as wide, that fit into the terminal."""
    terminal = shutil.get_terminal_size()
    across, down = min(terminal.columns, _MOST_COLUMNS), max(terminal.lines - 1, 1)
    shrink = min(1, across / width, 2 * down / height)
    return max(1, round(width * shrink)), max(1, round(height * shrink / 2))


def _resized(pixels: np.ndarray, columns: int, rows: int) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(pixels).convert("RGB")
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX))


def _half_blocks(upper: np.ndarray, lower: np.ndarray) -> str:
    foreground, background = (";".join(map(str, colour.tolist())) for colour in (upper, lower))
    return f"\x1b[38;2;{foreground};48;2;{background}m▀"
