"""The engine that computes with PyTorch, on a CPU or a GPU, or on several.

Losses and optimizers are cnncli's own; dropout drops the same numbers. What differs from NumPy are the last bits of
sums.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cnncli.arrays import Array
from cnncli.engines.engine import Engine, StepResult, check_arrays, named_views, rate_spans
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.optimizers import Optimizer
from cnncli.engines.processes import ALONE, Processes
from cnncli.engines.torch.compilation import compile_network
from cnncli.engines.torch.distributed import TorchProcesses
from cnncli.engines.torch.modules import rows, synchronized
from cnncli.engines.torch.weights import bind_buffers, bind_parameters, flattened
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.layers.context import Shared


def shares_memory(device: torch.device) -> bool:
    """Return whether NumPy can work on a device's memory."""
    return device.type == "cpu"


class SharedVector:
    """A vector that NumPy and PyTorch can both change.

    On a CPU they share its memory, the given values; of another device's it has a copy on the host. The copy is brought
    up to date when it is asked for, and goes back before the device is next asked, so that nothing is copied where
    nobody looks.

    Example:
        >>> vector = SharedVector(np.zeros(2, np.float32), torch.device("cpu"))
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
        """Record that the device has changed the numbers."""
        self._host_is_old, self._host_was_seen = not self.is_shared, False


def _wake_autograd(device: torch.device) -> None:
    """Let the thread that computes a GPU's gradients run a first kernel, which brings it a context.

    A matrix product as its first makes PyTorch warn that there was none.
    """
    torch.ones(1, device=device, requires_grad=True).exp().sum().backward()


class TorchEngine(Engine):
    """A network computed by PyTorch.

    On a CPU the arrays are PyTorch's own memory; on a GPU they are brought up to date when they are asked for.

    Args:
        network: the network.
        parameters: by name, as `initialize` gives them; copied.
        buffers: the arrays that are not trained, by name; copied.
        jobs: threads of the CPU; None for PyTorch's own choice.
        seed: of dropout.
        device: the device.
        processes: those that train the network together. `step` takes all images of a batch or this process's part of
            them, and returns the loss and the logits of the whole batch in every process.
        dtype: float32 or float64.

    Attributes:
        module: the network as a module of PyTorch.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> network = parse_network("8x8x1 conv3-4,relu max2 fc-2")
        >>> with TorchEngine(network, *initialize(network, seed=0)) as engine:
        ...     engine.predict(np.zeros((4, 8, 8, 1), np.float32)).shape
        (4, 2)
    """

    predicted_at_once = 256

    def __init__(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array] | None = None,
        *,
        jobs: int | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        processes: Processes = ALONE,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.network, self.dtype = network, np.dtype(dtype)
        self.device, self.processes = torch.device(device), processes
        if jobs is not None and self.device.type == "cpu":
            torch.set_num_threads(jobs)
        if self.device.type == "cuda":
            _wake_autograd(self.device)
        self.shared = Shared(seed=seed)
        self.module = compile_network(network, self.shared)
        self._shapes, self._buffer_shapes = network.param_shapes(), network.buffer_shapes()
        self._parameters = self._vector(self._shapes, parameters, "parameter")
        self._buffers = self._vector(self._buffer_shapes, buffers or {}, "buffer")
        self._gradients = SharedVector(np.zeros_like(self._parameters.host), self.device)
        self._bind_arrays()
        self._running = self._running_indices()
        self._state: dict[str, SharedVector] = {}
        self._optimizer: Optimizer | None = None

    def _vector(self, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Array], what: str) -> SharedVector:
        check_arrays(values, shapes, what)
        return SharedVector(flattened(values, shapes, self.dtype), self.device)

    def _bind_arrays(self) -> None:
        """Bring the module to the device, and make its arrays views of the flat vectors."""
        if self.device.type == "cuda" and self.processes.count > 1:
            self.module = synchronized(self.module)
        self.module.to(self.device, torch.from_numpy(np.empty(0, self.dtype)).dtype)
        bind_parameters(self.module, self._parameters.tensor, self._gradients.tensor, self._shapes)
        bind_buffers(self.module, self._buffers.tensor, self._buffer_shapes)

    def _running_indices(self) -> Tensor | None:
        """Return the indices of statistics of one process's images, which have to be averaged over processes."""
        if self.processes.count == 1 or self.device.type == "cuda":
            return None
        marks = [np.full(prod(shape), "running_" in name) for name, shape in self._buffer_shapes.items()]
        indices = np.flatnonzero(np.concatenate(marks)) if marks else np.empty(0, np.int64)
        return torch.from_numpy(indices) if indices.size else None

    @property
    def parameters(self) -> Array:
        """All trainable numbers."""
        return self._parameters.host

    @parameters.setter
    def parameters(self, values: Array) -> None:
        self._parameters.host[:] = values

    @property
    def gradients(self) -> Array:
        """The gradient of the last step's mean loss."""
        return self._gradients.host

    @gradients.setter
    def gradients(self, values: Array) -> None:
        self._gradients.host[:] = values

    # These dictionaries are made anew from the device's arrays, and cannot be set.

    @property
    def named_parameters(self) -> dict[str, Array]:  # type: ignore[override]
        """Views of `parameters` by name."""
        return named_views(self._parameters.host, self._shapes)

    @property
    def buffers(self) -> dict[str, Array]:  # type: ignore[override]
        """The arrays that are not trained, by name."""
        return named_views(self._buffers.host, self._buffer_shapes)

    @property
    def state(self) -> dict[str, Array]:  # type: ignore[override]
        """The arrays that the optimizer keeps, by name."""
        return {name: vector.host for name, vector in self._state.items()}

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        part = self.processes.part(len(labels))
        mine = images[part] if len(images) == len(labels) else images
        if len(mine) != part.stop - part.start:
            raise ArgumentError(f"{len(images)} images do not fit {len(labels)} labels")
        self.check_images(mine)
        self.shared.begin(step, part.start)
        weight = loss.total_weight(labels)
        total, logits = self._learn(mine, labels[part], loss, weight)
        found = np.zeros((len(labels), logits.shape[1]), np.float64)
        found[part] = logits
        summed = self._add_up(np.append(found, total), len(mine) / len(labels))
        whole = summed[:-1].reshape(found.shape).astype(self.dtype)
        return StepResult(float(summed[-1]) / weight if weight else 0.0, whole)

    def _learn(self, images: Array, labels: Array, loss: Any, weight: float) -> tuple[float, Array]:
        """Return the sum of the losses, and the logits; leave the gradient of the loss over the weight."""
        idle = not len(images)
        if idle:  # the others have all images, but their layers may wait for this process's
            images = np.zeros((1, *self.network.input_shape), self.dtype)
        self._bring_up_to_date()
        self._gradients.tensor.zero_()
        self.module.train()
        with exactly(self.device):
            outputs = rows(self.module(images_tensor(images, self.device)))
            logits = outputs.detach().cpu().numpy()
            total, slope = (0.0, np.zeros_like(logits)) if idle else loss(logits, labels)
            slope *= slope.dtype.type(1 / weight if weight else 0)
            if outputs.requires_grad:
                outputs.backward(torch.from_numpy(slope).to(self.device))
        self._gradients.changed()
        self._buffers.changed()
        return total, logits[:0] if idle else logits

    def _bring_up_to_date(self) -> None:
        """Copy changes on the host to the device."""
        for vector in (self._parameters, self._buffers):
            _ = vector.tensor

    def _add_up(self, numbers: Array, share: float) -> Array:
        """Add up gradients over the processes, average statistics by their shares, and return the sum of numbers."""
        if not isinstance(self.processes, TorchProcesses):
            return numbers
        self.processes.add_up(self._gradients.tensor)
        if self._running is not None:
            statistics = self._buffers.tensor[self._running] * share
            self.processes.add_up(statistics)
            self._buffers.tensor[self._running] = statistics
        return self.processes.total(numbers)

    def use(self, optimizer: Optimizer, factors: Mapping[str, float] | None = None) -> None:
        self._spans = rate_spans(self._shapes, factors)
        state = optimizer.initial_state(self._parameters.host)
        self._state = {name: SharedVector(array, self.device) for name, array in state.items()}
        self._optimizer = optimizer

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        if self._optimizer is None:
            raise ArgumentError("the engine has no optimizer: set one with use(...)")
        if clip_norm is not None:
            clip_tensor_by_norm(self._gradients.tensor, clip_norm)
            self._gradients.changed()
        if self._parameters.is_shared:
            for start, stop, factor in self._spans:
                state = {name: array[start:stop] for name, array in self.state.items()}
                numbers, slopes = self.parameters[start:stop], self.gradients[start:stop]
                self._optimizer.update(numbers, slopes, state, step, factor * lr)
            return
        gradients = self._gradients.tensor.clone()  # they need not leave the device
        vectors = [self._parameters.tensor, gradients, torch.empty_like(gradients)]
        vectors += [vector.tensor for vector in self._state.values()]
        for start, stop, factor in self._spans:
            own = [vector[start:stop] for vector in vectors]
            self._optimizer.update_block(torch, *own, t=step, lr=factor * lr)
        for changed in (self._parameters, *self._state.values()):
            changed.changed()

    def predicting(self) -> AbstractContextManager[object]:
        self._bring_up_to_date()
        self.module.eval()
        return torch.no_grad()

    def predict_into(self, out: Array, images: Array) -> None:
        with exactly(self.device):
            found = self.module(images_tensor(images, self.device))
        out[:] = (found.permute(0, 2, 3, 1) if found.ndim == 4 else found).cpu().numpy()

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        """Return the output of each layer as NumPy computes it: the weights are the same."""
        arrays = self.named_parameters, self.buffers
        with NumpyEngine(self.network, *arrays, seed=self.shared.seed, dtype=self.dtype) as engine:
            return engine.activations(images, training=training)


def images_tensor(images: Array, device: torch.device) -> Tensor:
    """Return images as PyTorch takes them: (N, C, H, W), in channels-last memory, on a device."""
    writeable = images if images.flags.writeable and images.flags.c_contiguous else images.copy()
    tensor = torch.from_numpy(writeable)
    return (tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor).to(device)


def exactly(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that keeps a GPU from rounding to 10 bits (TF32) and from choosing algorithms by speed."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def clip_tensor_by_norm(gradients: Tensor, max_norm: float) -> None:
    """Shorten flat gradients, in place, where their norm exceeds a limit: as `optimizers.clip_by_norm` does."""
    factor = max_norm / (torch.linalg.vector_norm(gradients, dtype=torch.float64) + 1e-6)
    if torch.isfinite(factor) and 0 < factor < 1:
        gradients.mul_(factor.to(gradients.dtype))
