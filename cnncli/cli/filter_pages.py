"""The output of `cnncli filters`: the table of filter words, and kernels as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnncli.choices import DIRECTIONS
from cnncli.cli.networks.tables import GAP, Column, Table, cut
from cnncli.errors import ArgumentError
from cnncli.files.matrices import format_matrix
from cnncli.files.text import printable
from cnncli.filters.named import FILTERS, Filter

if TYPE_CHECKING:
    from cnncli.arrays import Array
    from cnncli.filters.chains import Chain, Step

_MOST_WEIGHTS = 1 << 22  # of the largest kernel that is computed, about that of gaussian:250
_WIDE = 120  # characters of a line that has room for the ranges of arguments
_LEAST_ROOM = 24  # characters of a description, on a narrow terminal

COLUMNS = (
    Column("name", right=False),
    Column("arguments", right=False),
    Column("filter", right=False),
    Column("agrees with", right=False, dispensable=1),
)


def words_table(width: int | None) -> Table:
    """Return the table of filter words; on a narrow terminal without ranges, and cut in what the filters are.

    Args:
        width: characters of a line; None for any.
    """
    narrow = width is not None and width < _WIDE
    rows = [[entry.name, _arguments(entry, narrow), entry.about, entry.agrees] for entry in FILTERS.values()]
    if width is not None:
        taken = sum(max(len(row[place]) for row in rows) + len(GAP) for place in (0, 1))
        rows = [[*row[:2], cut(row[2], max(_LEAST_ROOM, width - taken)), row[3]] for row in rows]
    return Table(COLUMNS, rows, notes=[f"{name} without arguments: {words}" for name, words in _bare()])


def _arguments(entry: Filter, narrow: bool) -> str:
    return ", ".join(str(argument).partition(" ")[0] if narrow else str(argument) for argument in entry.arguments)


def _bare() -> list[tuple[str, str]]:
    """Return the filters whose arguments have no defaults, with the kernel of the bare word."""
    return [
        (entry.name, entry.in_words)
        for entry in FILTERS.values()
        if any(argument.default is None for argument in entry.arguments)
    ]


def words_facts() -> list[dict[str, Any]]:
    """Return the same for JSON."""
    return [
        _entry_facts(entry)
        | {
            "arguments": [
                {"name": argument.name, "default": argument.default, "allowed": argument.allowed}
                for argument in entry.arguments
            ]
        }
        for entry in FILTERS.values()
    ]


def _entry_facts(entry: Filter) -> dict[str, Any]:
    return {"name": entry.name, "about": entry.about, "agrees_with": entry.agrees or None, "how": entry.how or None}


def how_lines(chain: "Chain") -> list[str]:
    """Return how a filter without kernels works; nothing for others, and for chains."""
    step = chain.last
    entry = _entry(step)
    if len(chain.steps) > 1 or step.operator.kernels or entry is None:
        return []
    agrees = [f"Agrees with {entry.agrees}."] if entry.agrees else []
    return [f"{step.word}: {entry.about}", *entry.how.splitlines(), *agrees]


def how_facts(chain: "Chain") -> dict[str, Any]:
    """Return the same for JSON."""
    entry = _entry(chain.last)
    return {"filter": chain.last.word, "kernels": []} | (_entry_facts(entry) if entry else {})


class Kernels:
    """The kernel of a filter or a chain, or its pair, with what is said of it.

    Args:
        chain: the filter.
        kernels: as `chain_kernels` gives them.
        directions: a word for each, empty where there is one without.
    """

    def __init__(self, chain: "Chain", kernels: Sequence["Array"], directions: Sequence[str]) -> None:
        self.chain, self.kernels, self.directions = chain, kernels, directions
        self.words = chain.words

    @classmethod
    def of(cls, chain: "Chain", direction: str | None) -> "Kernels":
        """Return the kernels of a chain; a direction that was asked for is named.

        Raises:
            ArgumentError: a step is not a kernel, or there are too many weights.
        """
        from cnncli.filters.kernels import chain_kernels, kernel_size

        height, width = kernel_size(chain)
        if height * width > _MOST_WEIGHTS:
            raise ArgumentError(
                f"a kernel of {height} x {width} is too large: it has more than {_MOST_WEIGHTS:,} weights"
            )
        kernels = chain_kernels(chain)
        return cls(chain, kernels, DIRECTIONS[:2] if len(kernels) > 1 else [direction or ""])

    @property
    def title(self) -> str:
        """The filter, and the direction of its first kernel."""
        return ", ".join(filter(None, (self.words, self.directions[0])))

    def lines(self) -> list[str]:
        """Return the text that `-k` takes: the first kernel, and all else as comments."""
        lines = [
            f"# {printable(self._about())}",
            f"# {self._numbers(0)}",
            *self._notes(),
            format_matrix(self.kernels[0]),
        ]
        for place in range(1, len(self.kernels)):
            lines += [f"# {self._numbers(place)}:"]
            lines += [f"# {row}" for row in format_matrix(self.kernels[place]).splitlines()]
        return lines

    def facts(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return {
            "filter": self.words,
            "unit": self.chain.unit,
            "kernels": [
                {"direction": direction or None, "size": kernel.shape, "sum": _sum(kernel), "weights": kernel.tolist()}
                for kernel, direction in zip(self.kernels, self.directions, strict=True)
            ],
            "agrees_with": self._agrees() or None,
        }

    def _about(self) -> str:
        if len(self.chain.steps) > 1:
            return f"{self.words}: all steps as one kernel, which gives the same away from the border"
        entry = _entry(self.chain.last)
        return f"{self.words}: {entry.about}" if entry else self.words

    def _numbers(self, place: int) -> str:
        from cnncli.filters.operators.linear import unit
        from cnncli.ops.convolution.separable import signed_sums

        kernel, direction = self.kernels[place], self.directions[place]
        height, width = kernel.shape
        white, own = self.chain.unit, unit(*signed_sums(kernel))
        product = "" if abs(white - own) < 1e-9 * own else f" (of the steps; of this kernel {own:.6g})"
        return f"{direction}{', ' * bool(direction)}{height}x{width}, sum {_sum(kernel):.6g}, unit {white:.6g}{product}"

    def _notes(self) -> list[str]:
        from cnncli.filters.kernels import kernel_shift

        agrees = self._agrees()
        down, right = kernel_shift(self.chain)
        moved = [f"# -f gives what -k does with it, {down} pixels further down and {right} to the right"]
        return ([f"# agrees with {agrees}"] if agrees else []) + (moved if down or right else [])

    def _agrees(self) -> str:
        """Return the function that agrees with a word; of a bare word, only if its kernel is that of the arguments."""
        entry = _entry(self.chain.last)
        if entry is None or len(self.chain.steps) > 1:
            return ""
        bare = entry.kernels and entry.arguments and ":" not in self.words
        return "" if bare else entry.agrees


def _entry(step: "Step") -> Filter | None:
    return FILTERS.get(step.word.partition(":")[0])


def _sum(kernel: "Array") -> float:
    """Return the sum of a kernel's weights: 0 where only rounding is left of it."""
    import math

    weights = kernel.ravel().tolist()
    try:
        total = math.fsum(weights) if kernel.dtype.kind == "f" else sum(weights)
    except OverflowError:  # infinite, or a step on the way to it was
        total = sum(weights)
    return 0 if abs(total) < 1e-12 * sum(map(abs, weights)) else total
