"""Ctrl-C: the first lets what is under way finish, the second leaves at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cnncli.batch.temporary import discard_all


@contextmanager
def interrupts(*, at_once: bool = False) -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; the second removes half-written files and exits with 130.

    Args:
        at_once: already the first is the second: there is nothing beside what is under way.
    """
    stop = threading.Event()
    # Signals reach the main thread alone; and what a shell started in the background is told to ignore them.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield stop
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if at_once or stop.is_set():
            discard_all()
            os._exit(130)
        stop.set()
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _MESSAGE)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


_MESSAGE = b"\ncnncli: finishing what is under way; Ctrl-C again stops at once\n"
