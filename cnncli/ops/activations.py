"""Activation functions, each of an array of any shape.

`relu` keeps integers integers; the others give floating point: float32 for float32 and for integers up to 16 bits,
float64 otherwise.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array


def relu(x: npt.ArrayLike) -> Array:
    """Return max(x, 0).

    Example:
        >>> relu([-2, 3]).tolist()
        [0, 3]
    """
    x = np.asarray(x)
    result: Array = np.maximum(x, x.dtype.type(0))
    return result


def tanh(x: npt.ArrayLike) -> Array:
    """Return the hyperbolic tangent, between -1 and 1."""
    return np.tanh(_floating(x))


def sigmoid(x: npt.ArrayLike) -> Array:
    """Return 1 / (1 + exp(-x)), between 0 and 1, without overflow for any x.

    Example:
        >>> sigmoid(0.0).item()
        0.5
    """
    x = _floating(x)
    return 0.5 * (1 + np.tanh(0.5 * x))


def _floating(x: npt.ArrayLike) -> Array:
    x = np.asarray(x)
    if x.dtype.kind == "f":
        return x
    return x.astype(np.float32 if x.dtype.itemsize < 4 else np.float64)


ACTIVATIONS: dict[str, Callable[[npt.ArrayLike], Array]] = {"relu": relu, "tanh": tanh, "sigmoid": sigmoid}
"""The activations that take one number at a time, by name."""
