"""Pooling: windows that slide over each channel separately."""

from collections.abc import Iterator
from itertools import product
from math import gcd, prod
from typing import Any, ClassVar

from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, image_shape, scale_and_shift, slide
from cnncli.networks.layers.late import Array, Context, Gradients, Params, norm_ops, np, pool_ops, row_ops, sampling_ops
from cnncli.networks.layers.pointwise import Linear
from cnncli.networks.layers.resampling import Resampling
from cnncli.networks.summary import ReceptiveField
from cnncli.shapes import Four, Pair, Shape, Window, show_shape

WINDOW: Pair = (0, 0)
"""The stride that means the size of the window."""


class Pool(Layer):
    """A window that slides over each channel separately; subclasses define the result of a window."""

    size_field = "kernel_size"
    reach = "window"
    light = True
    keeps = ()

    kernel_size: Pair
    stride: Pair = WINDOW

    def validate(self) -> None:
        """Settle the stride: the window's size, where it is not given."""
        if self.stride in (WINDOW, None):
            self.normalize(stride=self.kernel_size)
        super().validate()

    def default(self, name: str) -> Any:
        """Return the default: of the stride, the window's size."""
        return self.kernel_size if name == "stride" else super().default(name)

    def window(self, input_shape: Shape) -> Window:
        more = getattr(self, "padding", "valid"), getattr(self, "dilation", (1, 1)), getattr(self, "ceil_mode", False)
        window = slide(self, input_shape, self.kernel_size, self.stride, *more)
        if _sees_padding_alone(window):
            got = f"windows that see padding alone on {show_shape(window.size)}"
            raise ShapeError(self, "a pixel in every window", got, _fitting(window))
        return window

    def output_shape(self, input_shape: Shape) -> Shape:
        return *self.window(input_shape).output_size, input_shape[2]

    def connections(self, input_shape: Shape) -> int:
        return prod(self.output_shape(input_shape)) * prod(self.kernel_size)


def _sees_padding_alone(window: Window) -> bool:
    size, _, stride, padding, dilation, positions = window
    axes = zip(size, padding[::2], window.span, stride, dilation, positions, strict=True)
    return any(_axis_sees_padding_alone(*axis) for axis in axes)


def _axis_sees_padding_alone(n: int, before: int, span: int, stride: int, dilation: int, positions: int) -> bool:
    if before >= span or (positions - 1) * stride - before >= n:
        return True
    # Of a window that begins in the padding, the first tap past it may leap over the whole input.
    starts = range(-before, min(0, (positions - 1) * stride - before + 1), stride)
    return dilation > n and any(start % dilation >= n for start in starts)


def _fitting(window: Window) -> str:
    field, (down, across) = "padding p", (span // 2 for span in window.span)
    if any(d > n for d, n in zip(window.dilation, window.size, strict=True)):
        field, (down, across) = "dilation d", map(min, window.dilation, window.size)
    return f"{field}{down if down == across else show_shape((down, across))} at most"


class MaxPool(Pool):
    """The maximum of each window: `max2`; the stride is the window's size unless given, `max3,s2`. Padding never wins.

    Example:
        >>> MaxPool((3, 3), (2, 2)).output_shape((55, 55, 96))
        (27, 27, 96)
    """

    op = "max"
    takes_maxima = True
    needs = ("winners",)

    padding: str | Four = "valid"
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        window = context.plan(x.shape, self.window)
        out = context.output((len(x), *window.output_size, x.shape[3]), x.dtype)
        if context.shared.inference:
            pool_ops.max_pool(x, window, out, context.memory)
            return out, None
        winners = context.kept("winners", out.shape, pool_ops.winner_type(window))
        pool_ops.max_pool_forward(x, window, out, winners, context.memory)
        return out, (winners, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: each window's gradient goes to its maximum."""
        winners, shape = cache
        out = context.gradient(shape, grad.dtype)
        pool_ops.max_pool_backward(grad, context.plan(shape, self.window), winners, out, context.memory)
        return out, {}


class AvgPool(Pool):
    """The mean of each window: `avg2`. Padding is not counted, unless `count_include_pad`.

    Example:
        >>> str(AvgPool((3, 3), (1, 1), "same"))
        'avg3,s1,same'
    """

    op = "avg"

    padding: str | Four = "valid"
    ceil_mode: bool = False
    count_include_pad: bool = False

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        window = context.plan(x.shape, self.window)
        out = context.output((len(x), *window.output_size, x.shape[3]), x.dtype)
        pool_ops.avg_pool_forward(x, window, out, include_padding=self.count_include_pad, memory=context.memory)
        return out, x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: an equal share to each pixel of a window."""
        window = context.plan(cache, self.window)
        out = context.gradient(cache, grad.dtype)
        pool_ops.avg_pool_backward(grad, window, out, include_padding=self.count_include_pad, memory=context.memory)
        return out, {}


class Subsampling(Pool):
    """LeNet-5's subsampling: `sub`, the mean of 2x2 pixels times a coefficient plus a bias, both trained for each map.

    LeCun et al. 1998, section II.B.

    Example:
        >>> Subsampling().param_shapes((28, 28, 6))
        {'weight': (6,), 'bias': (6,)}
    """

    op = "sub"

    kernel_size: Pair = (2, 2)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(input_shape)

    def connections(self, input_shape: Shape) -> int:
        return prod(self.output_shape(input_shape)) * (prod(self.kernel_size) + 1)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        window = context.plan(x.shape, self.window)
        means = context.kept("means", (len(x), *window.output_size, x.shape[3]), x.dtype)
        pool_ops.avg_pool_forward(x, window, means, include_padding=False, memory=context.memory)
        out = context.output(means.shape, x.dtype)
        norm_ops.scale_channels(means, params["weight"], params["bias"], out)
        return out, (means if context.shared.parameter_gradients else None, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        means, shape = cache
        grads = {}
        if means is not None:
            grads = {"weight": row_ops.sum_over_positions(grad * means), "bias": row_ops.sum_over_positions(grad)}
        window, out = context.plan(shape, self.window), context.gradient(shape, grad.dtype)
        grad = grad * params["weight"]
        pool_ops.avg_pool_backward(grad, window, out, include_padding=False, memory=context.memory)
        return out, grads


class GlobalPool(Layer):
    """One window that is the whole picture; or, as `gap7x7`, that many windows which together are the picture.

    Window i of k along an axis of n pixels reaches from floor(i n / k) to before ceil((i + 1) n / k), as in PyTorch's
    adaptive pooling: where k does not divide n, neighbours overlap.
    """

    pool: ClassVar[type[MaxPool | AvgPool]]
    size_field = "output_size"
    keeps = ()

    output_size: Pair = (1, 1)

    def bounds(self, input_shape: Shape) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Return each window's first and last-but-one pixel, along the height and along the width."""
        return tuple(
            tuple((i * n // k, -(-(i + 1) * n // k)) for i in range(k))
            for n, k in zip(input_shape[:2], self.output_size, strict=True)
        )

    def window(self, input_shape: Shape) -> Window | None:
        """Return the window; None where the windows differ."""
        (height, width, _), (rows, columns) = image_shape(self, input_shape), self.output_size
        if height % rows or width % columns:
            return None
        kernel = height // rows, width // columns
        stride = kernel[0] if rows > 1 else 1, kernel[1] if columns > 1 else 1
        return Window.over((height, width), kernel, stride=stride)

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return the window's; None where the windows differ."""
        window = self.window(input_shape)
        return window and before.through(window)

    def output_shape(self, input_shape: Shape) -> Shape:
        return *self.output_size, image_shape(self, input_shape)[2]

    def sliding(self, input_shape: Shape) -> Layer | None:
        """Return the pooling of a window's size, or the layer that does nothing where each window is a pixel."""
        if self.output_size == input_shape[:2]:
            return Linear()
        return self.pool((input_shape[0], input_shape[1]), (1, 1)) if self.output_size == (1, 1) else None

    def connections(self, input_shape: Shape) -> int:
        # Together the k windows of an axis are n pixels, and one more for each border that no pixel begins at.
        rows, columns = (n + k - gcd(n, k) for n, k in zip(input_shape[:2], self.output_size, strict=True))
        return rows * columns * input_shape[2]


class GlobalAvgPool(GlobalPool, Resampling):
    """The mean of each channel: `gap`; `gap7` makes 7x7 means of any picture (adaptive pooling).

    Example:
        >>> GlobalAvgPool((7, 7)).output_shape((13, 13, 512))
        (7, 7, 512)
    """

    op = "gap"
    pool = AvgPool

    def matrices(self, input_shape: Shape) -> tuple[Array, Array]:
        """Return the weights of the means, (H_out, H) and (W_out, W)."""
        axes = zip(self.bounds(input_shape), input_shape[:2], strict=True)
        rows, columns = (sampling_ops.averaging_matrix(bounds, n) for bounds, n in axes)
        return rows, columns

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        if self.output_size != (1, 1):
            return super().forward(x, params, context)
        out = context.output((len(x), 1, 1, x.shape[3]), x.dtype)
        out[:] = row_ops.image_sums(x)
        out *= x.dtype.type(1 / prod(x.shape[1:3]))
        return out, x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if self.output_size != (1, 1):
            return super().backward(grad, cache, params, context)
        out = context.gradient(cache, grad.dtype)
        out[:] = grad * grad.dtype.type(1 / prod(cache[1:3]))
        return out, {}


class GlobalMaxPool(GlobalPool):
    """The maximum of each channel: `gmp`; `gmp7` makes 7x7 maxima of any picture (adaptive pooling)."""

    op = "gmp"
    pool = MaxPool

    def _windows(self, shape: Shape) -> "Iterator[tuple[tuple[int, int], tuple[slice, slice, slice]]]":
        rows, columns = self.bounds(shape[1:])
        for (i, (top, bottom)), (j, (left, right)) in product(enumerate(rows), enumerate(columns)):
            yield (i, j), (slice(None), slice(top, bottom), slice(left, right))

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output((len(x), *self.output_size, x.shape[3]), x.dtype)
        winners = []
        for (i, j), window in self._windows(x.shape):
            pixels = x[window].reshape(len(x), -1, x.shape[3])
            winners.append(pixels.argmax(axis=1))
            out[:, i, j] = pixels.max(axis=1)
        return out, (winners, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: all to the first of the largest."""
        winners, shape = cache
        out = context.gradient(shape, grad.dtype)
        out[:] = 0
        for winner, ((i, j), window) in zip(winners, self._windows(shape), strict=True):
            share = np.zeros_like(out[window])
            won = grad[:, i, j][:, None]
            np.put_along_axis(share.reshape(len(out), -1, shape[3]), winner[:, None], won, axis=1)
            out[window] += share
        return out, {}
