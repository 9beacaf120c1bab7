"""The processes that train one network together: here one alone; `torch_engine.distributed` has several."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class Processes:
    """What a training needs to know of its processes.

    Attributes:
        rank: this one's number, from 0. The first writes and prints.
        count: how many there are.
        local_count: how many of them are on this machine, and share its cores.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def part(self, items: int) -> slice:
        """Return which of so many items are this process's: they follow each other, and none is left out.

        Example:
            >>> Processes().part(10)
            slice(0, 10, None)
        """
        return slice(items * self.rank // self.count, items * (self.rank + 1) // self.count)

    def total(self, numbers: Array) -> Array:
        """Return the sum of what every process gives; all call it equally often."""
        return numbers

    def close(self) -> None:
        """Part from the others."""


ALONE = Processes()
