"""The engine that computes with PyTorch: what `cnncli.engines.engine.Engine` does, on a CPU or a GPU, or on several.

Losses and optimizers are cnncli's own, by the same formulas; dropout drops the same numbers. What differs are the last
bits of sums.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cnncli.arrays import Array
from cnncli.engines.engine import Engine, StepResult, check_arrays
from cnncli.engines.optimizers import Optimizer
from cnncli.engines.processes import ALONE, Processes
from cnncli.engines.torch.chance import Chance
from cnncli.engines.torch.compilation import compile_network
from cnncli.engines.torch.distributed import TorchProcesses
from cnncli.engines.torch.modules import rows, synchronized
from cnncli.engines.torch.optimization import clip_tensor_by_norm, take_step, torch_optimizer
from cnncli.engines.torch.vectors import Vector
from cnncli.engines.torch.weights import bind_buffers, bind_parameters, flattened
from cnncli.errors import ArgumentError
from cnncli.networks import Network

PREDICTED_AT_ONCE = 256
"""Images whose activations are held at a time in prediction."""


class TorchEngine:
    """A network with parameters, gradients and running statistics, computed by PyTorch.

    It has the interface of `cnncli.engines.engine.Engine`. On a CPU the arrays are PyTorch's own memory; on a GPU they
    are brought up to date when they are asked for.

    Args:
        network: what to compute.
        parameters: by name, as `initialize` gives them; copied.
        buffers: the arrays that are not trained, by name; copied.
        jobs: threads of the CPU, or None for PyTorch's own choice.
        seed: of dropout.
        device: where to compute.
        processes: those that train the network together; each is given its part of the images of a batch.
        dtype: float32 or float64.

    Attributes:
        module: the network as PyTorch has it.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> from cnncli.engines.losses import CrossEntropy
        >>> network = parse_network("8x8x1 conv3-4,relu max2 fc-2")
        >>> images, labels = np.zeros((4, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])
        >>> with TorchEngine(network, *initialize(network, seed=0)) as engine:
        ...     result = engine.step(images, labels, CrossEntropy(), step=1)
        ...     engine.parameters -= 0.1 * engine.gradients
        >>> round(result.loss, 4), result.logits.shape
        (0.6931, (4, 2))
    """

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
        self.chance = Chance(seed)
        self.module = compile_network(network, self.chance)
        self._shapes, self._buffer_shapes = network.param_shapes(), network.buffer_shapes()
        self._parameters = self._vector(self._shapes, parameters, "parameter")
        self._buffers = self._vector(self._buffer_shapes, buffers or {}, "buffer")
        self._gradients = Vector(np.zeros_like(self._parameters.host), self.device)
        self._place()
        self._running = self._running_places()
        self._state: dict[str, Vector] = {}
        self._optimizer: torch.optim.Optimizer | None = None
        self._kind: Optimizer | None = None

    def _vector(self, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Array], what: str) -> Vector:
        check_arrays(values, shapes, what)
        return Vector(flattened(values, shapes, self.dtype), self.device)

    def _place(self) -> None:
        """Bring the module to the device, and let its arrays be parts of the flat vectors."""
        if self.device.type == "cuda" and self.processes.count > 1:
            self.module = synchronized(self.module)
        self.module.to(self.device, torch.from_numpy(np.empty(0, self.dtype)).dtype)
        bind_parameters(self.module, self._parameters.tensor, self._gradients.tensor, self._shapes)
        bind_buffers(self.module, self._buffers.tensor, self._buffer_shapes)

    def _running_places(self) -> Tensor | None:
        """Return which of the buffers are statistics of one process's images, to be put together with the others'."""
        if self.processes.count == 1 or self.device.type == "cuda":
            return None
        marks = [np.full(prod(shape), "running_" in name) for name, shape in self._buffer_shapes.items()]
        places = np.flatnonzero(np.concatenate(marks)) if marks else np.empty(0, np.int64)
        return torch.from_numpy(places) if places.size else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: PyTorch's threads are all programs'."""

    @property
    def parameters(self) -> Array:
        """All trainable numbers in one vector; change them in place."""
        return self._parameters.host

    @parameters.setter
    def parameters(self, values: Array) -> None:
        self._parameters.host[:] = values

    @property
    def gradients(self) -> Array:
        """The gradient of the last step's mean loss, likewise."""
        return self._gradients.host

    @gradients.setter
    def gradients(self, values: Array) -> None:
        self._gradients.host[:] = values

    @property
    def named_parameters(self) -> dict[str, Array]:
        """The same memory as `parameters` by name, in shape."""
        return _named(self._parameters.host, self._shapes)

    @property
    def named_gradients(self) -> dict[str, Array]:
        """The same memory as `gradients` by name, in shape."""
        return _named(self._gradients.host, self._shapes)

    @property
    def buffers(self) -> dict[str, Array]:
        """The arrays that are not trained, by name; changed in place by `step`."""
        return _named(self._buffers.host, self._buffer_shapes)

    @property
    def state(self) -> dict[str, Array]:
        """What the optimizer keeps between steps, by name."""
        return {name: vector.host for name, vector in self._state.items()}

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        """Compute the loss of a batch, its gradients and the running statistics; parameters stay as they are.

        Args:
            images: (N, *input_shape), of the engine's type, normalised; or of them, this process's part alone.
            labels: (N,), of the whole batch.
            loss: as those of `cnncli.engines.losses`.
            step: the number of the step, which dropout depends on.

        Returns:
            The loss and the logits of the whole batch, in every process.
        """
        part = self.processes.part(len(labels))
        mine = images[part] if len(images) == len(labels) else images
        if len(mine) != part.stop - part.start:
            raise ArgumentError(f"{len(images)} images do not fit {len(labels)} labels")
        self._check(mine)
        self.chance.step, self.chance.first_image = step, part.start
        weight = loss.total_weight(labels)
        total, logits = self._learn(mine, labels[part], loss, weight)
        found = np.zeros((len(labels), logits.shape[1]), np.float64)
        found[part] = logits
        summed = self._put_together(np.append(found, total), len(mine) / len(labels))
        whole = summed[:-1].reshape(found.shape).astype(self.dtype)
        return StepResult(float(summed[-1]) / weight if weight else 0.0, whole)

    def _learn(self, images: Array, labels: Array, loss: Any, weight: float) -> tuple[float, Array]:
        """Return the sum of the losses, and the logits; leave the gradient of the loss over the weight."""
        idle = not len(images)
        if idle:  # others have the images, but their layers may wait for this process's
            images = np.zeros((1, *self.network.input_shape), self.dtype)
        self._bring_up_to_date()
        self._gradients.tensor.zero_()
        self.module.train()
        with self._exactly():
            outputs = rows(self.module(self._tensor(images)))
            logits = outputs.detach().cpu().numpy()
            total, slope = (0.0, np.zeros_like(logits)) if idle else loss(logits, labels)
            slope *= slope.dtype.type(1 / weight if weight else 0)
            if outputs.requires_grad:
                outputs.backward(torch.from_numpy(slope).to(self.device))
        self._gradients.changed()
        self._buffers.changed()
        return total, logits[:0] if idle else logits

    def _bring_up_to_date(self) -> None:
        """Let the device have what was changed on the host."""
        for vector in (self._parameters, self._buffers):
            _ = vector.tensor

    def _put_together(self, numbers: Array, share: float) -> Array:
        """Add up gradients over the processes, and statistics by their shares; return the sum of the numbers."""
        if not isinstance(self.processes, TorchProcesses):
            return numbers
        self.processes.add_up(self._gradients.tensor)
        if self._running is not None:
            statistics = self._buffers.tensor[self._running] * share
            self.processes.add_up(statistics)
            self._buffers.tensor[self._running] = statistics
        return self.processes.total(numbers)

    def use(self, optimizer: Optimizer) -> None:
        """Let an optimizer change the parameters from now on, as one that has taken no step."""
        state = optimizer.initial_state(self._parameters.host)
        self._state = {name: Vector(array, self.device) for name, array in state.items()}
        self._kind, self._optimizer = optimizer, None

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        """Change the parameters along the gradients.

        Args:
            step: number of the step, from 1.
            lr: learning rate of this step.
            clip_norm: the largest norm of the gradients; None for any.
        """
        if self._kind is None:
            raise ArgumentError("the engine has no optimizer to update by: tell it with use(...)")
        if clip_norm is not None:
            clip_tensor_by_norm(self._gradients.tensor, clip_norm)
            self._gradients.changed()
        if self._parameters.is_shared:
            self._kind.update(self.parameters, self.gradients, self.state, step, lr)
        else:
            self._update_on_device(step, lr)

    def _update_on_device(self, step: int, lr: float) -> None:
        """Take PyTorch's step: the numbers need not leave the device."""
        parameters, gradients = self._parameters.tensor, self._gradients.tensor
        state = {name: vector.tensor for name, vector in self._state.items()}
        if self._optimizer is None:
            assert self._kind is not None
            parameters.grad = gradients
            self._optimizer = torch_optimizer(self._kind, parameters, state)
        take_step(self._optimizer, step, lr)
        for vector in (self._parameters, *self._state.values()):
            vector.changed()

    def over_slices(self, function: Callable[[slice], object]) -> None:
        """Call a function for slices that together are the flat vectors: here for all at once."""
        function(slice(0, self._parameters.host.size))

    def predict(self, images: Array, *, prepare: Callable[[Array], Array] | None = None) -> Array:
        """Return the logits (N, *output_shape) of images, of which a few at a time are on the device.

        Args:
            images: (N, *input_shape), or what `prepare` makes into it.
            prepare: called with some of the images; returns them normalised.
        """
        out = np.empty((len(images), *self.network.output_shape), self.dtype)
        self._bring_up_to_date()
        self.module.eval()
        for start in range(0, len(images), PREDICTED_AT_ONCE):
            part = images[start : start + PREDICTED_AT_ONCE]
            part = np.ascontiguousarray(prepare(part) if prepare else part, self.dtype)
            self._check(part)
            with torch.no_grad(), self._exactly():
                found = self.module(self._tensor(part))
            found = found.permute(0, 2, 3, 1) if found.ndim == 4 else found
            out[start : start + PREDICTED_AT_ONCE] = found.cpu().numpy()
        return out

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        """Return what each layer makes of some images, by NumPy: the weights are the same."""
        with self._numpy() as engine:
            return engine.activations(images, training=training)

    def diagnose(self, images: Array) -> str | None:
        """Return the name of the first layer whose output for a batch is not finite; None where all are."""
        with self._numpy() as engine:
            return engine.diagnose(images)

    def _numpy(self) -> Engine:
        arrays = self.named_parameters, self.buffers
        return Engine(self.network, *arrays, seed=self.chance.seed, dtype=self.dtype)

    def _tensor(self, images: Array) -> Tensor:
        """Return images as PyTorch takes them: (N, C, H, W), in channels-last memory, on the device."""
        writeable = images if images.flags.writeable and images.flags.c_contiguous else images.copy()
        tensor = torch.from_numpy(writeable)
        return (tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor).to(self.device)

    def _exactly(self) -> AbstractContextManager[object]:
        """Return what keeps a GPU from rounding to 10 bits (TF32), and from choosing algorithms by their speed."""
        if self.device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)

    def _check(self, images: Array) -> None:
        if images.shape[1:] != self.network.input_shape or images.dtype != self.dtype:
            expected = f"(N, {', '.join(map(str, self.network.input_shape))}) {self.dtype}"
            raise ArgumentError(f"the network takes images {expected}, got {images.shape} {images.dtype}")


def _named(flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    named, start = {}, 0
    for name, shape in shapes.items():
        named[name] = flat[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    return named
