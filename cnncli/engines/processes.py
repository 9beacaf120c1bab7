"""Processes that train one network together: one alone; `cnncli.engines.torch.distributed` has several."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnncli.errors import CnncliError, TrainingError

if TYPE_CHECKING:  # the names of the engines are read for `--help`, which must not load NumPy
    from cnncli.arrays import Array


class OtherProcessError(TrainingError):
    """Failure of another process of the training, which reports it itself."""


class Processes:
    """Processes of a training: this one alone.

    Attributes:
        rank: number of this process, from 0. The first writes and prints.
        count: number of processes.
        local_count: number of those on this machine, which share its cores.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """True for the process that writes and prints."""
        return self.rank == 0

    def part(self, items: int) -> slice:
        """Return the slice of a number of items that belongs to this process: no item is left out.

        Example:
            >>> Processes().part(10)
            slice(0, 10, None)
        """
        return slice(items * self.rank // self.count, items * (self.rank + 1) // self.count)

    def total(self, numbers: "Array") -> "Array":
        """Return the sum of the numbers of every process, the same bits in each; all call it equally often.

        Raises:
            TrainingError: another process is gone or silent.
        """
        return numbers

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all ask equally often."""
        if self.count == 1:
            return flag
        import numpy as np

        return bool(self.total(np.array([float(flag)]))[0])

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """Let all processes fail where one does, the first of them with its error, so that none waits for another.

        Raises:
            OtherProcessError: another process fails with its error.
        """
        if self.count == 1:
            yield
            return
        try:
            yield
        except CnncliError:
            if self._first_failed(True) == self.rank:
                raise
            raise OtherProcessError("another process has failed") from None
        if self._first_failed(False) is not None:
            raise OtherProcessError("another process has failed")

    def _first_failed(self, failed: bool) -> int | None:
        import numpy as np

        mine = np.zeros(self.count)
        mine[self.rank] = failed
        ranks = np.flatnonzero(self.total(mine))
        return int(ranks[0]) if ranks.size else None

    def close(self) -> None:
        """Leave the process group."""


ALONE = Processes()
