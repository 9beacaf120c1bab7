"""Threads: how many are worth having, a function over many things on them, and what only one of them computes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
Made = TypeVar("Made")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(
    function: Callable[[T], Made], things: Iterable[T], threads: int, *, ahead: int, in_order: bool = True
) -> Iterator[Made]:
    """Yield the results of a function for several items, on threads; the first error ends it.

    Args:
        function: called with each thing.
        things: taken when their turn comes.
        threads: number of calls at a time.
        ahead: the most things that are under way or waiting for a thread; the results of as many may be in memory.
        in_order: yield in the order of the things, otherwise as they are finished.

    Example:
        >>> list(mapped(abs, [-1, 2, -3], 2, ahead=3))
        [1, 2, 3]
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait  # 5 ms, for batches alone

    waiting = iter(things)
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[Made]] = deque()
        try:
            while True:
                running.extend(pool.submit(function, thing) for thing in islice(waiting, ahead - len(running)))
                if not running:
                    return
                awaited = [running[0]] if in_order else running
                wait(awaited, return_when=FIRST_COMPLETED)
                for future in [future for future in awaited if future.done()]:
                    running.remove(future)
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


class Once(Generic[Made]):
    """A result that is computed when it is first asked for, by one of several threads.

    Example:
        >>> sizes = Once(lambda: print("measuring") or [3, 4])
        >>> sizes.result(), sizes.result()
        measuring
        ([3, 4], [3, 4])
    """

    def __init__(self, compute: Callable[[], Made]) -> None:
        self._compute = compute
        self._results: list[Made] = []
        self._lock = Lock()

    def result(self) -> Made:
        """Return the result; other threads wait for the first."""
        with self._lock:
            if not self._results:
                self._results.append(self._compute())
            return self._results[0]
