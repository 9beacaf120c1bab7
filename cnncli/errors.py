"""The errors that cnncli raises for anything a caller can cause.

Every message says what was asked, what was found and, where it can, what to do.
"""

import errno


class CnncliError(Exception):
    """The base of all errors raised on purpose; catch this to catch them all."""


class ArgumentError(CnncliError, ValueError):
    """An argument that cannot be used: an option, a kernel, a shape that does not fit.

    Example:
        >>> from cnncli.shapes import output_size
        >>> output_size(6, 3, stride=0)
        Traceback (most recent call last):
        ...
        cnncli.errors.ArgumentError: stride must be a positive integer, got 0
    """


class ImageError(CnncliError):
    """An image file that cannot be read or written."""


class NoInputError(CnncliError):
    """A glob, a folder or a list that holds no input at all."""


class ModelError(CnncliError):
    """A model file that cannot be read."""


class DataError(CnncliError):
    """A data set that cannot be read, or cannot be trained on."""


class TrainingError(CnncliError):
    """A training that cannot go on."""


class SchedulerError(CnncliError):
    """A cluster that cannot be reached, that was lost, or whose workers cannot do the work."""


def shortage(error: BaseException) -> str:
    """Return in words what exceeds the system, if an error or its cause says so; else the empty text.

    Modules are loaded, and threads begun, when they are needed: what the system lacks comes up at any moment, as errors
    of several classes, and not always with a name that the user knows.

    Example:
        >>> shortage(MemoryError()), shortage(OSError(2, "No such file or directory"))
        ('does not fit into memory', '')
    """
    number = error.errno if isinstance(error, OSError) else None
    text = str(error) if isinstance(error, ImportError | RuntimeError | SystemError) else ""
    if number in (errno.EMFILE, errno.ENFILE) or "Too many open files" in text:
        return "needs more open files than the limit allows: raise it (ulimit -n)"
    lacks = (
        "failed to map segment",
        "Cannot allocate memory",
        "can't start new thread",
        "error return without exception set",  # of modules in C that give up halfway
    )
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in lacks):
        return "does not fit into memory"
    return shortage(error.__cause__) if error.__cause__ else ""
