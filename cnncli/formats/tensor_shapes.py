"""The arithmetic of shapes that has no window in it, by NumPy's rules.

Shapes that do not fit raise `ModelError`, which shows them as ONNX's tools do.
"""

from collections.abc import Sequence
from math import prod

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions
from cnncli.shapes import show_shape

Dimensions = tuple[int, ...]


def written(shape: Sequence[int] | None) -> str:
    """Write a shape as ONNX's tools do.

    Example:
        >>> written((1, 3, 8, 8))
        '1x3x8x8'
    """
    return "unknown" if shape is None else show_shape(shape) or "a single number"


def axis_index(axis: int, rank: int) -> int:
    """Return an axis counted from the front, of one that may be counted from the end."""
    if not -rank <= axis < rank:
        raise ModelError(f"axis {axis} does not exist in a tensor of {rank} dimensions")
    return axis % rank


def broadcast(shapes: Sequence[Dimensions]) -> Dimensions:
    """Return the shape that shapes have together by NumPy's rules, which are ONNX's.

    Example:
        >>> broadcast([(1, 8, 4, 4), (8, 1, 1)])
        (1, 8, 4, 4)
    """
    rank = max(map(len, shapes))
    result = []
    for column in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        sizes = set(column) - {1}
        if len(sizes) > 1:
            raise ModelError(f"the shapes {' and '.join(map(written, shapes))} do not fit each other")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def concatenated(shapes: Sequence[Dimensions], axis: int) -> Dimensions:
    """Return the shape of tensors joined along an axis.

    Example:
        >>> concatenated([(1, 8, 4, 4), (1, 3, 4, 4)], 1)
        (1, 11, 4, 4)
    """
    at = axis_index(axis, len(shapes[0]))
    if len({(len(shape), *shape[:at], *shape[at + 1 :]) for shape in shapes}) > 1:
        kinds = list(dict.fromkeys(map(written, shapes)))[:4]
        raise ModelError(f"the shapes {' and '.join(kinds)} cannot be joined along axis {at}: they differ in another")
    return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])


def reshaped(shape: Dimensions, target: Sequence[int], *, keep_zeros: bool = False) -> Dimensions:
    """Return the shape that a target such as (0, -1) gives: 0 keeps a dimension, -1 is what is left.

    Example:
        >>> reshaped((1, 16, 5, 5), (0, -1))
        (1, 400)
    """
    if len(target) > 32 or target.count(-1) > 1:
        raise ModelError(f"cannot take the shape {written(target[:32])}")
    wanted = [
        shape[index] if size == 0 and not keep_zeros and index < len(shape) else size
        for index, size in enumerate(target)
    ]
    known = prod(size for size in wanted if size != -1)
    if -1 in wanted:
        wanted[wanted.index(-1)] = prod(shape) // known if known else 0
    result = dimensions(wanted, "the new shape")
    if prod(result) != prod(shape):
        raise ModelError(f"{written(shape)} has {prod(shape)} elements, which do not make {written(target)}")
    return result


def product_of_matrices(left: Dimensions, right: Dimensions) -> Dimensions:
    """Return the shape of a product of (stacks of) matrices, as NumPy's `matmul`.

    Example:
        >>> product_of_matrices((1, 400), (400, 120))
        (1, 120)
    """
    if not left or not right:
        raise ModelError("a matrix product needs at least one dimension, got a single number")
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ModelError(f"got {left[-1]} features ({written(left)}), needs {inner} (its weight is {written(right)})")
    stacks = broadcast([left[:-2], right[:-2]]) if left[:-2] or right[:-2] else ()
    return (*stacks, *left[-2:-1], *right[-1:]) if len(right) > 1 else (*stacks, *left[-2:-1])
