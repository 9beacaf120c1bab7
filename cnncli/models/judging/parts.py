"""The part of a data set that a model is judged by: the pictures that its run has not seen, if there are any."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from cnncli.choices import PARTS
from cnncli.data import Dataset, Finding
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.findings import some
from cnncli.errors import DataError
from cnncli.models.judging.splits import Run

D = TypeVar("D", Dataset, BoxDataset)


class JudgedPart(NamedTuple, Generic[D]):
    """The pictures that a model is judged by.

    Attributes:
        part: what they are: one of `PARTS`.
        pictures: the pictures.
        findings: what its user should know about them.
    """

    part: str
    pictures: D
    findings: tuple[Finding, ...]


def parts_of(parts: Any) -> dict[str, Any]:
    """Return the parts that a `Parts` or a `BoxParts` has, by name."""
    return {name: pictures for name in PARTS if (pictures := getattr(parts, name)) is not None}


def choose_part(there: Mapping[str, D], part: str | None, run: Run | None, data: str) -> JudgedPart[D]:
    """Return the part to judge a model by, with findings where its run held it out, or trained on some of it.

    Args:
        there: the parts of the data, as `parts_of` gives them.
        part: the part that is asked for; None for the test part, else the validation part, else what the run held out,
            else everything. `validation` is what the run held out where the data has no such part.
        run: the run that the model comes from.
        data: name of the data in messages.

    Raises:
        DataError: the data lacks the part.
    """
    if (part is None and len(there) == 1) or (part == "validation" and part not in there):
        pictures, finding = _held_out(there["train"], run, data)
        if finding:
            return _with_findings("validation", pictures, run, data, finding)
    name = part or next(name for name in reversed(PARTS) if name in there)
    if name not in there:
        raise DataError(f"{data}: has no {name} part; it has {' and '.join(there)}")
    return _with_findings(name, there[name], run, data)


def _with_findings(name: str, pictures: D, run: Run | None, data: str, *findings: Finding) -> JudgedPart[D]:
    trained = _trained_on(pictures, run, data)
    return JudgedPart(name, pictures, findings if trained is None else (*findings, trained))


def _held_out(pictures: D, run: Run | None, data: str) -> tuple[D, Finding | None]:
    """Return the pictures that a run has not trained on, with a finding, where it has held out some of them."""
    split = None if run is None else run.split
    trained, held_out = (None, None) if split is None else (split.trained_on(pictures), split.holds_out(pictures))
    if trained is None or held_out is None or not held_out.any():
        return pictures, None
    taken = pictures.take(np.flatnonzero(~trained))
    count, new = int(held_out.sum()), len(taken) - int(held_out.sum())
    others = f", and on {new:,} that it has not seen" if new else ""
    words = "1 picture" if count == 1 else f"{count:,} pictures"
    message = (
        f"{data}: scored on the {words} that the run held out, by which its epoch was chosen{others}; "
        f"--part train takes all {len(pictures):,}"
    )
    return taken, Finding("held out", message, tuple(taken.names))


def _trained_on(pictures: D, run: Run | None, data: str) -> Finding | None:
    """Return the finding that pictures were trained on, if some were or may have been."""
    if run is None:
        return None
    if run.split is None:
        unknown = (
            f"{data}: the run trained on this data, and an earlier version of cnncli did not record which pictures it "
            "held out: most of these were trained on"
        )
        return Finding("trained on", unknown) if run.trained_at(data) else None
    trained = run.split.trained_on(pictures)
    if trained is None or not trained.any():
        return None
    names = tuple(pictures.names[item] for item in np.flatnonzero(trained).tolist())
    count = f"all {len(names):,}" if len(names) == len(pictures) else f"{len(names):,} of {len(pictures):,}"
    message = f"{data}: {count} pictures were trained on, and flatter the model: {some(names)}"
    return Finding("trained on", message, names)
