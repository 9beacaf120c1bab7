"""A network's layers with their numbers, as one convention or another counts them."""

from cnncli.networks.summary import Row, Summary, are_layers
from cnncli.values import Value


class Line:
    """A layer as it is shown: a number that leaves something out is None.

    Attributes:
        row: what is known of it.
        leaf: whether it is a layer; a block's numbers are those of its inner rows, and shown there.
        params: parameters, as they are counted.
        macs: multiply-adds, as they are counted; None where they are not.
        activations: numbers that go out.
    """

    __slots__ = ("activations", "leaf", "macs", "params", "row")

    def __init__(self, row: Row, leaf: bool, params: int, macs: int | None) -> None:
        self.row, self.leaf = row, leaf
        self.params = None if "params" in row.unknown else params
        self.macs = None if "macs" in row.unknown else macs
        self.activations = None if "activations" in row.unknown else row.activations


class Counted(Value):
    """A network's lines, totals and what its reader must know, in one convention of counting.

    Attributes:
        summary: what is known of the network.
        lines: one for each of its rows.
        params: the sum of all layers, as far as they are known.
        macs: the sum of all layers, as far as they are known; None where the convention counts none.
        convention: its name; empty for our own.
        reasons: what the convention counts in another way.
    """

    summary: Summary
    lines: tuple[Line, ...]
    params: int
    macs: int | None
    convention: str = ""
    reasons: tuple[str, ...] = ()

    def total(self, name: str) -> int | None:
        """Return the sum of all layers of `params`, `macs`, ...; None where it leaves something out."""
        return None if name in self.summary.unknown else self.at_least(name)

    def at_least(self, name: str) -> int | None:
        """Return the sum of what is known."""
        own = {"params": self.params, "macs": self.macs}
        return own[name] if name in own else int(getattr(self.summary.totals, name))

    def written(self, name: str) -> str | int | None:
        """Return a sum for a reader: "at least ..." where it leaves something out."""
        least = self.at_least(name)
        return f"at least {least:,}" if name in self.summary.unknown and least is not None else least

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
