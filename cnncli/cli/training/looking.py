"""Looking before training: the test of learning rates, and the sheet of a batch."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cnncli.cli.training.displays import REFRESH, Display, Live
from cnncli.cli.training.running import data_and_options
from cnncli.errors import ArgumentError, ImageError, reason
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.rates import RateTest, find_learning_rate
from cnncli.training.watcher import BatchReport

CHART = "find-lr.svg"
_ROW = 5  # steps between two lines of the chart in text
_BAR = 26  # columns of the first loss; twice as many at most, so that lines fit a terminal of 80


class _Progress(Live):
    """A bar on a terminal."""

    def __init__(self, data: str, folder: Path, what: str) -> None:
        super().__init__(data, folder)
        self.what = what

    def prepared(self, preparation: Preparation) -> None:
        self.bar.take_away()
        Display.prepared(self, preparation)

    def batch(self, report: BatchReport) -> None:
        if time.monotonic() - self.shown > REFRESH:
            self._show(self.what, report.batch, report.batches, f"loss {report.loss:.4f}", "")


def find_rate(
    data: str | None,
    options: dict[str, Any],
    output: str | None,
    config: str | None,
    jobs: int | None,
    engine: str,
    device: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print and draw the losses over learning rates, and the rate that suits; exit with 1 where there is none.

    The arguments are the options of `train`; the chart goes to the folder `output`.
    """
    if "lr" in options:
        raise ArgumentError("--find-lr tries learning rates: leave out --lr")
    folder = None if output is None else Path(output)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: is a file: give a folder for {CHART}")
    data, options = data_and_options(data, options, config, None)
    options.pop("lr", None)
    display = looking_display(data, folder, "testing learning rates", quiet=quiet or as_json)
    with display.bar:
        test = find_learning_rate(data, jobs=jobs, engine=engine, device=device, watcher=display, **options)
    chart = None if folder is None else _draw(test, folder)
    if as_json:
        print(json_text({"lr": test.lr, "picture": chart, "steps": _steps(test)}))
    elif not quiet:
        print(*rate_lines(test), sep="\n")
        if chart is not None:
            print(printable(f"Written to {chart}"))
    if test.lr is None:
        print("cnncli: no learning rate lets the loss fall: look at the data with --show-batch", file=sys.stderr)
        raise typer.Exit(1)


def _draw(test: RateTest, folder: Path) -> str:
    from cnncli.training.pictures import draw_rates

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be made: {reason(error)}") from error
    draw_rates(test).save(folder / CHART)
    return str(folder / CHART)


def _steps(test: RateTest) -> list[dict[str, float]]:
    columns = zip(test.rates, test.batch_losses, test.losses, strict=True)
    return [{"lr": rate, "batch_loss": batch_loss, "loss": loss} for rate, batch_loss, loss in columns]


def rate_lines(test: RateTest) -> Iterator[str]:
    """Yield the smoothed losses as bars, and the rate that suits."""
    suits = test.rates.index(min(test.rates, key=lambda rate: abs(rate - (test.lr or 0))))
    yield "learning rate    loss"
    for step in range(suits % _ROW, len(test.rates), _ROW):  # so that the rate that suits is shown
        bar = "#" * min(2 * _BAR, round(_BAR * test.losses[step] / test.losses[0]))
        mark = "  <- falls fastest" if step == suits and test.lr else ""
        yield f"{test.rates[step]:13.2g} {test.losses[step]:7.4g}  {bar}{mark}"
    if test.lr:
        yield f"The loss falls fastest at --lr {test.lr:g}"


def draw_batch(
    path: str,
    data: str | None,
    options: dict[str, Any],
    config: str | None,
    jobs: int | None,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the sheet of the first batch; the arguments are the options of `train`."""
    from cnncli.images.writing import write_image
    from cnncli.pipelines.sheets import check_sheet
    from cnncli.training.sheets import batch_sheet

    check_sheet(path)
    check_output(path, force=force)
    data, options = data_and_options(data, options, config, None)
    display = looking_display(data, None, "drawing a batch", quiet=quiet or as_json)
    with display.bar:
        sheet = batch_sheet(data, jobs=jobs, watcher=display, **options)
    write_image(path, sheet)
    if as_json:
        print(json_text({"output": path, "width": sheet.shape[1], "height": sheet.shape[0]}))
    elif not quiet:
        print(printable(f"Written to {path}"))


def looking_display(data: str, folder: Path | None, what: str, *, quiet: bool) -> Display:
    """Return a display that says what is done, on a terminal alone."""
    folder = folder or Path(os.curdir)
    return _Progress(data, folder, what) if sys.stderr.isatty() and not quiet else Display(data, folder)
