"""Convolutions: filters that slide over a volume."""

from math import prod
from typing import TYPE_CHECKING, Any

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, picture, slide, uneven_groups
from cnncli.networks.summary import FilterShape, ReceptiveField
from cnncli.shapes import Four, Pair, Shape, Window

if TYPE_CHECKING:  # what only computes shapes loads no NumPy
    from cnncli.networks.layers.context import Array, Context, Gradients, Params

TABLE = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)
"""The input maps that each of the 16 maps of LeNet-5's C3 sees (LeCun et al. 1998, table I)."""

_TABLE_INPUTS = [channel for channels in TABLE for channel in channels]
_TABLE_OUTPUTS = [number for number, channels in enumerate(TABLE) for _ in channels]


class Conv(Layer):
    """A convolution: `conv3-64` has 64 filters of 3x3.

    Weights are `(f_h, f_w, C_in / groups, C_out)`. With `table` they are LeNet-5's sparse C3, from 6 maps to 16: one
    kernel for each pair of `TABLE`, in its order, `(f_h, f_w, 60)`.

    Example:
        >>> str(Conv((3, 3), 64, padding="same")), Conv((3, 3), 10).param_shapes((6, 6, 3))
        ('conv3-64,same', {'weight': (3, 3, 3, 10), 'bias': (10,)})
    """

    op = "conv"
    size_field = "kernel_size"
    filters_field = "out_channels"

    kernel_size: Pair
    out_channels: int
    stride: Pair = (1, 1)
    padding: str | Four = "valid"
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    table: bool = False

    def validate(self) -> None:
        super().validate()
        if self.out_channels % self.groups:
            raise ArgumentError(f"{self.out_channels} filters do not divide into g{self.groups} equal groups")
        if self.table and (self.out_channels, self.groups) != (len(TABLE), 1):
            raise ArgumentError(f"table connects {len(TABLE)} maps, in one group: conv5-{len(TABLE)},table")

    def window(self, input_shape: Shape) -> Window:
        return slide(self, input_shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def output_shape(self, input_shape: Shape) -> Shape:
        window = self.window(input_shape)
        self._check_channels(input_shape[2])
        return *window.output_size, self.out_channels

    def _check_channels(self, channels: int) -> None:
        if self.table and channels != 6:
            raise ShapeError(self, "6 channels (LeNet-5's S2)", f"{channels} channels")
        if channels % self.groups:
            raise uneven_groups(self, channels, self.groups)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        pairs: Shape = (input_shape[-1] // self.groups, self.out_channels)
        if self.table:
            pairs = (sum(map(len, TABLE)),)
        shapes: dict[str, Shape] = {"weight": (*self.kernel_size, *pairs)}
        return {**shapes, "bias": (self.out_channels,)} if self.bias else shapes

    def macs(self, input_shape: Shape) -> int:
        return prod(self.window(input_shape).output_size) * prod(self.param_shapes(input_shape)["weight"])

    def connections(self, input_shape: Shape) -> int:
        numbers = sum(map(prod, self.param_shapes(input_shape).values()))
        return prod(self.window(input_shape).output_size) * numbers

    def _plan(self, input_shape: Shape, context: "Context") -> Any:
        from cnncli.ops.batches.convolution_gradients import ConvolutionPlan

        window, channels = self.window(input_shape), input_shape[2]
        return ConvolutionPlan(window, channels, self.out_channels, self.groups, winograd=context.shard.winograd)

    def _dense(self, weight: "Array") -> "Array":
        """Return the weights (f_h, f_w, C_in / groups, C_out), with zeros where the table connects nothing."""
        if not self.table:
            return weight
        import numpy as np

        dense = np.zeros((*self.kernel_size, 6, len(TABLE)), weight.dtype)
        dense[:, :, _TABLE_INPUTS, _TABLE_OUTPUTS] = weight
        return dense

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        from cnncli.ops.batches.rows import add_to_channels

        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        matrix = context.once("matrix", lambda: plan.algorithm.prepare(self._dense(params["weight"])))
        keeps = context.keeps_columns and context.training and plan.algorithm.copies
        name = (context.path, "columns") if keeps else "columns"
        out = context.output((len(x), *plan.geometry.window.output_size, self.out_channels), x.dtype)
        _, columns = plan.forward(x, matrix, out, context.memory, name)
        if self.bias:
            add_to_channels(out, params["bias"])
        return out, (x, columns if keeps else None)

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        from cnncli.ops.batches.rows import sum_over_positions

        x, columns = cache
        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        weight_gradient = plan.weight_gradient(grad, x, columns, context.memory, (context.path, "weights"))
        grads = {"weight": weight_gradient[:, :, _TABLE_INPUTS, _TABLE_OUTPUTS] if self.table else weight_gradient}
        if self.bias:
            grads["bias"] = sum_over_positions(grad)
        if not context.input_gradient:
            return None, grads
        matrix = context.once("input matrix", lambda: plan.input_algorithm.prepare(self._dense(params["weight"])))
        return plan.input_gradient(grad, matrix, context.gradient(x.shape, x.dtype), context.memory), grads

    def scratch_numbers(self, input_shape: Shape) -> int:
        from cnncli.ops.batches.convolution_gradients import ConvolutionPlan

        plan = ConvolutionPlan(self.window(input_shape), input_shape[2], self.out_channels, self.groups)
        return plan.numbers


class Depthwise(Layer):
    """A depthwise convolution: `dw3` has one 3x3 filter for each channel; `dw3-64` makes 64 of fewer channels.

    Weights are `(f_h, f_w, 1, C_out)`.

    Example:
        >>> Depthwise((3, 3), stride=(2, 2), padding=(1, 1, 1, 1)).output_shape((112, 112, 32))
        (56, 56, 32)
    """

    op = "dw"
    size_field = "kernel_size"
    filters_field = "out_channels"

    kernel_size: Pair
    out_channels: int | None = None
    stride: Pair = (1, 1)
    padding: str | Four = "valid"
    dilation: Pair = (1, 1)
    bias: bool = True

    def convolution(self, input_shape: Shape) -> Conv:
        """Return the same as a convolution with as many groups as channels.

        Raises:
            ShapeError: the filters are no multiple of the channels.
        """
        channels = picture(self, input_shape)[2]
        filters = self.out_channels or channels
        if filters % channels:
            nearest = channels * max(1, round(filters / channels))
            fits = f"dw{self.kernel_size[0]}-{nearest} would fit" if nearest != channels else "leave the number out"
            raise ShapeError(self, f"channels that divide {filters} filters", f"{channels} channels", fits)
        return Conv(self.kernel_size, filters, self.stride, self.padding, self.dilation, channels, self.bias)

    def window(self, input_shape: Shape) -> Window:
        return slide(self, input_shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def output_shape(self, input_shape: Shape) -> Shape:
        return *self.window(input_shape).output_size, self.convolution(input_shape).out_channels

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self.convolution(input_shape).param_shapes(input_shape)

    def macs(self, input_shape: Shape) -> int:
        return self.convolution(input_shape).macs(input_shape)

    def connections(self, input_shape: Shape) -> int:
        return self.convolution(input_shape).connections(input_shape)

    def filter_shape(self, input_shape: Shape) -> FilterShape | None:
        return self.convolution(input_shape).filter_shape(input_shape)

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        return self.convolution(x.shape[1:]).forward(x, params, context)

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        return self.convolution(cache[0].shape[1:]).backward(grad, cache, params, context)

    def scratch_numbers(self, input_shape: Shape) -> int:
        return self.convolution(input_shape).scratch_numbers(input_shape)


class TransposedConv(Layer):
    """A transposed convolution, which spreads each input over a window: `tconv2-64,s2` doubles height and width.

    Output size: s(n - 1) + d(f - 1) + 1 - 2p + o, with o the output padding; with `same` it is s * n (the relations
    of Dumoulin and Visin, arXiv:1603.07285, section 4). Weights are `(f_h, f_w, C_in / groups, C_out)`.

    Example:
        >>> TransposedConv((2, 2), 64, stride=(2, 2)).output_shape((28, 28, 128))
        (56, 56, 64)
    """

    op = "tconv"
    size_field = "kernel_size"
    filters_field = "out_channels"

    kernel_size: Pair
    out_channels: int
    stride: Pair = (1, 1)
    padding: str | Four = "valid"
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True

    def validate(self) -> None:
        super().validate()
        if self.out_channels % self.groups:
            raise ArgumentError(f"{self.out_channels} filters do not divide into g{self.groups} equal groups")
        limits = [max(s, d) for s, d in zip(self.stride, self.dilation, strict=True)]
        if any(o >= limit for o, limit in zip(self.output_padding, limits, strict=True)):
            raise ArgumentError("output padding must be smaller than the stride or the dilation")
        if self.padding == "same" and any(self.output_padding):
            raise ArgumentError("'same' settles the output size: it takes no output padding")

    def paddings(self) -> tuple[Four, Pair]:
        """Return what is cut off the full output, (top, bottom, left, right), and what is added to it after."""
        if isinstance(self.padding, str) and self.padding != "same":
            return (0, 0, 0, 0), self.output_padding
        if not isinstance(self.padding, str):
            return self.padding, self.output_padding
        spans = [d * (f - 1) + 1 for f, d in zip(self.kernel_size, self.dilation, strict=True)]
        rows, columns = (span - s for span, s in zip(spans, self.stride, strict=True))
        cut = [max(0, rows), max(0, columns)]
        return (cut[0] // 2, -(-cut[0] // 2), cut[1] // 2, -(-cut[1] // 2)), (max(0, -rows), max(0, -columns))

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = picture(self, input_shape)
        if channels % self.groups:
            raise uneven_groups(self, channels, self.groups)
        cut, extra = self.paddings()
        axes = zip((height, width), self.kernel_size, self.stride, self.dilation, strict=True)
        full = [s * (n - 1) + d * (f - 1) + 1 for n, f, s, d in axes]
        rows, columns = full[0] - cut[0] - cut[1] + extra[0], full[1] - cut[2] - cut[3] + extra[1]
        if rows < 1 or columns < 1:
            needs = f"a full output larger than its padding, which cuts off {cut[0] + cut[1]}x{cut[2] + cut[3]}"
            raise ShapeError(self, needs, f"{full[0]}x{full[1]} from {height}x{width}", "less padding would fit")
        return rows, columns, self.out_channels

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            "weight": (*self.kernel_size, input_shape[-1] // self.groups, self.out_channels),
        }
        return {**shapes, "bias": (self.out_channels,)} if self.bias else shapes

    def macs(self, input_shape: Shape) -> int:
        """Return one multiply-add for each weight at each input position."""
        return prod(input_shape[:2]) * prod(self.param_shapes(input_shape)["weight"])

    def connections(self, input_shape: Shape) -> int:
        biases = prod(self.output_shape(input_shape)) if self.bias else 0
        return self.macs(input_shape) + biases

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return None: it makes fractions of the stride."""
        return None

    def filter_shape(self, input_shape: Shape) -> FilterShape:
        """Return the filters; the padding is what is cut off."""
        shapes = self.param_shapes(input_shape)
        return FilterShape(
            self.kernel_size,
            self.paddings()[0],
            self.stride,
            self.dilation,
            self.groups,
            self.out_channels,
            shapes["weight"],
            self.out_channels if self.bias else 0,
        )

    def _plan(self, input_shape: Shape, context: "Context") -> Any:
        """Return the convolution from output to input, whose input gradient this is."""
        from cnncli.ops.batches.convolution_gradients import ConvolutionPlan

        (height, width, channels), out_shape = input_shape, self.output_shape(input_shape)
        size, output = (out_shape[0], out_shape[1]), (height, width)
        window = Window(size, self.kernel_size, self.stride, self.paddings()[0], self.dilation, output)
        return ConvolutionPlan(window, self.out_channels, channels, self.groups, winograd=context.shard.winograd)

    def _swapped(self, weight: "Array") -> "Array":
        """Return weights of (C_in / groups, C_out) as those of the convolution back, or those of that one as these."""
        per_group, filters = weight.shape[2], weight.shape[3] // self.groups
        grouped = weight.reshape(*self.kernel_size, per_group, self.groups, filters).transpose(0, 1, 4, 3, 2)
        return grouped.reshape(*self.kernel_size, filters, -1)

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        from cnncli.ops.batches.rows import add_to_channels

        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        matrix = context.once("matrix", lambda: plan.input_algorithm.prepare(self._swapped(params["weight"])))
        out = context.output((len(x), *plan.geometry.window.size, self.out_channels), x.dtype)
        plan.input_gradient(x, matrix, out, context.memory)
        if self.bias:
            add_to_channels(out, params["bias"])
        return out, x

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        from cnncli.ops.batches.rows import sum_over_positions

        x, plan = cache, context.plan(cache.shape, lambda shape: self._plan(shape, context))
        grads = {
            "weight": self._swapped(plan.weight_gradient(x, grad, None, context.memory, (context.path, "weights")))
        }
        if self.bias:
            grads["bias"] = sum_over_positions(grad)
        if not context.input_gradient:
            return None, grads
        matrix = context.once("input matrix", lambda: plan.algorithm.prepare(self._swapped(params["weight"])))
        return plan.forward(grad, matrix, context.gradient(x.shape, x.dtype), context.memory)[0], grads

    def scratch_numbers(self, input_shape: Shape) -> int:
        return prod(input_shape[:2]) * prod(self.kernel_size) * self.out_channels
