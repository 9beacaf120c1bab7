"""Learning a kernel from an image and its target response: gradient descent, beside the least-squares answer.

The course's w1 ... w9: nobody writes the filter down, it is found from what it should do. The loss is the mean squared
difference to the target. It is quadratic in the weights, so its gradient over the whole image,
2 / N * (G w - m) with G and m of `Sums`, costs a product with a matrix of 9x9 numbers a step, and descent can be
compared with the exact answer.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array, as_numbers
from cnncli.engines.optimizers import OPTIMIZERS, Optimizer
from cnncli.errors import ArgumentError
from cnncli.ops.borders import OUTSIDE, border_index
from cnncli.shapes import IntOrPair, Padding, Pair, Window, pair, show_shape

TOLERANCE = 1e-8
"""Distance to the least-squares answer at which descent stops, as a share of the kernel's length."""

MOST_UNKNOWNS = 4096  # a kernel of 64x64: G holds a product for each two unknowns, 128 MB in all
_WIDEST = 1 << 12  # largest span of a dilated kernel, in pixels a side
_NEGLIGIBLE = 1e-6  # share of the largest singular value of directions that are not seen: rounded pixels make some
_BLOCK_NUMBERS = 1 << 18  # coefficients that are worked on at a time: 2 MB, which stay in the cache
_LSTSQ_NUMBERS = 1 << 21  # most coefficients that are handed to `lstsq`, which holds them several times


class Fit(NamedTuple):
    """A kernel and how well it fits.

    Attributes:
        kernel: (f_h, f_w), or (f_h, f_w, C) for several channels.
        bias: added to the response; 0 where none is learnt.
        loss: mean squared difference to the target.
        largest_residual: largest absolute difference.
    """

    kernel: Array
    bias: float
    loss: float
    largest_residual: float


class LearnedKernel(NamedTuple):
    """A kernel that was learnt from an image and its target.

    Attributes:
        kernel: found by gradient descent; where it converged, rounded to the digits that `TOLERANCE` makes certain.
        bias, loss, largest_residual: as in `Fit`.
        least_squares: the closed-form answer; the smallest kernel where many fit.
        optimizer: name of the optimizer.
        lr: its learning rate.
        momentum: its momentum coefficient; None for optimizers without.
        steps: number of steps taken.
        converged: whether descent came as near to the best kernel as `TOLERANCE` asks.
        losses: (step, loss) of some steps, the first and last among them.
        positions: number of positions of the window.
        unknowns: number of weights; the image determines them all where `rank` is as large.
        rank: number of directions that the image shows.
        condition: largest over smallest curvature of the loss; plain descent takes about so many steps for each digit.
        explained: share of the target's variance that `least_squares` explains; None for a constant target.
    """

    kernel: Array
    bias: float
    loss: float
    largest_residual: float
    least_squares: Fit
    optimizer: str
    lr: float
    momentum: float | None
    steps: int
    converged: bool
    losses: tuple[tuple[int, float], ...]
    positions: int
    unknowns: int
    rank: int
    condition: float
    explained: float | None

    def facts(self) -> dict[str, Any]:
        """Return the fields as the JSON object of `cnncli learn` holds them."""
        exact = self.least_squares._asdict() | {"kernel": self.least_squares.kernel.tolist()}
        return self._asdict() | {"kernel": self.kernel.tolist(), "least_squares": exact}


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
    steps: int = 100_000,
) -> LearnedKernel:
    """Learn the kernel that makes a target of an image, by gradient descent from zeros.

    Args:
        image: (H, W), or (H, W, C) for a kernel over volume.
        target: (H_out, W_out) exact, signed responses, as `edge -o response.npy` writes them.
        kernel_size: f, or (f_h, f_w).
        stride: as in `conv2d`, like the three that follow.
        padding: see `conv2d`.
        padding_mode: see `conv2d`.
        dilation: see `conv2d`.
        flip: learn the kernel of a mathematical convolution, which turns it by 180 degrees.
        bias: learn a bias too; it is always the best for its kernel, as if image and target had the mean 0.
        optimizer: a name in `OPTIMIZERS`.
        lr: learning rate; None for the best one for this curvature, where theory knows it.
        steps: most steps to take.

    Raises:
        ArgumentError: sizes that do not fit (the message says what would), numbers that are not finite, or a learning
            rate with which descent does not converge.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (16, 16))
        >>> target = image[:, :-1] - image[:, 1:]
        >>> learn_kernel(image, target, (1, 2), padding="valid").kernel.round(3).tolist()
        [[1.0, -1.0]]
    """
    image, target = _checked(image, "image"), _checked(target, "target")
    if target.ndim != 2:
        raise ArgumentError(f"a target is one response (H, W), got the shape {target.shape}")
    window = _window(image, target, pair(kernel_size, "kernel_size"), stride, padding, dilation)
    return _learned(_Equations(image, target, window, padding_mode, flip, bias), optimizer, lr, steps)


def _learned(equations: "_Equations", optimizer: str, lr: float | None, steps: int) -> LearnedKernel:
    bias, target = equations.bias, equations.target
    with np.errstate(over="ignore", invalid="ignore"):
        everything, sums = equations.sums, equations.sums.without_bias() if bias else equations.sums
        if not all(np.isfinite(numbers).all() for numbers in sums):
            raise ArgumentError("the squares of these numbers exceed floating point: scale image and target down")
    values = np.linalg.eigvalsh(sums.gram)
    negligible = max(float(np.trace(everything.gram)), values[-1]) * _NEGLIGIBLE**2
    curvature = values[values > negligible] * (2 / sums.positions)  # of the directions that the image shows
    smallest, largest = (float(curvature[0]), float(curvature[-1])) if curvature.size else (0.0, 0.0)
    method, rate = _tuned(optimizer, smallest or 1.0, largest or 1.0, lr)
    weights, losses, converged = _descend(sums, method, rate, steps, smallest, largest)
    if converged and (length := float(np.linalg.norm(weights))) > 1e-200:
        # Without the digits that descent has not settled: 1 and not 0.99999999997.
        weights = weights.round(math.floor(-math.log10(TOLERANCE * length)))
    if bias:
        best_bias = (everything.moments[-1] - everything.gram[-1, :-1] @ weights) / everything.gram[-1, -1]
        weights = np.append(weights, best_bias)
    best = equations.fit(equations.solve())
    variance = float(np.var(target, dtype=np.float64))
    return LearnedKernel(
        *equations.fit(weights),
        least_squares=best,
        optimizer=optimizer,
        lr=rate,
        momentum=getattr(method, "momentum", None),
        steps=losses[-1][0],
        converged=converged,
        losses=losses,
        positions=target.size,
        unknowns=len(sums.moments),
        rank=len(curvature),
        condition=largest / smallest if smallest else 1.0,
        explained=1 - best.loss / variance if variance else None,
    )


def _checked(numbers: Array, name: str) -> Array:
    array = as_numbers(numbers, f"the {name}")
    if array.ndim not in (2, 3) or not array.size:
        raise ArgumentError(f"the {name} is {array.dtype} {array.shape}, expected numbers (H, W) or (H, W, C)")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError(f"the {name} holds numbers that are not finite")
    return array


def _window(
    image: Array, target: Array, kernel_size: Pair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Window:
    size, wanted = (image.shape[0], image.shape[1]), (target.shape[0], target.shape[1])
    window = Window.over(size, kernel_size, stride=stride, padding=padding, dilation=dilation)
    if max(window.span) > _WIDEST:
        raise ArgumentError(
            f"the dilated filter spans {show_shape(window.span)} pixels, over the limit of {_WIDEST:,} a side"
        )
    if window.output_size == wanted:
        return window
    fitting = list(_fitting(window, padding, wanted))
    advice = f"{' or '.join(fitting[:3])} would fit" if fitting else "no padding, stride or filter size makes it fit"
    raise ArgumentError(
        f"the target is {show_shape(wanted)}, and a {show_shape(kernel_size)} filter makes "
        f"{show_shape(window.output_size)} of an image of {show_shape(size)}: {advice}"
    )


def _fitting(window: Window, padding: Padding, wanted: Pair) -> Iterator[str]:
    """Yield descriptions of similar options that give the wanted output size."""
    kernel, stride = window.kernel_size, window.stride
    paddings: list[Padding] = ["valid", "same", *range(1, max(window.span) + 1)]
    others: list[tuple[Padding, str]] = [(padding, "")]
    others += [(other, f" with padding {other}") for other in ("valid", "same") if other != padding]
    tries: list[tuple[str, Pair, Pair, Padding]] = [(f"padding {other}", kernel, stride, other) for other in paddings]
    for n, (other, words) in product(range(1, 9), others):
        if (n, n) != stride:
            tries.append((f"stride {n}{words}", kernel, (n, n), other))
    for n, (other, words) in product(range(1, 16), others):
        if (n, n) != kernel and other in (padding, "valid"):
            tries.append((f"filter size {n}{words}", (n, n), stride, other))
    for words, size, step, other in tries:
        with suppress(ArgumentError):
            found = Window.over(window.size, size, stride=step, padding=other, dilation=window.dilation)
            if found.output_size == wanted:
                yield words


class _Sums(NamedTuple):
    """All that the loss of a kernel depends on: the mean of (a . w - y)^2 is (w . G w - 2 m . w + e) / positions."""

    gram: Array  # G, the sums of products of coefficients, (unknowns, unknowns)
    moments: Array  # m, the sums of their products with the target, (unknowns,)
    energy: float  # e, the sum of the squared targets
    positions: int

    def without_bias(self) -> "_Sums":
        """Return the sums with a bias that is always the best for its kernel: those of numbers less their means.

        The last unknown is the bias, whose coefficients are all 1.
        """
        means = self.gram[-1, :-1] / self.gram[-1, -1]
        return _Sums(
            self.gram[:-1, :-1] - np.outer(means, means) * self.gram[-1, -1],
            self.moments[:-1] - means * self.moments[-1],
            self.energy - float(self.moments[-1] ** 2) / self.gram[-1, -1],
            self.positions,
        )


class _Equations:
    """Window times kernel, plus bias, is target: an equation for each position, a block of rows at a time."""

    def __init__(self, image: Array, target: Array, window: Window, padding_mode: str, flip: bool, bias: bool) -> None:
        self.target, self.bias = target, bias
        self.kernel_shape = (*window.kernel_size, *image.shape[2:])
        self.unknowns = math.prod(self.kernel_shape) + bias
        if self.unknowns > MOST_UNKNOWNS:
            size = "x".join(map(str, self.kernel_shape))
            raise ArgumentError(
                f"a {size} filter has {self.unknowns:,} numbers: at most {MOST_UNKNOWNS:,} can be learnt"
            )
        top, bottom, left, right = window.padding
        rows = border_index(window.size[0], top, bottom, padding_mode)
        columns = border_index(window.size[1], left, right, padding_mode)
        padded = image.take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap")
        padded[rows == OUTSIDE] = 0
        padded[:, columns == OUTSIDE] = 0
        (s_h, s_w), (d_h, d_w) = window.stride, window.dilation
        views = np.lib.stride_tricks.sliding_window_view(padded, window.span, axis=(0, 1))
        views = np.moveaxis(views[::s_h, ::s_w, ..., ::d_h, ::d_w], (-2, -1, 0, 1), (0, 1, -2, -1))
        self.pixels = views[::-1, ::-1] if flip else views
        """The pixels that each tap of the kernel meets, (f_h, f_w, [C,] H_out, W_out)."""

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield coefficients (unknowns, n) and targets (n,), in float64."""
        height, width = self.target.shape
        step = max(1, _BLOCK_NUMBERS // (width * self.unknowns))
        for start in range(0, height, step):
            targets = self.target[start : start + step].ravel().astype(np.float64)
            coefficients = np.ones((self.unknowns, len(targets)))
            pixels = self.pixels[..., start : start + step, :]
            coefficients[: self.unknowns - self.bias] = pixels.reshape(-1, len(targets))
            yield coefficients, targets

    @cached_property
    def sums(self) -> _Sums:
        """Sums over all equations."""
        gram, moments, energy = np.zeros((self.unknowns, self.unknowns)), np.zeros(self.unknowns), 0.0
        for coefficients, targets in self.blocks():
            gram += coefficients @ coefficients.T
            moments += coefficients @ targets
            energy += float(targets @ targets)
        return _Sums(gram, moments, energy, self.target.size)

    def fit(self, weights: Array) -> Fit:
        """Return a kernel (and bias) with its residuals, which are summed without the cancellation of `sums`."""
        total, largest = 0.0, 0.0
        for coefficients, targets in self.blocks():
            left = weights @ coefficients - targets
            total += float(left @ left)
            largest = max(largest, float(np.abs(left).max()))
        kernel = weights[: self.unknowns - self.bias].reshape(self.kernel_shape) + 0.0  # no -0
        return Fit(kernel, float(weights[-1]) if self.bias else 0.0, total / self.target.size, largest)

    def solve(self) -> Array:
        """Return the closed-form least-squares answer; the smallest one where many fit.

        Of few equations by their singular values (`numpy.linalg.lstsq`); of many by the normal equations G w = m, with
        one step of refinement on the residuals.
        """
        if self.target.size * self.unknowns <= _LSTSQ_NUMBERS:
            coefficients, targets = (np.concatenate(parts, axis=-1) for parts in zip(*self.blocks(), strict=True))
            weights: Array = np.linalg.lstsq(coefficients.T, targets, rcond=_NEGLIGIBLE)[0]
            return weights
        inverse = np.linalg.pinv(self.sums.gram, rcond=_NEGLIGIBLE**2, hermitian=True)
        weights = inverse @ self.sums.moments
        left = sum(coefficients @ (targets - weights @ coefficients) for coefficients, targets in self.blocks())
        return weights + inverse @ left


def _descend(
    sums: _Sums, optimizer: Optimizer, lr: float, steps: int, smallest: float, largest: float
) -> tuple[Array, tuple[tuple[int, float], ...], bool]:
    """Return the weights, (step, loss) of some steps, and whether the weights converged."""
    weights = np.zeros(len(sums.moments))
    state, losses = optimizer.initial_state(weights), [(0, sums.energy / sums.positions)]
    gradient = -2 / sums.positions * sums.moments
    # If the loss is nearly flat, rounding leaves a gradient above the tolerance.
    tolerance = max(TOLERANCE, 16 * float(np.finfo(float).eps) * (largest / smallest)) * smallest if smallest else 0.0
    step, near = 0, not gradient.any() or not smallest
    with np.errstate(over="ignore", invalid="ignore"):
        while not near and step < steps:
            step += 1
            optimizer.update(weights, gradient, state, step, lr)
            gradient = 2 / sums.positions * (sums.gram @ weights - sums.moments)
            # Strong convexity: the best kernel is no farther than |gradient| / smallest curvature.
            near = bool(np.linalg.norm(gradient) <= tolerance * np.linalg.norm(weights))
            if near or step == steps or str(step).rstrip("0") in ("1", "2", "5"):
                total = weights @ sums.gram @ weights - 2 * weights @ sums.moments + sums.energy
                losses.append((step, float(total) / sums.positions))
                # Momentum overshoots, by far where the loss is unevenly curved.
                if not losses[-1][1] <= 1e12 * losses[0][1]:
                    raise ArgumentError(
                        f"gradient descent ({optimizer.name}) with lr {lr:g} does not converge on this image: "
                        f"take less than {2 / largest:.3g}, or leave it to be chosen"
                    )
    # Sums cancel where nothing is left.
    return weights, tuple((number, max(0.0, loss)) for number, loss in losses), near


def _tuned(name: str, smallest: float, largest: float, lr: float | None) -> tuple[Optimizer, float]:
    """Return the optimizer and its learning rate: the fastest for a quadratic loss of this curvature.

    Polyak 1964 for momentum; Nesterov 2004, theorem 2.1.15 and section 2.2.1, for plain descent and his own.
    """
    if name not in OPTIMIZERS:
        raise ArgumentError(f"unknown optimizer {name!r}: the optimizers are {', '.join(OPTIMIZERS)}")
    if lr is not None and not 0 < lr < np.inf:
        raise ArgumentError(f"lr must be a number above 0, got {lr!r}")
    large, small = largest**0.5, smallest**0.5
    ratio = (large - small) / (large + small)
    best: dict[str, tuple[float, dict[str, float]]] = {
        "sgd": (2 / (largest + smallest), {}),
        "momentum": (4 / (large + small) ** 2, {"momentum": ratio**2}),
        "nesterov": (1 / largest, {"momentum": ratio}),
    }
    rate, settings = best.get(name, (OPTIMIZERS[name].default_lr, {}))
    return OPTIMIZERS[name](**settings), lr or rate
