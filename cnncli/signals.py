"""Signals that wait while processes and threads are started, and signals that end a program at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

before_leaving: list[Callable[[], None]] = []
"""Functions that `leave` calls first: they have to be quick, and safe at any moment."""


def leave(number: int, frame: FrameType | None = None) -> None:
    """Handle a signal: leave at once, with the exit code that shells give to a process that a signal ended.

    No exception is raised: one would show up as a traceback wherever nobody expects it, as in the midst of an import.
    """
    for clean_up in before_leaving:
        clean_up()
    os._exit(128 + number)


def heed() -> None:
    """Leave at once on Ctrl-C and on a termination, unless the parent process has them ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Block signals in this thread: they arrive late here, and threads and processes begun meanwhile have them blocked.

    A new process or thread holds them back until it says otherwise.

    Example:
        >>> with held_back(signal.SIGINT):
        ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        True
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
