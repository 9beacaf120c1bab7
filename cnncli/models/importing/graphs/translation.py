"""From the nodes of a graph to pieces: tensors are followed in our layout, and each result's shape is checked."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.formats.files import named
from cnncli.formats.onnx.recording import Step
from cnncli.formats.onnx.tensors import Tensor
from cnncli.formats.tensor_shapes import written
from cnncli.models.importing.graphs.constants import Constants
from cnncli.models.importing.graphs.pieces import AFFINE, Fragment, Piece
from cnncli.models.importing.graphs.views import MAX_PLACES, has_each_once, is_same, ordered, rearrangement, usual
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.layers import Flatten, Layer
from cnncli.shapes import Shape, show_shape

MAX_VIEWS = 2**26
"""Places that are followed in one graph at most, and numbers that are made for channels."""

MAX_OUTPUT = 2**28
"""Numbers of a layer's output."""


class Volume(NamedTuple):
    """A tensor of the graph.

    Attributes:
        piece: the piece that computes it.
        places: where its numbers are there; None in the usual layout.
        merged: whether its first axis is that of the batch and further ones together.
    """

    piece: int
    places: Array | None = None
    merged: bool = False


class Translation:
    """The pieces of a graph, added node by node.

    Attributes:
        pieces: what was added; the first is the input.
        step: the node that is translated.
        opset: the version of the file's operations.

    Args:
        constants: the graph's.
        start: the input.
        opset: the version.
        said: the shapes of tensors that the file gives, the batch first.
    """

    def __init__(
        self, constants: Constants, start: Tensor, opset: int, said: Mapping[str, tuple[int | str, ...] | None]
    ) -> None:
        shape = start.shape or ()
        if len(shape) not in (2, 4) or shape[0] != 1:
            raise NotANetworkError(
                f"its input {named(start.name)} is {written(shape)}: not one picture for each example"
            )
        own = shape[1:]
        if len(own) == 3 and not start.channels_last:
            own = (*own[1:], own[0])
        if prod(own) > MAX_PLACES:
            raise NotANetworkError(f"its input is {show_shape(own)}: too large to be followed")
        self.pieces = [Piece(Fragment("input"), (), {}, own, own, named(start.name))]
        self.step: Step
        self.opset = opset
        self._constants, self._said = constants, said
        self._views = 0
        places = ordered(own) if len(own) == 3 and start.channels_last else None
        self._volumes = {start.name: Volume(0, places)}

    def shape(self, volume: Volume) -> Shape:
        """Return the shape of a tensor in ours."""
        return self.pieces[volume.piece].shape

    def data(self, index: int = 0, *, merged: bool = False) -> Volume:
        """Return an input of the node that depends on the picture; with `merged`, its batch may be in another axis."""
        tensor = self.step.call.tensor(index)
        if tensor.name not in self._volumes:
            raise NotANetworkError(f"its input {index} is a constant")
        volume = self._volumes[tensor.name]
        if volume.merged and not merged:
            raise NotANetworkError("works on an axis that is not the batch's alone")
        return volume

    def numbers(self, index: int) -> Array:
        """Return an input of the node that is constant, as float32."""
        tensor = self.step.call.tensor(index)
        if not tensor.constant:
            raise NotANetworkError(f"its input {index}, {named(tensor.name)}, depends on the picture")
        return np.asarray(self._constants.array(tensor), np.float32)

    def has_numbers(self, index: int) -> bool:
        """Return whether an input is there, and constant."""
        call = self.step.call
        return call.has(index) and call.tensor(index).constant

    def add(
        self,
        layer: Layer | Fragment,
        *inputs: int,
        shape: Shape | None = None,
        arrays: dict[str, Array] | None = None,
    ) -> int:
        """Add a piece, and return its number; a layer says its output's shape itself."""
        before = self.pieces[inputs[0]].shape
        if shape is None:
            shape = layer.output_shape(before) if isinstance(layer, Layer) else before
        if prod(shape) > MAX_OUTPUT:
            raise NotANetworkError(f"puts out {show_shape(shape)}: too many numbers")
        node = self.step.call.node
        name = f"node {named(node.name)} ({named(node.full_op)})"
        self.pieces.append(Piece(layer, inputs, arrays or {}, before, shape, name))
        return len(self.pieces) - 1

    def affine(self, x: int, scale: Array | float = 1.0, shift: Array | float = 0.0) -> int:
        """Add a product with a number for each channel and a sum."""
        self._spend(self.pieces[x].shape[-1])
        arrays = {"scale": np.asarray(scale, np.float64), "shift": np.asarray(shift, np.float64)}
        return self.add(Fragment(AFFINE), x, arrays=arrays)

    def places(self, volume: Volume) -> Array:
        """Return the places of a tensor in any layout."""
        if volume.places is not None:
            return volume.places
        if prod(self.shape(volume)) > MAX_PLACES:
            raise NotANetworkError(f"moves {show_shape(self.shape(volume))} numbers: too many to be followed")
        return usual(self.shape(volume))

    def viewed(self, piece: int, places: Array) -> Volume:
        """Return a tensor of which the places are known; pictures are put into the usual layout where that can be."""
        self._spend(places.size)
        volume = Volume(piece, places)
        if len(self.shape(volume)) == places.ndim and is_same(places, usual(self.shape(volume))):
            return Volume(piece)
        if places.ndim == 3 and not self.is_channels_last(volume):
            return self._settled(volume) or volume
        return volume

    def _spend(self, count: int) -> None:
        self._views += count
        if self._views > MAX_VIEWS:
            raise NotANetworkError("is one of too many nodes that move numbers or scale channels")

    def is_channels_last(self, volume: Volume) -> bool:
        """Return whether a tensor is a picture (H, W, C) as ours is."""
        return len(self.shape(volume)) == 3 and is_same(self.places(volume), ordered(self.shape(volume)))

    def _settled(self, volume: Volume) -> Volume | None:
        """Return a tensor in the usual layout, after a layer that rearranges it; None if no layer does."""
        assert volume.places is not None
        wanted = np.moveaxis(volume.places, 0, -1)
        if is_same(wanted, ordered(self.shape(volume))):
            return Volume(volume.piece)
        layer = rearrangement(self.shape(volume), wanted)
        return None if layer is None else Volume(self.add(layer, volume.piece))

    def picture(self, index: int = 0) -> int:
        """Return the piece of an input that must be a picture, channels first."""
        volume = self.data(index)
        if volume.places is not None and volume.places.ndim == 3:
            volume = self._settled(volume) or volume
        if volume.places is not None or len(self.shape(volume)) != 3:
            raise NotANetworkError("gets no picture of known layout, channels first")
        return volume.piece

    def whole(self, volume: Volume) -> Volume:
        """Return a tensor that has each number of its piece once."""
        if volume.places is None or has_each_once(volume.places, self.shape(volume)):
            return volume
        if volume.places.ndim in (1, 3) and (settled := self._settled(volume)):
            return settled
        if volume.places.ndim == 3 and (layer := rearrangement(self.shape(volume), volume.places)):
            x = self.add(layer, volume.piece)
            return Volume(x, ordered(self.pieces[x].shape))  # channels last, as it came
        raise NotANetworkError("gets a part of the channels or pixels that no layer picks out")

    def flat(self, index: int = 0) -> tuple[int, Array | None]:
        """Return the piece of an input that is a row of numbers, and their places; None where they are in order."""
        volume = self.whole(self.data(index))
        places = self.places(volume)
        if places.ndim != 1:
            raise NotANetworkError(f"gets {written(places.shape)}, not a row of numbers")
        return volume.piece, None if is_same(places, ordered((places.size,))) else places

    def as_row(self, volume: Volume) -> Volume:
        """Return a row of numbers as one of ours that is a row too: what was flattened is flattened here."""
        if volume.places is None or volume.places.ndim != 1 or len(self.shape(volume)) == 1:
            return volume
        row = self.add(Flatten(), volume.piece)
        return Volume(row, None if is_same(volume.places, ordered(volume.places.shape)) else volume.places)

    def per_channel(self, volume: Volume, array: Array) -> Array:
        """Return an array that is broadcast to a tensor as one number for each of our channels, or a single one."""
        if array.size == 1:
            return array.reshape(())
        places, shape = volume.places, self.shape(volume)
        if places is None:
            theirs = (*shape[-1:], *shape[:-1])
            padded = array.reshape((1,) * (1 + len(theirs) - array.ndim) + array.shape)
            if padded.size == padded.shape[1] == shape[-1]:
                return padded.reshape(-1)
        theirs = self.places(volume).shape
        spread = np.broadcast_to(array, theirs if volume.merged else (1, *theirs))
        ours = np.empty(prod(shape), array.dtype)
        ours[self.places(volume).reshape(-1)] = spread.reshape(-1)
        rows = ours.reshape(-1, shape[-1])
        if not (rows == rows[:1]).all():
            raise NotANetworkError("has a number for each pixel, not for each channel")
        found: Array = rows[0]
        return found

    def give(self, *volumes: Volume) -> None:
        """Enter the outputs of the node.

        Raises:
            NotANetworkError: the layer's output has not the shape that the graph's tensor has.
        """
        for volume, tensor in zip(volumes, self.step.outputs, strict=False):
            shape = self.shape(volume)
            theirs = volume.places.shape if volume.places is not None else (*shape[-1:], *shape[:-1])
            theirs = theirs if volume.merged else (1, *theirs)
            said = self._said.get(tensor.name) or theirs
            fits = [own == size for own, size in zip(theirs[1:], said[1:], strict=False) if isinstance(size, int)]
            if tensor.shape != theirs or len(said) != len(theirs) or not all(fits):
                asked = written(tensor.shape) if tensor.shape != theirs else show_shape(map(named, said))
                raise NotANetworkError(f"gives {asked}, the layers for it {written(theirs)}")
            self._volumes[tensor.name] = volume

    def result(self, tensor: Tensor) -> int:
        """Return the piece of the graph's output, whose numbers must be in order."""
        volume = self._volumes.get(tensor.name)
        if volume is None:
            raise NotANetworkError(f"its output {named(tensor.name)} does not depend on the picture")
        if volume.places is None:
            return volume.piece
        if volume.merged:
            raise NotANetworkError(f"its output {named(tensor.name)} has no axis of its own for the batch")
        volume = self.whole(volume)
        places = self.places(volume)
        if places.ndim != 1 or not is_same(places, ordered((places.size,))):
            raise NotANetworkError(f"its output {named(tensor.name)} is not in the order of ours")
        # A picture of one pixel stays one: a flatten behind a softmax would hide that it is the end.
        return volume.piece if self.shape(volume)[:-1] in ((), (1, 1)) else self.as_row(volume).piece


def joined_places(places: Sequence[Array], channels: Sequence[int], axis: int) -> Array:
    """Return the places in channels side by side of tensors that are joined along an axis of the graph's."""
    total, first, parts = sum(channels), 0, []
    for each, count in zip(places, channels, strict=True):
        parts.append(each // count * total + each % count + first)
        first += count
    return np.concatenate(parts, axis=axis)
