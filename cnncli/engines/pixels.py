"""The gradient of a function of some layers' outputs with respect to the images, with NumPy.

Parameters stay as they are, so that going back a layer needs less than in training: a convolution nothing but its
weights, an activation its output, a max pooling the places of its maxima. What is kept is let go as soon as the
gradient has passed.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.engines.blas import single_threaded_blas
from cnncli.engines.steps import IMAGES, Step, Steps, cut, full_names
from cnncli.errors import ArgumentError
from cnncli.networks.layers import Block, Conv, Layer
from cnncli.networks.layers.context import Context, Gradients, Params, Shared, within
from cnncli.networks.network import Network
from cnncli.ops.batches.workspaces import FRESH, Workspace
from cnncli.ops.borders import border_index
from cnncli.shapes import Four, Shape, show_shape

BORDERS = ("zeros", "reflect")
"""What convolutions with padding see outside a picture: zeros, as they were trained, or its reflection."""


class PixelGradient:
    """Outputs of some layers for images, and the gradient by the images of what is made of these outputs.

    Dropout drops nothing, and batch norm takes its running statistics. Layers that none of the named ones needs are not
    computed, so images may have any height and width that the layers up to the last named one can take.

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
        check_borders(borders)
        self.network, self.dtype, self.jobs, self.borders = network, np.dtype(dtype), jobs, borders
        self.layers = full_names(network, layers)
        if not self.layers:
            raise ArgumentError("name a layer whose outputs are wanted")
        self._parameters = {name: array.astype(self.dtype, copy=False) for name, array in parameters.items()}
        self._buffers = {name: array.astype(self.dtype, copy=False) for name, array in buffers.items()}
        self._pass: _Pass | None = None

    def outputs(self, images: Array) -> dict[str, Array]:
        """Return the outputs (N, H_out, W_out, C_out) or (N, features) of the layers, by the names they were given.

        Args:
            images: (N, H, W, C), normalised; any height and width that the layers can take. The arrays returned must
                stay as they are until `gradient` is done.

        Raises:
            ShapeError: a layer cannot take what comes in.
            ArgumentError: images of other channels than the network's, or a fully connected layer for another size.
        """
        check_channels(images, self.network)
        if self._pass is None or self._pass.input_shape != images.shape[1:]:
            self._pass = None  # its memory first
            self._pass = _Pass(self, images.shape[1:])
        with single_threaded_blas(), np.errstate(all="ignore"):
            found = self._pass.forward(np.ascontiguousarray(images, self.dtype))
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
        if self._pass is None or not self._pass.is_open:
            raise ArgumentError("the gradient follows from outputs: call outputs(images) before each gradient(...)")
        numbers = self._pass.numbers
        for name in (*slopes, *([] if by is None else [by])):
            if name not in numbers:
                raise ArgumentError(f"layer {name!r} was not named at first: there are {', '.join(numbers)}")
        with single_threaded_blas(), np.errstate(all="ignore"):
            return self._pass.backward(
                [(numbers[name], np.ascontiguousarray(slope, self.dtype)) for name, slope in slopes.items()],
                IMAGES if by is None else numbers[by],
            )

    def memory(self, input_shape: Shape) -> int:
        """Return the bytes that an image (H, W, C) takes between `outputs` and `gradient`."""
        return numbers_held(self.network, input_shape, self.layers) * self.dtype.itemsize


def check_borders(borders: str) -> None:
    """Refuse an unknown kind of border."""
    if borders not in BORDERS:
        raise ArgumentError(f"unknown borders {borders!r}: choose from {', '.join(BORDERS)}")


def check_channels(images: Array, network: Network) -> None:
    """Refuse images of other dimensions or channels than a network's."""
    shape = network.input_shape
    if images.ndim != len(shape) + 1 or images.shape[-1] != shape[-1]:
        needed = f"(N, height, width, {shape[-1]})" if len(shape) == 3 else f"(N, {shape[0]})"
        raise ArgumentError(f"the network takes images {needed}, got {images.shape}")


class _Pass:
    """The computation for images of one shape, forward and back."""

    def __init__(self, owner: PixelGradient, input_shape: Shape) -> None:
        self.input_shape = input_shape
        network = cut(owner.network, input_shape, owner.layers.values())
        self.graph = Steps(network)
        self.numbers = {name: self.graph.names[full] for name, full in owner.layers.items()}
        self.steps = {number: self.graph.steps[number] for number in self.graph.needed(self.numbers.values())}
        _check_parameters(self.steps.values(), owner._parameters)
        shared = Shared(
            buffers=owner._buffers, memory=Workspace(), results=FRESH, reuses=True, parameter_gradients=False
        )
        self._bound = {
            number: (
                _reflecting(step) if owner.borders == "reflect" else step.layer,
                within(owner._parameters, step.path),
                Context(shared, step.path),
            )
            for number, step in self.steps.items()
        }
        self._caches: dict[int, Any] = {}
        self._images: Shape = ()
        self.is_open = False

    @cached_property
    def _last_uses(self) -> dict[int, list[int]]:
        """The steps whose outputs nobody takes after each step."""
        last = {source: number for number, step in self.steps.items() for source in step.sources}
        uses: dict[int, list[int]] = {number: [] for number in self.steps}
        for source, number in last.items():
            if source not in self.numbers.values():
                uses[number].append(source)
        return uses

    def forward(self, images: Array) -> dict[int, Array]:
        """Return the outputs of the named steps."""
        self._caches.clear()
        values = {IMAGES: images}
        for number, step in self.steps.items():
            layer, params, context = self._bound[number]
            inputs = [values[source] for source in step.sources]
            if isinstance(layer, Block):
                values[number], self._caches[number] = layer.join(inputs, context)
            else:
                values[number], self._caches[number] = layer.forward(inputs[0], params, context)
            del inputs
            for source in self._last_uses[number]:
                del values[source]
        self._images, self.is_open = images.shape, True
        return values

    def backward(self, slopes: list[tuple[int, Array]], by: int) -> Array:
        """Return the gradient by the images, or by the output of a step."""
        self.is_open = False
        gradients: dict[int, Array] = {}
        for number, slope in slopes:
            _add(gradients, number, slope)
        passed = self.steps if by == IMAGES else self.graph.following(by)
        for number in reversed(self.steps):
            cache = self._caches.pop(number)
            if number in passed and number != by and number in gradients:
                for source, gradient in self._back(number, gradients.pop(number), cache):
                    _add(gradients, source, gradient)
        found = gradients.get(by)
        return np.zeros(self._images, slopes[0][1].dtype) if found is None else found

    def _back(self, number: int, grad: Array, cache: Any) -> list[tuple[int, Array]]:
        """Return the gradients of a step's inputs, each with the number of its source."""
        layer, params, context = self._bound[number]
        if isinstance(layer, Block):
            shares = layer.split(grad, cache, context)
        else:
            gradient, _ = layer.backward(grad, cache, params, context)
            assert gradient is not None
            shares = [gradient]
        return list(zip(self.steps[number].sources, shares, strict=True))


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


def numbers_held(network: Network, input_shape: Shape, layers: Iterable[str]) -> int:
    """Return how many numbers an image (H, W, C) takes between the outputs of layers and the gradient by the image.

    Raises:
        ArgumentError: there is no such layer.
        ShapeError: a layer cannot take what comes in.

    Example:
        >>> from cnncli.networks import parse_network
        >>> numbers_held(parse_network("8x8x3 conv3-4,relu conv3-4,relu"), (8, 8, 3), ["1.conv"])
        208
    """
    names = full_names(network, layers)
    graph = Steps(cut(network, input_shape, names.values()))
    numbers = [graph.names[name] for name in names.values()]
    kept = {(number, "output") for number in numbers}
    others = 0
    for number in graph.needed(numbers):
        step = graph.steps[number]
        kept.update((step.sources[0], "output") for need in step.layer.needs[:1] if need == "input")
        kept.update((number, "output") for need in step.layer.needs if need == "output")
        others += sum(prod(step.shape) for need in step.layer.needs[1:] if need == "input")
        others += sum(prod(step.shape) for need in step.layer.needs if need == "winners")
    return others + sum(prod(input_shape if number == IMAGES else graph.steps[number].shape) for number, _ in kept)


class Reflected(Layer):
    """A convolution that sees its input reflected at the borders where it would see zeros."""

    op = "reflected"

    convolution: Conv
    padding: Four

    def _indices(self, shape: Shape) -> tuple[Array, Array]:
        """Return the row, and the column, of the input that each of the padded input is."""
        top, bottom, left, right = self.padding
        return border_index(shape[0], top, bottom, "reflect"), border_index(shape[1], left, right, "reflect")

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        rows, columns = context.plan(x.shape, self._indices)
        y, cache = self.convolution.forward(x.take(rows, axis=1).take(columns, axis=2), params, context)
        return y, (cache, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: what came to a reflected pixel is the pixel's own, too."""
        inner, shape = cache
        padded, grads = self.convolution.backward(grad, inner, params, context)
        assert padded is not None
        rows, columns = context.plan(shape, self._indices)
        by_row = _folded_back(padded, rows, self.padding[0], shape[1])
        by_column = _folded_back(by_row.swapaxes(1, 2), columns, self.padding[2], shape[2])
        return np.ascontiguousarray(by_column.swapaxes(1, 2)), grads


def _folded_back(x: Array, index: Array, before: int, size: int) -> Array:
    """Return the second axis without its padding, which is added to what it repeats."""
    out = x[:, before : before + size].copy()
    for outside in (*range(before), *range(before + size, len(index))):
        out[:, index[outside]] += x[:, outside]
    return out


def _reflecting(step: Step) -> Layer:
    """Return a step's layer, with reflection in place of zeros if it is a convolution with padding."""
    layer = step.layer
    padding = layer.window(step.input_shape).padding if isinstance(layer, Conv) else (0, 0, 0, 0)
    return Reflected(layer.replace(padding="valid"), padding) if isinstance(layer, Conv) and any(padding) else layer
