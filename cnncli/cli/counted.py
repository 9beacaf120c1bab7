"""A network's layers with their numbers, as one convention or another counts them."""

from cnncli.networks.summary import Row, Summary, are_layers
from cnncli.values import Value


class Line:
    """A layer as it is shown.

    Attributes:
        row: what is known of it.
        leaf: whether it is a layer; a block's numbers are those of its inner rows, and shown there.
        params: parameters, as they are counted.
        macs: multiply-adds, as they are counted; None where they are not.
    """

    __slots__ = ("leaf", "macs", "params", "row")

    def __init__(self, row: Row, leaf: bool, params: int, macs: int | None) -> None:
        self.row, self.leaf, self.params, self.macs = row, leaf, params, macs


class Counted(Value):
    """A network's lines, totals and what its reader must know, in one convention of counting.

    Attributes:
        summary: what is known of the network.
        lines: one for each of its rows.
        params: the sum of all layers.
        macs: the sum of all layers; None where the convention counts none.
        convention: its name; empty for our own.
        reasons: what the convention counts in another way.
    """

    summary: Summary
    lines: tuple[Line, ...]
    params: int
    macs: int | None
    convention: str = ""
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, summary: Summary, convention: str | None = None) -> "Counted":
        """Count a network's parameters and multiply-adds.

        Raises:
            ArgumentError: a convention that is not known.
        """
        leaves = are_layers(summary.rows)
        if convention is None:
            own = tuple(Line(row, leaf, row.params, row.macs) for row, leaf in zip(summary.rows, leaves, strict=True))
            return cls(summary, own, summary.totals.params, summary.totals.macs)
        from cnncli.networks.conventions import count

        found = count(summary, convention)
        lines = tuple(
            Line(row, leaf, tally.params, tally.macs)
            for row, leaf, tally in zip(summary.rows, leaves, found.rows, strict=True)
        )
        return cls(summary, lines, found.totals.params, found.totals.macs, convention, found.reasons)
