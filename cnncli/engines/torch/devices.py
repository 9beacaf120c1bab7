"""Where PyTorch computes."""

import os
from collections.abc import Mapping

import torch

from cnncli.errors import ArgumentError


def choose_device(name: str = "auto", environment: Mapping[str, str] = os.environ) -> torch.device:
    """Return the device of a name; under torchrun each process of a machine has a GPU of its own.

    Args:
        name: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        environment: where torchrun says which of a machine's processes this is.

    Raises:
        ArgumentError: there is no such device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise ArgumentError(f"device must be auto, cpu or cuda, got {name!r}")
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
