"""`train --explain-step`: one step of a training with its numbers."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Any

from cnncli.cli.training.looking import looking_display
from cnncli.cli.training.running import data_and_options
from cnncli.engines.formulas import short
from cnncli.files.text import json_text, printable
from cnncli.training.explaining import ExplainedWeight, StepExplanation, explain_step

_FILES = 4  # of a batch that are named; --json has all
_WIDTH = 100  # columns of what is wrapped; sums are as long


def explain(
    step: int,
    data: str | None,
    options: dict[str, Any],
    config: str | None,
    jobs: int | None,
    engine: str,
    device: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train up to a step and print it; the arguments are the options of `train`."""
    data, options = data_and_options(data, options, config, None)
    display = looking_display(data, None, f"on the way to step {step}", quiet=quiet or as_json)
    with display.bar:
        found = explain_step(data, step, jobs=jobs, engine=engine, device=device, watcher=display, **options)
    if as_json:
        print(json_text(step_facts(found)))
    elif not quiet:
        print(*map(printable, step_lines(found)), sep="\n")


def step_lines(found: StepExplanation) -> Iterator[str]:
    """Yield a step in words: the batch, the formulas, and the formulas with the numbers of each weight."""
    counts = Counter(found.labels)
    images = [f"{file} ({label})" for file, label in zip(found.files, found.labels, strict=True)]
    more = ["..."] if len(images) > _FILES else []
    yield f"step      {found.step} of {found.steps:,}: epoch {found.epoch}, batch {found.batch}"
    yield from _wrapped("batch", f"{len(images)} images: {', '.join(images[:_FILES] + more)}")
    yield from _wrapped("labels", ", ".join(f"{label}: {counts[label]}" for label in sorted(counts)))
    yield f"loss      {short(found.loss)}"
    yield f"rate      lr = {found.rate.numbers} = {short(found.rate.value)} ({found.rate.formula})"
    clipped = "" if found.clip_norm is None else f", clipped to {short(found.clip_norm)}"
    yield f"gradient  norm {short(found.norm)} over all weights{clipped}"
    yield from _optimizer_lines(found)
    for layer, weights in groupby(found.weights, lambda weight: weight.layer):
        yield ""
        yield f"{layer}: the largest gradients"
        for weight in weights:
            yield from _weight_lines(weight, found.rate.value)


def _optimizer_lines(found: StepExplanation) -> Iterator[str]:
    """Yield the name of the optimizer, its constants, its formulas, and what a course writes."""
    optimizer = found.optimizer
    values = [f"{name} = {short(getattr(optimizer, name))}" for name in optimizer.fields]
    yield from _wrapped(optimizer.name, ", ".join([*values, f"t = {found.step}"]))
    for formula in found.formulas:
        yield f"{'':10}{formula}"
    if optimizer.source:
        yield from _wrapped("source", optimizer.source)
    if optimizer.course:
        yield from _wrapped("course", optimizer.course)


def _wrapped(heading: str, text: str) -> list[str]:
    """Return the lines of a text beside its heading."""
    return wrap(text, _WIDTH, initial_indent=f"{heading:9} ", subsequent_indent=" " * 10, break_long_words=False)


def _weight_lines(weight: ExplainedWeight, lr: float) -> Iterator[str]:
    """Yield the heading of a weight, and its formulas with numbers."""
    own = "" if weight.lr == lr else f", lr = {short(weight.lr)}"
    width = max(len(line.name) for line in weight.lines)
    yield f"  {_name(weight)}: dW = {short(weight.gradient)}{own}"
    for line in weight.lines:
        yield f"    {line.name:{width}} = {line.numbers} = {short(line.value)}"


def _name(weight: ExplainedWeight) -> str:
    """Return the name of a weight, as NumPy writes it."""
    return f"{weight.array}[{', '.join(map(str, weight.place))}]"


def step_facts(found: StepExplanation) -> dict[str, Any]:
    """Return a step as fields of JSON."""
    optimizer = found.optimizer
    return {
        **{name: getattr(found, name) for name in ("step", "steps", "epoch", "batch", "loss", "norm", "clip_norm")},
        "images": [{"file": file, "label": label} for file, label in zip(found.files, found.labels, strict=True)],
        "lr": found.rate.value,
        "schedule": found.rate.formula,
        "optimizer": {"name": optimizer.name, **{name: getattr(optimizer, name) for name in optimizer.fields}},
        "formulas": found.formulas,
        "weights": [
            {**weight._asdict(), "lines": [line._asdict() for line in weight.lines]} for weight in found.weights
        ],
    }
