"""Output of `evaluate`: scores; and of `learn`: a learnt kernel beside the least-squares answer."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from cnncli.cli.networks.pages import show_tables
from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import STANDARD, check_output, is_special
from cnncli.files.text import json_text, printable
from cnncli.training.run_folder import CONFUSION, MISTAKES

if TYPE_CHECKING:  # neither command loads what the other needs
    from cnncli.arrays import Array
    from cnncli.data import Finding
    from cnncli.models.judging.box_evaluation import BoxEvaluation
    from cnncli.models.judging.evaluation import Evaluation
    from cnncli.models.judging.metrics import Scores
    from cnncli.models.predictor import PictureModel
    from cnncli.training.learning import LearnedKernel
    from cnncli.training.pictures import Drawn

MEASURE, LEAST = "accuracy", "--min-accuracy"
PICTURES = (CONFUSION, MISTAKES)

MOST_CLASSES = 20  # of more classes the confusion matrix is too wide to read; its largest mistakes are listed
MOST_CONFUSIONS = 10


def say_findings(findings: Iterable["Finding"]) -> None:
    """Say on standard error what is wrong with data."""
    for finding in findings:
        print(printable(f"cnncli: {finding.message}"), file=sys.stderr)


def print_found(found: "Evaluation | BoxEvaluation", output: ModuleType, *, as_json: bool, quiet: bool) -> None:
    """Print what a model is worth on standard output, as the module for its kind of labels does."""
    if as_json:
        print(json_text(found.facts()))
    elif quiet:
        print(f"{output.measure(found):.4f}")
    else:
        output.show(found)


def show(found: "Evaluation") -> None:
    """Print what a model is worth on standard output."""
    scores = found.scores
    low, high = scores.accuracy_interval
    hits, total = int(scores.confusion.trace()), len(found.dataset)
    part = "" if found.part == "train" else f" {found.part}"  # data without parts has this one alone
    print(f"accuracy   {scores.accuracy:.2%} ({hits:,} of {total:,}{part} images)")
    print(f"           95% interval {low:.2%} to {high:.2%}")
    print(f"macro F1   {scores.macro_f1:.4f}\n")
    names = [one.name for one in scores.per_class]
    matrix = confusion_table(names, scores.confusion, "true \\ predicted", "confusion matrix", "images")
    show_tables([_classes(scores), matrix], "table")


def measure(found: "Evaluation") -> float:
    """Return the measure that is compared with the least one asked for."""
    return found.scores.accuracy


def pictures(found: "Evaluation") -> dict[str, "Drawn | None"]:
    """Return the pictures of an evaluation, by the names of their files."""
    from cnncli.training.pictures import draw_confusion, draw_mistakes

    names = tuple(one.name for one in found.scores.per_class)
    mistakes = draw_mistakes(found.dataset, found.probabilities, names)
    return dict(zip(PICTURES, (draw_confusion(found.scores), mistakes), strict=True))


def check_pictures(folder: str, names: Sequence[str], *, force: bool) -> None:
    """Check that the pictures of an evaluation can be drawn in a folder, before any work.

    Raises:
        ArgumentError: it is a file, or holds them already.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ArgumentError(f"{folder} is a file: --pictures needs a folder")
    for name in names:
        check_output(os.path.join(folder, name), force=force)


def check_file(option: str, path: str, *, force: bool, inputs: Sequence[str]) -> None:
    """Check that the file of an option can be written, before any work.

    Raises:
        ArgumentError: its folder is not there, or it exists already or is an input.
    """
    folder = os.path.dirname(path)
    if path in ("", STANDARD):
        raise ArgumentError(f"{option} needs the name of a file, got {path!r}")
    if folder and not os.path.isdir(folder):
        raise ArgumentError(f"{folder}: no such folder; make it first")
    if os.path.isdir(path):
        raise ArgumentError(f"{path} is a folder: {option} needs the name of a file")
    if not is_special(path):
        check_output(path, force=force, inputs=inputs)


def check_files(files: Mapping[str, str | None], *, force: bool, inputs: tuple[str, str]) -> None:
    """Check the files of options as `check_file` does, and that no two are one; the inputs are the model and the data.

    Raises:
        ArgumentError: one cannot be written, or two are the same file.
    """
    from cnncli.models.opening import ModelWord

    model, data = inputs
    taken: dict[str, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        check_file(option, path, force=force, inputs=[os.fspath(ModelWord.of(model).path()), data])
        first = taken.setdefault(os.path.realpath(path), option)
        if first != option and not is_special(path):
            raise ArgumentError(f"{first} and {option} both write {path}: give each a file of its own")


def write_page(
    path: str,
    found: "Evaluation | BoxEvaluation",
    loaded: "PictureModel",
    words: list[str],
    options: Mapping[str, object],
    *,
    replace: bool,
) -> None:
    """Write the report of an evaluation, with the command that repeats it: the model, the data and the options.

    Raises:
        ImageError: it cannot be written.
    """
    from cnncli.training.reports.commands import command_text
    from cnncli.training.reports.report import write_report

    command = command_text(["cnncli", "evaluate", *words], {**options, "part": found.part})
    write_report(found, path, model=loaded, title=" on ".join(words), command=command, replace=replace)


def draw(folder: str, drawn: Mapping[str, "Drawn | None"], *, replace: bool) -> None:
    """Write pictures, by the names of their files, in a folder, which is made where it is not there.

    Raises:
        ImageError: they cannot be written.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    for name, drawing in drawn.items():
        if drawing is not None:
            drawing.save(os.path.join(folder, name), replace=replace)


def _classes(scores: "Scores") -> Table:
    columns = [Column("class", right=False), *(Column(title) for title in ("precision", "recall", "F1", "images"))]
    rows: list[list[Cell]] = [
        [printable(one.name), f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", one.support]
        for one in scores.per_class
    ]
    return Table(columns, rows)


def confusion_table(given: Sequence[str], counts: "Array", corner: str, caption: str, unit: str) -> Table:
    """Return a confusion matrix as a table; of many classes, its largest counts of mistakes."""
    names = [printable(name) for name in given]
    if len(names) > MOST_CLASSES:
        return _most_confused(names, counts, corner, unit)
    columns = [Column(corner, right=False), *map(Column, names)]
    rows: list[list[Cell]] = []
    for name, row in zip(names, counts.tolist(), strict=True):
        rows.append([name, *(count or "·" for count in row)])
    return Table(columns, rows, caption=caption)


def _most_confused(names: list[str], counts: "Array", corner: str, unit: str) -> Table:
    pairs = [
        (count, names[truth], names[said])
        for truth, row in enumerate(counts.tolist())
        for said, count in enumerate(row)
        if count and truth != said
    ]
    pairs.sort(key=lambda pair: -pair[0])
    columns = [*(Column(word, right=False) for word in corner.split(" \\ ")), Column(unit)]
    rows = [[truth, said, count] for count, truth, said in pairs[:MOST_CONFUSIONS]]
    return Table(columns, rows, caption="the most frequent mistakes")


def learned_lines(found: "LearnedKernel") -> list[str]:
    """Return the text to read: the learnt kernel beside the least-squares answer."""
    has_bias = found.bias or found.least_squares.bias
    blocks = [
        [
            title,
            *_matrices(fit.kernel),
            *([f"bias {fit.bias:.6g}"] if has_bias else []),
            "",
            f"mean squared error {fit.loss:.3g}",
            f"largest residual   {fit.largest_residual:.3g}",
        ]
        for title, fit in (("gradient descent", found), ("least squares", found.least_squares))
    ]
    width = max(map(len, blocks[0])) + 4
    beside = [f"{left:{width}}{right}".rstrip() for left, right in zip(*blocks, strict=True)]
    momentum = "" if found.momentum is None else f", momentum {found.momentum:.4g}"
    end = "converged after" if found.converged else "did not converge in"
    steps = f"{found.steps:,}"
    course = f"{found.optimizer} (lr {found.lr:.3g}{momentum}) {end} {steps} steps over {found.positions:,} positions:"
    losses = [f"  step {step:{len(steps)},}   loss {loss:.3g}" for step, loss in found.losses]
    return [*beside, "", course, *losses, *_warnings(found)]


def _matrices(kernel: "Array") -> list[str]:
    """Return the lines of a kernel: a matrix for each channel, with an empty line between them."""
    form = ".4f" if 1e-2 <= abs(kernel).max() < 1e5 else ".4g"
    planes = kernel.reshape(*kernel.shape[:2], -1).transpose(2, 0, 1).tolist()
    cells = [[[f"{n:{form}}".replace("-0.0000", "0.0000") for n in row] for row in plane] for plane in planes]
    width = max(len(cell) for plane in cells for row in plane for cell in row)
    texts = ["\n".join("  " + "  ".join(cell.rjust(width) for cell in row) for row in plane) for plane in cells]
    return "\n\n".join(texts).splitlines()


def _warnings(found: "LearnedKernel") -> list[str]:
    warnings = []
    if not found.converged:
        warnings.append("not converged, the least-squares solution is better: raise --steps, or leave --lr out")
    if found.rank < found.unknowns:
        warnings.append(
            f"the image determines only {found.rank} of {found.unknowns} weights: many kernels fit equally well, and "
            "this is the smallest of them; use an image with more detail"
        )
    if found.explained is not None and found.explained < 0.99:
        warnings.append(
            f"the best kernel explains {max(0.0, found.explained):.1%} of the target: is it the exact "
            "response (.npy) of this image, with this padding?"
        )
    return ["", *warnings] if warnings else []
