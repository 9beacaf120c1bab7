"""Dreaming: the picture that a filter, or a class, answers to most, by gradient ascent from noise.

Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", section 2, with the regularization of
Yosinski et al. 2015, "Understanding Neural Networks Through Deep Visualization" (arXiv:1506.06579): L2 decay and a
Gaussian blur every few steps; and with jitter (Mordvintsev, Olah and Tyka 2015, "Inceptionism"). Steps are taken in a
decorrelated space: each frequency of the gradient is divided by that frequency, as in the spectrum of photographs
(Olah, Mordvintsev and Schubert 2017, "Feature Visualization"), because plain gradients give patterns of single pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Unpack

import numpy as np

from cnncli.arrays import Array
from cnncli.choices import did_you_mean
from cnncli.data import BYTES
from cnncli.drawing.boxes import as_rgb
from cnncli.drawing.sheets import Sheet
from cnncli.engines.head import output_kind, without_squashing
from cnncli.engines.pixels.steps import Steps, cut, full_names
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.dream_options import DreamFields, DreamOptions, Size
from cnncli.models.model import Model, TrainedNetwork
from cnncli.models.opening import as_trainable
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.networks import Network
from cnncli.shapes import Shape

DEFAULT = DreamOptions()

OnStep = Callable[[int, int], None]
"""Called with the number of steps done, and of all."""

_START = 0.3  # standard deviation of the noise at the beginning, in those of the pictures
_TRIES = 10  # pictures of noise that a unit may be silent for
_BLUR_EVERY = 4
_LEAST_SIDE, _ROUND = 12, 4  # pixels of a dream for a unit that sees less, and around what one sees
_MEMORY = 256 << 20  # bytes of the pictures that are dreamed of at a time


class Dream(NamedTuple):
    """What a unit answers to most.

    Attributes:
        unit: its name, `LAYER:CHANNEL` or that of a class.
        picture: (H, W, C) bytes.
        before: what the unit puts out for the noise at the beginning; for a class, its score before softmax.
        after: the same for the picture.
        is_dead: whether nothing that was tried changes what it puts out.
    """

    unit: str
    picture: Array
    before: float
    after: float
    is_dead: bool = False

    def enlarged(self, factor: int) -> Array:
        """Return the picture with each pixel as a square, (factor H, factor W) or with 3 channels, as bytes."""
        pixels = self.picture[..., 0] if self.picture.shape[2] == 1 else as_rgb(self.picture)
        return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


class Unit(NamedTuple):
    """A channel of a layer; the sign says whether more or less of it is wanted."""

    name: str
    channel: int
    sign: float = 1.0


def dream(
    model: PictureModel | AnyPath,
    unit: str | None = None,
    *,
    class_name: str | None = None,
    progress: OnStep | None = None,
    **options: Unpack[DreamFields],
) -> list[Dream]:
    """Return the pictures that units answer to most: one for `LAYER:CHANNEL` or a class, all those of a `LAYER`.

    The number in the middle of a channel's map, or the score of a class before softmax, is made as large as possible:
    x becomes (1 - decay) (x + rate g / rms(g)), with the gradient g in a decorrelated space, and is blurred every
    fourth step (Simonyan et al. 2014, arXiv:1312.6034; Yosinski et al. 2015, arXiv:1506.06579). So the contrast stays
    below rate / decay, by default that of the pictures that the model was trained on.

    Args:
        model: a model with a network, or a word that `load_model` takes.
        unit: `LAYER:CHANNEL` such as `0.conv:3`, or `LAYER` for all its channels; layers are those of
            `Model.layer_names`.
        class_name: a class, in place of a unit.
        progress: called after each step.
        options: as in `DreamOptions`, such as `size=64`. The same seed gives the same picture.

    Raises:
        ArgumentError: an unknown layer (the message lists the layers), channel or class, or an option outside of its
            range.
        ModelError: a model without a network of ours, or a single unit that is dead: no gradient comes from it.

    Example:
        >>> [found] = dream("runs/digits", "0.conv:3", size=16, steps=20)
        >>> found.picture.shape, found.after > found.before
        ((16, 16, 1), True)
    """
    said, loaded = DreamOptions(**options), as_trainable(model)
    if (unit is None) == (class_name is None):
        raise ArgumentError("name either a unit, such as 0.conv:3, or a class to dream of")
    network = without_squashing(loaded.network)
    if unit is None:
        layer, units = _of_class(loaded, network, class_name or "")
    else:
        layer, units = _of_layer(network, unit)
    dreamer = _Dreamer(loaded, network, layer, said)
    together = max(1, min(16, _MEMORY // max(1, dreamer.pixels.memory(dreamer.shape))))
    parts = [units[start : start + together] for start in range(0, len(units), together)]
    dreams = []
    for number, part in enumerate(parts):
        for step, found in dreamer.dreams(part):
            dreams += found
            if progress is not None:
                progress(number * said.steps + step, len(parts) * said.steps)
    if len(dreams) == 1 and dreams[0].is_dead:
        raise ModelError(f"{dreams[0].unit}: is a dead unit: for {_TRIES} pictures of noise, no pixel changes it")
    return dreams


def draw_dreams(dreams: Sequence[Dream], title: str) -> Array:
    """Return dreams as a sheet of numbered pictures, (H, W, 3) bytes."""
    labels = [f"{one.unit.rpartition(':')[2]}: {'dead' if one.is_dead else f'{one.after:.3g}'}" for one in dreams]
    note = f"{len(dreams)} units, each with what it puts out for its picture"
    sheet = Sheet(title, note, labels, [one.picture.shape[:2] for one in dreams])
    for number, one in enumerate(dreams):
        sheet.put(number, as_rgb(one.picture))
    return sheet.pixels()


def _of_class(model: PictureModel, network: Network, name: str) -> tuple[str, list[Unit]]:
    """Return the last layer, and the unit of a class."""
    names = model.class_names
    if not isinstance(model, Model):
        raise ModelError("finds boxes in pictures, and has no scores of classes: name a unit, such as 0.conv:3")
    if name not in names:
        raise ArgumentError(f"the model has no class {name!r}: {did_you_mean(name, names)}")
    index, sign = names.index(name), -1.0 if output_kind(model.network) == "distances" else 1.0
    single = network.output_shape[-1] == 1
    unit = Unit(name, 0 if single else index, -sign if single and index == 0 else sign)
    return list(Steps(network).names)[-1], [unit]


def _of_layer(network: Network, text: str) -> tuple[str, list[Unit]]:
    """Return the layer and the units that a text means: `LAYER:CHANNEL`, or `LAYER` for all its channels."""
    layer, colon, channel = text.partition(":")
    steps = Steps(network)
    shape = steps.steps[steps.names[full_names(network, [layer])[layer]]].shape
    if not colon:
        return layer, [Unit(f"{layer}:{number}", number) for number in range(shape[-1])]
    if not channel.isdecimal() or int(channel) >= shape[-1]:
        raise ArgumentError(f"layer {layer} has the channels 0 to {shape[-1] - 1}, got {channel!r}")
    return layer, [Unit(f"{layer}:{int(channel)}", int(channel))]


class _Dreamer:
    """Gradient ascent for units of one layer, several at a time."""

    def __init__(self, model: TrainedNetwork, network: Network, layer: str, options: DreamOptions) -> None:
        self.options, self.layer = options, layer
        size = options.size or _fitting_size(network, layer)
        assert not isinstance(size, int)
        self.shape: Shape = (*size, network.input_shape[2])
        self.pixels = model.backend.pixel_gradient(network, model.parameters, model.buffers, [layer])
        normalization = model.normalization
        self._mean, self._std = (np.array(each, np.float32) for each in (normalization.mean, normalization.std))
        self._range = (0, 255) if model.scale == BYTES else (-np.inf, np.inf)

    @cached_property
    def _frequencies(self) -> Array:
        """(H, W // 2 + 1, 1): how many waves a pixel holds, at least one in the picture."""
        height, width, _ = self.shape
        waves = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
        waves = np.maximum(waves, 1 / max(height, width))
        waves[0, 0] = 1  # brightness alone says little, and would be most of every picture
        each: Array = waves[..., np.newaxis]
        return each

    def dreams(self, units: Sequence[Unit]) -> Iterator[tuple[int, list[Dream]]]:
        """Yield the number of each step done; with the last one, the dreams."""
        options, rng = self.options, np.random.default_rng(self.options.seed)
        images = self._noise(rng, len(units))
        alive = self._alive(images, rng, units)
        before = self._answers(images, units)
        for step in range(1, options.steps + 1):
            images = self._stepped(images, units, rng, blurs=step % _BLUR_EVERY == 0)
            if step < options.steps:
                yield step, []
        after = self._answers(images, units)
        numbers = zip(before.tolist(), after.tolist(), np.logical_not(alive).tolist(), strict=True)
        pairs = zip(units, self._pictures(images), numbers, strict=True)
        yield options.steps, [Dream(unit.name, picture, *results) for unit, picture, results in pairs]

    def _stepped(self, images: Array, units: Sequence[Unit], rng: np.random.Generator, *, blurs: bool) -> Array:
        """Return images after a step; where a unit is silent for a shifted one, decay alone would follow: it waits."""
        options = self.options
        reach = (int(options.jitter * side) for side in self.shape[:2])
        down, across = (int(rng.integers(-most, most + 1)) for most in reach)
        gradient = np.roll(self._gradient(np.roll(images, (down, across), (1, 2)), units), (-down, -across), (1, 2))
        gradient = self._filtered(gradient, 1 / self._frequencies)
        size = _rms(gradient)
        stepped = (1 - options.decay) * (images + options.rate * gradient / np.maximum(size, 1e-30))
        if options.blur and blurs:
            stepped = self._filtered(stepped, np.exp(-2 * (np.pi * options.blur * self._frequencies) ** 2))
        low, high = ((end - self._mean) / self._std for end in self._range)
        kept: Array = np.where(size > 0, np.clip(stepped, low, high), images)
        return kept

    def _pictures(self, images: Array) -> Array:
        """Return normalised images as bytes; numbers that are no levels are stretched to them."""
        numbers = images * self._std + self._mean
        if np.isinf(self._range).any():
            low, high = (end(numbers, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
            numbers = (numbers - low) * (255 / np.maximum(high - low, 1e-30))
        levels: Array = np.rint(numbers).clip(0, 255).astype(np.uint8)
        return levels

    def _noise(self, rng: np.random.Generator, number: int) -> Array:
        """Return a picture of noise, the same for all units, with the spectrum of photographs."""
        noise = self._filtered(rng.standard_normal((1, *self.shape), np.float32), 1 / self._frequencies)
        return np.repeat(_START * noise / _rms(noise), number, axis=0)

    def _alive(self, images: Array, rng: np.random.Generator, units: Sequence[Unit]) -> Array:
        """Give units that are silent other noise to begin with, ever stronger; return whether each is alive."""
        alive = self._answering(images, units)
        for number in range(1, _TRIES):
            if alive.all():
                break
            images[~alive] = (1 + number / 2) * self._noise(rng, 1)
            alive = self._answering(images, units)
        return alive

    def _answering(self, images: Array, units: Sequence[Unit]) -> Array:
        """Return which units any pixel changes."""
        largest: Array = np.abs(self._gradient(images, units)).max(axis=(1, 2, 3))
        return largest > 0

    def _answers(self, images: Array, units: Sequence[Unit]) -> Array:
        """Return what each unit puts out for its picture.

        Raises:
            ModelError: it is not finite.
        """
        outputs = self.pixels.outputs(images)[self.layer]
        own = np.array([output[_place(outputs, unit)] for output, unit in zip(outputs, units, strict=True)], float)
        if not np.isfinite(own).all():
            raise ModelError(f"layer {self.layer} puts out numbers that are not finite: try a smaller rate")
        signed: Array = own * [unit.sign for unit in units]
        return signed

    def _gradient(self, images: Array, units: Sequence[Unit]) -> Array:
        """Return the gradient by each picture of what its unit puts out."""
        outputs = self.pixels.outputs(images)[self.layer]
        slopes = np.zeros(outputs.shape, np.float32)
        for number, unit in enumerate(units):
            slopes[number][_place(outputs, unit)] = unit.sign
        return self.pixels.gradient({self.layer: slopes})

    def _filtered(self, images: Array, factors: Array) -> Array:
        """Return pictures whose frequencies are multiplied by factors."""
        waves = np.fft.rfft2(images, axes=(1, 2)) * factors
        filtered: Array = np.fft.irfft2(waves, self.shape[:2], axes=(1, 2)).astype(np.float32)
        return filtered


def _place(outputs: Array, unit: Unit) -> tuple[int, ...]:
    """Return the place of a unit in the output of an image: in the middle of its map."""
    return (*(side // 2 for side in outputs.shape[1:-1]), unit.channel)


def _rms(images: Array) -> Array:
    """Return the root mean square of each picture, (N, 1, 1, 1)."""
    squares: Array = np.sqrt(np.square(images).mean(axis=(1, 2, 3), keepdims=True))
    return squares


def _fitting_size(network: Network, layer: str) -> Size:
    """Return the size of the network's input, or where a unit of a layer sees less, a little more than that."""
    height, width, _ = network.input_shape
    [name] = full_names(network, [layer]).values()
    row = [row for row in cut(network, network.input_shape, [name]).summary().rows if not row.depth][-1]
    if row.receptive_field is None or len(row.output_shape or ()) != 3:
        return height, width
    down, across = (max(_LEAST_SIDE, int(seen) + _ROUND) for seen in row.receptive_field.size)
    return min(height, down), min(width, across)
