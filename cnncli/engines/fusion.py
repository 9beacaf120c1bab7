"""Fusion of layers: a few images at a time go through several layers, while they are in the cache.

`fuse` returns a layer that computes the same as another, arranged by three rules:

- words, sequences and repeats become one list of layers (their names stay);
- a maximum is taken before layers that keep the order of numbers: `conv, bias, relu, max` becomes
  `conv, max, bias, relu`, and bias and relu work on a quarter of the numbers;
- a layer and the light ones after it become a `Segment`, which takes blocks of images through all of them, and lets
  them write over arrays that nobody reads again.

The layers themselves do not change: the network as written stays the specification, and a test compares the two.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from cnncli.engines.folding import fold, without_bias
from cnncli.networks.layers import Block, Layer
from cnncli.networks.layers.base import Branch, Part
from cnncli.networks.layers.context import PASSING, Array, Context, Gradients, Params, within
from cnncli.shapes import Shape

# Measured, in numbers: 2 MB of columns, and up to 5 where that makes one block, whose columns need not be made again.
BLOCK_NUMBERS, ONE_BLOCK_NUMBERS = 450_000, 1_200_000

_Bound = tuple[str, Layer, Params, Context]  # a layer's prefix, the layer, its parameters and its context in a shard


def fuse(layer: Layer, input_shape: Shape, *, inference: bool = False) -> "Fused":
    """Return a layer that computes the same, faster, with arrays of the same names: also backward, or in inference."""
    members = list(layer.leaves(input_shape))
    members = _pool_early(fold(members) if inference else members)
    return Fused(tuple(_segments([_fuse_inside(member, inference) for member in members])))


def _fuse_inside(member: Part, inference: bool) -> Part:
    block, shape = member.layer, member.input_shape
    if not isinstance(block, Block):
        return member
    paths = tuple(Part(f"{name}.", fuse(path, shape, inference=inference), shape) for name, _, path in block.branches)
    # The block's images are few enough that what its branches read and write stays in the cache.
    scratch = prod(shape) + prod(block.output_shape(shape)) if inference else 0
    return member._replace(layer=FusedBlock(block, paths, scratch))


def _pool_early(members: list[Part]) -> list[Part]:
    """Move each max pooling before the bias and the activations that keep the order of numbers."""
    result: list[Part] = []
    for member in members:
        at = len(result)
        if member.layer.takes_maxima:
            while at and result[at - 1].layer.monotone:
                at -= 1
            if at:
                result[at - 1 : at] = without_bias(result[at - 1])
            smaller = member.layer.output_shape(member.input_shape)
            result[at:] = [later._replace(input_shape=smaller) for later in result[at:]]
        result.insert(at, member)
    return result


def _segments(members: list[Part]) -> Iterator["Segment"]:
    """Yield the members in segments, each a layer and the light ones after it."""
    starts = [number for number, member in enumerate(members) if not number or not member.layer.light]
    for start, stop in pairwise([*starts, len(members)]):
        inside = tuple(members[start:stop])
        yield Segment(inside, max(member.layer.scratch_numbers(member.input_shape) for member in inside))


class Segment(Layer):
    """Layers that a block of images goes through before the next one does.

    The segment tells each layer where to write: to an array that stays if anybody reads it again, over its input if
    nobody reads that, or else to an array that the next block uses, too.

    Attributes:
        members: the layers.
        scratch: most numbers of scratch memory that an image takes in one of them.
    """

    op = "segment"

    members: tuple[Part, ...]
    scratch: int

    def largest(self) -> int:
        """Return the most numbers of an image that wait for the next segment, here and in the branches of a block."""
        first, last = self.members[0], self.members[-1]
        inside: list[int] = [path.layer.largest() for path in getattr(first.layer, "paths", ())]
        return max(prod(last.layer.output_shape(last.input_shape)), *inside, 1)

    def block_size(self, images: int) -> int:
        """Return the number of images of a block."""
        return images if images * self.scratch <= ONE_BLOCK_NUMBERS else max(1, BLOCK_NUMBERS // self.scratch)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        bound = context.plan((), lambda _: self._bind(params, context))
        shared, images, outputs, caches = context.shared, len(x), [], []
        outside = shared.block
        step = self.block_size(images)
        for start in range(0, images, step):
            shared.block = (start, min(start + step, images), images)
            y, kept = x[start : start + step], []
            for _, layer, own_params, inner in bound:
                inner.keeps_columns = step >= images
                y, cache = layer.forward(y, own_params, inner)
                if not shared.inference:
                    kept.append(cache)
            outputs.append(y)
            caches.append(kept)
        shared.block = outside
        return _whole(outputs, bound[-1][3].output), caches

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        bound = context.plan((), lambda _: self._bind(params, context))
        first = bound[0][3]
        first.input_gradient, first.gradient_slot = context.input_gradient, context.gradient_slot
        shared, images, gradients = context.shared, len(grad), []
        grads: dict[str, Array] = {}
        step = self.block_size(images)
        for start, kept in zip(range(0, images, step), cache, strict=True):
            shared.block = (start, min(start + step, images), images)
            gradient: Any = grad[start : start + step]
            for (prefix, layer, own_params, inner), own in zip(reversed(bound), reversed(kept), strict=True):
                gradient, found = layer.backward(gradient, own, own_params, inner)
                for name, array in found.items():
                    if start:
                        grads[prefix + name] += array
                    else:  # the next block may write over the array
                        grads[prefix + name] = array if step >= images else array.copy()
            gradients.append(gradient)
        shared.block = None
        return (_whole(gradients, first.gradient) if context.input_gradient else None), grads

    def _bind(self, params: Params, context: Context) -> list[_Bound]:
        bound: list[_Bound] = []
        for number, (member, slot) in enumerate(zip(self.members, self._slots(context), strict=True)):
            inner = Context(context.shared, context.path + member.prefix)
            inner.output_slot, inner.lane = slot, context.lane
            # A block's segments pass arrays on while the gradient that came to it still waits for its second branch.
            waits = self.members[0].layer.branches
            inner.gradient_slot = (inner.path if waits else PASSING, f"gradient {number}")
            bound.append((member.prefix, member.layer, within(params, member.prefix), inner))
        return bound

    def _slots(self, context: Context) -> list[tuple[str, str]]:
        """Return where each layer writes its output."""
        slots: list[tuple[str, str]] = []
        last, forgets = len(self.members) - 1, context.shared.inference
        for number in range(last, -1, -1):
            this = self.members[number]
            after = self.members[number + 1].layer if number < last else None
            is_read = after is not None and not forgets and ("input" in after.keeps or "output" in this.layer.keeps)
            if after and after.in_place and not is_read:
                slots.append(slots[-1])
            elif after is None and context.output_slot:
                slots.append(context.output_slot)
            elif after is None or is_read:
                slots.append((context.path + this.prefix, "output"))
            else:
                slots.append((PASSING, f"output {number}"))
        return slots[::-1]


def _whole(parts: list[Array], give: Callable[[Shape, np.dtype[Any]], Array]) -> Array:
    """Return blocks of images as one array; copy those that a layer put elsewhere."""
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


class Fused(Layer):
    """Segments, one after the other."""

    op = "fused"

    segments: tuple[Segment, ...]

    def largest(self) -> int:
        """Return the most numbers of an image that wait for the next segment."""
        return max((segment.largest() for segment in self.segments), default=1)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        if context.shared.inference:
            return self._infer(x, params, context), None
        caches = []
        for segment, inner in zip(self.segments, context.plan((), lambda _: self._contexts(context)), strict=True):
            x, cache = segment.forward(x, params, inner)
            caches.append(cache)
        return x, caches

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        contexts = context.plan((), lambda _: self._contexts(context))
        for first in contexts[:1]:
            first.input_gradient = context.input_gradient
        grads: dict[str, Array] = {}
        turn = 0
        for segment, own, inner in zip(reversed(self.segments), reversed(cache), reversed(contexts), strict=True):
            # Only the segment before reads a gradient, so that two arrays take turns; some hand on the one they got.
            inner.gradient_slot = (context.path, f"gradient {turn}")
            gradient, found = segment.backward(grad, own, params, inner)
            grads.update(found)
            if gradient is None:
                return None, grads
            turn = turn if _address(gradient) == _address(grad) else 1 - turn
            grad = gradient
        return grad, grads

    def _infer(self, x: Array, params: Params, context: Context) -> Array:
        """Return the output; only the next segment reads an output, so that two arrays take turns."""
        held = 1
        for segment, turns in zip(self.segments, context.plan((), lambda _: self._turns(context)), strict=True):
            y, _ = segment.forward(x, params, turns[1 - held])
            if not np.may_share_memory(x, y):  # else it still holds the input
                held = 1 - held
            x = y
        return x

    def _turns(self, context: Context) -> list[tuple[Context, Context]]:
        """Return two contexts for each segment, one for each array."""

        def taking(turn: int) -> Context:
            inner = Context(context.shared, context.path)
            inner.lane, inner.output_slot = context.lane, (f"lane {context.lane}", f"turn {turn}")
            return inner

        return [(taking(0), taking(1)) for _ in self.segments]

    def _contexts(self, context: Context) -> list[Context]:
        return [Context(context.shared, context.path) for _ in self.segments]


class FusedBlock(Block):
    """A block whose branches are fused."""

    op = "fused block"
    keeps = ("input", "output")

    block: Block
    paths: tuple[Part, ...]
    scratch: int = 0

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.block.output_shape(input_shape)

    def scratch_numbers(self, input_shape: Shape) -> int:
        return self.scratch

    @property
    def branches(self) -> tuple[Branch, ...]:
        return self.block.branches

    def parts(self, input_shape: Shape) -> Iterator[Part]:
        yield from self.paths

    def join(self, results: list[Array], context: Context) -> tuple[Array, Any]:
        return self.block.join(results, context)

    def split(self, grad: Array, cache: Any, context: Context) -> list[Array]:
        return self.block.split(grad, cache, context)
