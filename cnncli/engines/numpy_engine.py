"""The engine: a network and its parameters; loss, gradients and predictions of batches.

A batch is divided into shards, one process's each, or one thread's. Their number does not depend on the machine, and
what they find is added in their order, so that one job and two give the same bits.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.fusion import fuse
from cnncli.engines.optimizers import Optimizer, clip_by_norm
from cnncli.engines.teams import Team
from cnncli.engines.workers import CannotForkError, ForkedTeam, can_fork, shared_zeros
from cnncli.errors import ArgumentError
from cnncli.networks.layers.context import Context, Shard
from cnncli.networks.network import Network
from cnncli.ops.batches.workspaces import Workspace
from cnncli.shapes import Shape

Loss = Callable[[Array, Array], tuple[float, Array]]

SHARDS = 2
"""Parts of a batch. More would let more cores work, and change the last bits of a training."""

PREDICTED_AT_ONCE = 64
"""Images of a shard whose activations are held at a time in prediction."""

# Below it a thread's start costs more than it saves.
_WORTH_A_THREAD = 200_000


class StepResult(NamedTuple):
    """What a batch gave.

    Attributes:
        loss: the mean, over the labels' total weight.
        logits: (N, outputs), what the network gave.
    """

    loss: float
    logits: Array

    @property
    def finite(self) -> bool:
        """Whether the loss is a number; if not, the gradients are of no use: `Engine.diagnose` says where it began."""
        return bool(np.isfinite(self.loss))


class Engine:
    """A network with parameters, gradients and running statistics.

    Args:
        network: what to compute.
        parameters: by name, as `initialize` gives them; copied.
        buffers: the arrays that are not trained, by name; copied.
        jobs: processes or threads that work at a time.
        shards: parts of a batch; the results depend on it, in the last bits.
        seed: of dropout.
        winograd: whether convolutions may use Winograd's filtering, which rounds differently.
        fused: whether the network is arranged for speed (`cnncli.engines.fusion`).
        dtype: float32 or float64.
        forked: whether steps use processes, with the same results; None for where that is safe: `can_fork`.

    Attributes:
        parameters: all trainable numbers in one vector; change them in place.
        gradients: the gradient of the last step's mean loss, likewise.
        named_parameters: the same memory by name, in shape.
        named_gradients: likewise.
        buffers: the arrays that are not trained, by name; changed in place by `step`.
        state: what the optimizer keeps between steps, by name; change it in place.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> from cnncli.engines.losses import CrossEntropy
        >>> network = parse_network("8x8x1 conv3-4,relu max2 fc-2")
        >>> images, labels = np.zeros((4, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])
        >>> with Engine(network, *initialize(network, seed=0)) as engine:
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
        jobs: int = SHARDS,
        shards: int = SHARDS,
        seed: int = 0,
        winograd: bool = True,
        fused: bool = True,
        dtype: npt.DTypeLike = np.float32,
        forked: bool | None = None,
    ) -> None:
        self.network, self.dtype, self.seed, self.winograd = network, np.dtype(dtype), seed, winograd
        shapes = network.param_shapes()
        self.parameters, self.named_parameters = _flat(shapes, self.dtype)
        _fill(self.named_parameters, parameters, "parameter")
        buffer_shapes = network.buffer_shapes()
        self.buffers = {name: np.zeros(shape, self.dtype) for name, shape in buffer_shapes.items()}
        _fill(self.buffers, buffers or {}, "buffer")
        self._layers = fuse(network.layers, network.input_shape) if fused else network.layers
        self._team = Team(shards, jobs)
        self._may_fork = forked if 1 < shards <= jobs else False
        self._forked: ForkedTeam[tuple[float, Array]] | None = None
        self._meet: Callable[[int, Any], list[Any]] = self._team.gather
        self._workers = [_Worker(self, number, shapes) for number in range(shards)]
        self.gradients, self.named_gradients = self._workers[0].gradients, self._workers[0].named_gradients
        self._optimizer: Optimizer | None = None
        self.state: dict[str, Array] = {}
        self._blas = _single_threaded_blas()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the threads and processes end."""
        self._team.close()
        self._end_forks()

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        """Compute the loss of a batch, its gradients and the running statistics; parameters stay as they are.

        Args:
            images: (N, *input_shape), of the engine's type, normalised.
            labels: (N,).
            loss: as those of `cnncli.engines.losses`: called with the logits and labels of a part of the batch, it
                returns the sum and its gradient; its `total_weight` of all labels is what they are divided by.
            step: the number of the step, which dropout depends on.
        """
        check_images(images, self.network, self.dtype)
        images = np.ascontiguousarray(images)
        bounds = self._bounds(len(images))
        weight = loss.total_weight(labels)
        parts = [slice(*ends) for ends in pairwise(bounds)]
        shards = [(images[part], labels[part], loss, weight, step, part.start) for part in parts]
        with self._blas():
            results = self._run(shards)
            self._add_gradients(len(shards))
        for name, array in self._workers[0].shard.new_buffers.items():
            self.buffers[name][:] = array
        return StepResult(
            sum(total for total, _ in results) / weight, np.concatenate([logits for _, logits in results])
        )

    def _run(self, shards: list[tuple[Any, ...]]) -> list[tuple[float, Array]]:
        """Return the sum of the losses of each shard, and its logits."""
        self._begin_forks()
        if self._forked and len(shards) == self._forked.shards:
            self._meet = self._forked.gather
            try:
                return self._forked.run(shards)
            except CannotForkError:
                # A step changes nothing before it is done, so that threads may begin it again.
                self._end_forks()
        self._meet = self._team.gather
        return self._team.run(lambda number: self._compute(number, *shards[number]), len(shards))

    def _begin_forks(self) -> None:
        """Start a process for each further shard, once, where that is wanted and safe."""
        if self._may_fork is None:
            self._may_fork = can_fork()
        if self._may_fork and self._forked is None:
            self._forked = ForkedTeam(self._compute, self._team.shards)
            self._meet = self._forked.gather
            try:
                self._forked.start()
            except CannotForkError:
                self._end_forks()

    def _end_forks(self) -> None:
        if self._forked:
            self._forked.close()
        self._forked, self._may_fork = None, False

    def _compute(self, number: int, *shard: Any) -> tuple[float, Array]:
        return self._workers[number].step(*shard)

    def gather(self, number: int, value: Any) -> list[Any]:
        """Return what each shard of the batch gave, in their order; every shard calls it equally often."""
        return self._meet(number, value)

    def _add_gradients(self, count: int) -> None:
        def add(part: slice) -> None:
            for worker in self._workers[1:count]:
                self.gradients[part] += worker.gradients[part]

        self.over_slices(add)

    def use(self, optimizer: Optimizer) -> None:
        """Let an optimizer change the parameters from now on, as one that has taken no step."""
        self._optimizer, self.state = optimizer, optimizer.initial_state(self.parameters)
        with self._blas():
            self._begin_forks()

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        """Change the parameters along the gradients.

        Args:
            step: number of the step, from 1.
            lr: learning rate of this step.
            clip_norm: the largest norm of the gradients; None for any.
        """
        optimizer = self._optimizer
        if optimizer is None:
            raise ArgumentError("the engine has no optimizer to update by: tell it with use(...)")
        if clip_norm is not None:
            with np.errstate(all="ignore"):
                clip_by_norm(self.gradients, clip_norm)

        def follow(part: slice) -> None:
            state = {name: array[part] for name, array in self.state.items()}
            optimizer.update(self.parameters[part], self.gradients[part], state, step, lr)

        self.over_slices(follow)

    def over_slices(self, function: Callable[[slice], object]) -> None:
        """Call a function for slices that together are the flat vectors, on the threads: an optimizer's update.

        An overflow shows in the next loss.
        """
        size = self.parameters.size
        count = self._team.shards if size >= _WORTH_A_THREAD else 1
        bounds = [size * number // count for number in range(count + 1)]

        def work(number: int) -> None:
            with np.errstate(all="ignore"):  # each thread has its own
                function(slice(bounds[number], bounds[number + 1]))

        if count == 1:
            work(0)
        else:
            self._team.run(work, count)

    def predict(self, images: Array, *, prepare: Callable[[Array], Array] | None = None) -> Array:
        """Return the logits (N, outputs) of images, of which a few at a time are in memory with their activations.

        Args:
            images: (N, *input_shape), or what `prepare` makes into it.
            prepare: called with some of the images; returns them normalised.
        """
        out = np.empty((len(images), *self.network.output_shape), self.dtype)
        at_once = PREDICTED_AT_ONCE * self._team.shards
        with self._blas():
            for start in range(0, len(images), at_once):
                part = images[start : start + at_once]
                part = np.ascontiguousarray(prepare(part) if prepare else part, self.dtype)
                check_images(part, self.network, self.dtype)
                self._predict(part, out[start : start + at_once])
        return out

    def _predict(self, images: Array, out: Array) -> None:
        bounds = self._bounds(len(images))

        def work(number: int) -> None:
            part = slice(bounds[number], bounds[number + 1])
            out[part] = self._workers[number].predict(images[part])

        self._team.run(work, len(bounds) - 1)

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        """Return what each layer makes of some images: its name and its output, in the order of computation."""
        seen: list[tuple[str, Array]] = []
        shard = Shard(training=training, buffers=self.buffers, seed=self.seed, winograd=self.winograd)
        shard.watch = lambda name, output: seen.append((name, output))
        with np.errstate(all="ignore"):
            self.network.layers.forward(images, self.named_parameters, Context(shard))
        return iter(seen)

    def diagnose(self, images: Array) -> str | None:
        """Return the name of the first layer whose output for a batch is not finite; None where all are.

        Call it after a step whose loss was not finite: parameters are still those that it was computed with.
        """
        layers = self.activations(images, training=True)
        return next((name for name, output in layers if not np.isfinite(output).all()), None)

    def _bounds(self, images: int) -> list[int]:
        """Return where each shard of so many images begins, and where the last ends."""
        count = max(1, min(self._team.shards, images))
        return [images * number // count for number in range(count + 1)]


class _Worker:
    """One shard's: arrays that are used again, gradients, and its way through the network."""

    def __init__(self, engine: Engine, number: int, shapes: Mapping[str, Shape]) -> None:
        self.engine = engine
        self.gradients, self.named_gradients = _flat(shapes, engine.dtype)
        self.shard, self.context = self._start(number, training=True)
        self.predicting = self._start(number, training=False)[1]

    def _start(self, number: int, *, training: bool) -> tuple[Shard, Context]:
        engine = self.engine
        shard = Shard(
            training=training,
            buffers=engine.buffers,
            seed=engine.seed,
            gather=lambda value: engine.gather(number, value),
            memory=Workspace(),
            reuses=True,
            winograd=engine.winograd,
        )
        context = Context(shard)
        context.input_gradient = False
        return shard, context

    def step(
        self, images: Array, labels: Array, loss: Loss, weight: float, step: int, first_image: int
    ) -> tuple[float, Array]:
        """Return the sum of the losses and the logits; write the gradients of the loss over the weight."""
        layers, parameters = self.engine._layers, self.engine.named_parameters
        self.shard.begin(step, first_image)
        # An overflow shows in the loss.
        with np.errstate(all="ignore"):
            logits, cache = layers.forward(images, parameters, self.context)
            total, grad = loss(logits.reshape(len(logits), -1), labels)
            grad *= grad.dtype.type(1 / weight)
            _, grads = layers.backward(grad.reshape(logits.shape), cache, parameters, self.context)
        for name, gradient in self.named_gradients.items():
            gradient[:] = grads[name]
        return total, logits

    def predict(self, images: Array) -> Array:
        """Return the logits."""
        self.predicting.shard.begin(0, 0)
        with np.errstate(all="ignore"):
            return self.engine._layers.forward(images, self.engine.named_parameters, self.predicting)[0]


def _flat(shapes: Mapping[str, Shape], dtype: np.dtype[Any]) -> tuple[Array, dict[str, Array]]:
    """Return a vector of zeros that processes share, and its parts by name, in shape."""
    flat = shared_zeros(sum(map(prod, shapes.values())), dtype)
    return flat, named_views(flat, shapes)


def named_views(flat: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Return the arrays that a flat vector holds one after the other, by name.

    Example:
        >>> named_views(np.zeros(3), {"0.fc.weight": (2, 1), "0.fc.bias": (1,)})["0.fc.bias"]
        array([0.])
    """
    views, start = {}, 0
    for name, shape in shapes.items():
        views[name] = flat[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    return views


def check_images(images: Array, network: Network, dtype: np.dtype[Any]) -> None:
    """Refuse images of another shape or type than a network takes.

    Raises:
        ArgumentError: the message says what it takes.
    """
    if images.shape[1:] != network.input_shape or images.dtype != dtype:
        expected = f"(N, {', '.join(map(str, network.input_shape))}) {dtype}"
        raise ArgumentError(f"the network takes images {expected}, got {images.shape} {images.dtype}")


def check_arrays(values: Mapping[str, Array], shapes: Mapping[str, Shape], what: str) -> None:
    """Refuse arrays that are not exactly those of a network.

    Args:
        values: what is given, by name.
        shapes: what the network has.
        what: `parameter` or `buffer`, for the message.

    Raises:
        ArgumentError: one is missing, unknown or of another shape.

    Example:
        >>> check_arrays({"0.fc.bias": np.zeros(2)}, {"0.fc.bias": (2,)}, "parameter")
    """
    missing, unknown = sorted(shapes.keys() - values.keys()), sorted(values.keys() - shapes.keys())
    if missing or unknown:
        name, problem = (missing[0], "is missing") if missing else (unknown[0], "is none of the network's")
        raise ArgumentError(f"the {what} {name} {problem}")
    for name, shape in shapes.items():
        if np.shape(values[name]) != shape:
            raise ArgumentError(f"the {what} {name} has the shape {shape}, got {np.shape(values[name])}")


def _fill(arrays: Mapping[str, Array], values: Mapping[str, Array], what: str) -> None:
    check_arrays(values, {name: array.shape for name, array in arrays.items()}, what)
    for name, array in arrays.items():
        array[...] = values[name]


def _single_threaded_blas() -> Callable[[], AbstractContextManager[object]]:
    """Return what holds BLAS to one thread: its own would fight ours, at 1.7 times the time.

    The command line says so to OpenBLAS before NumPy is loaded, and nothing is left to do.
    """
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    if all(library["num_threads"] == 1 for library in controller.info()):
        return nullcontext
    return lambda: controller.limit(limits=1)
