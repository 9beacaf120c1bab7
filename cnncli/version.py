"""The version of cnncli."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cnncli")
except PackageNotFoundError:  # run from its source, not installed
    __version__ = "unknown"
