"""Normalisation of activations."""

from typing import TYPE_CHECKING, Any, ClassVar

from cnncli.networks.layers.base import Layer
from cnncli.networks.summary import Shape

if TYPE_CHECKING:  # what only computes shapes loads no NumPy
    from cnncli.networks.layers.context import Array, Context, Params


class BatchNorm(Layer):
    """Batch normalisation: `bn`, with a scale and a shift for each channel (Ioffe and Szegedy, arXiv:1502.03167).

    Example:
        >>> BatchNorm().param_shapes((8, 8, 64)), BatchNorm().buffer_shapes((8, 8, 64))
        ({'weight': (64,), 'bias': (64,)}, {'running_mean': (64,), 'running_var': (64,)})
    """

    op: ClassVar[str] = "bn"
    follows: ClassVar[bool] = True
    momentum: ClassVar[float] = 0.1
    eps: ClassVar[float] = 1e-5

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return scale and shift."""
        return {"weight": (input_shape[-1],), "bias": (input_shape[-1],)}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the running statistics."""
        return {"running_mean": (input_shape[-1],), "running_var": (input_shape[-1],)}

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        """Return the input, normalised, scaled and shifted.

        In training by the statistics of the whole batch; the running ones move towards them by `momentum`, the variance
        towards its unbiased estimate, which is PyTorch's convention. Else by the running ones.
        """
        import numpy as np

        from cnncli.ops.normalization import Moments, scale_channels

        if context.training:
            moments = Moments.union(context.gather(Moments.of(x, context.memory)))
            self._remember(moments, context)
        else:
            running_mean, running_var = context.buffer("running_mean"), context.buffer("running_var")
            moments = Moments(1, running_mean.astype(np.float64), running_var.astype(np.float64))
        inverse = 1 / np.sqrt(moments.variance + self.eps)
        scale = params["weight"] * inverse
        out = context.output(x.shape, x.dtype)
        scale_channels(x, scale, params["bias"] - moments.mean * scale, out)
        return out, (x, moments, inverse)

    def _remember(self, moments: Any, context: "Context") -> None:
        for name, value in (("running_mean", moments.mean), ("running_var", moments.unbiased_variance)):
            old = context.buffer(name)
            context.set_buffer(name, ((1 - self.momentum) * old + self.momentum * value).astype(old.dtype))

    def backward(
        self, grad: "Array", cache: Any, params: "Params", context: "Context"
    ) -> "tuple[Array | None, dict[str, Array]]":
        """Return the gradients of the input, the scale and the shift."""
        import numpy as np

        from cnncli.ops.normalization import batch_norm_input_gradient, batch_norm_sums

        x, moments, inverse = cache
        sums = batch_norm_sums(grad, x, moments.mean)
        grads = {"weight": (sums[1] * inverse).astype(x.dtype), "bias": sums[0].astype(x.dtype)}
        # Running statistics do not depend on the input.
        totals = context.reduce(sums) if context.training else np.zeros_like(sums)
        out = context.gradient(x.shape, x.dtype)
        batch_norm_input_gradient(grad, x, moments, params["weight"], inverse, totals, out)
        return out, grads


class LocalResponseNorm(Layer):
    """Local response normalisation: `lrn`, over neighbouring channels.

    y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta. The defaults are AlexNet's (Krizhevsky et al.
    2012, section 3.3); as in PyTorch and ONNX alpha is divided by the size, so its 1e-4 is 5e-4 here.

    Example:
        >>> str(LocalResponseNorm(size=3, k=1))
        'lrn3,k1'
    """

    op: ClassVar[str] = "lrn"
    size_field: ClassVar[str] = "size"
    follows: ClassVar[bool] = True

    size: int = 5
    k: float = 2.0
    alpha: float = 5e-4
    beta: float = 0.75

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        """Return the input, divided by what its neighbours make of it."""
        from cnncli.ops.normalization import local_response_norm

        y, divisor = local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        return y, (x, divisor)

    def backward(
        self, grad: "Array", cache: Any, params: "Params", context: "Context"
    ) -> "tuple[Array | None, dict[str, Array]]":
        """Return the gradient of the input."""
        from cnncli.ops.normalization import local_response_norm_backward

        x, divisor = cache
        return local_response_norm_backward(grad, x, divisor, self.size, self.alpha, self.beta), {}
