"""The same network, counted as other tools count it.

Tools agree on a network's weights and differ on what else they count, so that one ResNet-18 has 1.81 billion
multiply-adds in one table and 1.82 in another, and 11,689,512 or 11,699,112 parameters:

- torchvision publishes `num_params` and `_ops`, which its documentation shows as GFLOPS although each is a multiply-add
  (pytorch/vision, pull request 6936: "Note only multiplication is counted. Computation for addition and bias is
  ignored").
- torchinfo multiplies all parameters of a convolution, biases too, by its output positions, and counts every other
  parameter once (`LayerInfo.calculate_macs` of torchinfo 1.8).
- Keras's `model.summary()` shows trainable and other weights, among these batch norm's moving statistics, and their sum
  as the total (`print_summary` of Keras 3); it counts no operations.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.summary import Row, Summary, are_layers


class Tally(NamedTuple):
    """A tool's numbers for a layer, a block or a whole network.

    Attributes:
        params: the tool's number of parameters, or total parameters.
        non_trainable: those of `params` that training does not change.
        macs: the tool's number of multiply-adds; None if it has none, or a shape is not known.
    """

    params: int
    non_trainable: int
    macs: int | None


class Count(NamedTuple):
    """A network as a tool counts it.

    Attributes:
        convention: the tool's name.
        rows: one tally for each row of the summary, in its order.
        totals: the sums over the rows of depth 0.
        reasons: a line each on what the tool counts in its own way, with the difference that it makes here.
    """

    convention: str
    rows: tuple[Tally, ...]
    totals: Tally
    reasons: tuple[str, ...]


def count_as(summary: Summary, convention: str) -> Count:
    """Count a network as a tool does: one of `CONVENTIONS`.

    Raises:
        ArgumentError: a convention that is not known.

    Example:
        >>> from cnncli.networks import load_network
        >>> count_as(load_network("resnet18").summary(), "keras").totals
        Tally(params=11699112, non_trainable=9600, macs=None)
    """
    if convention not in CONVENTIONS:
        raise ArgumentError(f"unknown convention {convention!r}: use {', '.join(CONVENTIONS)}")
    tally, reasons = CONVENTIONS[convention]
    rows = tuple(_sum(map(tally, compress(block, are_layers(block)))) for block in _each_with_inner_rows(summary.rows))
    total = _sum(row for row, ours in zip(rows, summary.rows, strict=True) if ours.depth == 0)
    more = "" if total.macs is None else f": {total.macs - summary.totals.macs:,} more than here"
    lines = tuple(reason.format(ours=summary.totals, more_macs=more) for reason in reasons)
    return Count(convention, rows, total, lines)


def _each_with_inner_rows(rows: tuple[Row, ...]) -> Iterator[tuple[Row, ...]]:
    """Yield, for every row, the row and those inside it."""
    for start, row in enumerate(rows):
        after = (stop for stop in range(start + 1, len(rows)) if rows[stop].depth <= row.depth)
        yield rows[start : next(after, len(rows))]


def _sum(tallies: Iterable[Tally]) -> Tally:
    params, non_trainable, macs = zip(Tally(0, 0, 0), *tallies, strict=True)
    known = [number for number in macs if number is not None]
    return Tally(sum(params), sum(non_trainable), sum(known) if len(known) == len(macs) else None)


def _is_uncounted(row: Row) -> bool:
    return "macs" in row.unknown or (row.output_shape is None and row.params > 0)


def _torchvision(row: Row) -> Tally:
    return Tally(row.params, 0, None if _is_uncounted(row) else row.macs)


def _torchinfo(row: Row) -> Tally:
    if _is_uncounted(row):
        return Tally(row.params, 0, None)
    shared = _filter_numbers(row)
    positions = math.prod((row.output_shape or ())[:-1])
    # A layer that is called again has its parameters in an earlier row.
    return Tally(row.params, 0, shared * positions + max(0, row.params - shared))


def _filter_numbers(row: Row) -> int:
    """Return the weights and biases that a convolution uses again at every output position."""
    weight = row.filter.weight if row.filter is not None else None
    if row.filter is None or weight is None or len(weight) < 3:  # subsampling has one number a map
        return 0
    return math.prod(weight) + row.filter.bias


def _keras(row: Row) -> Tally:
    return Tally(row.params + row.buffers, row.buffers, None)


CONVENTIONS: dict[str, tuple[Callable[[Row], Tally], tuple[str, ...]]] = {
    "torchvision": (
        _torchvision,
        (
            "params: the trainable numbers, as here",
            "macs: the weights of convolutions and fully connected layers, without biases, as here; torchvision "
            "divides them by 10^9 and calls them GFLOPS, though each is a multiplication and an addition",
        ),
    ),
    "torchinfo": (
        _torchinfo,
        (
            "params: the trainable numbers, as here; batch norm's running statistics are not shown",
            "mult-adds: a convolution's biases too, once for each output position, and every other parameter once, "
            "those of batch norm among them{more_macs}",
        ),
    ),
    "keras": (
        _keras,
        (
            "total params: the {ours.params:,} trainable numbers counted here and the {ours.buffers:,} that are kept "
            "but not trained (such as batch norm's moving mean and variance), which Keras shows again as non-trainable",
            "macs: Keras's summary counts no operations",
        ),
    ),
}
"""The words on each tool: {ours} are our totals, {more_macs} the tool's surplus."""
