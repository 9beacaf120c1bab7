"""Learning a kernel from an image and its target response: gradient descent, beside the least-squares answer.

The course's w1 ... w9: nobody writes the filter down, it is found from what it shall do. The loss is the mean squared
difference to the target. It is quadratic in the weights, so its gradient over the whole image,
2 / N * (G w - m) with G and m of `Sums`, costs a product with a matrix of 9x9 numbers a step, and descent can be
compared with the exact answer.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.optimizers import OPTIMIZERS, Optimizer
from cnncli.errors import ArgumentError
from cnncli.shapes import IntOrPair, Padding, Pair, Window, pair
from cnncli.training.equations import NEGLIGIBLE, Equations, Residuals, Sums

Array = NDArray[Any]

STEPS = 100_000
"""The most steps that are taken."""

_WIDEST = 1 << 12

TOLERANCE = 1e-8
"""How near descent comes to the least-squares answer, as a share of the kernel's length."""


class Fit(NamedTuple):
    """A kernel and how well it fits.

    Attributes:
        kernel: (f_h, f_w), or (f_h, f_w, C) for several channels.
        bias: added to the response; 0 where none is learnt.
        residuals: what it leaves of the target.
    """

    kernel: Array
    bias: float
    residuals: Residuals


class Curvature(NamedTuple):
    """How curved the loss is: the eigenvalues of its second derivative.

    Attributes:
        largest: sets the largest learning rate that converges, 2 / largest.
        smallest: of those directions that the image shows.
        rank: how many these are.
    """

    largest: float
    smallest: float
    rank: int

    @property
    def condition(self) -> float:
        """The largest over the smallest: plain descent takes about so many steps for each digit."""
        return self.largest / self.smallest if self.smallest else 1.0


class Descent(NamedTuple):
    """How gradient descent went.

    Attributes:
        optimizer: its name.
        lr: learning rate.
        momentum: what part of a step goes on into the next; None for optimizers without.
        steps: how many were taken.
        converged: whether it came as near to the best kernel as `TOLERANCE` asks.
        losses: (step, loss) of some steps, the first and last among them.
    """

    optimizer: str
    lr: float
    momentum: float | None
    steps: int
    converged: bool
    losses: tuple[tuple[int, float], ...]


class Learned(NamedTuple):
    """What was learnt from an image and its target.

    Attributes:
        learned: by gradient descent; where it converged, rounded to what `TOLERANCE` makes certain.
        least_squares: the closed-form answer; the smallest where many kernels fit.
        descent: how it went.
        curvature: of the loss.
        unknowns: the kernel's numbers; the image settles them all where `curvature.rank` is as large.
        positions: how many positions of the window there are.
        explained: the part of the target's variance that the least-squares answer explains; None for a constant target.
    """

    learned: Fit
    least_squares: Fit
    descent: Descent
    curvature: Curvature
    unknowns: int
    positions: int
    explained: float | None


def learn_kernel(
    image: Array,
    target: Array,
    kernel_size: IntOrPair = 3,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "same",
    padding_mode: str = "reflect",
    dilation: IntOrPair = 1,
    flip: bool = False,
    bias: bool = False,
    optimizer: str = "momentum",
    lr: float | None = None,
    steps: int = STEPS,
) -> Learned:
    """Learn the kernel that makes a target of an image, by gradient descent from zeros.

    Args:
        image: (H, W), or (H, W, C) for a kernel over volume.
        target: (H_out, W_out) exact, signed responses, as `edge -o response.npy` writes them.
        kernel_size: f, or (f_h, f_w).
        stride: as in `conv2d`, like the four that follow.
        padding: likewise.
        padding_mode: likewise.
        dilation: likewise.
        flip: learn the kernel that convolution as mathematics defines it would turn.
        bias: learn a bias too; it is always the best for its kernel, as if image and target had the mean 0.
        optimizer: a name in `OPTIMIZERS`.
        lr: learning rate; None for the best one for this curvature, where theory knows it.
        steps: the most steps that are taken.

    Raises:
        ArgumentError: sizes that do not fit (the message says what would), numbers that are not finite, or a learning
            rate with which descent does not converge.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (16, 16))
        >>> target = image[:, :-1] - image[:, 1:]
        >>> learn_kernel(image, target, (1, 2), padding="valid").learned.kernel.round(3).tolist()
        [[1.0, -1.0]]
    """
    image, target = _checked(image, "image"), _checked(target, "target")
    if target.ndim != 2:
        raise ArgumentError(f"a target is one response (H, W), got the shape {target.shape}")
    window = _window(image, target, pair(kernel_size, "kernel_size"), stride, padding, dilation)
    equations = Equations(image, target, window, padding_mode=padding_mode, flip=flip, bias=bias)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = equations.sums.without_bias() if bias else equations.sums
        if not all(np.isfinite(numbers).all() for numbers in sums):
            raise ArgumentError("the squares of these numbers exceed floating point: scale image and target down")
    curvature = _curvature(sums, equations.positions, negligible=float(np.trace(equations.sums.gram)) * NEGLIGIBLE**2)
    weights, descent = _descend(sums, equations.positions, curvature, optimizer, lr, steps)
    if descent.converged:
        weights = _certain(weights)
    if bias:
        weights = np.append(weights, equations.sums.best_bias(weights))
    best = _fit(equations, equations.solution, bias, image.ndim)
    explained = 1 - best.residuals.mean_square / equations.variance if equations.variance else None
    return Learned(
        learned=_fit(equations, weights, bias, image.ndim),
        least_squares=best,
        descent=descent,
        curvature=curvature,
        unknowns=equations.unknowns - bias,
        positions=equations.positions,
        explained=explained,
    )


def _checked(numbers: Array, what: str) -> Array:
    array = np.asarray(numbers)
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or not array.size:
        raise ArgumentError(f"the {what} is {array.dtype} {array.shape}, expected numbers (H, W) or (H, W, C)")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError(f"the {what} holds numbers that are not finite")
    return array


def _window(
    image: Array, target: Array, kernel_size: Pair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Window:
    size, wanted = (image.shape[0], image.shape[1]), (target.shape[0], target.shape[1])
    window = Window.over(size, kernel_size, stride=stride, padding=padding, dilation=dilation)
    if max(window.span) > _WIDEST:
        raise ArgumentError(
            f"the dilated filter spans {_times(window.span)} pixels, over the limit of {_WIDEST:,} a side"
        )
    if window.output_size == wanted:
        return window
    fitting = [option for option, output in _options(window, padding) if output == wanted]
    advice = f"{' or '.join(fitting[:3])} would fit" if fitting else "no padding, stride or filter size makes it fit"
    raise ArgumentError(
        f"the target is {_times(wanted)}, and a {_times(kernel_size)} filter makes {_times(window.output_size)} of an "
        f"image of {_times(size)}: {advice}"
    )


def _options(window: Window, padding: Padding) -> Iterator[tuple[str, Pair]]:
    """Yield other options near those of a window, and the sizes that they give."""
    smaller = range(1, max(window.span) + 1)
    paddings: list[Padding] = ["valid", "same", *smaller]
    square = [(f, f) for f in range(1, 16)]
    tries: list[tuple[Pair, Padding, Pair]] = [
        *((window.kernel_size, other, window.stride) for other in paddings),
        *((window.kernel_size, other, (s, s)) for s, other in product(range(1, 9), (padding, "valid", "same"))),
        *((other, kept, window.stride) for other, kept in product(square, (padding, "valid"))),
    ]
    seen = set()
    for kernel, other, stride in tries:
        words = _words(window, padding, kernel, other, stride)
        if words in seen:
            continue
        seen.add(words)
        try:
            found = Window.over(window.size, kernel, stride=stride, padding=other, dilation=window.dilation)
        except ArgumentError:
            continue
        yield words, found.output_size


def _words(window: Window, padding: Padding, kernel: Pair, other: Padding, stride: Pair) -> str:
    words = [
        f"filter size {kernel[0]}" if kernel != window.kernel_size else "",
        f"stride {stride[0]}" if stride != window.stride else "",
        f"padding {other}" if other != padding else "",
    ]
    return " with ".join(filter(None, words))


def _times(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


def _curvature(sums: Sums, count: int, negligible: float) -> Curvature:
    values = np.linalg.eigvalsh(sums.gram)
    seen = values[values > max(negligible, values[-1] * NEGLIGIBLE**2)] * (2 / count)
    return Curvature(float(seen[-1]), float(seen[0]), len(seen)) if len(seen) else Curvature(0.0, 0.0, 0)


def _certain(weights: Array) -> Array:
    """Return weights without the digits that descent has not settled: 1 and not 0.99999999997."""
    length = float(np.linalg.norm(weights))
    return weights.round(math.floor(-math.log10(TOLERANCE * length))) if length > 1e-200 else weights


def _fit(equations: Equations, weights: Array, bias: bool, rank: int) -> Fit:
    kernel = (weights[:-1] if bias else weights).reshape(equations.kernel_shape) + 0.0  # no -0
    added = float(weights[-1]) if bias else 0.0
    return Fit(kernel if rank == 3 else kernel[:, :, 0], added, equations.residuals(weights))


def _descend(
    sums: Sums, count: int, curvature: Curvature, name: str, lr: float | None, steps: int
) -> tuple[Array, Descent]:
    optimizer, rate = _tuned(name, curvature, lr)
    weights = np.zeros(len(sums.moments))
    state, losses = optimizer.initial_state(weights), [(0, sums.energy / count)]
    gradient = -2 / count * sums.moments
    # What rounding leaves of a gradient is more than a tolerance, where the loss is hardly curved.
    tolerance = max(TOLERANCE, 16 * float(np.finfo(float).eps) * curvature.condition)
    step, near = 0, not gradient.any() or not curvature.rank
    with np.errstate(over="ignore", invalid="ignore"):
        while not near and step < steps:
            step += 1
            optimizer.update(weights, gradient, state, step, rate)
            gradient = 2 / count * (sums.gram @ weights - sums.moments)
            # Strong convexity: the best kernel is no farther than |gradient| / smallest curvature.
            near = bool(np.linalg.norm(gradient) <= tolerance * curvature.smallest * np.linalg.norm(weights))
            if _is_round(step) or near or step == steps:
                losses.append((step, _loss(sums, weights, count)))
                _check_progress(losses, name, rate, curvature)
    losses = [(number, max(0.0, loss)) for number, loss in losses]  # sums cancel where nothing is left
    momentum = getattr(optimizer, "momentum", None)
    return weights, Descent(name, rate, momentum, step, near, tuple(losses))


def _tuned(name: str, curvature: Curvature, lr: float | None) -> tuple[Optimizer, float]:
    """Return the optimizer and its learning rate: the fastest for a quadratic loss of this curvature.

    Polyak 1964 for momentum; Nesterov 2004, theorem 2.1.15 and section 2.2.1, for plain descent and his own.
    """
    if name not in OPTIMIZERS:
        raise ArgumentError(f"unknown optimizer {name!r}: the optimizers are {', '.join(OPTIMIZERS)}")
    if lr is not None and not 0 < lr < np.inf:
        raise ArgumentError(f"lr must be a number above 0, got {lr!r}")
    large, small = curvature.largest or 1.0, curvature.smallest or 1.0
    roots = large**0.5, small**0.5
    ratio = (roots[0] - roots[1]) / (roots[0] + roots[1])
    best: dict[str, tuple[float, dict[str, float]]] = {
        "sgd": (2 / (large + small), {}),
        "momentum": (4 / (roots[0] + roots[1]) ** 2, {"momentum": ratio**2}),
        "nesterov": (1 / large, {"momentum": ratio}),
    }
    rate, settings = best.get(name, (OPTIMIZERS[name].default_lr, {}))
    return OPTIMIZERS[name](**settings), lr or rate


def _is_round(step: int) -> bool:
    """Whether a step is 1, 2 or 5 times a power of ten."""
    return str(step).rstrip("0") in ("1", "2", "5")


def _loss(sums: Sums, weights: Array, count: int) -> float:
    return float(weights @ sums.gram @ weights - 2 * weights @ sums.moments + sums.energy) / count


def _check_progress(losses: list[tuple[int, float]], name: str, lr: float, curvature: Curvature) -> None:
    if not losses[-1][1] <= 1e12 * losses[0][1]:  # momentum overshoots, by far where the loss is unevenly curved
        raise ArgumentError(
            f"gradient descent ({name}) with lr {lr:g} does not converge on this image: take less than "
            f"{2 / curvature.largest:.3g}, or leave it to be chosen"
        )
