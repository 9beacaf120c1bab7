"""The entry point of ``cnncli`` and ``python -m cnncli``."""

import os

try:
    from cnncli.signals import heed

    heed()  # before anything else is loaded: Ctrl-C has no traceback, whenever it comes
except KeyboardInterrupt:
    os._exit(130)

import gc
import sys
from io import TextIOWrapper


def main() -> None:
    """Set up the process, run the command line, and leave with its exit code."""
    # While modules load, the garbage collector finds nothing, and it takes a tenth of the time of a small picture.
    gc.set_threshold(100_000)
    # Threads of ours work on several files at once; a BLAS with threads of its own would fight them, and starts slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_closed_streams()
    from cnncli.cli import app

    code: str | int | None = 0
    try:
        app()
    except SystemExit as leaving:
        code = leaving.code
    if error := _flush_error():
        if not code and not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"cnncli: standard output: {error.strerror or error}\n")
        code = code or 1
    # Everything is closed and written. Python would look for cycles among all objects before it ends: 13 ms of 80.
    gc.freeze()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Let what the caller closed (`2>&-`) be the null device, for child processes too.

    Otherwise the next file that is opened gets its number, and what is printed there. Standard input stays None, by
    which readers can tell that there is nothing to read.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
            os.set_inheritable(number, True)
        if number and getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # characters missing in the encoding must not cause a failure


def _flush_error() -> OSError | None:
    """Write what standard output still holds, and return the error where that fails.

    What cannot be written is given up: Python would try again at its end, and complain in several lines.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


if __name__ == "__main__":
    main()
