"""The context of a layer: its arguments besides input and parameters."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from cnncli.ops.batches.workspaces import FRESH, Memory
from cnncli.shapes import Shape

Array = npt.NDArray[Any]
Params = Mapping[str, Array]

Gradients = tuple[Array | None, dict[str, Array]]
"""The gradients of a layer's input, or None if it is not needed, and of its parameters by name."""

T = TypeVar("T")

PASSING = "passing"
"""In place of a path: of arrays that pass from one layer to the next and are then forgotten, as large as a block."""


class Shared:
    """State that all layers share while images, a shard of a batch, pass through a network, forward and backward.

    Attributes:
        training: whether dropout drops, and batch norm takes the batch's statistics.
        buffers: running statistics and other arrays that are not trained, by their full names.
        new_buffers: the buffers after this batch.
        seed: of random numbers.
        step: the number of the batch, which random numbers depend on.
        first_image: the place in the batch of this shard's first image.
        gather: returns what each shard gave it, in their order; every shard calls it equally often.
        memory: where arrays come from.
        reuses: whether the layers and their places stay, so that what is derived from them may be kept.
        winograd: whether convolutions may use Winograd's filtering.
        block: (start, stop, total) of the images that are worked on, of all images of the shard.
        derived: values that layers derive from their parameters, once per batch.
        deriving: lock of `derived`, where threads share it.
        inference: whether parameters stay as they are, and nothing goes backward: layers keep nothing for it.
        parameter_gradients: whether `backward` returns them; without them layers keep less (`Layer.needs`), and the
            gradient of a linear layer's input needs no activations at all.
        results: where outputs, gradients and arrays kept for `backward` come from; None for `memory`.
        watch: called with each layer's name and output, where it is given: a network that is watched is not fused.
    """

    def __init__(
        self,
        *,
        training: bool = False,
        buffers: Mapping[str, Array] | None = None,
        seed: int = 0,
        step: int = 0,
        first_image: int = 0,
        gather: Callable[[Any], list[Any]] = lambda value: [value],
        memory: Memory = FRESH,
        reuses: bool = False,
        winograd: bool = True,
        inference: bool = False,
        parameter_gradients: bool = True,
        results: Memory | None = None,
    ) -> None:
        self.training = training
        self.buffers: Mapping[str, Array] = buffers or {}
        self.new_buffers: dict[str, Array] = {}
        self.seed, self.step, self.first_image = seed, step, first_image
        self.gather, self.memory, self.reuses, self.winograd = gather, memory, reuses, winograd
        self.block: tuple[int, int, int] | None = None
        self.watch: Callable[[str, Array], None] | None = None
        self.derived: dict[tuple[str, str], Any] = {}
        self.deriving: AbstractContextManager[object] = nullcontext()
        self.inference, self.parameter_gradients = inference, parameter_gradients
        self.results = results or memory

    def begin(self, step: int, first_image: int) -> None:
        """Forget the state of the last batch."""
        self.step, self.first_image = step, first_image
        self.derived.clear()
        self.new_buffers.clear()

    def kept(self, store: dict[Any, Any], key: Hashable, make: Callable[[], T]) -> T:
        """Return the entry of a store, made if it is missing; if layers may change, make it every time."""
        if not self.reuses:
            return make()
        if key not in store:
            store[key] = make()
        found: T = store[key]
        return found


class Context:
    """One layer's view of the state that all layers share.

    A layer takes its arrays from here, so that a training loop can reuse them: `output` and `gradient` for the arrays
    that it returns, `kept` for those that its `backward` reads, `memory` for temporary ones. With a workspace, arrays
    are reused and hold old numbers: fill them completely before reading. Without a workspace, every array is new.

    Attributes:
        shared: the state of all layers; `training`, `memory` and `gather` are its own.
        path: the beginning of the layer's names, such as `4.res.main.0.conv.`.
        input_gradient: whether the gradient of the input is needed.
        keeps_columns: whether memory allows to keep what forward derived from the input.
        lane: branches that the layer is in, without their places: in inference, layers of a lane share memory.

    Example:
        >>> from cnncli.networks.layers import FullyConnected
        >>> params = {"weight": np.ones((3, 2)), "bias": np.ones(2)}
        >>> y, cache = FullyConnected(2).forward(np.ones((1, 3)), params, Context())
        >>> y.tolist()
        [[4.0, 4.0]]
    """

    def __init__(self, shared: Shared | None = None, path: str = "") -> None:
        self.shared = shared = shared or Shared()
        self.training, self.memory, self.gather = shared.training, shared.memory, shared.gather
        self.path = path
        self.input_gradient = True
        self.keeps_columns = True
        self.lane = ""
        self.output_slot: tuple[str, str] | None = None
        self.gradient_slot: tuple[str, str] | None = None
        self._inner: dict[str, Context] = {}
        self._params: dict[str, Params] = {}
        self._plans: dict[Any, Any] = {}

    def inside(self, prefix: str) -> "Context":
        """Return the context of an inner layer, by the prefix of its names."""
        return self.shared.kept(self._inner, prefix, lambda: self._inside(prefix))

    def _inside(self, prefix: str) -> "Context":
        inner = Context(self.shared, self.path + prefix)
        inner.lane = self.lane + prefix
        return inner

    def within(self, params: Params, prefix: str) -> Params:
        """Return an inner layer's arrays, under its own names."""
        return self.shared.kept(self._params, prefix, lambda: within(params, prefix))

    def saw(self, prefix: str, output: Array) -> None:
        """Pass the output of an inner layer to the watcher, if there is one."""
        if self.shared.watch:
            self.shared.watch((self.path + prefix).removesuffix("."), output)

    def plan(self, shape: Shape, make: Callable[[Shape], T]) -> T:
        """Return a value that depends only on a layer's input shape, without the number of images."""
        key = shape[1:]
        if self.shared.reuses and key in self._plans:  # the way of every step but the first
            found: T = self._plans[key]
            return found
        return self.shared.kept(self._plans, key, lambda: make(key))

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return a value that depends only on a layer's parameters."""
        shared, key = self.shared, (self.path, name)
        if shared.inference and key in shared.derived:
            found: T = shared.derived[key]
            return found
        with shared.deriving:
            return shared.kept(shared.derived, key, make)

    def kept(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Return an array, an image a row, that stays until the batch's end."""
        return self._array((self.path, name), shape, np.dtype(dtype))

    def output(self, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Return the array for the layer's output: it may be the input's, if that is not read again."""
        return self._array(self.output_slot or (self.path, "output"), shape, np.dtype(dtype))

    def gradient(self, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Return the array for the gradient of the layer's input."""
        return self._array(self.gradient_slot or (self.path, "gradient"), shape, np.dtype(dtype))

    def _array(self, slot: tuple[str, str], shape: Shape, dtype: np.dtype[Any]) -> Array:
        block = self.shared.block
        if block is None or slot[0] == PASSING:
            return self.shared.results.take(slot, shape, dtype)
        start, stop, total = block
        return self.shared.results.take(slot, (total, *shape[1:]), dtype)[start:stop]

    def buffer(self, name: str) -> Array:
        """Return an array of the layer's that is not trained."""
        return self.shared.buffers[self.path + name]

    def set_buffer(self, name: str, value: Array) -> None:
        """Set the value of a buffer after this batch."""
        self.shared.new_buffers[self.path + name] = value

    def reduce(self, array: Array) -> Array:
        """Return the sum over the shards of the batch, added in their order."""
        parts = self.gather(array)
        total: Array = sum(parts[1:], parts[0])
        return total

    def uniform(self, shape: Shape) -> Array:
        """Return random numbers from 0 to below 1, float32, an image a row.

        They depend on the seed, the step, the layer and the image's place in the batch alone: not on who computes it.
        """
        # Philox makes 8 of them of each number of its counter (Salmon et al. 2011): an image begins at one of its own.
        counts = -(-int(np.prod(shape[1:])) // 8)
        first = self.shared.first_image + (self.shared.block[0] if self.shared.block else 0)
        key = (self.shared.seed, crc32(self.path.encode()))
        random = np.random.Generator(np.random.Philox(key=key, counter=(first * counts, self.shared.step, 0, 0)))
        numbers = random.random((shape[0], counts * 8), np.float32)
        return numbers[:, : int(np.prod(shape[1:]))].reshape(shape)


def within(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays with a prefix, under their names without it.

    Example:
        >>> within({"0.conv.weight": np.zeros(1), "1.fc.weight": np.zeros(2)}, "1.")
        {'fc.weight': array([0., 0.])}
    """
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
