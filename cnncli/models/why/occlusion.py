"""Occlusion: which parts of a picture a class loses most by, when they are covered.

A patch slides over the picture, and each time the network predicts what it sees then (Zeiler and Fergus 2014,
"Visualizing and Understanding Convolutional Networks", section 4.2). It needs nothing of the model but predictions.
"""

from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.models.predictor import Predictor
from cnncli.models.why.options import OCCLUSION, Size, as_pair
from cnncli.shapes import show_shape

_BATCH_BYTES = 8 << 20


class Patches(NamedTuple):
    """Where a patch lies on a picture: everywhere at some distance, and once more at the end where that leaves a rest.

    Attributes:
        size: (height, width) of the patch.
        rows: its first rows, from above.
        columns: its first columns.

    Example:
        >>> Patches.of((7, 10), (3, 4), (2, 4))
        Patches(size=(3, 4), rows=(0, 2, 4), columns=(0, 4, 6))
    """

    size: Size
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, picture: Size, size: int | Size | None = None, stride: int | Size | None = None) -> "Patches":
        """Return the places on a picture (height, width) of a patch; None for the defaults of `WhyOptions`.

        Raises:
            ArgumentError: a patch larger than the picture, or places that leave gaps.
        """
        height, width = as_pair(size, "patch") or (-(-picture[0] // 7), -(-picture[1] // 7))
        if height > picture[0] or width > picture[1]:
            raise ArgumentError(f"a patch of {height}x{width} covers more than the {show_shape(picture)} of the input")
        down, across = as_pair(stride, "stride") or (-(-height // 2), -(-width // 2))
        if down > height or across > width:
            raise ArgumentError(
                f"stride {down}x{across} leaves gaps between patches of {height}x{width}: let it be at most their size"
            )
        return cls((height, width), _starts(picture[0], height, down), _starts(picture[1], width, across))

    def region(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the rows and columns of the picture that the patch of a cell covers."""
        top, left = self.rows[row], self.columns[column]
        return slice(top, top + self.size[0]), slice(left, left + self.size[1])


def _starts(length: int, size: int, stride: int) -> tuple[int, ...]:
    last = length - size
    return (*range(0, last, stride), last)


class Occlusion(NamedTuple):
    """What a class loses by each patch.

    Attributes:
        patches: where they lie.
        before: the probability of the class for the whole picture.
        after: (rows, columns), its probability with each patch covered.
        fill: what covers the picture: a number for each channel, from 0 to 255.
    """

    patches: Patches
    before: float
    after: Array
    fill: tuple[float, ...]
    method: str = OCCLUSION

    @property
    def title(self) -> str:
        """The method in words."""
        return f"occlusion, {show_shape(self.patches.size)}"

    @property
    def cells(self) -> Array:
        """(rows, columns): the probability before minus that after; above 0 where a patch hides what speaks for it."""
        lost: Array = self.before - self.after
        return lost

    def over(self, size: Size) -> Array:
        """Return a map (H, W) of the network's input: the mean of the patches that cover each pixel."""
        total, count = np.zeros(size), np.zeros(size)
        for (row, column), lost in np.ndenumerate(self.cells):
            region = self.patches.region(row, column)
            total[region] += lost
            count[region] += 1
        return (total / count).astype(np.float32)

    def facts(self, row: int, column: int) -> dict[str, Any]:
        """Return the numbers of a cell."""
        rows, columns = self.patches.region(row, column)
        return {
            "rows": [rows.start, rows.stop],
            "columns": [columns.start, columns.stop],
            "before": self.before,
            "after": float(self.after[row, column]),
        }

    def lines(self, row: int, column: int) -> list[str]:
        """Return the arithmetic of a cell in words."""
        rows, columns = self.patches.region(row, column)
        fill = ",".join(f"{level:.4g}" for level in self.fill)
        after, lost = float(self.after[row, column]), float(self.cells[row, column])
        return [
            f"patch on rows {rows.start}-{rows.stop - 1}, columns {columns.start}-{columns.stop - 1}, filled with "
            f"{fill}",
            f"p before - p after = {self.before:.6g} - {after:.6g} = {lost:.6g}",
        ]


def occlude(model: Predictor, picture: Array, label: int, patches: Patches) -> Occlusion:
    """Return what a class loses by each patch of a picture.

    Args:
        model: names classes.
        picture: (H, W, C) in the size and on the scale of its input.
        label: the index of the class.
        patches: where the patch lies.
    """
    pixels = picture.astype(np.float32)
    fill = mean_color(model, pixels)
    before = float(model.probabilities(pixels[np.newaxis])[0, label])
    places = [(row, column) for row in range(len(patches.rows)) for column in range(len(patches.columns))]
    together = max(1, _BATCH_BYTES // pixels.nbytes)
    after = np.empty(len(places), np.float64)
    for start in range(0, len(places), together):
        part = places[start : start + together]
        covered = np.repeat(pixels[np.newaxis], len(part), axis=0)
        for one, place in zip(covered, part, strict=True):
            one[patches.region(*place)] = fill
        after[start : start + len(part)] = model.probabilities(covered)[:, label]
    shape = len(patches.rows), len(patches.columns)
    return Occlusion(patches, before, after.reshape(shape), tuple(fill.tolist()))


def mean_color(model: Predictor, picture: Array) -> Array:
    """Return the colour (C,) that says least to a model: the mean of the pictures that it was trained on.

    It is that of the model's normalization; where this has none, such as `unit`, the mean of the picture itself.
    """
    mean = np.array(model.normalization.mean, np.float32)
    own: Array = picture.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return mean if mean.any() else own
