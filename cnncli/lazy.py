"""Libraries that are loaded when they are first used: `--help` reads registries of classes that compute with NumPy."""

from importlib import import_module
from typing import Any


class Lazy:
    """Stand-in for a module, which gets its attributes from the module as they are asked for, and keeps them.

    `lazy_loader.load` would enter the module in `sys.modules` at once.

    Example:
        >>> Lazy("math").sqrt(9)
        3.0
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._module), name)
        setattr(self, name, value)
        return value
