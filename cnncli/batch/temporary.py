"""Whole files or none: an output is written under a temporary name in its folder, and renamed when it is complete."""

import os
import re
import stat
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from cnncli.batch.inputs import STANDARD
from cnncli.signals import before_leaving

# The name says which process on which machine is writing, so that another can tell what a killed one left behind.
_NODE = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
HOST = f"{zlib.crc32(_NODE.encode()):08x}"
SUFFIX = ".cnncli-part"
_LEFTOVER = rf"\..+\.{HOST}-(\d+)-\d+\{SUFFIX}(\.\w+)?"
_serial = count()
_under_way: set[str] = set()
_lock = threading.Lock()


@contextmanager
def whole_file(path: str, before: Callable[[str], bool] | None = None) -> Iterator[str]:
    """Give a temporary name to write to; the file becomes `path` at the end, or vanishes on an error.

    Args:
        path: where the file shall stand, whole or not at all. Standard output, devices and pipes are given through
            as they are, and a link stands for its target.
        before: called with the complete temporary file; it says whether the file shall get its name.
    """
    if path == STANDARD or is_special(path):
        yield path
        return
    path = os.path.realpath(path) if os.path.islink(path) else path
    with temporary_file(path, os.path.dirname(path)) as temporary:
        yield temporary
        if before is None or before(temporary):
            with suppress(OSError):  # who may read a file that is overwritten stays as it was
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(temporary, path)


@contextmanager
def temporary_file(path: str, folder: str, *, ending: str = "") -> Iterator[str]:
    """Give a temporary name for a file of some name, and remove what stands there at the end.

    Args:
        path: the name that it is made of.
        folder: where it stands.
        ending: for readers that go by it.
    """
    # File systems allow 255 bytes; a long name is cut, the serial number keeps it apart.
    name = os.path.basename(path)[:40]
    temporary = os.path.join(folder, f".{name}.{HOST}-{os.getpid()}-{next(_serial)}{SUFFIX}{ending}")
    with _lock:
        _under_way.add(temporary)
    try:
        yield temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)
        with _lock:
            _under_way.discard(temporary)


def scratch() -> str:
    """Return the folder of this machine for what is on its way from or to a store; TMPDIR chooses another."""
    import tempfile  # 7 ms, for URLs alone

    return tempfile.gettempdir()


def is_special(path: str) -> bool:
    """Whether a path is there and neither a file nor a folder: a device, a pipe, a socket."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def discard_all() -> None:
    """Remove the temporaries that this process has under way, before it leaves at once."""
    for temporary in list(_under_way):
        with suppress(OSError):
            os.unlink(temporary)


before_leaving.append(discard_all)


def remove_leftovers(folders: Iterable[str]) -> int:
    """Remove temporaries of processes of this machine that are no more, and return how many there were."""
    removed = 0
    for folder in folders:
        with suppress(OSError):
            names = os.listdir(folder or ".")
            for name in names:
                match = re.fullmatch(_LEFTOVER, name) if SUFFIX in name else None
                if match and not _is_alive(int(match[1])):
                    with suppress(OSError):
                        os.unlink(os.path.join(folder, name))
                        removed += 1
    return removed


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return bool(_under_way)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
