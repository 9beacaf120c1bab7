"""The contract of a layer."""

from collections.abc import Iterator
from functools import lru_cache
from math import gcd, prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.fields import FIELDS, OPTIONS, write_option
from cnncli.networks.layers.late import Array, Context, Gradients, Params
from cnncli.networks.summary import FilterShape, ReceptiveField
from cnncli.shapes import Four, Pair, Shape, Window, overhang, show_shape
from cnncli.values import Value

if TYPE_CHECKING:
    from cnncli.networks.layers.sequences import Sequential


class Part(NamedTuple):
    """A layer inside another: the prefix of its arrays' names, such as `4.res.`, the layer, and its input shape."""

    prefix: str
    layer: "Layer"
    input_shape: Shape


Branch = tuple[str, str, "Sequential"]
"""A branch of a block: its name in arrays' names, its name for readers, and its layers."""


class Layer(Value):
    """A layer: its output shape and the shapes of its trainable arrays. The arrays themselves are kept elsewhere.

    A subclass annotates its fields (those in `fields.FIELDS` can be written in the notation), and class variables state
    its word and how it differs from other layers: no other code asks for a layer by name.

    Attributes:
        op: the word of the notation.
        title: the name in sentences, if it differs from the word.
        size_field: the field that the number after the word sets, as the 3 of `conv3-64`; empty if there is none.
        filters_field: the field that the number after the dash sets.
        follows: whether it may be an option of another layer's word, as `bn` in `conv3-64,bn`: it keeps the shape, and
            inference can apply it in place.
        measures: whether the estimate of training memory counts its output although it follows another layer: its
            gradient needs its whole input and its output (`keeps` is about arrays of the NumPy engine).
        keeps: which arrays must not be overwritten before `backward`: "input", "output", both or neither.
        needs: what the gradient of the input alone needs, nothing in a linear layer: the "input", the "output", or a
            byte for each number of the output, as a "mask" or the "winners" are.
        in_place: whether the output may be written over the input.
        is_view: whether the output shares the input's memory.
        monotone: whether it preserves the order of numbers, so that a maximum may be taken before or after it.
        takes_maxima: whether it takes maxima of windows, each within one channel, and returns as many channels: it may
            change places with a monotone layer, and with a late bias. Not for maxima across channels.
        rescales: whether inference multiplies each channel by a number and adds another, as `factors` says.
        late_bias: whether adding the bias to each channel is its last step, which can then be done later.
        light: whether it does little work per number, so that it is applied to a block of images still in the cache.
        rectifies: whether it suppresses negative numbers; None if it is not an activation.
        removes_mean: whether it subtracts the mean of each channel, which cancels a bias before it.
        steadies: whether it normalises signals, so that the size of the weights before it does not matter.
        dense: whether every output has a weight for every input.
        transposed: whether the window slides over the output instead of the input.
        sees_all: whether its only window is the whole picture, without filters.
        reach: what a number of the output depends on: "number", the same number of the input; "place", all channels of
            its place; "window", places around it, wherever the window is; "all", anything else.
        output_kind: the meaning of the numbers if it is the last layer: "scores", "probabilities" that add up to 1,
            "chances" of each by itself, or "distances".
        torch_axes: for weights whose axes have another order in PyTorch: our axis for each of PyTorch's.
    """

    op = title = size_field = filters_field = ""
    follows = measures = in_place = is_view = monotone = takes_maxima = rescales = late_bias = light = False
    removes_mean = steadies = dense = transposed = sees_all = False
    rectifies: ClassVar[bool | None] = None
    keeps: ClassVar[tuple[str, ...]] = ("input",)
    needs: ClassVar[tuple[str, ...]] = ()
    reach = "all"
    output_kind = "scores"
    torch_axes: ClassVar[tuple[Shape, ...]] = ()

    def validate(self) -> None:
        values = ((name, getattr(self, name)) for name in self.fields if name in FIELDS)
        # None is allowed only as a default, such as for the filters of a depthwise convolution.
        given = ((name, value) for name, value in values if value is not None or self.defaults.get(name, 0) is not None)
        self.normalize(**{name: FIELDS[name].kind.convert(value, name) for name, value in given})

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the output shape, `(H, W, C)` or `(N,)`.

        Raises:
            ShapeError: the layer cannot take this input; the message says what would fit.
        """
        return input_shape

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of the trainable arrays by name; filters are `(f_h, f_w, C_in / groups, C_out)`."""
        return {}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of the arrays that are saved but not trained."""
        return {}

    def macs(self, input_shape: Shape) -> int:
        """Return the multiply-adds; only convolutions and fully connected layers have any."""
        return 0

    def connections(self, input_shape: Shape) -> int:
        """Return the connections as LeCun et al. 1998 count them: inputs and biases of all outputs; 0 if pointwise."""
        return 0

    def window(self, input_shape: Shape) -> Window | None:
        """Return the window that slides over the input, or None for a layer that has none."""
        if not self.sees_all or len(input_shape) != 3:
            return None
        return Window.over(input_shape[:2], input_shape[:2])

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return the receptive field of a position of the output in the network's input.

        Args:
            before: the receptive field of a position of the layer's input.
            input_shape: the shape of the layer's input.

        Returns:
            None if the fields of positions differ in size or distance.
        """
        window = self.window(input_shape)
        return before if window is None else before.through(window)

    def sliding(self, input_shape: Shape) -> "Layer | None":
        """Return the layer that computes at every place of a picture what this one computes of a window in it.

        Args:
            input_shape: (H, W, C) of its input for one window; 1x1xC behind a layer that sees all of the window.

        Returns:
            The layer itself, padded as for a window; another one, if its only window is the whole picture; None if
            there is none.
        """
        if getattr(self, "padding", "") == "same" and (window := self.window(input_shape)):
            return self.replace(padding=window.padding)
        return None if self.reach == "all" else self

    def filter_shape(self, input_shape: Shape) -> FilterShape | None:
        """Return f, p, s and n_c of a layer with a window or filters."""
        window = self.window(input_shape)
        if window is None or self.sees_all:
            return None
        shapes = self.param_shapes(input_shape)
        geometry = window.kernel_size, window.padding, window.stride, window.dilation
        groups, filters = getattr(self, "groups", 1), self.output_shape(input_shape)[-1]
        return FilterShape(*geometry, groups, filters, shapes.get("weight"), prod(shapes.get("bias", (0,))))

    def fans(self, weight_shape: Shape) -> tuple[float, float]:
        """Return the fan-in and fan-out of weights of this shape."""
        taps = prod(weight_shape[:-2])
        return taps * weight_shape[-2], taps * weight_shape[-1] / getattr(self, "groups", 1)

    def default(self, name: str) -> Any:
        """Return the value of a field that the word leaves out; None if the field is required."""
        return self.defaults.get(name)

    @classmethod
    def torch_order(cls, role: str, rank: int) -> Shape:
        """Return our axis for each of PyTorch's, of an array of this role (`weight`) with so many axes."""
        axes = cls.torch_axes if role == "weight" else ()
        return next((order for order in axes if len(order) == rank), tuple(range(rank)))

    @property
    def initial_scale(self) -> float:
        """The first value of a trained vector that is not a bias."""
        return 1.0

    @property
    def words(self) -> "tuple[Layer, ...]":
        """The layers of its word: itself, and the layers that its options add after it."""
        return (self,)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches of a block; empty for other layers."""
        return ()

    def joins_in_place(self, input_shape: Shape) -> bool:
        """Return whether the results of its branches can be joined in the memory of one of them."""
        return False

    def meaning(self, input_shape: Shape) -> "Layer":
        """Return the layer that it stands for with this input; in most cases itself."""
        return self

    def leaves(self, input_shape: Shape, prefix: str = "") -> "Iterator[Part]":
        """Yield the layers that compute, in order; a block with branches counts as one."""
        yield Part(prefix, self, input_shape)

    @property
    def label(self) -> str:
        """The word; the name alone if it is a block."""
        return str(self)

    @property
    def layer_count(self) -> int:
        """The number of words that it stands for, including the words inside blocks and repeats."""
        return 1

    @classmethod
    def written(cls, size: str, filters: str) -> str:
        """Return the word with its numbers, each empty where it is left out."""
        return f"{cls.op}{size}{'-' if filters else ''}{filters}"

    @classmethod
    def example(cls) -> str:
        """Return the word with numbers as an example, such as `conv3-64`."""
        fields = cls.size_field, cls.filters_field
        return cls.written(*(FIELDS[name].kind.write(FIELDS[name].example) if name else "" for name in fields))

    def __str__(self) -> str:
        named = self.size_field, self.filters_field
        numbers = (
            FIELDS[name].kind.write(value) if name and (value := getattr(self, name)) != self.default(name) else ""
            for name in named
        )
        options = [
            write_option(name, getattr(self, name))
            for name in OPTIONS
            if name in self.fields and name not in named and getattr(self, name) != self.default(name)
        ]
        return ",".join([self.written(*numbers), *options])

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        """Return the output for a batch, and a cache for `backward`.

        Args:
            x: (N, H, W, C) or (N, features), float32 or float64, contiguous; left as it is, unless the context gives
                the same memory for the output.
            params: the arrays of `param_shapes`, in the type of `x`.
            context: further arguments, and the source of arrays.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be computed")

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input, or None if the context does not need it, and those of the parameters.

        Args:
            grad: the gradient of the output; left as it is.
            cache: the second result of `forward`.
            params: as in `forward`.
            context: as in `forward`.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be computed")

    def factors(self, params: Params, context: Context) -> tuple[Array, Array]:
        """Return the scale and the shift of each channel in inference, in float64, of a layer that `rescales`."""
        raise NotImplementedError(f"{type(self).__name__} does more than scale and shift channels")

    def scratch_numbers(self, input_shape: Shape) -> int:
        """Return how many numbers of scratch memory one image takes, where they are many; 0 elsewhere."""
        return 0


def _of_meaning(name: str) -> Any:
    """Return a method that asks the layer which another one is short for."""
    return lambda self, input_shape: getattr(self.meaning(input_shape), name)(input_shape)


class Shorthand(Layer):
    """A word that is short for another layer, which may depend on the input: `meaning` returns it."""

    output_shape = _of_meaning("output_shape")
    param_shapes = _of_meaning("param_shapes")
    buffer_shapes = _of_meaning("buffer_shapes")
    macs = _of_meaning("macs")
    connections = _of_meaning("connections")
    window = _of_meaning("window")
    filter_shape = _of_meaning("filter_shape")
    scratch_numbers = _of_meaning("scratch_numbers")

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        layer = self.meaning(x.shape[1:])
        out, cache = layer.forward(x, params, context)
        return out, (layer, cache)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        layer, kept = cache
        gradients: Gradients = layer.backward(grad, kept, params, context)
        return gradients


def image_shape(layer: Layer, input_shape: Shape) -> tuple[int, int, int]:
    """Return (height, width, channels) of the input.

    Raises:
        ShapeError: the input has no height and width.
    """
    if len(input_shape) == 3:
        return input_shape[0], input_shape[1], input_shape[2]
    fits = f"put {layer.label} before what flattens the picture"
    raise ShapeError(layer, "height x width x channels", f"{show_shape(input_shape)} numbers", fits)


def weight_and_bias(weight: Shape, bias: bool, outputs: int) -> dict[str, Shape]:
    """Return the arrays of a layer with weights, and with a bias for each output if it has one."""
    return {"weight": weight, "bias": (outputs,)} if bias else {"weight": weight}


def scale_and_shift(input_shape: Shape) -> dict[str, Shape]:
    """Return the arrays of a layer that multiplies each channel by a number and adds one."""
    return {"weight": input_shape[-1:], "bias": input_shape[-1:]}


def check_groups(layer: Layer, channels: int, groups: int, written: str = "g") -> None:
    """Refuse groups that do not share the channels evenly; `written` stands before their number in the layer's word."""
    if channels % groups:
        needs = f"channels that divide into {groups} groups"
        raise ShapeError(layer, needs, f"{channels} channels", f"{written}{gcd(channels, groups)} would fit")


def slide(
    layer: Layer,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: str | Four,
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Window:
    """Return the window of a layer that slides over a picture.

    Raises:
        ShapeError: the window does not fit; the message says which padding would make it.
    """
    height, width, _ = image_shape(layer, input_shape)
    window = _window((height, width), kernel_size, stride, padding, dilation, ceil_mode)
    if window is not None:
        return window
    spans = [d * (f - 1) + 1 for f, d in zip(kernel_size, dilation, strict=True)]
    padded = (0, 0) if isinstance(padding, str) else (padding[0] + padding[1], padding[2] + padding[3])
    spans = [span - overhang(s, ceil_mode) for span, s in zip(spans, stride, strict=True)]
    needed = tuple(max(1, span - both) for span, both in zip(spans, padded, strict=True))
    short = [max(0, (span - n + 1) // 2) for span, n in zip(spans, (height, width), strict=True)]
    # One amount is easier to read; but where it reaches the span, windows would see padding alone.
    amount = str(max(short)) if max(short) < min(spans) else show_shape(tuple(short))
    fits = f"padding p{amount} would fit"
    if any(d > n for d, n in zip(dilation, (height, width), strict=True)):  # with padding, windows may see nothing else
        fits = "less dilation or a smaller filter would fit"
    raise ShapeError(layer, f"at least {show_shape(needed)}", f"{height}x{width}", fits)


@lru_cache(maxsize=1024)
def _window(
    size: Pair, kernel_size: Pair, stride: Pair, padding: str | Four, dilation: Pair, ceil_mode: bool
) -> Window | None:
    try:
        return Window.over(size, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    except ArgumentError:
        return None
