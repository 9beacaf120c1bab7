"""Backends: what computes a network, and where. NumPy does unless another is asked for.

To add one, write a class as `Backend` is, and enter where it is in `ENGINES`.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from cnncli.choices import did_you_mean
from cnncli.engines.processes import ALONE, Processes
from cnncli.errors import ArgumentError

if TYPE_CHECKING:  # the registry is read for `--help`, which shall load no NumPy
    from cnncli.arrays import Array
    from cnncli.engines.numpy_engine import StepResult
    from cnncli.engines.optimizers import Optimizer
    from cnncli.networks import Network


ENGINES: dict[str, str] = {
    "numpy": "cnncli.engines.backends:Backend",
    "torch": "cnncli.engines.torch.backend:TorchBackend",
}
"""Where the backend of each engine is: nothing is imported unless it is asked for."""

DEVICES = ("auto", "cpu", "cuda")
"""Where an engine may compute; `auto` is a GPU where there is one."""


class Computing(Protocol):
    """An engine as trainers and models see it: a network with parameters, gradients and running statistics.

    Use it in a `with` statement, or close it in the end.
    """

    network: "Network"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End threads and processes."""

    @property
    def parameters(self) -> "Array":
        """All trainable numbers in one vector; change them in place."""

    @property
    def gradients(self) -> "Array":
        """The gradient of the last step's mean loss, in the order of `parameters`."""

    @property
    def named_parameters(self) -> "Mapping[str, Array]":
        """The same memory as `parameters` by name, in shape."""

    @property
    def buffers(self) -> "Mapping[str, Array]":
        """The arrays that are not trained, by name; changed in place by `step`."""

    @property
    def state(self) -> "Mapping[str, Array]":
        """The arrays that the optimizer keeps between steps, by name; change them in place."""

    def step(self, images: "Array", labels: "Array", loss: Any, *, step: int = 0) -> "StepResult":
        """Compute the loss, gradients and running statistics of a batch; parameters stay as they are.

        Args:
            images: (N, *input_shape), of the engine's type, normalised.
            labels: (N,).
            loss: as those of `cnncli.engines.losses`: called with the logits and labels of a part of the batch, it
                returns the sum and its gradient; its `total_weight` of all labels is what they are divided by.
            step: number of the step, which dropout depends on.
        """

    def use(self, optimizer: "Optimizer") -> None:
        """Let an optimizer change the parameters from now on, as one that has taken no step."""

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        """Change the parameters along the gradients.

        Args:
            step: number of the step, from 1.
            lr: learning rate of this step.
            clip_norm: largest norm of the gradients; None for any.
        """

    def predict(self, images: "Array", *, prepare: "Callable[[Array], Array] | None" = None) -> "Array":
        """Return the logits (N, *output_shape) of images, of which a few at a time are held with their activations.

        Args:
            images: (N, *input_shape), or the images that `prepare` makes into it.
            prepare: called with some of the images; returns them normalised.
        """

    def activations(self, images: "Array", *, training: bool = False) -> "Iterator[tuple[str, Array]]":
        """Return the name and the output of each layer for some images, in the order of computation."""

    def diagnose(self, images: "Array") -> str | None:
        """Return the name of the first layer whose output for a batch is not finite; None where all are.

        Call it after a step whose loss was not finite: parameters are still those that it was computed with.
        """


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
    ) -> Computing:
        """Return what computes a network."""
        from cnncli.engines.numpy_engine import Engine

        return Engine(network, parameters, buffers, jobs=jobs, seed=seed)

    def versions(self) -> dict[str, str]:
        """Return the versions of what computes, beside NumPy."""
        return {}

    def notes(self, network: "Network") -> list[str]:
        """Return what a user should know before a training begins, a line each."""
        return []

    def compare(self, engine: Computing, images: "Array", labels: "Array", loss: Any) -> str | None:
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
