"""PyTorch as a backend: devices, processes, and the difference from NumPy."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from cnncli.arrays import Array
from cnncli.engines.backends import Backend
from cnncli.engines.engine import Engine
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.pixels import PixelGradient
from cnncli.engines.torch.distributed import join_processes
from cnncli.engines.torch.engine import TorchEngine
from cnncli.engines.torch.pixels import TorchPixelGradient
from cnncli.errors import ArgumentError
from cnncli.networks import Network

COMPARED = 16  # pictures of the batch that both engines compute: NumPy may need long for a network that needs a GPU
ROUNDING = 1e-3  # the largest difference that rounding in float32 explains


class TorchBackend(Backend):
    """PyTorch.

    Raises:
        ArgumentError: there is no such device.
        TrainingError: the other processes do not join.
    """

    name: ClassVar[str] = "torch"
    concurrent: ClassVar[bool] = False

    def __init__(self, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.processes = join_processes(self.device)

    def engine(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        *,
        jobs: int = 1,
        seed: int = 0,
    ) -> Engine:
        jobs = max(1, jobs // self.processes.local_count)  # a machine's processes share its cores
        return TorchEngine(
            network, parameters, buffers, jobs=jobs, seed=seed, device=self.device, processes=self.processes
        )

    def predictor(
        self, network: Network, parameters: Mapping[str, Array], buffers: Mapping[str, Array], *, jobs: int = 1
    ) -> Engine:
        return self.engine(network, parameters, buffers, jobs=jobs)

    def pixel_gradient(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        layers: Iterable[str],
        *,
        dtype: npt.DTypeLike = "float32",
        jobs: int = 1,
        borders: str = "zeros",
    ) -> PixelGradient:
        return TorchPixelGradient(
            network, parameters, buffers, layers, dtype=dtype, jobs=jobs, borders=borders, device=self.device
        )

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def notes(self, network: Network) -> list[str]:
        """Return the device, and a difference of batch norms in several processes."""
        count, is_cuda = self.processes.count, self.device.type == "cuda"
        where = torch.cuda.get_device_name(self.device) if is_cuda else "the CPU"
        several = f", {count} processes, each with its part of every batch" if count > 1 else ""
        notes = [f"computed by PyTorch {torch.__version__} on {where}{several}"]
        if count > 1 and not is_cuda and any("running_" in name for name in network.buffer_shapes()):
            notes.append(
                "batch normalisation on CPUs takes each process's own statistics of its part of the batch "
                "(on GPUs those of the whole batch): the numbers are not those of one process"
            )
        return notes

    def compare(self, engine: Engine, images: Array, labels: Array, loss: Any) -> str | None:
        images, labels = images[:COMPARED], labels[:COMPARED]
        arrays = engine.named_parameters, engine.buffers
        found = parity(engine.network, *arrays, images, labels, loss, device=self.device)
        return f"PyTorch against NumPy on a batch: {found}"

    def close(self) -> None:
        self.processes.close()


def choose_device(name: str = "auto", environment: Mapping[str, str] = os.environ) -> torch.device:
    """Return the device of a name; under torchrun each process of a machine has a GPU of its own, by the environment.

    Raises:
        ArgumentError: there is no such device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds no GPU"
        raise ArgumentError(f"device cuda: {built}: choose --device cpu, or install a PyTorch for your GPU")
    number, gpus = int(environment.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= gpus:
        raise ArgumentError(
            f"process {number} of this machine has no GPU of its own, there are {gpus}: "
            f"start torchrun with --nproc-per-node {gpus}, or choose --device cpu"
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


class Parity(NamedTuple):
    """Largest differences of PyTorch's outputs and gradients from NumPy's, as shares of the largest number."""

    outputs: float
    gradients: float

    @property
    def is_rounding(self) -> bool:
        """True if rounding explains the differences."""
        return max(self) <= ROUNDING

    def __str__(self) -> str:
        found = f"outputs within {self.outputs:.1g}, gradients within {self.gradients:.1g} of the largest"
        return found if self.is_rounding else f"{found}: more than rounding explains"


def parity(
    network: Network,
    parameters: Mapping[str, Array],
    buffers: Mapping[str, Array],
    images: Array,
    labels: Array,
    loss: Any,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> Parity:
    """Take one step of each engine from the same weights, and compare outputs and gradients.

    The network is the one whose outputs the loss works on; the images (N, *input_shape) are normalised.
    """
    found = []
    for engine in (
        NumpyEngine(network, parameters, buffers, seed=seed, forked=False),
        TorchEngine(network, parameters, buffers, seed=seed, device=device),
    ):
        with engine:
            logits = engine.step(images, labels, loss).logits
            found.append((logits.reshape(len(logits), -1), engine.gradients))
    return Parity(*(_difference(ours, theirs) for ours, theirs in zip(*found, strict=True)))


def _difference(ours: Array, theirs: Array) -> float:
    if not ours.size:
        return 0.0
    scale = float(np.abs(ours).max())
    return float(np.abs(ours - theirs).max()) / (scale or 1.0)
