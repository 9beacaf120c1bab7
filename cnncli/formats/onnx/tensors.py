"""Tensors of a graph, and the numbers of small ones, with which graphs compute shapes: tuples in C order, no NumPy."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, product, starmap
from math import prod
from typing import NamedTuple

from cnncli.formats.onnx.graph import MAX_VALUES, Number
from cnncli.formats.tensor_shapes import Dimensions, broadcast

Values = tuple[Number, ...]


class Tensor(NamedTuple):
    """A tensor of a graph.

    Attributes:
        shape: its dimensions, the batch first; None where they are not known.
        values: its numbers in C order, where they are known and few: the shapes that nodes compute with.
        constant: no example's data: it comes of the file's constants and of shapes alone.
        sources: the constants of the file that it comes of, which may be weights.
        channels_last: a batch of pictures is (N, H, W, C), and not (N, C, H, W).
        name: name, unique in the model.
        op: the operation that made it.
    """

    shape: Dimensions | None
    values: Values | None = None
    constant: bool = False
    sources: tuple[str, ...] = ()
    channels_last: bool = False
    name: str = ""
    op: str = ""

    @property
    def integers(self) -> Dimensions | None:
        """The values where they are known integers."""
        if self.values is None or not all(isinstance(value, int) for value in self.values):
            return None
        return tuple(int(value) for value in self.values)


def strides(shape: Sequence[int]) -> list[int]:
    """Return how far apart neighbours along each axis lie.

    Example:
        >>> strides((2, 3, 4))
        [12, 4, 1]
    """
    return list(accumulate(reversed(shape[1:]), int.__mul__, initial=1))[::-1][: len(shape)]


def picked(
    values: Values | None, shape: Dimensions, picks: Sequence[Sequence[int]], order: Sequence[int] | None = None
) -> Values | None:
    """Return the numbers at some places along each axis, whose axes may then be reordered; None if there are many.

    Example:
        >>> picked((1, 2, 3, 4, 5, 6), (2, 3), [(0, 1), (2, 0)])
        (3, 1, 6, 4)
        >>> picked((1, 2, 3, 4, 5, 6), (2, 3), [range(2), range(3)], (1, 0))
        (1, 4, 2, 5, 3, 6)
    """
    if values is None or prod(map(len, picks)) > MAX_VALUES or len(values) != prod(shape):
        return None
    offsets = [[place * step for place in pick] for pick, step in zip(picks, strides(shape), strict=True)]
    ordered = offsets if order is None else [offsets[axis] for axis in order]
    return tuple(values[sum(places)] for places in product(*ordered))


def spread(values: Values | None, shape: Dimensions, target: Dimensions) -> Values | None:
    """Return numbers broadcast to a shape that theirs fits.

    Example:
        >>> spread((1, 2), (2, 1), (2, 3))
        (1, 1, 1, 2, 2, 2)
    """
    if prod(target) > MAX_VALUES:
        return None
    padded = (1,) * (len(target) - len(shape)) + tuple(shape)
    picks = [range(size) if own == size else (0,) * size for own, size in zip(padded, target, strict=True)]
    return picked(values, padded, picks)


def combined(
    function: Callable[..., Number], columns: Sequence[Values | None], shapes: Sequence[Dimensions]
) -> Values | None:
    """Return a function of numbers, place by place, of tensors that are broadcast to one shape.

    Example:
        >>> combined(max, [(1, 5), (3,)], [(2,), ()])
        (3, 5)
    """
    target = broadcast(shapes)
    together = [spread(values, shape, target) for values, shape in zip(columns, shapes, strict=True)]
    known = [values for values in together if values is not None]
    if len(known) < len(together):
        return None
    try:
        return tuple(starmap(function, zip(*known, strict=True)))
    except (ArithmeticError, ValueError, TypeError):  # such as a division by 0, or a complex power
        return None


def groups(values: Values | None, shape: Dimensions, gone: set[int]) -> Iterator[Values] | None:
    """Yield the numbers that each place of a tensor sees when axes are reduced.

    Example:
        >>> list(groups((1, 2, 3, 4, 5, 6), (2, 3), {0}))
        [(1, 4), (2, 5), (3, 6)]
    """
    order = [axis for axis in range(len(shape)) if axis not in gone] + sorted(gone)
    moved = picked(values, shape, [range(size) for size in shape], order)
    size = prod(shape[axis] for axis in gone)
    if moved is None or not size:
        return None
    return (moved[start : start + size] for start in range(0, len(moved), size))
