"""What a pass computes at a time: a layer, the joining of a block's branches, or a convolution and what follows it."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.pixels.steps import Step
from cnncli.networks.layers import Activation, Block, Conv, Layer
from cnncli.networks.layers.context import Context, Params, Shared, within
from cnncli.ops.batches.bands import BandedConvolution, Prepared, Spread, Task
from cnncli.ops.batches.workspaces import Workspace

_CALLER = -2  # in place of the step that uses an output


class Unit:
    """A computation, forward and back to its inputs."""

    def forward(self, inputs: list[Array]) -> tuple[Array, Any]:
        """Return the output, and a cache for `backward`."""
        raise NotImplementedError

    def backward(self, grad: Array, cache: Any) -> list[Array]:
        """Return the gradient of each input."""
        raise NotImplementedError


class LayerUnit(Unit):
    """A layer."""

    def __init__(self, layer: Layer, params: Params, context: Context) -> None:
        self.layer, self.params, self.context = layer, params, context

    def forward(self, inputs: list[Array]) -> tuple[Array, Any]:
        return self.layer.forward(inputs[0], self.params, self.context)

    def backward(self, grad: Array, cache: Any) -> list[Array]:
        gradient, _ = self.layer.backward(grad, cache, self.params, self.context)
        assert gradient is not None
        return [gradient]


class JoinUnit(Unit):
    """The joining of a block's branches."""

    def __init__(self, block: Block, context: Context) -> None:
        self.block, self.context = block, context

    def forward(self, inputs: list[Array]) -> tuple[Array, Any]:
        return self.block.join(inputs, self.context)

    def backward(self, grad: Array, cache: Any) -> list[Array]:
        return self.block.split(grad, cache, self.context)


class ConvolutionUnit(Unit):
    """A convolution with an activation, by bands of rows."""

    def __init__(self, convolution: BandedConvolution, spread: Spread) -> None:
        self.convolution, self.spread = convolution, spread

    def forward(self, inputs: list[Array]) -> tuple[Array, Any]:
        return self.convolution.forward(inputs[0], self.spread)

    def backward(self, grad: Array, cache: Any) -> list[Array]:
        return [self.convolution.backward(grad, cache, self.spread)]


class Run(NamedTuple):
    """Steps that a unit computes together: a convolution, layers that scale and shift its channels, an activation."""

    first: Step
    scales: tuple[Step, ...]
    activation: Step | None


def runs(steps: Mapping[int, Step], wanted: Iterable[int]) -> dict[int, Run]:
    """Return the runs that begin with a convolution that bands suit, by the number of their last step.

    Args:
        steps: by number, in order.
        wanted: the numbers of those whose outputs are needed for themselves.
    """
    users: dict[int, list[int]] = {number: [_CALLER] for number in wanted}
    for number, step in steps.items():
        for source in step.sources:
            users.setdefault(source, []).append(number)
    found = {}
    for number, step in steps.items():
        if not _suits(step):
            continue
        scales: list[Step] = []
        last, activation = number, None
        while activation is None and len(users[last]) == 1 and (after := steps.get(users[last][0])):
            if after.layer.rescales:
                scales.append(after)
            elif isinstance(after.layer, Activation) and after.layer.in_place and after.layer.light:
                activation = after
            else:
                break
            last = users[last][0]
        found[last] = Run(step, tuple(scales), activation)
    return found


def _suits(step: Step) -> bool:
    layer = step.layer
    return (
        isinstance(layer, Conv)
        and not layer.table
        and BandedConvolution.suits(layer.window(step.input_shape), layer.groups)
    )


def convolution(
    run: Run, parameters: Params, shared: Shared, borders: str, prepared: tuple[Prepared, Prepared]
) -> BandedConvolution:
    """Return the convolution of a run, with its scales in its weights."""
    own = within(parameters, run.first.path)
    weight, bias = own["weight"], own.get("bias")
    dtype = weight.dtype
    for step in run.scales:
        scale, shift = step.layer.factors(within(parameters, step.path), Context(shared, step.path))
        weight, bias = weight * scale, shift if bias is None else bias * scale + shift
    layer: Any = run.first.layer
    activation: Any = None if run.activation is None else run.activation.layer
    return BandedConvolution(
        layer.window(run.first.input_shape),
        weight.astype(dtype, copy=False),
        None if bias is None else bias.astype(dtype, copy=False),
        activation and activation.nonlinearity(),
        reflects=borders == "reflect",
        prepared=prepared,
    )


class Threads:
    """Threads that share tasks, each with memory of its own."""

    def __init__(self, jobs: int) -> None:
        self._memories = [Workspace() for _ in range(max(1, jobs))]
        self._pool = ThreadPoolExecutor(jobs - 1, thread_name_prefix="pixels") if jobs > 1 else None

    def spread(self, tasks: Iterable[Task]) -> None:
        """Run tasks, and return when all are done."""
        rest = iter(list(tasks))  # of a list, so that several threads may take from it

        def work(memory: Workspace) -> None:
            with np.errstate(all="ignore"):  # each thread has its own
                for task in rest:
                    task(memory)

        here, *others = self._memories
        waiting = [self._pool.submit(work, memory) for memory in others] if self._pool else []
        work(here)
        for other in waiting:
            other.result()
