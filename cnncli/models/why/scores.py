"""The scores of a model's classes, and their slopes by pixels and by maps."""

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.head import output_kind, without_squashing
from cnncli.engines.pixels import PixelGradient
from cnncli.engines.pixels.steps import Steps, full_names
from cnncli.errors import ArgumentError
from cnncli.models.model import Model
from cnncli.shapes import Shape, show_shape

_MEMORY = 256 << 20  # bytes of the images that are differentiated at a time


class Scores:
    """The score of each class: what the network puts out before its last softmax or sigmoid.

    A single output is the score of the second of two classes, and its negative that of the first. Of distances, the
    negative is the score. One thread at a time may call an instance.

    Args:
        model: a network of ours.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.network = without_squashing(model.network)
        self.deviations = np.array(model.normalization.std, np.float32)
        self._sign = -1 if output_kind(model.network) == "distances" else 1
        self._last = list(Steps(self.network).names)[-1]
        self._pixels: dict[tuple[str, ...], PixelGradient] = {}

    def map_layer(self, layer: str | None) -> str:
        """Return the name of a layer with maps; None for the last one.

        Raises:
            ArgumentError: there is none, or it has no maps.
        """
        steps = Steps(self.network)
        shapes = {name: steps.steps[number].shape for name, number in steps.names.items()}
        if layer is None:
            found = next((name for name in reversed(shapes) if _has_maps(shapes[name])), None)
            if found is None:
                raise ArgumentError("Grad-CAM needs a layer with maps, and the network has none: use another method")
            return found
        name = full_names(self.network, [layer])[layer]
        if not _has_maps(shapes[name]):
            maps = ", ".join(name for name, shape in shapes.items() if _has_maps(shape))
            raise ArgumentError(f"layer {layer} puts out {show_shape(shapes[name])}, not maps: choose from {maps}")
        return layer

    def score(self, image: Array, label: int) -> float:
        """Return the score of a class for a normalised image (H, W, C)."""
        outputs = self._gradient().outputs(image[np.newaxis])[self._last]
        return float((outputs.reshape(-1) * self._weights(outputs.shape, label).reshape(-1)).sum())

    def slopes(self, images: Array, label: int) -> Array:
        """Return the slopes of a class's score by the numbers of normalised images (N, H, W, C)."""
        pixels = self._gradient()
        outputs = pixels.outputs(images)[self._last]
        return pixels.gradient({self._last: self._weights(outputs.shape, label)})

    def maps(self, image: Array, label: int, layer: str) -> tuple[Array, Array]:
        """Return the output of a layer for an image (1, H, W, C), and the slopes of a class's score by it."""
        pixels = self._gradient(layer)
        outputs = pixels.outputs(image)
        maps = outputs[layer].copy()
        slopes = pixels.gradient({self._last: self._weights(outputs[self._last].shape, label)}, by=layer)
        return maps, slopes

    def together(self, shape: Shape) -> int:
        """Return how many images (H, W, C) are differentiated at a time."""
        return max(1, min(16, _MEMORY // max(1, self._gradient().memory(shape))))

    def _gradient(self, *layers: str) -> PixelGradient:
        if layers not in self._pixels:
            model, names = self._model, dict.fromkeys((*layers, self._last))
            make = model.backend.pixel_gradient
            self._pixels[layers] = make(self.network, model.parameters, model.buffers, names)
        return self._pixels[layers]

    def _weights(self, shape: Shape, label: int) -> Array:
        """Return what each output (N, ...) counts in the score of a class."""
        weights = np.zeros((shape[0], int(np.prod(shape[1:]))), np.float32)
        if weights.shape[1] == 1:
            weights[:] = self._sign if label else -self._sign
        else:
            weights[:, label] = self._sign
        return weights.reshape(shape)


def _has_maps(shape: Shape) -> bool:
    """Return whether an output (H, W, C) has more than one place."""
    return len(shape) == 3 and shape[0] * shape[1] > 1
