"""Gradients: how much each pixel would change the score of a class, alone or as a mean over noisy pictures.

Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", section 3; Smilkov et al. 2017,
"SmoothGrad: removing noise by adding noise".
"""

from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.models.why.options import GRADIENT, SMOOTH, Size
from cnncli.models.why.scores import Scores


class Gradient(NamedTuple):
    """The slope of the score of a class by each pixel.

    Attributes:
        slopes: (H, W, C): the change of the score by a step of 1 of 255 of a pixel's channel.
        samples: the noisy pictures of which they are the mean; 0 for the picture itself.
    """

    slopes: Array
    samples: int = 0

    @property
    def method(self) -> str:
        """A word of `METHODS`."""
        return SMOOTH if self.samples else GRADIENT

    @property
    def title(self) -> str:
        """The method in words."""
        return f"gradient, smoothed by {self.samples}" if self.samples else "gradient"

    @property
    def cells(self) -> Array:
        """(H, W): the largest slope of a pixel's channels, whatever its sign."""
        largest: Array = np.abs(self.slopes).max(axis=2)
        return largest

    def over(self, size: Size) -> Array:
        """Return the map of the network's input, which the cells are."""
        return self.cells

    def facts(self, row: int, column: int) -> dict[str, Any]:
        """Return the numbers of a cell."""
        return {"slopes": self.slopes[row, column].tolist()}

    def lines(self, row: int, column: int) -> list[str]:
        """Return the arithmetic of a cell in words."""
        slopes = ", ".join(f"|{slope:.6g}|" for slope in self.slopes[row, column].tolist())
        mean = f", means of {self.samples} noisy pictures" if self.samples else ""
        return [
            f"d score / d pixel of each channel{mean}, for a step of 1 of 255",
            f"max({slopes}) = {self.cells[row, column]:.6g}",
        ]


def plain_gradient(scores: Scores, image: Array, label: int) -> Gradient:
    """Return the slope of the score of a class by each pixel of a normalised image (H, W, C)."""
    return Gradient(scores.slopes(image[np.newaxis], label)[0] / scores.deviations)


def smoothed_gradient(scores: Scores, image: Array, label: int, *, samples: int, noise: float, seed: int) -> Gradient:
    """Return the mean slope over noisy copies of an image, 1/n sum of M(x + N(0, sigma^2)).

    Args:
        scores: the model's scores.
        image: (H, W, C), normalised.
        label: the index of the class.
        samples: n.
        noise: sigma, as a share of the largest number of the image minus its smallest one.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    sigma = np.float32(noise * float(image.max() - image.min()))
    total, together = np.zeros(image.shape), scores.together(image.shape)
    for start in range(0, samples, together):
        number = min(together, samples - start)
        noisy = image + sigma * rng.standard_normal((number, *image.shape), np.float32)
        total += scores.slopes(noisy, label).sum(axis=0, dtype=np.float64)
    return Gradient((total / samples).astype(np.float32) / scores.deviations, samples)
