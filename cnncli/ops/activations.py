"""Activation functions of responses, each of an array of any shape.

`relu` keeps integers integers; the others give floating point: float32 for float32 and for integers up to 16 bits,
float64 otherwise.
"""

from collections.abc import Callable

import numpy as np

from cnncli.arrays import Array


def _floating(x: Array) -> Array:
    return x if x.dtype.kind == "f" else x.astype(np.float32 if x.dtype.itemsize < 4 else np.float64)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "tanh": lambda x: np.tanh(_floating(x)),
    # As a hyperbolic tangent nothing overflows.
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * _floating(x))),
}
