"""A team of threads, one for each shard of a batch, that can meet in the middle of their work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, BrokenBarrierError, Semaphore
from typing import Any, TypeVar

T = TypeVar("T")


class Team:
    """Runs a function for each of a fixed number of shards, at most `jobs` of them at a time.

    NumPy lets go of Python's lock while it computes, so that threads share the processor's cores. Every shard has its
    thread even where one job is allowed: batch normalisation needs all of them half-way.

    Example:
        >>> with Team(3, jobs=2) as team:
        ...     team.run(lambda number: sum(team.gather(number, number + 1)))
        [6, 6, 6]
    """

    def __init__(self, shards: int, jobs: int) -> None:
        self.shards, self.jobs = shards, min(shards, jobs)
        self._threads = ThreadPoolExecutor(max(1, shards - 1), thread_name_prefix="shard")
        self._turns = Semaphore(self.jobs)
        self._count = 0
        self._barrier = Barrier(shards)
        # What is gathered next is written while the last is still being read.
        self._gathered: tuple[list[Any], list[Any]] = ([], [])
        self._meetings: list[int] = []

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=True)

    def run(self, function: Callable[[int], T], shards: int | None = None) -> list[T]:
        """Return the results of the shards (fewer, if so many are asked for), in their order; the first runs here."""
        count = shards or self.shards
        if count != self._count or self._barrier.broken:
            self._count, self._barrier = count, Barrier(count)
        self._gathered, self._meetings = ([None] * count, [None] * count), [0] * count
        others = [self._threads.submit(partial(self._work, function), number) for number in range(1, count)]
        errors: list[BaseException] = []
        results: list[T] = []
        try:
            results.append(self._work(function, 0))
        except BaseException as error:
            errors.append(error)
        for other in others:
            try:
                results.append(other.result())
            except BaseException as error:
                errors.append(error)
        if errors:
            raise next((error for error in errors if not isinstance(error, BrokenBarrierError)), errors[0])
        return results

    def _work(self, function: Callable[[int], T], number: int) -> T:
        self._turns.acquire()
        try:
            return function(number)
        except BaseException:
            self._barrier.abort()
            raise
        finally:
            self._turns.release()

    def gather(self, number: int, value: Any) -> list[Any]:
        """Return what all shards gave, in their order, once they have: called by each of them, equally often."""
        if self._count == 1:
            return [value]
        values = self._gathered[self._meetings[number] % 2]
        self._meetings[number] += 1
        values[number] = value
        self._turns.release()
        try:
            self._barrier.wait()
        finally:
            self._turns.acquire()
        return list(values)
