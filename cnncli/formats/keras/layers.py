"""Keras layers by their configuration, with the shapes and counts that they give: the registry `CLASSES`.

Shapes are (H, W, C) whatever the model's data format. Where a layer of ours does the same, it says shape, parameters
and multiply-adds (the configurations are those that keras/src/layers write and read).
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from cnncli.errors import ModelError
from cnncli.formats.files import dimension, dimensions, named
from cnncli.formats.tensor_shapes import broadcast, concatenated, reshaped, written
from cnncli.networks.layers import ACTIVATIONS, connected, convolution, norms, pointwise, pooling, sequences
from cnncli.networks.layers.base import Layer
from cnncli.shapes import Four, Pair, Shape, effective_size


class Applied(NamedTuple):
    """Facts about a layer that is applied to an input; `unknown` names the numbers that leave something out."""

    output_shape: Shape | None
    layer: Layer | None = None
    params: int = 0
    buffers: int = 0
    macs: int = 0
    in_place: bool = False
    unknown: tuple[str, ...] = ()


class Settings:
    """The configuration of a layer, checked as it is asked for."""

    def __init__(self, values: dict[str, Any], channels_first: bool = False) -> None:
        self.values = values
        self.channels_first = channels_first

    def count(self, name: str, default: int | None = None) -> int:
        """Return a whole number from 1."""
        value = self.values.get(name)
        return dimension(default if value is None else value, f"its {name}", 1)

    def sizes(self, name: str, rank: int, default: int | None = None, least: int = 1) -> Shape:
        """Return a size for each axis, which may be given as one number."""
        value = self.values.get(name)
        value = default if value is None else value
        found = dimensions(value if isinstance(value, list) else [value] * rank, f"its {name}", least)
        if len(found) != rank:
            raise ModelError(f"its {name} must be one number or {'two' if rank == 2 else rank}, got {named(value)}")
        return found

    def pair(self, name: str, default: int | None = None, least: int = 1) -> Pair:
        """Return (vertical, horizontal), which may be given as one number."""
        vertical, horizontal = self.sizes(name, 2, default, least)
        return vertical, horizontal

    def gates(self, bias: bool) -> tuple[int, int]:
        """Return how many gates a recurrent layer has, and how many biases each of them."""
        if "reset_after" in self.values:
            return 3, bias + (bias and self.flag("reset_after", True))
        return (4 if "recurrent_activation" in self.values else 1), int(bias)

    def margins(self, name: str) -> tuple[Pair, Pair]:
        """Return ((top, bottom), (left, right)) in any of Keras's forms."""
        match self.values.get(name, 1):
            case [[top, bottom], [left, right]]:
                pass
            case [vertical, horizontal]:
                top = bottom = vertical
                left = right = horizontal
            case both:
                top = bottom = left = right = both
        four = dimensions([top, bottom, left, right], f"its {name}")
        return (four[0], four[1]), (four[2], four[3])

    def flag(self, name: str, default: bool) -> bool:
        """Return yes or no."""
        value = self.values.get(name)
        return bool(default if value is None else value)

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self.values.get(name)
        if isinstance(value, dict):  # Keras 3 writes some numbers as NumPy objects
            value = (value.get("config") or {}).get("value") if isinstance(value.get("config"), dict) else None
        return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else default

    def padding(self) -> str:
        """Return "valid" or "same"."""
        padding = self.values.get("padding", "valid")
        if padding == "causal":
            return "same"
        if padding not in ("valid", "same"):
            raise ModelError(f"its padding must be valid or same, got {named(padding)}")
        return str(padding)

    def axis(self, shape: Shape) -> int:
        """Return the axis of our shape that the layer's `axis`, which counts the batch, means."""
        axis = self.values.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if not isinstance(axis, int) or isinstance(axis, bool) or not -len(shape) <= axis <= len(shape) or axis == 0:
            raise ModelError(f"its axis {named(axis)} does not exist in an input of {written(shape)}")
        place = axis - 1 if axis > 0 else axis + len(shape)
        return (place - 1) % 3 if self.channels_first and len(shape) == 3 else place

    def activation(self) -> tuple[Layer, ...]:
        """Return the nonlinearity that the layer ends with, if it is one of ours."""
        value = self.values.get("activation")
        if isinstance(value, dict):
            inner = value.get("config")
            value = inner if isinstance(inner, str) else value.get("class_name")
        kind = _ACTIVATIONS.get(value) if isinstance(value, str) else None
        return (kind,) if kind is not None else ()


_ACTIVATIONS: dict[str, Layer] = {
    **{kind.op: kind() for kind in ACTIVATIONS if kind not in (pointwise.Linear, pointwise.LeakyReLU)},
    "swish": pointwise.SiLU(),
    "leaky_relu": pointwise.LeakyReLU(0.2),
    "ReLU": pointwise.ReLU(),
    "Softmax": pointwise.Softmax(),
    "GELU": pointwise.GELU(),
}

Maker = Callable[[Settings, Sequence[Shape]], Applied]


class KerasClass(NamedTuple):
    """A class of Keras: the function that applies it to shapes, and whether it has weights."""

    maker: Maker
    weighs: bool = False


CLASSES: dict[str, KerasClass] = {}
"""The layers by Keras's names for them."""


def _keras(*names: str, weighs: bool = False) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        CLASSES.update(dict.fromkeys(names, KerasClass(maker, weighs)))
        return maker

    return register


def _apply(settings: Settings, shape: Shape, layer: Layer) -> Applied:
    """Apply a layer of ours, with the activation that the configuration adds to it."""
    following = settings.activation()
    return Applied(
        layer.output_shape(shape),
        sequences.Chain((layer, *following)) if following else layer,
        sum(map(prod, layer.param_shapes(shape).values())),
        sum(map(prod, layer.buffer_shapes(shape).values())),
        layer.macs(shape),
        layer.follows or layer.is_view,
    )


def _window(settings: Settings) -> tuple[Pair, str, Pair]:
    """Return stride, padding and dilation."""
    return settings.pair("strides", 1), settings.padding(), settings.pair("dilation_rate", 1)


@_keras("Conv2D", "Convolution2D", weighs=True)
def _conv(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    kernel, filters = settings.pair("kernel_size"), settings.count("filters")
    groups, bias = settings.count("groups", 1), settings.flag("use_bias", True)
    return _apply(settings, shapes[0], convolution.Conv(kernel, filters, *_window(settings), groups, bias))


def _depthwise(settings: Settings, shape: Shape, bias: bool) -> convolution.Depthwise:
    times = settings.count("depth_multiplier", 1)
    filters = shape[-1] * times if times > 1 else None
    return convolution.Depthwise(settings.pair("kernel_size"), filters, *_window(settings), bias)


@_keras("DepthwiseConv2D", weighs=True)
def _depthwise_conv(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    return _apply(settings, shapes[0], _depthwise(settings, shapes[0], settings.flag("use_bias", True)))


@_keras("SeparableConv2D", "SeparableConvolution2D", weighs=True)
def _separable(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Apply a depthwise convolution without bias, and a 1x1 convolution."""
    first = _depthwise(settings, shapes[0], bias=False)
    between = first.output_shape(shapes[0])
    second = convolution.Conv((1, 1), settings.count("filters"), bias=settings.flag("use_bias", True))
    parts = [_apply(Settings({}), shapes[0], first), _apply(Settings({}), between, second)]
    return Applied(
        parts[1].output_shape, params=sum(part.params for part in parts), macs=sum(part.macs for part in parts)
    )


@_keras("Conv2DTranspose", "Convolution2DTranspose", weighs=True)
def _transposed(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    kernel, (stride, padding, dilation) = settings.pair("kernel_size"), _window(settings)
    spans = [effective_size(f, d) for f, d in zip(kernel, dilation, strict=True)]
    cut: str | Four = padding
    extra: Pair = (0, 0)
    if settings.values.get("output_padding") is not None:
        extra = settings.pair("output_padding", least=0)
        rows, columns = (span // 2 if padding == "same" else 0 for span in spans)
        cut = (rows, rows, columns, columns)
    elif padding == "valid":
        extra = max(0, stride[0] - spans[0]), max(0, stride[1] - spans[1])
    filters, bias = settings.count("filters"), settings.flag("use_bias", True)
    return _apply(
        settings, shapes[0], convolution.TransposedConv(kernel, filters, stride, cut, extra, dilation, 1, bias)
    )


def _pool(settings: Settings, shape: Shape, kind: type[pooling.MaxPool | pooling.AvgPool]) -> Applied:
    size = settings.pair("pool_size", 2)
    stride = size if settings.values.get("strides") is None else settings.pair("strides")
    return _apply(settings, shape, kind(size, stride, settings.padding()))


def _global(settings: Settings, shape: Shape, layer: Layer) -> Applied:
    applied = _apply(settings, shape, layer)
    kept = settings.flag("keepdims", False)
    return applied if kept else applied._replace(output_shape=layer.output_shape(shape)[-1:])


@_keras("Dense", weighs=True)
def _dense(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Connect along the last axis alone: on a picture that is a 1x1 convolution."""
    shape, units, bias = shapes[0], settings.count("units"), settings.flag("use_bias", True)
    if len(shape) == 1:
        return _apply(settings, shape, connected.FullyConnected(units, bias))
    if len(shape) == 3 and not settings.channels_first:
        return _apply(settings, shape, convolution.Conv((1, 1), units, bias=bias))
    return Applied((*shape[:-1], units), params=(shape[-1] + bias) * units, macs=prod(shape) * units)


@_keras("BatchNormalization", weighs=True)
def _batch_norm(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    shape, axis = shapes[0], settings.axis(shapes[0])
    trained = settings.flag("scale", True) + settings.flag("center", True)
    layer = norms.BatchNorm() if trained == 2 and axis == len(shape) - 1 else None
    return Applied(shape, layer, trained * shape[axis], 2 * shape[axis], in_place=True)


@_keras("LayerNormalization", "GroupNormalization", weighs=True)
def _layer_norm(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    axis = settings.values.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    places = {Settings({"axis": each}, settings.channels_first).axis(shapes[0]) for each in axes}
    size = prod(shapes[0][place] for place in places)
    trained = settings.flag("scale", True) + settings.flag("center", True)
    return Applied(shapes[0], params=trained * size, in_place=True)


@_keras("Normalization", weighs=True)
def _normalization(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Count mean, variance and a counter, which are taken from data and not trained."""
    given = settings.values.get("mean") is not None or settings.values.get("axis", -1) is None
    return Applied(shapes[0], buffers=0 if given else 2 * shapes[0][settings.axis(shapes[0])] + 1, in_place=True)


@_keras("Reshape")
def _reshape(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    target = settings.values.get("target_shape")
    if not isinstance(target, list) or not all(isinstance(size, int) for size in target) or len(target) > 8:
        raise ModelError(f"its target_shape must be a list of whole numbers, got {named(target)}")
    target = [-1 if size is None else size for size in target]
    if settings.channels_first and len(target) == 3:
        target = [*target[1:], target[0]]
    return Applied(reshaped(shapes[0], target, keep_zeros=True), in_place=True)


@_keras("Permute")
def _permute(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    order = dimensions(settings.values.get("dims"), "its dims", 1)
    if sorted(order) != list(range(1, len(shapes[0]) + 1)):
        raise ModelError(f"its dims {list(order)} do not reorder {written(shapes[0])}")
    return Applied(tuple(shapes[0][place - 1] for place in order))


@_keras("ReLU")
def _relu(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    top, slope = settings.number("max_value", 0.0), settings.number("negative_slope", 0.0)
    layer = {0.0: pointwise.ReLU(), 6.0: pointwise.ReLU6()}.get(top) if slope == 0 else None
    return Applied(shapes[0], layer, in_place=True)


@_keras("LeakyReLU")
def _leaky(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    slope = settings.number("negative_slope", settings.number("alpha", 0.3))
    return Applied(shapes[0], pointwise.LeakyReLU(float(f"{slope:.6g}")) if slope >= 0 else None, in_place=True)


@_keras("PReLU", weighs=True)
def _prelu(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Count a slope for each number, except along the axes that share it."""
    shared = dimensions(settings.values.get("shared_axes") or [], "its shared_axes", 1)
    places = {Settings({"axis": axis}, settings.channels_first).axis(shapes[0]) for axis in shared}
    slopes = prod(size for place, size in enumerate(shapes[0]) if place not in places)
    return Applied(shapes[0], params=slopes, in_place=True)


def _resized(shape: Shape, margins: tuple[Pair, Pair], sign: int) -> Applied:
    """Add margins to a picture (`sign` 1), or take them away (-1)."""
    height, width, channels = _picture(shape)
    rows, columns = map(sum, margins)
    return Applied(dimensions((height + sign * rows, width + sign * columns, channels), "what is left", 1))


def _magnified(shape: Shape, times: Pair) -> Applied:
    height, width, channels = _picture(shape)
    return Applied((height * times[0], width * times[1], channels))


def _embedded(shape: Shape, rows: int, width: int) -> Applied:
    return Applied((*shape, width), params=rows * width)


def _picture(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ModelError(f"needs height x width x channels, got {written(shape)}")
    return shape[0], shape[1], shape[2]


# Sequences and volumes


def _positions(
    settings: Settings, size: Sequence[int], kernel: Shape, stride: Shape, dilation: Shape, channels: int
) -> Shape:
    """Return the shape that a window of any rank gives."""
    same, axes = settings.padding() == "same", zip(size, kernel, stride, dilation, strict=True)
    after = [-(-n // s) if same else (n - effective_size(f, d)) // s + 1 for n, f, s, d in axes]
    return dimensions((*after, channels), "the output", 1)


@_keras("Conv1D", "Convolution1D", "Conv3D", "Convolution3D", weighs=True)
def _conv_of_any_rank(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    *size, channels = shapes[0]
    if settings.channels_first:
        channels, *size = shapes[0]
    kernel, stride, dilation = (
        settings.sizes(name, len(size), default)
        for name, default in (("kernel_size", None), ("strides", 1), ("dilation_rate", 1))
    )
    filters, weight = settings.count("filters"), prod(kernel) * (channels // settings.count("groups", 1))
    result = _positions(settings, size, kernel, stride, dilation, filters)
    params = (weight + settings.flag("use_bias", True)) * filters
    return Applied(result, None, params, macs=weight * prod(result))


@_keras("LSTM", "GRU", "SimpleRNN", weighs=True)
def _recurrent(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Count gates that each see the input and the state; GRU has two biases since Keras 2, `reset_after`."""
    steps, width = _sequence(shapes[0])
    units, bias = settings.count("units"), settings.flag("use_bias", True)
    gates, biases = settings.gates(bias)
    weights = gates * units * (width + units)
    result = (steps, units) if settings.flag("return_sequences", False) else (units,)
    return Applied(result, None, weights + gates * units * biases, macs=steps * weights)


@_keras("Bidirectional", weighs=True)
def _both_ways(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    inner = _wrapped(settings, shapes)
    joined = settings.values.get("merge_mode", "concat") == "concat"
    shape = inner.output_shape
    if shape is not None and joined:
        shape = (*shape[:-1], 2 * shape[-1])
    return Applied(shape, None, 2 * inner.params, 2 * inner.buffers, 2 * inner.macs, unknown=inner.unknown)


@_keras("TimeDistributed", weighs=True)
def _each_step(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    steps, rest = shapes[0][0], shapes[0][1:]
    inner = _wrapped(settings, [rest])
    shape = None if inner.output_shape is None else (steps, *inner.output_shape)
    return Applied(shape, None, inner.params, inner.buffers, steps * inner.macs, unknown=inner.unknown)


def _wrapped(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    layer = settings.values.get("layer")
    config = layer.get("config") if isinstance(layer, dict) else None
    kind = CLASSES.get(str(layer.get("class_name"))) if isinstance(layer, dict) else None
    if kind is None or not isinstance(config, dict):
        return Applied(None, unknown=("params", "macs"))
    return kind.maker(Settings(config, settings.channels_first), shapes)


@_keras("MultiHeadAttention", weighs=True)
def _attention(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    """Count the projections of query, key and value to heads, two products of activations, and the projection back."""
    (length, width), (others, other_width) = _sequence(shapes[0]), _sequence(shapes[1 if len(shapes) > 1 else 0])
    key_width = _sequence(shapes[2])[1] if len(shapes) > 2 else other_width
    heads, key, bias = settings.count("num_heads"), settings.count("key_dim"), settings.flag("use_bias", True)
    value = settings.count("value_dim", key)
    back = settings.values.get("output_shape")
    out = settings.count("output_shape") if isinstance(back, int) else width
    query_in, key_in, value_in = heads * key * width, heads * key * key_width, heads * value * other_width
    last = heads * value * out
    params = query_in + key_in + value_in + last + bias * (2 * heads * key + heads * value + out)
    products = heads * length * others * (key + value)
    macs = length * (query_in + last) + others * (key_in + value_in) + products
    return Applied((length, out), None, params, macs=macs)


@_keras("GlobalAveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling3D", "GlobalMaxPooling3D")
def _global_of_any_rank(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    channels = shapes[0][0 if settings.channels_first else -1]
    kept = (1,) * (len(shapes[0]) - 1) if settings.flag("keepdims", False) else ()
    return Applied((*kept, channels))


@_keras("MaxPooling1D", "AveragePooling1D", "MaxPooling3D", "AveragePooling3D")
def _pool_of_any_rank(settings: Settings, shapes: Sequence[Shape]) -> Applied:
    *size, channels = shapes[0]
    kernel = settings.sizes("pool_size", len(size), 2)
    stride = kernel if settings.values.get("strides") is None else settings.sizes("strides", len(size), 1)
    return Applied(_positions(settings, size, kernel, stride, (1,) * len(size), channels))


def _sequence(shape: Shape) -> tuple[int, int]:
    if len(shape) != 2:
        raise ModelError(f"needs steps x features, got {written(shape)}")
    return shape[0], shape[1]


# Layers that need no more than a line.

_keras(
    *("ActivityRegularization", "GaussianNoise", "Rescaling", "AlphaDropout", "GaussianDropout", "SpatialDropout2D"),
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness", "RandomTranslation"),
    *("RandomShear", "RandomHue", "RandomSaturation", "RandomErasing", "Identity", "Masking", "UnitNormalization"),
    *("ThresholdedReLU", "StochasticDepth"),
)(lambda settings, shapes: Applied(shapes[0], in_place=True))

_keras("Activation")(
    lambda settings, shapes: Applied(shapes[0], next(iter(settings.activation()), None), in_place=True)
)
_keras("Softmax")(lambda settings, shapes: Applied(shapes[0], pointwise.Softmax(), in_place=True))
_keras("ELU")(
    lambda settings, shapes: Applied(
        shapes[0], pointwise.ELU() if settings.number("alpha", 1.0) == 1 else None, in_place=True
    )
)
_keras("Dropout")(lambda settings, shapes: _apply(settings, shapes[0], pointwise.Dropout(settings.number("rate", 0.5))))
_keras("LayerScale", weighs=True)(  # of `keras.applications.convnext`
    lambda settings, shapes: Applied(shapes[0], params=settings.count("projection_dim"), in_place=True)
)

_keras("MaxPooling2D", "MaxPool2D")(lambda settings, shapes: _pool(settings, shapes[0], pooling.MaxPool))
_keras("AveragePooling2D", "AvgPool2D")(lambda settings, shapes: _pool(settings, shapes[0], pooling.AvgPool))
_keras("GlobalMaxPooling2D", "GlobalMaxPool2D")(
    lambda settings, shapes: _global(settings, shapes[0], pooling.GlobalMaxPool())
)
_keras("GlobalAveragePooling2D", "GlobalAvgPool2D")(
    lambda settings, shapes: _global(settings, shapes[0], pooling.GlobalAvgPool())
)

_keras("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")(
    lambda settings, shapes: Applied(broadcast(shapes))
)
_keras("Concatenate")(lambda settings, shapes: Applied(concatenated(shapes, settings.axis(shapes[0]))))
_keras("Flatten")(lambda settings, shapes: _apply(settings, shapes[0], pointwise.Flatten()))
_keras("ZeroPadding2D")(lambda settings, shapes: _resized(shapes[0], settings.margins("padding"), 1))
_keras("Cropping2D")(lambda settings, shapes: _resized(shapes[0], settings.margins("cropping"), -1))
_keras("UpSampling2D")(lambda settings, shapes: _magnified(shapes[0], settings.pair("size", 2)))
_keras("Resizing", "CenterCrop", "RandomCrop")(
    lambda settings, shapes: Applied((settings.count("height"), settings.count("width"), _picture(shapes[0])[2]))
)
_keras("RepeatVector")(lambda settings, shapes: Applied((settings.count("n"), *shapes[0])))
_keras("Embedding", weighs=True)(
    lambda settings, shapes: _embedded(shapes[0], settings.count("input_dim"), settings.count("output_dim"))
)
