"""Output sizes and padding amounts, on plain integers.

Every formula is that of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (arXiv:1603.07285),
with the symbols of convolutional-network courses: n input size, f kernel size, p padding, s stride, d dilation.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cnncli.errors import ArgumentError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Four = tuple[int, int, int, int]
IntOrPair = int | Sequence[int]
Padding = str | int | Sequence[int]


def show_shape(shape: Iterable[object]) -> str:
    """Return a shape as the notation writes it.

    Example:
        >>> show_shape((28, 28, 6))
        '28x28x6'
    """
    return "x".join(map(str, shape))


def effective_size(kernel_size: int, dilation: int = 1) -> int:
    """Return the pixels that a dilated kernel spans, d(f - 1) + 1.

    Example:
        >>> effective_size(3, dilation=2)
        5
    """
    return dilation * (kernel_size - 1) + 1


def output_size(
    n: int, kernel_size: int, *, padding: Padding = 0, stride: int = 1, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Return how many positions a window takes along one axis.

    floor((n + 2p - d(f - 1) - 1) / s + 1); positions that do not fit are dropped. With `ceil_mode` a last, partial
    window is kept if it starts inside the input or its leading padding (PyTorch's rule); it may be the only one, where
    it reaches over the end by less than the stride.

    Args:
        n: input size in pixels.
        kernel_size: window size f.
        padding: `"valid"`, `"same"`, pixels on both sides, or a pair (before, after).
        stride: step s between positions.
        dilation: distance d between the kernel's taps.
        ceil_mode: round up instead of down.

    Raises:
        ArgumentError: a size that is not positive, or a window larger than the padded input.

    Example:
        >>> output_size(39, 3)
        37
        >>> output_size(7, 3, stride=2)
        3
        >>> output_size(6, 3, padding="same")
        6
    """
    for name, value in (("n", n), ("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        _positive(value, name)
    before, after = _axis_padding(padding, n, kernel_size, stride, dilation)
    span = effective_size(kernel_size, dilation)
    room = n + before + after - span
    lacking = -room - overhang(stride, ceil_mode)
    if lacking > 0:
        raise ArgumentError(
            f"a window of {span} pixels does not fit into {n} pixels with padding {before} + {after}: "
            f"use padding of at least {-(-(lacking + before + after) // 2)}, or a smaller kernel"
        )
    if not ceil_mode:
        return room // stride + 1
    size = -(-room // stride) + 1
    return size - 1 if (size - 1) * stride >= n + before else size


def overhang(stride: int, ceil_mode: bool) -> int:
    """Return how many pixels of the only window may lie past the padded input: with `ceil_mode` fewer than the stride.

    Example:
        >>> overhang(2, ceil_mode=True), overhang(2, ceil_mode=False)
        (1, 0)
    """
    return stride - 1 if ceil_mode else 0


def same_padding(n: int, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> Pair:
    """Return the padding (before, after) that gives an output of ceil(n / s), the odd pixel going after.

    This is TensorFlow's `SAME` and ONNX's `SAME_UPPER`.

    Example:
        >>> same_padding(6, 3)
        (1, 1)
        >>> same_padding(6, 2)
        (0, 1)
    """
    total = max(0, (-(-n // stride) - 1) * stride + effective_size(kernel_size, dilation) - n)
    return total // 2, total - total // 2


def transposed_size(
    n: int, kernel_size: int, *, stride: int = 1, padding: Pair = (0, 0), dilation: int = 1, output_padding: int = 0
) -> int:
    """Return the output size of a transposed convolution along one axis; below 1 where the padding leaves nothing.

    s(n - 1) + d(f - 1) + 1 - p_before - p_after + o, with o the output padding (section 4 of Dumoulin and Visin).

    Example:
        >>> transposed_size(28, 2, stride=2)
        56
    """
    return (n - 1) * stride + effective_size(kernel_size, dilation) - sum(padding) + output_padding


def transposed_same_padding(kernel_size: int, *, stride: int = 1, dilation: int = 1) -> tuple[Pair, int]:
    """Return the padding and the output padding with which a transposed convolution makes n * s of n pixels.

    Example:
        >>> transposed_same_padding(3, stride=2), transposed_same_padding(2, stride=3)
        (((0, 1), 0), ((0, 0), 1))
    """
    excess = effective_size(kernel_size, dilation) - stride
    cut = max(0, excess)
    return (cut // 2, cut - cut // 2), max(0, -excess)


def check_output_padding(output_padding: int, *, padding: Padding, stride: int, dilation: int) -> None:
    """Check the output padding of a transposed convolution along one axis.

    Raises:
        ArgumentError: it is not smaller than the stride or the dilation, or the padding is `"same"`.
    """
    if output_padding and padding == "same":
        raise ArgumentError("same fixes the output size of a transposed layer: leave the output padding out")
    if output_padding and output_padding >= max(stride, dilation):
        raise ArgumentError(
            f"output padding must be smaller than the stride or the dilation, got {output_padding} "
            f"with stride {stride} and dilation {dilation}"
        )


class Window(NamedTuple):
    """A sliding window over a picture: the geometry that convolution and pooling share.

    Attributes:
        size: (height, width) of the input in pixels.
        kernel_size: (height, width) of the window in taps.
        stride: (vertical, horizontal).
        padding: (top, bottom, left, right) in pixels.
        dilation: (vertical, horizontal).
        output_size: (height, width) of the output.

    Example:
        >>> Window.over((6, 6), 3, padding="same").output_size
        (6, 6)
    """

    size: Pair
    kernel_size: Pair
    stride: Pair
    padding: Four
    dilation: Pair
    output_size: Pair

    @classmethod
    def over(
        cls,
        size: Pair,
        kernel_size: IntOrPair,
        *,
        stride: IntOrPair = 1,
        padding: Padding = "valid",
        dilation: IntOrPair = 1,
        ceil_mode: bool = False,
    ) -> "Window":
        """Normalise the arguments of a layer, each an int or a (vertical, horizontal) pair.

        Raises:
            ArgumentError: a value that is not usable, or a window that does not fit.
        """
        kernel = pair(kernel_size, "kernel_size")
        step = pair(stride, "stride")
        spread = pair(dilation, "dilation")
        four = padding_amounts(padding, size, kernel, stride=step, dilation=spread)
        height, width = (
            output_size(n, f, padding=p, stride=s, dilation=d, ceil_mode=ceil_mode)
            for n, f, p, s, d in zip(size, kernel, (four[:2], four[2:]), step, spread, strict=True)
        )
        return cls(size, kernel, step, four, spread, (height, width))

    @property
    def span(self) -> Pair:
        """(height, width) in pixels that one window covers, dilation included."""
        height, width = map(effective_size, self.kernel_size, self.dilation)
        return height, width

    @property
    def reach(self) -> Pair:
        """(height, width) of the padded input that the windows need; more than it has in ceil mode."""
        axes = zip(self.output_size, self.stride, self.span, strict=True)
        height, width = ((positions - 1) * stride + span for positions, stride, span in axes)
        return height, width

    @property
    def corner(self) -> Pair:
        """(row, column) of the input's first pixel in the padded input."""
        return self.padding[0], self.padding[2]

    def seen(self, axis: int, tap: int) -> slice:
        """Return the padded rows (axis 0) or columns (1) that one tap sees from all positions of the window."""
        first, stride = tap * self.dilation[axis], self.stride[axis]
        return slice(first, first + (self.output_size[axis] - 1) * stride + 1, stride)

    def rows(self, start: int, stop: int) -> "Window":
        """Return the window over the padded rows that the output rows [start, stop) need, without vertical padding."""
        height = (stop - start - 1) * self.stride[0] + self.span[0]
        padding, output_size = (0, 0, *self.padding[2:]), (stop - start, self.output_size[1])
        return self._replace(size=(height, self.size[1]), padding=padding, output_size=output_size)


def pair(value: IntOrPair, name: str) -> Pair:
    """Return a positive integer or a pair of them as a (vertical, horizontal) pair.

    Raises:
        ArgumentError: anything else, by name.

    Example:
        >>> pair(2, "stride")
        (2, 2)
    """
    if isinstance(value, Sequence) and len(value) == 2:
        return _positive(value[0], name), _positive(value[1], name)
    return (_positive(value, name),) * 2


def padding_amounts(
    padding: Padding, size: Pair, kernel_size: Pair, *, stride: Pair = (1, 1), dilation: Pair = (1, 1)
) -> Four:
    """Return padding in any of its forms as (top, bottom, left, right) pixels.

    Args:
        padding: `"valid"`, `"same"`, an integer, a pair (vertical, horizontal) or four (top, bottom, left, right).
        size: (height, width) of the input.
        kernel_size: (height, width) of the window.
        stride: (vertical, horizontal).
        dilation: (vertical, horizontal).

    Raises:
        ArgumentError: any other form, or a negative amount.

    Example:
        >>> padding_amounts("same", (6, 6), (3, 3))
        (1, 1, 1, 1)
        >>> padding_amounts((0, 2), (6, 6), (3, 3))
        (0, 0, 2, 2)
    """
    if isinstance(padding, str):
        rows, columns = (
            _axis_padding(padding, n, f, s, d) for n, f, s, d in zip(size, kernel_size, stride, dilation, strict=True)
        )
        return (*rows, *columns)
    match _amounts(padding):
        case (top, bottom, left, right):
            return top, bottom, left, right
        case (vertical,):
            return (vertical,) * 4
        case (vertical, horizontal):
            return vertical, vertical, horizontal, horizontal
    raise _bad_padding(padding)


def _axis_padding(padding: Padding, n: int, kernel_size: int, stride: int, dilation: int) -> Pair:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return same_padding(n, kernel_size, stride=stride, dilation=dilation)
    if isinstance(padding, str):
        raise _bad_padding(padding)
    match _amounts(padding):
        case (both,):
            return both, both
        case (before, after):
            return before, after
    raise ArgumentError(f"padding along one axis must be an integer from 0 or a pair (before, after), got {padding!r}")


def _amounts(padding: int | Sequence[int]) -> tuple[int, ...]:
    """Return amounts as a tuple of integers from 0, or an empty one where they are anything else."""
    values = padding if isinstance(padding, Sequence) else (padding,)
    amounts = tuple(amount for amount in map(_integer, values) if amount is not None and amount >= 0)
    return amounts if len(amounts) == len(values) else ()


def _bad_padding(padding: object) -> ArgumentError:
    return ArgumentError(
        "padding must be 'valid', 'same', an integer from 0, a pair (vertical, horizontal) or four "
        f"(top, bottom, left, right), got {padding!r}"
    )


def _positive(value: object, name: str) -> int:
    number = _integer(value)
    if number is None or number < 1:
        raise ArgumentError(f"{name} must be a positive integer, got {value!r}")
    return number


def _integer(value: Any) -> int | None:
    # NumPy's integers are welcome, but this module does not load NumPy: all of them have __index__.
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None
