"""How far PyTorch's numbers are from NumPy's, on a batch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from cnncli.arrays import Array
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.torch.engine import TorchEngine
from cnncli.networks import Network

ROUNDING = 1e-3
"""The largest difference that rounding in float32 explains."""


class Parity(NamedTuple):
    """The largest differences on a batch, each as a share of the largest number.

    Attributes:
        outputs: of what the network puts out.
        gradients: of the gradients.
    """

    outputs: float
    gradients: float

    @property
    def is_rounding(self) -> bool:
        """Whether rounding explains it."""
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
    """Take one step of each engine from the same weights, and compare what they find.

    Args:
        network: what the loss works on.
        parameters: its weights, by name; left as they are.
        buffers: its other arrays.
        images: (N, *input_shape), normalised.
        labels: (N,).
        loss: as those of `cnncli.engines.losses`.
        device: where PyTorch computes.
        seed: of dropout.
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
