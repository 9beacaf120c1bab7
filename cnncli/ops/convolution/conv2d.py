"""Convolution: one function, `conv2d`, and the strategies that it chooses from by the shape of the work."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError
from cnncli.ops.borders import OUTSIDE
from cnncli.ops.convolution import banded, fourier, products, strips, taps
from cnncli.ops.convolution.kernels import rank_one
from cnncli.ops.loading import Border
from cnncli.shapes import IntOrPair, Padding, Pair, Window


def conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    padding_value: float = 0,
    flip: bool = False,
) -> Array:
    """Cross-correlate an image, or a batch of them, with one or more kernels: what the field calls convolution.

    y[i, j, o] = bias[o] + sum over a, b, c of x[i s + a d - p, j s + b d - p, c] weight[a, b, c, o]
    (Goodfellow, Bengio and Courville, Deep Learning, equation 9.6, with stride, dilation and padding).

    Args:
        x: (H, W), (H, W, C_in) or (N, H, W, C_in).
        weight: (f_h, f_w) for a single-channel image, (f_h, f_w, C_in) for one kernel over a volume, or
            (f_h, f_w, C_in / groups, C_out).
        bias: (C_out,) or a number, added to each output channel.
        stride: pixels between positions, an int or a (vertical, horizontal) pair.
        padding: `"valid"`, `"same"` (ceil(n / s) outputs, the odd pixel at the bottom and right), pixels on every
            side, a pair (vertical, horizontal) or four (top, bottom, left, right).
        dilation: pixels between the kernel's taps, an int or a pair.
        groups: divides the channels into groups that do not see each other.
        padding_mode: what stands outside: `zeros`, `reflect` (edge pixel not repeated), `replicate`, `circular` or
            `symmetric`.
        padding_value: the constant of padding mode `zeros`.
        flip: turn the kernel by 180 degrees first: convolution as mathematics defines it.

    Returns:
        An array of as many dimensions as `x`: (N, H_out, W_out, C_out), (H_out, W_out, C_out) or, for a 2-D `x`,
        (H_out, W_out); several kernels over a 2-D `x` add a last axis. Integers with integers are exact, in the
        smallest signed type that holds every possible result. A floating-point `x` keeps its type (float16 gives
        float32); an integer `x` takes the floating-point type of weight and bias.

    Raises:
        ArgumentError: shapes that do not fit each other, or an argument that cannot be used.

    Example:
        >>> image = [[10, 10, 10, 0, 0, 0]] * 6
        >>> conv2d(image, [[1, 0, -1]] * 3)[0].tolist()
        [0, 30, 30, 0]
    """
    images, weights = as_numbers(x, "an image"), as_numbers(weight, "weight")
    work = prepare(
        images,
        weights,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=padding_mode,
        padding_value=padding_value,
        flip=flip,
    )
    result = work.run(work.choose())
    if images.ndim == 4:
        return result
    return result[0, ..., 0] if images.ndim == 2 and result.shape[3] == 1 else result[0]


class Work(NamedTuple):
    """A convolution with its arguments in normal form.

    Attributes:
        images: (N, H, W, C_in).
        weight: (f_h, f_w, C_in / groups, C_out), integer or in the type to compute in.
        bias: (C_out,) in the result's type, or None.
        groups: number of groups.
        window: the geometry.
        border: what stands outside.
        dtype: of the result.
        bound: the largest magnitude that a partial sum can have; infinite for floating point.
    """

    images: Array
    weight: Array
    bias: Array | None
    groups: int
    window: Window
    border: Border
    dtype: DType
    bound: float

    @property
    def exact(self) -> bool:
        """Whether the result is made of integers."""
        return bool(np.issubdtype(self.dtype, np.integer))

    def finite(self) -> bool:
        """Whether no pixel, and nothing outside, is infinite or not a number: such a one may spoil only its windows."""
        if self.images.dtype.kind != "f" or not self.images.size:
            return bool(np.isfinite(self.border.fill))
        seen = self.border.rows[self.border.rows != OUTSIDE]
        images = self.images[:, seen.min() : seen.max() + 1] if seen.size else self.images[:, :0]
        return bool(np.isfinite([images.min(initial=0), images.max(initial=0), self.border.fill]).all())

    def part(self, start: int, stop: int) -> "Work":
        """Return the work for the output rows [start, stop)."""
        window = self.window.rows(start, stop)
        first = start * self.window.stride[0]
        return self._replace(
            window=window, border=self.border._replace(rows=self.border.rows[first : first + window.size[0]])
        )

    def choose(self, *, spreads: bool = True) -> str:
        """Return the cheapest strategy that can do the work, whatever the pixels are; `spreads` allows all."""
        cheapest_first = sorted(STRATEGIES, key=lambda name: STRATEGIES[name].cost(self))
        allowed = (name for name in cheapest_first if spreads or not STRATEGIES[name].spreads)
        return next(name for name in allowed if STRATEGIES[name].able(self))

    def run(self, strategy: str) -> Array:
        """Compute (N, H_out, W_out, C_out) by one strategy, and by another the rows that it would spoil."""
        out = np.empty((len(self.images), *self.window.output_size, self.weight.shape[3]), self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for image, result in zip(self.images, out, strict=True):
                self._replace(images=image[None])._run_one(STRATEGIES[strategy], result)
            if self.bias is not None:
                out += self.bias
        return out

    def _run_one(self, strategy: "Strategy", out: Array) -> None:
        if not strategy.spreads or self.finite():
            strategy.run(self, self.images[0], out)
            return
        careful = STRATEGIES[self.choose(spreads=False)]
        together = strategy.together(self)
        for start in range(0, len(out), together):
            stop = min(start + together, len(out))
            part = self.part(start, stop)
            run = strategy.run if part.finite() else careful.run
            run(part, self.images[0], out[start:stop])


class Strategy(NamedTuple):
    """A way to compute a convolution.

    Attributes:
        able: whether it gives the right result for this work where all pixels are finite.
        cost: estimated nanoseconds for one output position, all channels.
        run: computes one image (H, W, C_in) into (H_out, W_out, C_out).
        together: how many rows of the output it computes in one go, from the first row on. A matrix product or a
            Fourier transform rounds a row in one way among these and in another among others.
        spreads: whether what is not finite would reach windows that do not hold it.
    """

    able: Callable[[Work], bool]
    cost: Callable[[Work], float]
    run: Callable[[Work, Array, Array], None]
    together: Callable[[Work], int] = lambda work: 1
    spreads: bool = False


def strip_programs(work: Work) -> list[strips.Program]:
    """Return the program of each output channel."""
    per_group = work.weight.shape[2]
    filters = work.weight.shape[3] // work.groups
    return [
        strips.compile_kernel(
            work.weight[..., number],
            range(number // filters * per_group, (number // filters + 1) * per_group),
            work.window.stride,
            work.window.dilation,
        )
        for number in range(work.weight.shape[3])
    ]


def _run_strips(work: Work, image: Array, out: Array) -> None:
    def emit(number: int, start: int, stop: int, results: list[strips.Result]) -> None:
        results[0].write(out[start:stop, :, number])

    strips.run(image, strip_programs(work), work.window, work.border, work.dtype, emit)


def _strips_cost(work: Work) -> float:
    # A pass moves 36 bytes a nanosecond through the cache, in and out of it go 4; strided or interleaved ones fewer.
    if work.weight.size > 4096:
        return float("inf")
    done = sum(strips.program_passes(program) for program in strip_programs(work))
    filters, planes = work.weight.shape[3], work.images.shape[3] * work.window.stride[0] * work.window.stride[1]
    cost = work.dtype.itemsize * (0.028 * done + 0.25 * filters) + 0.5 * (planes - 1)
    # A strip is loaded with all that its taps see.
    return float(cost * _waste(work.window, 400_000 / work.dtype.itemsize))


def _waste(window: Window, strip_pixels: float) -> float:
    """Return how many pixels of a strip are loaded for each that it gives.

    The image's height does not count: bands of an image and the whole must be computed alike, to the last bit.
    """
    down, across = ((span - 1) // stride for span, stride in zip(window.span, window.stride, strict=True))
    width = window.output_size[1]
    height = max(1.0, strip_pixels / (width + across))
    return float((height + down) * (width + across) / (height * width))


def _taps_cost(work: Work) -> float:
    # Taking pixels through an index costs 4 ns a channel, and a product 1 ns.
    per_tap = 4.0 * work.images.shape[3] + work.weight.shape[2] * work.weight.shape[3]
    return float(work.weight[..., 0, 0].size * per_tap)


def _run_taps(work: Work, image: Array, out: Array) -> None:
    taps.run(image, work.weight.astype(work.dtype), work.groups, work.window, work.border, out)


def _product_dtype(work: Work) -> DType:
    """The type whose matrix products are exact: BLAS where every partial sum is an exact float, else int64."""
    if not work.exact:
        return work.dtype
    return np.dtype(np.float32 if work.bound < 2**24 else np.float64 if work.bound < 2**53 else np.int64)


def _products_rows(work: Work) -> int:
    return products.rows_together(work.window, work.weight.shape[2])


def _run_products(work: Work, image: Array, out: Array) -> None:
    weight = work.weight.astype(_product_dtype(work))
    products.run(image, weight, work.groups, work.window, work.border, out)


def _products_cost(work: Work) -> float:
    # Copying a number into the columns takes 0.4 ns; a multiply-add 0.03 ns in float32, with no BLAS 2 ns.
    dtype = _product_dtype(work)
    taps, per_group, filters = work.weight[..., 0, 0].size, work.weight.shape[2], work.weight.shape[3]
    multiply = 2.0 if dtype == np.int64 else 0.008 * dtype.itemsize
    # A matrix of one column is a matrix-vector product, which is bound by memory.
    cost = taps * per_group * (0.4 * work.groups + multiply * max(filters, 8 * work.groups))
    return float(cost * _waste(work.window, products.BLOCK_NUMBERS / taps))


def _banded_able(work: Work) -> bool:
    simple = work.window.stride == work.window.dilation == (1, 1) and work.weight.shape[2] == 1 and not work.exact
    return simple and all(rank_one(work.weight[:, :, 0, number]) for number in range(work.weight.shape[3]))


def _banded_cost(work: Work) -> float:
    reached = 2 * banded.BAND + sum(work.window.kernel_size)
    return float(0.014 * work.dtype.itemsize * work.weight.shape[3] * reached)


def _banded_rows(work: Work) -> int:
    return banded.rows_together(work.window, work.dtype)


def _run_banded(work: Work, image: Array, out: Array) -> None:
    banded.run(image, work.weight, work.groups, work.window, work.border, out)


def _run_fourier(work: Work, image: Array, out: Array) -> None:
    weight = work.weight.astype(np.float64 if work.exact else work.dtype)
    fourier.run(image, weight, work.groups, work.window, work.border, out)


def _fourier_able(work: Work) -> bool:
    # Rounding recovers integers while the error, some 1e-16 of the bound times log2(tile), is far below one half.
    return not work.exact or work.bound < 2**40


def _fourier_rows(work: Work) -> int:
    return fourier.rows_together(work.window)


def _fourier_cost(work: Work) -> float:
    transforms, spectra = work.images.shape[3] + work.weight.shape[3], work.weight.shape[2] * work.weight.shape[3]
    # Positions between strides are computed too, and a wide kernel needs a larger tile than its outputs pay for.
    positions = work.window.stride[0] * work.window.stride[1]
    positions *= max(1, 2 * max(work.window.span) // fourier.TILE) ** 2
    return float((6 * transforms + 5 * (spectra - 1)) * positions * (2 if work.exact else 1))


STRATEGIES: dict[str, Strategy] = {
    "strips": Strategy(lambda work: True, _strips_cost, _run_strips),
    # The zeros of a banded matrix would carry what is not finite to other windows, and a transform to the whole tile.
    "banded": Strategy(_banded_able, _banded_cost, _run_banded, _banded_rows, spreads=True),
    "products": Strategy(lambda work: True, _products_cost, _run_products, _products_rows),
    "taps": Strategy(lambda work: True, _taps_cost, _run_taps),
    "fourier": Strategy(_fourier_able, _fourier_cost, _run_fourier, _fourier_rows, spreads=True),
}


def rows_together(
    x: Array, weight: Array, *, stride: Pair, padding: Padding, dilation: Pair, padding_mode: str, groups: int = 1
) -> int:
    """Return the number of rows at whose multiples `conv2d`'s output can be cut without changing a bit.

    Args:
        x: an image (H, W) or (H, W, C) of any height that one window covers; its numbers do not matter.
        weight: as in `conv2d`, like all that follows.
        stride: (vertical, horizontal).
        padding: the vertical one does not matter.
        dilation: (vertical, horizontal).
        padding_mode: what stands outside.
        groups: number of groups.

    Example:
        >>> options = {"stride": (1, 1), "padding": "valid", "dilation": (1, 1), "padding_mode": "zeros"}
        >>> rows_together(np.zeros((3, 1000)), np.ones((3, 3), int), **options)
        1
    """
    work = prepare(
        x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups, padding_mode=padding_mode
    )
    return 1 if work.exact else STRATEGIES[work.choose()].together(work)


def prepare(
    x: Array,
    weight: Array,
    bias: npt.ArrayLike | None,
    *,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int,
    padding_mode: str,
    padding_value: float = 0,
    flip: bool = False,
) -> Work:
    """Check the arguments of `conv2d` and bring them into normal form."""
    images, weight = as_batch(x), _as_hwio(weight)
    _check_channels(images.shape[3], weight.shape, groups)
    window = Window.over(images.shape[1:3], weight.shape[:2], stride=stride, padding=padding, dilation=dilation)
    if images.dtype.kind in "iu" and not float(padding_value).is_integer():
        raise ArgumentError(f"padding_value must be an integer for an image of {images.dtype}, got {padding_value}")
    border = Border.around(window, padding_mode, padding_value)
    offset = None if bias is None else _as_bias(np.asarray(bias), weight.shape[3])
    if flip:
        weight = weight[::-1, ::-1]
    dtype, bound = result_type(images, weight, offset, padding_value)
    if not np.issubdtype(dtype, np.integer):
        weight = weight.astype(dtype)
    return Work(images, weight, None if offset is None else offset.astype(dtype), groups, window, border, dtype, bound)


def as_numbers(x: npt.ArrayLike, what: str) -> Array:
    """Return what NumPy makes of an argument.

    Raises:
        ArgumentError: rows of different lengths, or what are no real numbers.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ArgumentError(f"{what} is made of rows of equal length: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{what} is made of real numbers, got {array.dtype}")
    return array


def as_batch(x: Array) -> Array:
    """Return (H, W), (H, W, C) or (N, H, W, C) as (N, H, W, C).

    Raises:
        ArgumentError: another number of dimensions, or numbers that are not real.
    """
    if x.ndim not in (2, 3, 4):
        raise ArgumentError(f"an image has the shape (H, W), (H, W, C) or (N, H, W, C), got {x.shape}")
    x = x.astype(np.uint8) if x.dtype.kind == "b" else x
    return x[None, :, :, None] if x.ndim == 2 else x[None] if x.ndim == 3 else x


def _as_hwio(weight: Array) -> Array:
    if weight.ndim not in (2, 3, 4) or 0 in weight.shape:
        raise ArgumentError(
            f"weight has the shape (f_h, f_w), (f_h, f_w, C_in) or (f_h, f_w, C_in / groups, C_out), got {weight.shape}"
        )
    if weight.dtype.kind != "f":
        if weight.max() > np.iinfo(np.int64).max:
            raise ArgumentError(f"integer weights have at most 64 bits with their sign, got {weight.max()}")
        # Nothing that is computed from them may wrap around.
        weight = weight.astype(np.int64)
    return weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim))


def _as_bias(bias: Array, filters: int) -> Array:
    if bias.dtype.kind not in "biuf" or bias.shape not in ((), (1,), (filters,)):
        raise ArgumentError(f"bias is a number or {filters}, one an output channel, got {bias.dtype} {bias.shape}")
    return np.broadcast_to(bias, (filters,))


def _check_channels(channels: int, weight: tuple[int, ...], groups: int) -> None:
    per_group, filters = weight[2:]
    if not isinstance(groups, int | np.integer) or groups < 1 or channels % groups or filters % groups:
        raise ArgumentError(f"groups must divide the {channels} input and {filters} output channels, got {groups}")
    if per_group * groups != channels:
        raise ArgumentError(
            f"weight {weight} takes {per_group * groups} input channels with groups={groups}, the image has {channels}"
        )


def result_type(images: Array, weight: Array, bias: Array | None, fill: float) -> tuple[DType, float]:
    """Return the type of a convolution's result and the largest magnitude of its partial sums."""
    if images.dtype.kind == "f":
        return np.promote_types(images.dtype, np.float32), np.inf
    kinds = [array.dtype for array in (weight, bias) if array is not None and array.dtype.kind == "f"]
    if kinds:
        return np.result_type(*kinds, np.float32), np.inf
    limits = np.iinfo(images.dtype)
    low, high = _sums(weight, bias, min(limits.min, int(fill)), max(limits.max, int(fill)))
    if not _fits(low, high, np.int64):
        # The type allows more than int64 holds; what the image really holds may be less.
        least, most = (int(images.min()), int(images.max())) if images.size else (0, 0)
        low, high = _sums(weight, bias, min(least, int(fill)), max(most, int(fill)))
        if not _fits(low, high, np.int64):
            raise ArgumentError(
                f"the sums of an image of {images.dtype} with these weights exceed 64 bits: convert it to float64"
            )
        return np.dtype(np.int64), max(-low, high)
    dtype = next(dtype for dtype in (np.int16, np.int32, np.int64) if _fits(low, high, dtype))
    return np.dtype(dtype), max(-low, high)


def _sums(weight: Array, bias: Array | None, lowest: int, highest: int) -> tuple[int, int]:
    """Return bounds of every partial sum, in Python's unbounded integers."""
    low = high = 0
    for number in range(weight.shape[3]):
        weights = weight[..., number].ravel().tolist()
        positive, negative = sum(w for w in weights if w > 0), sum(w for w in weights if w < 0)
        offset = 0 if bias is None else int(bias[number])
        high = max(high, positive * max(highest, 0) + negative * min(lowest, 0) + max(offset, 0))
        low = min(low, positive * min(lowest, 0) + negative * max(highest, 0) + min(offset, 0))
    return low, high


def _fits(low: int, high: int, dtype: type[np.signedinteger[Any]]) -> bool:
    return np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max
