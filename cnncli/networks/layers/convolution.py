"""Convolutions: filters that slide over a volume."""

from math import prod
from typing import Any

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, Shorthand, check_groups, image_shape, slide, weight_and_bias
from cnncli.networks.layers.late import Array, Context, Gradients, Params, conv_ops, np, row_ops
from cnncli.networks.summary import FilterShape, ReceptiveField
from cnncli.shapes import Four, Pair, Shape, Window, check_output_padding, transposed_same_padding, transposed_size

TABLE = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)
"""The input maps that each of the 16 maps of LeNet-5's C3 sees (LeCun et al. 1998, table I)."""

TABLE_INPUTS = [channel for channels in TABLE for channel in channels]
TABLE_OUTPUTS = [number for number, channels in enumerate(TABLE) for _ in channels]
"""The input map and the output map of each pair that the table connects."""


def dense_table(weight: Array) -> Array:
    """Return weights of the table's pairs, (f_h, f_w, 60), as (f_h, f_w, 6, 16): 0 where nothing is connected."""
    dense = np.zeros((*weight.shape[:2], 6, len(TABLE)), weight.dtype)
    dense[:, :, TABLE_INPUTS, TABLE_OUTPUTS] = weight
    return dense


def _check_groups(filters: int, groups: int) -> None:
    if filters % groups:
        raise ArgumentError(f"{filters} filters do not divide into g{groups} equal groups")


class Conv(Layer):
    """A convolution: `conv3-64` has 64 filters of 3x3.

    Weights are `(f_h, f_w, C_in / groups, C_out)`. With `table` they are LeNet-5's sparse C3, from 6 maps to 16: one
    kernel for each pair of `TABLE`, in its order, `(f_h, f_w, 60)`.

    Example:
        >>> str(Conv((3, 3), 64, padding="same")), Conv((3, 3), 10).param_shapes((6, 6, 3))
        ('conv3-64,same', {'weight': (3, 3, 3, 10), 'bias': (10,)})
    """

    op = "conv"
    reach = "window"
    size_field = "kernel_size"
    filters_field = "out_channels"
    late_bias = True
    torch_axes = (3, 2, 0, 1), (2, 0, 1)  # the second for a table's pairs

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
        _check_groups(self.out_channels, self.groups)
        if self.table and (self.out_channels, self.groups) != (len(TABLE), 1):
            raise ArgumentError(f"table connects {len(TABLE)} maps, in one group: conv5-{len(TABLE)},table")

    def window(self, input_shape: Shape) -> Window:
        return slide(self, input_shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def output_shape(self, input_shape: Shape) -> Shape:
        window, channels = self.window(input_shape), input_shape[2]
        if self.table and channels != 6:
            raise ShapeError(self, "6 channels (LeNet-5's S2)", f"{channels} channels")
        check_groups(self, channels, self.groups)
        return *window.output_size, self.out_channels

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        pairs: Shape = (input_shape[-1] // self.groups, self.out_channels)
        if self.table:
            pairs = (sum(map(len, TABLE)),)
        return weight_and_bias((*self.kernel_size, *pairs), self.bias, self.out_channels)

    def macs(self, input_shape: Shape) -> int:
        return prod(self.window(input_shape).output_size) * prod(self.param_shapes(input_shape)["weight"])

    def connections(self, input_shape: Shape) -> int:
        numbers = sum(map(prod, self.param_shapes(input_shape).values()))
        return prod(self.window(input_shape).output_size) * numbers

    def fans(self, weight_shape: Shape) -> tuple[float, float]:
        numbers = prod(weight_shape)
        return (numbers / len(TABLE), numbers / 6) if self.table else super().fans(weight_shape)

    def _plan(self, input_shape: Shape, context: Context) -> Any:
        window, channels, winograd = self.window(input_shape), input_shape[2], context.shared.winograd
        return conv_ops.ConvolutionPlan(window, channels, self.out_channels, self.groups, winograd=winograd)

    def _dense(self, weight: Array) -> Array:
        return dense_table(weight) if self.table else weight

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        if context.shared.inference:
            return self._infer(x, plan, params, context), None
        if not context.shared.parameter_gradients:
            return self._infer(x, plan, params, context), (x.shape, None)
        matrix = context.once("matrix", lambda: plan.algorithm.prepare(self._dense(params["weight"])))
        keeps = context.keeps_columns and context.training and plan.algorithm.copies
        name = (context.path, "columns") if keeps else "columns"
        out = context.output((len(x), *plan.geometry.window.output_size, self.out_channels), x.dtype)
        _, columns = plan.forward(x, matrix, out, context.memory, name)
        if self.bias:
            row_ops.add_to_channels(out, params["bias"])
        return out, (x, columns if keeps else None)

    def _infer(self, x: Array, plan: Any, params: Params, context: Context) -> Array:
        algorithm, memory = plan.inferring(len(x)), context.memory
        name = f"matrix of {type(algorithm).__name__}"
        matrix = context.once(name, lambda: algorithm.prepare(self._dense(params["weight"])))
        bias = context.once("bias", lambda: params["bias"]) if self.bias else None
        out = context.output((len(x), *plan.geometry.window.output_size, self.out_channels), x.dtype)
        algorithm.apply(algorithm.columns(x, memory), matrix, out, memory, bias)
        return out

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if not context.shared.parameter_gradients:
            return self._input_gradient(grad, cache[0], params, context), {}
        x, columns = cache
        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        weight_gradient = plan.weight_gradient(grad, x, columns, context.memory, (context.path, "weights"))
        grads = {"weight": weight_gradient[:, :, TABLE_INPUTS, TABLE_OUTPUTS] if self.table else weight_gradient}
        if self.bias:
            grads["bias"] = row_ops.sum_over_positions(grad)
        if not context.input_gradient:
            return None, grads
        return self._input_gradient(grad, x.shape, params, context), grads

    def _input_gradient(self, grad: Array, shape: Shape, params: Params, context: Context) -> Array:
        plan = context.plan(shape, lambda shape: self._plan(shape, context))
        matrix = context.once("input matrix", lambda: plan.input_algorithm.prepare(self._dense(params["weight"])))
        gradient: Array = plan.input_gradient(grad, matrix, context.gradient(shape, grad.dtype), context.memory)
        return gradient

    def scratch_numbers(self, input_shape: Shape) -> int:
        plan = conv_ops.ConvolutionPlan(self.window(input_shape), input_shape[2], self.out_channels, self.groups)
        return plan.numbers


class Depthwise(Shorthand):
    """A depthwise convolution: `dw3` has one 3x3 filter for each channel; `dw3-64` makes 64 of fewer channels.

    Weights are `(f_h, f_w, 1, C_out)`.

    Example:
        >>> Depthwise((3, 3), stride=(2, 2), padding=(1, 1, 1, 1)).output_shape((112, 112, 32))
        (56, 56, 32)
    """

    op = "dw"
    reach = "window"
    size_field = "kernel_size"
    filters_field = "out_channels"
    late_bias = True
    torch_axes = Conv.torch_axes

    kernel_size: Pair
    out_channels: int | None = None
    stride: Pair = (1, 1)
    padding: str | Four = "valid"
    dilation: Pair = (1, 1)
    bias: bool = True

    def meaning(self, input_shape: Shape) -> Conv:
        """Return the convolution with as many groups as channels.

        Raises:
            ShapeError: the filters are not a multiple of the channels.
        """
        self.window(input_shape)
        channels = input_shape[2]
        filters = self.out_channels or channels
        if filters % channels:
            nearest = channels * max(1, round(filters / channels))
            fits = f"dw{self.kernel_size[0]}-{nearest} would fit" if nearest != channels else "leave the number out"
            raise ShapeError(self, f"channels that divide {filters} filters", f"{channels} channels", fits)
        return Conv(self.kernel_size, filters, self.stride, self.padding, self.dilation, channels, self.bias)

    def window(self, input_shape: Shape) -> Window:
        return slide(self, input_shape, self.kernel_size, self.stride, self.padding, self.dilation)


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
    transposed = True
    torch_axes = ((2, 3, 0, 1),)

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
        _check_groups(self.out_channels, self.groups)
        for o, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True):
            check_output_padding(o, padding=self.padding, stride=s, dilation=d)

    def paddings(self) -> tuple[Four, Pair]:
        """Return the rows and columns cut off the full output (top, bottom, left, right), and those added after."""
        if self.padding == "same":
            axes = zip(self.kernel_size, self.stride, self.dilation, strict=True)
            rows, columns = (transposed_same_padding(f, stride=s, dilation=d) for f, s, d in axes)
            return (*rows[0], *columns[0]), (rows[1], columns[1])
        return (0, 0, 0, 0) if isinstance(self.padding, str) else self.padding, self.output_padding

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = image_shape(self, input_shape)
        check_groups(self, channels, self.groups)
        cut, extra = self.paddings()
        axes = zip((height, width), self.kernel_size, self.stride, self.dilation, strict=True)
        full = [transposed_size(n, f, stride=s, dilation=d) for n, f, s, d in axes]
        rows, columns = full[0] - cut[0] - cut[1] + extra[0], full[1] - cut[2] - cut[3] + extra[1]
        if rows < 1 or columns < 1:
            needs = f"a full output larger than its padding, which cuts off {cut[0] + cut[1]}x{cut[2] + cut[3]}"
            raise ShapeError(self, needs, f"{full[0]}x{full[1]} from {height}x{width}", "less padding would fit")
        return rows, columns, self.out_channels

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        weight = *self.kernel_size, input_shape[-1] // self.groups, self.out_channels
        return weight_and_bias(weight, self.bias, self.out_channels)

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
        """Return the filters; the padding is the part that is cut off."""
        geometry = self.kernel_size, self.paddings()[0], self.stride, self.dilation
        weight, bias = self.param_shapes(input_shape)["weight"], self.out_channels if self.bias else 0
        return FilterShape(*geometry, self.groups, self.out_channels, weight, bias)

    def _plan(self, input_shape: Shape, context: Context) -> Any:
        """Return the convolution from output to input, whose input gradient this is."""
        (height, width, channels), (rows, columns, filters) = input_shape, self.output_shape(input_shape)
        geometry = self.kernel_size, self.stride, self.paddings()[0], self.dilation
        window = Window((rows, columns), *geometry, (height, width))
        return conv_ops.ConvolutionPlan(window, filters, channels, self.groups, winograd=context.shared.winograd)

    def _swapped(self, weight: Array) -> Array:
        """Return weights of (C_in / groups, C_out) as those of the convolution back, or those of that one as these."""
        per_group, filters = weight.shape[2], weight.shape[3] // self.groups
        grouped = weight.reshape(*self.kernel_size, per_group, self.groups, filters).transpose(0, 1, 4, 3, 2)
        return grouped.reshape(*self.kernel_size, filters, -1)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        plan = context.plan(x.shape, lambda shape: self._plan(shape, context))
        matrix = context.once("matrix", lambda: plan.input_algorithm.prepare(self._swapped(params["weight"])))
        out = context.output((len(x), *plan.geometry.window.size, self.out_channels), x.dtype)
        plan.input_gradient(x, matrix, out, context.memory)
        if self.bias:
            row_ops.add_to_channels(out, context.once("bias", lambda: params["bias"]))
        return out, x if context.shared.parameter_gradients else x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if not context.shared.parameter_gradients:
            return self._input_gradient(grad, cache, params, context), {}
        x, plan = cache, context.plan(cache.shape, lambda shape: self._plan(shape, context))
        weight_gradient = plan.weight_gradient(x, grad, None, context.memory, (context.path, "weights"))
        grads = {"weight": self._swapped(weight_gradient)}
        if self.bias:
            grads["bias"] = row_ops.sum_over_positions(grad)
        if not context.input_gradient:
            return None, grads
        return self._input_gradient(grad, x.shape, params, context), grads

    def _input_gradient(self, grad: Array, shape: Shape, params: Params, context: Context) -> Array:
        plan = context.plan(shape, lambda shape: self._plan(shape, context))
        matrix = context.once("input matrix", lambda: plan.algorithm.prepare(self._swapped(params["weight"])))
        gradient: Array = plan.forward(grad, matrix, context.gradient(shape, grad.dtype), context.memory)[0]
        return gradient

    def scratch_numbers(self, input_shape: Shape) -> int:
        return prod(input_shape[:2]) * prod(self.kernel_size) * self.out_channels
