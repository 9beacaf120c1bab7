"""Backends: engines on devices, by name.

To add one, write a subclass of `Backend`, and enter its place in `ENGINES`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cnncli.choices import did_you_mean
from cnncli.engines.processes import ALONE, Processes
from cnncli.errors import ArgumentError

if TYPE_CHECKING:  # the registry is read for `--help`, which must not load NumPy
    from numpy.typing import DTypeLike

    from cnncli.arrays import Array
    from cnncli.engines.engine import Engine, Predicting
    from cnncli.engines.pixels import PixelGradient
    from cnncli.networks import Network


ENGINES: dict[str, str] = {
    "numpy": "cnncli.engines.backends:Backend",
    "torch": "cnncli.engines.torch.backend:TorchBackend",
}
"""Module and class of each engine's backend, imported when it is asked for."""

DEVICES = ("auto", "cpu", "cuda")
"""Devices of engines; `auto` is a GPU where there is one."""


class Backend:
    """NumPy on the cores of this machine.

    Args:
        device: a name in `DEVICES`.

    Attributes:
        name: its name in `ENGINES`.
        concurrent: whether threads may call one `predictor` at the same time.
        processes: the processes that train together.

    Raises:
        ArgumentError: a device that it does not support.
    """

    name: ClassVar[str] = "numpy"
    concurrent: ClassVar[bool] = True

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
        """Return an engine for a network with these weights."""
        from cnncli.engines.numpy_engine import NumpyEngine

        return NumpyEngine(network, parameters, buffers, jobs=jobs, seed=seed)

    def predictor(
        self, network: "Network", parameters: "Mapping[str, Array]", buffers: "Mapping[str, Array]", *, jobs: int = 1
    ) -> "Predicting":
        """Return a network with these weights, which stay, for predictions alone."""
        from cnncli.engines.inference import Inference

        return Inference(network, parameters, buffers, jobs=jobs)

    def pixel_gradient(
        self,
        network: "Network",
        parameters: "Mapping[str, Array]",
        buffers: "Mapping[str, Array]",
        layers: "Iterable[str]",
        *,
        dtype: "DTypeLike" = "float32",
        jobs: int = 1,
        borders: str = "zeros",
    ) -> "PixelGradient":
        """Return what computes outputs of layers and gradients by the images, as `PixelGradient` describes it."""
        from cnncli.engines.pixels import PixelGradient

        return PixelGradient(network, parameters, buffers, layers, dtype=dtype, jobs=jobs, borders=borders)

    def versions(self) -> dict[str, str]:
        """Return the versions of libraries beside NumPy."""
        return {}

    def notes(self, network: "Network") -> list[str]:
        """Return notes for the user before a training begins, a line each."""
        return []

    def compare(self, engine: "Engine", images: "Array", labels: "Array", loss: Any) -> str | None:
        """Return the difference of an engine from NumPy's on a batch, in words; None for NumPy itself."""
        return None

    def close(self) -> None:
        """Leave the group of processes."""


def open_backend(engine: str = "numpy", device: str = "auto") -> Backend:
    """Return the backend of an engine, to be closed in the end.

    Args:
        engine: a name in `ENGINES`.
        device: a name in `DEVICES`.

    Raises:
        ArgumentError: an unknown engine, one that is not installed, or a device that it does not have.

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


@contextmanager
def lone_backend(engine: str | Backend, device: str, what: str) -> Iterator[Backend]:
    """Yield the backend of an engine, or one that is open, for `what` one process does alone.

    Raises:
        ArgumentError: torchrun has started several, or as `open_backend`.
    """
    with open_backend(engine, device) if isinstance(engine, str) else nullcontext(engine) as backend:
        if backend.processes.count > 1 or os.environ.get("WORLD_SIZE", "1") != "1":
            raise ArgumentError(f"{what} in one process: leave torchrun out")
        yield backend


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
