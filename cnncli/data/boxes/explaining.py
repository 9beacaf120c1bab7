"""The arithmetic of overlaps and of non-maximum suppression, step by step."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.data.boxes.scored import Record, ScoredBoxes
from cnncli.files.text import number_text, printable
from cnncli.ops.boxes import areas, as_boxes, intersections, iou

_COLUMNS, _ROWS = 36, 12  # of a drawing, at most: a character is about twice as high as wide


class Verdict(NamedTuple):
    """What non-maximum suppression makes of a box.

    Attributes:
        place: the index of the box.
        kept: whether it is kept.
        other: the index of the box that drops it; of one that is kept, the kept one before that it overlaps most; None
            where it overlaps none.
        overlap: the IoU with that box.
    """

    place: int
    kept: bool
    other: int | None = None
    overlap: float = 0.0


def judged(
    boxes: npt.NDArray[np.float64], scores: npt.NDArray[np.float64], classes: Sequence[Hashable], threshold: float
) -> list[Verdict]:
    """Return what `nms` makes of each box, from the best score down.

    Example:
        >>> boxes = np.array([[0.0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 9, 9]])
        >>> for verdict in judged(boxes, np.array([0.5, 0.9, 0.7]), "aaa", 0.5):
        ...     print(verdict)
        Verdict(place=1, kept=True, other=None, overlap=0.0)
        Verdict(place=2, kept=True, other=None, overlap=0.0)
        Verdict(place=0, kept=False, other=1, overlap=0.8)
    """
    kept = defaultdict[Hashable, list[int]](list)
    verdicts = []
    for place in np.argsort(-scores, kind="stable").tolist():
        before = kept[classes[place]]
        overlaps = iou(boxes[place], boxes[before])
        above = overlaps > threshold
        # The first above the threshold drops it, as the others come too late.
        nearest = int(above.argmax() if above.any() else overlaps.argmax()) if overlaps.any() else None
        verdict = Verdict(place, not above.any())
        verdicts.append(
            verdict if nearest is None else verdict._replace(other=before[nearest], overlap=overlaps[nearest].item())
        )
        if verdict.kept:
            before.append(place)
    return verdicts


def letters(number: int) -> str:
    """Return a name for a number from 0, as spreadsheets name columns.

    Example:
        >>> [letters(number) for number in (0, 25, 26, 702)]
        ['A', 'Z', 'AA', 'AAA']
    """
    name = ""
    while number >= 0:
        number, letter = divmod(number, 26)
        name, number = chr(ord("A") + letter) + name, number - 1
    return name


def verdict_lines(verdicts: Sequence[Verdict], threshold: float) -> list[str]:
    """Return each verdict in words, with boxes named by letters in their order.

    Example:
        >>> verdict_lines([Verdict(3, True), Verdict(1, False, 3, 0.714)], 0.5)
        ['A kept', 'B dropped: IoU with A 0.71 > 0.5']
    """
    names = {verdict.place: letters(number) for number, verdict in enumerate(verdicts)}
    lines = []
    for place, kept, other, overlap in verdicts:
        compared = f"{_rounded(overlap, threshold)} {'<=' if kept else '>'} {_text(threshold)}"
        why = "" if other is None else f": IoU with {names[other]} {compared}"
        lines.append(f"{names[place]} {'kept' if kept else 'dropped'}{why}")
    return lines


def _rounded(overlap: float, threshold: float) -> str:
    """Return an overlap in the digits that it takes to see on which side of the threshold it is: two or more."""
    texts = (f"{overlap:.{digits}f}" for digits in range(2, 17))
    return next((text for text in texts if (float(text) > threshold) == (overlap > threshold)), repr(overlap))


def suppression_lines(found: ScoredBoxes, threshold: float) -> Iterator[str]:
    """Yield what suppression makes of each box, picture by picture, and the box beside it."""
    for picture in found.pictures():
        if name := found.files[picture[0]]:
            yield printable(name)
        verdicts = judged(*found.chosen(picture), threshold)
        said = verdict_lines(verdicts, threshold)
        width = max(map(len, said))
        for line, verdict in zip(said, verdicts, strict=True):
            place = picture[verdict.place]
            of_class = printable(found.classes[place]) + " " * bool(found.classes[place])
            numbers = ",".join(map(_text, found.places[place].tolist()))
            yield f"{line.ljust(width)}  ({of_class}{number_text(found.scores[place].item())}: {numbers})"


def suppression_facts(found: ScoredBoxes, threshold: float) -> Iterator[Record]:
    """Yield the same for JSON."""
    for picture in found.pictures():
        verdicts = judged(*found.chosen(picture), threshold)
        names = {verdict.place: letters(number) for number, verdict in enumerate(verdicts)}
        for place, kept, other, overlap in verdicts:
            by = None if other is None else names[other]
            verdict = {"name": names[place], "kept": kept, "other": by, "iou": overlap}
            yield found.facts(picture[place]) | verdict


def overlap_facts(first: npt.ArrayLike, second: npt.ArrayLike) -> Record:
    """Return the numbers of the IoU of two boxes, (4,) each, for JSON.

    Raises:
        ArgumentError: as `iou`.

    Example:
        >>> overlap_facts([0, 0, 2, 2], [1, 0, 2, 2])["union"]
        6.0
    """
    one, other = as_boxes(first, "first"), as_boxes(second, "second")
    shared = intersections(one, other).item()
    union = (areas(one) + areas(other)).item() - shared
    boxes = {"first": one[0].tolist(), "second": other[0].tolist()}
    return boxes | {"intersection": shared, "union": union, "iou": iou(one, other).item()}


def overlap_lines(first: npt.ArrayLike, second: npt.ArrayLike) -> Iterator[str]:
    r"""Yield the arithmetic of the IoU of two boxes, (4,) each, after a drawing of both.

    Raises:
        ArgumentError: as `iou`.

    Example:
        >>> print(*[*overlap_lines([10, 10, 30, 30], [20, 20, 40, 40])][-2:], sep="\n")
        union         = 900 + 1600 - 400 = 2100
        IoU           = intersection / union = 400 / 2100 = 0.190476
    """
    boxes = np.concatenate([as_boxes(first, "first"), as_boxes(second, "second")])
    yield from drawn(boxes)
    yield ""
    for name, (x, y, width, height) in zip("AB", boxes.tolist(), strict=True):
        yield f"{name}: left {_text(x)}, right {_added(x, width)}, top {_text(y)}, bottom {_added(y, height)}"
    yield ""
    starts, sides = boxes[:, :2].T.tolist(), boxes[:, 2:].T.tolist()
    shared = [max(0.0, _end(*axis) - max(axis[0])) for axis in zip(starts, sides, strict=True)]
    for name, *axis in zip(("width ", "height"), starts, sides, strict=True):
        yield f"shared {name} = {_sharing(*axis)}"
    yield f"intersection  = {_product(*shared)}"
    for name, (width, height) in zip("AB", boxes[:, 2:].tolist(), strict=True):
        yield f"area of {name}     = {_product(width, height)}"
    (one, other), both = areas(boxes).tolist(), shared[0] * shared[1]
    union = one + other - both
    yield f"union         = {_text(one)} + {_text(other)} - {_text(both)} = {_text(union)}"
    ratio = f"{_text(both)} / {_text(union)} = {_text(iou(boxes[0], boxes[1]).item())}"
    yield f"IoU           = intersection / union = {ratio if union else '0, as neither box has an area'}"


def _sharing(starts: Sequence[float], sides: Sequence[float]) -> str:
    """Return how much of an axis two boxes share, as a difference."""
    end, start = _end(starts, sides), max(starts)
    ends = [number + side for number, side in zip(starts, sides, strict=True)]
    difference = f"{_text(end)} - {_text(start)} = {_text(end - start)}"
    apart = ", below 0: the boxes lie apart, so 0" if end < start else ""
    return f"min({', '.join(map(_text, ends))}) - max({', '.join(map(_text, starts))}) = {difference}{apart}"


def _end(starts: Sequence[float], sides: Sequence[float]) -> float:
    return min(start + side for start, side in zip(starts, sides, strict=True))


def _product(one: float, other: float) -> str:
    return f"{_text(one)} * {_text(other)} = {_text(one * other)}"


def _added(number: float, more: float) -> str:
    return f"{_text(number)} + {_text(more)} = {_text(number + more)}"


def _text(number: float) -> str:
    return number_text(int(number)) if number.is_integer() and abs(number) < 1e15 else number_text(number)


def drawn(boxes: npt.NDArray[np.float64]) -> list[str]:
    r"""Return a drawing of two boxes (2, 4) in ASCII, `#` where they overlap; the second lies over the first.

    Example:
        >>> print(*drawn(np.array([[0.0, 0, 20, 10], [4, 2, 4, 4]])), sep="\n")
        A----------------------------------+
        |                                  |
        |      +------+                    |
        |      |######|                    |
        |      |######|                    |
        |      +------B                    |
        |                                  |
        |                                  |
        |                                  |
        +----------------------------------+
    """
    begins, ends = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    span = np.ptp(np.concatenate([begins, ends]), axis=0)
    unit = max(span[0] / (_COLUMNS - 1), span[1] / (2 * (_ROWS - 1))) or 1
    scale = np.array([unit, 2 * unit])
    low, high = (((edges - begins.min(axis=0)) / scale).round().astype(int) for edges in (begins, ends))
    sheet = np.full(high.max(axis=0)[::-1] + 1, " ")
    (left, top), (right, bottom) = low.max(axis=0), high.min(axis=0)
    if (intersections(boxes[:1], boxes[1:]) > 0).all():
        sheet[top : bottom + 1, left : right + 1] = "#"
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        sheet[[top, bottom], left : right + 1] = "-"
        sheet[top : bottom + 1, [left, right]] = "|"
        sheet[[top, top, bottom, bottom], [left, right, left, right]] = "+"
    sheet[tuple(low[0, ::-1])], sheet[tuple(high[1, ::-1])] = "A", "B"
    return ["".join(row).rstrip() for row in sheet]
