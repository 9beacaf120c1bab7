"""Optimizers: how parameters follow their gradients.

Every class does, step for step, what PyTorch's optimizer of the same name does.

To add one, write a class with its `state_names`, `step` and `formulas`, and enter it in `OPTIMIZERS`. A step is written
with operators and functions that NumPy and PyTorch share, so that it runs on arrays and on the tensors of a GPU; the
formulas say the same for a reader, who gets them with the numbers of one weight (`cnncli/engines/formulas.py`).
"""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy
from cnncli.values import Value

if TYPE_CHECKING:  # the registry is read for `--help`, which must not load NumPy
    import numpy as np

    from cnncli.arrays import Array
else:
    np = Lazy("numpy")

_BLOCK = 1 << 14  # what one block of 64 KB needs stays in the cache: each array is read once and written once


class Optimizer(Value):
    """Base of all optimizers: flat arrays, updated elementwise.

    Attributes:
        weight_decay: weight decay, added to the gradient unless it is `decoupled`.
        name: its key in `OPTIMIZERS`.
        formulas: one step without weight decay, in the notation of Ng's course and the grammar of Python: W is the
            weight, dW its gradient, t the number of the step from 1. Other names are fields, arrays of the state, or
            set by a formula before.
        source: where they come from.
        course: how they are written in Ng's course (deeplearning.ai).
        state_names: the arrays, each of the parameters' size, that have to be kept between steps.
        default_lr: a learning rate that mostly works.
        kept_factor: factor of the default rate for weights that were trained before.
        head_factor: factor of the rate of those for a new head in front of them.
        normalized_lr: a larger one for networks with batch norm; None where they take the same.
        decoupled: whether the decay is apart from the gradient.
        fractions: the fields that must be below 1.
    """

    weight_decay: float = 0.0

    name: ClassVar[str]
    formulas: ClassVar[tuple[str, ...]]
    source: ClassVar[str] = ""
    course: ClassVar[str] = ""
    state_names: ClassVar[tuple[str, ...]] = ()
    default_lr: ClassVar[float] = 0.01
    # Measured by benchmarks/finetuning.py. Steps as large as the gradients are upset by the large outputs of trained
    # layers: LeNet-5 forgot what it knew at the whole rate, and with a faster head.
    kept_factor: ClassVar[float] = 0.1
    head_factor: ClassVar[float] = 1.0
    normalized_lr: ClassVar[float | None] = None
    decoupled: ClassVar[bool] = False
    fractions: ClassVar[tuple[str, ...]] = ()

    def validate(self) -> None:
        for name in self.fields:
            value = getattr(self, name)
            limit = 1 if name in self.fractions else float("inf")
            if not 0 <= value < limit:
                room = "from 0 to below 1" if limit == 1 else "a finite number from 0"
                raise ArgumentError(f"{name} must be {room}, got {value!r}")

    @property
    def working(self) -> tuple[str, ...]:
        """The formulas of one step, that of the weight decay first.

        Example:
            >>> Momentum(weight_decay=0.01).working
            ('dW = dW + weight_decay * W', 'velocity = momentum * velocity + dW', 'W = W - lr * velocity')
        """
        if not self.weight_decay:
            return self.formulas
        decay = "W = (1 - lr * weight_decay) * W" if self.decoupled else "dW = dW + weight_decay * W"
        return (decay, *self.formulas)

    def initial_state(self, parameters: "Array") -> "dict[str, Array]":
        """Return the state before the first step: zeros."""
        return {name: np.zeros_like(parameters) for name in self.state_names}

    def update(self, parameters: "Array", gradients: "Array", state: "dict[str, Array]", step: int, lr: float) -> None:
        """Take one step, in place, a block at a time.

        Slices may be updated apart, by several threads, and give the same bits.

        Args:
            parameters: flat, float32 or float64; changed.
            gradients: array of the same shape, unchanged.
            state: from `initial_state`, or slices of it like those of the parameters; changed.
            step: number of the step, from 1.
            lr: learning rate of this step.

        Example:
            >>> p, g = np.array([1.0]), np.array([0.5])
            >>> SGD().update(p, g, {}, step=1, lr=0.1)
            >>> p.tolist()
            [0.95]
        """
        scratch = np.empty((2, min(_BLOCK, parameters.size)), parameters.dtype)
        for start in range(0, parameters.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            p = parameters[block]
            g, spare = scratch[:, : p.size]
            g[:] = gradients[block]
            self.update_block(np, p, g, spare, *(state[name][block] for name in self.state_names), t=step, lr=lr)

    def update_block(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        """Take one step with the arrays of `xp`, the module `numpy` or `torch`, as `update` does.

        `g` and `spare`, memory of the same shape, are written over; the state is in the order of `state_names`.
        """
        if self.weight_decay and self.decoupled:
            p *= 1 - lr * self.weight_decay
        elif self.weight_decay:
            xp.multiply(p, self.weight_decay, out=spare)
            g += spare
        self.step(xp, p, g, spare, *state, t=t, lr=lr)

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        """Follow gradients that hold the weight decay; the arguments are those of `update_block`."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent."""

    name: ClassVar[str] = "sgd"
    formulas: ClassVar[tuple[str, ...]] = ("W = W - lr * dW",)
    source: ClassVar[str] = "Robbins and Monro 1951"
    course: ClassVar[str] = "Ng writes the same; alpha is lr"
    default_lr: ClassVar[float] = 0.1

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        g *= lr
        p -= g


class Momentum(Optimizer):
    """Momentum."""

    momentum: float = 0.9

    name: ClassVar[str] = "momentum"
    formulas: ClassVar[tuple[str, ...]] = (
        "velocity = momentum * velocity + dW",
        "W = W - lr * velocity",
    )
    source: ClassVar[str] = "Polyak 1964, as Sutskever et al. 2013 and PyTorch write it"
    course: ClassVar[str] = (
        "Ng writes v = beta v + (1 - beta) dW and W = W - alpha v: beta is momentum, and v is 1 - beta times velocity, "
        "so that the steps are the same with alpha = lr / (1 - beta)"
    )
    fractions: ClassVar[tuple[str, ...]] = ("momentum",)
    state_names: ClassVar[tuple[str, ...]] = ("velocity",)
    default_lr: ClassVar[float] = 0.02

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        (velocity,) = state
        velocity *= self.momentum
        velocity += g
        p -= xp.multiply(velocity, lr, out=spare)


class Nesterov(Momentum):
    """Momentum that looks ahead."""

    name: ClassVar[str] = "nesterov"
    formulas: ClassVar[tuple[str, ...]] = (
        "velocity = momentum * velocity + dW",
        "W = W - lr * (dW + momentum * velocity)",
    )
    source: ClassVar[str] = "Nesterov 1983, as PyTorch writes it"
    course: ClassVar[str] = "Ng does not cover it"

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        (velocity,) = state
        velocity *= self.momentum
        velocity += g
        xp.multiply(velocity, self.momentum, out=spare)
        spare += g
        spare *= lr
        p -= spare


class RMSprop(Optimizer):
    """RMSprop."""

    alpha: float = 0.99
    eps: float = 1e-8

    name: ClassVar[str] = "rmsprop"
    formulas: ClassVar[tuple[str, ...]] = (
        "square = alpha * square + (1 - alpha) * dW**2",
        "W = W - lr * dW / (sqrt(square) + eps)",
    )
    source: ClassVar[str] = "Hinton 2012, lecture 6e"
    course: ClassVar[str] = "Ng writes the same: S is square, beta_2 is alpha, and alpha is lr"
    kept_factor: ClassVar[float] = 1.0
    head_factor: ClassVar[float] = 10.0
    fractions: ClassVar[tuple[str, ...]] = ("alpha",)
    state_names: ClassVar[tuple[str, ...]] = ("square",)
    default_lr: ClassVar[float] = 0.001

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        (square,) = state
        _average_square(xp, square, g, spare, self.alpha)
        xp.sqrt(square, out=spare)
        spare += self.eps
        g /= spare
        g *= lr
        p -= g


class Adam(Optimizer):
    """Adam; the hats make up for the start at zero."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    name: ClassVar[str] = "adam"
    formulas: ClassVar[tuple[str, ...]] = (
        "mean = beta1 * mean + (1 - beta1) * dW",
        "square = beta2 * square + (1 - beta2) * dW**2",
        "mean_hat = mean / (1 - beta1**t)",
        "square_hat = square / (1 - beta2**t)",
        "W = W - lr * mean_hat / (sqrt(square_hat) + eps)",
    )
    source: ClassVar[str] = "Kingma and Ba, arXiv:1412.6980"
    course: ClassVar[str] = "Ng writes the same: V is mean, S is square, corrected is hat, and alpha is lr"
    kept_factor: ClassVar[float] = 1.0
    head_factor: ClassVar[float] = 10.0
    fractions: ClassVar[tuple[str, ...]] = ("beta1", "beta2")
    state_names: ClassVar[tuple[str, ...]] = ("mean", "square")
    default_lr: ClassVar[float] = 0.001

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        mean, square = state
        xp.subtract(g, mean, out=spare)
        spare *= 1 - self.beta1
        mean += spare
        _average_square(xp, square, g, spare, self.beta2)
        xp.sqrt(square, out=spare)
        spare /= (1 - self.beta2**t) ** 0.5
        spare += self.eps
        xp.divide(mean, spare, out=g)
        g *= lr / (1 - self.beta1**t)
        p -= g


class AdamW(Adam):
    """Adam with the weight decay apart from the gradient."""

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"
    source: ClassVar[str] = "Loshchilov and Hutter, arXiv:1711.05101"
    course: ClassVar[str] = (
        "Ng covers Adam: V is mean, S is square, corrected is hat, and alpha is lr; an L2 term would be part of dW, "
        "and so be divided by sqrt(square_hat)"
    )
    normalized_lr: ClassVar[float | None] = 0.003
    decoupled: ClassVar[bool] = True


def _average_square(xp: Any, square: Any, g: Any, spare: Any, keep: float) -> None:
    """Square = keep square + (1 - keep) g^2."""
    square *= keep
    xp.multiply(g, g, out=spare)
    spare *= 1 - keep
    square += spare


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.name: kind for kind in (SGD, Momentum, Nesterov, RMSprop, Adam, AdamW)}


CLIPPING = "dW = dW * clip_norm / (norm + 1e-6)"
"""What `clip_by_norm` does to a gradient, as a formula like those of optimizers."""


def clip_by_norm(gradients: "Array", max_norm: float) -> float:
    """Shorten flat gradients, in place, where their norm exceeds a limit; return the norm as it was.

    The norm is summed in float64 in a fixed order, whatever the number of threads.

    g *= max_norm / (norm + 1e-6) (Pascanu et al., arXiv:1211.5063; PyTorch's clip_grad_norm_). Gradients whose norm is
    not finite are left as they are: the caller has to stop.

    Example:
        >>> g = np.array([3.0, 4.0])
        >>> clip_by_norm(g, 1), g.round(3).tolist()
        (5.0, [0.6, 0.8])
    """
    if not max_norm > 0:
        raise ArgumentError(f"max_norm must be a number above 0, got {max_norm!r}")
    total = 0.0
    for start in range(0, gradients.size, _BLOCK):
        block = gradients[start : start + _BLOCK].astype(np.float64)
        block *= block
        total += float(block.sum())
    length = math.sqrt(total)
    factor = max_norm / (length + 1e-6)
    if 0 < factor < 1:
        gradients *= factor
    return length
