"""Which versions a training ran with."""

import platform
from functools import cache


@cache
def cnncli_version() -> str:
    """Return the version of cnncli."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cnncli")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions of all that computes."""
    import numpy

    return {"cnncli": cnncli_version(), "numpy": numpy.__version__, "python": platform.python_version()}
