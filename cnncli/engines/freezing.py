"""Freezing: a network whose first words keep their arrays, and are computed as in a prediction.

A batch norm among them takes its running statistics and leaves them as they are, dropout drops nothing, and no gradient
goes so far. So what they make of a picture is the same in every epoch, and may be computed once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from cnncli.arrays import Array
from cnncli.engines.engine import Engine, StepResult
from cnncli.engines.optimizers import Optimizer
from cnncli.networks.layers import Sequential
from cnncli.networks.network import Network
from cnncli.shapes import Shape

T = TypeVar("T")

MakeEngine = Callable[[Network, Mapping[str, Array], Mapping[str, Array]], Engine]


class FrozenEngine(Engine):
    """An engine for the frozen words of a network, and another for those that are trained.

    `parameters`, `gradients` and `state` are those of the trained words; names and values of `named_parameters` and
    `buffers` are the whole network's.

    Args:
        network: the whole network.
        parameters: its arrays by name.
        buffers: its arrays that are not trained, by name.
        words: the number of frozen words, repeats counted; fewer than the network has.
        make: makes an engine.

    Example:
        >>> from cnncli.engines.initialization import initialize
        >>> from cnncli.engines.numpy_engine import NumpyEngine
        >>> from cnncli.networks import parse_network
        >>> network = parse_network("8x8x1 conv3-4,relu max2 fc-2")
        >>> with FrozenEngine(network, *initialize(network, seed=0), words=2, make=NumpyEngine) as engine:
        ...     list(engine.named_parameters), engine.gradients.size
        (['0.conv.weight', '0.conv.bias', '2.fc.weight', '2.fc.bias'], 74)
    """

    def __init__(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        *,
        words: int,
        make: MakeEngine,
    ) -> None:
        self.network, self._words = network, words
        frozen, trained = split_network(network, words)
        # The trained words first: processes are best started before any threads.
        self._above = make(trained, self._later(parameters), self._later(buffers))
        arrays = _named(parameters, frozen.param_shapes()), _named(buffers, frozen.buffer_shapes())
        try:
            self._below = make(frozen, *arrays)
        except BaseException:
            self._above.close()
            raise
        self.dtype, self.predicted_at_once = self._above.dtype, self._below.predicted_at_once

    def _later(self, arrays: Mapping[str, T]) -> dict[str, T]:
        """Return the trained words' arrays, or what has their names, by their names in the network of these alone."""
        places = {name: int(name.partition(".")[0]) - self._words for name in arrays}
        return {_at(place, name): arrays[name] for name, place in places.items() if place >= 0}

    def _whole(self, frozen: Mapping[str, Array], trained: Mapping[str, Array]) -> dict[str, Array]:
        return {**frozen, **{self._name(name): array for name, array in trained.items()}}

    def _name(self, name: str) -> str:
        """Return the name in the whole network of an array or a layer of the trained words."""
        return _at(int(name.partition(".")[0]) + self._words, name)

    @property
    def parameters(self) -> Array:  # type: ignore[override]
        """The numbers that are trained."""
        return self._above.parameters

    @property
    def trained_shapes(self) -> dict[str, Shape]:
        """The shapes of the arrays that are trained, by name."""
        return {self._name(name): shape for name, shape in self._above.trained_shapes.items()}

    @property
    def gradients(self) -> Array:  # type: ignore[override]
        """The gradient of the last step's mean loss."""
        return self._above.gradients

    @property
    def named_parameters(self) -> dict[str, Array]:  # type: ignore[override]
        """All parameters by name, the frozen ones too."""
        return self._whole(self._below.named_parameters, self._above.named_parameters)

    @property
    def buffers(self) -> dict[str, Array]:  # type: ignore[override]
        """All arrays that are not trained, by name."""
        return self._whole(self._below.buffers, self._above.buffers)

    @property
    def state(self) -> dict[str, Array]:  # type: ignore[override]
        """The arrays that the optimizer keeps, by name."""
        return self._above.state

    def close(self) -> None:
        self._above.close()
        self._below.close()

    def features(self, images: Array) -> Array:
        return self._below.predict(images)

    def step(self, images: Array, labels: Array, loss: Any, *, step: int = 0) -> StepResult:
        return self._above.step(images, labels, loss, step=step)

    def use(self, optimizer: Optimizer, factors: Mapping[str, float] | None = None) -> None:
        self._above.use(optimizer, self._later(factors or {}))

    def update(self, step: int, lr: float, clip_norm: float | None = None) -> None:
        self._above.update(step, lr, clip_norm)

    def predicting(self) -> AbstractContextManager[object]:
        return self._above.predicting()

    def predict_into(self, out: Array, images: Array) -> None:
        out[:] = self.predict_features(self.features(images))

    def predict_features(self, features: Array) -> Array:
        return self._above.predict(features)

    def activations(self, images: Array, *, training: bool = False) -> Iterator[tuple[str, Array]]:
        yield from self._below.activations(images)
        for name, output in self._above.activations(self.features(images), training=training):
            yield self._name(name), output


def split_network(network: Network, words: int) -> tuple[Network, Network]:
    """Return the networks of the first words, repeats counted, and of the others.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(*split_network(parse_network("8x8x1 2xconv3-4 max2 fc-2"), 3), sep="; ")
        8x8x1 conv3-4 conv3-4 max2; 2x2x4 fc-2
    """
    layers = network.layers.unrolled
    first = Network(network.input_shape, Sequential(layers[:words]))
    return first, Network(first.output_shape, Sequential(layers[words:]))


def _at(place: int, name: str) -> str:
    """Return a name with another place of its word.

    Example:
        >>> _at(0, "12.fc.weight"), _at(3, "12")
        ('0.fc.weight', '3')
    """
    _, dot, rest = name.partition(".")
    return f"{place}{dot}{rest}"


def _named(arrays: Mapping[str, Array], names: Mapping[str, object]) -> dict[str, Array]:
    return {name: arrays[name] for name in names if name in arrays}
