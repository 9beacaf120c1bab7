"""Grad-CAM: which places of a layer's maps speak for a class.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization":
alpha_k = 1/Z sum_ij d score / d A_ij^k, and L = ReLU(sum_k alpha_k A^k).
"""

from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.resizing import resized
from cnncli.models.why.options import GRADCAM, Size
from cnncli.models.why.scores import Scores

_SHOWN = 8  # channels whose products are written one by one


class GradCam(NamedTuple):
    """The maps of a layer, and what they weigh for a class.

    Attributes:
        layer: the layer's name.
        weights: (channels,), alpha: the mean slope of the score by each map.
        activations: (rows, columns, channels), the maps.
    """

    layer: str
    weights: Array
    activations: Array
    method: str = GRADCAM

    @property
    def title(self) -> str:
        """The method in words."""
        return f"Grad-CAM of {self.layer}"

    @property
    def cells(self) -> Array:
        """(rows, columns): the sum of weight x activation over the channels, 0 where it is negative."""
        sums = self.activations.astype(np.float64) @ self.weights.astype(np.float64)
        return np.maximum(0, sums).astype(np.float32)

    def over(self, size: Size) -> Array:
        """Return the map (H, W) over the network's input, interpolated bilinearly."""
        return resized(self.cells[..., np.newaxis], size)[..., 0]

    def _products(self, row: int, column: int) -> Array:
        products: Array = self.activations[row, column].astype(np.float64) * self.weights
        return products

    def facts(self, row: int, column: int) -> dict[str, Any]:
        """Return the numbers of a cell."""
        return {
            "sum": float(self._products(row, column).sum()),
            "weights": self.weights.tolist(),
            "activations": self.activations[row, column].tolist(),
        }

    def lines(self, row: int, column: int) -> list[str]:
        """Return the arithmetic of a cell in words: the largest products, and the sum of the others."""
        products = self._products(row, column)
        order = np.argsort(-np.abs(products), kind="stable")
        shown, rest = order[:_SHOWN].tolist(), order[_SHOWN:]
        lines = ["channel       weight   activation      product"]
        for channel in shown:
            numbers = self.weights[channel], self.activations[row, column, channel], products[channel]
            lines.append(f"{channel:7d}" + "".join(f"{number:13.6g}" for number in numbers))
        if len(rest):
            lines.append(f"{len(rest)} others".ljust(33) + f"{products[rest].sum():13.6g}")
        return [*lines, f"ReLU({products.sum():.6g}) = {self.cells[row, column]:.6g}"]


def grad_cam(scores: Scores, image: Array, label: int, layer: str) -> GradCam:
    """Return the maps of a layer for a normalised image (H, W, C), and their weights for a class."""
    maps, slopes = scores.maps(image[np.newaxis], label, layer)
    return GradCam(layer, slopes[0].mean(axis=(0, 1), dtype=np.float64).astype(np.float32), maps[0])
