"""The errors that cnncli raises for anything a caller can cause.

Every message says what was asked, what was found and, where it can, what to do.
"""


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
