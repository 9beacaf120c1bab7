"""Running a style transfer from the command line: its progress, its preview and its costs."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from cnncli.arrays import Array
from cnncli.cli.files.interrupts import interrupts
from cnncli.cli.networks.pages import show_tables
from cnncli.cli.networks.tables import Column, Table
from cnncli.cli.options import FileOptions, pixel_limit
from cnncli.cli.training.bars import TaskBar
from cnncli.cli.training.models import say_preprocessing
from cnncli.engines.backends import Backend, open_backend
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import Ending, check_output, open_temporary, open_whole, whole_file, writing
from cnncli.files.text import json_text, printable
from cnncli.images.formats import find_format
from cnncli.images.writing import write_image
from cnncli.models.opening import load_trainable
from cnncli.models.style.networks import JudgingNetwork, random_network
from cnncli.models.style.options import StyleOptions
from cnncli.models.style.transfer import StyleReport, StyleResult, StyleWatcher, transfer_style
from cnncli.threads import cores
from cnncli.training.reports.descriptions import duration

if TYPE_CHECKING:
    from cnncli.models.model import TrainedNetwork
    from cnncli.models.told import Told

LINES = 20  # steps from one line of progress to the next
PREVIEWED = 5  # steps from one preview to the next

UNTRAINED = (
    "cnncli: random weights judge: they know palettes and textures, and no objects; trained ones do better: download "
    "VGG-19's from torchvision or timm, and add --model vgg19=vgg19.safetensors"
)


class Display(StyleWatcher):
    """The display of `--quiet`: nothing but the preview.

    Args:
        preview: the file of the picture so far; None for none.
    """

    bar: Any = nullcontext()

    def __init__(self, preview: str | None) -> None:
        self.preview = preview

    def step(self, report: StyleReport) -> None:
        if self.preview is not None and report.step % PREVIEWED == 1:
            _write(self.preview, np.rint(report.best).clip(0, 255).astype(np.uint8), None)

    def say(self, line: str) -> None:
        """Print a line for the user."""

    def finish(self, result: StyleResult, output: str, shape: Sequence[int]) -> None:
        """Print what came of it."""


class Lines(Display):
    """A line for each size, a line every few steps, and the costs."""

    def say(self, line: str) -> None:
        print(printable(line), file=sys.stderr)

    def note(self, message: str) -> None:
        self.say(f"cnncli: {message}")

    def begins(self, level: int, levels: int, shape: tuple[int, ...], tiles: int) -> None:
        tiled = f", in {tiles} tiles" if tiles > 1 else ""
        self.say(f"size {level}/{levels}  {shape[1]} x {shape[0]} pixels{tiled}")

    def step(self, report: StyleReport) -> None:
        super().step(report)
        if report.step == 1 or report.step % LINES == 0 or report.step == report.steps:
            self.say(f"step {report.step:{len(str(report.steps))}}/{report.steps}  {_costs(report)}")

    def finish(self, result: StyleResult, output: str, shape: Sequence[int]) -> None:
        show_tables([costs_table(result)], "table")
        self.say(
            f"{output}: {shape[1]} x {shape[0]} pixels, {result.steps} steps in {duration(result.seconds)}"
            f"{'' if result.done else ' (interrupted)'}"
        )


class Live(Lines):
    """The same lines, and a bar for the current size."""

    def __init__(self, preview: str | None) -> None:
        super().__init__(preview)
        self.bar = TaskBar()

    def say(self, line: str) -> None:
        self.bar.say(line)

    def begins(self, level: int, levels: int, shape: tuple[int, ...], tiles: int) -> None:
        self.bar.take_away()
        super().begins(level, levels, shape, tiles)

    def step(self, report: StyleReport) -> None:
        Display.step(self, report)
        self.bar.show(f"size {report.level}/{report.levels}", report.step, report.steps, _costs(report))

    def finish(self, result: StyleResult, output: str, shape: Sequence[int]) -> None:
        self.bar.stop()
        super().finish(result, output, shape)


class JsonLines(Display):
    """One JSON object per line on standard output: notes, each size, some steps, the end."""

    def note(self, message: str) -> None:
        _print_json(event="note", message=message)

    def begins(self, level: int, levels: int, shape: tuple[int, ...], tiles: int) -> None:
        _print_json(event="size", level=level, levels=levels, shape=list(shape), tiles=tiles)

    def step(self, report: StyleReport) -> None:
        super().step(report)
        if report.step == 1 or report.step % LINES == 0 or report.step == report.steps:
            _print_json(event="step", level=report.level, step=report.step, steps=report.steps, cost=report.total)

    def finish(self, result: StyleResult, output: str, shape: Sequence[int]) -> None:
        _print_json(
            event="end",
            output=output,
            shape=list(shape),
            done=result.done,
            steps=result.steps,
            seconds=result.seconds,
            begins=[term._asdict() for term in result.begins],
            costs=[term._asdict() for term in result.ends],
        )


def run_style(
    pictures: Sequence[str],
    output: str,
    options: StyleOptions,
    files: FileOptions,
    *,
    model: str | None,
    told: "Told",
    mask: str | None,
    texture: bool,
    preview: str | None,
    jobs: int | None,
    engine: str,
    device: str,
) -> None:
    """Transfer, write the result whole or not at all, and leave with 130 if it was interrupted.

    The arguments are the options of `style`.
    """
    if len(pictures) < 2 - texture:
        raise ArgumentError("a style is missing: cnncli style CONTENT STYLE -o OUT, or --texture STYLE -o OUT")
    _check_outputs(output, preview, [*pictures, *([mask] if mask else [])], force=files.force)
    content, styles = (None, list(pictures)) if texture else (pictures[0], list(pictures[1:]))
    display = _display(preview, as_json=files.as_json, quiet=files.quiet)
    judge = _judge(model, told, options.seed, open_backend(engine, device), display, quiet=files.quiet)
    ending: Ending = "replace" if files.force else "add"
    # Begun before the work, so that a folder that cannot be written to is known before.
    with interrupts(saves=True) as stop, whole_file(output, lambda _: ending) as temporary:
        with display.bar:
            result = transfer_style(
                content,
                styles,
                options,
                judge,
                mask=mask,
                jobs=jobs or cores(),
                watcher=display,
                stop=stop,
                **pixel_limit(files.max_pixels),
            )
        with writing(output, ImageError), open_temporary(temporary) as file:
            write_image(file, result.picture, format=find_format(output).name, quality=files.quality)
    display.finish(result, output, result.picture.shape)
    if not result.done:
        raise typer.Exit(stop.exit_code)


def _judge(
    word: str | None, told: "Told", seed: int, backend: Backend, display: Display, *, quiet: bool
) -> "TrainedNetwork | JudgingNetwork":
    """Return the network that judges, and say what is to be known of it."""
    if word is None:
        display.say(UNTRAINED)
        return random_network(seed)._replace(backend=backend)
    model = load_trainable(word, told).on(backend)
    if not quiet:
        say_preprocessing(model, word, told)
    return model


def costs_table(result: StyleResult) -> Table:
    """Return the costs of the last size, before its first step and after its last, with what they were divided by."""
    rows = [
        [
            end.kind,
            end.layer,
            f"{end.divisor:.6g}",
            f"{begin.value:.4g}",
            f"{end.value:.4g}",
            f"{end.unit:.4g}",
            f"{end.weight:.4g}",
            f"{end.share:.4g}",
        ]
        for begin, end in zip(result.begins, result.ends, strict=True)
    ]
    columns = [Column("cost", right=False), Column("layer", right=False), Column("divisor"), Column("before")]
    columns += [Column("after"), Column("unit", dispensable=1), Column("weight", dispensable=1), Column("weighted")]
    total = f"{sum(end.share for end in result.ends):.4g}"
    return Table(columns, rows, totals=["sum", "", "", "", "", "", "", total])


def _costs(report: StyleReport) -> str:
    """Return the costs of a step: their sum, and by kind."""
    kinds: dict[str, float] = {}
    for term in report.terms:
        kinds[term.kind] = kinds.get(term.kind, 0) + term.share
    return f"cost {report.total:.4f}" + "".join(f"  {kind} {share:.4f}" for kind, share in kinds.items())


def _check_outputs(output: str, preview: str | None, inputs: Sequence[str], *, force: bool) -> None:
    """Refuse outputs that cannot be, before any work."""
    for path in (output, *([preview] if preview is not None else [])):
        try:
            find_format(path)
        except ImageError as error:
            raise ArgumentError(str(error)) from error
        check_output(path, force=force or path == preview, inputs=inputs)
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            raise ArgumentError(f"{folder}: no such folder: make it first")
    if preview is not None and os.path.abspath(preview) == os.path.abspath(output):
        raise ArgumentError(f"--preview {preview} is the output: choose another file")


def _display(preview: str | None, *, as_json: bool, quiet: bool) -> Display:
    """Return the display that fits the options and the terminal."""
    if as_json:
        return JsonLines(preview)
    if quiet:
        return Display(preview)
    return (Live if sys.stderr.isatty() else Lines)(preview)


def _write(path: str, picture: Array, quality: int | None) -> None:
    with open_whole(path, ImageError) as file:
        write_image(file, picture, format=find_format(path).name, quality=quality)


def _print_json(**fields: Any) -> None:
    print(json_text(fields), flush=True)
