"""Backends: what computes a network, and where. NumPy does unless another is asked for.

To add one, write a class as `Backend` is, and enter where it is in `ENGINES`.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cnncli.choices import did_you_mean
from cnncli.engines.processes import ALONE, Processes
from cnncli.errors import ArgumentError

if TYPE_CHECKING:  # the registry is read for `--help`, which shall load no NumPy
    from cnncli.arrays import Array
    from cnncli.engines.engine import Engine
    from cnncli.networks import Network


ENGINES: dict[str, str] = {
    "numpy": "cnncli.engines.backends:Backend",
    "torch": "cnncli.engines.torch.backend:TorchBackend",
}
"""Where the backend of each engine is: nothing is imported unless it is asked for."""

DEVICES = ("auto", "cpu", "cuda")
"""Where an engine may compute; `auto` is a GPU where there is one."""


class Backend:
    """NumPy, on this machine's cores.

    Args:
        device: where to compute.

    Attributes:
        name: in `ENGINES`.
        processes: those that train together.

    Raises:
        ArgumentError: a device that it cannot compute on.
    """

    name: ClassVar[str] = "numpy"

    processes: Processes = ALONE

    def __init__(self, device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise ArgumentError(f"the engine numpy computes on the CPU, not on {device}: --engine torch can")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def engine(
        self,
        network: "Network",
        parameters: "Mapping[str, Array]",
        buffers: "Mapping[str, Array]",
        *,
        jobs: int = 1,
        seed: int = 0,
    ) -> "Engine":
        """Return what computes a network."""
        from cnncli.engines.numpy_engine import NumpyEngine

        return NumpyEngine(network, parameters, buffers, jobs=jobs, seed=seed)

    def versions(self) -> dict[str, str]:
        """Return the versions of what computes, beside NumPy."""
        return {}

    def notes(self, network: "Network") -> list[str]:
        """Return what a user should know before a training begins, a line each."""
        return []

    def compare(self, engine: "Engine", images: "Array", labels: "Array", loss: Any) -> str | None:
        """Return in words how far an engine is from NumPy's on a batch; None for NumPy itself."""
        return None

    def close(self) -> None:
        """Let go of what is shared with other processes."""


def open_backend(engine: str = "numpy", device: str = "auto") -> Backend:
    """Return the backend of an engine; close it in the end.

    Args:
        engine: a name in `ENGINES`.
        device: a name in `DEVICES`.

    Raises:
        ArgumentError: there is no such engine, or it is not installed, or has no such device.

    Example:
        >>> with open_backend("numpy") as backend:
        ...     backend.name
        'numpy'
    """
    if engine not in ENGINES:
        raise ArgumentError(f"unknown engine {engine!r}: {did_you_mean(engine, ENGINES)}")
    if device not in DEVICES:
        raise ArgumentError(f"unknown device {device!r}: choose from {', '.join(DEVICES)}")
    module, _, name = ENGINES[engine].partition(":")
    kind: type[Backend] = getattr(_imported(module, engine), name)
    return kind(device)


def _imported(module: str, engine: str) -> Any:
    try:
        return import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library in it does not load
        if str(getattr(error, "name", None)).startswith("cnncli"):
            raise
        missing = isinstance(error, ModuleNotFoundError) and error.name == engine
        state = "not installed" if missing else f"broken ({error})"
        raise ArgumentError(
            f"the engine {engine} is {state}; install it with: pip install 'cnncli[{engine}]'"
        ) from error
