"""Normalisation of activations."""

from typing import ClassVar

from cnncli.networks.layers.base import Layer
from cnncli.networks.summary import Shape


class BatchNorm(Layer):
    """Batch normalisation: `bn`, with a scale and a shift for each channel (Ioffe and Szegedy, arXiv:1502.03167).

    Example:
        >>> BatchNorm().param_shapes((8, 8, 64)), BatchNorm().buffer_shapes((8, 8, 64))
        ({'weight': (64,), 'bias': (64,)}, {'running_mean': (64,), 'running_var': (64,)})
    """

    op: ClassVar[str] = "bn"
    follows: ClassVar[bool] = True

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return scale and shift."""
        return {"weight": (input_shape[-1],), "bias": (input_shape[-1],)}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the running statistics."""
        return {"running_mean": (input_shape[-1],), "running_var": (input_shape[-1],)}


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
