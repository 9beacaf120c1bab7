"""Jobs in groups: how many are sent to a worker at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

SECONDS = 1.0
"""What a group shall take. A scheduler spends a millisecond or so on each; a lost worker loses at most one."""

_FIRST = 2
_MOST = 1000
_GROWTH = 4


class GroupSize:
    """The number of jobs that take about a second, as those before have taken.

    It begins small, and is never more than four times the last: what is skipped takes no time, and a thousand real
    pictures may come behind a thousand of those.

    Example:
        >>> size = GroupSize()
        >>> size.next(left=1000, threads=2)
        2
        >>> size.learn(jobs=2, seconds=0.1)
        >>> size.next(left=1000, threads=2)
        8
    """

    def __init__(self) -> None:
        self._size = _FIRST

    def next(self, left: int, threads: int) -> int:
        """Return how many of the jobs that are left make the next group: at the end less, that all end together."""
        share = -(-left // (2 * max(threads, 1)))
        return max(1, min(self._size, share))

    def learn(self, jobs: int, seconds: float) -> None:
        """Note what a group took."""
        wanted = round(SECONDS * jobs / max(seconds, 1e-6))
        self._size = max(1, min(wanted, _GROWTH * jobs, _MOST))


def grouped(jobs: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield jobs in groups of a size; the last may be smaller.

    Example:
        >>> list(grouped("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    waiting = iter(jobs)
    while group := list(islice(waiting, size)):
        yield group
