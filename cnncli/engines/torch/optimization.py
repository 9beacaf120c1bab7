"""cnncli's optimizers on a device, by PyTorch's of the same names, with the same numbers kept between steps."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cnncli.engines.optimizers import Adam, Momentum, Nesterov, Optimizer, RMSprop

STATE: dict[str, str] = {"velocity": "momentum_buffer", "mean": "exp_avg"}
"""PyTorch's names of what an optimizer keeps, by ours; `square` has two."""


def torch_optimizer(optimizer: Optimizer, parameters: Tensor, state: Mapping[str, Tensor]) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for one flat vector, that keeps its numbers in given tensors.

    Args:
        optimizer: whose steps it takes.
        parameters: changed by each step.
        state: by cnncli's names; changed by each step.
    """
    made = _made(optimizer, parameters)
    square = "square_avg" if isinstance(optimizer, RMSprop) else "exp_avg_sq"
    kept: dict[str, Any] = {STATE.get(name, square): tensor for name, tensor in state.items()}
    if "exp_avg_sq" in kept or "square_avg" in kept:
        kept["step"] = torch.zeros(())
    made.state[parameters] = kept
    return made


def _made(optimizer: Optimizer, parameters: Tensor) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": optimizer.default_lr, "weight_decay": optimizer.weight_decay}
    if isinstance(optimizer, Adam):
        kind = torch.optim.AdamW if optimizer.decoupled else torch.optim.Adam
        return kind([parameters], betas=(optimizer.beta1, optimizer.beta2), eps=optimizer.eps, **options)
    if isinstance(optimizer, RMSprop):
        return torch.optim.RMSprop([parameters], alpha=optimizer.alpha, eps=optimizer.eps, **options)
    if isinstance(optimizer, Momentum):
        nesterov = isinstance(optimizer, Nesterov) and optimizer.momentum > 0
        return torch.optim.SGD([parameters], momentum=optimizer.momentum, nesterov=nesterov, **options)
    return torch.optim.SGD([parameters], **options)


def take_step(made: torch.optim.Optimizer, step: int, lr: float) -> None:
    """Let PyTorch's optimizer take a step of a number, from 1, with a learning rate."""
    group = made.param_groups[0]
    group["lr"] = lr
    state = made.state[group["params"][0]]
    if "step" in state:
        state["step"].fill_(step - 1)
    made.step()


def clip_tensor_by_norm(gradients: Tensor, max_norm: float) -> None:
    """Shorten flat gradients, in place, where their norm exceeds a limit: as `optimizers.clip_by_norm` does."""
    factor = max_norm / (torch.linalg.vector_norm(gradients, dtype=torch.float64) + 1e-6)
    if torch.isfinite(factor) and 0 < factor < 1:
        gradients.mul_(factor.to(gradients.dtype))
