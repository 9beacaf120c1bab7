"""The arithmetic of one layer along one axis, forwards and backwards, with its working.

Formulas and symbols are those of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
(arXiv:1603.07285): n input size, f filter size, p padding, s stride, d dilation.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.shapes import (
    Pair,
    check_output_padding,
    effective_size,
    output_size,
    overhang,
    same_padding,
    transposed_same_padding,
    transposed_size,
)

SEARCHED = 1_000
"""The largest filter, in pixels, for which paddings are searched."""

LISTED = 100_000
"""The most answers to one question that are listed."""


class Axis(NamedTuple):
    """One layer along one axis: everything but the size of its input.

    Attributes:
        kernel_size: filter size f in taps.
        stride: step s between positions; for a transposed layer, between its outputs.
        padding: `"valid"`, `"same"` or pixels (before, after).
        dilation: distance d between the filter's taps.
        ceil_mode: keep a last, partial window.
        transposed: the layer that undoes the shape of this one.
        output_padding: pixels added after the output of a transposed layer.

    Example:
        >>> Axis(3).output_size(39)
        37
        >>> Axis(4, stride=2, padding=(1, 1), transposed=True).output_size(16)
        32
    """

    kernel_size: int
    stride: int = 1
    padding: str | Pair = (0, 0)
    dilation: int = 1
    ceil_mode: bool = False
    transposed: bool = False
    output_padding: int = 0

    @property
    def span(self) -> int:
        """Pixels that the dilated filter covers, d(f - 1) + 1."""
        return effective_size(self.kernel_size, self.dilation)

    def amounts(self, n: int) -> Pair:
        """Return the padding in pixels (before, after) for an input of n pixels."""
        if self.padding == "valid":
            return 0, 0
        if isinstance(self.padding, tuple):
            return self.padding
        if not self.transposed:
            return same_padding(n, self.kernel_size, stride=self.stride, dilation=self.dilation)
        return transposed_same_padding(self.kernel_size, stride=self.stride, dilation=self.dilation)[0]

    @property
    def added(self) -> int:
        """Pixels added after the output of a transposed layer; `same` adds what its n * s output lacks."""
        if self.padding != "same":
            return self.output_padding
        return transposed_same_padding(self.kernel_size, stride=self.stride, dilation=self.dilation)[1]

    def output_size(self, n: int) -> int:
        """Return the number of positions for an input of n pixels.

        floor((n + 2p - d(f - 1) - 1)/s + 1), or (n - 1)s - 2p + d(f - 1) + op + 1 for a transposed layer.

        Raises:
            ArgumentError: the filter does not fit, or a value cannot be used.
        """
        if self.transposed:
            self._check_transposed()
        size = self._formula(n)
        if size < 1:
            raise ArgumentError(f"a total padding of {sum(self.amounts(n))} leaves no output: use less padding")
        return size

    def _formula(self, n: int) -> int:
        """Return the output size; for a transposed layer it may be less than 1."""
        f, s, p, d = self.kernel_size, self.stride, self.amounts(n), self.dilation
        if self.transposed:
            return transposed_size(n, f, padding=p, stride=s, dilation=d, output_padding=self.added)
        return output_size(n, f, padding=p, stride=s, dilation=d, ceil_mode=self.ceil_mode)

    def _check_transposed(self) -> None:
        if self.ceil_mode:
            raise ArgumentError("a transposed layer does not round: leave ceil mode out")
        check_output_padding(self.output_padding, padding=self.padding, stride=self.stride, dilation=self.dilation)

    def unused(self, n: int) -> int:
        """Return how many pixels at the end of the padded input no window reaches."""
        if self.transposed:
            return 0
        reach = (self.output_size(n) - 1) * self.stride + self.span
        return max(0, n + sum(self.amounts(n)) - reach)

    def dropped(self, n: int) -> int:
        """Return how many pixels at the end of the input itself, padding apart, no window reaches.

        Example:
            >>> Axis(2, stride=2).dropped(7)
            1
            >>> Axis(7, stride=2, padding=(3, 3)).dropped(224)
            0
        """
        return max(0, self.unused(n) - self.amounts(n)[1])


def inputs_for(size: int, axis: Axis) -> range:
    """Return the input sizes from which a layer makes an output of this size.

    Args:
        size: the wanted output size in pixels.
        axis: the layer.

    Returns:
        Consecutive input sizes in pixels; empty where no input does.

    Example:
        >>> list(inputs_for(7, Axis(3, stride=2)))
        [15, 16]
        >>> list(inputs_for(7, Axis(3)))
        [9]
    """
    _check_size(size)
    padding = 0 if isinstance(axis.padding, str) else sum(axis.padding)
    smallest = 1
    if not axis.transposed and axis.padding != "same":
        smallest = max(1, axis.span - padding - overhang(axis.stride, axis.ceil_mode))
    sizes = range(smallest, smallest + (size + 1) * axis.stride + axis.span + padding)
    axis.output_size(sizes[-1])  # an axis that cannot be used is refused, whatever its input
    return _answering(sizes, axis._formula, size)


class Setting(NamedTuple):
    """A padding, and the strides which with it give the wanted output.

    Attributes:
        padding: `"valid"`, `"same"` or pixels (before, after).
        strides: consecutive strides.
        unbounded: any larger stride does as well.
    """

    padding: str | Pair
    strides: range
    unbounded: bool

    @property
    def uneven(self) -> bool:
        """True if one side is padded by more pixels than the other."""
        return isinstance(self.padding, tuple) and self.padding[0] != self.padding[1]


def settings_for(size: int, n: int, axis: Axis, *, any_padding: bool = True, any_stride: bool = True) -> list[Setting]:
    """Return the paddings and strides with which a layer makes `size` of n pixels, smallest strides first.

    Paddings stay below the filter on each side, where every window still sees a pixel of the input; an odd total
    puts its odd pixel after, as `same` does.

    Args:
        size: the wanted output size in pixels.
        n: the input size in pixels.
        axis: the layer.
        any_padding: try every padding, not only the layer's own.
        any_stride: try every stride, not only the layer's own.

    Raises:
        ArgumentError: a filter that spans more than `SEARCHED` pixels, or values that cannot be used.

    Example:
        >>> [(setting.padding, list(setting.strides)) for setting in settings_for(112, 224, Axis(7))]
        [((3, 3), [2]), ((2, 3), [2])]
    """
    _check_size(size)
    if any_padding and axis.span > SEARCHED:
        raise ArgumentError(f"paddings are searched for filters of up to {SEARCHED} pixels, got one of {axis.span}")
    if axis.transposed:
        smallest = axis.output_padding + 1 if any_stride else axis.stride
        axis._replace(stride=smallest, padding=(0, 0) if any_padding else axis.padding)._check_transposed()
    totals = range(2 * axis.span - 1)
    paddings = [(total // 2, total - total // 2) for total in totals] if any_padding else [axis.padding]
    tried = (_setting(size, n, axis._replace(padding=padding), any_stride=any_stride) for padding in paddings)
    return sorted(filter(None, tried), key=lambda setting: (setting.strides[0], setting.uneven, setting.padding))


def _setting(size: int, n: int, axis: Axis, *, any_stride: bool) -> Setting | None:
    """Return the strides that do with the layer's padding, or None where it has none."""
    fixed = 0 if isinstance(axis.padding, str) else sum(axis.padding)
    strides = range(1, size + n + axis.span + fixed + 1)
    if axis.transposed and axis.output_padding >= axis.dilation:
        strides = range(axis.output_padding + 1, strides.stop)
    lacking = 0 if axis.transposed or axis.padding == "same" else axis.span - n - fixed
    if lacking > 0 and not axis.ceil_mode:
        return None
    if lacking > 0:  # the only window reaches past the end by less than the stride
        strides = range(lacking + 1, strides.stop)
    if not any_stride:
        strides = range(axis.stride, axis.stride + (axis.stride >= strides.start))
    found = _answering(
        strides, lambda stride: axis._replace(stride=stride)._formula(n), size, falling=not axis.transposed
    )
    unbounded = any_stride and found[-1:] == strides[-1:]
    return Setting(axis.padding, found, unbounded) if found else None


def _answering(candidates: range, produced: Callable[[int], int], size: int, *, falling: bool = False) -> range:
    """Return the consecutive candidates that produce a size; what they produce must rise, or fall."""
    sign = -1 if falling else 1
    first = bisect_left(candidates, sign * size, key=lambda candidate: sign * produced(candidate))
    stop = bisect_left(candidates, sign * size + 1, key=lambda candidate: sign * produced(candidate))
    return candidates[first:stop]


def _check_size(size: int) -> None:
    if size < 1:
        raise ArgumentError(f"the wanted size must be a positive integer, got {size}")


def keeping_padding(axis: Axis, n: int = 1) -> Pair:
    """Return the padding (before, after) with which a layer's output is as large as its input.

    With a stride of 1 it is (d(f - 1))/2 on both sides for an odd filter, whatever the input; an even filter
    needs one pixel more after than before.

    Args:
        axis: the layer; its padding does not count.
        n: the input size in pixels; it counts for strides above 1 only.

    Raises:
        ArgumentError: values that cannot be used.

    Example:
        >>> keeping_padding(Axis(5))
        (2, 2)
        >>> keeping_padding(Axis(4))
        (1, 2)
        >>> keeping_padding(Axis(6, stride=2, ceil_mode=True), 15)
        (10, 10)
    """
    axis = axis._replace(padding=(0, 0))
    axis.output_size(max(n, axis.span))  # an axis that cannot be used is refused
    total = (n - 1) * axis.stride + axis.span - n + axis.added
    if axis.ceil_mode:
        total = _keeping_in_ceil_mode(axis, n, total)
    return total // 2, total - total // 2


def _keeping_in_ceil_mode(axis: Axis, n: int, floors: int) -> int:
    """Return the least total padding that keeps the size in ceil mode, from the least that keeps it rounding down.

    The last window may hang over the end, but must start before the padding that follows the input: (n - 1)s < n + p.
    Where the padding is too short for that, one pixel more makes a window more, which is left out in its stead.
    """
    starts = 2 * ((n - 1) * axis.stride - n + 1)
    least = max(0, floors - overhang(axis.stride, ceil_mode=True), starts)
    return least if least <= floors else floors + 1


def working(axis: Axis, n: int, sides: tuple[str, str] = ("top and left", "bottom and right")) -> list[str]:
    """Return the formula of a layer's output size, its numbers, the quotient before rounding, and what is left over.

    Args:
        axis: the layer.
        n: the input size in pixels.
        sides: the names of the sides before and after the axis.

    Returns:
        Lines of text.

    Raises:
        ArgumentError: the filter does not fit, or a value cannot be used.

    Example:
        >>> for line in working(Axis(4, stride=2), 7):
        ...     print(line)
        floor((n + 2p - f)/s + 1)
        = floor((7 + 2*0 - 4)/2 + 1)
        = floor(3/2 + 1)
        = floor(2.5)
        = 2
        dropped: 1 pixel at the bottom and right
    """
    size = axis.output_size(n)
    return [*_padding_working(axis, n, sides), *_formula_working(axis, n), f"= {size}", *_leftovers(axis, n, sides)]


def sum_in_a_line(axis: Axis, n: int) -> str:
    """Return the formula with its numbers and its result.

    Example:
        >>> sum_in_a_line(Axis(7, stride=2, padding=(3, 3)), 224)
        'floor((224 + 2*3 - 7)/2 + 1) = 112'
    """
    size = axis.output_size(n)
    left_out = " - 1" if _left_out(axis, n) else ""
    return f"{_formula_working(axis, n)[1].removeprefix('= ')}{left_out} = {size}"


def formula(axis: Axis, n: int) -> str:
    """Return the formula in symbols.

    Example:
        >>> formula(Axis(7, stride=2, padding=(3, 3)), 224)
        'floor((n + 2p - f)/s + 1)'
    """
    return _formula_working(axis, n)[0]


def keeping_working(axis: Axis, n: int = 1, sides: tuple[str, str] = ("top and left", "bottom and right")) -> list[str]:
    """Return why a padding keeps the size, in lines of text.

    Example:
        >>> for line in keeping_working(Axis(4)):
        ...     print(line)
        2p = f - 1 = 4 - 1 = 3
        p = 1.5 is not an integer: 1 at the top and left, 2 at the bottom and right, as same does
    """
    before, after = keeping_padding(axis, n)
    where = f"{before}" if before == after else f"{before} at the {sides[0]}, {after} at the {sides[1]}"
    if axis.ceil_mode and axis.stride > 1:
        padded = axis._replace(padding=(before, after))
        return [f"p = {where}, the least that keeps the size", sum_in_a_line(padded, n), *_left_out(padded, n)]
    f, s, d = axis.kernel_size, axis.stride, axis.dilation
    symbols, numbers = ("f - 1", f"{f} - 1") if d == 1 else ("d(f - 1)", f"{d}*({f} - 1)")
    if s > 1:
        symbols, numbers = f"(n - 1)(s - 1) + {symbols}", f"({n} - 1)*({s} - 1) + {numbers}"
    if axis.transposed and axis.output_padding:
        symbols, numbers = f"{symbols} + op", f"{numbers} + {axis.output_padding}"
    lines = [f"2p = {symbols} = {numbers} = {before + after}"]
    if before == after:
        return [*lines, f"p = {where}"]
    known = ", as same does" if s == 1 and not axis.transposed else ""
    return [*lines, f"p = {_decimal(before + after, 2)} is not an integer: {where}{known}"]


def _padding_working(axis: Axis, n: int, sides: tuple[str, str]) -> list[str]:
    before, after = axis.amounts(n)
    lines = []
    if axis.padding == "same" and not axis.transposed:
        outputs = -(-n // axis.stride)
        reach = f"({outputs} - 1)*{axis.stride} + {axis.span}"
        lines.append(f"same: ceil(n/s) = ceil({n}/{axis.stride}) = {outputs} positions")
        lines.append(f"they reach over {reach} = {(outputs - 1) * axis.stride + axis.span} pixels, the input has {n}")
    if axis.padding == "same" or before != after:
        lines.append(f"padding: {before} at the {sides[0]}, {after} at the {sides[1]}")
    return lines


def _formula_working(axis: Axis, n: int) -> list[str]:
    f, s, d, (before, after) = axis.kernel_size, axis.stride, axis.dilation, axis.amounts(n)
    sign = "-" if axis.transposed else "+"
    symbols, numbers = f"{sign} 2p", f"{sign} 2*{before}"
    if before != after:
        symbols, numbers = f"{sign} p1 {sign} p2", f"{sign} {before} {sign} {after}"
    if axis.transposed:
        return [
            f"(n - 1)s {symbols} + d(f - 1) + op + 1",
            f"= ({n} - 1)*{s} {numbers} + {d}*({f} - 1) + {axis.added} + 1",
        ]
    rounding = "ceil" if axis.ceil_mode else "floor"
    span, filled = ("f", f"{f}") if d == 1 else ("d(f - 1) - 1", f"{d}*({f} - 1) - 1")
    room = n + before + after - axis.span
    return [
        f"{rounding}((n {symbols} - {span})/s + 1)",
        f"= {rounding}(({n} {numbers} - {filled})/{s} + 1)",
        f"= {rounding}({room}/{s} + 1)",
        f"= {rounding}({_decimal(room + s, s)})",
    ]


def _decimal(numerator: int, denominator: int) -> str:
    """Return a quotient to three decimals, exactly where these are enough."""
    whole, rest = divmod(numerator, denominator)
    thousandths, more = divmod(rest * 1000, denominator)
    if not rest:
        return str(whole)
    return f"{whole}.{thousandths:03d}..." if more else f"{whole}.{thousandths:03d}".rstrip("0")


def _leftovers(axis: Axis, n: int, sides: tuple[str, str]) -> list[str]:
    if axis.transposed:
        return []
    lines = _left_out(axis, n)
    dropped, unused = axis.dropped(n), axis.unused(n)
    lines.append(f"dropped: {_pixels(dropped)} at the {sides[1]}" if dropped else "dropped: no pixel of the input")
    if unused > dropped:
        lines.append(f"unused: {_pixels(unused - dropped)} of the padding at the {sides[1]}")
    if axis.stride > axis.span and axis.output_size(n) > 1:
        lines.append(f"skipped: {_pixels(axis.stride - axis.span)} between one window and the next")
    return lines


def _left_out(axis: Axis, n: int) -> list[str]:
    if axis.ceil_mode and -(-(n + sum(axis.amounts(n)) - axis.span) // axis.stride) + 1 > axis.output_size(n):
        return ["the last window would start in the padding after the input: it is left out"]
    return []


def _pixels(count: int) -> str:
    return f"{count} pixel" if count == 1 else f"{count} pixels"
