"""Whole files or none: an output is written under a temporary name in its folder, and renamed when it is complete.

The name of a temporary is random and created by the one who writes it, so that no other process, on this machine or
another, can be writing to the same, and no link planted under that name is followed. While it is written it is locked:
the lock of a killed process is free, also where processes do not see each other's numbers.
"""

import errno
import os
import re
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Literal

from cnncli.errors import ArgumentError, CnncliError
from cnncli.signals import before_leaving

STANDARD = "-"
"""The name of standard input among inputs, and of standard output among outputs."""

SUFFIX = ".cnncli-part"

Ending = Literal["replace", "add", "discard"]
"""The fate of a complete temporary file: replace the named file, be added if there is none, or be discarded."""

_PRIVATE, _SHARED = 0o600, 0o666  # modes of new files, before the umask is applied
_DAY = 86400.0  # seconds without a write after which a temporary counts as left over, where there are no locks
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _machine() -> str:
    """Return an identifier of this machine: of its start, which its containers share, or else of its name."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            told = file.read()
    except OSError:
        told = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return f"{zlib.crc32(told.encode()):08x}"


MACHINE = _machine()
_LEFTOVER = re.compile(rf"\..+\.([0-9a-f]{{8}})-[0-9a-f-]+\{SUFFIX}(\.\w+)?", re.DOTALL)
_under_way: dict[str, int] = {}
"""The temporaries of this process, and their open descriptors."""

_creating = threading.RLock()  # one that a signal's handler can take in the midst of a creation of its own thread


@contextmanager
def whole_file(path: str, settle: Callable[[str], Ending] = lambda _: "replace") -> Iterator[str]:
    """Give a temporary name to write to; the file becomes `path` at the end, and is removed on an error.

    Write with `open_temporary`.

    Args:
        path: path of the file, which is complete or absent. Standard output, devices and pipes are passed through
            unchanged. A link is replaced like any other file: its target is never written.
        settle: called with the complete temporary file; it says what becomes of it.

    Raises:
        FileExistsError: `settle` said `add`, and something stands at `path`.
    """
    if path == STANDARD or is_special(path):
        yield path
        return
    with temporary_file(path, os.path.dirname(path)) as temporary:
        yield temporary
        ending = settle(temporary)
        if ending == "replace":
            _keep_mode(path, _under_way[temporary])
            os.replace(temporary, path)
        elif ending == "add":
            _add(temporary, path)


@contextmanager
def temporary_file(path: str, folder: str, *, ending: str = "", private: bool = False) -> Iterator[str]:
    """Create a file of a temporary name, give the name, and remove the file at the end.

    Args:
        path: the name that it is made of.
        folder: where it stands.
        ending: for readers that go by it.
        private: whether nobody else may read it.

    Raises:
        OSError: it cannot be created; the error names `path`.
    """
    try:
        temporary = _create(path, folder, ending, _PRIVATE if private else _SHARED)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        yield temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)
        os.close(_under_way.pop(temporary))


def open_temporary(path: str) -> BinaryIO:
    """Open a temporary of this process for writing, or any other file.

    It is the file that was created, whatever has its name by now.
    """
    if path not in _under_way:
        return open(path, "wb")

    def again(*_: object) -> int:
        os.ftruncate(_under_way[path], 0)
        os.lseek(_under_way[path], 0, os.SEEK_SET)
        return os.dup(_under_way[path])

    return open(path, "wb", opener=again)


@contextmanager
def open_whole(path: str | os.PathLike[str], error: type[CnncliError], *, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when it is complete.

    Args:
        path: its name.
        error: the class of the error when it cannot be written.
        replace: whether it may replace what stands there.

    Raises:
        CnncliError: of class `error`: it cannot be written, or something stands there and is not to be replaced.
    """
    ending: Ending = "replace" if replace else "add"
    with (
        writing(path, error),
        whole_file(os.fspath(path), lambda _: ending) as temporary,
        open_temporary(temporary) as file,
    ):
        yield file


@contextmanager
def writing(path: str | os.PathLike[str], error: type[CnncliError]) -> Iterator[None]:
    """Turn the system's refusal to write a file into one line; a closed pipe is not the file's fault."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as refusal:
        raise error(f"{os.fspath(path)}: cannot be written: {refusal.strerror or refusal}") from refusal


def check_output(path: str, *, force: bool, inputs: Iterable[str] = ()) -> None:
    """Refuse an output that is an input, or that exists already, before any work.

    Args:
        path: the output.
        force: whether it may replace a file.
        inputs: the files that the command reads.

    Raises:
        ArgumentError: it is one of them, or exists and may not be replaced.
    """
    if any(os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source) for source in inputs):
        raise ArgumentError(f"{path} is an input: inputs are never overwritten, choose another output")
    if os.path.lexists(path) and not force:
        raise ArgumentError(f"{path} exists already: --force overwrites")


def random_name() -> str:
    """Return a name that no other file has, with the suffix of incomplete files."""
    return f"{MACHINE}-{os.urandom(8).hex()}{SUFFIX}"


def scratch() -> str:
    """Return the folder of this machine for files on their way from or to a store; TMPDIR chooses another."""
    import tempfile  # 7 ms, for URLs alone

    return tempfile.gettempdir()


def is_special(path: str) -> bool:
    """Return whether a path is a device, a pipe, a socket, or a link to an open file: not a file or folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _is_open_file(path)


def _is_open_file(path: str) -> bool:
    """Return whether a path is the system's link to an open file, such as /dev/stdout."""
    return os.path.islink(path) and f"{os.path.realpath(os.path.dirname(path))}/".startswith(("/dev/", "/proc/"))


def is_temporary(path: str) -> bool:
    """Return whether a path is a temporary that this process has under way."""
    return path in _under_way


def discard_all() -> None:
    """Remove the temporaries that this process has under way."""
    for temporary in list(_under_way):
        with suppress(OSError):
            os.unlink(temporary)


def _leave_nothing() -> None:
    # Never released: threads go on until the process has left, and must not create another temporary meanwhile.
    _creating.acquire(timeout=1)
    discard_all()


before_leaving.append(_leave_nothing)


def remove_leftovers(folders: Iterable[str]) -> int:
    """Remove temporaries that no process writes any more, and return their number.

    One of this machine is left over when it is not locked. What another machine locks is not always seen here, so that
    those must also be a day old.
    """
    removed = 0
    for folder in folders:
        names: list[str] = []
        with suppress(OSError):
            names = os.listdir(folder or ".")
        for name in names:
            match = _LEFTOVER.fullmatch(name) if SUFFIX in name else None
            removed += match is not None and _remove_leftover(os.path.join(folder, name), match[1])
    return removed


def taken(path: str) -> FileExistsError:
    """Return the error for a name that another file got meanwhile."""
    return FileExistsError(errno.EEXIST, "exists already, since the work began: --force overwrites it", path)


def lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed, also by the end of the process.

    Returns:
        Whether it is locked; None where there are no locks.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, and file systems without locks
        return None
    return True


def _create(path: str, folder: str, ending: str, mode: int) -> str:
    # File systems allow 255 bytes; a long name is cut.
    name = os.path.basename(path)[:40]
    while True:
        temporary = os.path.join(folder, f".{name}.{random_name()}{ending}")
        with _creating:
            _under_way[temporary] = -1  # before it is created, so that a termination in between removes it as well
            try:
                descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, mode)
            except OSError:
                del _under_way[temporary]
                raise
            _under_way[temporary] = descriptor
        # Another process that removes leftovers may have locked it first.
        if lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return temporary
        os.close(_under_way.pop(temporary))


def _keep_mode(path: str, descriptor: int) -> None:
    """Keep the permissions of a file that is replaced."""
    with suppress(OSError, AttributeError):  # Windows has no such modes
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o777)


def _add(temporary: str, path: str) -> None:
    """Give a complete file its name, unless something has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise taken(path) from None
    except OSError:  # a file system without hard links: the look and the renaming are two steps
        if os.path.lexists(path):
            raise taken(path) from None
        os.rename(temporary, path)


def _remove_leftover(path: str, machine: str) -> bool:
    """Remove a temporary if it is left over; return whether it was."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | _NO_LINKS)
        try:
            if _is_left(descriptor, machine):
                os.unlink(path)
                return True
        finally:
            os.close(descriptor)
    return False


def _is_left(descriptor: int, machine: str) -> bool:
    locked = lock(descriptor)
    status = os.fstat(descriptor)
    if locked is False or not stat.S_ISREG(status.st_mode):
        return False
    return bool(locked and machine == MACHINE) or time.time() - status.st_mtime > _DAY
