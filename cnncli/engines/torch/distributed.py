"""Processes that train one network together, started by `torchrun --nproc-per-node 2 -m cnncli train ...`."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from cnncli.arrays import Array
from cnncli.engines.processes import ALONE, Processes
from cnncli.errors import ArgumentError, TrainingError

TIMEOUT = "CNNCLI_PROCESS_TIMEOUT"
"""Environment variable: seconds after which a silent process is given up."""

SECONDS = 600


def join_processes(device: torch.device, environment: Mapping[str, str] = os.environ) -> Processes:
    """Return the processes that torchrun has started, as its variables tell, or this one alone.

    Sums go by NCCL between GPUs, by Gloo between CPUs.

    Raises:
        TrainingError: the others do not join.
        ArgumentError: the timeout is not a number of seconds.
    """
    count = int(environment.get("WORLD_SIZE", "1"))
    if count < 2 or not distributed.is_available():
        return ALONE
    backend = "nccl" if device.type == "cuda" else "gloo"
    seconds = _seconds(environment)
    if backend == "nccl":  # so that a silent process raises here, and does not end this one without a word
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    try:
        distributed.init_process_group(backend, timeout=timedelta(seconds=seconds))
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"process {environment.get('RANK', '?')} of {count} does not find the others ({_first_line(error)}): "
            f"start all of them with torchrun, within {seconds:g} s of each other"
        ) from error
    return TorchProcesses(device, int(environment.get("LOCAL_WORLD_SIZE", "1")))


def _seconds(environment: Mapping[str, str]) -> float:
    text = environment.get(TIMEOUT, str(SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise ArgumentError(f"{TIMEOUT} must be a number of seconds above 0, got {text!r}")
    return seconds


class TorchProcesses(Processes):
    """Processes of an initialized group of `torch.distributed`."""

    def __init__(self, device: torch.device, local_count: int = 1) -> None:
        self.device, self.local_count = device, local_count
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def total(self, numbers: Array) -> Array:
        tensor = torch.tensor(numbers, device=self.device)
        self.add_up(tensor)
        total: Array = tensor.cpu().numpy()
        return total

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by the sum of those of every process."""
        with _silence_is_an_error(self.rank):
            distributed.all_reduce(tensor)
            if tensor.is_cuda:
                torch.cuda.synchronize(tensor.device)

    def close(self) -> None:
        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def _silence_is_an_error(rank: int) -> Iterator[None]:
    """Turn PyTorch's error about a process that is gone into one line."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"process {rank}: another process of this training is gone, or silent for too long ({_first_line(error)}); "
            "start the job again with --resume: at most the epoch under way is lost"
        ) from error


def _first_line(error: Exception) -> str:
    """Return the message of an error without the place in PyTorch's source and its advice."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[^]]*\] *", "", lines[0]).partition(". ")[0][:200]
