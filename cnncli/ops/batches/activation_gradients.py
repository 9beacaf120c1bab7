"""Activation functions in a training network: forward into given memory, and backward.

Each backward needs either what came in or what went out; a network keeps that alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.rows import as_rows, wide_repeats
from cnncli.ops.batches.workspaces import Memory


class Nonlinearity(NamedTuple):
    """A function of each number by itself (or, softmax, of each vector of channels), and its derivative.

    Attributes:
        forward: writes f(x) to its second argument, which may be x itself where `keeps` is "output".
        backward: returns the gradient of x from that of f(x) and from what is kept, written to the third argument.
        keeps: what is kept for `backward`: "input" or "output".
    """

    forward: Callable[[Array, Array], object]
    backward: Callable[[Array, Array, Array, Memory], Array]
    keeps: str = "output"


def relu_forward(x: Array, out: Array) -> None:
    """Write max(x, 0), of a contiguous array."""
    rows = as_rows(x, wide_repeats(x.shape))
    # Against an array of zeros NumPy's maximum takes 0.11 ns a number, against the number zero 0.6.
    np.maximum(rows, np.zeros(rows.shape[1], x.dtype), out=out.reshape(rows.shape))


def relu_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    """Return the gradient where y > 0."""
    positive = np.greater(y, 0, out=memory.take("better", y.shape, np.dtype(bool)))
    result: Array = np.multiply(grad, positive, out=out)
    return result


def _relu6_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    result: Array = np.multiply(grad, (y > 0) & (y < 6), out=out)
    return result


def _elu_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    result: Array = np.multiply(grad, np.minimum(y, 0) + 1, out=out)
    return result


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


def _tanh_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    slope = np.multiply(y, y, out=memory.take("share", y.shape, y.dtype))
    np.subtract(y.dtype.type(1), slope, out=slope)
    result: Array = np.multiply(grad, slope, out=out)
    return result


def _sigmoid_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    result: Array = np.multiply(grad, y * (1 - y), out=out)
    return result


def _silu_backward(grad: Array, x: Array, out: Array, memory: Memory) -> Array:
    share = _sigmoid(x)
    result: Array = np.multiply(grad, share * (1 + x * (1 - share)), out=out)
    return result


def _normal_cumulative(x: Array) -> Array:
    from scipy.special import erf

    result: Array = (0.5 * (1 + erf(x * 0.5**0.5))).astype(x.dtype)
    return result


def _gelu_backward(grad: Array, x: Array, out: Array, memory: Memory) -> Array:
    density = np.exp(-0.5 * x * x) * x.dtype.type((2 * np.pi) ** -0.5)
    result: Array = np.multiply(grad, _normal_cumulative(x) + x * density, out=out)
    return result


def _softplus(x: Array) -> Array:
    result: Array = np.logaddexp(x, x.dtype.type(0))
    return result


def _mish_backward(grad: Array, x: Array, out: Array, memory: Memory) -> Array:
    share = np.tanh(_softplus(x))
    result: Array = np.multiply(grad, share + x * _sigmoid(x) * (1 - share * share), out=out)
    return result


def _hard_sigmoid(x: Array, out: Array) -> Array:
    np.add(x, x.dtype.type(3), out=out)
    np.clip(out, 0, 6, out=out)
    out *= x.dtype.type(1 / 6)
    return out


def _hard_sigmoid_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    result: Array = np.multiply(grad, ((y > 0) & (y < 1)) * y.dtype.type(1 / 6), out=out)
    return result


def _hard_swish_backward(grad: Array, x: Array, out: Array, memory: Memory) -> Array:
    slope = np.where(np.abs(x) < 3, x * x.dtype.type(1 / 3) + x.dtype.type(0.5), x > 0).astype(x.dtype, copy=False)
    result: Array = np.multiply(grad, slope, out=out)
    return result


def _softmax_forward(x: Array, out: Array) -> None:
    np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)


def _softmax_backward(grad: Array, y: Array, out: Array, memory: Memory) -> Array:
    inner = (grad * y).sum(axis=-1, keepdims=True)
    np.subtract(grad, inner, out=out)
    result: Array = np.multiply(out, y, out=out)
    return result


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

    def backward(grad: Array, x: Array, out: Array, memory: Memory) -> Array:
        result: Array = np.multiply(grad, np.where(x > 0, x.dtype.type(1), x.dtype.type(slope)), out=out)
        return result

    return Nonlinearity(forward, backward, keeps="input")


NONLINEARITIES: dict[str, Nonlinearity] = {
    "relu": Nonlinearity(relu_forward, relu_backward),
    "relu6": Nonlinearity(lambda x, out: np.clip(x, 0, 6, out=out), _relu6_backward),
    "elu": Nonlinearity(lambda x, out: np.add(np.maximum(x, 0), np.expm1(np.minimum(x, 0)), out=out), _elu_backward),
    "silu": Nonlinearity(lambda x, out: np.multiply(x, _sigmoid(x), out=out), _silu_backward, keeps="input"),
    "gelu": Nonlinearity(lambda x, out: np.multiply(x, _normal_cumulative(x), out=out), _gelu_backward, keeps="input"),
    "mish": Nonlinearity(lambda x, out: np.multiply(x, np.tanh(_softplus(x)), out=out), _mish_backward, keeps="input"),
    "hswish": Nonlinearity(
        lambda x, out: np.multiply(x, _hard_sigmoid(x, np.empty_like(x)), out=out), _hard_swish_backward, keeps="input"
    ),
    "hsigmoid": Nonlinearity(_hard_sigmoid, _hard_sigmoid_backward),
    "tanh": Nonlinearity(lambda x, out: np.tanh(x, out=out), _tanh_backward),
    "sigmoid": Nonlinearity(_sigmoid_forward, _sigmoid_backward),
    "softmax": Nonlinearity(_softmax_forward, _softmax_backward),
    "linear": Nonlinearity(lambda x, out: np.copyto(out, x), lambda grad, y, out, memory: grad),
}
"""The activations of networks by name; `leaky_relu` has a slope of its own."""
