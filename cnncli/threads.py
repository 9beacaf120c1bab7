"""Threads: how many are worth having, and a function over many things on them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

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
