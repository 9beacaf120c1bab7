"""BLAS held to one thread: its own would fight ours, at 1.7 times the time, and change last bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

_lock = Lock()
_held: list[Any] = []  # the limit, once for each computation under way: the last one lifts it


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread, until the last of the computations that overlap is done, on whatever threads."""
    with _lock:  # for the import too: where it fails on one thread, others would be left with half of the module
        controller = _controller()
    if controller is None:
        yield
        return
    with _lock:
        _held.append(_held[0] if _held else _limited(controller))
    try:
        yield
    finally:
        with _lock:
            limit = _held.pop()
            if not _held:
                _obey_this_thread()
                limit.restore_original_limits()
                _obey_this_thread()


@cache
def _controller() -> Any:
    """Return what limits BLAS; None if it has one thread already, as the command line tells OpenBLAS."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    return None if all(library["num_threads"] == 1 for library in controller.info()) else controller


def _limited(controller: Any) -> Any:
    _obey_this_thread()
    return controller.limit(limits=1)


def _obey_this_thread() -> None:
    """Let this thread set limits of OpenBLAS: from version 3.8 on, threadpoolctl obeys the first that does alone."""
    import threadpoolctl

    clear = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
