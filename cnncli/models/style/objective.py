"""What a style transfer makes small: the sum of weighted costs, and its gradient by the picture."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.data.resizing import resized
from cnncli.engines.pixels.gradient import PixelGradient
from cnncli.errors import ArgumentError
from cnncli.models.style.costs import content_cost, gram, style_cost, variation_cost
from cnncli.models.style.networks import JudgingNetwork
from cnncli.models.style.tiles import Tile, Tiling, map_shapes, tilings, whole


class Term(NamedTuple):
    """One cost and its part in the sum: value x weight / unit.

    Attributes:
        kind: content, style or variation.
        layer: the layer's name; empty for the variation.
        value: the cost.
        divisor: of its sum of squares.
        weight: its weight.
        unit: what counts as 1.
    """

    kind: str
    layer: str
    value: float
    divisor: float
    weight: float
    unit: float

    @property
    def share(self) -> float:
        """Its part in the sum."""
        return self.value * self.weight / self.unit


class Judged(NamedTuple):
    """A picture's costs, and the gradient of their sum by the picture (H, W, C)."""

    terms: list[Term]
    gradient: Array

    @property
    def total(self) -> float:
        """The sum."""
        return sum(term.share for term in self.terms)


class Style(NamedTuple):
    """The Gram matrices of a style, for one position, by layer; and its part among the styles."""

    grams: Mapping[str, Array]
    share: float


class Weights(NamedTuple):
    """The weight of each content and style layer by name, and of the variation."""

    content: Mapping[str, float]
    style: Mapping[str, float]
    variation: float

    @property
    def layers(self) -> list[str]:
        """The layers of all costs."""
        return list(dict.fromkeys((*self.content, *self.style)))


class Measures:
    """Outputs of a network's layers for pictures, the whole of them or tile by tile.

    Args:
        judge: the network.
        layers: the layers' names.
        memory: bytes that a pass may take beside the network's weights; None for any.
        jobs: threads.
        dtype: float32 or float64.
    """

    def __init__(
        self,
        judge: JudgingNetwork,
        layers: Sequence[str],
        *,
        memory: int | None = None,
        jobs: int = 1,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.judge, self.layers, self.memory, self.dtype = judge, layers, memory, np.dtype(dtype)
        self.pixels: PixelGradient = judge.backend.pixel_gradient(
            judge.network, judge.parameters, judge.buffers, layers, dtype=dtype, jobs=jobs, borders="reflect"
        )
        self._bytes: dict[tuple[int, ...], int] = {}
        self._mean = np.asarray(judge.normalization.mean, self.dtype)
        self._scale = np.asarray([1 / std for std in judge.normalization.std], self.dtype)

    def tiling(self, shape: tuple[int, ...]) -> Tiling:
        """Return the tiles for a picture of a shape: one, where the memory allows it.

        Raises:
            ArgumentError: no tiles are small enough.
        """
        if self.memory is None or self.bytes(shape) <= self.memory:
            return whole(shape, self.layers)
        least = None
        for largest, tiling in tilings(self.judge.network, shape, self.layers):
            needed = self.bytes(largest)
            if needed <= self.memory:
                return tiling
            least = min(least or needed, needed)
        raise ArgumentError(
            f"the smallest tiles of {shape[0]}x{shape[1]} pixels take {(least or 0) / 1e6:,.0f} MB, more than the "
            f"{self.memory / 1e6:,.0f} MB that are left for them: allow more memory, or name layers of less depth"
        )

    def bytes(self, shape: tuple[int, ...]) -> int:
        """Return the bytes that a pass over a picture takes, about: the slopes of layers too, but no weights."""
        if shape not in self._bytes:
            slopes = sum(map(prod, map_shapes(self.judge.network, shape, self.layers).values()))
            passing = self.pixels.memory(shape) - self.pixels.prepared_bytes(shape)
            self._bytes[shape] = passing + 2 * self.dtype.itemsize * slopes
        return self._bytes[shape]

    def outputs(self, picture: Array, tile: Tile) -> dict[str, Array]:
        """Return the outputs (H, W, N) of the layers for a tile of a picture on the scale 0 to 255."""
        part = (picture[tile.place].astype(self.dtype) - self._mean) * self._scale
        return {name: output[0] for name, output in self.pixels.outputs(part[None]).items()}

    def gradient(self, slopes: Mapping[str, Array]) -> Array:
        """Return the gradient by the tile (H, W, C), after `outputs`."""
        gradient: Array = self.pixels.gradient({name: slope[None] for name, slope in slopes.items()})[0] * self._scale
        return gradient

    def grams(self, picture: Array, layers: Sequence[str]) -> tuple[dict[str, Array], dict[str, int]]:
        """Return the Gram matrix of a picture in each of some layers, and the number of positions there."""
        tiling = self.tiling(picture.shape)
        sums: dict[str, Array] = {}
        positions = dict.fromkeys(layers, 0)
        for tile in tiling.tiles:
            outputs = self.outputs(picture, tile)
            for name in layers:
                part = outputs[name][tile.own(tiling.strides[name])[0]]
                sums[name] = sums.get(name, 0) + gram(part)
                positions[name] += part.shape[0] * part.shape[1]
        return sums, positions

    def maps(self, picture: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of some layers for a whole picture."""
        tiling = self.tiling(picture.shape)
        if len(tiling.tiles) == 1:
            outputs = self.outputs(picture, tiling.tiles[0])
            return {name: outputs[name].copy() for name in layers}
        rows: dict[str, list[list[Array]]] = {name: [] for name in layers}
        for tile in tiling.tiles:
            outputs = self.outputs(picture, tile)
            for name in layers:
                if tile.columns.first == 0:
                    rows[name].append([])
                rows[name][-1].append(outputs[name][tile.own(tiling.strides[name])[0]].copy())
        return {name: np.concatenate([np.concatenate(row, 1) for row in found]) for name, found in rows.items()}


class Objective:
    """The costs of pictures of one size.

    Args:
        measures: gives outputs of layers.
        weights: the weight of each cost.
        content: (H, W, C) on the scale 0 to 255; None for a texture.
        styles: the styles.
        shape: (H, W, C) of the pictures to be judged.
        mask: (H, W), from 0 to 1, where the style goes; None for everywhere.
        relative: whether 1 is the cost of no response at all, in place of each formula's own unit.
    """

    def __init__(
        self,
        measures: Measures,
        weights: Weights,
        content: Array | None,
        styles: Sequence[Style],
        shape: tuple[int, ...],
        *,
        mask: Array | None = None,
        relative: bool = True,
    ) -> None:
        self.measures, self.weights, self.styles, self.relative = measures, weights, styles, relative
        self.tiling = measures.tiling(shape)
        self.units = self._style_units(content)
        self.targets = {} if content is None else measures.maps(content, list(weights.content))
        shapes = map_shapes(measures.judge.network, shape, weights.style)
        self.masks = {} if mask is None else {name: _shrunk(mask, shape) for name, shape in shapes.items()}

    def __call__(self, picture: Array) -> Judged:
        """Return the costs of a picture (H, W, C) on the scale 0 to 255, and the gradient of their sum by it."""
        tiles = self.tiling.tiles
        outputs, sums, positions = self._sums(picture)
        terms, matrices = self._style_terms(sums, positions)
        values = dict.fromkeys(self.targets, 0.0)
        gradient = np.zeros(picture.shape)
        for tile in tiles:
            if len(tiles) > 1:  # those of one tile are still there
                outputs = self.measures.outputs(picture, tile)
            gradient[tile.place] += self.measures.gradient(self._slopes(tile, outputs, matrices, values))
        variation = variation_cost(picture / 255)
        gradient += variation.slope * (self.weights.variation / 255)
        contents = [self._content_term(name, value) for name, value in values.items()]
        smooth = Term("variation", "", variation.value, variation.divisor, self.weights.variation, 1.0)
        return Judged([*contents, *terms, smooth], gradient)

    def _sums(self, picture: Array) -> tuple[dict[str, Array], dict[str, Array], dict[str, float]]:
        """Return the outputs of the last tile, and for the style layers the Gram matrices and numbers of positions."""
        sums: dict[str, Array] = {}
        positions = dict.fromkeys(self.weights.style, 0.0)
        outputs: dict[str, Array] = {}
        for tile in self.tiling.tiles:
            outputs = self.measures.outputs(picture, tile)
            for name in self.weights.style:
                here, there = tile.own(self.tiling.strides[name])
                part = outputs[name][here]
                counts = self.masks[name][there] if self.masks else None
                sums[name] = sums.get(name, 0) + gram(part, counts)
                positions[name] += (
                    part.shape[0] * part.shape[1] if counts is None else float(counts.sum(dtype=np.float64))
                )
        return outputs, sums, positions

    def _style_terms(
        self, sums: Mapping[str, Array], positions: Mapping[str, float]
    ) -> tuple[list[Term], dict[str, Array]]:
        """Return the costs of the style layers, and the matrices that make their slopes of outputs."""
        terms, matrices = [], {}
        for name, weight in self.weights.style.items():
            found, count, unit = sums[name], positions[name], self.units[name]
            costs = [style_cost(found, style.grams[name] * count, count) for style in self.styles]
            shares = np.array([style.share for style in self.styles])
            value = float(shares @ [cost.value for cost in costs])
            slope = np.tensordot(shares, [cost.slope for cost in costs], 1)
            terms.append(Term("style", name, value, costs[0].divisor, weight, unit))
            matrices[name] = (slope * (weight / unit)).astype(self.measures.dtype)
        return terms, matrices

    def _style_units(self, content: Array | None) -> dict[str, float]:
        """Return what counts as 1 in each style layer: the cost of the content, or of no response without one."""
        if not self.relative:
            return dict.fromkeys(self.weights.style, 1.0)
        grams, positions = ({}, {}) if content is None else self.measures.grams(content, list(self.weights.style))
        return {
            name: sum(
                style.share * style_cost(grams[name] / positions[name] if grams else 0 * target, target, 1).value
                for style in self.styles
                for target in [style.grams[name]]
            )
            or 1.0
            for name in self.weights.style
        }

    def _content_term(self, name: str, value: float) -> Term:
        return Term("content", name, value, 2.0, self.weights.content[name], self._content_unit(name))

    def _content_unit(self, name: str) -> float:
        """Return the cost of no response in a layer."""
        flat = self.targets[name].ravel()
        return float(flat @ flat) / 2 or 1.0 if self.relative else 1.0

    def _slopes(
        self, tile: Tile, outputs: Mapping[str, Array], matrices: Mapping[str, Array], values: dict[str, float]
    ) -> dict[str, Array]:
        """Return the gradient of the sum by the outputs of a tile, 0 outside its own part; add up content costs."""
        slopes: dict[str, Array] = {}
        for name, matrix in matrices.items():
            here, there = tile.own(self.tiling.strides[name])
            part = outputs[name][here]
            slope = (part.reshape(-1, len(matrix)) @ matrix).reshape(part.shape)
            if self.masks:
                slope *= self.masks[name][there][..., None]
            slopes[name] = _placed(slope, outputs[name], here)
        for name, target in self.targets.items():
            here, there = tile.own(self.tiling.strides[name])
            cost = content_cost(outputs[name][here], target[there])
            values[name] += cost.value
            factor = self.weights.content[name] / self._content_unit(name)
            placed = _placed(cost.slope * np.asarray(factor, cost.slope.dtype), outputs[name], here)
            slopes[name] = slopes[name] + placed if name in slopes else placed
        return slopes


def _placed(slope: Array, output: Array, place: tuple[slice, slice]) -> Array:
    """Return the slopes of a part among zeros for the rest of an output."""
    if slope.shape == output.shape:
        return slope
    whole = np.zeros_like(output)
    whole[place] = slope
    return whole


def _shrunk(mask: Array, shape: tuple[int, ...]) -> Array:
    return resized(np.ascontiguousarray(mask[..., None], np.float32), (shape[0], shape[1]))[..., 0]
