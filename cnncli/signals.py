"""Signals that wait while processes and threads are started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Hold back signals in this thread: they are late here, and what is started meanwhile begins without them.

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
