"""The passes of images through a network, forward and back.

Parameters stay as they are, so that going back a layer needs less than in training: a convolution nothing but its
weights, a rectifier the places where it lets pass, a max pooling the places of its maxima. What is kept is let go as
soon as the gradient has passed.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.engines.blas import single_threaded_blas
from cnncli.engines.pixels.reflection import Reflected
from cnncli.engines.pixels.steps import IMAGES, Step, Steps, cut
from cnncli.engines.pixels.units import ConvolutionUnit, JoinUnit, LayerUnit, Threads, Unit, convolution, runs
from cnncli.errors import ArgumentError
from cnncli.networks.layers import Block, Layer
from cnncli.networks.layers.context import Context, Shared, within
from cnncli.networks.network import Network
from cnncli.ops.batches.bands import Prepared
from cnncli.ops.batches.workspaces import FRESH, Workspace
from cnncli.shapes import Shape, show_shape


class Weights(NamedTuple):
    """A network with its arrays.

    Attributes:
        network: the network.
        parameters: by name.
        buffers: the arrays that are not trained, by name.
        dtype: the type of both.
        borders: what convolutions see outside of their input, as `BORDERS` has it.
        prepared: what convolutions make of their weights, by the layer's path.
    """

    network: Network
    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    dtype: DType
    borders: str
    prepared: dict[str, tuple[Prepared, Prepared]]


def at_borders(step: Step, borders: str) -> Layer:
    """Return a step's layer, with what it sees at borders."""
    return Reflected.of(step.layer, step.input_shape) if borders == "reflect" else step.layer


class Pass:
    """The computation for images of one shape; subclasses say how.

    Args:
        weights: the network.
        input_shape: (H, W, C) of the images.
        names: the full names of the layers whose outputs are wanted.
    """

    def __init__(self, weights: Weights, input_shape: Shape, names: Mapping[str, str]) -> None:
        self.input_shape = input_shape
        self.graph = Steps(cut(weights.network, input_shape, names.values()))
        self.numbers = {name: self.graph.names[full] for name, full in names.items()}
        self.steps = {number: self.graph.steps[number] for number in self.graph.needed(self.numbers.values())}
        _check_parameters(self.steps.values(), weights.parameters)

    def forward(self, images: Array) -> dict[int, Array]:
        """Return the outputs of the named steps, by their numbers."""
        raise NotImplementedError

    def backward(self, slopes: list[tuple[int, Array]], by: int) -> Array:
        """Return the gradient by the output of a step, or by the images, and let go of what was kept."""
        raise NotImplementedError


class NumpyPass(Pass):
    """A pass by NumPy."""

    def __init__(self, weights: Weights, input_shape: Shape, names: Mapping[str, str], threads: Threads) -> None:
        super().__init__(weights, input_shape, names)
        shared = Shared(
            buffers=weights.buffers, memory=Workspace(), results=FRESH, reuses=True, parameter_gradients=False
        )
        self._units: dict[int, Unit] = {}
        self._sources: dict[int, tuple[int, ...]] = {}
        together = runs(self.steps, self.numbers.values())
        inside = {id(step) for run in together.values() for step in (run.first, *run.scales, run.activation)}
        for number, step in self.steps.items():
            context = Context(shared, step.path)
            if run := together.get(number):
                prepared = weights.prepared.setdefault(run.first.path, ({}, {}))
                banded = convolution(run, weights.parameters, shared, weights.borders, prepared)
                self._units[number] = ConvolutionUnit(banded, threads.spread)
            elif id(step) in inside:
                continue
            elif isinstance(step.layer, Block):
                self._units[number] = JoinUnit(step.layer, context)
            else:
                layer, own = at_borders(step, weights.borders), within(weights.parameters, step.path)
                self._units[number] = LayerUnit(layer, own, context)
            self._sources[number] = run.first.sources if run else step.sources
        self._caches: dict[int, Any] = {}
        self._shapes: dict[int, Shape] = {}

    @cached_property
    def _last_uses(self) -> dict[int, list[int]]:
        """The steps whose outputs nobody takes after each step."""
        last = {source: number for number, sources in self._sources.items() for source in sources}
        uses: dict[int, list[int]] = {number: [] for number in self._units}
        for source, number in last.items():
            if source not in self.numbers.values():
                uses[number].append(source)
        return uses

    def forward(self, images: Array) -> dict[int, Array]:
        self._caches.clear()
        values = {IMAGES: images}
        with single_threaded_blas(), np.errstate(all="ignore"):  # an overflow shows in the outputs
            for number, unit in self._units.items():
                inputs = [values[source] for source in self._sources[number]]
                values[number], self._caches[number] = unit.forward(inputs)
                del inputs
                for source in self._last_uses[number]:
                    del values[source]
        self._shapes = {number: array.shape for number, array in values.items()} | {IMAGES: images.shape}
        return values

    def backward(self, slopes: list[tuple[int, Array]], by: int) -> Array:
        gradients: dict[int, Array] = {}
        for number, slope in slopes:
            _add(gradients, number, slope)
        passed = self.graph.following(by) - {by}
        with single_threaded_blas(), np.errstate(all="ignore"):
            for number, unit in reversed(self._units.items()):
                cache = self._caches.pop(number)
                if number in passed and number in gradients:
                    shares = unit.backward(gradients.pop(number), cache)
                    for source, share in zip(self._sources[number], shares, strict=True):
                        _add(gradients, source, share)
                    del shares, share
        found = gradients.get(by)
        return np.zeros(self._shapes[by], slopes[0][1].dtype) if found is None else found


def _add(gradients: dict[int, Array], number: int, share: Array) -> None:
    # Not in place: a block may have given the same array to several branches.
    gradients[number] = gradients[number] + share if number in gradients else share


def _check_parameters(steps: Iterable[Step], parameters: Mapping[str, Array]) -> None:
    """Refuse images for which a layer would have other weights."""
    for step in steps:
        if isinstance(step.layer, Block):
            continue
        for name, shape in step.layer.param_shapes(step.input_shape).items():
            found = parameters[step.path + name].shape
            if found != shape:
                raise ArgumentError(
                    f"layer {step.path.removesuffix('.')} would need weights {show_shape(shape)} for images of this "
                    f"size, and has {show_shape(found)}: give images of the network's size, or name layers before it"
                )
