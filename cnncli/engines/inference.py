"""Prediction with NumPy: a network whose numbers stay, computed by any number of threads."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.blas import single_threaded_blas
from cnncli.engines.engine import Prepare, check_images
from cnncli.engines.fusion import fuse
from cnncli.networks.layers.context import Context, Shared
from cnncli.networks.network import Network
from cnncli.ops.batches.workspaces import Workspace

MOST_AT_ONCE = 32
"""Most images that go through the network together: more share weights better, and take more memory. Whatever the
number of jobs, which would change last bits."""

_INPUT_NUMBERS, _LARGEST_NUMBERS = 1 << 21, 1 << 24  # of their input, and of what waits for the next layer


class Inference:
    """A network for predictions alone: nothing is kept of a layer but its output, until the next has read it.

    What layers make of their weights is made once, for all threads; scales and shifts of channels are folded into the
    weights before them (`cnncli.engines.folding`).

    Args:
        network: the network.
        parameters: by name; not copied, and must not change.
        buffers: the arrays that are not trained, by name; likewise.
        jobs: threads of a call. Calls from several threads may overlap.
        dtype: float32 or float64.

    Attributes:
        at_once: images that go through the network together; the last bits of results depend on their number.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> network = parse_network("8x8x1 conv3-4,bn,relu max2 fc-2")
        >>> Inference(network, *initialize(network, seed=0)).predict(np.zeros((5, 8, 8, 1), np.float32)).shape
        (5, 2)
    """

    def __init__(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        *,
        jobs: int = 1,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.network, self.dtype, self.jobs = network, np.dtype(dtype), jobs
        self._parameters = {name: array.astype(self.dtype, copy=False) for name, array in parameters.items()}
        self._buffers = buffers
        self._layers = fuse(network.layers, network.input_shape, inference=True)
        self._derived: dict[tuple[str, str], Any] = {}
        self._deriving = RLock()
        self._idle: list[Context] = []
        by_input, by_largest = _INPUT_NUMBERS // prod(network.input_shape), _LARGEST_NUMBERS // self._layers.largest()
        self.at_once = max(1, min(MOST_AT_ONCE, by_input, by_largest))

    def predict(self, images: Array, *, prepare: Prepare | None = None) -> Array:
        """Return the outputs (N, *output_shape) of images, as `Engine.predict` does."""
        out = np.empty((len(images), *self.network.output_shape), self.dtype)

        def compute(start: int) -> None:
            part = images[start : start + self.at_once]
            part = np.ascontiguousarray(prepare(part) if prepare else part, self.dtype)
            check_images(part, self.network, self.dtype)
            # An overflow shows in the outputs.
            with self._context() as context, np.errstate(all="ignore"):
                out[start : start + len(part)] = self._layers.forward(part, self._parameters, context)[0]

        starts = range(0, len(images), self.at_once)
        with single_threaded_blas():
            if self.jobs > 1 and len(starts) > 1:
                from concurrent.futures import ThreadPoolExecutor  # 5 ms, which one picture does not need

                with ThreadPoolExecutor(min(self.jobs, len(starts))) as pool:
                    list(pool.map(compute, starts))
            else:
                for start in starts:
                    compute(start)
        return out

    @contextmanager
    def _context(self) -> Iterator[Context]:
        """Lend a context with a workspace, that no other thread has: one that is idle, or a new one."""
        try:
            context = self._idle.pop()
        except IndexError:
            shared = Shared(buffers=self._buffers, memory=Workspace(), reuses=True, inference=True)
            shared.derived, shared.deriving = self._derived, self._deriving
            context = Context(shared)
        try:
            yield context
        finally:
            self._idle.append(context)
