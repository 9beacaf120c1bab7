"""The engine that computes with NumPy.

A batch is divided into shards, one for each process or thread. Their number does not depend on the machine, and their
results are added in their order, so that one job and two give the same bits.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.blas import single_threaded_blas
from cnncli.engines.engine import Engine, StepResult, check_arrays, named_views, rate_spans
from cnncli.engines.fusion import fuse
from cnncli.engines.optimizers import Optimizer, clip_by_norm
from cnncli.engines.workers import CannotForkError, ProcessTeam, ThreadTeam, can_fork, shared_zeros
from cnncli.errors import ArgumentError
from cnncli.networks.layers.context import Context, Shared
from cnncli.networks.network import Network
from cnncli.ops.batches.workspaces import Workspace
from cnncli.shapes import Shape

Loss = Callable[[Array, Array], tuple[float, Array]]

SHARDS = 2
"""Parts of a batch. More would let more cores work, and change the last bits of a training."""

PREDICTED_AT_ONCE = 64  # images of a shard whose activations are held at a time in prediction

# Below it a thread's start costs more than it saves.
_WORTH_A_THREAD = 200_000


class NumpyEngine(Engine):
    """A network computed by NumPy.

    Args:
        network: the network.
        parameters: by name, as `initialize` gives them; copied.
        buffers: the arrays that are not trained, by name; copied.
        jobs: number of processes or threads that work at a time.
        shards: number of parts of a batch; the last bits of results depend on it.
        seed: of dropout.
        winograd: whether convolutions may use Winograd's filtering, which rounds differently.
        fused: whether the network is arranged for speed (`cnncli.engines.fusion`).
        dtype: float32 or float64.
        forked: whether steps use processes, with the same results; None for where `can_fork` says that it is safe.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> from cnncli.engines.losses import CrossEntropy
        >>> network = parse_network("8x8x1 conv3-4,relu max2 fc-2")
        >>> images, labels = np.zeros((4, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])
        >>> with NumpyEngine(network, *initialize(network, seed=0)) as engine:
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
        self._team = ThreadTeam(shards, jobs)
        self._may_fork = forked if 1 < shards <= jobs else False
        self._forked: ProcessTeam[tuple[float, Array]] | None = None
        self._meet: Callable[[int, Any], list[Any]] = self._team.gather
        self._workers = [_Worker(self, number, shapes) for number in range(shards)]
        self.gradients, self.named_gradients = self._workers[0].gradients, self._workers[0].named_gradients
        self._optimizer: Optimizer | None = None
        self.state: dict[str, Array] = {}
        self.predicted_at_once = PREDICTED_AT_ONCE * shards

    def close(self) -> None:
        self._team.close()
        self._end_forks()

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        self.check_images(images)
        images = np.ascontiguousarray(images)
        bounds = self._bounds(len(images))
        weight = loss.total_weight(labels)
        parts = [slice(*ends) for ends in pairwise(bounds)]
        shards = [(images[part], labels[part], loss, weight, step, part.start) for part in parts]
        with single_threaded_blas():
            results = self._run(shards)
            self._add_gradients(len(shards))
        for name, array in self._workers[0].shared.new_buffers.items():
            self.buffers[name][:] = array
        return StepResult(
            sum(total for total, _ in results) / weight, np.concatenate([logits for _, logits in results])
        )

    def _run(self, shards: list[tuple[Any, ...]]) -> list[tuple[float, Array]]:
        """Return the sum of losses and the logits of each shard."""
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
        """Start a process for each further shard, once, where it is asked for and safe."""
        if self._may_fork is None:
            self._may_fork = can_fork()
        if self._may_fork and self._forked is None:
            self._forked = ProcessTeam(self._compute, self._team.shards)
            self._meet = self._forked.gather
            try:
                self._forked.start()
            except CannotForkError:
                self._end_forks()

    def _end_forks(self) -> None:
        if self._forked:
            self._forked.close()
        self._forked, self._may_fork, self._meet = None, False, self._team.gather

    def _compute(self, number: int, *shard: Any) -> tuple[float, Array]:
        return self._workers[number].step(*shard)

    def _add_gradients(self, count: int) -> None:
        def add(part: slice) -> None:
            for worker in self._workers[1:count]:
                self.gradients[part] += worker.gradients[part]

        self._over_slices(add)

    def use(self, optimizer: Optimizer, factors: Mapping[str, float] | None = None) -> None:
        self._spans = rate_spans(self.network.param_shapes(), factors)
        self._optimizer, self.state = optimizer, optimizer.initial_state(self.parameters)
        with single_threaded_blas():
            self._begin_forks()

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        optimizer = self._optimizer
        if optimizer is None:
            raise ArgumentError("the engine has no optimizer: set one with use(...)")
        if clip_norm is not None:
            with np.errstate(all="ignore"):
                clip_by_norm(self.gradients, clip_norm)

        def follow(part: slice) -> None:
            for span in self._spans:
                own = span.within(part)
                state = {name: array[own] for name, array in self.state.items()}
                optimizer.update(self.parameters[own], self.gradients[own], state, step, span.factor * lr)

        self._over_slices(follow)

    def _over_slices(self, function: Callable[[slice], object]) -> None:
        """Call a function for slices that together are the flat vectors, on the threads.

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

    def predicting(self) -> AbstractContextManager[object]:
        return single_threaded_blas()

    def predict_into(self, out: Array, images: Array) -> None:
        bounds = self._bounds(len(images))

        def work(number: int) -> None:
            part = slice(bounds[number], bounds[number + 1])
            out[part] = self._workers[number].predict(images[part])

        self._team.run(work, len(bounds) - 1)

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        seen: list[tuple[str, Array]] = []
        shared = Shared(training=training, buffers=self.buffers, seed=self.seed, winograd=self.winograd)
        shared.watch = lambda name, output: seen.append((name, output))
        with np.errstate(all="ignore"):
            self.network.layers.forward(images, self.named_parameters, Context(shared))
        return iter(seen)

    def _bounds(self, images: int) -> list[int]:
        """Return the first image of each shard, and the number of images."""
        count = max(1, min(self._team.shards, images))
        return [images * number // count for number in range(count + 1)]


class _Worker:
    """Computation of one shard, with its gradients, and arrays that are used again."""

    def __init__(self, engine: NumpyEngine, number: int, shapes: Mapping[str, Shape]) -> None:
        # Without a cycle, an engine is gone with its last user. The collector of cycles does not know how large it is:
        # a dozen networks held 1.7 GB until it came.
        self.engine: NumpyEngine = weakref.proxy(engine)
        self.gradients, self.named_gradients = _flat(shapes, engine.dtype)
        self.shared, self.context = self._start(number, training=True)
        self.predicting = self._start(number, training=False)[1]

    def _start(self, number: int, *, training: bool) -> tuple[Shared, Context]:
        engine = self.engine  # no cycle by `gather`, either
        shared = Shared(
            training=training,
            buffers=engine.buffers,
            seed=engine.seed,
            gather=lambda value: engine._meet(number, value),
            memory=Workspace(),
            reuses=True,
            winograd=engine.winograd,
        )
        context = Context(shared)
        context.input_gradient = False
        return shared, context

    def step(
        self, images: Array, labels: Array, loss: Loss, weight: float, step: int, first_image: int
    ) -> tuple[float, Array]:
        """Return the sum of losses and the logits; write the gradients of the loss divided by the weight."""
        layers, parameters = self.engine._layers, self.engine.named_parameters
        self.shared.begin(step, first_image)
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
        self.predicting.shared.begin(0, 0)
        with np.errstate(all="ignore"):
            return self.engine._layers.forward(images, self.engine.named_parameters, self.predicting)[0]


def _flat(shapes: Mapping[str, Shape], dtype: np.dtype[Any]) -> tuple[Array, dict[str, Array]]:
    """Return a vector of zeros that processes share, and its parts by name, in shape."""
    flat = shared_zeros(sum(map(prod, shapes.values())), dtype)
    return flat, named_views(flat, shapes)


def _fill(arrays: Mapping[str, Array], values: Mapping[str, Array], what: str) -> None:
    check_arrays(values, {name: array.shape for name, array in arrays.items()}, what)
    for name, array in arrays.items():
        array[...] = values[name]
