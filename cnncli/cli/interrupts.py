"""Ctrl-C: the first lets what is under way finish, the second leaves at once; and so does a termination."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cnncli.signals import leave

_MESSAGE = b"\ncnncli: finishing what is under way; Ctrl-C again stops at once\n"


@contextmanager
def interrupts(*, at_once: bool = False) -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; the second removes half-written files and exits with 130.

    SIGTERM, which schedulers and shutdowns send, removes them too and exits with 143.

    Args:
        at_once: already the first is the second: there is nothing beside what is under way.
    """
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if at_once or stop.is_set():
            leave(number, frame)
        stop.set()
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _MESSAGE)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Signals reach the main thread alone; and what a shell started in the background is told to ignore Ctrl-C.
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number, handler in before.items() if is_main and handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, interrupt if number == signal.SIGINT else leave)
    try:
        yield stop
    finally:
        for number in heeded:
            signal.signal(number, before[number])
