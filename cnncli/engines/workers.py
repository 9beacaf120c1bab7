"""Teams of threads or processes, one for each shard of a batch, that can meet in the middle of their work.

NumPy lets go of Python's lock only while it computes, and a small network's arrays are computed in less time than it
takes a thread to wake up: two threads train LeNet-5 no faster than one. Two processes take two thirds of the time.

Data that passes between processes is pickled: by a process, for its own copy, through a pipe that nobody else has.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from mmap import mmap
from pickle import PicklingError, dumps, loads
from threading import Barrier, BrokenBarrierError, Semaphore
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from cnncli.arrays import Array
from cnncli.signals import held_back

if TYPE_CHECKING:  # predictions start without it
    from multiprocessing.connection import Connection

T = TypeVar("T")

# Their handlers belong to the first process: a new process must not run them.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class ThreadTeam:
    """Threads that run a function for a fixed number of shards, at most `jobs` of them at a time.

    NumPy releases Python's lock while it computes, so that threads share the processor's cores. Every shard has its
    thread even where one job is allowed, because batch normalisation needs all of them half-way.

    Example:
        >>> from contextlib import closing
        >>> with closing(ThreadTeam(3, jobs=2)) as team:
        ...     team.run(lambda number: sum(team.gather(number, number + 1)))
        [6, 6, 6]
    """

    def __init__(self, shards: int, jobs: int) -> None:
        self.shards, self.jobs = shards, min(shards, jobs)
        self._threads = ThreadPoolExecutor(max(1, shards - 1), thread_name_prefix="shard")
        self._turns = Semaphore(self.jobs)
        self._count = 0
        self._barrier = Barrier(shards)
        # Two lists in turn: one is written while the other is still being read.
        self._gathered: tuple[list[Any], list[Any]] = ([], [])
        self._meetings: list[int] = []

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True)

    def run(self, function: Callable[[int], T], shards: int | None = None) -> list[T]:
        """Return the results of all shards, or of a smaller number, in their order; the first runs in this thread."""
        count = shards or self.shards
        if count != self._count or self._barrier.broken:
            self._count, self._barrier = count, Barrier(count)
        self._gathered, self._meetings = ([None] * count, [None] * count), [0] * count
        others = [self._threads.submit(partial(self._work, function), number) for number in range(1, count)]
        errors: list[BaseException] = []
        results: list[T] = []
        waits: list[Callable[[], T]] = [partial(self._work, function, 0), *(other.result for other in others)]
        for wait in waits:
            try:
                results.append(wait())
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
        """Return the values of all shards in their order; every shard calls it equally often, and waits for all."""
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


class CannotForkError(Exception):
    """No process can do the work: no more are allowed, one was killed, or its data cannot be sent to it."""


def can_fork() -> bool:
    """Return whether this process may safely have a team of processes now.

    macOS and Windows start processes afresh, without the memory of this one; daemons may start no processes; and a lock
    that another thread holds at that moment would be held in the new process for ever. Threads that are daemons are
    trusted: they draw progress bars, and hold no lock of the computation.
    """
    from multiprocessing import current_process

    others = (thread for thread in threading.enumerate() if thread is not threading.current_thread())
    alone = all(thread.daemon for thread in others)
    return sys.platform == "linux" and alone and not current_process().daemon


def shared_zeros(size: int, dtype: np.dtype[Any]) -> Array:
    """Return a vector of zeros that processes forked from this one write in the same memory.

    Example:
        >>> shared_zeros(3, np.dtype(np.float32)).tolist()
        [0.0, 0.0, 0.0]
    """
    # An empty one cannot be mapped.
    return np.frombuffer(mmap(-1, max(1, size) * dtype.itemsize), dtype, size)


class ProcessTeam(Generic[T]):
    """Processes that run a function for a fixed number of shards; the first shard runs in this process.

    The function gets the number of a shard and its arguments. A process is a copy of this one at the start, and keeps
    what it makes; it returns results, and writes to `shared_zeros`. It ends with the team, or with this process,
    however that ends.

    Example:
        >>> team = ProcessTeam(lambda number, value: sum(team.gather(number, value)), 3)
        >>> team.run([(1,), (2,), (3,)])
        [6, 6, 6]
        >>> team.close()
    """

    def __init__(self, function: Callable[..., T], shards: int) -> None:
        self.shards = shards
        self._function = function
        self._others: list[Connection] = []
        self._processes: list[Any] = []
        self._first: Connection | None = None

    def start(self) -> None:
        """Start the processes that are not running: best before threads that might hold a lock at that moment.

        Raises:
            CannotForkError: no further process can be started.
        """
        if self._processes:
            return
        from multiprocessing import get_context

        context = get_context("fork")
        theirs: list[Connection] = []
        try:
            for _ in range(1, self.shards):
                here, there = context.Pipe()
                self._others.append(here)
                theirs.append(there)
            with held_back(*_SIGNALS):
                for number in range(1, self.shards):
                    process = context.Process(target=self._serve, args=(number, theirs), daemon=True)
                    process.start()
                    self._processes.append(process)
        except OSError as error:
            self.close()
            raise CannotForkError("a process could not start") from error
        finally:
            for there in theirs:
                there.close()

    def run(self, arguments: Sequence[tuple[Any, ...]]) -> list[T]:
        """Return the results of the shards, each called with its own arguments, in their order.

        Raises:
            CannotForkError: a process could not do its part; the function may be called again for all of them.
        """
        try:
            parcels = [dumps(own, protocol=5) for own in arguments[1:]]
        except (PicklingError, AttributeError, TypeError) as error:
            self.close()
            raise CannotForkError(str(error)) from error
        try:
            self.start()
            for other, parcel in zip(self._others, parcels, strict=True):
                other.send_bytes(parcel)
            first = self._function(0, *arguments[0])
            return [first, *(_received(other) for other in self._others)]
        except BaseException as error:
            # The state of the others is not known.
            self.close()
            if isinstance(error, EOFError | OSError):
                raise CannotForkError("a process has ended") from error
            raise

    def gather(self, number: int, value: Any) -> list[Any]:
        """Return the values of all shards in their order; every shard calls it equally often, and waits for all."""
        if self._first:
            self._first.send((None, value))
            values: list[Any] = self._first.recv()
            return values
        values = [value, *(_received(other) for other in self._others)]
        for other in self._others:
            other.send(values)
        return values

    def close(self) -> None:
        """End the processes, which hold only copies."""
        for other in self._others:
            other.close()
        for process in self._processes:
            process.kill()
            process.join()
        self._others, self._processes = [], []

    def _serve(self, number: int, theirs: "list[Connection]") -> None:
        """Run the function for a shard until the first process is gone."""
        # The first process handles Ctrl-C, and its temporary files are not ours to remove: this one ends when it does.
        for heeded in _SIGNALS:
            signal.signal(heeded, signal.SIG_IGN if heeded == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        first = theirs.pop(number - 1)
        # An end that is open here would hide that its process is gone.
        for other in (*self._others, *theirs):
            other.close()
        self._first = first
        try:
            while True:
                first.send(_outcome(self._function, number, *loads(first.recv_bytes())))
        finally:
            # Either the first process is gone, or it waits for an error that cannot be sent, and sees this one end.
            os._exit(0)


def _outcome(function: Callable[..., T], *arguments: Any) -> tuple[Exception | None, T | None]:
    """Return the error or the result of a function; raise where the first process is gone."""
    try:
        return None, function(*arguments)
    except (EOFError, OSError):
        raise
    except Exception as error:
        return loads(dumps(error)), None


def _received(other: "Connection") -> Any:
    error, value = other.recv()
    if error:
        raise error
    return value
