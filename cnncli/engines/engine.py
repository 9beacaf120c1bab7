"""Engines: networks with weights that compute losses, gradients and predictions of batches."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.engines.optimizers import Optimizer
from cnncli.errors import ArgumentError, CnncliError
from cnncli.formats.files import named
from cnncli.networks.network import Network
from cnncli.shapes import Shape, show_shape

Prepare = Callable[[Array], Array]  # makes normalised images of some images


class Predicting(Protocol):
    """A network with weights that predicts."""

    def predict(self, images: Array, *, prepare: Prepare | None = None) -> Array:
        """Return the outputs (N, *output_shape) of images, as `Engine.predict` does."""


class StepResult(NamedTuple):
    """Loss and outputs of a batch.

    Attributes:
        loss: the mean, over the labels' total weight.
        logits: outputs of the network, (N, outputs).
    """

    loss: float
    logits: Array

    @property
    def finite(self) -> bool:
        """True if the loss is finite; otherwise gradients are useless, and `Engine.diagnose` finds the layer."""
        return bool(np.isfinite(self.loss))


class Engine:
    """A network with parameters, gradients and running statistics; `with` closes it.

    Attributes:
        network: the network.
        dtype: dtype of all arrays, float32 or float64.
        parameters: all trainable numbers in one vector; change them in place.
        gradients: the gradient of the last step's mean loss, in the order of `parameters`.
        named_parameters: the same memory as `parameters` by name, in shape.
        buffers: the arrays that are not trained, by name; changed in place by `step`.
        state: the arrays that the optimizer keeps between steps, by name; change them in place.
    """

    predicted_at_once: int
    """Images whose activations are held at a time in prediction."""

    network: Network
    dtype: DType
    parameters: Array
    gradients: Array
    named_parameters: dict[str, Array]
    buffers: dict[str, Array]
    state: dict[str, Array]

    @property
    def trained_shapes(self) -> dict[str, Shape]:
        """The shapes of the arrays that lie one after the other in `parameters`, by name."""
        return {name: array.shape for name, array in self.named_parameters.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End threads and processes."""

    def features(self, images: Array) -> Array:
        """Return what `step` takes of normalised images: where first layers are frozen, their output; else the images.

        Args:
            images: (N, *input_shape), of the engine's type.
        """
        return images

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        """Compute the loss, gradients and running statistics of a batch; parameters stay as they are.

        Args:
            images: what `features` returns, of images of the engine's type, normalised.
            labels: (N, ...), one item for each image, as the loss takes them.
            loss: as those of `cnncli.engines.losses`: called with the logits and labels of a part of the batch, it
                returns the sum and its gradient; its `total_weight` of all labels is what they are divided by.
            step: number of the step, which dropout depends on.
        """
        raise NotImplementedError

    def use(self, optimizer: Optimizer, factors: Mapping[str, float] | None = None) -> None:
        """Let an optimizer change the parameters from now on, as one that has taken no step.

        Args:
            optimizer: the optimizer.
            factors: the factor of the learning rate of arrays, by name; 1 for the others.
        """
        raise NotImplementedError

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        """Change the parameters along the gradients.

        Args:
            step: number of the step, from 1.
            lr: learning rate of this step.
            clip_norm: largest norm of the gradients; None for any.
        """
        raise NotImplementedError

    def predict(self, images: Array, *, prepare: Prepare | None = None) -> Array:
        """Return the logits (N, *output_shape) of images; the activations of a few at a time are held.

        Args:
            images: (N, *input_shape), or images that `prepare` brings to it.
            prepare: called with some of the images; returns them normalised.
        """
        out = np.empty((len(images), *self.network.output_shape), self.dtype)
        with self.predicting():
            for start in range(0, len(images), self.predicted_at_once):
                part = images[start : start + self.predicted_at_once]
                part = np.ascontiguousarray(prepare(part) if prepare else part, self.dtype)
                self.check_images(part)
                self.predict_into(out[start : start + self.predicted_at_once], part)
        return out

    def predict_features(self, features: Array) -> Array:
        """Return the logits of what `features` returns."""
        return self.predict(features)

    def predicting(self) -> AbstractContextManager[object]:
        """Return a context for computing predictions."""
        return nullcontext()

    def predict_into(self, out: Array, images: Array) -> None:
        """Write the logits of a few normalised images."""
        raise NotImplementedError

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        """Return the name and the output of each layer for some images, in the order of computation."""
        raise NotImplementedError

    def diagnose(self, images: Array) -> str | None:
        """Return the name of the first layer whose output for a batch is not finite; None where all are.

        Call it after a step whose loss was not finite: parameters are still those that it was computed with.
        """
        layers = self.activations(images, training=True)
        return next((name for name, output in layers if not np.isfinite(output).all()), None)

    def check_images(self, images: Array) -> None:
        """Refuse images of another shape or type than the network takes.

        Raises:
            ArgumentError: the message says what it takes.
        """
        check_images(images, self.network, self.dtype)


def check_images(images: Array, network: Network, dtype: DType) -> None:
    """Refuse images of another shape or type than a network takes.

    Raises:
        ArgumentError: the message says what it takes.
    """
    if images.shape[1:] != network.input_shape or images.dtype != dtype:
        expected = f"(N, {', '.join(map(str, network.input_shape))}) {dtype}"
        raise ArgumentError(f"the network takes images {expected}, got {images.shape} {images.dtype}")


class Span(NamedTuple):
    """Neighbouring numbers of a flat vector, and the factor of their learning rate."""

    start: int
    stop: int
    factor: float

    def within(self, part: slice) -> slice:
        """Return the numbers that are in a slice, too; maybe none."""
        return slice(max(self.start, part.start), max(self.start, part.start, min(self.stop, part.stop)))


def rate_spans(shapes: Mapping[str, Shape], factors: Mapping[str, float] | None = None) -> list[Span]:
    """Return the spans of arrays that lie one after the other in a flat vector, by the factors of their rates.

    Example:
        >>> rate_spans({"0.fc.weight": (2, 2), "0.fc.bias": (2,), "1.fc.weight": (2, 1)}, {"1.fc.weight": 10})
        [Span(start=0, stop=6, factor=1.0), Span(start=6, stop=8, factor=10)]
    """
    spans, factors = [Span(0, 0, 1.0)], factors or {}
    for name, shape in shapes.items():
        _, start, factor = spans[-1]
        own = Span(start, start + prod(shape), factors.get(name, 1.0))
        spans[-1:] = [spans[-1]._replace(stop=own.stop)] if own.factor == factor else [spans[-1], own]
    return spans


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


def check_arrays(
    values: Mapping[str, Array],
    shapes: Mapping[str, Shape],
    what: str,
    dtype: DType | None = None,
    error: type[CnncliError] = ArgumentError,
) -> None:
    """Refuse arrays that are not exactly those of a network, by name, shape and, if it is given, type.

    Raises:
        CnncliError: of the kind `error`; the message calls the array a `what`, such as `parameter`.

    Example:
        >>> check_arrays({"0.fc.bias": np.zeros(2)}, {"0.fc.bias": (2,)}, "parameter")
    """
    for name in {**shapes, **values}:
        if name not in values:
            raise error(f"lacks the {what} {name} of its network")
        if name not in shapes:
            raise error(f"the {what} {named(name)} is not one of the network's")
        array = np.asarray(values[name])
        if array.shape != shapes[name] or dtype not in (None, array.dtype):
            needed = f"{show_shape(shapes[name])}{f' {dtype}' if dtype else ''}"
            found = f"{show_shape(array.shape)} {array.dtype}"
            raise error(f"the {what} {name} is {found} where its network needs {needed}")
