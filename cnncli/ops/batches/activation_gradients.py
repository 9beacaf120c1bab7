"""Activation functions in a training network: forward into given memory, and backward.

Each backward needs either the input or the output, and a network keeps only that one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.rows import as_rows, wide_repeats
from cnncli.ops.batches.workspaces import Memory


class Nonlinearity(NamedTuple):
    """An elementwise function (softmax: of each vector of channels) and its gradient.

    Attributes:
        forward: writes f(x) to its second argument, which may be x itself where `keeps` is "output".
        backward: returns the gradient of x from that of f(x) and from the kept array; may write to its third argument.
        keeps: the array kept for `backward`: "input" or "output".
        is_step: whether the gradient is 1 where the output is positive, and else 0.
    """

    forward: Callable[[Array, Array], object]
    backward: Callable[[Array, Array, Array, Memory], Array]
    keeps: str = "output"
    is_step: bool = False


def relu_forward(x: Array, out: Array) -> None:
    """Write max(x, 0), of a contiguous array."""
    rows = as_rows(x, wide_repeats(x.shape))
    # Against an array of zeros NumPy's maximum takes 0.11 ns a number, against the number zero 0.6.
    np.maximum(rows, np.zeros(rows.shape[1], x.dtype), out=out.reshape(rows.shape))


def relu_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    """Return the gradient where y > 0."""
    np.multiply(grad, np.greater(y, 0, out=memory.take("better", y.shape, np.dtype(bool))), out=out)
    return out


def _times(slope: Callable[[Array], Array]) -> Callable[[Array, Array, Array, Memory], Array]:
    """Return the backward of a function whose derivative is `slope` of the kept array."""

    def backward(grad: Array, kept: Array, out: Array, memory: Memory) -> Array:
        np.multiply(grad, slope(kept), out=out)
        return out

    return backward


def _tanh_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    slope = np.multiply(y, y, out=memory.take("share", y.shape, y.dtype))
    np.subtract(y.dtype.type(1), slope, out=slope)
    np.multiply(grad, slope, out=out)
    return out


def _sigmoid_forward(x: Array, out: Array) -> None:
    # As a hyperbolic tangent nothing overflows.
    np.multiply(x, x.dtype.type(0.5), out=out)
    np.tanh(out, out=out)
    out *= x.dtype.type(0.5)
    out += x.dtype.type(0.5)


def _sigmoid(x: Array) -> Array:
    result = np.empty_like(x)
    _sigmoid_forward(x, result)
    return result


def _silu_slope(x: Array) -> Array:
    share = _sigmoid(x)
    slope: Array = share * (1 + x * (1 - share))
    return slope


def _normal_cumulative(x: Array) -> Array:
    from scipy.special import erf

    result: Array = (0.5 * (1 + erf(x * 0.5**0.5))).astype(x.dtype)
    return result


def _gelu_slope(x: Array) -> Array:
    density = np.exp(-0.5 * x * x) * x.dtype.type((2 * np.pi) ** -0.5)
    slope: Array = _normal_cumulative(x) + x * density
    return slope


def _tanh_softplus(x: Array) -> Array:
    share: Array = np.tanh(np.logaddexp(x, x.dtype.type(0)))
    return share


def _mish_slope(x: Array) -> Array:
    share = _tanh_softplus(x)
    slope: Array = share + x * _sigmoid(x) * (1 - share * share)
    return slope


def _hard_sigmoid(x: Array, out: Array) -> Array:
    np.add(x, x.dtype.type(3), out=out)
    np.clip(out, 0, 6, out=out)
    out *= x.dtype.type(1 / 6)
    return out


def _hard_swish_slope(x: Array) -> Array:
    inner = np.abs(x) < 3
    return np.where(inner, x * x.dtype.type(1 / 3) + x.dtype.type(0.5), x > 0).astype(x.dtype, copy=False)


def _softmax_forward(x: Array, out: Array) -> None:
    np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)


def _softmax_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    inner = (grad * y).sum(axis=-1, keepdims=True)
    np.subtract(grad, inner, out=out)
    out *= y
    return out


def leaky_relu(slope: float) -> Nonlinearity:
    """Return x where it is positive, else slope * x.

    Example:
        >>> out = np.empty(2)
        >>> _ = leaky_relu(0.1).forward(np.array([-1.0, 2.0]), out)
        >>> out.tolist()
        [-0.1, 2.0]
    """

    def forward(x: Array, out: Array) -> None:
        out[:] = np.where(x > 0, x, x * x.dtype.type(slope))

    return Nonlinearity(forward, _times(lambda x: np.where(x > 0, x.dtype.type(1), x.dtype.type(slope))), keeps="input")


NONLINEARITIES: dict[str, Nonlinearity] = {
    "relu": Nonlinearity(relu_forward, relu_backward, is_step=True),
    "relu6": Nonlinearity(lambda x, out: np.clip(x, 0, 6, out=out), _times(lambda y: (y > 0) & (y < 6))),
    "elu": Nonlinearity(
        lambda x, out: np.add(np.maximum(x, 0), np.expm1(np.minimum(x, 0)), out=out),
        _times(lambda y: np.minimum(y, 0) + 1),
    ),
    "silu": Nonlinearity(lambda x, out: np.multiply(x, _sigmoid(x), out=out), _times(_silu_slope), "input"),
    "gelu": Nonlinearity(lambda x, out: np.multiply(x, _normal_cumulative(x), out=out), _times(_gelu_slope), "input"),
    "mish": Nonlinearity(lambda x, out: np.multiply(x, _tanh_softplus(x), out=out), _times(_mish_slope), "input"),
    "hswish": Nonlinearity(
        lambda x, out: np.multiply(x, _hard_sigmoid(x, np.empty_like(x)), out=out), _times(_hard_swish_slope), "input"
    ),
    "hsigmoid": Nonlinearity(_hard_sigmoid, _times(lambda y: ((y > 0) & (y < 1)) * y.dtype.type(1 / 6))),
    "tanh": Nonlinearity(lambda x, out: np.tanh(x, out=out), _tanh_backward),
    "sigmoid": Nonlinearity(_sigmoid_forward, _times(lambda y: y * (1 - y))),
    "softmax": Nonlinearity(_softmax_forward, _softmax_backward),
    "linear": Nonlinearity(lambda x, out: np.copyto(out, x), lambda grad, y, out, memory: grad),
}
"""The activations of networks by name; `leaky_relu` has a slope of its own."""
