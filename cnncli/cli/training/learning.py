"""Output of `learn`: a learnt kernel beside the least-squares answer."""

from typing import TYPE_CHECKING

from cnncli.training.learning import Fit, LearnedKernel

if TYPE_CHECKING:
    from cnncli.arrays import Array

GOOD = 0.99
"""The share of the target's variance below which a fit is called poor."""


def lines(found: LearnedKernel) -> list[str]:
    """Return the text to read."""
    fits: dict[str, Fit | LearnedKernel] = {"gradient descent": found, "least squares": found.least_squares}
    has_bias = any(fit.bias for fit in fits.values())
    blocks = [
        [
            title,
            *_matrices(fit.kernel),
            *([f"bias {fit.bias:.6g}"] if has_bias else []),
            "",
            f"mean squared error {fit.loss:.3g}",
            f"largest residual   {fit.largest_residual:.3g}",
        ]
        for title, fit in fits.items()
    ]
    width = max(map(len, blocks[0])) + 4
    beside = [f"{left:{width}}{right}".rstrip() for left, right in zip(*blocks, strict=True)]
    return [*beside, "", *_course(found), *_warnings(found)]


def _matrices(kernel: "Array") -> list[str]:
    planes = [kernel] if kernel.ndim == 2 else [kernel[:, :, channel] for channel in range(kernel.shape[2])]
    rows = [[_number(value, float(abs(kernel).max())) for value in row] for plane in planes for row in plane.tolist()]
    width = max(len(cell) for row in rows for cell in row)
    text = ["  " + "  ".join(cell.rjust(width) for cell in row) for row in rows]
    height = kernel.shape[0]
    for place in range(height * (len(planes) - 1), 0, -height):
        text.insert(place, "")
    return text


def _number(value: float, largest: float) -> str:
    if 1e-2 <= largest < 1e5:
        return f"{value + 0.0:.4f}".replace("-0.0000", "0.0000")
    return f"{value:.4g}"


def _course(found: LearnedKernel) -> list[str]:
    """Return the course of the loss."""
    momentum = "" if found.momentum is None else f", momentum {found.momentum:.4g}"
    end = "converged after" if found.converged else "did not converge in"
    width = len(f"{found.steps:,}")
    return [
        f"{found.optimizer} (lr {found.lr:.3g}{momentum}) {end} {found.steps:,} steps "
        f"over {found.positions:,} positions:",
        *(f"  step {step:{width},}   loss {loss:.3g}" for step, loss in found.losses),
    ]


def _warnings(found: LearnedKernel) -> list[str]:
    warnings = []
    if not found.converged:
        warnings.append("not converged, the least-squares solution is better: raise --steps, or leave --lr out")
    if found.rank < found.unknowns:
        warnings.append(
            f"the image determines only {found.rank} of {found.unknowns} weights: many kernels fit equally well, and "
            "this is the smallest of them; use an image with more detail"
        )
    if found.explained is not None and found.explained < GOOD:
        warnings.append(
            f"the best kernel explains {max(0.0, found.explained):.1%} of the target: is it the exact "
            "response (.npy) of this image, with this padding?"
        )
    return ["", *warnings] if warnings else []
