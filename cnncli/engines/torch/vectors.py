"""Flat vectors of numbers that the host works on with NumPy, and a device with PyTorch."""

import torch
from torch import Tensor

from cnncli.arrays import Array


def shares_memory(device: torch.device) -> bool:
    """Return whether NumPy can work on a device's memory."""
    return device.type == "cpu"


class Vector:
    """A vector that both can change. On a CPU they share its memory; of another device's it has a copy on the host.

    The copy is brought up to date when it is asked for, and goes back before the device is next asked, so that both
    see one vector, and nothing is copied where nobody looks.

    Args:
        values: what it begins with; on a CPU this is the memory itself.
        device: where PyTorch computes.

    Attributes:
        is_shared: whether both work on the same memory.

    Example:
        >>> import numpy as np
        >>> vector = Vector(np.zeros(2, np.float32), torch.device("cpu"))
        >>> _ = vector.tensor.add_(1)
        >>> vector.host.tolist()
        [1.0, 1.0]
    """

    def __init__(self, values: Array, device: torch.device) -> None:
        self._host, self.is_shared = values, shares_memory(device)
        self._shared = torch.from_numpy(values)
        self._tensor = self._shared if self.is_shared else self._shared.to(device, copy=True)
        self._host_is_old = self._host_was_seen = False

    @property
    def host(self) -> Array:
        """The numbers, to read and to change."""
        if self._host_is_old:
            self._shared.copy_(self._tensor)
        self._host_is_old, self._host_was_seen = False, not self.is_shared
        return self._host

    @property
    def tensor(self) -> Tensor:
        """The numbers, to read on the device: always the same tensor."""
        if self._host_was_seen:
            self._tensor.copy_(self._shared)
            self._host_was_seen = False
        return self._tensor

    def changed(self) -> None:
        """Say that the device has changed them."""
        self._host_is_old, self._host_was_seen = not self.is_shared, False
