"""The errors that cnncli raises for anything that a caller can cause.

A message is one line: what was asked, what was found and, where it is known, what to do.
"""

import errno


class CnncliError(Exception):
    """The base class of all errors raised on purpose: catch this to catch them all."""


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
    """A glob, a folder or a list without any input."""


class ModelError(CnncliError):
    """A model file that cannot be read or written."""


class DataError(CnncliError):
    """A data set that cannot be read, trained on or judged by."""


class TrainingError(CnncliError):
    """A training that cannot go on."""


class SchedulerError(CnncliError):
    """A cluster that cannot be reached or was lost, or has workers that cannot do the work."""


def reason(error: Exception) -> str:
    """Return why a file cannot be read, as the system says it, but for the most frequent reason.

    Example:
        >>> reason(FileNotFoundError(2, "No such file or directory")), reason(PermissionError(13, "Permission denied"))
        ('no such file', 'Permission denied')
    """
    return "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or str(error)


def shortage(error: BaseException) -> str:
    """Return which resource of the system ran out, in words; the empty text for any other error.

    Modules are loaded, and threads started, when they are needed: a shortage shows at any moment, in errors of several
    classes, and often without a name that the user knows.

    Example:
        >>> shortage(MemoryError()), shortage(OSError(2, "No such file or directory"))
        ('does not fit into memory', '')
    """
    number = error.errno if isinstance(error, OSError) else None
    text = str(error) if isinstance(error, ImportError | RuntimeError | SystemError) else ""
    if number in (errno.EMFILE, errno.ENFILE) or "Too many open files" in text:
        return "needs more open files than the limit allows: raise it (ulimit -n)"
    signs = (
        "failed to map segment",
        "Cannot allocate memory",
        "can't start new thread",
        "error return without exception set",  # from modules in C that give up halfway
    )
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in signs):
        return "does not fit into memory"
    return shortage(error.__cause__) if error.__cause__ else ""
