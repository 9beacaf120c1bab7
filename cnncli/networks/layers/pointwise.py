"""Pointwise layers, and flattening."""

from math import prod
from typing import Any, ClassVar

from cnncli.errors import ArgumentError
from cnncli.networks.layers.base import Layer
from cnncli.networks.layers.late import Array, Context, Gradients, Params, activation_ops, np, row_ops
from cnncli.shapes import Shape


class Activation(Layer):
    """A nonlinearity."""

    follows = True
    reach = "number"
    keeps = ("output",)
    needs: ClassVar[tuple[str, ...]] = ("output",)
    in_place = True
    monotone = True
    light = True
    rectifies = False

    def nonlinearity(self) -> Any:
        """Return the function and its derivative."""
        return activation_ops.NONLINEARITIES[self.op]

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        function = context.plan((), lambda _: self.nonlinearity())
        out = context.output(x.shape, x.dtype)
        function.forward(x, out)
        return out, out if function.keeps == "output" else x

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        function = context.plan((), lambda _: self.nonlinearity())
        out = context.gradient(grad.shape, grad.dtype)
        return function.backward(grad, cache, out, context.memory), {}


class ReLU(Activation):
    """max(0, x)."""

    op = "relu"
    rectifies = True
    needs = ("mask",)

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out, kept = super().forward(x, params, context)
        return out, kept if context.shared.parameter_gradients else out > 0

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if context.shared.parameter_gradients:
            return super().backward(grad, cache, params, context)
        return np.multiply(grad, cache, out=context.gradient(grad.shape, grad.dtype)), {}


class ReLU6(Activation):
    """min(max(0, x), 6)."""

    op = "relu6"
    rectifies = True


class ELU(Activation):
    """x where it is positive, else exp(x) - 1."""

    op = "elu"
    rectifies = True


class Dipping(Activation):
    """A rectifier that falls before it rises, or may: its output does not tell its input."""

    keeps = needs = ("input",)
    in_place = False
    monotone = False
    rectifies = True


class LeakyReLU(Dipping):
    """x where it is positive, else negative_slope * x: `leaky`, or `leaky0.1`."""

    op = "leaky"
    size_field = "negative_slope"

    negative_slope: float = 0.01

    def nonlinearity(self) -> Any:
        return activation_ops.leaky_relu(self.negative_slope)


class SiLU(Dipping):
    """x * sigmoid(x), also called swish."""

    op = "silu"


class GELU(Dipping):
    """x * Phi(x), with the normal distribution's Phi."""

    op = "gelu"


class Mish(Dipping):
    """x * tanh(log(1 + exp(x))) (Misra 2019, arXiv:1908.08681)."""

    op = "mish"


class HardSwish(Dipping):
    """x * min(max(0, x + 3), 6) / 6, MobileNetV3's (Howard et al. 2019, arXiv:1905.02244)."""

    op = "hswish"


class HardSigmoid(Activation):
    """min(max(0, x + 3), 6) / 6."""

    op = "hsigmoid"


class Tanh(Activation):
    """tanh(x)."""

    op = "tanh"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    op = "sigmoid"
    output_kind = "chances"


class Softmax(Activation):
    """exp(x) over its sum along the channels."""

    op = "softmax"
    reach = "place"
    monotone = False
    light = False
    output_kind = "probabilities"


class Linear(Activation):
    """x itself: says that no nonlinearity is meant."""

    op = "linear"
    needs = ()


class PReLU(Layer):
    """x where it is positive, else a trained slope times x: `prelu`, one slope a channel, or `prelu,shared` for all.

    He et al. 2015, arXiv:1502.01852. The slopes begin at 0.25, as there.

    Example:
        >>> PReLU().param_shapes((8, 8, 64)), PReLU(shared=True).param_shapes((8, 8, 64))
        ({'weight': (64,)}, {'weight': (1,)})
    """

    op = "prelu"
    follows = True
    reach = "place"
    needs = ("input",)

    initial_scale = 0.25

    shared: bool = False

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"weight": (1 if self.shared else input_shape[-1],)}

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = np.minimum(x, 0, out=context.output(x.shape, x.dtype))
        out *= params["weight"]
        out += np.maximum(x, 0)
        return out, x

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        grads = {}
        if context.shared.parameter_gradients:
            slopes = row_ops.sum_over_positions(grad * np.minimum(cache, 0))
            grads["weight"] = slopes.sum(keepdims=True) if self.shared else slopes
        out = np.multiply(grad, params["weight"], out=context.gradient(grad.shape, grad.dtype))
        np.copyto(out, grad, where=cache > 0)
        return out, grads


class Scale(Layer):
    """A trained number for each channel, which it is multiplied by: `scale`, from 1, or `scale1e-6` from there.

    The layer scale of Touvron et al. 2021, arXiv:2103.17239, which ConvNeXt has.

    Example:
        >>> Scale(1e-6).param_shapes((14, 14, 384))
        {'weight': (384,)}
    """

    op = "scale"
    size_field = "initial"
    follows = True
    reach = "place"
    rescales = True

    initial: float = 1.0

    @property
    def initial_scale(self) -> float:
        return self.initial

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"weight": input_shape[-1:]}

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        kept = x if context.shared.parameter_gradients else None
        return np.multiply(x, params["weight"], out=context.output(x.shape, x.dtype)), kept

    def factors(self, params: Params, context: Context) -> tuple[Array, Array]:
        scale = params["weight"].astype(np.float64)
        return scale, np.zeros_like(scale)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        grads = {} if cache is None else {"weight": row_ops.sum_over_positions(grad * cache)}
        return np.multiply(grad, params["weight"], out=context.gradient(grad.shape, grad.dtype)), grads


class Dropout(Layer):
    """Dropout: `drop0.3` puts each number to 0 with probability 0.3 in training; `drop` with 0.5."""

    op = "drop"
    reach = "number"
    keeps = ()
    in_place = True  # where it drops nothing, its input is its output, and must stay as long
    size_field = "rate"
    follows = True
    light = True

    rate: float = 0.5

    def validate(self) -> None:
        super().validate()
        if self.rate >= 1:
            raise ArgumentError(f"a dropout rate must be below 1, such as drop0.5, got {self.rate!r}")

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        if not context.training or not self.rate:
            return x, None
        share = context.kept("share", x.shape, x.dtype)
        np.copyto(share, context.uniform(x.shape) >= self.rate)
        share *= x.dtype.type(1 / (1 - self.rate))
        return np.multiply(x, share, out=context.output(x.shape, x.dtype)), share

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if cache is None:
            return grad, {}
        return np.multiply(grad, cache, out=context.gradient(grad.shape, grad.dtype)), {}


class Flatten(Layer):
    """A picture as one row of numbers: `flatten`."""

    op = "flatten"
    is_view = True
    sees_all = True

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def sliding(self, input_shape: Shape) -> Layer:
        """Return the layer that does nothing: what follows takes the window as it is."""
        return Linear()

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        return x.reshape(len(x), -1), x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        return grad.reshape(cache), {}
