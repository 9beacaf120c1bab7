"""The gradient of a function of some layers' outputs with respect to the images."""

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.pixels.passes import NumpyPass, Pass, Weights
from cnncli.engines.pixels.steps import IMAGES, Step, Steps, cut, full_names
from cnncli.engines.pixels.units import Threads
from cnncli.errors import ArgumentError
from cnncli.networks.network import Network
from cnncli.shapes import Shape

BORDERS = ("zeros", "reflect")
"""What convolutions with padding see outside a picture: zeros, as they were trained, or its reflection."""


BYTES = ("mask", "winners")
"""What layers keep of their outputs in a byte a number."""


# Winograd's filtering doubles the weights of a convolution, for either direction.
_PREPARED, _SCRATCH = 4, 10_000_000


class PixelGradient:
    """Outputs of some layers for images, and the gradient by the images of what is made of these outputs.

    Dropout drops nothing, and batch norm takes its running statistics. Layers that none of the named ones needs are not
    computed, so images may have any height and width that the layers up to the last named one can take. It serves one
    thread at a time.

    Args:
        network: the network.
        parameters: by name; not copied where they have the type, and must not change.
        buffers: the arrays that are not trained, by name; likewise.
        layers: the names of the layers, those of `Model.layer_names`; `2` stands for `2.max`, too.
        dtype: float32 or float64.
        jobs: number of threads.
        borders: what convolutions with padding see outside of their input: `zeros`, or `reflect`, its reflection
            without the edge pixel.

    Raises:
        ArgumentError: there is no such layer (the message lists the layers), or no such border.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> network = parse_network("8x8x3 conv3-4,relu max2 fc-2")
        >>> pixels = PixelGradient(network, *initialize(network, seed=0), ["0.conv", "1"])
        >>> outputs = pixels.outputs(np.zeros((1, 10, 12, 3), np.float32))
        >>> {name: output.shape for name, output in outputs.items()}
        {'0.conv': (1, 8, 10, 4), '1': (1, 4, 5, 4)}
        >>> pixels.gradient({"1": np.ones((1, 4, 5, 4), np.float32)}).shape
        (1, 10, 12, 3)
    """

    def __init__(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        layers: Iterable[str],
        *,
        dtype: npt.DTypeLike = np.float32,
        jobs: int = 1,
        borders: str = "zeros",
    ) -> None:
        if borders not in BORDERS:
            raise ArgumentError(f"unknown borders {borders!r}: choose from {', '.join(BORDERS)}")
        self.network, self.dtype, self.jobs = network, np.dtype(dtype), jobs
        self.layers = full_names(network, layers)
        if not self.layers:
            raise ArgumentError("name a layer whose outputs are wanted")
        parameters, buffers = (
            {name: array.astype(self.dtype, copy=False) for name, array in arrays.items()}
            for arrays in (parameters, buffers)
        )
        self._weights = Weights(network, parameters, buffers, self.dtype, borders, {})
        self._threads = Threads(jobs)
        self._pass: Pass | None = None
        self._is_open = False

    def _begin(self, input_shape: Shape) -> Pass:
        return NumpyPass(self._weights, input_shape, self.layers, self._threads)

    def outputs(self, images: Array) -> dict[str, Array]:
        """Return the outputs (N, H_out, W_out, C_out) or (N, features) of the layers, by the names they were given.

        Args:
            images: (N, H, W, C), normalised; any height and width that the layers can take. The arrays returned must
                stay as they are until `gradient` is done.

        Raises:
            ShapeError: a layer cannot take what comes in.
            ArgumentError: images of other channels than the network's, or a fully connected layer for another size.
        """
        shape = self.network.input_shape
        if images.ndim != len(shape) + 1 or images.shape[-1] != shape[-1]:
            needed = f"(N, height, width, {shape[-1]})" if len(shape) == 3 else f"(N, {shape[0]})"
            raise ArgumentError(f"the network takes images {needed}, got {images.shape}")
        if self._pass is None or self._pass.input_shape != images.shape[1:]:
            self._pass = None  # its memory first
            self._pass = self._begin(images.shape[1:])
        found = self._pass.forward(np.ascontiguousarray(images, self.dtype))
        self._shapes = {name: found[number].shape for name, number in self._pass.numbers.items()}
        self._is_open = True
        return {name: found[number] for name, number in self._pass.numbers.items()}

    def gradient(self, slopes: Mapping[str, Array], by: str | None = None) -> Array:
        """Return the gradient by the images (N, H, W, C) of the sum of each slope times its layer's output.

        It uses up what `outputs` kept: call it once after each call of that.

        Args:
            slopes: arrays in the shape of the outputs, by the layers' names: the gradient of your function by them.
            by: the layer by whose output the gradient is taken in place of the images; one of the named ones.

        Raises:
            ArgumentError: `outputs` has not been called before; a layer that was not named; another shape.
        """
        if self._pass is None or not self._is_open:
            raise ArgumentError("the gradient follows from outputs: call outputs(images) before each gradient(...)")
        numbers = self._pass.numbers
        for name in (*slopes, *([] if by is None else [by])):
            if name not in numbers:
                raise ArgumentError(f"layer {name!r} was not named at first: there are {', '.join(numbers)}")
        for name, slope in slopes.items():
            if slope.shape != self._shapes[name]:
                raise ArgumentError(f"the slope of layer {name} is {slope.shape}, its output {self._shapes[name]}")
        self._is_open = False
        given = [(numbers[name], np.ascontiguousarray(slope, self.dtype)) for name, slope in slopes.items()]
        return self._pass.backward(given, IMAGES if by is None else numbers[by])

    def memory(self, input_shape: Shape) -> int:
        """Return about how many bytes an image (H, W, C) takes in all, the network's own arrays not counted.

        That is what `numbers_held` counts, what a layer reads and writes, weights as convolutions take them, and
        scratch memory.
        """
        steps = self._needed_steps(input_shape)
        passing = max(prod(step.input_shape) + prod(step.shape) for step in steps)
        held = numbers_held(self.network, input_shape, self.layers)
        return (held + 2 * passing + _SCRATCH) * self.dtype.itemsize + self.prepared_bytes(input_shape)

    def prepared_bytes(self, input_shape: Shape) -> int:
        """Return how many bytes of `memory` are weights as convolutions take them: the same for images of any size."""
        weights = sum(_weight_numbers(step) for step in self._needed_steps(input_shape))
        return _PREPARED * weights * self.dtype.itemsize

    def _needed_steps(self, input_shape: Shape) -> list[Step]:
        graph = Steps(cut(self.network, input_shape, self.layers.values()))
        return [graph.steps[number] for number in graph.needed(graph.names[name] for name in self.layers.values())]


def _weight_numbers(step: Step) -> int:
    return 0 if step.layer.branches else sum(map(prod, step.layer.param_shapes(step.input_shape).values()))


def numbers_held(network: Network, input_shape: Shape, layers: Iterable[str]) -> int:
    """Return how many numbers an image (H, W, C) takes between the outputs of layers and the gradient by the image.

    Raises:
        ArgumentError: there is no such layer.
        ShapeError: a layer cannot take what comes in.

    Example:
        >>> from cnncli.networks import parse_network
        >>> numbers_held(parse_network("8x8x3 conv3-4,relu conv3-4,relu"), (8, 8, 3), ["1.conv"])
        100
    """
    names = full_names(network, layers)
    graph = Steps(cut(network, input_shape, names.values()))
    numbers = [graph.names[name] for name in names.values()]
    kept, others = set(numbers), 0
    for number in graph.needed(numbers):
        step = graph.steps[number]
        for count, need in enumerate(step.layer.needs):
            if need in BYTES:
                others += -(-prod(step.shape) // 4)
            elif count:  # a second array of that size
                others += prod(step.shape)
            else:
                kept.update(step.sources if need == "input" else [number])
    return others + sum(prod(input_shape if number == IMAGES else graph.steps[number].shape) for number in kept)
