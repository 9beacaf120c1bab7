"""PyTorch as a backend: on a CPU, a GPU, or several under torchrun."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from cnncli.arrays import Array
from cnncli.engines.backends import Backend
from cnncli.engines.engine import Engine
from cnncli.engines.torch.comparison import parity
from cnncli.engines.torch.devices import choose_device
from cnncli.engines.torch.distributed import join_processes
from cnncli.engines.torch.engine import TorchEngine
from cnncli.networks import Network

COMPARED = 16
"""Pictures of the batch that both engines compute: NumPy may need long for a network that needs a GPU."""


class TorchBackend(Backend):
    """PyTorch.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ArgumentError: there is no such device.
        TrainingError: the other processes do not come.
    """

    name: ClassVar[str] = "torch"

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
        """Return what computes a network; the threads are shared by the machine's processes."""
        jobs = max(1, jobs // self.processes.local_count)
        return TorchEngine(
            network, parameters, buffers, jobs=jobs, seed=seed, device=self.device, processes=self.processes
        )

    def versions(self) -> dict[str, str]:
        """Return PyTorch's version."""
        return {"torch": torch.__version__}

    def notes(self, network: Network) -> list[str]:
        """Return where it computes, and what is another thing in several processes."""
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
        """Return in words how far PyTorch is from NumPy on a batch."""
        images, labels = images[:COMPARED], labels[:COMPARED]
        arrays = engine.named_parameters, engine.buffers
        found = parity(engine.network, *arrays, images, labels, loss, device=self.device)
        return f"PyTorch against NumPy on a batch: {found}"

    def close(self) -> None:
        """Part from the other processes."""
        self.processes.close()
