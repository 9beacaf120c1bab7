"""Ctrl-C: the first lets what is under way finish, the second leaves at once; and so does a termination.

Where work can be saved, a termination is as a Ctrl-C: schedulers of clusters send it some time before the end.
"""

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cnncli.signals import leave

_MESSAGE = b"\ncnncli: finishing what is under way; Ctrl-C again stops at once\n"


class Stop(threading.Event):
    """An event that the first signal sets.

    Attributes:
        number: number of that signal.
    """

    number: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """The exit code that shells give to a process ended by this signal."""
        return 128 + self.number


@contextmanager
def interrupts(*, at_once: bool = False, saves: bool = False) -> Iterator[Stop]:
    """Yield an event that the first Ctrl-C sets; the second removes half-written files and exits with 130.

    SIGTERM, which schedulers and shutdowns send, removes them too and exits with 143.

    Args:
        at_once: exit at the first Ctrl-C: there is nothing else to finish.
        saves: treat SIGTERM and SIGHUP as Ctrl-C: finish and save the current work.
    """
    stop = Stop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if at_once or stop.is_set():
            leave(number, frame)
        stop.number = number
        stop.set()
        if number not in (signal.SIGINT, signal.SIGTERM):
            _forget_terminal()
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _MESSAGE)

    ending = [signal.SIGTERM, *([signal.SIGHUP] if saves and hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ending)}
    # Only the main thread gets signals, and a shell tells processes in the background to ignore Ctrl-C.
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number, handler in before.items() if is_main and handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, interrupt if saves or number == signal.SIGINT else leave)
    try:
        yield stop
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _forget_terminal() -> None:
    """Discard output to a terminal from now on: it has hung up, and writing to it would fail."""
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for number in (1, 2):
            if stat.S_ISCHR(os.fstat(number).st_mode):
                os.dup2(nowhere.fileno(), number)
