"""The same network, arranged for speed: a few images at a time through a run of layers, while they are in the cache.

`fuse` makes of a layer one that computes the same, by three rules:

- words, sequences and repeats become one list of layers (their names stay);
- a maximum is taken before what keeps the order of numbers: `conv, bias, relu, max` becomes `conv, max, bias, relu`,
  and bias and relu work on a quarter of the numbers;
- a layer and the light ones after it become a `Run`, which takes blocks of images through all of them, and lets them
  write over what nobody reads again.

The layers themselves are not changed by it: the network as written stays the specification, and a test holds the two
against each other.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from cnncli.networks.layers import Block, Layer
from cnncli.networks.layers.base import Branch, Part
from cnncli.networks.layers.context import PASSING, Array, Context, Gradients, Params, within
from cnncli.ops.batches.rows import add_to_channels, sum_over_positions
from cnncli.shapes import Shape

# Measured, in numbers: 2 MB of columns, and up to 5 where that makes one block, whose columns need not be made again.
BLOCK_NUMBERS, ONE_BLOCK_NUMBERS = 450_000, 1_200_000


def fuse(layer: Layer, input_shape: Shape) -> Layer:
    """Return a layer that computes the same, faster, with arrays of the same names."""
    members = [_fuse_inside(member) for member in _pool_early(list(layer.leaves(input_shape)))]
    return Fused(tuple(_runs(members)))


def _fuse_inside(member: Part) -> Part:
    block, shape = member.layer, member.input_shape
    if not isinstance(block, Block):
        return member
    paths = tuple(Part(f"{name}.", fuse(path, shape), shape) for name, _, path in block.branches)
    return member._replace(layer=FusedBlock(block, paths))


def _pool_early(members: list[Part]) -> list[Part]:
    """Move each max pooling before the bias and the activations that keep the order of numbers."""
    result: list[Part] = []
    for member in members:
        at = len(result)
        if member.layer.takes_maxima:
            while at and result[at - 1].layer.monotone:
                at -= 1
            if at:
                result[at - 1 : at] = _without_bias(result[at - 1])
            smaller = member.layer.output_shape(member.input_shape)
            result[at:] = [later._replace(input_shape=smaller) for later in result[at:]]
        result.insert(at, member)
    return result


def _without_bias(member: Part) -> list[Part]:
    """Return a layer and its bias apart, where that can be added later; another layer as it is."""
    layer = member.layer
    if not (layer.late_bias and getattr(layer, "bias", False)):
        return [member]
    bias = Part(member.prefix, Bias(), layer.output_shape(member.input_shape))
    return [member._replace(layer=layer.replace(bias=False)), bias]


class Bias(Layer):
    """A number added to each channel: the part of a convolution that can wait until after a pooling."""

    keeps = ()
    in_place = True
    monotone = True
    light = True

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output(x.shape, x.dtype)
        if out is not x:
            out[:] = x
        add_to_channels(out, params["bias"])
        return out, None

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        return grad, {"bias": sum_over_positions(grad)}


def _runs(members: list[Part]) -> Iterator["Run"]:
    """Yield the members in runs, each of a layer and the light ones after it."""
    run: list[Part] = []
    for member in members:
        if run and not member.layer.light:
            yield Run.of(run)
            run = []
        run.append(member)
    if run:
        yield Run.of(run)


class Run(Layer):
    """Layers that a block of images goes through before the next one does.

    Each layer writes where the run says: to an array that stays, if anybody reads it again, over its input, if nobody
    reads that, or else to one that the next block uses too.

    Attributes:
        members: the layers.
        scratch: the most numbers of scratch memory that an image takes in one of them.
    """

    op = "run"

    members: tuple[Part, ...]
    scratch: int

    @classmethod
    def of(cls, members: list[Part]) -> "Run":
        """Return the run of these layers."""
        return cls(tuple(members), max(member.layer.scratch_numbers(member.input_shape) for member in members))

    def block_size(self, images: int) -> int:
        """Return how many of some images make a block."""
        return images if images * self.scratch <= ONE_BLOCK_NUMBERS else max(1, BLOCK_NUMBERS // self.scratch)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        """Return what the last layer makes of it, and what each layer keeps, block by block."""
        places = context.plan((), lambda _: self._places(params, context))
        shared, images, outputs, caches = context.shared, len(x), [], []
        step = self.block_size(images)
        for start in range(0, images, step):
            shared.block = (start, min(start + step, images), images)
            y, kept = x[start : start + step], []
            for place in places:
                place.context.keeps_columns = step >= images
                y, cache = place.layer.forward(y, place.params, place.context)
                kept.append(cache)
            outputs.append(y)
            caches.append(kept)
        shared.block = None
        return _whole(outputs, places[-1].context.output), caches

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input, and the sums over the blocks of those of the parameters."""
        places = context.plan((), lambda _: self._places(params, context))
        places[0].context.input_gradient = context.input_gradient
        places[0].context.gradient_slot = context.gradient_slot
        shared, images, gradients = context.shared, len(grad), []
        grads: dict[str, Array] = {}
        step = self.block_size(images)
        for start, kept in zip(range(0, images, step), cache, strict=True):
            shared.block = (start, min(start + step, images), images)
            gradient: Any = grad[start : start + step]
            for place, own in zip(reversed(places), reversed(kept), strict=True):
                gradient, found = place.layer.backward(gradient, own, place.params, place.context)
                for name, array in found.items():
                    _accumulate(grads, place.prefix + name, array, alone=step >= images)
            gradients.append(gradient)
        shared.block = None
        return (_whole(gradients, places[0].context.gradient) if context.input_gradient else None), grads

    def _places(self, params: Params, context: Context) -> list["Place"]:
        places: list[Place] = []
        for number, (member, slot) in enumerate(zip(self.members, self._slots(context.path), strict=True)):
            inner = Context(context.shared, context.path + member.prefix)
            inner.output_slot = slot
            # A block's own runs pass arrays on while the gradient that came to it still waits for its second branch.
            waits = self.members[0].layer.branches
            inner.gradient_slot = (inner.path if waits else PASSING, f"gradient {number}")
            places.append(Place(member.prefix, member.layer, within(params, member.prefix), inner))
        return places

    def _slots(self, path: str) -> list[tuple[str, str]]:
        """Return where each layer writes its output."""
        slots: list[tuple[str, str]] = []
        last = len(self.members) - 1
        for number in range(last, -1, -1):
            this = self.members[number]
            after = self.members[number + 1].layer if number < last else None
            if after and after.in_place and "input" not in after.keeps and "output" not in this.layer.keeps:
                slots.append(slots[-1])
            elif after is None or "output" in this.layer.keeps or "input" in after.keeps:
                slots.append((path + this.prefix, "output"))
            else:
                slots.append((PASSING, f"output {number}"))
        return slots[::-1]


class Place(NamedTuple):
    """A layer of a run, with its parameters, in one shard of a batch."""

    prefix: str
    layer: Layer
    params: Params
    context: Context


def _whole(parts: list[Array], give: Callable[[Shape, np.dtype[Any]], Array]) -> Array:
    """Return the array that blocks of images are parts of; copy those that a layer put elsewhere."""
    if len(parts) == 1:
        return parts[0]
    whole, start = give((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype), 0
    for part in parts:
        place = whole[start : start + len(part)]
        if _address(place) != _address(part):
            place[:] = part
        start += len(part)
    return whole


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _accumulate(grads: dict[str, Array], name: str, array: Array, *, alone: bool) -> None:
    if name in grads:
        grads[name] += array
    else:
        # The array may be written over for the next block.
        grads[name] = array if alone else array.copy()


class Fused(Layer):
    """Runs, one after the other."""

    op = "fused"

    runs: tuple[Run, ...]

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        caches = []
        for run, inner in zip(self.runs, context.plan((), lambda _: self._contexts(context)), strict=True):
            x, cache = run.forward(x, params, inner)
            caches.append(cache)
        return x, caches

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        contexts = context.plan((), lambda _: self._contexts(context))
        for first in contexts[:1]:
            first.input_gradient = context.input_gradient
        grads: dict[str, Array] = {}
        turn = 0
        for run, own, inner in zip(reversed(self.runs), reversed(cache), reversed(contexts), strict=True):
            # A gradient is read by the run before alone, so two arrays take turns; some runs hand on what they got.
            inner.gradient_slot = (context.path, f"gradient {turn}")
            gradient, found = run.backward(grad, own, params, inner)
            grads.update(found)
            if gradient is None:
                return None, grads
            turn = turn if _address(gradient) == _address(grad) else 1 - turn
            grad = gradient
        return grad, grads

    def _contexts(self, context: Context) -> list[Context]:
        return [Context(context.shared, context.path) for _ in self.runs]


class FusedBlock(Block):
    """A block whose branches are fused."""

    op = "fused block"
    keeps = ("input", "output")

    block: Block
    paths: tuple[Part, ...]

    @property
    def branches(self) -> tuple[Branch, ...]:
        return self.block.branches

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        yield from self.paths

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        return self.block.join(results, context)

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
        return self.block.split(grad, cache, context)
