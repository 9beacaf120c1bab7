"""Networks side by side, stage by stage, as in table 1 of He et al. 2015 (arXiv:1512.03385)."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.summary import IDENTITY, Row, Summary, Totals, totals
from cnncli.shapes import Pair

Key = tuple[Pair | None, int]
"""A size, and how often a network has had it before: networks that come back to a size have a new stage there."""


class Cell(NamedTuple):
    """One network's layers in one stage.

    Attributes:
        layers: the words of the notation, equal neighbours written once, `2xconv3-64,same,relu`.
        channels: the channels, or numbers, of the output; None if a file does not say.
        params: trainable numbers; like the next two, None if a file does not state all of them.
        macs: multiply-adds.
        activations: numbers that go out of its layers.
    """

    layers: tuple[str, ...]
    channels: int | None
    params: int | None
    macs: int | None
    activations: int | None


class Stage(NamedTuple):
    """The layers whose outputs have one size.

    Attributes:
        size: (height, width), or (1, 1) for vectors; None if a file does not say.
        cells: one for each network; None for one that has no such stage.
    """

    size: Pair | None
    cells: tuple[Cell | None, ...]


class Comparison(NamedTuple):
    """Networks side by side.

    Attributes:
        names: names of the networks; one given in words is called `network 1`, by its place.
        stages: from the input's end to the output's.
        totals: one for each network.
        unknown: which of these leave something out, for each network.
    """

    names: tuple[str, ...]
    stages: tuple[Stage, ...]
    totals: tuple[Totals, ...]
    unknown: tuple[frozenset[str], ...]


def compare_networks(summaries: Sequence[Summary]) -> Comparison:
    """Put networks side by side by the sizes of their maps.

    A layer or block belongs to the stage of its output, so that a stage begins with what made the map smaller.

    Raises:
        ArgumentError: no network.

    Example:
        >>> from cnncli.networks import load_network
        >>> found = compare_networks([load_network("plain18").summary(), load_network("resnet18").summary()])
        >>> [stage.size for stage in found.stages]
        [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7), (1, 1)]
        >>> found.stages[1].cells[1].layers
        ('max3,s2,p1', '2xres[ conv3-64,p1,bn,relu conv3-64,p1,bn ]')
    """
    if not summaries:
        raise ArgumentError("nothing to compare: give two or more networks")
    cells = [_cells(summary) for summary in summaries]
    keys = list(cells[0])
    for others in cells[1:]:
        keys = _merge(keys, list(others))
    return Comparison(
        tuple(summary.name or f"network {number}" for number, summary in enumerate(summaries, 1)),
        tuple(Stage(key[0], tuple(network.get(key) for network in cells)) for key in keys),
        tuple(summary.totals for summary in summaries),
        tuple(summary.unknown for summary in summaries),
    )


def describe(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return rows as words of the notation: blocks in brackets, equal neighbours written once.

    Example:
        >>> describe([Row("0.conv", "conv3-8", "conv"), Row("1.conv", "conv3-8", "conv"), Row("2.max", "max2", "max")])
        ('2xconv3-8', 'max2')
    """
    words = [_word(item) for item in _items(rows) if item[0].op != IDENTITY]
    runs = [(word, len(list(run))) for word, run in itertools.groupby(words)]
    return tuple(word if times == 1 else f"{times}x{word}" for word, times in runs)


def _items(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split rows into layers and whole blocks."""
    starts = [index for index, row in enumerate(rows) if row.depth == rows[0].depth]
    return (rows[start:stop] for start, stop in itertools.pairwise([*starts, len(rows)]))


def _word(item: Sequence[Row]) -> str:
    block, inner = item[0], item[1:]
    if not inner:
        return block.spec
    starts = [i for i, row in enumerate(inner) if row.branch and row.depth == inner[0].depth] or [0]
    branches = [" ".join(describe(inner[start:stop])) for start, stop in itertools.pairwise([*starts, len(inner)])]
    if inner[starts[-1]].branch == "shortcut" and not branches[-1]:
        branches.pop()
    return f"{block.spec}[{'|'.join(f' {words} ' if words else ' ' for words in branches)}]"


def _cells(summary: Summary) -> dict[Key, Cell]:
    runs = itertools.groupby(_items(summary.rows), key=lambda item: _size(item[0])) if summary.rows else ()
    seen: dict[Pair | None, int] = {}
    cells = {}
    for size, items in runs:
        cells[size, seen.get(size, 0)] = _cell([row for item in items for row in item])
        seen[size] = seen.get(size, 0) + 1
    return cells


def _size(row: Row) -> Pair | None:
    match row.output_shape:
        case (height, width, _):
            return height, width
        case None:
            return None
    return 1, 1  # rows of numbers stand with global pooling, whose output they continue


def _cell(rows: list[Row]) -> Cell:
    sums = totals(rows)
    last = [row for row in rows if row.depth == 0][-1].output_shape
    unknown = {name for row in rows for name in row.unknown}
    numbers = (None if name in unknown else getattr(sums, name) for name in ("params", "macs", "activations"))
    return Cell(describe(rows), last[-1] if last else None, *numbers)


def _merge(keys: list[Key], others: list[Key]) -> list[Key]:
    """Return the keys of both, each in its own order where they agree on one; new ones go where they are smaller."""
    merged, place = list(keys), 0
    for key in others:
        if key in merged[place:]:
            place = merged.index(key, place) + 1
        elif key not in merged:
            while place < len(merged) and merged[place] not in others and _area(merged[place]) > _area(key):
                place += 1
            merged.insert(place, key)
            place += 1
    return merged


def _area(key: Key) -> int:
    return key[0][0] * key[0][1] if key[0] else 0
