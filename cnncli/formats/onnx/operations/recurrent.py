"""Recurrent layers."""

from math import prod

from cnncli.errors import ModelError
from cnncli.formats.onnx.operations.base import Call, Result, operation
from cnncli.formats.tensor_shapes import written


@operation("LSTM", "GRU", "RNN", multiplies=True)
def _recurrent(call: Call) -> Result:
    """At each step of a sequence, the weights of the input and of the state (directions x gates x hidden x ...)."""
    shape, weight, state = call.shape(0), call.shape(1), call.shape(2)
    if not len(shape) == len(weight) == len(state) == 3 or shape[2] != weight[2]:
        raise ModelError(f"its weight {written(weight)} does not fit an input of {written(shape)}")
    directions, hidden = weight[0], state[2]
    first = call.integer("layout", 0)
    steps, batch = shape[1 if first else 0], shape[0 if first else 1]
    macs = steps * batch * (prod(weight) + prod(state))
    last = (batch, directions, hidden) if first else (directions, batch, hidden)
    result = (batch, steps, directions, hidden) if first else (steps, directions, batch, hidden)
    return Result((result, last, last), macs=macs, keeps_layout=False)
