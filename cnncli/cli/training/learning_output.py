"""What `learn` prints of a kernel that was learnt."""

from typing import TYPE_CHECKING, Any

from cnncli.training.learning import Fit, Learned

if TYPE_CHECKING:
    from cnncli.training.learning import Array

GOOD = 0.99
"""The part of the target's variance below which a fit is called poor."""


def facts(learned: Learned) -> dict[str, Any]:
    """Return all of it as JSON holds it."""
    descent, curvature = learned.descent, learned.curvature
    return {
        **_fit_facts(learned.learned),
        "least_squares": _fit_facts(learned.least_squares),
        "optimizer": descent.optimizer,
        "lr": descent.lr,
        "momentum": descent.momentum,
        "steps": descent.steps,
        "converged": descent.converged,
        "losses": [list(pair) for pair in descent.losses],
        "positions": learned.positions,
        "unknowns": learned.unknowns,
        "rank": curvature.rank,
        "condition": curvature.condition,
        "explained": learned.explained,
    }


def _fit_facts(fit: Fit) -> dict[str, Any]:
    return {
        "kernel": fit.kernel.tolist(),
        "bias": fit.bias,
        "loss": fit.residuals.mean_square,
        "largest_residual": fit.residuals.largest,
    }


def lines(learned: Learned) -> list[str]:
    """Return all of it for reading."""
    fits = (learned.learned, learned.least_squares)
    blocks = [["gradient descent", *_matrices(fits[0].kernel)], ["least squares", *_matrices(fits[1].kernel)]]
    if fits[0].bias or fits[1].bias:
        for block, fit in zip(blocks, fits, strict=True):
            block.append(f"bias {fit.bias:.6g}")
    for block, fit in zip(blocks, fits, strict=True):
        block += ["", f"mean squared error {fit.residuals.mean_square:.3g}"]
        block.append(f"largest residual   {fit.residuals.largest:.3g}")
    width = max(map(len, blocks[0])) + 4
    beside = [f"{left:{width}}{right}".rstrip() for left, right in zip(*blocks, strict=True)]
    return [*beside, "", *_course(learned), *_warnings(learned)]


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


def _course(learned: Learned) -> list[str]:
    """How the loss went down."""
    descent = learned.descent
    momentum = "" if descent.momentum is None else f", momentum {descent.momentum:.4g}"
    end = "converged after" if descent.converged else "did not converge in"
    width = len(f"{descent.steps:,}")
    return [
        f"{descent.optimizer} (lr {descent.lr:.3g}{momentum}) {end} {descent.steps:,} steps "
        f"over {learned.positions:,} positions:",
        *(f"  step {step:{width},}   loss {loss:.3g}" for step, loss in descent.losses),
    ]


def _warnings(learned: Learned) -> list[str]:
    found = []
    if not learned.descent.converged:
        found.append("the least-squares answer is nearer: more --steps, or leave --lr to be chosen")
    if learned.curvature.rank < learned.unknowns:
        found.append(
            f"the image shows {learned.curvature.rank} of {learned.unknowns} directions: many kernels fit as well, and "
            "this is the smallest; an image with more in it settles the rest"
        )
    if learned.explained is not None and learned.explained < GOOD:
        found.append(
            f"the best kernel explains {max(0.0, learned.explained):.1%} of the target: is it the exact "
            "response (.npy) of this image, with this padding?"
        )
    return ["", *found] if found else []
