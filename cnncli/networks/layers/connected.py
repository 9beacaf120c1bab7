"""Fully connected layers."""

from math import prod
from typing import Any

from cnncli.networks.layers.base import Layer, weight_and_bias
from cnncli.networks.layers.convolution import Conv
from cnncli.networks.layers.late import Array, Context, Gradients, Params, np, row_ops
from cnncli.shapes import Shape


class FullyConnected(Layer):
    """A fully connected layer: `fc-10`. It flattens its input; weights are `(inputs, outputs)`.

    Example:
        >>> FullyConnected(120).param_shapes((5, 5, 16))
        {'weight': (400, 120), 'bias': (120,)}
    """

    op = "fc"
    filters_field = "out_features"
    late_bias = True
    dense = True
    sees_all = True
    torch_axes = ((1, 0),)

    out_features: int
    bias: bool = True

    def output_shape(self, input_shape: Shape) -> Shape:
        return (self.out_features,)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return weight_and_bias((prod(input_shape), self.out_features), self.bias, self.out_features)

    def sliding(self, input_shape: Shape) -> Layer:
        """Return the convolution of a window's size: a flattened window has the order of its filters' weights."""
        return Conv((input_shape[0], input_shape[1]), self.out_features, bias=self.bias)

    def macs(self, input_shape: Shape) -> int:
        return prod(input_shape) * self.out_features

    def connections(self, input_shape: Shape) -> int:
        return sum(map(prod, self.param_shapes(input_shape).values()))

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output((len(x), self.out_features), x.dtype)
        np.matmul(x.reshape(len(x), -1), context.once("matrix", lambda: params["weight"]), out=out)
        if self.bias:
            out += context.once("bias", lambda: params["bias"])
        return out, x if context.shared.parameter_gradients else x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if not context.shared.parameter_gradients:
            return self._input_gradient(grad, cache, params, context), {}
        weight = params["weight"]
        product = context.memory.take((context.path, "weight gradient"), weight.shape, weight.dtype)
        grads = {"weight": np.matmul(cache.reshape(len(cache), -1).T, grad, out=product)}
        if self.bias:
            grads["bias"] = row_ops.sum_over_positions(grad)
        if not context.input_gradient:
            return None, grads
        return self._input_gradient(grad, cache.shape, params, context), grads

    def _input_gradient(self, grad: Array, shape: Shape, params: Params, context: Context) -> Array:
        out = context.gradient(shape, grad.dtype)
        np.matmul(grad, params["weight"].T, out=out.reshape(len(out), -1))
        return out


class RadialBasis(Layer):
    """LeNet-5's output: `rbf-10`, the squared distance of the input to a fixed code for each class.

    y_i = sum over j of (x_j - w_ij)^2 (LeCun et al. 1998, section II.B). The codes are drawn by hand: not trained.
    With `everywhere` each place of a picture is an input by itself.

    Example:
        >>> RadialBasis(10).connections((84,))
        840
    """

    op = "rbf"
    filters_field = "out_features"
    sees_all = True
    output_kind = "distances"

    out_features: int
    everywhere: bool = False

    def _vectors(self, x: Array) -> Array:
        return x if self.everywhere else x.reshape(len(x), -1)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.out_features) if self.everywhere else (self.out_features,)

    def sliding(self, input_shape: Shape) -> Layer | None:
        """Return the same at each place, for a window of one."""
        return self.replace(everywhere=True) if input_shape[:2] == (1, 1) else None

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the codes, `(inputs, outputs)`."""
        return {"weight": (input_shape[-1] if self.everywhere else prod(input_shape), self.out_features)}

    def connections(self, input_shape: Shape) -> int:
        return prod(input_shape) * self.out_features

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        distances = self._vectors(x)[..., None] - context.buffer("weight").astype(x.dtype, copy=False)
        out = context.output((*distances.shape[:-2], self.out_features), x.dtype)
        out[:] = (distances * distances).sum(axis=-2)
        return out, (distances, x.shape)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        distances, shape = cache
        out = context.gradient(shape, grad.dtype)
        out[:] = (2 * distances * grad[..., None, :]).sum(axis=-1).reshape(shape)
        return out, {}
