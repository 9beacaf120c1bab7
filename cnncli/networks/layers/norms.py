"""Normalisation of activations."""

from math import prod
from typing import Any

from cnncli.networks.layers.base import Layer, check_groups, image_shape, scale_and_shift
from cnncli.networks.layers.late import Array, Context, Gradients, Params, norm_ops, np, row_ops
from cnncli.shapes import Shape


class NormLayer(Layer):
    """A layer that computes statistics of its input."""

    follows = True
    measures = True


class BatchNorm(NormLayer):
    """Batch normalisation: `bn`, with a scale and a shift for each channel (Ioffe and Szegedy, arXiv:1502.03167).

    Example:
        >>> BatchNorm().param_shapes((8, 8, 64)), BatchNorm().buffer_shapes((8, 8, 64))
        ({'weight': (64,), 'bias': (64,)}, {'running_mean': (64,), 'running_var': (64,)})
    """

    op = "bn"
    reach = "place"
    title = "batch norm"
    removes_mean = True
    steadies = True
    rescales = True
    momentum = 0.1

    eps: float = 1e-5

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return scale_and_shift(input_shape)

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"running_mean": input_shape[-1:], "running_var": input_shape[-1:]}

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        """Return the input, normalised, scaled and shifted.

        In training by the statistics of the whole batch; the running ones move towards them by `momentum`, the variance
        towards its unbiased estimate, which is PyTorch's convention. Else by the running ones.
        """
        if context.training:
            moments = norm_ops.Moments.union(context.gather(norm_ops.Moments.of(x, context.memory)))
            for name, value in (("running_mean", moments.mean), ("running_var", moments.unbiased_variance)):
                old = context.buffer(name)
                context.set_buffer(name, ((1 - self.momentum) * old + self.momentum * value).astype(old.dtype))
        else:
            moments = self._running(context)
        inverse = 1 / np.sqrt(moments.variance + self.eps)
        scale = params["weight"] * inverse
        out = context.output(x.shape, x.dtype)
        norm_ops.scale_channels(x, scale, params["bias"] - moments.mean * scale, out)
        return out, (x, moments, inverse) if context.shared.parameter_gradients else scale

    def _running(self, context: Context) -> Any:
        """Return the running moments."""
        mean, variance = (context.buffer(name).astype(np.float64) for name in ("running_mean", "running_var"))
        return norm_ops.Moments(1, mean, variance)

    def factors(self, params: Params, context: Context) -> tuple[Array, Array]:
        moments = self._running(context)
        scale = params["weight"] / np.sqrt(moments.variance + self.eps)
        return scale, params["bias"] - moments.mean * scale

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        if not context.shared.parameter_gradients:
            return np.multiply(grad, cache.astype(grad.dtype), out=context.gradient(grad.shape, grad.dtype)), {}
        x, moments, inverse = cache
        sums = norm_ops.batch_norm_sums(grad, x, moments.mean)
        grads = {"weight": (sums[1] * inverse).astype(x.dtype), "bias": sums[0].astype(x.dtype)}
        # Running statistics do not depend on the input.
        totals = context.reduce(sums) if context.training else np.zeros_like(sums)
        out = context.gradient(x.shape, x.dtype)
        norm_ops.batch_norm_input_gradient(grad, x, moments, params["weight"], inverse, totals, out)
        return out, grads


class Standardization(NormLayer):
    """Normalisation of an image to mean 0 and variance 1, then a scale and a shift for each channel.

    y = (x - mean) / sqrt(variance + eps) * weight + bias; subclasses say over which numbers. `affine` has
    weight and bias, `noaffine` leaves them out.
    """

    needs = ("output",)

    eps: float = 1e-5
    affine: bool = True

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return scale and shift."""
        return scale_and_shift(input_shape) if self.affine else {}

    def group_count(self, channels: int) -> int:
        """Return the number of groups of channels; each group is standardized over all positions."""
        raise NotImplementedError

    def grouped(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        """Return a batch's shape in groups, and the axes along which a group's numbers lie."""
        raise NotImplementedError

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        shape, axes = self.grouped(x.shape)
        standardized = context.kept("standardized", x.shape, x.dtype)
        inverse = norm_ops.standardize(x.reshape(shape), axes, self.eps, standardized.reshape(shape))
        if not self.affine:
            return standardized, (standardized, inverse)
        out = context.output(x.shape, x.dtype)
        norm_ops.scale_channels(standardized, params["weight"], params["bias"], out)
        return out, (standardized, inverse)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        standardized, inverse = cache
        shape, axes = self.grouped(grad.shape)
        slope, grads = grad, dict[str, Array]()
        if self.affine:
            if context.shared.parameter_gradients:
                grads["weight"] = row_ops.sum_over_positions(grad * standardized)
                grads["bias"] = row_ops.sum_over_positions(grad)
            slope = grad * params["weight"]
        out = context.gradient(grad.shape, grad.dtype)
        slope, standardized = slope.reshape(shape), standardized.reshape(shape)
        norm_ops.standardize_backward(slope, standardized, inverse, axes, out.reshape(shape))
        return out, grads


class LayerNorm(Standardization):
    """Layer normalisation over the channels of each position: `ln`, as in ConvNeXt (Ba et al., arXiv:1607.06450).

    Example:
        >>> str(LayerNorm(eps=1e-6)), LayerNorm().param_shapes((56, 56, 96))
        ('ln,eps1e-06', {'weight': (96,), 'bias': (96,)})
    """

    op = "ln"
    reach = "place"

    def grouped(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        return shape, (len(shape) - 1,)


class GroupNorm(Standardization):
    """Group normalisation: `gn`, over an image's pixels and each of 32 groups of channels, or `gn8` of 8 groups.

    Wu and He 2018, arXiv:1803.08494.

    Example:
        >>> GroupNorm(8).param_shapes((56, 56, 64))
        {'weight': (64,), 'bias': (64,)}
    """

    op = "gn"
    size_field = "groups"

    groups: int = 32

    def output_shape(self, input_shape: Shape) -> Shape:
        check_groups(self, input_shape[-1], self.groups, self.op)
        return input_shape

    def group_count(self, channels: int) -> int:
        return self.groups

    def grouped(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        """Return (N, positions, groups, C / groups), and the axes of positions and of a group's channels."""
        return (shape[0], prod(shape[1:-1]), self.groups, shape[-1] // self.groups), (1, 3)


class InstanceNorm(Standardization):
    """Instance normalisation: `in`, over each channel's pixels (Ulyanov et al. 2016, arXiv:1607.08022).

    Without scale and shift, as in PyTorch and CycleGAN; `in,affine` has them.

    Example:
        >>> InstanceNorm().param_shapes((56, 56, 64)), str(InstanceNorm(affine=True))
        ({}, 'in,affine')
    """

    op = "in"

    affine: bool = False

    def output_shape(self, input_shape: Shape) -> Shape:
        return image_shape(self, input_shape)

    def group_count(self, channels: int) -> int:
        return channels

    def grouped(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        """Return (N, positions, C), and the axis of positions."""
        return (shape[0], prod(shape[1:-1]), shape[-1]), (1,)


class LocalResponseNorm(NormLayer):
    """Local response normalisation: `lrn`, over neighbouring channels.

    y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta. The defaults are AlexNet's (Krizhevsky et al.
    2012, section 3.3); as in PyTorch and ONNX alpha is divided by the size, so its 1e-4 is 5e-4 here.

    Example:
        >>> str(LocalResponseNorm(size=3, k=1))
        'lrn3,k1'
    """

    op = "lrn"
    reach = "place"
    size_field = "size"
    needs = ("input", "input")

    size: int = 5
    k: float = 2.0
    alpha: float = 5e-4
    beta: float = 0.75

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        y, divisor = norm_ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        return y, (x, divisor)

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        x, divisor = cache
        return norm_ops.local_response_norm_backward(grad, x, divisor, self.size, self.alpha, self.beta), {}
